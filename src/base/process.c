#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

int process_open(pid_t id, const char *file)
{
	char path[64];

	if (id)
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)id, file);
	else
		snprintf(path, sizeof(path), "/proc/self/%s", file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* All of a short file; empty where there is nothing to be read. */
static void read_text(int fd, char *text, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : 0;

	text[max(n, (ssize_t)0)] = '\0';
}

bool process_stat(int stat, struct process_stat *ret)
{
	unsigned long long user, system, pages;
	char text[1024];

	read_text(stat, text, sizeof(text));
	/* "ID (NAME) STATE PPID …", and a name may have anything in it. What is read are the fields 3, 9, 14,
	 * 15 and 24. */
	const char *at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
			  " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu"
			  " %*d %*d %*d %*d %*d %*d %*u %*u %llu",
			  &ret->state, &ret->flags, &user, &system, &pages) != 5)
		return false;
	ret->ticks = user + system;
	ret->bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

uint64_t process_resident(int statm)
{
	unsigned long long size, pages;
	char text[128];

	read_text(statm, text, sizeof(text));
	return sscanf(text, "%llu %llu", &size, &pages) == 2 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t process_cpu_ns(clockid_t clock, uint64_t otherwise)
{
	struct timespec time;

	return clock_gettime(clock, &time) < 0 ? otherwise : clock_to_ns(time);
}
