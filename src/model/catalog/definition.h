/* What DATA/reducers says about a view: its reducer's file, copied where nobody can change it, and identified
 * by its content. And the same of the rules in DATA/rules. Immutable and counted: any thread. It costs no
 * descriptor. */
#pragma once

#include <sys/stat.h>

#include "base/diag.h"
#include "base/limits.h"
#include "model/catalog/reach.h"
#include "model/host/reducer.h"
#include "model/host/zone.h"

/* What a directory of DATA defines. */
enum definition_sort { DEFINES_VIEWS, DEFINES_RULES };
/* That directory's name. */
const char *definition_dir(enum definition_sort sort);
/* As reducer_kind_of(): rules are in jq. */
int definition_kind_of(enum definition_sort sort, const char *file_name, enum reducer_kind *ret_kind,
		       struct slice *ret_stem);

/* A file's content changes with one of these. */
struct file_identity {
	int error; /* where there is none */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct definition {
	_Atomic unsigned refs;
	char file[LIMIT_NAME + 8];
	enum reducer_kind kind;
	struct slice content; /* its own; empty where it can't be used */
	uint64_t identity;    /* xxh64 of kind and content, and of the zone it runs in but for UTC */
	bool link;    /* a symbolic link, or one of several hard ones: its target may change unseen by the
			 directory */
	bool safe;    /* where it leads, nothing hangs: definition_is_same() can tell */
	bool passing; /* why it can't be used may pass by itself: it is to be looked at again */
	bool wanting; /* that is for want of descriptors or memory here: it says nothing of the file */
	struct file_identity target;
	struct diag why; /* why it can't be used; empty: it can */
};
struct definition *definition_ref(struct definition *d);
void definition_unref(struct definition *d); /* NULL is fine */
/* What is known of it but for its content: not counted, and nobody's but the caller's. */
struct definition definition_facts(const struct definition *d);
/* One that can't be used. */
struct definition *definition_broken(const char *file, const char *why);

/* Looks at what the directory says about the view `name`: *ret is NULL where there is none, or `known` (NULL:
 * nothing is) once more where that is a link whose target has not changed. -EXDEV: it leads farther than
 * `reach`; *ret is then a broken one with its file's name. Another negative errno where it can't be looked at
 * now. `zone`: zone_hash() of what it will run in. */
int must_check definition_look(const struct reach *reach, enum definition_sort sort, uint64_t zone, int dirfd,
			       const char *name, struct definition *known, struct definition **ret);
/* Is a link's target what it was? Never waits; false where that can't be told so. */
bool definition_is_same(int dirfd, const struct definition *d);
/* The content as a sealed memfd, for as long as it is needed: a descriptor, or an error. */
int must_check definition_memfd(const struct definition *d);
