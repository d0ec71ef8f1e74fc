/* Starts this program anew as one of its helpers: `PATH COMMAND`, with one end of a SOCK_SEQPACKET socket as descriptor 3 and nothing
 * else of the daemon's. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/defs.h"

/* The caller's: the other end of the socket, and a child to wait for. `quiet`: its standard output and error are nobody's. */
int must_check helper_process_start(const char *path, const char *command, bool quiet, int *ret_socket,
				    pid_t *ret_pid);
