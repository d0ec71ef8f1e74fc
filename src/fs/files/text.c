#include "fs/files/text.h"

struct text *text_of_rendering(struct rendering *r)
{
	struct text *t = malloc(sizeof(*t));

	if (!t) {
		rendering_unref(r);
		return NULL;
	}
	*t = (struct text){.refs = 1, .body = r->json, .rendering = r};
	return t;
}

struct text *text_of_buf(struct buf *b)
{
	struct text *t = b->failed ? NULL : malloc(sizeof(*t));

	if (!t) {
		buf_deinit(b);
		return NULL;
	}
	*t = (struct text){.refs = 1, .body = buf_slice(b)};
	*b = (struct buf){0};
	return t;
}

bool text_eq(const struct text *a, const struct text *b)
{
	return a == b || (a->rendering && a->rendering == b->rendering) || slice_eq(a->body, b->body);
}

struct text *text_ref(struct text *t)
{
	t->refs++;
	return t;
}

void text_unref(struct text *t)
{
	if (!t || --t->refs > 0)
		return;
	if (t->rendering)
		rendering_unref(t->rendering);
	else
		free((char *)t->body.data);
	free(t);
}
