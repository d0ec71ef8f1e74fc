#include "model/past.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/again.h"
#include "model/past_cache.h"
#include "model/past_run.h"
#include "model/proto.h"
#include "model/snapshot.h"

/* On a long way a state is kept this many events before its end (and a multiple of it), for the neighbours to begin at. */
#define STEP 1024
/* A trip that lacked something that passes is made again: the first pause, and how often. */
#define AGAIN_MS 20
#define AGAIN_TRIES 7

struct request {
	struct request *next;
	char view[LIMIT_NAME + 1];
	uint64_t seq;
	const void *key;
	views_done *done; /* NULL: cancelled */
	void *arg;
};

struct past {
	struct views *views;
	struct eventlog *log;
	struct disk *disk;
	int views_fd;
	struct worker_limits limits;
	void (*report)(void *arg, const char *text);
	void *report_arg;
	pthread_t thread;
	int stop_fd; /* an eventfd: what is being worked on is to be given up */

	/* Under the lock. `current` is in the thread's hands, but for its `done`. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *first, **last, *current;
	bool stop;

	/* The thread's own. */
	struct reader *reader;
	uint64_t generation, active_begin;
	struct past_cache cache;
	struct diag told; /* what was reported last */
};

static int refresh(struct past *p)
{
	struct log_files files;

	if (p->reader && p->generation == eventlog_generation(p->log))
		return 0;
	int r = eventlog_files(p->log, &files);
	if (r < 0)
		return r;
	p->generation = files.generation;
	p->active_begin = files.active_begin.off;
	return p->reader ? reader_update(p->reader, &files) : reader_new(&p->reader, p->disk, &files);
}

/* -EBADMSG, here and below: damage is in the way; why is in the diag. */
static int seek(struct past *p, uint64_t seq, struct log_pos *ret, struct diag *why)
{
	uint64_t head = eventlog_head(p->log).off;

	*ret = (struct log_pos){0};
	int r = refresh(p);
	if (r == 0 && seq > 0)
		r = reader_seek_seq(p->reader, seq, head, ret);
	if (r == -EBADMSG)
		diag_set(why, r, "the log is damaged around event %llu", (unsigned long long)seq);
	return r > 0 ? -ENOENT : r;
}

/* A cached state as a snapshot, which is what a worker begins with: a file, or an error. */
static int base_of_rendering(struct past *p, uint64_t reducer, const struct rendering *r)
{
	auto_buf struct buf text = {0};
	struct snapshot s = {
	    .pos = r->pos,
	    .reducer = reducer,
	    .state = {r->json.data, r->json.len - 1},
	};
	size_t done;

	int result = 0;
	if (r->pos.off >= p->active_begin) {
		s.offset = r->pos.off - p->active_begin;
		result = reader_checksum(p->reader, r->pos.off, &s.checksum);
	}
	if (result == 0)
		result = snapshot_write(&s, &text);
	if (result < 0)
		return result;
	auto_close int fd = proto_memfd("past");
	if (fd < 0)
		return fd;
	result = disk_pwrite_all(&disk_posix, fd, text.data, text.len, 0, &done);
	return result < 0 ? result : take_fd(&fd);
}

static int read_text(int fd, struct buf *ret)
{
	off_t size = disk_posix.size(&disk_posix, fd);

	if (size < 0 || buf_reserve(ret, (size_t)size) < 0)
		return size < 0 ? (int)size : -ENOMEM;
	ret->len = (size_t)size;
	return disk_pread_all(&disk_posix, fd, ret->data, ret->len, 0);
}

/* The view's snapshot on disk, if it is of this reducer and lies before `seq`: a file, or -1. */
static int base_on_disk(struct past *p, const char *view, uint64_t reducer, uint64_t seq, struct log_pos *ret)
{
	auto_buf struct buf text = {0};
	struct snapshot s;

	auto_close int fd = snapshot_open(p->views_fd, view);
	if (fd < 0 || read_text(fd, &text) != 0 || snapshot_parse(buf_slice(&text), &s, NULL) != 0 ||
	    s.reducer != reducer || s.pos.seq > seq || s.holes.unreadable)
		return -1;
	*ret = s.pos;
	return take_fd(&fd);
}

