#include "fs/reply.h"

#include <assert.h>
#include <errno.h>

#include "fs/node/node_class.h"

uint64_t reply_size_hint(struct mount *m, struct node *node)
{
	return class_of(node)->size_hint ? class_of(node)->size_hint(m, node) : 0;
}

void reply_error(fuse_req_t req, int error)
{
	assert(error <= 0);
	/* Whoever waits when the mount ends is told the same, whatever he waits for. */
	fuse_reply_err(req, error == -ESHUTDOWN ? ENOTCONN : -error);
}

static struct stat stat_of(struct mount *m, struct node *node, uint64_t size, const struct timespec *told)
{
	struct node *main = node->main ? node->main : node;

	pthread_mutex_lock(&m->lock);
	if (told)
		main->changed = *told;
	struct timespec changed = main->changed;
	pthread_mutex_unlock(&m->lock);
	return (struct stat){
	    .st_ino = main->ino,
	    .st_mode = access_mode(m, node->kind),
	    .st_nlink = S_ISDIR(node_mode(node->kind)) ? 2 : 1,
	    .st_uid = m->uid,
	    .st_gid = m->gid,
	    .st_size = (off_t)size,
	    .st_blksize = LIMIT_WRITE,
	    .st_blocks = (blkcnt_t)((size + 511) / 512),
	    .st_atim = changed,
	    .st_mtim = changed,
	    .st_ctim = changed,
	};
}

void reply_attr(fuse_req_t req, struct mount *m, struct node *node, uint64_t size,
		const struct timespec *changed)
{
	struct stat st = stat_of(m, node, size, changed);

	fuse_reply_attr(req, &st, 0);
}

void reply_entry(fuse_req_t req, struct mount *m, struct node *node, uint64_t size)
{
	struct fuse_entry_param e = {
	    .ino = node->ino,
	    .attr = stat_of(m, node, size, NULL),
	    .attr_timeout = 0,
	    /* An open of a file begins with a look-up, for its size. */
	    .entry_timeout =
		S_ISREG(node_mode(node->kind)) || node->kind >= NODE_FIXED_END ? 0 : REPLY_FOREVER,
	};

	fuse_reply_entry(req, &e);
}

void reply_open(fuse_req_t req, struct fuse_file_info *fi, struct file *f)
{
	fi->fh = (uintptr_t)f;
	fi->direct_io = !S_ISDIR(node_mode(f->node->kind));
	/* What can't be written to has nothing to do at a close: no line without its end, and no locks that
	 * keep anybody out. */
	fi->noflush = !class_of(f->node)->write || f->notice;
	if (fuse_reply_open(req, fi) == -ENOENT)
		file_unref(f);
}

void reply_part(fuse_req_t req, struct slice text, off_t off, size_t size)
{
	struct slice rest = slice_skip(text, min((size_t)off, text.len));

	fuse_reply_buf(req, rest.data, min(size, rest.len));
}

void reply_data(fuse_req_t req, struct slice data)
{
	fuse_reply_buf(req, data.data, data.len);
}

void reply_written(fuse_req_t req, size_t n)
{
	fuse_reply_write(req, n);
}
