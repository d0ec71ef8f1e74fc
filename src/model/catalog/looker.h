/* A process that looks at names in DATA/reducers or DATA/rules where a look may hang. One look at a time;
 * where it takes too long, the process is killed, and left behind where it can't even be killed: it holds
 * nothing of the daemon's but a directory and a place to put a watch. */
#pragma once

#include <errno.h>

#include "model/catalog/definition.h"
#include "model/link/proto.h"

enum look_what {
	LOOK_DIR = 1, /* which directory it is; watches it */
	LOOK_NAMES,   /* the files in it: a memfd with their names, each ended by a NUL */
	LOOK_FILE,    /* a view's definition: its content as a memfd */
};

struct look_request {
	enum look_what what;
	char name[LIMIT_NAME + 1];
	bool any; /* there is `known`, but for its content */
	struct definition known;
};

struct look_answer {
	enum look_what what;
	int error; /* 0, LOOK_EVENTFOLD, or a negative errno */
	/* LOOK_DIR. Its descriptor comes with it only where nothing can hang. */
	dev_t dev;
	ino_t ino;
	int watch;
	/* LOOK_FILE */
	bool any;  /* there is one */
	bool same; /* as known */
	struct definition def;
};

#define LOOK_EVENTFOLD (-EDEADLK) /* the directory leads into a mount of eventfold; no open() says so */

#define LOOK_WATCHED                                                                                         \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB |      \
	 IN_ONLYDIR)

/* The daemon's side; one thread. */
struct looker {
	pid_t pid; /* 0: not running */
	int pidfd, socket;
	struct buf in;
};

/* `zone`: zone_hash() of what the reducers run in. */
int must_check looker_start(struct looker *l, const char *path, bool quiet, enum definition_sort sort,
			    uint64_t zone, int data_fd, int inotify);
int must_check looker_ask(struct looker *l, const struct look_request *request);
/* 1: not yet; -EPIPE: it has ended. A descriptor goes to *ret_fd (-1: none), the caller's. */
int must_check looker_receive(struct looker *l, struct look_answer *ret, int *ret_fd);
/* Kills it, and closes all but its pidfd, which goes to the caller: it becomes readable when waitpid()
 * will do. */
int looker_abandon(struct looker *l, pid_t *ret_pid);

/* The process itself: serves the socket until that is closed, or nothing is asked for a while. */
int looker_main(int socket);
