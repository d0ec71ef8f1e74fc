/* A fold worker: the process that runs reducers. It keeps the views it is told to at the log's head, renders
 * them on demand, and may die at any moment without harm: the daemon finds out from the shared memory what it
 * was doing, and starts another one.
 *
 * One thread. Nothing comes in but by the socket and the shared memory (proto.h). */
#pragma once

/* The program's other main: runs until the daemon says stop, or is gone. Returns the exit status. The program
 * that calls this must export the reducer interface's functions. */
int worker_main(int socket_fd);
