/* What a file of the mount is at one moment, to be sent: its ETag and its bytes. */
#pragma once

#include <microhttpd.h>

#include "web/web.h"

struct body {
	struct web *web;
	int fd; /* -1: the bytes are in `text` */
	char *text;
	size_t held; /* of web->memory */
	uint64_t size;
	char etag[64]; /* with its quotes; "" where there is none */
};

/* Takes the descriptor. Logs are read as they are sent, up to the size that they have now: their ETag is
 * "OFFSET:HASH", as head/app has it. Other files are texts, made at the open: they are read whole, and
 * hashed, unless they are very long. 0, or a negative errno (-ENOMEM: too much is being sent already); the
 * descriptor is closed then. */
int must_check body_open(struct body *b, struct web *w, int fd, bool is_log);
/* The same of a text that is to be held whole, of up to `most` bytes; -EFBIG: it is longer. */
int must_check body_open_text(struct body *b, struct web *w, int fd, uint64_t most);
void body_close(struct body *b);

/* A response that sends `len` bytes from `from` on and then closes the body, which is allocated; NULL: it
 * is closed already. */
struct MHD_Response *body_response(struct body *b, uint64_t from, uint64_t len);
