/* A loaded reducer with its state, whatever it is written in.
 *
 * The state is inside: one loaded reducer folds one view. It belongs to one thread (in practice to one fold
 * worker, a process of its own, since reducers crash). Errors: a negative errno with a text in the diag that
 * a user understands. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "model/event/event.h"

struct reducer;

struct reducer_class {
	const char *kind; /* "c", "jq" */
	/* Folds one event in: EVENTFOLD_SAME, EVENTFOLD_CHANGED, or an error; after an error the state is
	 * unspecified. */
	int (*fold)(struct reducer *r, struct event *ev, struct diag *diag);
	/* Appends the state as one compact JSON value, no newline. */
	int (*write)(struct reducer *r, struct buf *out, struct diag *diag);
	/* Replaces the state by one that write() made. */
	int (*read)(struct reducer *r, struct slice json, struct diag *diag);
	/* Takes note of the state as it is, in place of what was noted before; goes back to that, as often as
	 * need be; lets go of it. A state in C is written out and read for that. */
	int (*save)(struct reducer *r, struct diag *diag);
	int (*restore)(struct reducer *r, struct diag *diag);
	void (*forget)(struct reducer *r);
	void (*free)(struct reducer *r);
};

struct reducer {
	const struct reducer_class *class;
};

/* From the content of a .so or .jq file. `fd` is borrowed, and may be closed afterwards; for C it must be a
 * file that nobody changes any more (a sealed memfd), since it stays mapped. The first state is in place. */
int must_check reducer_load_c(struct reducer **ret, int fd, struct diag *diag);
int must_check reducer_load_jq(struct reducer **ret, struct slice program, struct diag *diag);
/* Which jq it is: another one may make another state of the same program. */
const char *reducer_version_jq(void);
/* How a jq program is run, in a line for its author. */
int must_check reducer_explain_jq(struct slice program, struct buf *out, struct diag *diag);

/* What can run a reducer. Which there are is told here, and nowhere else. */
enum reducer_kind { REDUCER_C = 1, REDUCER_JQ = 2 };
struct reducer_host {
	enum reducer_kind kind;
	const char *name;   /* as users see it: "c", "jq" */
	const char *suffix; /* of its files: ".so" */
	size_t most;        /* bytes of a file: it is read while somebody waits for a look-up */
	/* Its reducers run as code of the worker's: whoever can write such a file runs code there, and one
	 * that goes wrong can harm all that are in the same worker. */
	bool native;
	const char *(*version)(
	    void); /* another one may make another state of the same file; NULL: none does */
	int (*load)(struct reducer **ret, int fd, struct diag *diag);
};
/* NULL: there is no such kind. */
const struct reducer_host *reducer_host(enum reducer_kind kind);
/* All of them, from 0 on; NULL: there are no more. */
const struct reducer_host *reducer_host_at(size_t i);
int must_check reducer_load(struct reducer **ret, enum reducer_kind kind, int fd, struct diag *diag);
/* By a file's name: "todos.so" is 1 and sets *ret_kind; 0 where it is none. The stem is the view's name. */
int reducer_kind_of(const char *file_name, enum reducer_kind *ret_kind, struct slice *ret_stem);
/* Is it of a host that is native? */
bool reducer_is_native(const struct reducer *r);

static inline void reducer_free(struct reducer *r)
{
	if (r)
		r->class->free(r);
}
