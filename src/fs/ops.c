/* The operations as the kernel asks for them: decoded here, then the node's class is called. What would
 * change history is refused with EPERM, all in one place. */
#include <errno.h>
#include <limits.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "fs/files/dir.h"
#include "fs/node/held.h"
#include "fs/node/node_class.h"
#include "fs/reply.h"

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* The kernel names only nodes that it was told of. */
static struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
	return nodes_find(&mount_of(req)->nodes, ino);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;

	conn->max_write = LIMIT_WRITE;
	/* With it the kernel would take an open with O_TRUNC for done, and cut what others have mapped.
	 * Without, it asks: op_setattr(). */
	conn->want &= ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC;
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ |
				  FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	if (m->options.ready)
		m->options.ready(m->options.arg);
}

static void run_lookup(const struct deferred_call *c)
{
	struct node *dir = node_of(c->req, c->ino);
	struct mount *m = mount_of(c->req);

	if (!dir)
		return reply_error(c->req, -ESTALE);
	if (!dir_waits_for_views(m, c, dir))
		dir_lookup(m, c->req, dir, c->name);
}

/* Does it wait for what is known of the node's view? */
static bool waits_for_view(const struct deferred_call *c, const struct node *node)
{
	const char *view = class_of(node)->view ? class_of(node)->view(node) : NULL;

	return view && deferred_until_known(mount_of(c->req), c, view);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_of(req, parent);
	struct deferred_call call = {.req = req, .ino = parent, .name = name, .run = run_lookup};

	if (!dir)
		return reply_error(req, -ESTALE);
	/* Whether there is an at/N depends on the head. */
	if (!class_of(dir)->lookup_tells_head || !deferred_until_committed(mount_of(req), &call))
		run_lookup(&call);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	nodes_forget(&mount_of(req)->nodes, ino, lookups);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		nodes_forget(&mount_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void run_getattr(const struct deferred_call *c)
{
	struct mount *m = mount_of(c->req);
	struct node *node = node_of(c->req, c->ino);
	fuse_req_t req = c->req;

	if (!node)
		return reply_error(req, -ESTALE);
	if (waits_for_view(c, node))
		return;
	if (class_of(node)->getattr)
		class_of(node)->getattr(m, req, node);
	else
		reply_attr(req, m, node, 0, NULL);
}

/* Who has a text open wants to know how long that is: fstat(2) names no file, and is known by its thread;
 * lseek(2) to the end does. */
static bool answer_held(fuse_req_t req, struct node *node, const struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct text *text = fi ? held_in(file_of(fi)) : held_by(m, node, fuse_req_ctx(req)->pid);

	if (!text)
		return false;
	reply_attr(req, m, node, held_own_size(m, node, text->body.len), &text->changed);
	text_unref(text);
	return true;
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);
	struct deferred_call call = {.req = req, .ino = ino, .run = run_getattr};

	if (!node)
		return reply_error(req, -ESTALE);
	if (!fi)
		held_told(mount_of(req), node, fuse_req_ctx(req)->pid);
	if (answer_held(req, node, fi))
		return;
	if (!class_of(node)->attr_tells_head || !deferred_until_committed(mount_of(req), &call))
		run_getattr(&call);
}

static void refuse_setattr(fuse_req_t req, const struct node *node, int to_set,
			   const struct fuse_file_info *fi)
{
	if (to_set & FUSE_SET_ATTR_SIZE && fi && node && class_of(node)->refuse_cut)
		class_of(node)->refuse_cut(req, file_of(fi));
	else
		reply_error(req, -EPERM);
}

/* An open with O_TRUNC comes in two steps: the open, and on the same thread, before anybody can have done
 * anything with the new file, a cut to 0 that names no file. truncate(2) looks the name up first. */
static bool is_truncating_open(fuse_req_t req, struct node *node, const struct stat *attr, int to_set,
			       const struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	pid_t tid = fuse_req_ctx(req)->pid;

	if (fi || !node || !(to_set & FUSE_SET_ATTR_SIZE) || attr->st_size != 0 ||
	    to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		return false;
	bool looked_up = looked_up_is(&m->looked_up, tid, node->ino);
	if (tid != 0 && looked_up)
		return false;
	/* In another namespace of processes all threads have the id 0: the look-up may be another's than
	 * the open. But files that are open for long with nothing written are open to append, and hardly
	 * anybody opens one for that and truncates it. */
	struct file *f = file_just_opened(m, node, tid, looked_up ? O_APPEND : 0);
	if (!f)
		return false;
	f->just_opened = false;
	if (class_of(node)->truncated)
		class_of(node)->truncated(f);
	return true;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);

	/* What is told is the size as it was: so the kernel cuts nothing. */
	if (is_truncating_open(req, node, attr, to_set, fi))
		return op_getattr(req, ino, NULL);
	/* Times may be set, to no effect (touch, cp -p, and the daemon's own notices). */
	if (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE) ||
	    !access_is_owner(req))
		return refuse_setattr(req, node, to_set, fi);
	/* A notice waits for no rendering: the kernel asks again before it tells anybody the size. */
	if (node && notice_is_its(mount_of(req), fuse_req_ctx(req)->pid))
		return reply_attr(req, mount_of(req), node, reply_size_hint(mount_of(req), node), NULL);
	op_getattr(req, ino, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct node *node = node_of(req, ino);

	if (!node || !class_of(node)->target)
		return reply_error(req, node ? -EINVAL : -ESTALE);
	fuse_reply_readlink(req, class_of(node)->target(mount_of(req), node));
}

/* What open(2) with these flags is for, as of access(2). */
static int mask_of(int flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return R_OK;
	case O_WRONLY:
		return W_OK;
	default:
		return R_OK | W_OK;
	}
}

