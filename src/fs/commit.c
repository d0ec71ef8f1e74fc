#include "fs/commit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"

/* How often others may run before the next commit where several write at once: a sync costs the same for one line and for ten. Nobody else
 * to run: it takes a few µs. */
#define GIVE_WAY 10
/* After a rotation that has failed, until the next try; twice as long after each further one. */
#define ROTATE_RETRY_MS 1000
#define ROTATE_RETRY_DOUBLED 8

struct committer {
	struct eventlog *log;
	struct committer_options options;
	pthread_t thread;

	/* Under the lock. Items are in the order of their queueing; `backlog` is the sum of their lines and of those in
	 * the commit thread's hands. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct commit *first, **last;
	struct commit *seal, **seal_last;
	size_t backlog;
	bool idle, stop;
	_Atomic unsigned waiting; /* items queued and in the commit thread's hands */

	/* The commit thread's own. */
	struct buf joined;
	bool unsynced;            /* something was appended without a sync */
	unsigned rotate_failures; /* in a row; */
	uint64_t rotate_again_ms; /* then it is not tried before this time */
};

/* A run of queued items whose lines go to the disk together. */
struct run {
	struct commit *first, *end; /* end: behind the run */
	struct slice lines;
	bool durable;
};

/* The longest run from `first` on, as one piece of bytes. A conditional item that does not hold ends it before, and stands
 * alone at the front otherwise: it is then in *ret_stale. */
static void make_run(struct committer *c, struct commit *first, struct run *ret, struct commit **ret_stale)
{
	struct log_pos head = eventlog_head(c->log);
	struct commit *item = first;

	*ret = (struct run){.first = first};
	*ret_stale = NULL;
	buf_clear(&c->joined);
	for (; item; item = item->next) {
		if (item->conditional) {
			/* What comes before would move the head: it is decided first. */
			if (c->joined.len > 0)
				break;
			if (item->expect.off != head.off ||
			    (head.off > 0 && item->expect.hash != head.hash)) {
				if (item == first)
					*ret_stale = item;
				break;
			}
		}
		if (c->joined.len > 0 && c->joined.len + item->lines.len > LIMIT_QUEUE)
			break;
		ret->durable |= item->durable;
		/* A lone item needs no copy. */
		if (item == first && (!item->next || item->lines.len > LIMIT_WRITE)) {
			ret->lines = item->lines;
			ret->end = item->next;
			return;
		}
		buf_add_slice(&c->joined, item->lines);
		/* Its writer is told where the head stands behind its own lines. */
		if (item->conditional) {
			item = item->next;
			break;
		}
	}
	if (buf_error(&c->joined) < 0) {
		/* No memory to join them: one at a time, then. */
		buf_deinit(&c->joined);
		*ret = (struct run){
		    .first = first, .end = first->next, .lines = first->lines, .durable = first->durable};
		return;
	}
	ret->end = item;
	ret->lines = buf_slice(&c->joined);
}

/* Appends a run: an error goes to every item that is not wholly in the log. */
static int append_run(struct committer *c, const struct run *run, size_t *ret_stored)
{
	bool sync = run->durable && c->options.sync != SYNC_NONE;
	int r = 0;

	*ret_stored = 0;
	if (run->lines.len > 0) {
		r = eventlog_append(c->log, run->lines, sync, ret_stored);
		c->unsynced |= r == 0 && !sync;
	}
	if (r == 0 && sync && c->unsynced) {
		r = eventlog_sync(c->log);
		c->unsynced = r < 0;
	}
	return r;
}

static void answer_run(struct committer *c, const struct run *run, int error, size_t stored)
{
	struct log_pos head = eventlog_head(c->log);
	size_t left = stored, total = 0;

	for (struct commit *item = run->first, *next; item != run->end; item = next) {
		next = item->next;
		size_t mine = min(left, item->lines.len);
		left -= mine;
		total += item->lines.len;
		/* On a full disk all that is stored is synced. After any other error nothing is certain, not even for
		 * one who has brought no lines and only asks for a sync. */
		bool whole = mine == item->lines.len && (error == 0 || eventlog_is_full(error));
		atomic_fetch_sub(&c->waiting, 1);
		item->done(item, whole ? 0 : error, mine, &head);
	}
	pthread_mutex_lock(&c->lock);
	c->backlog -= total;
	pthread_mutex_unlock(&c->lock);
}

