#include "fs/log/sharing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define TICK_US 50000
#define ROOM_US 200000           /* then a full disk is tried again */
#define UNSYNCED_MOST (4u << 20) /* what is not durable here keeps the others' window from being trimmed */

struct sharing {
	struct sharing_options options;
	struct log_group *groups; /* of a piece, or a batch */
	size_t cap_groups;
	size_t unsynced; /* bytes in the log that are not durable */
	uint64_t told_us;
	bool told_all; /* the others know how much of the log this machine has on disk */
	bool told;     /* that there is no room */
	char why[300];
};

int sharing_new(struct sharing **ret, const struct sharing_options *options)
{
	struct sharing *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->told_all = true;
	*ret = s;
	return 0;
}

void sharing_free(struct sharing *s)
{
	if (!s)
		return;
	free(s->groups);
	free(s);
}

const char *sharing_why(const struct sharing *s)
{
	return s->why[0] ? s->why : NULL;
}

static int say(struct sharing *s, int error, const char *why)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	return error;
}

/* The others keep what this machine may not have after a power cut. It is no matter to anybody here: now and
 * then will do. */
static void tell(struct sharing *s)
{
	uint64_t now = clock_us();

	s->told_all =
	    s->unsynced == 0 && now - s->told_us >= SHARING_TELL_US && eventlog_is_certain(s->options.log);
	if (!s->told_all)
		return;
	s->told_us = now;
	cluster_appended(s->options.cluster, eventlog_head(s->options.log).off);
}

void sharing_synced(struct sharing *s)
{
	s->unsynced = 0;
	tell(s);
}

static void sync_all(struct sharing *s)
{
	if (s->unsynced > 0 && eventlog_sync(s->options.log) == 0)
		s->unsynced = 0;
	if (!s->told_all)
		tell(s);
}

bool sharing_has_to_tell(const struct sharing *s)
{
	return !s->told_all && eventlog_check(s->options.log) == 0;
}

/* Into the log */

struct part {
	struct slice lines;
	struct log_group *groups;
	size_t n;
};

/* Without its first `len` bytes, whole units. */
static void skip(struct part *p, size_t len)
{
	while (p->n > 0 && p->groups->at < len) {
		p->groups++;
		p->n--;
	}
	for (size_t i = 0; i < p->n; i++)
		p->groups[i].at -= len;
	p->lines = slice_skip(p->lines, len);
}

/* For room, a little. False: it is over. */
static bool wait_for_room(struct sharing *s, struct run *run, int error)
{
	char text[160];

	snprintf(text, sizeof(text), "the engine has events that find no room here: %s",
		 strerrordesc_np(-error));
	if (!s->told) {
		s->options.report(s->options.arg, text);
		cluster_hold(s->options.cluster, text);
	}
	s->told = true;
	s->options.sweep(s->options.arg, run,
			 "there is no room for it here yet; the other machines have it, and it will come");
	return cluster_pause(s->options.cluster, clock_us() + ROOM_US);
}

/* What has come in the order: all of it. */
static int put(struct sharing *s, struct part p, bool sync, struct run *run)
{
	char why[200];
	size_t len;
	int r;

	for (;;) {
		r = eventlog_append_groups(s->options.log, p.lines, p.groups, p.n, sync, &len);
		if (r == 0)
			break;
		if (!eventlog_is_full(r) && r != -ENOMEM) {
			snprintf(why, sizeof(why), "events of the engine cannot be written to this log: %s",
				 strerrordesc_np(-r));
			cluster_fail(s->options.cluster, why);
			return say(s, r, why);
		}
		skip(&p, len);
		if (!wait_for_room(s, run, r))
			return say(s, -EIO, "there is no room for it; the other machines have it");
	}
	if (s->told)
		cluster_hold(s->options.cluster, NULL);
	s->told = false;
	s->unsynced = sync ? 0 : s->unsynced + p.lines.len;
	if (s->unsynced > UNSYNCED_MOST)
		sync_all(s);
	else
		tell(s);
	return 0;
}

/* A batch of others. */
static int join(struct sharing *s, const struct cluster_batch *b, struct run *run)
{
	struct part p = {.lines = b->lines};
	size_t have;

	int r = cluster_check(s->options.cluster, b, &have);
	if (r < 0)
		return say(s, -EROFS, "a batch of the engine does not go on from this log");
	for (; p.n < b->n_groups; p.n++) {
		if (!list_room(s->groups, p.n, s->cap_groups, 16))
			return say(s, -ENOMEM, "there is no memory for a batch");
		s->groups[p.n] = (struct log_group){b->groups[p.n].at, b->groups[p.n].len};
	}
	p.groups = s->groups;
	skip(&p, have);
	r = put(s, p, false, run);
	if (r == 0)
		s->options.joined(s->options.arg, p.lines);
	return r;
}

void sharing_turn(struct sharing *s, struct commit *waiting)
{
	struct run nothing = {.first = waiting, .end = waiting};
	struct cluster_arrival a;
	int r = 0;

	while (r == 0 && cluster_next(s->options.cluster, MAILBOX_NOW, &a)) {
		/* It comes again and again. */
		r = a.news == CLUSTER_BATCH ? join(s, &a.batch, &nothing) : -EROFS;
		cluster_arrival_deinit(&a);
	}
	sync_all(s);
}

