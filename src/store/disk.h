/* The one place with system calls on data files, so that a test can stand in for the disk: fail,
 * shorten or fill up the n-th call, lose power, drop or garble what was not synced.
 *
 * A struct disk is a table of calls; the real one is disk_posix. Calls return what they say or a
 * negative errno, never -1. EINTR is retried inside. Descriptors are real descriptors (so that they can
 * be sent to another process); only the calls go through here. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* What a name stands for, links not followed. */
struct disk_file {
	dev_t device;
	ino_t inode;
	uint64_t size;
};

/* What every disk can write as a piece. */
#define DISK_BLOCK 4096

struct disk {
	const char *name;
	int (*open)(struct disk *d, int dirfd, const char *name, int flags, mode_t mode);
	void (*close)(struct disk *d, int fd);
	ssize_t (*pread)(struct disk *d, int fd, void *data, size_t len, off_t off);
	ssize_t (*pwrite)(struct disk *d, int fd, const void *data, size_t len, off_t off);
	int (*truncate)(struct disk *d, int fd, off_t size);
	/* From now on what is written to the file does not go through the page cache, where that can be, and
	 * begins and ends on DISK_BLOCKs, in memory, too; or it does again. A sync is to follow as ever. */
	int (*direct)(struct disk *d, int fd, bool direct);
	int (*sync)(struct disk *d, int fd); /* fdatasync; never retried after a failure */
	/* Has these bytes begin to go to the disk, since a sync will come: a hint, of which nothing is told.
	 */
	void (*start)(struct disk *d, int fd, off_t off, size_t len);
	int (*sync_dir)(struct disk *d, int dirfd);
	int (*rename)(struct disk *d, int dirfd, const char *from, const char *to);
	int (*unlink)(struct disk *d, int dirfd, const char *name);
	int (*mkdir)(struct disk *d, int dirfd, const char *name, mode_t mode); /* 0 also where it exists */
	int (*lock)(struct disk *d, int fd); /* flock(LOCK_EX | LOCK_NB); 1: somebody else has it */
	int (*is_locked)(struct disk *d,
			 int fd); /* 1: somebody has it for writing. Holds LOCK_SH for an instant */
	/* These two ask for no time: since Linux 6.13 a file whose times somebody has asked for gets others
	 * with its next write, and a sync then writes its inode as well, which costs half as much again. */
	off_t (*size)(struct disk *d, int fd); /* size or negative errno; -EINVAL: no plain file */
	int (*look)(struct disk *d, int dirfd, const char *name, struct disk_file *ret);
	int (*changed)(struct disk *d, int dirfd, const char *name, uint64_t *ret); /* mtime, ns since 1970 */
};

/* The real disk. It has no state and may be used by any number of threads. */
extern struct disk disk_posix;

/* Reads or writes all of it: 0, negative errno, or 1 where a read met the end of the file first. On a failed
 * write *ret_done bytes are in the file. */
int must_check disk_pread_all(struct disk *d, int fd, void *data, size_t len, off_t off);
int must_check disk_pwrite_all(struct disk *d, int fd, const void *data, size_t len, off_t off,
			       size_t *ret_done);
/* Reads what is known to be there: -EIO where the file ends first, for somebody has cut it. */
int must_check disk_pread_exact(struct disk *d, int fd, void *data, size_t len, off_t off);

#define DISK_ANY_SIZE ((size_t)-2)
/* Appends the whole file to `ret`, however long it has become meanwhile. -EFBIG where it has more than
 * `most` bytes; after any failure `ret` holds some part of it. */
int must_check disk_slurp(struct disk *d, int fd, size_t most, struct buf *ret);

/* Appends to `ret` what the file has from `off` on, but no more than `most` bytes. */
int must_check disk_read_from(struct disk *d, int fd, uint64_t off, uint64_t most, struct buf *ret);

/* Copies `len` bytes to the place `to_off` of another file, maybe of another disk. -EIO where the first ends
 * before. */
int must_check disk_copy(struct disk *d, int fd, off_t off, uint64_t len, struct disk *to_disk, int to_fd,
			 off_t to_off);

/* Cuts the file back to `size`; never makes it longer. */
int must_check disk_cut(struct disk *d, int fd, off_t size);

/* Replaces a whole file so that after a crash either the old or the new one is there: temporary file
 * (".NAME.tmp"), write, sync, rename, directory sync. */
int must_check disk_replace(struct disk *d, int dirfd, const char *name, const void *data, size_t len,
			    mode_t mode);

/* Creates a file for reading and writing that is nobody else's: what has its name is removed first. */
int must_check disk_create(struct disk *d, int dirfd, const char *name, mode_t mode);

/* Gives a file the owner, the group, the mode and the access list of another, as far as this process may;
 * nobody may more with it than with that one. */
void disk_resemble(int fd, int other);

/* Sets a file's mtime, in ns since 1970: 0 or a negative errno. */
int disk_set_changed(int fd, uint64_t ns);
/* How many names the file has; a negative errno. */
int disk_names(int fd);
