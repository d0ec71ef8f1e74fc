/* The names that one log's keys have in the engine. Pure. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"

#define KEY_MAX 320

struct keys {
	/* Of the log. */
	char head[KEY_MAX], config[KEY_MAX];
	/* All that begin so, from the first text to the second. */
	char batches[KEY_MAX], batches_end[KEY_MAX];
	char members[KEY_MAX], members_end[KEY_MAX];
	char holders[KEY_MAX], holders_end[KEY_MAX];
	/* What is told of as it comes, from the first to the second: batches, config, head. */
	char watched_end[KEY_MAX];
};

/* False: there can't be a log of this name. */
bool keys_init(struct keys *k, const char *log);

void keys_batch(const struct keys *k, uint64_t off, char ret[KEY_MAX]);
bool keys_batch_read(const struct keys *k, struct slice key, uint64_t *ret_off);
void keys_member(const struct keys *k, const char *machine, char ret[KEY_MAX]);
void keys_holder(const struct keys *k, const char *machine, char ret[KEY_MAX]);
/* The machine of a member's or a holder's key, below `prefix`; NULL: it is none. Zero-terminated into ret. */
bool keys_machine(const char *prefix, struct slice key, char ret[17]);
