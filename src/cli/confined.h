/* A command that runs a reducer does so in a child, which has given up what a fold worker gives up: a crash
 * costs an error message, and a stray system call fails. The child goes on with the command; the parent opens
 * its files for it, since it can no longer open what its user could, and tells how it ended. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/engine/fold.h"

/* Where the child is, in memory that both have. */
struct confined_place {
	struct fold_mark mark;
	_Atomic uint32_t file;  /* which of the files it reads, from 1; 0: none */
	_Atomic uint64_t first; /* events before that file */
	_Atomic uint32_t done;  /* it ends by itself */
};

struct confined {
	const char *reducer;
	const char *const *files; /* NULL behind the last; "-" is standard input */
	uint64_t memory;          /* bytes that the child may use; 0: no limit */
	struct confined_place *place;
	int socket;
};

/* The file's name for a message. */
const char *confined_file_name(const char *file);

/* Starts the child. True in the child, with its rights gone; it has no use for descriptor 3, which is the
 * parent's. False in the parent when the child has ended, or where there is none, and in a child that could
 * not give up its rights: *ret_status is then the command's exit status, and the reason has been said. */
bool confined_start(struct confined *c, int *ret_status);

/* In the child: the file with that number in `files`, from 0. A descriptor or a negative errno. */
int must_check confined_open(struct confined *c, uint32_t file);

/* Before: the content of a file as it is now, where nobody can change it, nor anybody's rights matter. A
 * descriptor that is none of the first ones, or a negative errno. */
int must_check confined_copy(const char *path);

/* In a process that is to run a reducer, before it gives up its rights: so many bytes besides what it has
 * already; 0: no limit. */
int must_check confined_limit_memory(uint64_t memory);