/* Where to begin: the file (-1: the start), and its place. */
static int find_base(struct past *p, const struct request *q, const struct definition *def,
		     struct log_pos *ret)
{
	struct rendering *cached = past_cache_find(&p->cache, def->identity, q->seq);
	struct log_pos pos = {0};

	auto_close int fd = base_on_disk(p, q->view, def->identity, q->seq, &pos);
	if (cached && cached->pos.seq > pos.seq) {
		int made = base_of_rendering(p, def->identity, cached);
		if (made >= 0) {
			if (fd >= 0)
				close(fd);
			fd = made;
			pos = cached->pos;
		}
	}
	*ret = pos;
	return take_fd(&fd);
}

/* The last multiple of STEP before the end, if the way is long; 0: none. */
static uint64_t stop_on_the_way(uint64_t from, uint64_t to)
{
	uint64_t stop = to > STEP ? (to - 1) / STEP * STEP : 0;

	return stop > from && to - from > STEP ? stop : 0;
}

static int travel(struct past *p, const struct request *q, const struct definition *def,
		  const struct log_pos *to, struct rendering **ret, struct diag *why)
{
	struct past_run run = {.stop_fd = p->stop_fd};
	struct log_pos from, between;

	auto_close int base = find_base(p, q, def, &from);
	int r = past_run_begin(&run, &p->limits, p->log, def, base, from.off, why);
	if (r < 0)
		return r;
	uint64_t stop = stop_on_the_way(from.seq, to->seq);
	if (stop && seek(p, stop, &between, NULL) == 0) {
		struct rendering *kept = NULL;
		r = past_run_to(&run, &between, &kept, why);
		if (r == 0)
			past_cache_add(&p->cache, def->identity, kept);
		rendering_unref(kept);
	}
	if (r == 0)
		r = past_run_to(&run, to, ret, why);
	if (r == 0)
		past_cache_add(&p->cache, def->identity, *ret);
	past_run_end(&run);
	return r == -EPIPE ? -EIO : r;
}

static int find_state(struct past *p, const struct request *q, const struct log_pos *to,
		      struct rendering **ret, struct diag *why)
{
	struct definition *def;

	int r = views_definition(p->views, q->view, &def);
	if (r < 0)
		return r;
	struct rendering *cached = past_cache_find(&p->cache, def->identity, q->seq);
	if (def->why.text[0])
		r = -EIO;
	else if (cached && cached->pos.seq == q->seq)
		*ret = rendering_ref(cached);
	else
		r = travel(p, q, def, to, ret, why);
	definition_unref(def);
	return r;
}

/* For the daemon's log, once and not with each look. */
static void tell(struct past *p, const struct request *q, const struct diag *why)
{
	struct diag text;

	diag_set(&text, 0, "the past of the view %s behind %llu events can't be told: %s", q->view,
		 (unsigned long long)q->seq, why->text);
	if (strcmp(text.text, p->told.text) != 0 && p->report)
		p->report(p->report_arg, text.text);
	p->told = text;
}

static struct views_answer try(struct past *p, const struct request *q, struct diag *why)
{
	struct views_answer a = {0};

	a.error = seek(p, q->seq, &a.pos, why);
	if (a.error == 0)
		a.error = find_state(p, q, &a.pos, &a.rendering, why);
	return a;
}

/* False: nobody wants it any more. */
static bool pause_before(struct past *p, struct again *again)
{
	struct pollfd stop = {.fd = p->stop_fd, .events = POLLIN};

	again_later(again, AGAIN_MS);
	return poll(&stop, 1, (int)again->pause_ms) == 0;
}

