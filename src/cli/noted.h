/* Heads of a log that were noted elsewhere, and the present log against them. */
#pragma once

#include "cli/offline.h"
#include "cli/progress.h"
#include "store/sha.h"

/* That history up to `off` has this SHA-256. */
struct noted {
	uint64_t off;
	char sha[SHA_TEXT + 1];
	bool holds; /* as it was found */
};

struct notes {
	struct noted *list;
	size_t n, cap;
};

void notes_deinit(struct notes *notes);
/* "OFFSET:SHA256", or a line of tail/head or head/app.sha256. 1: it is none of these. */
int must_check notes_add(struct notes *notes, struct slice text);
/* A file of them, a line each; empty ones and those that begin with '#' are skipped. False: it has been said
 * on standard error. */
bool notes_read(struct notes *notes, const char *path);

/* Reads the log from its first byte on, as far as they go, and prints what can be said. True: it has all of
 * these heads. */
bool notes_check(struct notes *notes, struct offline *log, struct progress *progress);

/* Takes in history from *off to `end`. False: it can't be read at *off, which has been said. */
bool noted_hash(struct offline *log, struct sha256_ctx *sha, uint64_t *off, uint64_t end,
		struct progress *progress);
