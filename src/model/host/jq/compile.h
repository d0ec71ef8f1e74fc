/* From a tree to what runs: names are resolved, functions written out where they are called, each node gets
 * its form. */
#pragma once

#include "model/host/jq/code.h"
#include "model/host/jq/parse.h"

/* jq's own functions that are written in jq. They live as long as the parse in whose memory they are. */
struct prelude {
	struct definition *list[200];
	unsigned n;
};
void prelude_parse(struct prelude *ret, struct parse *parse);

/* Is there a function of that name and number of arguments that can be compiled? */
bool compile_knows(const struct prelude *prelude, struct slice name, unsigned arity);

/* Compiles the tree of a parse. False where it has something in it that only libjq can do, or that is not
 * defined: *ret_why then says what, in memory of the parse. The program keeps nothing of the parse. */
bool program_compile(struct program *ret, struct parse *parse, const struct prelude *prelude,
		     const char **ret_why);
void program_deinit(struct program *p);

/* A builtin function that is written in C, or NULL. */
const struct builtin *builtin_find(struct slice name, unsigned arity);

/* Finds out what the node may do, and how it is run: once it is complete. */
void code_finish(struct code *c);
