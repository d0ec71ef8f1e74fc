/* What the commands without a mount share: the log of a data directory, opened for reading only. */
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

/* Opens DATA; what is not as it should be goes to `report` line by line. False: it has been said on standard error. */
bool offline_open(struct offline *o, const char *data, void (*report)(void *arg, const char *text),
		  void *arg);
void offline_close(struct offline *o);
