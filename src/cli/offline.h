/* What the commands without a mount share: the log of a data directory, opened for reading only, or to mend
 * it. */
#pragma once

#include "store/eventlog.h"
#include "store/reader.h"

struct offline {
	int data_fd;
	struct eventlog *log;
	struct reader *reader;
	struct log_pos head;
	void (*report)(void *arg, const char *text);
	void *arg;
};

/* As eventlog_options wants it. */
bool offline_is_event(void *arg, struct slice line);

/* Opens DATA; what is not as it should be goes to `report` line by line. False: it has been said on standard
 * error. */
bool offline_open(struct offline *o, const char *data, void (*report)(void *arg, const char *text),
		  void *arg);
void offline_close(struct offline *o);

enum offline_purpose {
	OFFLINE_MEND,
	OFFLINE_DECIDE, /* what was kept apart: eventlog_options.decides */
	OFFLINE_SHARE,  /* with others: eventlog_options.shared */
};
/* Opens DATA's log for writing, which mends it as a mount does; standard error is told what was mended. What
 * this process makes from now on is its user's alone. *ret_fd is DATA, to be closed after the log. NULL: why
 * has been said there. */
struct eventlog *offline_write(const char *data, enum offline_purpose purpose, int *ret_fd);
