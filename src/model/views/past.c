#include "model/views/past.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "model/views/past_impl.h"

#define LONG_MIN 2     /* so many long trips at a time where there are fewer processors; */
#define SHORT_PLACES 4 /* and so many places are kept free for short ones beside them */

struct rendering *past_cached(struct past *p, uint64_t reducer, uint64_t seq)
{
	pthread_mutex_lock(&p->lock);
	struct rendering *r = rendering_ref(past_cache_find(&p->cache, reducer, seq));
	pthread_mutex_unlock(&p->lock);
	return r;
}

void past_keep(struct past *p, uint64_t reducer, struct rendering *rendering)
{
	pthread_mutex_lock(&p->lock);
	past_cache_add(&p->cache, reducer, rendering);
	pthread_mutex_unlock(&p->lock);
}

bool past_take_ready(struct past *p, uint64_t reducer, const struct log_pos *to, struct past_run *ret)
{
	pthread_mutex_lock(&p->lock);
	bool found = past_ready_take(&p->ready, reducer, to, ret);
	pthread_mutex_unlock(&p->lock);
	return found;
}

void past_keep_ready(struct past *p, uint64_t reducer, struct past_run *run)
{
	struct past_run gone = {0};

	pthread_mutex_lock(&p->lock);
	if (p->stop)
		gone = *run;
	else
		past_ready_put(&p->ready, reducer, run, clock_ms(), &gone);
	/* Somebody has to be awake when its time is over. */
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	past_run_end(&gone);
}

void past_note_slow(struct past *p, uint64_t reducer)
{
	pthread_mutex_lock(&p->lock);
	p->slow = reducer;
	pthread_mutex_unlock(&p->lock);
}

bool past_is_slow(struct past *p, uint64_t reducer)
{
	pthread_mutex_lock(&p->lock);
	bool is = p->slow == reducer;
	pthread_mutex_unlock(&p->lock);
	return is;
}

void past_tell(struct past *p, const struct past_request *q, const struct diag *why)
{
	struct diag text;

	diag_set(&text, 0, "the view %s as it was after %llu events can't be made: %s", q->view,
		 (unsigned long long)q->seq, why->text);
	pthread_mutex_lock(&p->lock);
	bool news = strcmp(text.text, p->told.text) != 0;
	p->told = text;
	pthread_mutex_unlock(&p->lock);
	if (news && p->report)
		p->report(p->report_arg, text.text);
}

/* 0: there is no such view. */
static uint64_t reducer_of(const struct past *p, const char *view)
{
	struct definition *def;

	if (views_definition(p->views, view, &def) < 0)
		return 0;
	uint64_t reducer = def->identity;
	definition_unref(def);
	return reducer;
}

/* Under the lock. */
static bool is_long(struct past *p, uint64_t reducer, uint64_t seq)
{
	const struct rendering *cached = past_cache_find(&p->cache, reducer, seq);

	return seq - (cached ? cached->pos.seq : 0) > PAST_STEP;
}

/* Will there be a state near to it when that trip is over? Then it waits for that, and has a short way. */
static bool is_served_by(const struct guide *g, uint64_t reducer, uint64_t seq)
{
	return g->current && g->is_long && g->reducer == reducer && trip_last_stop(g->current->seq) <= seq &&
	       seq <= g->current->seq + PAST_STEP;
}

/* The last place is left to a view that has none yet, however many and slow the trips of others are. */
static bool has_place(const struct past *p, uint64_t reducer)
{
	unsigned idle = 0;
	bool travels = false;

	for (unsigned i = 0; i < p->n_guides; i++) {
		idle += !p->guides[i].current;
		travels |= p->guides[i].current && p->guides[i].reducer == reducer;
	}
	return idle > (travels ? 1 : 0);
}

static bool may_begin_long(const struct past *p, uint64_t reducer, uint64_t seq)
{
	unsigned n_long = 0;

	for (unsigned i = 0; i < p->n_guides; i++) {
		const struct guide *g = &p->guides[i];
		if (is_served_by(g, reducer, seq))
			return false;
		n_long += g->current && g->is_long;
	}
	return n_long < p->long_max;
}

/* Under the lock. Takes the first one whose turn it is out of the queue: a short trip never waits for long
 * ones. */
static bool take_request(struct guide *g)
{
	struct past *p = g->past;

	for (struct past_request **at = &p->first; *at; at = &(*at)->next) {
		struct past_request *q = *at;
		uint64_t reducer = reducer_of(p, q->view);
		bool goes_far = is_long(p, reducer, q->seq);
		bool may = has_place(p, reducer) && (!goes_far || may_begin_long(p, reducer, q->seq));
		if (!may && !p->stop)
			continue;
		*at = q->next;
		if (!*at)
			p->last = at;
		g->current = q;
		g->reducer = reducer;
		g->is_long = goes_far;
		return true;
	}
	return false;
}

