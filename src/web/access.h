/* Who is let in: the token, the names that the server answers to, and where a request comes from. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "web/options.h"

struct access {
	char token[129]; /* empty: everybody is let in */
	char cookie[32]; /* its name */
	const char *const *hosts;
	unsigned n_hosts;
};

/* Makes or reads the token; on a socket's file (`is_unix`) there is one only if asked for. `options` must
 * outlive it. 0, or a negative errno with a diag. */
int must_check access_init(struct access *a, const struct options *options, bool is_unix, uint16_t port,
			   struct diag *diag);

enum access_answer {
	ACCESS_OK,
	ACCESS_INTRODUCED, /* a visit with the token in its address: give it the cookie and send it on */
	ACCESS_HOST,       /* called by a name that is not the server's */
	ACCESS_ORIGIN,     /* made by a page of another origin */
	ACCESS_TOKEN,      /* without the token, or with a wrong one */
};

/* Of a request whose head is there. Any thread. */
enum access_answer access_check(const struct access *a, struct MHD_Connection *connection);
