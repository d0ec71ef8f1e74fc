/* DATA/app.jsonl.proposed: what a crash has left undecided. Its lines were proposed to an order that others
 * keep, too (fs/cluster); the journal has them, the log does not, and nothing followed. If they are in that
 * order, they come from there, at their place. Only where it is lost for good they are taken from here: they
 * may have been acknowledged.
 *
 * Bytes as in a journal (journal.h), with one record. With the first append it is over, while the log is
 * shared; else a person decides (kept.h). Private to the event log; the opening, and then the committer's
 * thread. */
#pragma once

#include "store/eventlog_impl.h"

#define PROPOSED_NAME "app.jsonl.proposed"

/* Keeps the journal's proposal, durably, where the active file, which begins at `begin` of history, does not
 * have it. No lines: there is none. Where there is no room for it, in a log that is shared, it is lost, which
 * is reported. */
int must_check proposed_keep(struct eventlog *log, const struct journal_record *proposal, uint64_t begin);

/* For one who may write nothing: says that there is one, here or by that name. */
void proposed_say(struct eventlog *log, const struct journal_record *proposal);

/* Once the log is open: looks whether there is one, and says so. */
void proposed_open(struct eventlog *log);

/* The log has gone on, and is shared: either that is it, or it goes to app.jsonl.torn. */
void proposed_pass(struct eventlog *log);
