/* From the text of a jq program to its tree: the whole grammar of jq 1.6, but for modules, and what jq 1.7
 * has added to it.
 *
 * What it takes is what libjq takes, and no more. It keeps no more than so deep on the stack, whatever it is
 * given. */
#pragma once

#include "model/host/jq/tree.h"

struct arena;

struct parse {
	struct slice program; /* borrowed */
	bool later;           /* than jq 1.6 */
	struct arena *memory;
	struct tree *constants;
	struct tree *tree; /* NULL where it has definitions only, or nothing */
	bool only_definitions;
	/* Where it is not a program: */
	enum parse_error { PARSE_FINE, PARSE_SYNTAX, PARSE_DEEP, PARSE_MODULE } error;
	struct slice at; /* the token that was not expected */
};

/* The program is borrowed for as long as the parse lives. `later`: the grammar is that of jq 1.7. */
void parse_init(struct parse *p, struct slice program, bool later);
void parse_deinit(struct parse *p);

/* For programs of our own, which have definitions only: they are appended to a list of `n` that has room for
 * `cap`. */
unsigned parse_definitions(struct parse *p, struct slice program, struct definition **list, unsigned cap);

/* Memory that lives as long as the parse. */
void *parse_alloc(struct parse *p, size_t size);
