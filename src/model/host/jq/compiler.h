/* The parts of the compiler, for each other only. Each is a file: compiler.c makes code and keeps scopes;
 * compile.c is about most kinds of nodes, compile_path.c about parts of values and what changes them,
 * compile_pattern.c about what binds names, and compile_call.c about functions.
 *
 * Where it has been given up, a function returns NULL, and NULL may be given to those that make code. What is
 * made belongs to the program, and scopes to the parse. */
#pragma once

#include "model/host/jq/compile.h"
#include "model/host/jq/event.h"

enum scope_kind { SCOPE_VARIABLE, SCOPE_LABEL, SCOPE_DEF, SCOPE_PARAMETER, SCOPE_SELF };

/* The variables of one call: where the values are when it runs. */
struct shape {
	struct shape *up;
	unsigned n;
};

/* What is there without being computed. */
enum given { GIVEN_NONE, GIVEN_EVENT, GIVEN_DATA };

/* What a name means, and what is around it. */
struct scope {
	struct scope *up;
	enum scope_kind kind;
	struct slice name;
	unsigned arity;
	struct shape *shape; /* of a variable, a label; of the function itself */
	unsigned slot;
	enum given given; /* of a variable that is only another name */
	struct definition *def;
	/* A parameter: what is written where the function is called, to be read as it is meant there. */
	struct tree *arg;
	struct scope *arg_scope;
	const struct scope *self; /* whose parameter it is, where the function calls itself */
	struct function *function;
	const struct code *assumed; /* what the function may do, as far as is known */
};

struct compiler {
	struct program *program;
	struct parse *parse;
	const struct prelude *prelude;
	struct shape *shape;
	const char *why;
	unsigned depth;
};

/* It goes to libjq as a whole. Returns NULL. */
struct code *compiler_give_up(struct compiler *c, const char *what, struct slice name);

/* Code that is yet to be filled in, and then to be finished; or is all there. A constant's value is consumed.
 */
struct code *compiler_new_code(struct compiler *c, enum code_kind kind);
struct code *compiler_list(struct compiler *c, enum code_kind kind, unsigned n);
struct code *compiler_finish(struct compiler *c, struct code *code);
struct code *compiler_simple(struct compiler *c, enum code_kind kind);
struct code *compiler_constant(struct compiler *c, struct val v);
struct code *compiler_two(struct compiler *c, enum code_kind kind, struct code *a, struct code *b);

/* Scopes, each of which is one name more. */
struct scope *scope_push(struct compiler *c, struct scope *up, enum scope_kind kind, struct slice name);
struct scope *scope_push_variable(struct compiler *c, struct scope *up, enum scope_kind kind,
				  struct slice name, unsigned slot);
struct scope *scope_push_def(struct compiler *c, struct scope *up, struct definition *def);
struct scope *scope_find_variable(struct scope *s, enum scope_kind kind, struct slice name);
struct scope *scope_find_function(struct scope *s, struct slice name, unsigned arity);
/* So many calls further out. */
unsigned scope_hops(const struct compiler *c, const struct shape *target);
/* Code about the place of a variable or label. */
struct code *scope_place(struct compiler *c, enum code_kind kind, const struct scope *of);

/* Nodes. */
struct code *compile_tree(struct compiler *c, const struct tree *t, struct scope *s);
struct code *compile_index(struct compiler *c, const struct tree *t, struct scope *s);
struct code *compile_slice(struct compiler *c, const struct tree *t, struct scope *s);
struct code *compile_each(struct compiler *c, const struct tree *t, struct scope *s);
struct code *compile_modify(struct compiler *c, const struct tree *t, struct scope *s);
struct code *compile_update(struct compiler *c, const struct tree *t, struct scope *s, enum code_kind kind);
struct code *compile_call(struct compiler *c, const struct tree *t, struct scope *s);
/* A call of a builtin by what it is given, or NULL. */
struct code *compile_call_of(struct compiler *c, const char *name, struct tree *a, struct tree *b,
			     struct scope *s);
/* The scope with the names that the patterns bind; *ret is what binds them. */
struct scope *compile_patterns(struct compiler *c, const struct pattern *p, struct scope *outer,
			       const struct bind **ret);
/* Is it $event or $event.data, or a variable that is another name of one? */
enum given given_of(const struct tree *t, struct scope *s);

static inline bool is_name(const struct tree *t)
{
	return t->kind == TREE_CONST && t->value.kind == VAL_STRING;
}
