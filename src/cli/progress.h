/* A progress line on a terminal: how much, how fast, how long still. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	const char *what;
	uint64_t total, done; /* bytes */
	struct timespec begin, shown;
	bool terminal;
};

/* Shown on standard error, if that is a terminal. */
void progress_begin(struct progress *p, const char *what, uint64_t total);
void progress_add(struct progress *p, uint64_t bytes);
/* Takes the line away, so that something else can be printed. */
void progress_clear(struct progress *p);
