/* What DATA/reducers says about a view: its reducer's file, copied where nobody can change it, and identified by its content.
 * Immutable and counted: any thread. */
#pragma once

#include <sys/stat.h>

#include "base/diag.h"
#include "base/limits.h"
#include "model/reducer.h"

/* A file's content changes with one of these. */
struct file_identity {
	int error; /* where there is none */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* What DATA/reducers says about a name. Counted, immutable. */
struct definition {
	_Atomic unsigned refs;
	char file[LIMIT_NAME + 8];
	enum reducer_kind kind;
	int fd;            /* a sealed memfd with the content; -1 where it can't be used */
	uint64_t identity; /* xxh64 of kind and content */
	bool link;         /* a symbolic link, or one of several hard ones: its target is to be looked at */
	struct file_identity target;
	struct diag why; /* why it can't be used; empty: it can */
};
struct definition *definition_ref(struct definition *d);
void definition_unref(struct definition *d);
/* Of the view `name`; *ret is NULL where there is none. */
int must_check definition_load(int dirfd, const char *name, struct definition **ret);
struct file_identity file_identity(int dirfd, const char *file);
bool file_identity_eq(const struct file_identity *a, const struct file_identity *b);
