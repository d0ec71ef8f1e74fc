/* A simulated disk: one directory of files in memory, behind the same table of calls as the real one.
 * Descriptors are real ones (of memory files).
 *
 *     simdisk_init(&s);
 *     s.fail_at = n; s.fail_error = -EIO;    the n-th call from now fails
 *     s.stop_at = n;                         the power goes at the n-th call that changes something: nothing
 * works after it … open, write, sync, close simdisk_reboot(&s, seed);              what was not synced is
 * kept, dropped or garbled, by seed simdisk_restart(&s);                   or only the process has died: all
 * is there, but no safer than it was
 *
 * One thread. */
#pragma once

#include "store/disk.h"

#define SIM_NAMES 16

/* A write or truncation that is not on disk yet. */
struct sim_op {
	bool truncate;
	off_t off; /* or the new size */
	char *data;
	size_t len;
};

struct sim_inode {
	int fd;
	char *durable;
	size_t durable_len;
	struct sim_op *ops;
	size_t n_ops;
	bool direct;
};

struct sim_dir {
	struct {
		char name[48];
		struct sim_inode *inode;
	} entry[SIM_NAMES];
};

struct sim_dir_op {
	char from[48], to[48]; /* create: from is empty; unlink: to is empty */
	struct sim_inode *inode;
};

struct simdisk {
	struct disk disk;
	struct sim_dir now, durable;
	struct sim_dir_op dir_ops[64];
	size_t n_dir_ops;
	struct sim_inode *inodes[256];
	size_t n_inodes;

	uint64_t calls;   /* all of them */
	uint64_t changes; /* those that change something, or sync */
	uint64_t fail_at; /* counted down with each call; 0: never */
	int fail_error;   /* 1: the call writes only half of what it should, without an error */
	uint64_t stop_at; /* counted down with each change; 0: never */
	uint64_t room;    /* bytes that can still be added */
	bool not_direct;  /* no file's writes can go past the page cache; that is known only from the first */
	bool dead;
	uint64_t random;
};

void simdisk_init(struct simdisk *s);
void simdisk_deinit(struct simdisk *s);
void simdisk_reboot(struct simdisk *s, uint64_t seed);
void simdisk_restart(struct simdisk *s);

uint64_t sim_random(uint64_t *state);

/* The content of a file now; false where there is none. Free it. */
bool simdisk_content(struct simdisk *s, const char *name, char **ret, size_t *ret_len);
/* Puts a file there, durably. */
void simdisk_put(struct simdisk *s, const char *name, const void *data, size_t len);
void simdisk_remove(struct simdisk *s, const char *name);
