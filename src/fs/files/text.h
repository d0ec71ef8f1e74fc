/* The content of a text file of the mount at one moment: immutable, shared, counted. Any thread. */
#pragma once

#include <time.h>

#include "base/buf.h"
#include "model/views/views.h"

struct text {
	_Atomic unsigned refs;
	struct slice body;
	struct rendering *rendering; /* whose bytes they are; NULL: its own */
	struct timespec changed;     /* when it became this one; set by who makes it */
};

/* Takes the rendering or the buffer's bytes, on failure too; NULL: no memory. */
struct text *text_of_rendering(struct rendering *r);
struct text *text_of_buf(struct buf *b);

bool text_eq(const struct text *a, const struct text *b);
struct text *text_ref(struct text *t);
void text_unref(struct text *t); /* NULL is fine */
