/* DATA/app.jsonl.groups: which bytes of the active log enter whole or not at all. docs/FORMAT.md has the
 * bytes.
 *
 * Before lines with groups in them are written to the log, a note says where the first group begins and the
 * last one ends, and of which bytes: durably. So whatever a crash leaves of them, the next open knows whether
 * that is all, and cuts it off where it is not: none of it was acknowledged. What a note speaks of counts
 * only until the log's own file has it durably.
 *
 *     groups_note(log, lines, …)      before they are written
 *     groups_settled(log, off)        the file is durable up to there
 *     groups_take_back(log)           or: not all of them are in the file
 *
 * A ring of a few notes, each in a block of its own, made when the first group comes. Belongs to the
 * committer's thread; private to the event log. */
#pragma once

#include "store/eventlog_impl.h"

#define GROUPS_NAME "app.jsonl.groups"

struct groups;

/* Lines that are to stand behind the head, with groups among them. 0; -ENOSPC and the like: no room for the
 * note; any other error with nothing changed. Where the ring is full the log is synced first. */
int must_check groups_note(struct eventlog *log, struct slice lines, const struct log_group *groups,
			   size_t n);
/* The last note speaks of what is not there; durably, before anything else can stand in its place. */
int must_check groups_take_back(struct eventlog *log);
/* Of history up to here nothing is uncertain any more. */
void groups_settled(struct eventlog *log, uint64_t off);
void groups_free(struct groups *g);

/* Removes the file, durably, if there is one: the log itself has everything. */
int must_check groups_remove(struct eventlog *log);

/* Which bytes of history enter together. */
struct group_note {
	uint64_t seq, off, len;
	uint64_t before; /* hash of the line that ends at `off`; 0: there is none, or it is not known */
	uint64_t sum;
	uint64_t over; /* 1: it does not count any more */
};

struct group_notes {
	struct group_note *notes;
	size_t n;
};
/* All that the file has; none where there is no file. The caller frees `notes`. */
int must_check group_notes_load(struct group_notes *ret, struct disk *disk, int dirfd);
