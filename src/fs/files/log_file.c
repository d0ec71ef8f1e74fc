#include <errno.h>

#include "base/clock.h"
#include "fs/files/log_read.h"
#include "fs/log/append.h"
#include "fs/node/classes.h"
#include "fs/node/held.h"
#include "fs/reply.h"

static uint64_t size_now(struct mount *m, struct node *node)
{
	return eventlog_head(m->log).off;
}

static void log_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	struct timespec changed = mtime_log(m);

	reply_attr(req, m, node, eventlog_head(m->log).off, &changed);
}

/* The kernel lets one write at a time into a node: who would meet another writer there gets one of his own,
 * so that both share a sync. And while it truncates it believes no size that it is told: who may go on to
 * do that opens a node that nobody reads. `*ret_node`: which one; NULL: a new one. */
static bool must_open_elsewhere(const struct file *f, struct node **ret_node)
{
	struct mount *m = f->mount;

	*ret_node = NULL;
	if (f->log.once && !f->node->main)
		return f->met;
	if (f->node->kind != NODE_EVENTS_APP || f->node->main || f->notice)
		return false;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return f->crowded;
	if (f->flags & O_APPEND)
		return f->met;
	if (!file_others_write(m, m->writers, f->pid))
		*ret_node = m->writers;
	return true;
}

static bool ask_again(const struct file *f)
{
	struct mount *m = f->mount;
	struct node *node;

	return must_open_elsewhere(f, &node) && held_may_ask_again(f) &&
	       reservations_make(&m->reservations, f->node, node, f->pid, clock_us());
}

/* Of events/app@…: on what conditions it appends. False: its name says none. */
static bool note_conditions(struct file *f)
{
	struct node_conditions conditions;

	if (f->node->kind != NODE_EVENTS_APP_AT)
		return true;
	if (!node_parse_conditions(f->node->name, &conditions))
		return false;
	f->log.conditional = conditions.at_head;
	f->log.expect = conditions.head;
	f->log.once = conditions.once;
	return true;
}

/* An open that waits for the index of ids. */
struct opening {
	struct ids_wait wait;
	struct file *file;
	fuse_req_t req;
	struct fuse_file_info fi;
};

static bool is_given_up(const struct ids_wait *wait)
{
	return fuse_req_interrupted(container_of(wait, struct opening, wait)->req);
}

static void opened(struct ids_wait *wait, int error)
{
	struct opening *o = container_of(wait, struct opening, wait);

	if (error == 0) {
		reply_open(o->req, &o->fi, o->file);
	} else {
		file_unref(o->file);
		reply_error(o->req, error);
	}
	free(o);
}

/* Who appends through it is not held up by what the index has to catch up with. */
static void open_once(fuse_req_t req, struct file *f, const struct fuse_file_info *fi)
{
	struct opening *o = malloc(sizeof(*o));

	if (!o) {
		file_unref(f);
		return reply_error(req, -ENOMEM);
	}
	*o = (struct opening){
	    .wait = {.given_up = is_given_up, .done = opened}, .file = f, .req = req, .fi = *fi};
	ids_want(f->mount->ids, &o->wait);
}

static void log_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f = file_new(m, node, req, fi);

	if (!f)
		return reply_error(req, -ENOMEM);
	if (!note_conditions(f)) {
		file_unref(f);
		return reply_error(req, -ENOENT);
	}
	if (ask_again(f)) {
		file_unref(f);
		return reply_error(req, -ESTALE);
	}
	if (node->kind == NODE_EVENTS_APP && !f->notice)
		joiners_note(&m->joiners, f->pid, f->just_opened && f->beside, clock_us());
	if (f->log.once && (f->flags & O_ACCMODE) != O_RDONLY)
		return open_once(req, f, fi);
	reply_open(req, fi, f);
}

static void truncated(struct file *f)
{
	if (!(f->flags & O_APPEND) && f->node->kind == NODE_EVENTS_APP)
		guard_watch(&f->log.writer.guard, &f->mount->beginning);
}

static void read_log(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	log_read(req, f, off, size, LOG_READ_ALL, fi);
}

/* Only what is beyond the head as it is now. */
static bool is_beyond_head(const struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	return (uint64_t)off + size > eventlog_head(f->mount->log).off;
}

#define LOG_FILE                                                                                             \
	.mode = S_IFREG | 0644, .attr_tells_head = true, .getattr = log_getattr, .size_hint = size_now,      \
	.open = log_open, .read = read_log, .read_tells_head = is_beyond_head, .write = append_write,        \
	.flush = append_flush, .fsync = append_fsync, .release = append_release, .truncated = truncated,     \
	.refuse_cut = append_refuse_cut, .topic = TOPIC_LOG, .differs = seen_other_place, .reads_on = true

const struct node_class log_file = {LOG_FILE};
/* events/app@… */
const struct node_class conditional_log_file = {LOG_FILE};
