/* Assignments, updates and deletions, and path(…). */
#include "model/host/jq/run.h"

#include "model/host/jq/text.h"

#define STATIC_PATH 16

/* A path whose keys are known without a look at what they lead to: .a[k].b, with one key each. */
static unsigned static_path(const struct code *c, const struct code **steps)
{
	unsigned n = 0;

	for (; c->kind == CODE_INDEX && !c->optional && c->list[0]->simple; c = c->list[1]) {
		if (n == STATIC_PATH)
			return 0;
		steps[n++] = c;
	}
	return c->kind == CODE_DOT ? n : 0;
}

struct path {
	struct val *keys;
	unsigned n;
	struct val few[STATIC_PATH];
	struct track track;
};

static void path_drop(struct path *p)
{
	if (p->keys == p->few)
		while (p->n > 0)
			val_free(p->keys[--p->n]);
	while (p->track.n > 0)
		val_free(p->track.keys[--p->track.n]);
	free(p->track.keys);
	val_free(p->track.at);
}

static int fail_result(struct run *m, struct val v)
{
	char text[30];

	val_dump_begin(v, text, sizeof(text));
	return fail(m, val_message("Invalid path expression with result %s", text));
}

/* The outermost key comes first, as in jq. */
static int static_keys(struct run *m, const struct code **steps, unsigned n, const struct val *root,
		       struct path *ret)
{
	struct val keys[STATIC_PATH];

	for (unsigned i = 0; i < n; i++) {
		const struct code *key = steps[i]->list[0];
		int r = one_apart(m, key, input_for(key, *root), &keys[i]);
		if (r != GIVEN) {
			while (i-- > 0)
				val_free(keys[i]);
			return r;
		}
	}
	for (unsigned i = 0; i < n; i++)
		ret->few[i] = keys[n - 1 - i];
	ret->keys = ret->few;
	ret->n = n;
	return GIVEN;
}

/* The same of any simple node, by following it. */
static int followed_path(struct run *m, const struct code *c, const struct val *root, struct path *ret)
{
	struct track *outer = m->track, *around = m->path;
	struct val v;

	ret->track.at = val_copy(*root);
	m->path = m->track = &ret->track;
	int r = one(m, c, val_copy(*root), &v);
	m->track = outer;
	m->path = around;
	if (r == GIVEN) {
		if (!val_identical(v, ret->track.at))
			r = fail_result(m, v);
		val_free(v);
	}
	val_put(&ret->track.at, VAL(VAL_NONE));
	ret->keys = ret->track.keys;
	ret->n = ret->track.n;
	return r;
}

/* The one path of a simple node, or NOTHING. The root is borrowed. `follow`: what is not there along it is
 * found out now, and not only when something is done with it. Drop what it gives in any case. */
static int path_of(struct run *m, const struct code *c, const struct val *root, bool follow, struct path *ret)
{
	const struct code *steps[STATIC_PATH];
	unsigned n = follow ? 0 : static_path(c, steps);

	ret->keys = NULL;
	ret->n = 0;
	ret->track = (struct track){.at = VAL(VAL_NONE)};
	return n > 0 ? static_keys(m, steps, n, root, ret) : followed_path(m, c, root, ret);
}

/* path(a) */

static struct val path_array(const struct track *t)
{
	struct val path = val_array(max(t->n, 1u));

	for (unsigned i = 0; i < t->n; i++)
		path = val_push(path, val_copy(t->keys[i]));
	return path;
}

struct tracking {
	struct cont cont;
	struct track track, *outer, *around;
	struct cont *k;
};

static int take_tracked(struct run *m, struct cont *cont, struct val v)
{
	struct tracking *t = (struct tracking *)cont;

	if (!val_identical(v, t->track.at)) {
		int r = fail_result(m, v);
		val_free(v);
		return r;
	}
	val_free(v);
	struct track *inside = m->track;
	struct mark mark;
	m->track = t->outer;
	m->path = t->around;
	mark_take(m, &mark);
	int r = t->k->take(m, t->k, path_array(&t->track));
	/* Where it has come to its end, the path is what it is. */
	if (r == MORE)
		mark_restore(m, &mark);
	mark_drop(&mark);
	m->path = &t->track;
	m->track = inside;
	return r;
}

int many_path(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct tracking t = {.cont = {take_tracked}, .outer = m->track, .around = m->path, .k = k};

	t.track.at = val_copy(in);
	m->path = m->track = &t.track;
	int r = many(m, c->a, in, &t.cont);
	m->track = t.outer;
	m->path = t.around;
	while (t.track.n > 0)
		val_free(t.track.keys[--t.track.n]);
	free(t.track.keys);
	val_free(t.track.at);
	return r;
}

int one_path(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct path p;
	int r = path_of(m, c->a, &in, true, &p);

	if (r == GIVEN) {
		struct track t = {.keys = p.keys, .n = p.n};
		*out = path_array(&t);
	}
	path_drop(&p);
	val_free(in);
	return r;
}

/* What is done at each path. */

struct update {
	struct change change;
	const struct code *c;
	struct val v; /* on the right side */
};

static int apply_value(struct run *m, struct change *ch, struct val *part)
{
	struct update *u = (struct update *)ch;

	val_free(*part);
	*part = val_copy(u->v);
	return GIVEN;
}

