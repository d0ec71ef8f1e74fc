/* Gives up what a fold worker does not need, before other people's code is run: no new privileges, no core dumps, a memory
 * limit, and a list of the system calls that are left. Files can be opened for reading only, no sockets can be made, no program
 * can be run, no other process can be touched. What is not allowed fails with EPERM. */
#pragma once

#include "base/diag.h"

/* `memory`: bytes of address space; 0: no limit. On failure the process may have given up a part. Under a sanitizer, which needs
 * more than it knows beforehand, there are neither limit nor list. */
int must_check sandbox_enter(uint64_t memory, struct diag *diag);
