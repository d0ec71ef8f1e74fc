#include "model/host/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/disk.h"
#include "store/memfd.h"

#define RULES_MOST (1u << 20) /* bytes; they have a few thousand */
#define RULES_HEAD 44         /* of a file of rules, tzfile(5) */
#define LEAPS_AT 28           /* there: how many leap seconds it knows, big-endian */

/* Names of zones have no other characters; and none of them leads out of the directory. */
static bool is_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";

	return *name && *name != '/' && !name[strspn(name, letters)];
}

/* As the C library has it. */
static const char *zones(void)
{
	const char *dir = getenv("TZDIR");

	return dir && *dir ? dir : "/usr/share/zoneinfo";
}

static int read_rules(const char *name, struct buf *ret)
{
	char path[256];

	if (snprintf(path, sizeof(path), "%s/%s", zones(), name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : disk_slurp(&disk_posix, fd, RULES_MOST, ret);
}

int zone_load(struct zone *ret, const char *name, struct diag *diag)
{
	auto_buf struct buf rules = {0};

	if (!is_name(name))
		return diag_set(diag, -EINVAL, "there is no time zone '%s'; a name is like Europe/Berlin",
				name);
	int r = read_rules(name, &rules);
	if (r == -ENOENT && access(zones(), F_OK) < 0)
		return diag_set(diag, -EINVAL, "there are no time zones in %s; install tzdata", zones());
	if (r == -ENOENT || r == -ENOTDIR || r == -EINVAL || r == -ENAMETOOLONG) /* or a directory */
		return diag_set(diag, -EINVAL, "there is no time zone '%s' in %s", name, zones());
	if (r < 0)
		return diag_set(diag, r, "cannot read the time zone '%s': %s", name, strerror(-r));
	if (rules.len < RULES_HEAD || memcmp(rules.data, "TZif", 4) != 0)
		return diag_set(diag, -EINVAL, "'%s' is no time zone", name);
	if (memcmp(rules.data + LEAPS_AT, "\0\0\0", 4) != 0)
		return diag_set(diag, -EINVAL, "'%s' counts leap seconds, and times of events do not", name);
	r = memfd_of("zone", buf_slice(&rules));
	if (r < 0)
		return diag_set(diag, r, "no memory or descriptors left");
	*ret = (struct zone){.fd = r, .hash = XXH64(rules.data, rules.len, 0)};
	ret->hash += ret->hash == 0;
	return 0;
}

void zone_deinit(struct zone *z)
{
	closep(&z->fd);
}

int zone_use(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), ":/proc/self/fd/%d", fd);
	/* The C library would take it for UTC. */
	if (access(path + 1, R_OK) < 0)
		return -errno;
	if (setenv("TZ", path, 1) < 0)
		return -errno;
	tzset();
	return 0;
}

void zone_use_utc(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
}
