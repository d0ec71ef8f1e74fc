/* Plays the kernel: a mount of its own in a temporary directory, whose session is driven over a socketpair.
 * No mount, no root, any order of messages. A failed check ends the test. */
#pragma once

#include <linux/fuse.h>
#include <pthread.h>

#include "fs/session.h"

struct reply {
	struct reply *next;
	uint64_t unique;
	int error;         /* negative errno */
	struct slice data; /* points into body */
	char body[];
};

struct kernel {
	char dir[64]; /* DATA */
	struct mount *mount;
	struct fuse_session *session;
	pthread_t loop;
	int fd, stop_fd[2];
	uint64_t unique;
	struct reply *early; /* answers that came before they were asked for */
	uint32_t pid;        /* the thread whose requests these are */
	/* Called where an answer has been sent, on the thread that did; NULL: nothing to do. */
	void (*_Atomic replied)(struct kernel *k, uint64_t unique);
};

/* A mount on an empty DATA; `options` may be NULL, data and worker_path are filled in. The reducers named
 * (NULL-terminated, "count") are enabled. */
void kernel_start(struct kernel *k, const struct mount_options *options, const char *const *reducers);
/* Ends it as an unmount does; what was answered then can still be waited for. */
void kernel_end(struct kernel *k);
/* The same, if it has not been ended, and drops the rest; DATA stays for kernel_restart(). */
void kernel_stop(struct kernel *k);
void kernel_restart(struct kernel *k, const struct mount_options *options);
void kernel_cleanup(struct kernel *k);

/* Sends a request and returns its number. What has no answer (FUSE_FORGET) is done when another one's has
 * come. */
uint64_t kernel_send(struct kernel *k, uint32_t opcode, uint64_t ino, const void *arg, size_t arg_len,
		     const void *data, size_t len);
/* Waits for an answer (bounded); the caller frees it. */
struct reply *kernel_wait(struct kernel *k, uint64_t unique);
/* The same of one that is an error (0: none) and nothing else. */
void kernel_error_is(struct kernel *k, uint64_t unique, int want);
/* Is the answer there within `ms`? NULL: not yet. */
struct reply *kernel_poll(struct kernel *k, uint64_t unique, int ms);

/* The usual ones, each waited for. Results: negative errno, or what is asked for. */
int64_t kernel_lookup(struct kernel *k, const char *path); /* the inode number */
int64_t kernel_size(struct kernel *k, uint64_t ino);
void kernel_forget(struct kernel *k, uint64_t ino, uint64_t lookups);
/* One OPEN and its answer. */
int kernel_open_once(struct kernel *k, uint64_t ino, int flags, uint64_t *ret_fh);
/* As an open that looks no name up: where the answer is ESTALE, the same comes again. And one with O_TRUNC is
 * followed by a cut to 0. */
int kernel_open(struct kernel *k, uint64_t ino, int flags, uint64_t *ret_fh);
/* As read(2): the kernel names whoever asks, but where it fills its own cache. */
int kernel_read(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t off, char *data, size_t size);
/* As sendfile(2) and mappings. */
int kernel_fill(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t off, char *data, size_t size);
int kernel_write(struct kernel *k, uint64_t ino, uint64_t fh, const char *data, size_t size);
int kernel_flush(struct kernel *k, uint64_t ino, uint64_t fh);
void kernel_release(struct kernel *k, uint64_t ino, uint64_t fh);
/* Not waited for. */
uint64_t kernel_send_open(struct kernel *k, uint64_t ino, int flags);
uint64_t kernel_send_write(struct kernel *k, uint64_t ino, uint64_t fh, const char *data, size_t size);
void kernel_interrupt(struct kernel *k, uint64_t unique);

/* Reads a whole file by path: its text, zero-terminated, the caller's to free; NULL and *ret_error where it
 * can't. */
char *kernel_cat(struct kernel *k, const char *path, int *ret_error);
/* It is this. */
void kernel_cat_is(struct kernel *k, const char *path, const char *want);
/* Opens, writes, closes: the first error, or 0. */
int kernel_append(struct kernel *k, const char *text);
