/* jq reducers: how each is run is decided when it is loaded. */
#include "model/reducer.h"

#include <errno.h>

#include "model/jq/compile.h"
#include "model/jq/compiled.h"
#include "model/jq/decide.h"
#include "model/jq/libjq.h"
#include "model/jq/parse.h"
#include "model/jq/plain.h"

struct reducer_jq {
	struct reducer base;
	struct compiled *compiled; /* or else: */
	struct plain *plain;
};

static struct reducer_jq *of(struct reducer *base)
{
	return container_of(base, struct reducer_jq, base);
}

static int jq_fold(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->compiled ? compiled_fold(r->compiled, ev, diag) : plain_fold(r->plain, ev, diag);
}

static int jq_write(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->compiled ? compiled_write(r->compiled, out, diag) : plain_write(r->plain, out, diag);
}

static int jq_read(struct reducer *base, struct slice json, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->compiled ? compiled_read(r->compiled, json, diag) : plain_read(r->plain, json, diag);
}

static void jq_free(struct reducer *base)
{
	struct reducer_jq *r = of(base);

	if (r->compiled)
		compiled_free(r->compiled);
	if (r->plain)
		plain_free(r->plain);
	free(r);
}

static const struct reducer_class jq_class = {
    .kind = "jq",
    .fold = jq_fold,
    .write = jq_write,
    .read = jq_read,
    .free = jq_free,
};

/* libjq says what is wrong. It gets no more than it needs for that: it would not stand the depth of all programs. */
static int refuse_syntax(const struct parse *p, struct diag *diag)
{
	size_t len = (size_t)(p->at.data + p->at.len - p->program.data);
	int err = libjq_check((struct slice){p->program.data, len}, diag);

	if (err)
		return err;
	return diag_set(diag, -EINVAL, "syntax error at byte %zu", len);
}

static bool knows(void *arg, struct slice name, unsigned arity)
{
	return compile_knows(arg, name, arity);
}

/* Whether it may be a reducer at all. */
static int must_check check(const struct parse *p, struct prelude *prelude, struct diag *diag)
{
	struct decision d;

	switch (p->error) {
	case PARSE_MODULE:
		return diag_set(diag, -EINVAL, "`%.*s` is not available in a reducer: it is one file",
				(int)p->at.len, p->at.data);
	case PARSE_DEEP:
		return diag_set(diag, -EINVAL, "the program is nested too deep");
	case PARSE_SYNTAX:
		return refuse_syntax(p, diag);
	default:
		break;
	}
	if (!p->tree)
		return diag_set(diag, -EINVAL, "the program is empty");
	decide(p->tree, knows, prelude, &d);
	if (d.impure.data)
		return diag_set(
		    diag, -EINVAL,
		    "`%.*s` is not available in a reducer: it must depend on the state and the event only",
		    (int)d.impure.len, d.impure.data);
	return d.unknown ? libjq_check(p->program, diag) : 0;
}

/* A program as far as it is to be run here: *ret_why says what it has that is not, or is NULL. Deinit all three. */
struct loading {
	struct parse parse;
	struct prelude prelude;
	struct program program;
	const char *why;
};

static int must_check take(struct loading *l, struct slice text, struct diag *diag)
{
	jmp_buf no_memory;
	int err;

	*l = (struct loading){0};
	if (memchr(text.data ? text.data : "", 0, text.len))
		return diag_set(diag, -EINVAL, "the program has a zero byte in it");
	if (setjmp(no_memory)) {
		val_rescue(NULL);
		return -ENOMEM;
	}
	val_rescue(&no_memory);
	parse_init(&l->parse, text.data ? text : SLICE(""));
	prelude_parse(&l->prelude, &l->parse);
	err = check(&l->parse, &l->prelude, diag);
	if (!err && strcmp(libjq_version(), "1.6") != 0)
		l->why = "only what jq 1.6 does is compiled, and this is another jq";
	else if (!err)
		program_compile(&l->program, &l->parse, &l->prelude, &l->why);
	val_rescue(NULL);
	return err;
}

static void loading_deinit(struct loading *l)
{
	program_deinit(&l->program);
	parse_deinit(&l->parse);
}

static int must_check make(struct reducer_jq *r, struct loading *l, struct diag *diag)
{
	if (!l->why)
		return compiled_new(&r->compiled, &l->program);
	int err = libjq_check(l->parse.program, diag);
	return err ? err : plain_new(&r->plain, l->parse.program, diag);
}

int reducer_load_jq(struct reducer **ret, struct slice program, struct diag *diag)
{
	struct reducer_jq *r = calloc(1, sizeof(*r));
	struct loading *l = malloc(sizeof(*l));
	int err = -ENOMEM;

	if (r && l) {
		r->base.class = &jq_class;
		err = take(l, program, diag);
		if (!err)
			err = make(r, l, diag);
		loading_deinit(l);
	}
	free(l);
	if (err)
		free(r);
	else
		*ret = &r->base;
	return err;
}

const char *reducer_version_jq(void)
{
	return libjq_version();
}

int reducer_explain_jq(struct slice program, struct buf *out, struct diag *diag)
{
	struct loading *l = malloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	int err = take(l, program, diag);
	if (!err && l->why)
		err = libjq_check(program, diag);
	if (!err)
		decide_explain(&l->program, l->why, out);
	loading_deinit(l);
	free(l);
	return err;
}
