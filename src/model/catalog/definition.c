#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include "base/again.h"
#include "model/catalog/definition.h"
#include "model/link/proto.h"
#include "store/disk.h"
#include "store/memfd.h"

const char *definition_dir(enum definition_sort sort)
{
	return sort == DEFINES_RULES ? "rules" : "reducers";
}

static bool has_host(enum definition_sort sort, const struct reducer_host *host)
{
	return sort == DEFINES_VIEWS || host->kind == REDUCER_JQ;
}

int definition_kind_of(enum definition_sort sort, const char *file_name, enum reducer_kind *ret_kind,
		       struct slice *ret_stem)
{
	return reducer_kind_of(file_name, ret_kind, ret_stem) && has_host(sort, reducer_host(*ret_kind));
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
	free((char *)d->content.data);
	free(d);
}

static struct definition *definition_new(const char *file, enum reducer_kind kind)
{
	struct definition *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->refs = 1;
	d->kind = kind;
	snprintf(d->file, sizeof(d->file), "%s", file);
	return d;
}

/* Member by member: `refs` may be changing. */
struct definition definition_facts(const struct definition *d)
{
	struct definition facts = {
	    .kind = d->kind,
	    .identity = d->identity,
	    .link = d->link,
	    .safe = d->safe,
	    .passing = d->passing,
	    .wanting = d->wanting,
	    .target = d->target,
	    .why = d->why,
	};

	memcpy(facts.file, d->file, sizeof(facts.file));
	return facts;
}

struct definition *definition_broken(const char *file, const char *why)
{
	enum reducer_kind kind = REDUCER_JQ;
	struct slice stem;

	(void)!reducer_kind_of(file, &kind, &stem);
	struct definition *d = definition_new(file, kind);
	if (d) {
		d->link = true;
		diag_set(&d->why, 0, "%s", why);
	}
	return d;
}

static struct file_identity identity_of(const struct stat *st)
{
	return (struct file_identity){.dev = st->st_dev,
				      .ino = st->st_ino,
				      .size = st->st_size,
				      .mtime = st->st_mtim,
				      .ctime = st->st_ctim};
}

