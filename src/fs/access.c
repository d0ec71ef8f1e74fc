#include "fs/access.h"

#include <stdio.h>
#include <string.h>

#include "fs/mount.h"

#define READ_ALL 0444
#define WRITE_ALL 0222

mode_t access_mode(const struct mount *m, enum node_kind kind)
{
	const struct access_rules *rules = &m->options.access;
	mode_t mode = node_mode(kind);

	if (!rules->has_umask || S_ISLNK(mode) || kind == NODE_CTL)
		return mode;
	mode_t writers = WRITE_ALL & ~rules->umask;
	if (kind == NODE_REJECTED)
		return mode | (writers << 1 & READ_ALL);
	bool written = mode & S_IWUSR;
	mode &= ~rules->umask;
	return written ? mode | writers : mode;
}

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

bool access_is_owner(fuse_req_t req)
{
	uid_t uid = fuse_req_ctx(req)->uid;

	return uid == 0 || uid == mount_of(req)->uid || uid == mount_of(req)->daemon_uid;
}

/* Of a thread's other groups. By itself, since fuse_req_getgroups() reads beyond what it has read
 * (libfuse 3.14). */
static bool has_group(pid_t tid, gid_t gid)
{
	auto_free char *line = NULL;
	size_t size = 0;
	char path[32];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	FILE *status = fopen(path, "re");
	while (status && getline(&line, &size, status) > 0) {
		char *at = line, *end;
		if (strncmp(line, "Groups:", 7) != 0)
			continue;
		at += 7;
		for (unsigned long group; !found; at = end) {
			group = strtoul(at, &end, 10);
			if (end == at)
				break;
			found = group == gid;
		}
		break;
	}
	if (status)
		fclose(status);
	return found;
}

/* Asks /proc only where the files are another group's than that of who asks. */
static bool is_in_group(fuse_req_t req, gid_t gid)
{
	const struct fuse_ctx *who = fuse_req_ctx(req);

	return who->gid == gid || has_group(who->pid, gid);
}

bool access_may(fuse_req_t req, const struct node *node, int mask)
{
	struct mount *m = mount_of(req);
	int mode = (int)access_mode(m, node->kind);

	if (access_is_owner(req))
		return (mode >> 6 & mask) == mask;
	/* As everywhere: who is of the group is asked for the group's permissions, even if others have
	 * more. */
	if ((mode >> 3 & 7) != (mode & 7) && is_in_group(req, m->gid))
		return (mode >> 3 & mask) == mask;
	return (mode & mask) == mask;
}