static void run_open(const struct deferred_call *c)
{
	struct mount *m = mount_of(c->req);
	struct node *node = node_of(c->req, c->ino);
	struct fuse_file_info fi_now = c->fi, *fi = &fi_now;
	fuse_req_t req = c->req;

	if (!node)
		return reply_error(req, -ESTALE);
	if (!notice_is_its(m, fuse_req_ctx(req)->pid) && waits_for_view(c, node))
		return;
	class_of(node)->open(m, req, node, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *node = node_of(req, ino);
	struct deferred_call call = {.req = req, .ino = ino, .fi = *fi, .run = run_open};

	if (!node)
		return reply_error(req, -ESTALE);
	/* Whether a file is written to at all is its own affair. */
	if (!access_is_owner(req) && !access_may(req, node, mask_of(fi->flags)))
		return reply_error(req, -EACCES);
	bool waits = class_of(node)->open_tells_head && !notice_is_its(m, fuse_req_ctx(req)->pid);
	if (!waits || !deferred_until_committed(m, &call))
		run_open(&call);
}

static void run_read(const struct deferred_call *c)
{
	struct file *f = file_of(&c->fi);

	if (c->off == 0 && f->started && waits_for_view(c, f->node))
		return;
	class_of(f->node)->read(c->req, f, c->off, c->size, &c->fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct file *f = file_of(fi);
	const struct node_class *class = class_of(f->node);
	struct deferred_call call = {.req = req, .fi = *fi, .size = size, .off = off, .run = run_read};
	bool waits = class->read_tells_head && class->read_tells_head(f, off, size, fi);

	if (!waits || !deferred_until_committed(f->mount, &call))
		run_read(&call);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct file *f = file_of(fi);
	struct slice slice = {data, size};

	f->just_opened = false;
	/* The offset is what the kernel believes: appending is all there is. */
	if (class_of(f->node)->write)
		class_of(f->node)->write(req, f, slice, fi);
	else
		reply_error(req, -EBADF);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	follower_poll(req, file_of(fi), ph);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct node *node = node_of(req, ino);

	if (!node)
		return reply_error(req, -ESTALE);
	reply_error(req, access_may(req, node, mask) ? 0 : -EACCES);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct file *f = file_of(fi);

	f->just_opened = false;
	if (class_of(f->node)->flush)
		class_of(f->node)->flush(req, f, fi->lock_owner);
	else {
		posix_locks_close(f, fi->lock_owner);
		reply_error(req, 0);
	}
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct file *f = file_of(fi);

	if (class_of(f->node)->fsync)
		class_of(f->node)->fsync(req, f);
	else
		reply_error(req, 0);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct file *f = file_of(fi);

	file_closed(f);
	flock_release(f);
	posix_locks_release(f);
	if (class_of(f->node)->release)
		return class_of(f->node)->release(req, f);
	file_unref(f);
	reply_error(req, 0);
}

static void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	flock_request(req, file_of(fi), op);
}

static void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
	posix_lock_test(req, file_of(fi), fi->lock_owner, lock);
}

static void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep)
{
	posix_lock_set(req, file_of(fi), fi->lock_owner, lock, sleep);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);

	if (!node)
		return reply_error(req, -ESTALE);
	if (!access_may(req, node, R_OK))
		return reply_error(req, -EACCES);
	dir_open(mount_of(req), req, node, fi);
}

static void run_readdir(const struct deferred_call *c)
{
	struct file *f = file_of(&c->fi);
	const struct node_class *class = class_of(f->node);

	if (!class->has_views || class->unlisted || c->off > 0 || !deferred_until_known(f->mount, c, NULL))
		dir_read(c->req, f, c->off, c->size);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	run_readdir(&(struct deferred_call){
	    .req = req, .ino = ino, .fi = *fi, .size = size, .off = off, .run = run_readdir});
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	file_unref(file_of(fi));
	reply_error(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	if (fstatvfs(mount_of(req)->data_fd, &st) < 0)
		return reply_error(req, -errno);
	st.f_namemax = NAME_MAX; /* of ids/ID */
	fuse_reply_statfs(req, &st);
}

/* History is not changed, and nothing is created beside it. */

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	dir_make(mount_of(req), req, node_of(req, parent), name);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	reply_error(req, -EPERM);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct node *dir = node_of(req, parent);
	/* Such a file is always there, unless its name is none. */
	bool conditional = dir && dir->kind == NODE_EVENTS && strncmp(name, "app@", strlen("app@")) == 0;

	reply_error(req, conditional ? -ENOENT : -EPERM);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	reply_error(req, -EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	dir_remove(mount_of(req), req, node_of(req, parent), name);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_error(req, -EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	reply_error(req, -EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	reply_error(req, -EPERM);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
			int flags)
{
	reply_error(req, -EPERM);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	reply_error(req, -EPERM);
}

const struct fuse_lowlevel_ops mount_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
    .flock = op_flock,
    .getlk = op_getlk,
    .setlk = op_setlk,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .releasedir = op_releasedir,
    .statfs = op_statfs,
    .poll = op_poll,
    .access = op_access,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .create = op_create,
    .symlink = op_symlink,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .rename = op_rename,
    .link = op_link,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
};