static bool identity_eq(const struct file_identity *a, const struct file_identity *b)
{
	return a->error == b->error && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

/* Without a question to the file system, which may have become another one. */
static bool stat_cached(int fd, struct file_identity *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return false;
	*ret = (struct file_identity){
	    .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
	    .ino = st.stx_ino,
	    .size = (off_t)st.stx_size,
	    .mtime = {st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec},
	    .ctime = {st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec},
	};
	return true;
}

bool definition_is_same(int dirfd, const struct definition *d)
{
	struct file_identity now = {0};

	if (!d->safe)
		return false;
	auto_close int fd = reach_open_cached(dirfd, d->file);
	if (fd < 0)
		now.error = -fd;
	else if (!stat_cached(fd, &now))
		return false;
	return identity_eq(&now, &d->target);
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

static int hash_content(struct definition *d, uint64_t zone)
{
	const char *(*version)(void) = reducer_host(d->kind)->version;
	XXH64_state_t *hash = XXH64_createState();
	uint32_t kind = d->kind;

	if (!hash)
		return -ENOMEM;
	XXH64_reset(hash, 0);
	XXH64_update(hash, &kind, sizeof(kind));
	if (version)
		XXH64_update(hash, version(), strlen(version()));
	XXH64_update(hash, d->content.data, d->content.len);
	if (zone)
		XXH64_update(hash, &zone, sizeof(zone));
	d->identity = XXH64_digest(hash);
	XXH64_freeState(hash);
	return 0;
}

/* `path`: what its O_PATH descriptor stands for. */
static int load_content(struct definition *d, int path, uint64_t zone)
{
	auto_buf struct buf content = {0};
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
	auto_close int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 ? -errno : disk_slurp(&disk_posix, fd, reducer_host(d->kind)->most, &content);
	if (r < 0)
		return r;
	char *exact = malloc(max(content.len, (size_t)1));
	if (!exact)
		return -ENOMEM;
	if (content.len > 0)
		memcpy(exact, content.data, content.len);
	d->content = (struct slice){exact, content.len};
	return hash_content(d, zone);
}

/* Why it can't be used. What the file system says for ever is a matter of the file; all else may be over
 * soon. */
static void fail(struct definition *d, int error)
{
	static const int lasting[] = {ENOENT, ELOOP, ENOTDIR, EACCES,      EPERM,
				      EFBIG,  ENXIO, ENODEV,  ENAMETOOLONG};

	d->passing = true;
	d->wanting = error_passes(-error);
	for (size_t i = 0; i < countof(lasting); i++)
		d->passing &= error != lasting[i];
	diag_set(&d->why, -error,
		 error == ENOENT ? "%s points to nothing: %s"
		 : d->passing    ? "cannot read %s: %s; it is tried again"
				 : "cannot read %s: %s",
		 d->file, strerror(error));
}

static bool is_unchanged(const struct definition *known, const struct definition *now)
{
	return known && !known->passing && known->link && now->link && strcmp(known->file, now->file) == 0 &&
	       identity_eq(&known->target, &now->target);
}

/* 1: as known. */
static int load_file(const struct reach *reach, uint64_t zone, int dirfd, struct definition *d,
		     const struct definition *known)
{
	struct stat st;

	/* Looked at first: what changes while it is read is noticed the next time. */
	auto_close int path = reach_open(reach, dirfd, d->file, 0);
	if (path == -EXDEV)
		return path;
	int error = path < 0 ? -path : fstat(path, &st) < 0 ? errno : 0;
	d->target = error ? (struct file_identity){.error = error} : identity_of(&st);
	if (is_unchanged(known, d))
		return 1;
	if (error) {
		d->safe = true;
		fail(d, error);
		return 0;
	}
	enum reach_where where = reach_where(reach, path);
	d->safe = where == REACH_LOCAL;
	if (where == REACH_EVENTFOLD)
		return diag_set(&d->why, 0, "%s leads into a mount of eventfold", d->file);
	if (!S_ISREG(st.st_mode))
		return diag_set(&d->why, 0, "%s is not a regular file", d->file);
	if (reducer_host(d->kind)->native && check_owner(&st, &d->why, d->file) < 0)
		return 0;
	int r = (uint64_t)st.st_size > reducer_host(d->kind)->most ? -EFBIG : load_content(d, path, zone);
	if (r < 0)
		fail(d, -r);
	return 0;
}

/* *ret_link: it may be changed under another name, of which the watch on the directory says nothing. 1: it is
 * there. */
static int find_file(const struct reach *reach, int dirfd, const char *file, bool *ret_link)
{
	struct stat st;

	auto_close int fd = reach_open(reach, dirfd, file, O_NOFOLLOW);
	if (fd < 0)
		return fd == -EXDEV || error_passes(fd) ? fd : 0;
	if (fstat(fd, &st) < 0)
		return 0;
	*ret_link = S_ISLNK(st.st_mode) || st.st_nlink > 1;
	return 1;
}

/* One of -EXDEV is there, whatever it is. */
static bool is_there(int found)
{
	return found == 1 || found == -EXDEV;
}

/* What the directory has for a view. */
struct candidates {
	struct definition *first;   /* of the first host that has one; NULL: none has */
	char other[LIMIT_NAME + 8]; /* another one's file; empty: there is none */
	int error;                  /* none was found, and this was in the way; 0: nothing was */
};

/* -ENOMEM, else 0. */
static int find_candidates(const struct reach *reach, enum definition_sort sort, int dirfd, const char *name,
			   struct candidates *ret)
{
	const struct reducer_host *host;

	*ret = (struct candidates){0};
	for (size_t i = 0; (host = reducer_host_at(i)); i++) {
		char file[LIMIT_NAME + 8];
		bool link = true;
		if (!has_host(sort, host))
			continue;
		snprintf(file, sizeof(file), "%s%s", name, host->suffix);
		int found = find_file(reach, dirfd, file, &link);
		if (!is_there(found)) {
			ret->error = ret->error ? ret->error : found;
			continue;
		}
		if (ret->first) {
			memcpy(ret->other, file, sizeof(file));
			continue;
		}
		ret->first = definition_new(file, host->kind);
		if (!ret->first)
			return -ENOMEM;
		ret->first->link = link;
	}
	return 0;
}

int definition_look(const struct reach *reach, enum definition_sort sort, uint64_t zone, int dirfd,
		    const char *name, struct definition *known, struct definition **ret)
{
	struct candidates found;

	*ret = NULL;
	int r = find_candidates(reach, sort, dirfd, name, &found);
	if (r < 0 || !found.first)
		return r < 0 ? r : found.error;
	struct definition *d = *ret = found.first;
	if (found.other[0])
		return diag_set(&d->why, 0, "both %s and %s define it; remove one", found.other, d->file);
	r = load_file(reach, zone, dirfd, d, known);
	if (r == 1) {
		definition_unref(d);
		*ret = definition_ref(known);
		r = 0;
	}
	return r;
}

int definition_memfd(const struct definition *d)
{
	return memfd_of(d->file, d->content);
}
