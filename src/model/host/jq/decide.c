#include "base/buf.h"
#include "model/host/jq/decide.h"

static const struct {
	const char *name;
	unsigned arity;
} impure[] = {
    {"now", 0},
    {"env", 0},
    {"input", 0},
    {"inputs", 0},
    {"_input", 0},
    {"debug", 0},
    {"debug", 1},
    {"stderr", 0},
    {"halt", 0},
    {"halt_error", 0},
    {"halt_error", 1},
    {"modulemeta", 0},
    {"input_filename", 0},
    {"input_line_number", 0},
    {"get_search_list", 0},
    {"get_prog_origin", 0},
    {"get_jq_origin", 0},
};

/* A name that the program defines. */
struct own {
	struct own *up;
	enum { OWN_FUNCTION, OWN_VARIABLE, OWN_LABEL } kind;
	struct slice name;
	unsigned arity;
	bool called;
};

struct looking {
	bool (*known)(void *arg, struct slice name, unsigned arity);
	void *arg;
	struct decision *found;
};

static void look(struct looking *l, const struct tree *t, struct own *own);

static struct own *find(struct own *own, int kind, struct slice name, unsigned arity)
{
	while (own && ((int)own->kind != kind || own->arity != arity || !slice_eq(own->name, name)))
		own = own->up;
	return own;
}

static void look_call(struct looking *l, const struct tree *t, struct own *own)
{
	struct own *function = find(own, OWN_FUNCTION, t->name, t->n);

	if (function) {
		function->called = true;
		return;
	}
	for (size_t i = 0; i < countof(impure); i++)
		if (impure[i].arity == t->n && slice_eq(t->name, slice_of(impure[i].name))) {
			if (!l->found->impure.data)
				l->found->impure = t->name;
			return;
		}
	l->found->unknown |= !l->known(l->arg, t->name, t->n);
}

static void look_variable(struct looking *l, const struct tree *t, struct own *own)
{
	static const char *const given[] = {"event", "seq", "off"};

	if (find(own, OWN_VARIABLE, t->name, 0))
		return;
	for (size_t i = 0; i < countof(given); i++)
		if (slice_eq(t->name, slice_of(given[i])))
			return;
	if (!slice_eq(t->name, SLICE("ENV")))
		l->found->unknown = true;
	else if (!l->found->impure.data)
		l->found->impure = SLICE("$ENV");
}

static void look_parameters(struct looking *l, const struct definition *def, unsigned i, struct own *own)
{
	if (i == def->n) {
		look(l, def->body, own);
		return;
	}
	const struct parameter *p = &def->parameters[i];
	struct own variable = {.up = own, .kind = OWN_VARIABLE, .name = p->name},
		   function = {.up = p->value ? &variable : own, .name = p->name};
	look_parameters(l, def, i + 1, &function);
}

/* A definition that nobody calls is dropped before its body is looked at. */
static void look_def(struct looking *l, const struct tree *t, struct own *own)
{
	struct own function = {.up = own, .name = t->def->name, .arity = t->def->n};

	look(l, t->a, &function);
	if (function.called)
		look_parameters(l, t->def, 0, &function);
}

static void look_label(struct looking *l, const struct tree *t, struct own *own)
{
	struct own label = {.up = own, .kind = OWN_LABEL, .name = t->name};

	look(l, t->a, &label);
}

/* The names of patterns, one after the other; then what they are bound for. */
static void look_behind(struct looking *l, const struct tree *t, const struct pattern *const *rest,
			unsigned n, struct own *own);

static void look_parts(struct looking *l, const struct tree *t, struct own *own)
{
	if (t->kind == TREE_AS)
		look(l, t->b, own);
	look(l, t->c, own);
	look(l, t->d, own);
}

#define MOST_PATTERNS 64

