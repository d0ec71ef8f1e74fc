#include "fs/files/dir.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "fs/node/held.h"
#include "fs/node/node_class.h"
#include "fs/reply.h"

void dir_found(struct mount *m, fuse_req_t req, enum node_kind kind, struct slice name)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct node *node = nodes_get(&m->nodes, kind, name), *own;

	if (!node)
		return reply_error(req, -ENOMEM);
	own = reservations_look(&m->reservations, node, tid, clock_us());
	if (!own && kind == NODE_EVENTS_APP && node->last_writer != tid &&
	    joiners_has(&m->joiners, tid, clock_us()))
		own = nodes_offer(&m->nodes, node);
	if (own) {
		nodes_forget(&m->nodes, node->ino, 1);
		node = own;
	}
	held_told(m, node, tid);
	uint64_t size = reply_size_hint(m, node);
	looked_up_note(&m->looked_up, tid, node->ino, size);
	reply_entry(req, m, node, size);
}

bool dir_waits_for_views(struct mount *m, const struct deferred_call *call, const struct node *dir)
{
	char name[LIMIT_NAME + 1];
	struct slice view;

	/* Who tells of what is known waits for nothing new. */
	if (notice_is_its(m, fuse_req_ctx(call->req)->pid))
		return false;
	if (!class_of(dir)->has_views)
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
		dir_found(m, req, NODE_EVENTS_APP, (struct slice){0});
		return true;
	}
	if (dir->kind != NODE_VIEWS || r->at == RAISING_CHANGE || !(kind = node_parse_view(name, &view)))
		return false;
	if (r->at == RAISING_CREATE)
		reply_error(req, -ENOENT);
	else
		dir_found(m, req, kind, view);
	return true;
}

void dir_make(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	bool its = notice_is_its(m, fuse_req_ctx(req)->pid) && dir && dir->kind == NODE_VIEWS;
	struct slice view;
	enum node_kind kind = its ? node_parse_view(name, &view) : 0;

	if (!kind)
		return reply_error(req, -EPERM);
	dir_found(m, req, kind, view);
}

void dir_remove(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	bool its = notice_is_its(m, fuse_req_ctx(req)->pid) && dir && dir->kind == NODE_VIEWS;

	reply_error(req, its ? 0 : -EPERM);
}

/* Of the fixed kinds: is it in there? */
static bool has(const struct mount *m, const struct node *dir, enum node_kind kind)
{
	bool (*is_there)(const struct mount *) = kinds[kind].class->is_there;

	return kinds[kind].dir == dir->kind && (!is_there || is_there(m));
}

void dir_lookup(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	const struct node_class *class = class_of(dir);

	if (lookup_raised(m, req, dir, name))
		return;
	for (enum node_kind kind = NODE_ROOT; kind < NODE_FIXED_END; kind++)
		if (has(m, dir, kind) && strcmp(kinds[kind].name, name) == 0)
			return dir_found(m, req, kind, (struct slice){0});
	if (class->lookup && (class->long_names || strlen(name) <= LIMIT_NAME + sizeof(".snapshot.json")))
		class->lookup(m, req, dir, name);
	else
		reply_error(req, -ENOENT);
}

int dir_add(struct file *f, fuse_req_t req, const char *name, uint64_t ino, mode_t mode)
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

static int add_all(struct mount *m, struct file *f, fuse_req_t req)
{
	const struct node_class *class = class_of(f->node);
	int r = dir_add(f, req, ".", f->node->ino, S_IFDIR);

	if (r == 0)
		r = dir_add(f, req, "..", NODE_ROOT, S_IFDIR);
	for (enum node_kind kind = NODE_ROOT; r == 0 && kind < NODE_FIXED_END && !class->unlisted; kind++)
		if (has(m, f->node, kind))
			r = dir_add(f, req, kinds[kind].name, kind, node_mode(kind));
	if (r == 0 && class->list)
		r = class->list(m, f, req);
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
