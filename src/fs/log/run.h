/* A run: queued items whose lines go to the disk together, with one write and one sync. Whether an item comes
 * into it is decided as it is made: its own refusal, what is to be once, the head that it wants.
 *
 * All of it is the commit thread's. */
#pragma once

#include "base/buf.h"
#include "fs/log/commit.h"
#include "fs/log/pieces.h"

/* What runs are made of, one after the other. */
struct runs {
	struct decider *decider; /* NULL: nothing is decided; owned */
	size_t most;             /* bytes of several items at most */
	struct buf joined;
	struct log_group *groups; /* of the run */
	size_t cap_groups;
};
void runs_deinit(struct runs *rs);

struct run {
	struct commit *first, *end; /* end: behind the run */
	struct slice lines;
	size_t n_groups;
	bool durable;
};

static inline struct commit *commit_of(struct mail *mail)
{
	return mail ? container_of(mail, struct commit, mail) : NULL;
}

static inline struct commit *commit_next(const struct commit *item)
{
	return commit_of(item->mail.next);
}

/* Until it is whole. */
static inline void commit_wait(struct commit *item)
{
	if (likely(!item->pieces))
		return;
	pieces_wait(item->pieces);
	item->pieces = NULL;
}

/* What of an item is appended. */
static inline struct slice commit_lines(const struct commit *item)
{
	return unlikely(item->verdict) ? item->verdict->lines : item->lines;
}

/* The longest run from `first` on, as one piece of bytes, where the log ends at `head`. 0, or the error that
 * `first` is refused with: then there is no run. Another one that is refused ends it before. */
int must_check run_make(struct runs *rs, struct commit *first, const struct log_pos *head, struct run *ret);
/* The same once more, where the rules have not let all of it in. */
int must_check run_make_again(struct runs *rs, struct run *run);

/* Does it bring anything that is to be once? */
bool run_has_once(const struct run *run);
/* Of a run of which only `stored` bytes are in the log: behind its first item that is not wholly there. */
struct commit *run_behind_short(const struct run *run, size_t stored);
