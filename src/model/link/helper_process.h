/* Starts this program anew as one of its helpers, or another one that is made for it: `PATH COMMAND`, with
 * one end of a SOCK_SEQPACKET socket as descriptor 3 and nothing else of the daemon's. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/defs.h"

struct helper_options {
	bool quiet; /* its standard output and error are nobody's */
	bool stream; /* a SOCK_STREAM socket in its place */
	bool brief; /* it ends soon: large pages, where there are such, are had and given back faster */
};

/* The caller's: the other end of the socket, and a child to wait for. */
int must_check helper_process_start(const char *path, const char *command, struct helper_options options,
				    int *ret_socket, pid_t *ret_pid);