int sharing_check(struct sharing *s)
{
	struct cluster_status status;

	cluster_status(s->options.cluster, &status);
	return status.stage == CLUSTER_FAILED ? say(s, -EROFS, status.why) : 0;
}

/* A run */

/* The units of an item, as far as it has any. */
static const struct unit *units_of(const struct commit *item, size_t *ret_n)
{
	*ret_n = item->verdict ? item->verdict->n_kept : item->n_units;
	return item->verdict ? item->verdict->kept : item->units;
}

/* Where the piece of a lone item ends that begins at `at`; 0: its first unit is too large. */
static size_t piece_end(const struct run *run, size_t at)
{
	size_t most = at + BATCH_LINES, end = 0, n;

	if (run->lines.len <= most)
		return run->lines.len;
	const struct unit *units = units_of(run->first, &n);
	if (!units) {
		const char *nl = memrchr(run->lines.data + at, '\n', BATCH_LINES);
		return nl ? (size_t)(nl + 1 - run->lines.data) : 0;
	}
	for (size_t i = 0; i < n && units[i].stored <= most; i++)
		end = units[i].stored;
	return end > at ? end : 0;
}

/* From `at` to `end`, with its groups. */
static int make_piece(struct sharing *s, const struct run *run, const struct log_group *groups, size_t at,
		      size_t end, struct part *ret)
{
	*ret = (struct part){.lines = {run->lines.data + at, end - at}};
	for (size_t i = 0; i < run->n_groups; i++) {
		if (groups[i].at < at || groups[i].at >= end)
			continue;
		if (!list_room(s->groups, ret->n, s->cap_groups, 16))
			return -ENOMEM;
		s->groups[ret->n++] = (struct log_group){groups[i].at - at, groups[i].len};
	}
	ret->groups = s->groups;
	return 0;
}

/* What has become of the proposal. 0: it is the next in the order; 1: it is not in it. */
static int wait_for_outcome(struct sharing *s, struct run *run)
{
	struct cluster_arrival a;
	int r;

	for (;;) {
		if (!cluster_next(s->options.cluster, clock_us() + TICK_US, &a)) {
			s->options.sweep(s->options.arg, run,
					 "unknown: the engine has not answered; it may be appended yet");
			continue;
		}
		switch (a.news) {
		case CLUSTER_BATCH:
			r = join(s, &a.batch, run);
			cluster_arrival_deinit(&a);
			if (r < 0)
				return r;
			continue;
		case CLUSTER_MINE:
			return 0;
		case CLUSTER_MOVED:
			return 1;
		case CLUSTER_REFUSED:
		case CLUSTER_OVER:
			return say(s, a.error, a.why);
		}
	}
}

/* One after another was in time. 0: the rest goes on by itself; 1: it is to be decided anew. */
static int may_go_on(const struct run *run)
{
	if (run->first->conditional)
		return -ESTALE;
	return run->first->verdict != NULL;
}

static int append_piece(struct sharing *s, struct run *run, const struct log_group *groups, bool sync,
			size_t at, size_t end)
{
	struct part piece;

	/* Nothing is asked for that could not be appended. */
	int r = eventlog_check(s->options.log);
	if (r == 0)
		r = make_piece(s, run, groups, at, end, &piece);
	if (r == 0)
		r = cluster_propose(s->options.cluster, piece.lines, piece.groups, piece.n);
	/* It is on disk by then. */
	if (r == 0 && sync && eventlog_propose(s->options.log, piece.lines))
		tell(s); /* of what is before it */
	if (r == 0)
		r = wait_for_outcome(s, run);
	if (r != 0)
		eventlog_withdraw(s->options.log);
	/* Others may have come before it, with groups of their own. */
	if (r == 0)
		r = make_piece(s, run, groups, at, end, &piece);
	piece.lines = cluster_proposed(s->options.cluster);
	return r == 0 ? put(s, piece, sync, run) : r;
}

int sharing_append(struct sharing *s, struct run *run, const struct log_group *groups, bool sync,
		   size_t *ret_stored)
{
	size_t end;
	int r = 0;

	s->why[0] = '\0';
	*ret_stored = 0;
	while (!cluster_has_begun(s->options.cluster, clock_us() + TICK_US))
		s->options.sweep(s->options.arg, run, "it was not appended: the history is being read");
	while (*ret_stored < run->lines.len) {
		end = piece_end(run, *ret_stored);
		if (end == 0)
			return say(s, -EMSGSIZE, "machines share no line or group of more than 1 MiB");
		r = append_piece(s, run, groups, sync, *ret_stored, end);
		if (r < 0)
			break;
		if (r == 0) {
			*ret_stored = end;
			continue;
		}
		if (*ret_stored == 0)
			return 1;
		r = may_go_on(run);
		if (r != 0)
			return min(r, 0);
	}
	return r;
}
