/* Where a path stands. */
#include "model/host/jq/run.h"

/* Paths. A node that goes on with another value puts the path back to where it was. */

void mark_take(struct run *m, struct mark *mark)
{
	mark->track = m->path;
	if (!m->path)
		return;
	mark->n = m->path->n;
	mark->at = val_copy(m->path->at);
}

void mark_restore(struct run *m, struct mark *mark)
{
	struct track *t = mark->track;

	if (!t)
		return;
	while (t->n > mark->n)
		val_free(t->keys[--t->n]);
	val_put(&t->at, val_copy(mark->at));
}

void mark_drop(struct mark *mark)
{
	if (mark->track)
		val_free(mark->at);
}

/* Apart. */

struct apart {
	struct cont cont;
	struct track *track;
	struct cont *k;
};

static int take_apart(struct run *m, struct cont *cont, struct val v)
{
	struct apart *a = (struct apart *)cont;

	m->track = a->track;
	int r = a->k->take(m, a->k, v);
	m->track = NULL;
	return r;
}

int many_apart(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct apart a = {.cont = {take_apart}, .track = m->track, .k = k};

	if (!m->track)
		return many(m, c, in, k);
	m->track = NULL;
	int r = many(m, c, in, &a.cont);
	m->track = a.track;
	return r;
}
