/* What the commit thread does for sharing.h: those who wait, and what others have appended. */
#include <errno.h>

#include "base/clock.h"
#include "fs/log/commit_impl.h"

/* Who does not wait any more goes without an answer about his lines. */

static int wants_to_leave(const struct committer *c, struct commit *item)
{
	if (!item->leave || !item->since_ms)
		return 0;
	if (item->given_up(item))
		return -EINTR;
	bool late = c->options.cluster_wait_ms && clock_ms() - item->since_ms >= c->options.cluster_wait_ms;
	return late ? -EIO : 0;
}

static bool is_leaving(const struct mail *mail, const void *arg)
{
	return wants_to_leave(arg, commit_of((struct mail *)mail)) < 0;
}

static bool is_seal(const struct mail *mail, const void *arg)
{
	return commit_of((struct mail *)mail)->seal;
}

/* Who wants the log to be rotated need not wait for others. */
static void seal_for_all(struct committer *c, struct run *run)
{
	struct mail *mail;

	for (struct commit *item = run->first, *next; item; item = next) {
		next = commit_next(item);
		if (!next || !next->seal)
			continue;
		item->mail.next = next->mail.next;
		if (run->end == next)
			run->end = commit_next(next);
		committer_answer_seal(c, next);
		next = item;
	}
	while ((mail = mailbox_remove(&c->box, is_seal, c)))
		committer_answer_seal(c, commit_of(mail));
}

static void sweep(void *arg, struct run *run, const char *why)
{
	static const char *const behind = "it was not appended: the engine does not answer those before it";
	struct committer *c = arg;
	bool in_run = true;
	struct mail *mail;
	int error;

	for (struct commit *item = run->first; item; item = commit_next(item)) {
		in_run &= item != run->end;
		error = wants_to_leave(c, item);
		if (error < 0)
			item->leave(item, error, in_run ? why : behind);
	}
	while ((mail = mailbox_remove(&c->box, is_leaving, c))) {
		struct commit *item = commit_of(mail);
		error = wants_to_leave(c, item);
		item->leave(item, error, behind);
		committer_answer_alone(c, item, error);
	}
	seal_for_all(c, run);
}

static void joined(void *arg, struct slice lines)
{
	struct committer *c = arg;

	c->options.joined(c->options.arg, lines);
	c->options.moved(c->options.arg);
}

int committer_share(struct committer *c)
{
	return sharing_new(&c->sharing, &(struct sharing_options){
					    .cluster = c->options.cluster,
					    .log = c->log,
					    .joined = joined,
					    .sweep = sweep,
					    .report = committer_report,
					    .arg = c,
					});
}