static struct views_answer work(struct past *p, const struct request *q)
{
	struct again again = {0};
	struct diag why = {0};

	struct views_answer a = try(p, q, &why);
	while (error_passes(a.error) && again.tries < AGAIN_TRIES && pause_before(p, &again))
		a = try(p, q, &why);
	if (a.error == -EBADMSG || error_passes(a.error)) {
		if (!why.text[0])
			diag_set(&why, 0, "%s", strerror(-a.error));
		tell(p, q, &why);
		a.error = -EIO;
	}
	return a;
}

static void *past_thread(void *arg)
{
	struct past *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct request *q = p->first;
		if (!q && p->stop)
			break;
		if (!q) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		p->first = q->next;
		if (!p->first)
			p->last = &p->first;
		p->current = q;
		bool stop = p->stop;
		pthread_mutex_unlock(&p->lock);
		struct views_answer a = stop ? (struct views_answer){.error = -ESHUTDOWN} : work(p, q);
		pthread_mutex_lock(&p->lock);
		p->current = NULL;
		if (!p->stop)
			(void)!eventfd_read(p->stop_fd, &(eventfd_t){0});
		views_done *done = q->done;
		pthread_mutex_unlock(&p->lock);
		if (done)
			done(q->arg, &a);
		else
			rendering_unref(a.rendering);
		free(q);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int past_start(struct past **ret, struct views *views, struct eventlog *log, struct disk *disk,
	       int data_dirfd, const struct views_options *options)
{
	struct past *p = calloc(1, sizeof(*p));
	int r = 0;

	if (!p)
		return -ENOMEM;
	p->views = views;
	p->log = log;
	p->disk = disk;
	p->limits = (struct worker_limits){
	    .path = options->worker_path,
	    .memory = options->reduce_memory,
	    .timeout_ms = options->reduce_timeout_ms,
	    .blocked_ms = options->reduce_blocked_ms,
	    .quiet = options->quiet,
	};
	p->report = options->report;
	p->report_arg = options->arg;
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->views_fd = openat(data_dirfd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->views_fd < 0 || p->stop_fd < 0)
		r = -errno;
	if (r == 0)
		r = -pthread_create(&p->thread, NULL, past_thread, p);
	if (r < 0) {
		closep(&p->views_fd);
		closep(&p->stop_fd);
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void past_stop(struct past *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	(void)!eventfd_write(p->stop_fd, 1); /* fails only where it counts very far already */
	pthread_join(p->thread, NULL);
	reader_free(p->reader);
	past_cache_deinit(&p->cache);
	close(p->views_fd);
	close(p->stop_fd);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void past_want(struct past *p, const char *view, uint64_t seq, const void *key, views_done *done, void *arg)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q) {
		done(arg, &(struct views_answer){.error = -ENOMEM});
		return;
	}
	memcpy(q->view, view, strnlen(view, LIMIT_NAME));
	q->seq = seq;
	q->key = key;
	q->done = done;
	q->arg = arg;
	pthread_mutex_lock(&p->lock);
	*p->last = q;
	p->last = &q->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void past_cancel(struct past *p, const void *key)
{
	struct request *found = NULL;
	views_done *done = NULL;
	void *arg = NULL;

	pthread_mutex_lock(&p->lock);
	for (struct request **at = &p->first; *at; at = &(*at)->next) {
		if ((*at)->key != key)
			continue;
		found = *at;
		*at = found->next;
		if (!*at)
			p->last = at;
		break;
	}
	struct request *q = found ? found : p->current && p->current->key == key ? p->current : NULL;
	if (q) {
		done = q->done;
		arg = q->arg;
		q->done = NULL;
	}
	/* Whoever waits behind it need not wait for what nobody wants any more. */
	if (q && !found && done)
		(void)!eventfd_write(p->stop_fd, 1);
	pthread_mutex_unlock(&p->lock);
	if (done)
		done(arg, &(struct views_answer){.error = -EINTR});
	free(found);
}
