/* What the files of append.h share. Private to them. */
#pragma once

#include "fs/log/append.h"
#include "fs/log/pieces.h"
#include "fs/mount.h"

/* Something of a file's that is with the commit thread. */
struct append {
	struct commit commit;
	struct file *file;           /* with a reference */
	fuse_req_t req;              /* NULL: answered already, when it was queued */
	pid_t pid;                   /* whose */
	bool writing;                /* a write: the answer is a count, and the writer is told it */
	bool left;                   /* its program was answered before it was known what becomes of it */
	bool closing;                /* its locks go with it, once its line is in the log */
	uint64_t number;             /* among what its file has queued; 0: it has no lines */
	int result;                  /* the answer to a close whose own part failed, once all else is done */
	uint64_t table;              /* of a close: the descriptors it went through */
	struct open_log_close close; /* while it waits for its turn */
	struct batch batch;
	struct verdict verdict;
	struct ids_wait wait;  /* for what that is made of */
	struct buf rest;       /* behind the batch's last newline */
	struct pieces *pieces; /* NULL: it has come in one */
	int failed;            /* an error: they have not come to a whole */
};

/* NULL: no memory. */
struct append *append_new(struct file *f, fuse_req_t req);
void append_free(struct append *a);
/* So much of what was given counts for its writer, which the caller has. */
void append_count_written(struct append *a, size_t written);
/* The caller has the writer: its last line is appended, if it is whole, and what was queued is waited for. */
void append_close_now(struct append *a, struct event *scanner);
void append_answer_call(struct append *a, int error);
