/* The settler thread: makes the journal (store/journal.h) with the first append, where it is wanted and
 * pays, and brings what is in the journal only to the disk in the log itself, a second later or when the
 * ring is half full. */
#pragma once

#include "store/eventlog.h"

enum journal_mode {
	JOURNAL_OFF,
	JOURNAL_AUTO, /* where overwriting a file is faster than making one longer */
	JOURNAL_ON,
};

struct settler;

struct settler_options {
	enum journal_mode mode;
	int data_fd; /* borrowed */
	void (*report)(void *arg, const char *text);
	void *arg;
};

int must_check settler_start(struct settler **ret, struct eventlog *log,
			     const struct settler_options *options);
void settler_stop(struct settler *s);

/* The head has moved. On the commit thread; costs no system call unless there is something new to do. */
void settler_moved(struct settler *s);
/* Why there is no journal; NULL: there is one. Constant text. Any thread. */
const char *settler_why(struct settler *s);
