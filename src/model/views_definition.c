#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <xxhash.h>

#include "model/views_impl.h"

/* It is copied while somebody waits for a look-up. */
static off_t content_max(enum reducer_kind kind)
{
	return kind == REDUCER_JQ ? 1 << 20 : 64 << 20;
}

struct definition *definition_ref(struct definition *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

void definition_unref(struct definition *d)
{
	if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	closep(&d->fd);
	free(d);
}

static struct file_identity identity_of(const struct stat *st)
{
	return (struct file_identity){.dev = st->st_dev,
				      .ino = st->st_ino,
				      .size = st->st_size,
				      .mtime = st->st_mtim,
				      .ctime = st->st_ctim};
}

struct file_identity file_identity(int dirfd, const char *file)
{
	struct stat st;

	if (fstatat(dirfd, file, &st, 0) < 0)
		return (struct file_identity){.error = errno};
	return identity_of(&st);
}

bool file_identity_eq(const struct file_identity *a, const struct file_identity *b)
{
	return a->error == b->error && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

/* Whoever can write to a .so runs code in a worker. */
static int check_owner(const struct stat *st, struct diag *why, const char *file)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return diag_set(why, -EACCES,
				"%s belongs to user %u; it must belong to the user who mounts, or to root",
				file, (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return diag_set(why, -EACCES, "%s is writable by others than its owner; run chmod go-w on it",
				file);
	return 0;
}

/* Copies the file, so that nobody can change it any more, and hashes it on the way. */
static int copy_content(int from, int to, off_t most, XXH64_state_t *hash)
{
	char block[16384];
	off_t at = 0;

	for (;;) {
		size_t done;
		ssize_t n = pread(from, block, sizeof(block), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (at + n > most)
			return -EFBIG;
		XXH64_update(hash, block, (size_t)n);
		int r = disk_pwrite_all(&disk_posix, to, block, (size_t)n, at, &done);
		if (r < 0)
			return r;
		at += n;
	}
}

static int load_content(struct definition *d, int fd)
{
	uint32_t kind = d->kind;

	auto_close int copy = proto_memfd(d->file);
	XXH64_state_t *hash = XXH64_createState();
	if (copy < 0 || !hash) {
		XXH64_freeState(hash);
		return copy < 0 ? copy : -ENOMEM;
	}
	XXH64_reset(hash, 0);
	XXH64_update(hash, &kind, sizeof(kind));
	int r = copy_content(fd, copy, content_max(d->kind), hash);
	d->identity = XXH64_digest(hash);
	XXH64_freeState(hash);
	if (r == 0)
		r = proto_seal(copy);
	if (r == 0)
		d->fd = take_fd(&copy);
	return r;
}

static void load_file(int dirfd, struct definition *d)
{
	struct stat st;

	/* Looked at first: what changes while it is read is noticed the next time. */
	d->target = file_identity(dirfd, d->file);
	auto_close int fd = openat(dirfd, d->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;
		diag_set(&d->why, -error, error == ENOENT ? "%s points to nothing: %s" : "cannot read %s: %s",
			 d->file, strerror(error));
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		diag_set(&d->why, -EINVAL, "%s is not a regular file", d->file);
		return;
	}
	if (d->kind == REDUCER_C && check_owner(&st, &d->why, d->file) < 0)
		return;
	int r = st.st_size > content_max(d->kind) ? -EFBIG : load_content(d, fd);
	if (r < 0)
		diag_set(&d->why, r, "cannot read %s: %s", d->file, strerror(-r));
}

/* *ret_link: it may be changed under another name, of which the watch on the directory says nothing. */
static bool exists(int dirfd, const char *file, bool *ret_link)
{
	struct stat st;

	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*ret_link = S_ISLNK(st.st_mode) || st.st_nlink > 1;
	return true;
}

int definition_load(int dirfd, const char *name, struct definition **ret)
{
	char c_file[LIMIT_NAME + 8], jq_file[LIMIT_NAME + 8];
	bool c_link = false, jq_link = false;

	*ret = NULL;
	snprintf(c_file, sizeof(c_file), "%s.so", name);
	snprintf(jq_file, sizeof(jq_file), "%s.jq", name);
	bool c = exists(dirfd, c_file, &c_link), jq = exists(dirfd, jq_file, &jq_link);
	if (!c && !jq)
		return 0;
	struct definition *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->refs = 1;
	d->fd = -1;
	d->kind = c ? REDUCER_C : REDUCER_JQ;
	d->link = c ? c_link : jq_link;
	memcpy(d->file, c ? c_file : jq_file, sizeof(d->file));
	if (c && jq)
		diag_set(&d->why, -EINVAL, "both %s and %s define it; remove one", jq_file, c_file);
	else
		load_file(dirfd, d);
	*ret = d;
	return 0;
}
