#include "model/views/saver.h"
#include "store/memfd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

/* Old snapshots are to be removed. */
struct retirement {
	struct save_order order;
	uint64_t begin; /* those from before the active log began here */
	bool done;      /* under the lock */
};

struct saver {
	struct saver_options options;
	struct mailbox box; /* of orders: jobs and retirements */

	pthread_mutex_t lock;
	pthread_cond_t retired_cond;
	struct save_news *news;
};

static void report(struct saver *s, const char *fmt, ...) printf_like(2, 3);
static void report(struct saver *s, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	if (!s->options.report)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->options.report(s->options.report_arg, text);
}

void save_job_free(struct save_job *job)
{
	if (!job)
		return;
	closep(&job->packed);
	rendering_unref(job->rendering);
	free(job);
}

/* Behind those that are there: the order is that in which things were done. */
static void tell(struct saver *s, struct save_job *job, bool over)
{
	struct save_news *n = &job->news[over], **at;

	*n = (struct save_news){.job = job, .over = over};
	pthread_mutex_lock(&s->lock);
	for (at = &s->news; *at; at = &(*at)->next)
		;
	*at = n;
	pthread_mutex_unlock(&s->lock);
	s->options.wake(s->options.wake_arg);
}

struct save_news *saver_next_news(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	struct save_news *n = s->news;
	if (n)
		s->news = n->next;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static int pack(const struct snapshot *snapshot)
{
	auto_buf struct buf text = {0};

	int r = snapshot_write(snapshot, &text);
	return r < 0 ? r : memfd_of("snapshot", buf_slice(&text));
}

static void work(struct saver *s, struct save_job *job)
{
	struct slice json = job->rendering->json;

	job->snapshot.state = (struct slice){json.data, json.len - 1}; /* without its newline */
	if (job->handover) {
		job->packed = pack(&job->snapshot);
		tell(s, job, false);
	}
	if (job->save)
		job->saved = snapshot_save(&job->snapshot, s->options.disk, s->options.views_fd, job->name);
	if (job->save && job->saved == 0)
		board_saved(s->options.board, job->name, job->id, job->snapshot.pos.off);
	if (job->saved < 0)
		report(s, "the snapshot of %s could not be saved: %s", job->name, strerror(-job->saved));
	tell(s, job, true);
}

/* Does the file say that its state stands at the beginning of the active log? */
static bool is_at_begin(struct saver *s, const char *file)
{
	auto_close int fd = openat(s->options.views_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	auto_buf struct buf text = {0};

	if (fd < 0 || disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, &text) < 0)
		return false;
	return snapshot_is_at_begin(buf_slice(&text));
}

static bool is_old(struct saver *s, const char *file, uint64_t begin)
{
	static const char suffix[] = ".snapshot.json";
	size_t len = strlen(file), end = sizeof(suffix) - 1;
	char name[LIMIT_NAME + 1];
	uint64_t off = 0;

	if (len <= end || len - end > LIMIT_NAME || strcmp(file + len - end, suffix) != 0)
		return false; /* none of ours */
	snprintf(name, sizeof(name), "%.*s", (int)(len - end), file);
	bool kept = board_keeps(s->options.board, name, &off);
	return !kept || (off < begin && is_at_begin(s, file));
}

/* What a crash has left of a save. Only the saver makes such files. */
static bool is_temporary(struct saver *s, const char *file, uint64_t begin)
{
	static const char suffix[] = ".snapshot.json.tmp";
	size_t len = strlen(file), end = sizeof(suffix) - 1;

	(void)s, (void)begin;
	return file[0] == '.' && len > end && strcmp(file + len - end, suffix) == 0;
}

/* Removes the files in DATA/views that are so. */
static void sweep(struct saver *s, bool is_so(struct saver *s, const char *file, uint64_t begin),
		  uint64_t begin, const char *what)
{
	int fd = openat(s->options.views_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		closep(&fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (!is_so(s, d->d_name, begin))
			continue;
		int r = s->options.disk->unlink(s->options.disk, s->options.views_fd, d->d_name);
		if (r < 0)
			report(s, "the %s %s could not be removed: %s", what, d->d_name, strerror(-r));
	}
	closedir(dir);
}

static void retire(struct saver *s, struct retirement *t)
{
	sweep(s, is_old, t->begin, "old snapshot");
	int r = s->options.disk->sync_dir(s->options.disk, s->options.views_fd);
	if (r < 0)
		report(s, "the directory views could not be synced: %s", strerror(-r));
	pthread_mutex_lock(&s->lock);
	t->done = true;
	pthread_cond_broadcast(&s->retired_cond);
	pthread_mutex_unlock(&s->lock);
}

void saver_retire(struct saver *s, uint64_t active_begin)
{
	struct retirement t = {.order.retires = true, .begin = active_begin};

	mailbox_post(&s->box, &t.order.mail);
	pthread_mutex_lock(&s->lock);
	while (!t.done)
		pthread_cond_wait(&s->retired_cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void saver_put(struct saver *s, struct save_job *job)
{
	job->packed = -1;
	mailbox_post(&s->box, &job->order.mail);
}

static void run(void *arg)
{
	struct saver *s = arg;
	struct mail *mail;

	sweep(s, is_temporary, 0, "leftover");
	while ((mail = mailbox_take(&s->box, CLOCK_FOREVER))) {
		struct save_order *order = container_of(mail, struct save_order, mail);
		if (order->retires)
			retire(s, container_of(order, struct retirement, order));
		else
			work(s, container_of(order, struct save_job, order));
	}
}

int saver_start(struct saver **ret, const struct saver_options *options)
{
	struct saver *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->options = *options;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->retired_cond, NULL);
	int r = mailbox_start(&s->box, run, s);
	if (r < 0)
		saver_free(s);
	else
		*ret = s;
	return r;
}

void saver_stop(struct saver *s)
{
	mailbox_stop(&s->box);
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	for (struct save_news *n; (n = saver_next_news(s));)
		if (n->over)
			save_job_free(n->job);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->retired_cond);
	free(s);
}