static void look_pattern(struct looking *l, const struct tree *t, const struct pattern *p,
			 const struct pattern *const *rest, unsigned n, struct own *own)
{
	struct own name = {.up = own, .kind = OWN_VARIABLE, .name = p->name};
	const struct pattern *more[MOST_PATTERNS];
	const struct pattern *const parts[] = {p->value, p->list, p->next, p->alternative};
	unsigned n_more = 0;

	if (n + countof(parts) > MOST_PATTERNS) {
		l->found->unknown = true;
		return;
	}
	for (size_t i = 0; i < countof(parts); i++)
		if (parts[i])
			more[n_more++] = parts[i];
	memcpy(more + n_more, rest, n * sizeof(*more));
	look_behind(l, t, more, n_more + n, p->name.data ? &name : own);
}

static void look_behind(struct looking *l, const struct tree *t, const struct pattern *const *rest,
			unsigned n, struct own *own)
{
	if (n == 0)
		look_parts(l, t, own);
	else
		look_pattern(l, t, rest[0], rest + 1, n - 1, own);
}

static void look_keys(struct looking *l, const struct pattern *p, struct own *own)
{
	for (; p; p = p->next) {
		look(l, p->key, own);
		look_keys(l, p->value, own);
		look_keys(l, p->list, own);
		look_keys(l, p->alternative, own);
	}
}

static void look(struct looking *l, const struct tree *t, struct own *own)
{
	if (!t)
		return;
	switch (t->kind) {
	case TREE_DEF:
		look_def(l, t, own);
		return;
	case TREE_LABEL:
		look_label(l, t, own);
		return;
	case TREE_BREAK:
		l->found->unknown |= !find(own, OWN_LABEL, t->name, 0);
		return;
	case TREE_VARIABLE:
		look_variable(l, t, own);
		return;
	case TREE_CALL:
		look_call(l, t, own);
		break;
	default:
		break;
	}
	if (t->patterns) {
		look(l, t->a, own);
		if (t->kind != TREE_AS)
			look(l, t->b, own);
		look_keys(l, t->patterns, own);
		look_behind(l, t, (const struct pattern *const *)&t->patterns, 1, own);
		return;
	}
	for (unsigned i = 0; i < t->n; i++)
		look(l, t->list[i], own);
	look(l, t->a, own);
	look(l, t->b, own);
	look(l, t->c, own);
	look(l, t->d, own);
}

void decide(const struct tree *t, bool (*known)(void *arg, struct slice name, unsigned arity), void *arg,
	    struct decision *ret)
{
	struct looking l = {known, arg, ret};

	*ret = (struct decision){0};
	look(&l, t, NULL);
}

static bool is_island(const struct code *c)
{
	if (c->kind != CODE_FUNCTION)
		return false;
	/* Of the formats two are at home. */
	bool format = strcmp(c->builtin->name, "format") == 0 && c->list[0]->kind == CODE_CONST;
	return c->builtin->libjq ||
	       (format && !val_is(c->list[0]->value, "json") && !val_is(c->list[0]->value, "text"));
}

static void add_island(const struct code *c, struct buf *out)
{
	if (strcmp(c->builtin->name, "format") == 0)
		buf_printf(out, "@%s", c->list[0]->value.u.string->data);
	else
		buf_add_str(out, c->builtin->name);
}

/* The same function is named once. */
static bool is_named(const struct code *c, const struct code *all)
{
	for (; all != c; all = all->next) {
		if (!is_island(all) || all->builtin != c->builtin)
			continue;
		if (c->n != 2 || val_identical(all->list[0]->value, c->list[0]->value) ||
		    slice_eq(val_slice(all->list[0]->value), val_slice(c->list[0]->value)))
			return true;
	}
	return false;
}

void decide_explain(const struct program *p, const char *why, struct buf *out)
{
	bool islands = false;

	if (why) {
		buf_printf(out, "run by libjq as a whole: %s\n", why);
		return;
	}
	buf_add_str(out, "compiled");
	for (const struct code *c = p->all; c; c = c->next) {
		if (!is_island(c) || is_named(c, p->all))
			continue;
		buf_add_str(out, islands ? ", " : "; left to libjq: ");
		islands = true;
		add_island(c, out);
	}
	buf_add_str(out, "\n");
}