/* Under the lock, which it leaves meanwhile. */
static void guide(struct guide *g)
{
	struct past *p = g->past;
	struct past_request *q = g->current;
	bool stop = p->stop;

	pthread_mutex_unlock(&p->lock);
	struct views_answer a = stop ? (struct views_answer){.error = -ESHUTDOWN} : trip_make(g, q);
	pthread_mutex_lock(&p->lock);
	g->current = NULL;
	if (!p->stop)
		(void)!eventfd_read(g->stop_fd, &(eventfd_t){0});
	views_done *done = q->done;
	/* Others may have waited for this one. */
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (done)
		done(q->arg, &a);
	else
		rendering_unref(a.rendering);
	free(q);
	pthread_mutex_lock(&p->lock);
}

/* Under the lock, which it leaves meanwhile: until there is something to do. */
static void rest(struct past *p)
{
	uint64_t at = past_ready_stale_ms(&p->ready);
	struct past_run stale;

	if (!past_ready_take_stale(&p->ready, clock_ms(), &stale)) {
		(void)clock_cond_wait(&p->wake, &p->lock, at == CLOCK_FOREVER ? at : at * 1000);
		return;
	}
	pthread_mutex_unlock(&p->lock);
	past_run_end(&stale);
	pthread_mutex_lock(&p->lock);
}

static void *guide_thread(void *arg)
{
	struct guide *g = arg;
	struct past *p = g->past;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		if (take_request(g))
			guide(g);
		else if (p->stop)
			break;
		else
			rest(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_guide(struct past *p, struct eventlog *log, struct disk *disk)
{
	struct guide *g = &p->guides[p->n_guides];

	g->past = p;
	live_reader_init(&g->live, log, disk);
	g->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->stop_fd < 0)
		return -errno;
	int r = -pthread_create(&g->thread, NULL, guide_thread, g);
	if (r < 0)
		close(g->stop_fd);
	else
		p->n_guides++;
	return r;
}

static int start_guides(struct past *p, struct eventlog *log, struct disk *disk)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int r = 0;

	long least = max(processors, (long)LONG_MIN);
	long most = min(least, (long)(PAST_GUIDES - SHORT_PLACES));
	p->long_max = (unsigned)most;
	/* Those that are there already look at how many there are. */
	pthread_mutex_lock(&p->lock);
	while (r == 0 && p->n_guides < p->long_max + SHORT_PLACES)
		r = start_guide(p, log, disk);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int past_start(struct past **ret, struct views *views, struct eventlog *log, struct disk *disk,
	       int data_dirfd, const struct views_options *options)
{
	struct past *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->views = views;
	p->limits = (struct worker_limits){
	    .path = options->worker_path,
	    .memory = options->reduce_memory,
	    .timeout_ms = options->reduce_timeout_ms,
	    .blocked_ms = options->reduce_blocked_ms,
	    .zone = options->zone,
	    .quiet = options->quiet,
	    .brief = true,
	};
	p->report = options->report;
	p->report_arg = options->arg;
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->wake);
	p->views_fd = openat(data_dirfd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = p->views_fd < 0 ? -errno : start_guides(p, log, disk);
	if (r < 0)
		past_stop(p);
	else
		*ret = p;
	return r;
}

void past_stop(struct past *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_guides; i++)
		(void)!eventfd_write(p->guides[i].stop_fd,
				     1); /* fails only where it counts very far already */
	for (unsigned i = 0; i < p->n_guides; i++) {
		pthread_join(p->guides[i].thread, NULL);
		live_reader_deinit(&p->guides[i].live);
		close(p->guides[i].stop_fd);
	}
	for (struct past_run run; past_ready_take_stale(&p->ready, CLOCK_FOREVER, &run);)
		past_run_end(&run);
	past_cache_deinit(&p->cache);
	closep(&p->views_fd);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void past_want(struct past *p, const char *view, uint64_t seq, const void *key, views_done *done, void *arg)
{
	struct past_request *q = calloc(1, sizeof(*q));

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

/* Under the lock: takes it out of the queue; NULL: it is not there. */
static struct past_request *take_queued(struct past *p, const void *key)
{
	for (struct past_request **at = &p->first; *at; at = &(*at)->next) {
		struct past_request *q = *at;
		if (q->key != key)
			continue;
		*at = q->next;
		if (!*at)
			p->last = at;
		return q;
	}
	return NULL;
}

/* Under the lock. */
static struct guide *guide_of(struct past *p, const void *key)
{
	for (unsigned i = 0; i < p->n_guides; i++)
		if (p->guides[i].current && p->guides[i].current->key == key)
			return &p->guides[i];
	return NULL;
}

void past_cancel(struct past *p, const void *key)
{
	views_done *done = NULL;
	void *arg = NULL;

	pthread_mutex_lock(&p->lock);
	struct past_request *queued = take_queued(p, key);
	struct guide *g = queued ? NULL : guide_of(p, key);
	struct past_request *q = g ? g->current : queued;
	if (q) {
		done = q->done;
		arg = q->arg;
		q->done = NULL;
	}
	/* Whoever waits behind it need not wait for what nobody wants any more. */
	if (g && done)
		(void)!eventfd_write(g->stop_fd, 1);
	pthread_mutex_unlock(&p->lock);
	if (done)
		done(arg, &(struct views_answer){.error = -EINTR});
	free(queued);
}
