/* The agent: the process between a daemon and the engine of a log that several machines share. See
 * cluster/link/proto.h for what the two say to each other. */
#pragma once

/* Runs until the socket ends, or until nothing is appended any more. The process' exit status: 0, or 1 where
 * it was for want of something (the daemon starts another one). */
int agent_run(int socket);
