#include "cli/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

static int add(struct mounts *m, const struct mntent *entry)
{
	struct mounts_entry *list = reallocarray(m->list, m->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->list = list;
	list[m->n] = (struct mounts_entry){strdup(entry->mnt_fsname), strdup(entry->mnt_dir)};
	m->n++;
	return list[m->n - 1].data && list[m->n - 1].mnt ? 0 : -ENOMEM;
}

int mounts_list(struct mounts *ret)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	int r = 0;

	*ret = (struct mounts){0};
	if (!mounts)
		return 0;
	while (r == 0 && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_type, "fuse.eventfold") == 0)
			r = add(ret, entry);
	endmntent(mounts);
	if (r < 0)
		mounts_deinit(ret);
	return r;
}

void mounts_deinit(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].data);
		free(m->list[i].mnt);
	}
	free(m->list);
	*m = (struct mounts){0};
}

const struct mounts_entry *mounts_of_data(const struct mounts *m, const char *data)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->list[i].data, data) == 0)
			return &m->list[i];
	return NULL;
}

const struct mounts_entry *mounts_at(const struct mounts *m, const char *mnt)
{
	/* What was mounted last covers what was before. */
	for (size_t i = m->n; i > 0; i--)
		if (strcmp(m->list[i - 1].mnt, mnt) == 0)
			return &m->list[i - 1];
	return NULL;
}

const struct mounts_entry *mounts_given(const struct mounts *m, const char *path, struct diag *diag)
{
	char resolved[PATH_MAX];

	if (!realpath(path, resolved)) {
		diag_set(diag, 0, "%s: %s", path, strerror(errno));
		return NULL;
	}
	const struct mounts_entry *entry = mounts_at(m, resolved), *other = mounts_of_data(m, resolved);
	if (entry)
		return entry;
	if (other)
		diag_set(diag, 0, "%s is the data; it is mounted at %s", path, other->mnt);
	else if (m->n == 1)
		diag_set(diag, 0, "%s is no mount of eventfold; %s is one", path, m->list[0].mnt);
	else
		diag_set(diag, 0, "%s is no mount of eventfold", path);
	return NULL;
}

int mounts_read(const char *mnt, const char *name, struct buf *ret)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", mnt, name) >= sizeof(path))
		return -ENAMETOOLONG;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && buf_reserve(ret, 1 << 16) == 0) {
		n = read(fd, ret->data + ret->len, 1 << 16);
		ret->len += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? -errno : buf_error(ret);
}
