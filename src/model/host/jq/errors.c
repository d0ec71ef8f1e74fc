/* Errors, what catches them, and labels, whose ends are such. */
#include "model/host/jq/run.h"

#include "model/host/jq/text.h"

int fail(struct run *m, struct val message)
{
	val_put(&m->error, message);
	m->failed = true;
	m->breaking = 0;
	return FAILED;
}

struct val fail_value(struct run *m, struct val message)
{
	fail(m, message);
	return VAL(VAL_NONE);
}

int fail_deep(struct run *m, const char *what)
{
	return fail(m, val_text(what));
}

struct val fail_kind(struct run *m, struct val v, const char *what)
{
	char text[15];

	val_dump_begin(v, text, sizeof(text));
	struct val message = val_message("%s (%s) %s", val_kind_name(v.kind), text, what);
	val_free(v);
	return fail_value(m, message);
}

struct val fail_kinds(struct run *m, struct val a, struct val b, const char *what)
{
	char one[15], other[15];

	val_dump_begin(a, one, sizeof(one));
	val_dump_begin(b, other, sizeof(other));
	struct val message = val_message("%s (%s) and %s (%s) %s", val_kind_name(a.kind), one,
					 val_kind_name(b.kind), other, what);
	val_free(a);
	val_free(b);
	return fail_value(m, message);
}

/* In jq the end of a label is an error like others, whose value is such an object. */
static struct val label_object(uint32_t number)
{
	return val_set(val_object(1), val_text("__jq"), val_number(number));
}

struct val run_catch(struct run *m)
{
	struct val v = m->breaking ? label_object(m->breaking - 1) : val_take(&m->error);

	m->failed = false;
	m->breaking = 0;
	return v;
}

/* try a catch b. What comes after it runs inside of it, as in jq 1.6. */

int many_try(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct mark mark;

	mark_take(m, &mark);
	int r = many(m, c->a, in, k);
	if (r == FAILED) {
		struct val caught = run_catch(m);
		mark_restore(m, &mark);
		if (c->b && val_is(caught, "object")) {
			/* jq takes it for a sign of its own, and looks for more in it. */
			val_free(caught);
			r = fail(m, val_text("Cannot index string with string \"__jq\""));
		} else if (c->b) {
			r = many(m, c->b, caught, k);
		} else {
			val_free(caught);
			r = MORE;
		}
	}
	mark_drop(&mark);
	return r;
}

/* label $x | a */

static bool ends_label(struct run *m, uint32_t number)
{
	if (m->breaking)
		return m->breaking == number + 1;
	if (m->error.kind != VAL_OBJECT || val_members(m->error) != 1)
		return false;
	struct val key = val_text("__jq"), *v = val_find(m->error.u.object, key.u.string);
	bool same = v && v->kind == VAL_NUMBER && v->u.number == number;
	val_free(key);
	return same;
}

static uint32_t begin_label(struct run *m, const struct code *c)
{
	uint32_t number = m->labels++;

	val_put(variable(m, c), val_number(number));
	return number;
}

bool label_over(struct run *m, int r, uint32_t number)
{
	if (r != FAILED || !ends_label(m, number))
		return false;
	val_free(run_catch(m));
	return true;
}

int one_label(struct run *m, const struct code *c, struct val in, struct val *out)
{
	uint32_t number = begin_label(m, c);
	int r = one(m, c->a, in, out);

	return label_over(m, r, number) ? NOTHING : r;
}

int many_label(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	uint32_t number = begin_label(m, c);
	int r = many(m, c->a, in, k);

	return label_over(m, r, number) ? MORE : r;
}

int one_break(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	val_free(val_take(&m->error));
	m->failed = true;
	m->breaking = (uint32_t)variable(m, c)->u.number + 1;
	return FAILED;
}
