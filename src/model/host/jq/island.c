/* Islands: functions that are left to libjq, each compiled by itself. Values go there and back as copies. */
#include <jq.h>

#include "base/buf.h"
#include "model/host/jq/bridge.h"
#include "model/host/jq/functions.h"
#include "model/host/jq/guard.h"
#include "model/host/jq/libjq.h"

struct island {
	struct island *next;
	const char *name;
	jq_state *jq;
};

void islands_free(struct run *m)
{
	while (m->islands) {
		struct island *i = m->islands;
		m->islands = i->next;
		if (i->jq)
			guard_teardown(i->jq);
		free(i);
	}
}

/* The input of the program is all that the function is given. */
static bool compile_call(jq_state *jq, const char *name, unsigned arity)
{
	auto_buf struct buf text = {0};

	buf_printf(&text, ". as [$a0");
	for (unsigned i = 1; i <= arity; i++)
		buf_printf(&text, ", $a%u", i);
	buf_printf(&text, "] | $a0 | %s", name);
	for (unsigned i = 1; i <= arity; i++)
		buf_printf(&text, "%s$a%u", i == 1 ? "(" : "; ", i);
	buf_printf(&text, "%s\n", arity ? ")" : "");
	buf_add(&text, "", 1);
	return !text.failed && libjq_compile(jq, text.data);
}

static struct island *island_of(struct run *m, const char *name, unsigned arity)
{
	struct island *i;

	for (i = m->islands; i; i = i->next)
		if (strcmp(i->name, name) == 0)
			return i;
	i = val_alloc(sizeof(*i));
	*i = (struct island){.next = m->islands, .name = name, .jq = jq_init()};
	m->islands = i;
	if (!i->jq || !compile_call(i->jq, name, arity))
		val_alloc(SIZE_MAX / 2); /* it is its own function: what fails is memory */
	return i;
}

static struct val call(struct run *m, struct val *a, const char *name, unsigned arity)
{
	struct island *i = island_of(m, name, arity);
	jv args = jv_array_sized((int)arity + 1), result;
	bool deep = false;

	for (unsigned n = 0; n <= arity; n++) {
		jv arg = val_to_jv(a[n]);
		deep |= !jv_is_valid(arg);
		args = jv_array_append(args, jv_is_valid(arg) ? arg : jv_null());
		val_free(a[n]);
	}
	if (deep) {
		jv_free(args);
		return fail_value(m, val_text("a value is nested too deep for jq"));
	}
	struct diag why = {0};
	if (!guard_start(i->jq, args, &why) || !guard_next(i->jq, &result, &why)) {
		/* What is left of it is not to be touched: the next call makes another one. */
		i->jq = NULL;
		i->name = "";
		return fail_value(m, val_text(why.text));
	}
	if (jv_is_valid(result) || !jv_invalid_has_msg(jv_copy(result)))
		return val_of_jv(result);
	return fail_value(m, val_of_jv(jv_invalid_get_msg(result)));
}

/* For the errors, in libjq's words. */
struct val island_match(struct run *m, struct val *a)
{
	return call(m, a, "_match_impl", 3);
}

struct val f_localtime(struct run *m, struct val *a)
{
	return call(m, a, "localtime", 0);
}

struct val f_strflocaltime(struct run *m, struct val *a)
{
	return call(m, a, "strflocaltime", 1);
}

struct val f_mktime(struct run *m, struct val *a)
{
	return call(m, a, "mktime", 0);
}

struct val f_strptime(struct run *m, struct val *a)
{
	return call(m, a, "strptime", 1);
}

struct val island_format(struct run *m, struct val *a)
{
	return call(m, a, "format", 1);
}
