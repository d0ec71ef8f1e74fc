/* What a power cut has taken from the log and the journal still has comes back here, before anything
 * else is made of the active log. Private to the opening (recover.c). */
#pragma once

#include "store/eventlog_impl.h"

/* For a writer, with the active file open and locked, which begins at `begin` of history. Writes what
 * the journal has to its place. Nothing is durable yet in the file, nor is the journal removed. *ret: what
 * is known by the journal. Where the log is not what the journal goes on from, the journal is kept as
 * app.jsonl.journal.N, and the log has failed, with the reason; so it has where there is such a file already.
 */
struct rejoined {
	bool any;      /* there was one */
	uint64_t sure; /* so far in the file all is as it was: settled, or the journal has it */
	bool shared;   /* it says that others have the order, too */
	bool apart;    /* or the log does not go on as it was: what is noted of groups is of another one */
};
int must_check rejoin_write(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
			    struct rejoined *ret, struct diag *diag);

/* For one who may write nothing: files->active_fd becomes a copy in memory that has it all, if that is
 * another thing. */
int must_check rejoin_show(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
			   struct rejoined *ret, struct diag *diag);

/* Once the file is durable: the journal that was joined is removed. */
int must_check rejoin_end(struct eventlog *log);
