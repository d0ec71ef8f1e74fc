/* What is refused, as rejected.jsonl tells it: what a writer finds wrong with a line, what is decided about
 * it on its way into the log, and what could not be written after all. Any thread, no lock held. */
#pragma once

#include <sys/types.h>

#include "fs/log/decide.h"
#include "fs/log/writer.h"
#include "store/log.h"

struct mount;

/* `pid`: whose it is. `line` may be several, as they were or would have been stored. */
void refuse_line(struct mount *m, pid_t pid, int error, const struct json_error *why, struct slice line);
/* Nothing where there is none. */
void refuse_refusal(struct mount *m, pid_t pid, const struct refusal *r);
/* The unit behind the `stored` bytes that count. */
void refuse_decided(struct mount *m, pid_t pid, const struct verdict *v, size_t stored);
/* The head is not where the writer has seen it. */
void refuse_moved(struct mount *m, pid_t pid, struct slice lines, const struct log_pos *head);
