#include "simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"

#include "check.h"

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static struct simdisk *sim(struct disk *d)
{
	return (struct simdisk *)d;
}

static struct sim_inode **dir_find(struct sim_dir *dir, const char *name)
{
	for (size_t i = 0; i < SIM_NAMES; i++)
		if (dir->entry[i].inode && strcmp(dir->entry[i].name, name) == 0)
			return &dir->entry[i].inode;
	return NULL;
}

static void dir_set(struct sim_dir *dir, const char *name, struct sim_inode *inode)
{
	struct sim_inode **at = dir_find(dir, name);

	if (at) {
		*at = inode;
		return;
	}
	for (size_t i = 0; inode && i < SIM_NAMES; i++) {
		if (dir->entry[i].inode)
			continue;
		snprintf(dir->entry[i].name, sizeof(dir->entry[i].name), "%s", name);
		dir->entry[i].inode = inode;
		return;
	}
	CHECK(!inode);
}

static void dir_apply(struct sim_dir *dir, const struct sim_dir_op *op)
{
	struct sim_inode **from = op->from[0] ? dir_find(dir, op->from) : NULL;

	/* A file that has another name by now keeps it. */
	if (from && *from == op->inode)
		*from = NULL;
	if (op->to[0])
		dir_set(dir, op->to, op->inode);
}

static void change_dir(struct simdisk *s, const char *from, const char *to, struct sim_inode *inode)
{
	struct sim_dir_op *op = &s->dir_ops[s->n_dir_ops++];

	CHECK(s->n_dir_ops <= countof(s->dir_ops));
	snprintf(op->from, sizeof(op->from), "%s", from);
	snprintf(op->to, sizeof(op->to), "%s", to);
	op->inode = inode;
	dir_apply(&s->now, op);
}

static struct sim_inode *inode_new(struct simdisk *s)
{
	struct sim_inode *inode = calloc(1, sizeof(*inode));

	CHECK(inode && s->n_inodes < countof(s->inodes));
	inode->fd = memfd_create("sim", MFD_CLOEXEC);
	CHECK(inode->fd >= 0);
	s->inodes[s->n_inodes++] = inode;
	return inode;
}

static void drop_ops(struct sim_inode *inode)
{
	for (size_t i = 0; i < inode->n_ops; i++)
		free(inode->ops[i].data);
	free(inode->ops);
	inode->ops = NULL;
	inode->n_ops = 0;
}

static void inode_free(struct sim_inode *inode)
{
	close(inode->fd);
	drop_ops(inode);
	free(inode->durable);
	free(inode);
}

static struct sim_inode *inode_of(struct simdisk *s, int fd)
{
	struct stat a, b;

	CHECK(fstat(fd, &a) == 0);
	for (size_t i = 0; i < s->n_inodes; i++) {
		CHECK(fstat(s->inodes[i]->fd, &b) == 0);
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return s->inodes[i];
	}
	CHECK(!"a descriptor of this disk");
	return NULL;
}

/* Called first by each call: an error to return, or 0. */
static int gate(struct simdisk *s)
{
	s->calls++;
	if (s->dead)
		return -EIO;
	if (s->fail_at && --s->fail_at == 0)
		return s->fail_error;
	return 0;
}

/* Called by each change: may it still happen? At the stop itself, by chance. */
static bool alive(struct simdisk *s)
{
	s->changes++;
	if (s->stop_at && --s->stop_at == 0) {
		s->dead = true;
		return sim_random(&s->random) & 1;
	}
	return true;
}

static int result(struct simdisk *s, int value)
{
	return s->dead ? -EIO : value;
}