static int seal(struct committer *c)
{
	int r = eventlog_seal(c->log);

	if (r != 0)
		return r;
	c->unsynced = false;
	c->rotate_failures = 0;
	c->options.sealed(c->options.arg);
	c->options.moved(c->options.arg);
	return 0;
}

/* Each try costs a sync and a file: not with every commit. */
static void put_off(struct committer *c, int error)
{
	uint64_t pause = (uint64_t)ROTATE_RETRY_MS << min(c->rotate_failures, (unsigned)ROTATE_RETRY_DOUBLED);
	char text[160];

	c->rotate_failures++;
	c->rotate_again_ms = clock_ms() + pause;
	snprintf(text, sizeof(text), "the log cannot be rotated: %s; the next try is in %llu s",
		 strerrordesc_np(-error), (unsigned long long)pause / 1000);
	if (error != -EROFS && c->options.report)
		c->options.report(c->options.arg, text);
}

static void rotate_if_due(struct committer *c)
{
	struct eventlog_stats stats;

	if (!c->options.rotate)
		return;
	eventlog_stats(c->log, &stats);
	if (stats.active_bytes < c->options.rotate || stats.rotating || stats.failed)
		return;
	if (c->rotate_failures && clock_ms() < c->rotate_again_ms)
		return;
	int r = seal(c);
	if (r < 0)
		put_off(c, r);
}

static void commit_all(struct committer *c, struct commit *item)
{
	while (item) {
		struct commit *stale;
		struct run run;
		size_t stored = 0;
		int r;

		make_run(c, item, &run, &stale);
		if (stale) {
			run = (struct run){.first = stale, .end = stale->next};
			r = -ESTALE;
		} else {
			r = append_run(c, &run, &stored);
		}
		item = run.end;
		/* Those who wait for the disk first: whoever looks at a view now asks for the head as it is. */
		answer_run(c, &run, r, stored);
		if (stored > 0)
			c->options.moved(c->options.arg);
	}
	rotate_if_due(c);
}

static void seal_all(struct committer *c, struct commit *item)
{
	while (item) {
		struct commit *next = item->next;
		int r = seal(c);
		struct log_pos head = eventlog_head(c->log);
		item->done(item, r, 0, &head);
		item = next;
	}
}

static void *commit_thread(void *arg)
{
	struct committer *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct commit *items = c->first, *seal = c->seal;
		c->first = NULL;
		c->last = &c->first;
		c->seal = NULL;
		c->seal_last = &c->seal;
		if (!items && !seal) {
			if (c->stop)
				break;
			c->idle = true;
			pthread_cond_wait(&c->wake, &c->lock);
			c->idle = false;
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		commit_all(c, items);
		seal_all(c, seal);
		for (unsigned i = 0; i < GIVE_WAY && committer_waiting(c) > 1; i++)
			sched_yield();
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	/* What was appended without a sync is not left to chance at an orderly end. A failure here was promised to nobody. */
	if (c->unsynced && eventlog_sync(c->log) == 0)
		c->unsynced = false;
	return NULL;
}

int committer_start(struct committer **ret, struct eventlog *log, const struct committer_options *options)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->log = log;
	c->options = *options;
	c->last = &c->first;
	c->seal_last = &c->seal;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	int r = pthread_create(&c->thread, NULL, commit_thread, c);
	if (r != 0) {
		free(c);
		return -r;
	}
	*ret = c;
	return 0;
}

void committer_stop(struct committer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	assert(!c->first && c->backlog == 0);
	buf_deinit(&c->joined);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void commit_queue(struct committer *c, struct commit *item)
{
	item->next = NULL;
	atomic_fetch_add(&c->waiting, 1);
	pthread_mutex_lock(&c->lock);
	c->backlog += item->lines.len;
	*c->last = item;
	c->last = &item->next;
	bool wake = c->idle;
	pthread_mutex_unlock(&c->lock);
	if (wake)
		pthread_cond_signal(&c->wake);
}

void commit_seal(struct committer *c, struct commit *item)
{
	item->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->seal_last = item;
	c->seal_last = &item->next;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

unsigned committer_waiting(struct committer *c)
{
	return atomic_load(&c->waiting);
}

size_t committer_backlog(struct committer *c)
{
	pthread_mutex_lock(&c->lock);
	size_t backlog = c->backlog;
	pthread_mutex_unlock(&c->lock);
	return backlog;
}