static int apply_operator(struct run *m, struct change *ch, struct val *part)
{
	struct update *u = (struct update *)ch;

	m->labels++;
	*part = binary(m, u->c->op, *part, val_copy(u->v));
	return part->kind ? GIVEN : FAILED;
}

static int apply_else(struct run *m, struct change *ch, struct val *part)
{
	struct update *u = (struct update *)ch;

	m->labels++;
	if (!val_true(*part))
		val_put(part, val_copy(u->v));
	return GIVEN;
}

struct first_of {
	struct cont cont;
	struct val *out;
};

static int take_first_of(struct run *m, struct cont *cont, struct val v)
{
	*((struct first_of *)cont)->out = v;
	return STOP;
}

static int apply_code(struct run *m, struct change *ch, struct val *part)
{
	const struct code *f = ((struct update *)ch)->c->b;
	struct first_of first = {.cont = {take_first_of}, .out = part};

	m->labels++;
	if (f->simple)
		return one_apart(m, f, *part, part);
	int r = many_apart(m, f, *part, &first.cont);
	return r == STOP ? GIVEN : r;
}

static int apply_nothing(struct run *m, struct change *ch, struct val *part)
{
	val_free(*part);
	return NOTHING;
}

/* Changes the root, which it consumes, at one path or at all paths. */

static int change_root(struct run *m, struct val *root, const struct val *keys, unsigned n, struct update *u)
{
	let_change(m, *root);
	return change_at(m, root, keys, n, &u->change);
}

struct collected {
	struct cont cont;
	struct val paths;
};

static int take_path(struct run *m, struct cont *cont, struct val v)
{
	struct collected *l = (struct collected *)cont;

	l->paths = val_push(l->paths, v);
	return MORE;
}

static int collect_paths(struct run *m, const struct code *c, const struct val *root, struct val *ret)
{
	struct collected l = {.cont = {take_path}, .paths = val_array(8)};
	struct code path = {.kind = CODE_PATH, .a = (struct code *)c};
	struct mark mark;

	mark_take(m, &mark);
	int r = many_path(m, &path, val_copy(*root), &l.cont);
	mark_restore(m, &mark);
	mark_drop(&mark);
	*ret = l.paths;
	return r;
}

/* In jq each path is found when the one before it has been served: so an error in finding one comes behind
 * errors in serving those that were found. */
static int change_all(struct run *m, const struct code *paths, struct val *root, struct update *u)
{
	struct val found;
	int r = collect_paths(m, paths, root, &found), last = GIVEN;
	struct val late = r == FAILED ? val_take(&m->error) : VAL(VAL_NONE);
	uint32_t breaking = m->breaking;

	m->failed = false;
	for (uint32_t i = 0; i < val_length(found) && last != FAILED; i++) {
		struct val path = *val_at(found, i);
		last = change_root(m, root, val_at(path, 0), val_length(path), u);
	}
	val_free(found);
	if (last == FAILED || r != FAILED) {
		val_free(late);
		return last == FAILED ? FAILED : GIVEN;
	}
	fail(m, late);
	m->breaking = breaking;
	return FAILED;
}

static int change(struct run *m, const struct code *paths, struct val in, struct update *u, struct val *out)
{
	struct path p;
	int r;

	*out = in;
	if (paths->simple) {
		r = path_of(m, paths, out, false, &p);
		if (r == GIVEN)
			r = change_root(m, out, p.keys, p.n, u);
		path_drop(&p);
	} else {
		r = change_all(m, paths, out, u);
	}
	if (r != FAILED)
		return GIVEN;
	val_free(*out);
	return FAILED;
}

int one_modify(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct update u = {.change = {apply_code}, .c = c};

	return change(m, c->a, in, &u, out);
}

static struct update update_of(const struct code *c, struct val v)
{
	return (struct update){.change = {c->kind == CODE_ASSIGN   ? apply_value
					  : c->kind == CODE_UPDATE ? apply_operator
								   : apply_else},
			       .c = c,
			       .v = v};
}

int one_update(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val v;
	int r = (c->kind == CODE_ASSIGN ? one_apart : one)(m, c->b, input_for(c->b, in), &v);

	if (r != GIVEN) {
		val_free(in);
		return r;
	}
	struct update u = update_of(c, v);
	r = change(m, c->a, in, &u, out);
	val_free(v);
	return r;
}

struct updates {
	struct cont cont;
	const struct code *c;
	struct val in;
	struct cont *k;
};

static int take_update(struct run *m, struct cont *cont, struct val v)
{
	struct updates *s = (struct updates *)cont;
	struct update u = update_of(s->c, v);
	struct val changed;
	int r = change(m, s->c->a, val_copy(s->in), &u, &changed);

	val_free(v);
	return r == GIVEN ? s->k->take(m, s->k, changed) : r;
}

int many_update(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct updates s = {.cont = {take_update}, .c = c, .in = in, .k = k};
	int r = (c->kind == CODE_ASSIGN ? many_apart : many)(m, c->b, val_copy(in), &s.cont);

	val_free(in);
	return r;
}

/* del(a) */

int one_delete(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct update u = {.change = {apply_nothing}};
	struct val paths;

	if (c->a->simple)
		return change(m, c->a, in, &u, out);
	if (collect_paths(m, c->a, &in, &paths) == FAILED) {
		val_free(paths);
		val_free(in);
		return FAILED;
	}
	let_change(m, in);
	*out = delete_paths(m, in, paths);
	val_free(paths);
	return out->kind ? GIVEN : FAILED;
}
