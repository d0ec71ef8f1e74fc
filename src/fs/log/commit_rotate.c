/* The log is sealed when it is long enough, between two commits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fs/log/commit_impl.h"

/* After a rotation that has failed, until the next try; twice as long after each further one. */
#define ROTATE_RETRY_MS 1000
#define ROTATE_RETRY_DOUBLED 8

int committer_seal(struct committer *c)
{
	int r = eventlog_seal(c->log);

	if (r != 0)
		return r;
	c->unsynced = false;
	c->rotate_failures = 0;
	atomic_fetch_add_explicit(&c->rotations, 1, memory_order_relaxed);
	c->options.sealed(c->options.arg);
	c->options.moved(c->options.arg);
	return 0;
}

void committer_report(void *arg, const char *text)
{
	struct committer *c = arg;

	if (c->options.report)
		c->options.report(c->options.arg, text);
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
	if (error != -EROFS)
		committer_report(c, text);
}

void committer_rotate_if_due(struct committer *c)
{
	struct eventlog_stats stats;

	if (!c->options.rotate)
		return;
	eventlog_stats(c->log, &stats);
	if (stats.active_bytes < c->options.rotate || stats.rotating || stats.failed)
		return;
	if (c->rotate_failures && clock_ms() < c->rotate_again_ms)
		return;
	int r = committer_seal(c);
	if (r < 0)
		put_off(c, r);
}

void committer_answer_seal(struct committer *c, struct commit *item)
{
	int r = committer_seal(c);
	struct log_pos head = eventlog_head(c->log);

	item->done(item, r, 0, &head);
}
