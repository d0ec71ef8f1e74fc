#include <errno.h>

#include "base/clock.h"
#include "fs/held.h"
#include "fs/node_ops.h"
#include "fs/reply.h"

void log_file_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	if (!node->main)
		log_file_used(m, fuse_req_ctx(req)->pid);
	struct timespec changed = mtime_log(m);

	reply_attr(req, m, node, eventlog_head(m->log).off, &changed);
}

/* Of sizes that the kernel is told for one node at the same time it may believe the shorter one; while it truncates it believes none. Whoever
 * then goes by the size (sendfile, mappings) reads less than he was told. So whoever may go on to truncate does that to a
 * node that nobody reads (those who append don't); and who reads while others use the log does so on a node that nobody else asks
 * for. */
#define LATELY_US 1000000

static bool is_used_by_others(struct mount *m)
{
	return m->log_use.others && clock_us() - m->log_use.others < LATELY_US;
}

static bool must_open_elsewhere(const struct file *f)
{
	struct mount *m = f->mount;
	bool reads = (f->flags & O_ACCMODE) == O_RDONLY;

	if (f->node->kind != NODE_EVENTS_APP || f->node->main || f->notice)
		return false;
	if (reads ? !is_used_by_others(m) : f->flags & O_APPEND)
		return false;
	return held_may_ask_again(f) &&
	       reservations_make(&m->reservations, f->node, reads ? NULL : m->writers, f->pid, clock_us());
}

void log_file_used(struct mount *m, pid_t tid)
{
	if (tid == m->log_use.last || notice_is_its(m, tid))
		return;
	m->log_use = (struct log_use){.last = tid, .others = m->log_use.last ? clock_us() : 0};
}

void log_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f = file_new(m, node, req, fi);

	if (!f)
		return reply_error(req, -ENOMEM);
	if (must_open_elsewhere(f)) {
		file_unref(f);
		return reply_error(req, -ESTALE);
	}
	if (node->kind == NODE_EVENTS_APP_AT && !node_parse_head(node->name, &f->expect)) {
		file_unref(f);
		return reply_error(req, -ENOENT);
	}
	reply_open(req, fi, f);
}

void log_file_truncated(struct file *f)
{
	if (!(f->flags & O_APPEND) && f->node->kind == NODE_EVENTS_APP)
		guard_watch(&f->writer.guard, &f->mount->beginning);
}

/* Reading */

struct log_read {
	struct history_read read;
	struct file *file; /* the kernel keeps it open until the answer */
	fuse_req_t req;
	bool fill; /* see file_is_fill() */
};

static void read_done(struct history_read *read, int error, struct slice data)
{
	struct log_read *r = container_of(read, struct log_read, read);

	if (error < 0) {
		reply_error(r->req, error);
	} else {
		if (!r->fill)
			follower_note_read(r->file, read->off, data.len, read->off + data.len);
		reply_data(r->req, data);
	}
	free(r);
}

void log_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, bool fill)
{
	struct mount *m = f->mount;
	uint64_t head = eventlog_head(m->log).off;
	struct log_read *r;

	if ((uint64_t)off >= head) {
		if (!fill)
			follower_note_read(f, (uint64_t)off, 0, head);
		return reply_data(req, (struct slice){0});
	}
	r = malloc(sizeof(*r));
	if (!r)
		return reply_error(req, -ENOMEM);
	*r = (struct log_read){
	    .read = {.off = (uint64_t)off, .size = size, .done = read_done},
	    .file = f,
	    .req = req,
	    .fill = fill,
	};
	history_queue(m->history, &r->read);
}