static int sim_open(struct disk *d, int dirfd, const char *name, int flags, mode_t mode)
{
	struct simdisk *s = sim(d);
	int r = gate(s);
	struct sim_inode **at = dir_find(&s->now, name), *inode = at ? *at : NULL;
	char path[64];

	if (r < 0)
		return r;
	if (inode && (flags & O_EXCL))
		return -EEXIST;
	if (!inode) {
		if (!(flags & O_CREAT))
			return -ENOENT;
		if (alive(s)) {
			inode = inode_new(s);
			change_dir(s, "", name, inode);
		}
		if (s->dead)
			return -EIO;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", inode->fd);
	int fd = open(path, (flags & (O_ACCMODE | O_TRUNC)) | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void sim_close(struct disk *d, int fd)
{
	close(fd);
}

static ssize_t sim_pread(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	int r = gate(sim(d));

	return r < 0 ? r : pread(fd, data, len, off);
}

static void add_op(struct sim_inode *inode, struct sim_op op)
{
	inode->ops = realloc(inode->ops, (inode->n_ops + 1) * sizeof(op));
	CHECK(inode->ops);
	inode->ops[inode->n_ops++] = op;
}

static ssize_t sim_pwrite(struct disk *d, int fd, const void *data, size_t len, off_t off)
{
	struct simdisk *s = sim(d);
	struct sim_inode *inode = inode_of(s, fd);
	struct stat st;
	int r = gate(s);

	if (r < 0)
		return r;
	if (inode->direct && s->not_direct)
		return -EINVAL;
	/* What is left of a write that was cut short goes on from its middle. */
	if (inode->direct)
		CHECK(((uintptr_t)data | len | (size_t)off) % 512 == 0);
	if (r > 0 && len > 1)
		len /= 2;
	CHECK(fstat(fd, &st) == 0);
	uint64_t grow = off + (off_t)len > st.st_size ? (uint64_t)(off + (off_t)len - st.st_size) : 0;
	if (grow > s->room) {
		if (grow - s->room >= len)
			return -ENOSPC;
		len -= (size_t)(grow - s->room);
		grow = s->room;
	}
	if (alive(s)) {
		s->room -= grow;
		char *copy = malloc(len);
		CHECK(copy && pwrite(fd, data, len, off) == (ssize_t)len);
		memcpy(copy, data, len);
		add_op(inode, (struct sim_op){.off = off, .data = copy, .len = len});
	}
	return s->dead ? -EIO : (ssize_t)len;
}

static int sim_direct(struct disk *d, int fd, bool direct)
{
	struct simdisk *s = sim(d);
	int r = gate(s);

	if (r < 0)
		return r;
	inode_of(s, fd)->direct = direct;
	return 0;
}

static int sim_truncate(struct disk *d, int fd, off_t size)
{
	struct simdisk *s = sim(d);
	int r = gate(s);

	if (r)
		return r < 0 ? r : 0;
	if (alive(s)) {
		struct stat st;
		CHECK(fstat(fd, &st) == 0 && ftruncate(fd, size) == 0);
		/* What is cut off is room for others. */
		if (st.st_size > size)
			s->room += min((uint64_t)(st.st_size - size), UINT64_MAX - s->room);
		add_op(inode_of(s, fd), (struct sim_op){.truncate = true, .off = size});
	}
	return result(s, 0);
}

static void make_durable(struct sim_inode *inode)
{
	struct stat st;

	CHECK(fstat(inode->fd, &st) == 0);
	drop_ops(inode);
	inode->durable_len = (size_t)st.st_size;
	inode->durable = realloc(inode->durable, inode->durable_len + 1);
	CHECK(inode->durable && pread(inode->fd, inode->durable, inode->durable_len, 0) == st.st_size);
}

static int sim_sync(struct disk *d, int fd)
{
	struct simdisk *s = sim(d);
	int r = gate(s);

	if (r)
		return r < 0 ? r : 0;
	if (alive(s))
		make_durable(inode_of(s, fd));
	return result(s, 0);
}

/* It may do so at any time. */
static void sim_start(struct disk *d, int fd, off_t off, size_t len)
{
}

static int sim_sync_dir(struct disk *d, int dirfd)
{
	struct simdisk *s = sim(d);
	int r = gate(s);

	if (r)
		return r < 0 ? r : 0;
	if (alive(s)) {
		s->durable = s->now;
		s->n_dir_ops = 0;
	}
	return result(s, 0);
}

static int sim_rename(struct disk *d, int dirfd, const char *from, const char *to)
{
	struct simdisk *s = sim(d);
	struct sim_inode **at = dir_find(&s->now, from);
	int r = gate(s);

	if (r < 0 || !at)
		return r < 0 ? r : -ENOENT;
	if (alive(s))
		change_dir(s, from, to, *at);
	return result(s, 0);
}

static int sim_unlink(struct disk *d, int dirfd, const char *name)
{
	struct simdisk *s = sim(d);
	struct sim_inode **at = dir_find(&s->now, name);
	int r = gate(s);

	if (r < 0 || !at)
		return r < 0 ? r : -ENOENT;
	if (alive(s))
		change_dir(s, name, "", *at);
	return result(s, 0);
}

static int sim_mkdir(struct disk *d, int dirfd, const char *name, mode_t mode)
{
	int r = gate(sim(d));

	return r < 0 ? r : 0;
}

static int sim_lock(struct disk *d, int fd)
{
	int r = gate(sim(d));

	return r < 0 ? r : disk_posix.lock(&disk_posix, fd);
}

static int sim_is_locked(struct disk *d, int fd)
{
	int r = gate(sim(d));

	return r < 0 ? r : disk_posix.is_locked(&disk_posix, fd);
}

static off_t sim_size(struct disk *d, int fd)
{
	int r = gate(sim(d));

	return r < 0 ? r : disk_posix.size(&disk_posix, fd);
}

static int stat_of(struct disk *d, const char *name, struct stat *ret)
{
	struct simdisk *s = sim(d);
	struct sim_inode **at = dir_find(&s->now, name);
	int r = gate(s);

	if (r < 0 || !at)
		return r < 0 ? r : -ENOENT;
	CHECK(fstat((*at)->fd, ret) == 0);
	return 0;
}

static int sim_look(struct disk *d, int dirfd, const char *name, struct disk_file *ret)
{
	struct stat st;
	int r = stat_of(d, name, &st);

	if (r == 0)
		*ret = (struct disk_file){
		    .device = st.st_dev,
		    .inode = st.st_ino,
		    .size = (uint64_t)st.st_size,
		};
	return r;
}

static int sim_changed(struct disk *d, int dirfd, const char *name, uint64_t *ret)
{
	struct stat st;
	int r = stat_of(d, name, &st);

	if (r == 0)
		*ret = clock_to_ns(st.st_mtim);
	return r;
}

void simdisk_init(struct simdisk *s)
{
	*s = (struct simdisk){
	    .disk = {.name = "simulated",
		     .open = sim_open,
		     .close = sim_close,
		     .pread = sim_pread,
		     .pwrite = sim_pwrite,
		     .truncate = sim_truncate,
		     .direct = sim_direct,
		     .sync = sim_sync,
		     .start = sim_start,
		     .sync_dir = sim_sync_dir,
		     .rename = sim_rename,
		     .unlink = sim_unlink,
		     .mkdir = sim_mkdir,
		     .lock = sim_lock,
		     .is_locked = sim_is_locked,
		     .size = sim_size,
		     .look = sim_look,
		     .changed = sim_changed},
	    .room = UINT64_MAX,
	};
}

void simdisk_deinit(struct simdisk *s)
{
	for (size_t i = 0; i < s->n_inodes; i++)
		inode_free(s->inodes[i]);
	s->n_inodes = 0;
}

/* What of an operation reaches the disk. */
enum fate { KEPT, DROPPED, GARBLED };

static enum fate fate(struct simdisk *s, uint64_t mode)
{
	if (mode <= 1)
		return mode == 0 ? KEPT : DROPPED;
	uint64_t dice = sim_random(&s->random) % 4;
	return dice < 2 ? KEPT : dice == 2 ? DROPPED : GARBLED;
}

static void settle_op(struct simdisk *s, int fd, struct sim_op *op, enum fate f)
{
	if (f == DROPPED)
		return;
	if (op->truncate) {
		CHECK(ftruncate(fd, op->off) == 0);
		return;
	}
	size_t from = 0, to = op->len;
	if (f == GARBLED) {
		uint64_t a = sim_random(&s->random) % (op->len + 1),
			 b = sim_random(&s->random) % (op->len + 1);
		from = (size_t)min(a, b);
		to = (size_t)max(a, b);
		if (sim_random(&s->random) & 1) { /* garbage in the middle instead of only the middle */
			for (size_t i = from; i < to; i++)
				op->data[i] = (char)sim_random(&s->random);
			from = 0;
			to = op->len;
		}
	}
	CHECK(pwrite(fd, op->data + from, to - from, op->off + (off_t)from) == (ssize_t)(to - from));
}

static void settle_inode(struct simdisk *s, struct sim_inode *inode, uint64_t mode)
{
	/* A new file, since descriptors and locks of the old one may still be about. */
	int fd = memfd_create("sim", MFD_CLOEXEC);

	CHECK(fd >= 0);
	if (inode->durable_len)
		CHECK(pwrite(fd, inode->durable, inode->durable_len, 0) == (ssize_t)inode->durable_len);
	for (size_t i = 0; i < inode->n_ops; i++)
		settle_op(s, fd, &inode->ops[i], fate(s, mode));
	close(inode->fd);
	inode->fd = fd;
	make_durable(inode);
}

void simdisk_reboot(struct simdisk *s, uint64_t seed)
{
	uint64_t mode = seed % 4;
	size_t kept = 0;

	s->random = seed;
	for (size_t i = 0; i < s->n_dir_ops; i++)
		if (fate(s, mode) == KEPT)
			dir_apply(&s->durable, &s->dir_ops[i]);
	s->n_dir_ops = 0;
	s->now = s->durable;
	for (size_t i = 0; i < s->n_inodes; i++) {
		struct sim_inode *inode = s->inodes[i];
		bool named = false;
		for (size_t j = 0; j < SIM_NAMES; j++)
			named |= s->now.entry[j].inode == inode;
		if (!named) {
			inode_free(inode);
			continue;
		}
		settle_inode(s, inode, mode);
		s->inodes[kept++] = inode;
	}
	s->n_inodes = kept;
	simdisk_restart(s);
}

void simdisk_restart(struct simdisk *s)
{
	s->dead = false;
	s->stop_at = s->fail_at = 0;
}

bool simdisk_content(struct simdisk *s, const char *name, char **ret, size_t *ret_len)
{
	struct sim_inode **at = dir_find(&s->now, name);
	struct stat st;

	if (!at)
		return false;
	CHECK(fstat((*at)->fd, &st) == 0);
	*ret_len = (size_t)st.st_size;
	*ret = malloc(*ret_len + 1);
	CHECK(*ret && pread((*at)->fd, *ret, *ret_len, 0) == st.st_size);
	return true;
}

void simdisk_put(struct simdisk *s, const char *name, const void *data, size_t len)
{
	struct sim_inode **at = dir_find(&s->now, name), *inode = at ? *at : inode_new(s);

	CHECK(ftruncate(inode->fd, 0) == 0 && pwrite(inode->fd, data, len, 0) == (ssize_t)len);
	make_durable(inode);
	dir_set(&s->now, name, inode);
	dir_set(&s->durable, name, inode);
}

void simdisk_remove(struct simdisk *s, const char *name)
{
	dir_set(&s->now, name, NULL);
	dir_set(&s->durable, name, NULL);
}
