#include "fs/log/probe.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/defs.h"

#define ROUNDS 15 /* fewer are at times wrong where others use the disk, too */
#define BLOCK 4096
#define LINE 100
#define WORTH_PERCENT 90 /* of the time it takes to make a file longer */
#define ROOM (64u << 20) /* bytes that have to be free: many times what it takes */
#define XFS_MAGIC 0x58465342

/* Elsewhere a block is never overwritten in its place, or nothing is durable. */
static bool overwrites(const struct statfs *fs)
{
	return fs->f_type == EXT4_SUPER_MAGIC || fs->f_type == XFS_MAGIC;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *times)
{
	qsort(times, ROUNDS, sizeof(*times), compare);
	return times[ROUNDS / 2];
}

/* 0: it failed. */
static uint64_t write_synced(int fd, const char *data, size_t len, off_t off)
{
	uint64_t begin = clock_ns();

	if (pwrite(fd, data, len, off) != (ssize_t)len || fdatasync(fd) < 0)
		return 0;
	return max(clock_ns() - begin, (uint64_t)1);
}

const char *probe_room(int dirfd)
{
	struct statfs fs;

	if (fstatfs(dirfd, &fs) < 0)
		return "it could not be measured";
	/* A disk that is nearly full has its last room for the log. */
	return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >= ROOM ? NULL
								    : "there is too little room for it";
}

const char *probe_overwriting(int dirfd)
{
	static const char block[BLOCK];
	uint64_t longer[ROUNDS], over[ROUNDS];
	struct statfs fs;

	if (fstatfs(dirfd, &fs) < 0)
		return "it could not be measured";
	if (!overwrites(&fs))
		return "the file system does not overwrite in place";
	int growing auto_close = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int fixed auto_close = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (growing < 0 || fixed < 0)
		return "it could not be measured";
	for (unsigned i = 0; i < ROUNDS; i++)
		if (pwrite(fixed, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			return "there is no room for it";
	if (fdatasync(fixed) < 0)
		return "it could not be measured";
	for (unsigned i = 0; i < ROUNDS; i++) {
		longer[i] = write_synced(growing, block, LINE, (off_t)i * LINE);
		over[i] = write_synced(fixed, block, BLOCK, (off_t)i * BLOCK);
		if (longer[i] == 0 || over[i] == 0)
			return "it could not be measured";
	}
	return median(over) * 100 < median(longer) * WORTH_PERCENT ? NULL : "overwriting is no faster here";
}
