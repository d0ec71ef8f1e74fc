/* The mounts of eventfold that this process can see, and their small files. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"

struct mounts_entry {
	char *data, *mnt; /* absolute, resolved */
};

struct mounts {
	struct mounts_entry *list;
	size_t n;
};

/* 0 or -ENOMEM. No mounts at all where there is no list of them. */
int must_check mounts_list(struct mounts *ret);
void mounts_deinit(struct mounts *m);

/* The one of this directory of data, or at this mount point, by an absolute resolved path; NULL: none. */
const struct mounts_entry *mounts_of_data(const struct mounts *m, const char *data);
const struct mounts_entry *mounts_at(const struct mounts *m, const char *mnt);

/* The one at the path that a user has given. NULL with the reason in the diag, which names what may have been
 * meant. */
const struct mounts_entry *mounts_given(const struct mounts *m, const char *path, struct diag *diag);

/* What is said of one that answers ENOTCONN. */
#define MOUNTS_DEAD "its daemon is gone; eventfold umount takes the mount away"

/* Reads all of a small file of the mount: 0 or a negative errno. */
int must_check mounts_read(const char *mnt, const char *name, struct buf *ret);
