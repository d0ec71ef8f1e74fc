/* Parts of values, and what changes them. */
#include "model/host/jq/compiler.h"

enum given given_of(const struct tree *t, struct scope *s)
{
	if (t && t->kind == TREE_VARIABLE) {
		const struct scope *v = scope_find_variable(s, SCOPE_VARIABLE, t->name);
		if (v)
			return v->given;
		return slice_eq(t->name, SLICE("event")) ? GIVEN_EVENT : GIVEN_NONE;
	}
	bool data = t && t->kind == TREE_INDEX && !t->optional && t->a && t->a->kind == TREE_VARIABLE &&
		    is_name(t->b) && val_is(t->b->value, "data");
	return data && given_of(t->a, s) == GIVEN_EVENT ? GIVEN_DATA : GIVEN_NONE;
}

static struct code *compile_event_index(struct compiler *c, const struct tree *t, struct scope *s)
{
	enum event_member member = EVENT_TYPE;
	enum given of = is_name(t->b) ? given_of(t->a, s) : GIVEN_NONE;

	if (of == GIVEN_NONE || (of == GIVEN_EVENT && !event_member_of(t->b->value, &member)))
		return NULL;
	struct code *code = compiler_new_code(c, of == GIVEN_EVENT ? CODE_EVENT_MEMBER : CODE_EVENT_DATA);
	code->value = val_copy(t->b->value);
	/* Of a member of the data: whether it is reached in two steps. */
	code->slot = of == GIVEN_EVENT ? member : t->a->kind == TREE_INDEX;
	code->optional = t->optional;
	return compiler_finish(c, code);
}

static struct code *container(struct compiler *c, const struct tree *t, struct scope *s)
{
	return t ? compile_tree(c, t, s) : compiler_simple(c, CODE_DOT);
}

struct code *compile_index(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compile_event_index(c, t, s);

	if (code || c->why)
		return code;
	code = compiler_list(c, CODE_INDEX, 2);
	code->list[0] = compile_tree(c, t->b, s);
	code->list[1] = container(c, t->a, s);
	code->optional = t->optional;
	return compiler_finish(c, code);
}

static struct code *bound(struct compiler *c, const struct tree *t, struct scope *s)
{
	return t ? compile_tree(c, t, s) : compiler_constant(c, VAL(VAL_NULL));
}

struct code *compile_slice(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_list(c, CODE_SLICE, 3);

	code->list[0] = bound(c, t->b, s);
	code->list[1] = bound(c, t->c, s);
	code->list[2] = container(c, t->a, s);
	code->optional = t->optional;
	return compiler_finish(c, code);
}

struct code *compile_each(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_new_code(c, CODE_EACH);

	code->a = container(c, t->a, s);
	code->optional = t->optional;
	return compiler_finish(c, code);
}

/* Where an error of the update passes a `try` that makes the path, or one in the update meets the end of the
 * update, it must go jq's own way. */
struct code *compile_modify(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *paths = compile_tree(c, t->a, s), *update = compile_tree(c, t->b, s);

	if (!paths || !update)
		return NULL;
	if (paths->catches || update->catches)
		return compile_call_of(c, "_modify", t->a, t->b, s);
	return compiler_two(c, CODE_MODIFY, paths, update);
}

/* a op= b as jq has it: b as $x | a |= . op $x. */
static struct code *update_by_modify(struct compiler *c, const struct tree *t, struct scope *s)
{
	static const struct slice name = {"*value", 6}; /* no program has it */
	struct tree dot = {.kind = TREE_DOT}, value = {.kind = TREE_VARIABLE, .name = name};
	struct tree update = {
	    .kind = t->kind == TREE_UPDATE ? TREE_BINARY : TREE_ELSE, .op = t->op, .a = &dot, .b = &value};
	struct tree modify = {.kind = TREE_MODIFY, .a = t->a, .b = &update};
	struct pattern pattern = {.kind = PATTERN_VARIABLE, .name = name};
	struct tree as = {.kind = TREE_AS, .a = t->b, .b = &modify, .patterns = &pattern};

	return compile_tree(c, &as, s);
}

struct code *compile_update(struct compiler *c, const struct tree *t, struct scope *s, enum code_kind kind)
{
	struct code *paths = compile_tree(c, t->a, s);

	if (!paths)
		return NULL;
	if (paths->catches)
		return kind == CODE_ASSIGN ? compile_call_of(c, "_assign", t->a, t->b, s)
					   : update_by_modify(c, t, s);
	struct code *code = compiler_new_code(c, kind);
	code->op = t->op;
	code->a = paths;
	code->b = compile_tree(c, t->b, s);
	return compiler_finish(c, code);
}
