#include "web/first_look.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the list of mounts has of a directory. */
struct listed {
	bool is_mount;
	char mounted_at[PATH_MAX]; /* where it is the data of one; "": nowhere */
};

/* What was mounted last covers what was before. False: there is no list. */
static bool look_up(const char *dir, struct listed *ret)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;

	*ret = (struct listed){0};
	if (!mounts)
		return false;
	while ((entry = getmntent(mounts))) {
		bool is_ours = strcmp(entry->mnt_type, "fuse.eventfold") == 0;
		if (strcmp(entry->mnt_dir, dir) == 0)
			ret->is_mount = is_ours;
		if (is_ours && strcmp(entry->mnt_fsname, dir) == 0)
			snprintf(ret->mounted_at, sizeof(ret->mounted_at), "%s", entry->mnt_dir);
	}
	endmntent(mounts);
	return true;
}

static bool is_data(const char *dir)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/app.jsonl", dir) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

int first_look(const char *mnt, struct diag *diag)
{
	char dir[PATH_MAX];
	struct listed listed;

	if (!realpath(mnt, dir))
		return diag_set(diag, -ENODEV, "%s: %s", mnt, strerror(errno));
	if (!look_up(dir, &listed) || listed.is_mount)
		return 0;
	if (*listed.mounted_at)
		return diag_set(diag, -ENODEV, "%s is the data; it is mounted at %s", mnt, listed.mounted_at);
	if (is_data(dir))
		return diag_set(diag, -ENODEV, "%s is the data, which is not mounted", mnt);
	return diag_set(diag, -ENODEV, "%s is no mount of eventfold", mnt);
}
