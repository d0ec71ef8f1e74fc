/* Which rules there are: what lies in DATA/rules, as it is now. Threads: any may call, but for start and
 * stop. */
#pragma once

#include "model/catalog/catalog.h"

struct rules;

struct rules_options {
	const char *worker_path; /* see catalog.h; borrowed */
	bool quiet;
	const struct zone *zone;
	void (*report)(void *arg, const char *text);
	void *arg;
};

int must_check rules_start(struct rules **ret, int data_dirfd, const struct rules_options *options,
			   struct diag *diag);
void rules_stop(struct rules *r); /* NULL is fine */

/* To be told of changes: at once, since there may be some already, and then on the catalog's thread. A lock
 * is held that this takes. NULL: not any more. */
void rules_listen(struct rules *r, void (*changed)(void *arg), void *arg);

/* Are there any, or is that not known at this moment? A system call that never waits. */
bool rules_are_there(struct rules *r);
/* Takes note of every change that happened before the call: waits for that where need be, never for long. */
void rules_settle(struct rules *r);

/* Files in DATA/rules that are asked nothing, for their names. */
void rules_misnamed(struct rules *r, struct misnamed *ret);

struct rule_entry {
	char name[LIMIT_NAME + 1];
	struct definition *def; /* a reference */
};
/* Grows whenever they change. */
uint64_t rules_generation(struct rules *r);
/* All of them, sorted by name; the caller's, to be given to rule_entries_free(). *ret_known is false where
 * there may be more: DATA/rules can't be read. */
int must_check rules_list(struct rules *r, struct rule_entry **ret, size_t *ret_n, bool *ret_known,
			  uint64_t *ret_generation);
void rule_entries_free(struct rule_entry *list, size_t n);
