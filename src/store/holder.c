#include "store/holder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/defs.h"

/* For how long a lock is waited for of which it can't be seen that a writer has it. */
#define TRIES 100
#define PAUSE_NS 1000000

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

pid_t holder_find(int fd)
{
	struct stat st;
	char line[256];
	FILE *f cleanup(fclosep) = fopen("/proc/locks", "re");

	if (!f || fstat(fd, &st) < 0)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		char kind[16], access[16];
		unsigned dev_major, dev_minor;
		uint64_t inode;
		int pid;
		/* The device is not compared: file systems made of several (overlay, btrfs) show another
		 * one here. */
		if (sscanf(line, "%*d: %15s %*15s %15s %d %x:%x:%" SCNu64, kind, access, &pid, &dev_major,
			   &dev_minor, &inode) == 6 &&
		    strcmp(kind, "FLOCK") == 0 && strcmp(access, "WRITE") == 0 && inode == st.st_ino &&
		    pid > 0)
			return pid;
	}
	return 0;
}

int holder_lock(struct disk *disk, int fd)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int r = disk->lock(disk, fd);

	for (unsigned i = 0; r > 0 && i < TRIES && holder_find(fd) == 0; i++) {
		nanosleep(&pause, NULL);
		r = disk->lock(disk, fd);
	}
	return r;
}
