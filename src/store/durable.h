/* How what was appended gets on disk: by the journal, if there is one and it can take it, else by a sync
 * of the log itself. Private to the event log; on the committer's thread. */
#pragma once

#include "store/eventlog_impl.h"

/* The lines are in the active file behind the head: makes them and all before them durable. `straight`:
 * by the file itself. *ret_us: so long it has taken before. */
int must_check durable_lines(struct eventlog *log, struct slice lines, bool straight, uint64_t *ret_us);
/* Makes all up to the head durable in the file itself. */
int must_check durable_sync(struct eventlog *log);
/* After durable_sync(), before the active file gets another name: the journal says that nothing of it is
 * wanted any more. */
int must_check durable_mark(struct eventlog *log);

/* The opening: all up to here is durable. */
void durable_begin(struct eventlog *log, uint64_t off);
void durable_end(struct eventlog *log);
