/* The socket that the server listens on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

struct listener {
	int fd;
	bool is_unix;
	char path[108];   /* the socket's file, removed at the end */
	char address[64]; /* "127.0.0.1:8089", "[::1]:8089" */
	uint16_t port;
};

/* `where` is ADDRESS:PORT with a numeric address, [ADDRESS]:PORT, localhost:PORT or unix:PATH. An address
 * that is not the machine's own is refused unless `allow_remote`. A socket's file can be opened by nobody
 * but its user; one that nobody listens on any more is replaced. 0, or a negative errno with a diag. */
int must_check listener_open(struct listener *l, const char *where, bool allow_remote, struct diag *diag);
void listener_close(struct listener *l); /* {.fd = -1} is fine */
