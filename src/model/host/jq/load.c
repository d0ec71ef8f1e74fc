#include "model/host/jq/load.h"

#include <errno.h>

#include "model/host/jq/decide.h"
#include "model/host/jq/libjq.h"

/* What nobody sees in the line that libjq would show. */
static const char *unseen_at(struct slice at)
{
	static const struct {
		struct slice bytes;
		const char *what;
	} unseen[] = {
	    {SLICE("\xef\xbb\xbf"), "a byte order mark; save it without one"},
	    {SLICE("\r"), "a carriage return (Windows line ends); save it with newlines alone"},
	    {SLICE("\xc2\xa0"), "a no-break space; write a plain one"},
	    {SLICE("\xe2\x80\x8b"), "a space of no width; leave it out"},
	};

	for (size_t i = 0; i < countof(unseen); i++)
		if (at.len >= unseen[i].bytes.len &&
		    memcmp(at.data, unseen[i].bytes.data, unseen[i].bytes.len) == 0)
			return unseen[i].what;
	return NULL;
}

static int refuse_unseen(struct slice program, const char *at, const char *what, struct diag *diag)
{
	const char *begin = program.data, *newline;
	size_t line = 1;

	for (; (newline = memchr(begin, '\n', (size_t)(at - begin))); begin = newline + 1)
		line++;
	return diag_set(diag, -EINVAL, "line %zu, column %zu: %s", line, (size_t)(at - begin) + 1, what);
}

/* libjq says what is wrong, some of it only when what holds the place ends: a string, an object's member.
 * Behind the place nothing has been looked at, and it would not stand any depth: so it gets no more than this
 * of it. */
#define MOST_BEHIND 4096

static int refuse_syntax(const struct parse *p, struct diag *diag)
{
	const char *end = p->program.data + p->program.len;
	const char *unseen = unseen_at((struct slice){p->at.data, (size_t)(end - p->at.data)});
	size_t place = (size_t)(p->at.data + p->at.len - p->program.data);
	size_t behind = min(p->program.len - place, (size_t)MOST_BEHIND);

	if (unseen)
		return refuse_unseen(p->program, p->at.data, unseen, diag);
	int err = libjq_check((struct slice){p->program.data, place + behind}, diag);

	if (err)
		return err;
	if (p->only_definitions)
		return diag_set(
		    diag, -EINVAL,
		    "the program has definitions only: what is made with them is missing behind them");
	return diag_set(diag, -EINVAL, "syntax error at byte %zu", place);
}

static bool knows(void *arg, struct slice name, unsigned arity)
{
	return compile_knows(arg, name, arity);
}

/* Whether it may be one at all. */
static int must_check check(const struct parse *p, struct prelude *prelude, bool rule, struct diag *diag)
{
	const char *what = rule ? "a rule" : "a reducer";
	struct decision d;

	switch (p->error) {
	case PARSE_MODULE:
		return diag_set(diag, -EINVAL, "`%.*s` is not available in %s: it is one file",
				(int)p->at.len, p->at.data, what);
	case PARSE_DEEP:
		return diag_set(diag, -EINVAL, "the program is nested too deep");
	case PARSE_SYNTAX:
		return refuse_syntax(p, diag);
	default:
		break;
	}
	if (!p->tree)
		return diag_set(diag, -EINVAL,
				p->program.len && memchr(p->program.data, '#', p->program.len)
				    ? "the program has comments only"
				    : "the program is empty");
	decide(p->tree, knows, prelude, &d);
	if (d.impure.data)
		return diag_set(
		    diag, -EINVAL,
		    "`%.*s` is not available in %s: it must depend on the state and the event only",
		    (int)d.impure.len, d.impure.data, what);
	return d.unknown ? libjq_check(p->program, diag) : 0;
}

int loading_take(struct loading *l, struct slice text, bool rule, struct diag *diag)
{
	bool later = libjq_is_later();
	jmp_buf no_memory;
	int err;

	*l = (struct loading){.rule = rule};
	if (memchr(text.data ? text.data : "", 0, text.len))
		return diag_set(diag, -EINVAL, "the program has a zero byte in it");
	if (setjmp(no_memory)) {
		val_rescue(NULL);
		return -ENOMEM;
	}
	val_rescue(&no_memory);
	parse_init(&l->parse, text.data ? text : SLICE(""), later);
	prelude_parse(&l->prelude, &l->parse);
	err = check(&l->parse, &l->prelude, rule, diag);
	if (!err && later)
		l->why = "only what jq 1.6 does is compiled, and this is another jq";
	else if (!err)
		program_compile(&l->program, &l->parse, &l->prelude, &l->why);
	val_rescue(NULL);
	return err;
}

void loading_deinit(struct loading *l)
{
	program_deinit(&l->program);
	parse_deinit(&l->parse);
}

static int must_check make(struct jq_program *p, struct loading *l, struct diag *diag)
{
	if (!l->why)
		return compiled_new(&p->compiled, &l->program);
	int err = libjq_check(l->parse.program, diag);
	return err ? err : plain_new(&p->plain, l->parse.program, l->rule, diag);
}

int jq_program_load(struct jq_program *ret, struct slice text, bool rule, struct diag *diag)
{
	struct jq_program made = {0};
	struct loading *l = malloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	int err = loading_take(l, text, rule, diag);
	if (!err)
		err = make(&made, l, diag);
	loading_deinit(l);
	free(l);
	if (!err)
		*ret = made;
	return err;
}

void jq_program_free(struct jq_program *p)
{
	if (p->compiled)
		compiled_free(p->compiled);
	if (p->plain)
		plain_free(p->plain);
}
