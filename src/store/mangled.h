/* Lines that a power cut has mangled: of a write the beginning and the end have reached the disk, but not the
 * middle. None of it was acknowledged. Private to the opening (rejoin.c). */
#pragma once

#include "store/eventlog_impl.h"

/* Moves the lines that are no events, from this place of the active file on, to app.jsonl.torn; of a log that
 * is `shared` also what stands behind the first of them, since that comes again from the others. The file is
 * another one then, also in `files`. Where there is no room for that they stay. */
int must_check mangled_drop(struct eventlog *log, struct log_files *files, uint64_t from, bool shared);
