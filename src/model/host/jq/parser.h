/* The parts of the parser, for each other only. Each is a file: parse.c reads tokens, tree.c makes nodes, and
 * parse_string.c, parse_pattern.c, parse_term.c and parse_expression.c are the grammar.
 *
 * After an error a function returns NULL, and all that is read from then on is the end: what is made then is
 * thrown away. */
#pragma once

#include "model/host/jq/parse.h"
#include "model/host/jq/token.h"

#define PARSE_DEEPEST 1000

struct parser {
	struct parse *p;
	const char *end;
	struct token t; /* the next one */
	unsigned depth;
	unsigned key_depth; /* of the keys in patterns */
};

/* Lists that grow. */
struct trees {
	struct tree **list;
	unsigned n, cap;
};

/* Tokens. */
void *parser_fail(struct parser *p);
void *parser_fail_as(struct parser *p, enum parse_error error);
void parser_advance(struct parser *p);
/* Is it the next one? It is taken; it must be. */
bool parser_is(const struct parser *p, const char *text);
bool parser_take(struct parser *p, const char *text);
bool parser_expect(struct parser *p, const char *text);
struct slice parser_take_name(struct parser *p);
/* The same behind a `$`. */
struct slice parser_take_variable(struct parser *p);
bool parser_at_string(const struct parser *p);

/* Nodes. A constant's value is consumed. */
struct tree *tree_node(struct parser *p, enum tree_kind kind, struct tree *a, struct tree *b);
struct tree *tree_constant(struct parser *p, struct val v);
struct tree *tree_string(struct parser *p, struct slice s);
struct tree *tree_named(struct parser *p, enum tree_kind kind, struct slice name);
struct tree *tree_of_list(struct parser *p, enum tree_kind kind, struct trees *l);
/* Of two constants a third. */
struct tree *tree_binary(struct parser *p, enum tree_op op, struct tree *a, struct tree *b);
/* A node that has been given further parts. */
struct tree *tree_grown(struct parser *p, struct tree *t);
unsigned tree_depth(const struct tree *t);
void trees_add(struct parser *p, struct trees *l, struct tree *t);

/* The grammar. */
struct tree *parse_expression(struct parser *p);
struct tree *parse_term(struct parser *p);
/* A string, the quote being the next token; with a format in front where it has one. */
struct tree *parse_string(struct parser *p, struct slice format);
struct tree *parse_formatted(struct parser *p);
struct tree *parse_key_in_parentheses(struct parser *p);
struct pattern *parse_patterns(struct parser *p);
struct definition *parse_definition(struct parser *p);
