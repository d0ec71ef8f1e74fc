#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "fs/node_ops.h"
#include "fs/reply.h"

struct entry {
	enum node_kind dir;
	const char *name;
	enum node_kind kind;
};

/* What is always there. */
static const struct entry fixed_entries[] = {
    {NODE_ROOT, "events", NODE_EVENTS},
    {NODE_ROOT, "head", NODE_HEAD},
    {NODE_ROOT, "views", NODE_VIEWS},
    {NODE_ROOT, "reducers", NODE_REDUCERS},
    {NODE_ROOT, "status.json", NODE_STATUS},
    {NODE_ROOT, "rejected.jsonl", NODE_REJECTED},
    {NODE_ROOT, "ctl", NODE_CTL},
    {NODE_ROOT, "tail", NODE_TAIL},
    {NODE_ROOT, "at", NODE_AT},
    {NODE_EVENTS, "app", NODE_EVENTS_APP},
    {NODE_HEAD, "app", NODE_HEAD_APP},
    /* Not listed, so that nothing which walks the mount hangs on it. */
    {NODE_TAIL, "app", NODE_TAIL_APP},
};

static void reply_node(struct mount *m, fuse_req_t req, enum node_kind kind, struct slice name)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct node *node = nodes_get(&m->nodes, kind, name), *reserved;

	if (!node)
		return reply_error(req, -ENOMEM);
	reserved = reservations_look(&m->reservations, node, tid, clock_us());
	if (reserved) {
		nodes_forget(&m->nodes, node->ino, 1);
		node = reserved;
	}
	if (kind == NODE_EVENTS_APP && !node->main)
		log_file_used(m, tid);
	uint64_t size = reply_size_hint(m, node);
	looked_up_note(&m->looked_up, tid, node->ino, size);
	reply_entry(req, m, node, size);
}

/* `view`: of it; `name`: of the node, if it is not named like the view. */
static void lookup_view(struct mount *m, fuse_req_t req, enum node_kind kind, struct slice view,
			struct slice name)
{
	char view_name[LIMIT_NAME + 1] = {0};
	struct view_status status;

	memcpy(view_name, view.data, view.len);
	int r = views_status(m->views, view_name, &status);
	if (r == 0 && kind == NODE_VIEW_ERROR && !status.why.text[0])
		r = -ENOENT;
	if (r < 0)
		return reply_error(req, r);
	reply_node(m, req, kind, name);
}

/* at/N and what is below: there as long as the log has so many events. */
static void lookup_at(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	const char *number = dir->kind == NODE_AT ? name : dir->name, *rest;
	char full[NODE_NAME + 1];
	struct slice view;
	uint64_t seq;

	if (!node_parse_at(number, &seq, &rest) || rest || seq > eventlog_head(m->log).seq)
		return reply_error(req, -ENOENT);
	if (dir->kind == NODE_AT)
		return reply_node(m, req, NODE_AT_N, slice_of(name));
	if (strcmp(name, "app") == 0)
		return reply_node(m, req, NODE_AT_APP, slice_of(number));
	if (node_parse_view(name, &view) != NODE_VIEW_JSON)
		return reply_error(req, -ENOENT);
	int len = snprintf(full, sizeof(full), "%s/%.*s", number, (int)view.len, view.data);
	lookup_view(m, req, NODE_AT_VIEW, view, (struct slice){full, (size_t)len});
}

/* The kind of a name that is not fixed, and the part of it that names the node; 0: there is no such file. */
static enum node_kind parse_name(enum node_kind dir, const char *name, struct slice *ret)
{
	enum node_kind kind;
	struct log_pos head;
	uint64_t off;

	*ret = slice_of(name);
	if (ret->len > LIMIT_NAME + sizeof(".snapshot.json"))
		return 0;
	switch (dir) {
	case NODE_VIEWS:
		return node_parse_view(name, ret);
	case NODE_TAIL:
		if (node_parse_offset(name, &off))
			return NODE_TAIL_APP_AT;
		kind = node_parse_view(name, ret);
		return kind == NODE_VIEW_JSON ? NODE_TAIL_VIEW : 0;
	case NODE_EVENTS:
		return node_parse_head(name, &head) ? NODE_EVENTS_APP_AT : 0;
	default:
		return 0;
	}
}

bool dir_waits_for_views(struct mount *m, const struct deferred_call *call, const struct node *dir)
{
	char name[LIMIT_NAME + 1];
	struct slice view;

	/* Who tells of what is known waits for nothing new. */
	if (notice_is_its(m, fuse_req_ctx(call->req)->pid))
		return false;
	if (dir->kind != NODE_VIEWS && dir->kind != NODE_TAIL && dir->kind != NODE_AT_N)
		return false;
	enum node_kind kind = node_parse_view(call->name, &view);
	if (kind != NODE_VIEW_ERROR)
		return kind && deferred_until_known(m, call, NULL);
	snprintf(name, sizeof(name), "%.*s", (int)view.len, view.data);
	return deferred_until_known(m, call, name);
}

