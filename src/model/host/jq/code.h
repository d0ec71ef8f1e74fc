/* The compiled form of a jq program: nodes that say how they are run.
 *
 * jq's programs make no, one or many outputs for an input. A node is run in one of two ways:
 *
 *   one   gives its output to the caller: for nodes that are `simple`, which have one output at most
 *   many  calls a continuation with each output. What it calls runs inside of it, so that an error that what
 * follows makes passes it as in jq 1.6, whose `try` catches those too
 *
 * Inputs are consumed. Where a node reads no input (`dot` is false) it is given null, so that nobody holds
 * the state for its sake. */
#pragma once

#include "model/host/jq/tree.h"

struct run;
struct code;

/* Where outputs go. What `take` returns: MORE, or that it is over. */
struct cont {
	int (*take)(struct run *m, struct cont *k, struct val v);
};

enum { FAILED = -1, NOTHING = 0, GIVEN = 1 }; /* what `one` returns */
enum { MORE = 0, STOP = 1 };                  /* what `many` returns; FAILED too */
enum { TAIL = 2 };                            /* either: run->tail_… is to be called, see names.c */

typedef int one_fn(struct run *m, const struct code *c, struct val in, struct val *out);
typedef int many_fn(struct run *m, const struct code *c, struct val in, struct cont *k);

enum code_kind {
	CODE_DOT,
	CODE_CONST,    /* value */
	CODE_VARIABLE, /* hops, slot */
	CODE_EVENT,
	CODE_EVENT_MEMBER, /* value: its name */
	CODE_EVENT_DATA,   /* value: a name in its data */
	CODE_SEQ,
	CODE_OFF,
	CODE_EMPTY,
	CODE_INDEX, /* list: key, container */
	CODE_SLICE, /* list: from, to, container */
	CODE_EACH,  /* a: container */
	CODE_PIPE,  /* list */
	CODE_COMMA, /* list */
	CODE_NEGATE,
	CODE_BINARY, /* list: right, left */
	CODE_AND,
	CODE_OR,
	CODE_ELSE,
	CODE_ASSIGN, /* a = b */
	CODE_MODIFY, /* a |= b */
	CODE_UPDATE, /* a op= b; op */
	CODE_UPDATE_ELSE,
	CODE_DELETE, /* a: paths */
	CODE_IF,
	CODE_TRY,
	CODE_REDUCE,   /* a: source, b: init, c: body, bind */
	CODE_FOREACH,  /* and d: extract, or NULL */
	CODE_BIND,     /* a: source, b: body, bind */
	CODE_LABEL,    /* a, hops, slot */
	CODE_BREAK,    /* hops, slot */
	CODE_CALL,     /* function; list: the values of its parameters; hops to the frame around it */
	CODE_ARRAY,    /* a */
	CODE_OBJECT,   /* list: key, value … */
	CODE_FUNCTION, /* builtin; list: its arguments, the last one first */
	CODE_PATH,     /* a */
	CODE_RANGE,    /* a, b */
	CODE_FIRST,    /* a */
	CODE_KINDS,
};

/* How the names of a pattern get their values: a program for a stack of values, the top of which is taken
 * apart. */
struct bind_step {
	enum { BIND_GET, BIND_STORE, BIND_STORE_COPY, BIND_DROP } what;
	const struct code *key; /* GET: pushes the top's member */
	unsigned slot;
};

struct bind {
	struct bind_step *steps;
	unsigned n, depth;
	const struct bind *alternative; /* where this one fails */
	unsigned *slots;                /* all that are stored, where there are alternatives */
	unsigned n_slots;
};

struct builtin {
	const char *name;
	unsigned arity;
	/* args[0] is the input; all are consumed. VAL_NONE with run->failed set is an error, without it no
	 * output. */
	struct val (*call)(struct run *m, struct val *args);
	bool writes; /* changes the input */
	bool none;   /* may have no output */
	bool libjq;  /* is left to it */
};

/* A function of the program that calls itself: what it is for one place that calls it. */
struct function {
	struct code *body;
	unsigned n_slots;
	struct function *next;
};

struct code {
	one_fn *one;
	many_fn *many;
	enum code_kind kind;
	enum tree_op op;
	/* What it may do. Found by analyse.c. */
	bool simple;  /* one output at most, and it catches no errors of what follows */
	bool dot;     /* reads its input */
	bool none;    /* may have no output */
	bool several; /* may have more than one */
	bool catches; /* while what follows runs, errors of that are caught */
	bool writes;  /* may change its input in place */
	bool loses;   /* may do so and then have no output */
	bool optional;
	bool by_name; /* the event's data, through a variable */
	bool tail;    /* a call of its own function, the last thing that this does */
	unsigned hops, slot;
	struct code *a, *b, *c, *d;
	struct code **list;
	unsigned n;
	unsigned last_dot; /* of the list, the last one that reads the input; n: none */
	struct val value;
	const struct bind *bind;
	const struct builtin *builtin;
	struct function *function;
	struct code *next; /* of all */
};

/* A program: all its nodes. */
struct program {
	struct code *main;
	struct code *all;
	struct function *functions;
	unsigned n_slots; /* of the main frame */
	unsigned n_codes;
};

/* How the nodes of a kind are run. */
one_fn *code_one(enum code_kind kind);
many_fn *code_many(enum code_kind kind);
