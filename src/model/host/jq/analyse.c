/* What a node may do, from what its parts may do. Where there is a doubt the answer is the careful one. */
#include "model/host/jq/compile.h"
#include "model/host/jq/run.h"

static void join(struct code *c, const struct code *part)
{
	if (!part)
		return;
	c->dot |= part->dot;
	c->none |= part->none;
	c->several |= part->several;
	c->catches |= part->catches;
	c->writes |= part->writes;
	c->loses |= part->loses;
}

static void join_list(struct code *c)
{
	c->last_dot = c->n;
	for (unsigned i = 0; i < c->n; i++) {
		join(c, c->list[i]);
		if (c->list[i]->dot)
			c->last_dot = i;
	}
}

/* All operands are there before anything is done with them. */
static void join_operands(struct code *c)
{
	join_list(c);
	if (c->kind == CODE_BINARY && c->op == OP_ADD)
		c->writes |= c->list[1]->dot;
	if (c->kind == CODE_FUNCTION) {
		c->writes |= c->builtin->writes;
		c->none |= c->builtin->none;
	}
	c->none |= c->optional;
	c->loses |= c->writes && c->none;
}

static void join_pipe(struct code *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct code *part = c->list[i];

		c->loses |= part->loses || (c->writes && part->none);
		c->none |= part->none;
		c->several |= part->several;
		c->catches |= part->catches;
		c->writes |= part->writes;
	}
	c->dot = c->list[0]->dot;
}

static void join_comma(struct code *c)
{
	bool none = true;

	for (unsigned i = 0; i < c->n; i++) {
		join(c, c->list[i]);
		none &= c->list[i]->none;
	}
	c->none = none;
	c->several = true;
}

static void join_else(struct code *c)
{
	join(c, c->a);
	join(c, c->b);
	c->none = c->b->none;
	c->loses = c->b->loses || (c->a->writes && c->b->none);
}

static void join_update(struct code *c)
{
	c->none = c->b->none;
	c->several = c->b->several;
	c->catches = c->b->catches;
	c->dot = c->writes = true;
}

static void join_if(struct code *c)
{
	join(c, c->b);
	join(c, c->c);
	c->dot |= c->a->dot;
	c->none |= c->a->none;
	c->several |= c->a->several;
	c->catches |= c->a->catches;
}

static void join_try(struct code *c)
{
	join(c, c->a);
	c->loses |= c->a->writes && (!c->b || c->b->none || c->b->loses);
	c->none |= !c->b || c->b->none;
	c->several = c->catches = true;
}

static void join_reduce(struct code *c)
{
	join(c, c->b);
	c->dot |= c->a->dot;
	/* The source may be the only one to get the state. */
	c->writes |= c->a->writes || c->c->writes;
}

static void join_foreach(struct code *c)
{
	join(c, c->a);
	join(c, c->b);
	bool dot = c->dot;
	join(c, c->c);
	join(c, c->d);
	c->dot = dot;
	c->none = c->several = true;
	c->loses |= c->writes;
}

static void join_bind(struct code *c)
{
	join(c, c->b);
	c->dot |= c->a->dot;
	c->none |= c->a->none;
	c->several |= c->a->several || c->bind->alternative;
	c->catches |= c->a->catches || c->bind->alternative;
	c->loses |= c->writes && c->bind->alternative;
}

static void join_parts(struct code *c)
{
	switch (c->kind) {
	case CODE_DOT:
		c->dot = true;
		return;
	case CODE_EMPTY:
	case CODE_BREAK:
		c->none = true;
		return;
	case CODE_EVENT_MEMBER:
	case CODE_EVENT_DATA:
		c->none = c->optional;
		return;
	case CODE_INDEX:
	case CODE_SLICE:
	case CODE_BINARY:
	case CODE_OBJECT:
	case CODE_FUNCTION:
		join_operands(c);
		return;
	case CODE_CALL: {
		bool dot = c->dot;
		join_list(c);
		c->dot |= dot;
		return;
	}
	case CODE_PIPE:
		join_pipe(c);
		return;
	case CODE_COMMA:
		join_comma(c);
		return;
	case CODE_ELSE:
		join_else(c);
		return;
	case CODE_ASSIGN:
	case CODE_UPDATE:
	case CODE_UPDATE_ELSE:
		join_update(c);
		return;
	case CODE_MODIFY:
	case CODE_DELETE:
		c->dot = c->writes = true;
		return;
	case CODE_IF:
		join_if(c);
		return;
	case CODE_TRY:
		join_try(c);
		return;
	case CODE_REDUCE:
		join_reduce(c);
		return;
	case CODE_FOREACH:
		join_foreach(c);
		return;
	case CODE_BIND:
		join_bind(c);
		return;
	case CODE_ARRAY:
		c->dot = c->a->dot;
		c->writes = c->a->writes;
		return;
	default:
		join(c, c->a);
		join(c, c->b);
	}
	if (c->kind == CODE_EACH || c->kind == CODE_RANGE)
		c->none = c->several = true;
	if (c->kind == CODE_LABEL) {
		c->none = true;
		c->loses |= c->writes;
	}
	if (c->kind == CODE_FIRST) {
		c->none = true;
		c->several = false;
	}
	if (c->kind == CODE_PATH)
		c->dot = true;
}

void code_finish(struct code *c)
{
	join_parts(c);
	if (!c->dot)
		c->writes = c->loses = false;
	c->simple = !c->several && !c->catches;
	c->one = code_one(c->kind);
	c->many = c->simple ? many_simple : code_many(c->kind);
}
