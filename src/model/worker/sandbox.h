/* Gives up what a fold worker does not need, before other people's code is run: no new privileges, no
 * capabilities, no core dumps, a limit of memory, and a list of the system calls that are left. Files can be
 * opened for reading only, no sockets can be made, no program can be run, no other process can be touched,
 * nor looked into. What is not allowed fails with EPERM.
 *
 * Some calls the worker needs itself and a reducer does not: to fork the child that writes a rendering, to
 * limit its time, to make a sealed file. They are let through where the number that was drawn on entering
 * stands in an argument that the call does not have. A reducer that looked for it in our memory would find
 * it: this is against accidents, like all that happens within one process. */
#pragma once

#include <sys/types.h>

#include "base/diag.h"

struct sandbox {
	unsigned long pass;
};

/* `memory`: bytes that reducers may have; 0: no limit. (The process may take somewhat more: it is to find out
 * by itself.) Limits that are tighter already stay. On failure the process has given up a part: it must run
 * no reducer then. Under a sanitizer, which needs more than it knows beforehand, there are neither limit nor
 * list. */
int must_check sandbox_enter(struct sandbox *ret, uint64_t memory, struct diag *diag);

/* As fork(), for a process with one thread. */
pid_t sandbox_fork(const struct sandbox *s);
/* SIGPROF after so many seconds of the processor's time, SIGALRM after ten times as many that pass; 0: never.
 */
void sandbox_alarm(const struct sandbox *s, unsigned seconds);
/* memfd_new() inside. */
int must_check sandbox_memfd(const struct sandbox *s, const char *name);

/* For the process that starts workers: its memory and its environment can't be read by them. Where the kernel
 * has Landlock the workers see to that; elsewhere the process becomes one that none of its user's can look
 * into, and that leaves no core dump. */
void sandbox_shield(void);
