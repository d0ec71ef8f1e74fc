/* The options of a log that several machines share, as `eventfold mount -o …` and the cluster's commands have
 * them: a word each, KEY=VALUE. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

#define CLUSTER_URLS 16 /* members of the engine, at most */

/* Zeroed, then cluster_args_begin(). What is no path points into the words. */
struct cluster_options {
	const char *urls; /* of the engine, with + between them; NULL: the log is this machine's alone */
	const char *log;  /* its name in the engine */
	uint64_t window_bytes, window_ms;
	unsigned timeout_ms;                   /* an append waits for so long; 0: for ever */
	char *ca, *cert, *key, *password_file; /* absolute paths; its own; NULL: none */
	const char *user;                      /* NULL: none */
	bool any;                              /* one of them was given */
};

/* With what holds where no word says otherwise. */
void cluster_args_begin(struct cluster_options *o);
void cluster_args_deinit(struct cluster_options *o);

/* 1: the word is one of them, and is taken; 0: it is none; -EINVAL (the diag says what is wrong with it), or
 * -ENOMEM. */
int must_check cluster_args_parse(struct cluster_options *o, const char *word, struct diag *diag);
/* Behind the last word: do they go together, and are the files there? 0, or -EINVAL with the reason. */
int must_check cluster_args_check(const struct cluster_options *o, struct diag *diag);

/* Their keys, and what each wants: for a help that finds what was meant. */
#define CLUSTER_ARGS 9
const char *cluster_args_key(size_t i);
const char *cluster_args_wanted(size_t i);
