/* A jq program as a tree: what was written, with nothing resolved or decided yet.
 *
 * A tree lives in the memory of its parse (parse.h) and dies with it. */
#pragma once

#include "model/host/jq/value.h"

enum tree_kind {
	TREE_DOT,
	TREE_RECURSE, /* .. */
	TREE_CONST,
	TREE_VARIABLE, /* name */
	TREE_INDEX,    /* a[b], .name */
	TREE_SLICE,    /* a[b:c]; b or c may be NULL */
	TREE_EACH,     /* a[] */
	TREE_PIPE,     /* list */
	TREE_COMMA,    /* list */
	TREE_NEGATE,   /* -a */
	TREE_BINARY,   /* a op b */
	TREE_AND,
	TREE_OR,
	TREE_ELSE,        /* a // b */
	TREE_ASSIGN,      /* a = b */
	TREE_MODIFY,      /* a |= b */
	TREE_UPDATE,      /* a op= b */
	TREE_UPDATE_ELSE, /* a //= b */
	TREE_IF,          /* if a then b else c */
	TREE_TRY,         /* try a catch b; b may be NULL */
	TREE_REDUCE,      /* reduce a as patterns (b; c) */
	TREE_FOREACH,     /* foreach a as patterns (b; c; d); d may be NULL */
	TREE_AS,          /* a as patterns | b */
	TREE_LABEL,       /* label $name | a */
	TREE_BREAK,       /* name */
	TREE_DEF,         /* def … ; a */
	TREE_CALL,        /* name(list) */
	TREE_ARRAY,       /* [a]; a may be NULL */
	TREE_OBJECT,      /* list: key, value, …; a value that is NULL is the input's member of that name */
	TREE_FORMAT,      /* a, formatted as `name` */
};

enum tree_op {
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_DIVIDE,
	OP_MODULO,
	OP_EQUAL,
	OP_UNEQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
};

enum pattern_kind { PATTERN_VARIABLE, PATTERN_ARRAY, PATTERN_OBJECT };

/* What stands behind `as`. In an object: `key`, or a variable's name, or both. */
struct pattern {
	enum pattern_kind kind;
	struct slice name;           /* also the name that an object's member is bound to as a whole */
	struct tree *key;            /* of a member */
	struct pattern *value;       /* of a member; NULL: none but the name */
	struct pattern *list;        /* elements, or members */
	struct pattern *next;        /* beside it in a list */
	struct pattern *alternative; /* behind ?// */
};

struct parameter {
	struct slice name;
	bool value; /* $name */
};

struct definition {
	struct slice name;
	struct parameter *parameters;
	unsigned n;
	struct tree *body;
};

struct tree {
	enum tree_kind kind;
	enum tree_op op;
	bool optional; /* with a ? */
	unsigned depth;
	struct tree *a, *b, *c, *d;
	struct tree **list;
	unsigned n;
	struct slice name;
	struct val value;
	struct tree *next_constant;
	struct pattern *patterns;
	struct definition *def;
};