/* A file of a view is not there where one is being made, and is where it is removed. */
static bool lookup_raised(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	const struct raiser *r = &m->notice.raiser;
	enum node_kind kind;
	struct slice view;

	if (!notice_is_its(m, fuse_req_ctx(req)->pid))
		return false;
	if (dir->kind == NODE_TAIL && strcmp(name, RAISE_ALIAS) == 0) {
		reply_node(m, req, NODE_EVENTS_APP, (struct slice){0});
		return true;
	}
	if (dir->kind != NODE_VIEWS || r->at == RAISING_CHANGE || !(kind = node_parse_view(name, &view)))
		return false;
	if (r->at == RAISING_CREATE)
		reply_error(req, -ENOENT);
	else
		reply_node(m, req, kind, view);
	return true;
}

void dir_make(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	bool its = notice_is_its(m, fuse_req_ctx(req)->pid) && dir && dir->kind == NODE_VIEWS;
	struct slice view;
	enum node_kind kind = its ? node_parse_view(name, &view) : 0;

	if (!kind)
		return reply_error(req, -EPERM);
	reply_node(m, req, kind, view);
}

void dir_remove(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	bool its = notice_is_its(m, fuse_req_ctx(req)->pid) && dir && dir->kind == NODE_VIEWS;

	reply_error(req, its ? 0 : -EPERM);
}

void dir_lookup(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	struct slice part;

	if (lookup_raised(m, req, dir, name))
		return;

	for (size_t i = 0; i < countof(fixed_entries); i++) {
		const struct entry *e = &fixed_entries[i];
		if (e->dir == dir->kind && strcmp(e->name, name) == 0)
			return reply_node(m, req, e->kind, (struct slice){0});
	}
	if (dir->kind == NODE_AT || dir->kind == NODE_AT_N)
		return lookup_at(m, req, dir, name);
	enum node_kind kind = parse_name(dir->kind, name, &part);
	if (kind == NODE_TAIL_VIEW || node_is_view(kind))
		lookup_view(m, req, kind, part, part);
	else if (kind)
		reply_node(m, req, kind, part);
	else
		reply_error(req, -ENOENT);
}

static int add_entry(struct file *f, fuse_req_t req, const char *name, uint64_t ino, mode_t mode)
{
	struct stat st = {.st_ino = ino, .st_mode = mode};
	size_t size = fuse_add_direntry(req, NULL, 0, name, NULL, 0);

	if (buf_reserve(&f->entries, size) < 0)
		return -ENOMEM;
	fuse_add_direntry(req, f->entries.data + f->entries.len, size, name, &st,
			  (off_t)(f->entries.len + size));
	f->entries.len += size;
	return 0;
}

static int add_view(struct file *f, fuse_req_t req, const struct view_status *status)
{
	int r = 0;

	for (enum node_kind kind = NODE_VIEW_JSON; r == 0 && kind < NODE_VIEW_END; kind++) {
		char name[sizeof(status->name) + 16];
		if (kind == NODE_VIEW_ERROR && !status->why.text[0])
			continue;
		snprintf(name, sizeof(name), "%s%s", status->name, node_suffix(kind));
		r = add_entry(f, req, name, node_ino(kind, slice_of(status->name)), node_mode(kind));
	}
	return r;
}

static int add_views(struct mount *m, struct file *f, fuse_req_t req)
{
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	int r = views_list(m->views, &list, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_view(f, req, &list[i]);
	return r;
}

/* What there is after so many events: the log, and each view there is now. */
static int add_past(struct mount *m, struct file *f, fuse_req_t req)
{
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	int r = views_list(m->views, &list, &n);
	if (r == 0)
		r = add_entry(f, req, "app", node_ino(NODE_AT_APP, slice_of(f->node->name)),
			      node_mode(NODE_AT_APP));
	for (size_t i = 0; r == 0 && i < n; i++) {
		char full[NODE_NAME + 1], name[LIMIT_NAME + 8];
		snprintf(full, sizeof(full), "%.20s/%s", f->node->name, list[i].name);
		snprintf(name, sizeof(name), "%s.json", list[i].name);
		r = add_entry(f, req, name, node_ino(NODE_AT_VIEW, slice_of(full)), node_mode(NODE_AT_VIEW));
	}
	return r;
}

static int add_all(struct mount *m, struct file *f, fuse_req_t req)
{
	int r = add_entry(f, req, ".", f->node->ino, S_IFDIR);

	if (r == 0)
		r = add_entry(f, req, "..", NODE_ROOT, S_IFDIR);
	for (size_t i = 0; r == 0 && i < countof(fixed_entries); i++) {
		const struct entry *e = &fixed_entries[i];
		if (e->dir == f->node->kind && e->dir != NODE_TAIL)
			r = add_entry(f, req, e->name, e->kind, node_mode(e->kind));
	}
	if (r == 0 && f->node->kind == NODE_VIEWS)
		r = add_views(m, f, req);
	if (r == 0 && f->node->kind == NODE_AT_N)
		r = add_past(m, f, req);
	return r;
}

void dir_open(struct mount *m, fuse_req_t req, struct node *dir, struct fuse_file_info *fi)
{
	struct file *f = file_new(m, dir, req, fi);

	if (!f)
		return reply_error(req, -ENOMEM);
	reply_open(req, fi, f);
}

void dir_read(fuse_req_t req, struct file *f, off_t off, size_t size)
{
	/* rewinddir() sees what there is now. */
	if (off == 0) {
		buf_clear(&f->entries);
		int r = add_all(f->mount, f, req);
		if (r < 0)
			return reply_error(req, r);
	}
	reply_part(req, buf_slice(&f->entries), off, size);
}
