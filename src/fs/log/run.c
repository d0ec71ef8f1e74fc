#include "fs/log/run.h"

#include <errno.h>

#include "base/limits.h"

void runs_deinit(struct runs *rs)
{
	decider_free(rs->decider);
	buf_deinit(&rs->joined);
	free(rs->groups);
}

/* The item's lines come at `at` of the run's. 0, or -ENOMEM with nothing added. */
static int add_groups(struct runs *rs, struct run *run, const struct commit *item, size_t at)
{
	const struct unit *units = item->verdict ? item->verdict->kept : item->units;
	size_t n_units = item->verdict ? item->verdict->n_kept : item->n_units, n = run->n_groups;

	for (size_t i = 0; i < n_units; i++) {
		const struct unit *unit = &units[i];
		size_t begin = unit_begin(units, i);
		if (unit->lines == 1)
			continue;
		if (!list_room(rs->groups, n, rs->cap_groups, 16))
			return -ENOMEM;
		rs->groups[n++] = (struct log_group){at + begin, unit->stored - begin};
	}
	run->n_groups = n;
	return 0;
}

static bool head_holds(const struct commit *item, const struct log_pos *head)
{
	return !item->conditional ||
	       (item->expect.off == head->off && (head->off == 0 || item->expect.hash == head->hash));
}

/* Does the item go on? 0: it does; 1: not in this run; a negative errno: it is refused. */
static int judge(struct runs *rs, struct commit *item, const struct log_pos *head)
{
	int r = item->refusal ? item->refusal(item) : 0;

	if (unlikely(item->verdict))
		verdict_reset(item->verdict);
	if (r == 0 && unlikely(item->once))
		r = decider_judge(rs->decider, buf_slice(&rs->joined), head->off, item->verdict);
	/* Where there is nothing to be appended, the head is no matter. */
	if (r == 0 && !head_holds(item, head) && commit_lines(item).len > 0)
		r = -ESTALE;
	if (r < 0 && item->verdict)
		verdict_reset(item->verdict);
	return r;
}

/* One that is still coming, or that the rules are asked about piece by piece, is the first of the next run.
 */
static bool has_come(struct commit *item)
{
	if (item->judged || !pieces_are_whole(item->pieces))
		return false;
	item->pieces = NULL;
	return true;
}

/* Into the run, but for its bytes. As judge(). */
static int take(struct runs *rs, struct run *run, struct commit *item, const struct log_pos *head)
{
	/* What comes before would move the head: it is decided first. */
	if (item->conditional && rs->joined.len > 0)
		return 1;
	if (unlikely(item->pieces) && !has_come(item))
		return 1;
	int r = judge(rs, item, head);
	if (r == 0 && rs->joined.len > 0 && rs->joined.len + item->lines.len > rs->most)
		r = 1;
	if (r == 0 && unlikely(item->groups > 0))
		r = add_groups(rs, run, item, rs->joined.len);
	if (r == 0)
		run->durable |= item->durable;
	return r;
}

static int run_of_one(struct run *ret, struct commit *item)
{
	ret->lines = commit_lines(item);
	ret->end = commit_next(item);
	return 0;
}

int run_make(struct runs *rs, struct commit *first, const struct log_pos *head, struct run *ret)
{
	struct commit *item = first;
	bool alone = false;

	*ret = (struct run){.first = first};
	buf_clear(&rs->joined);
	decider_begin(rs->decider);
	for (; item && !alone && !item->seal && item->judged == first->judged; item = commit_next(item)) {
		int r = take(rs, ret, item, head);
		if (r != 0 && item == first)
			return r;
		if (r != 0)
			break;
		/* A lone item needs no copy. */
		if (item == first && (!item->mail.next || item->heard || item->lines.len > LIMIT_WRITE))
			return run_of_one(ret, item);
		buf_add_slice(&rs->joined, commit_lines(item));
		/* Its writer is told where the head stands behind its own lines. */
		alone = item->conditional;
	}
	ret->end = item;
	ret->lines = buf_slice(&rs->joined);
	if (buf_error(&rs->joined) == 0)
		return 0;
	/* No memory to join them: one at a time, then. */
	buf_deinit(&rs->joined);
	*ret = (struct run){.first = first, .durable = first->durable};
	run_of_one(ret, first);
	return first->groups > 0 ? add_groups(rs, ret, first, 0) : 0;
}

int run_make_again(struct runs *rs, struct run *run)
{
	run->n_groups = 0;
	buf_clear(&rs->joined);
	for (struct commit *item = run->first; item != run->end; item = commit_next(item)) {
		int r = item->groups > 0 ? add_groups(rs, run, item, rs->joined.len) : 0;
		if (r < 0)
			return r;
		buf_add_slice(&rs->joined, commit_lines(item));
	}
	run->lines = buf_slice(&rs->joined);
	return buf_error(&rs->joined);
}

bool run_has_once(const struct run *run)
{
	const struct commit *item = run->first;

	while (item != run->end && !item->once)
		item = commit_next(item);
	return item != run->end;
}

struct commit *run_behind_short(const struct run *run, size_t stored)
{
	struct commit *item = run->first;

	for (; item != run->end && commit_lines(item).len <= stored; item = commit_next(item))
		stored -= commit_lines(item).len;
	return item == run->end ? item : commit_next(item);
}
