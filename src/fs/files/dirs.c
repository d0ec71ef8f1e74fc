/* What is in each directory, beside the files that are always there (node_class.c). */
#include <errno.h>
#include <stdio.h>

#include "fs/node/classes.h"
#include "fs/files/at_link.h"
#include "fs/files/dir.h"
#include "fs/files/id_file.h"
#include "fs/reply.h"

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
	dir_found(m, req, kind, name);
}

/* events/app@CONDITION[,CONDITION] */
static void lookup_events(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	struct node_conditions conditions;

	if (!node_parse_conditions(name, &conditions))
		return reply_error(req, -ENOENT);
	dir_found(m, req, NODE_EVENTS_APP_AT, slice_of(name));
}

static void lookup_views(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	struct slice view;
	enum node_kind kind = node_parse_view(name, &view);

	if (!kind)
		return reply_error(req, -ENOENT);
	lookup_view(m, req, kind, view, view);
}

/* tail/app@OFFSET, tail/app@OFFSET:HASH, tail/NAME.json */
static void lookup_tail(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	struct slice view;
	struct log_pos head;
	uint64_t off;

	if (node_parse_offset(name, &off) || node_parse_head(name, &head))
		return dir_found(m, req, NODE_TAIL_APP_AT, slice_of(name));
	if (node_parse_view(name, &view) != NODE_VIEW_JSON)
		return reply_error(req, -ENOENT);
	lookup_view(m, req, NODE_TAIL_VIEW, view, view);
}

/* at/N: there as long as the log has so many events. */
static bool is_there(struct mount *m, const char *number)
{
	const char *rest;
	uint64_t seq;

	return node_parse_at(number, &seq, &rest) && !rest && seq <= eventlog_head(m->log).seq;
}

static void lookup_at(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	if (is_there(m, name))
		dir_found(m, req, NODE_AT_N, slice_of(name));
	else
		at_link_lookup(m, req, name);
}

static void lookup_id(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	id_file_lookup(m, req, name);
}

static void lookup_past(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	char full[NODE_NAME + 1];
	struct slice view;

	if (!is_there(m, dir->name))
		return reply_error(req, -ENOENT);
	if (strcmp(name, "app") == 0)
		return dir_found(m, req, NODE_AT_APP, slice_of(dir->name));
	if (node_parse_view(name, &view) != NODE_VIEW_JSON)
		return reply_error(req, -ENOENT);
	int len = snprintf(full, sizeof(full), "%.20s/%.*s", dir->name, (int)view.len, view.data);
	lookup_view(m, req, NODE_AT_VIEW, view, (struct slice){full, (size_t)len});
}

static int add_view(struct file *f, fuse_req_t req, const struct view_status *status)
{
	int r = 0;

	for (enum node_kind kind = NODE_VIEW_JSON; r == 0 && kind < NODE_VIEW_END; kind++) {
		char name[sizeof(status->name) + 16];
		if (kind == NODE_VIEW_ERROR && !status->why.text[0])
			continue;
		snprintf(name, sizeof(name), "%s%s", status->name, node_suffix(kind));
		r = dir_add(f, req, name, node_ino(kind, slice_of(status->name)), node_mode(kind));
	}
	return r;
}

static int list_views(struct mount *m, struct file *f, fuse_req_t req)
{
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	int r = views_list(m->views, &list, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_view(f, req, &list[i]);
	return r;
}

/* What there is after so many events: the log, and each view there is now. */
static int list_past(struct mount *m, struct file *f, fuse_req_t req)
{
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	int r = views_list(m->views, &list, &n);
	if (r == 0)
		r = dir_add(f, req, "app", node_ino(NODE_AT_APP, slice_of(f->node->name)),
			    node_mode(NODE_AT_APP));
	for (size_t i = 0; r == 0 && i < n; i++) {
		char full[NODE_NAME + 1], name[LIMIT_NAME + 8];
		snprintf(full, sizeof(full), "%.20s/%s", f->node->name, list[i].name);
		snprintf(name, sizeof(name), "%s.json", list[i].name);
		r = dir_add(f, req, name, node_ino(NODE_AT_VIEW, slice_of(full)), node_mode(NODE_AT_VIEW));
	}
	return r;
}

static const char *reducers_target(const struct mount *m, const struct node *node)
{
	return m->reducers;
}

static const char *rules_target(const struct mount *m, const struct node *node)
{
	return m->rules_path;
}

static void link_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	reply_attr(req, m, node, strlen(class_of(node)->target(m, node)), NULL);
}

const struct node_class plain_dir = {.mode = S_IFDIR | 0555};
const struct node_class events_dir = {.mode = S_IFDIR | 0555, .lookup = lookup_events};
const struct node_class views_dir = {
    .mode = S_IFDIR | 0555,
    .lookup = lookup_views,
    .list = list_views,
    .has_views = true,
};
const struct node_class tail_dir = {
    .mode = S_IFDIR | 0555,
    .lookup = lookup_tail,
    .has_views = true,
    .unlisted = true,
};
const struct node_class at_dir = {.mode = S_IFDIR | 0555, .lookup = lookup_at, .lookup_tells_head = true};
const struct node_class ids_dir = {
    .mode = S_IFDIR | 0555,
    .lookup = lookup_id,
    .lookup_tells_head = true,
    .long_names = true,
};
const struct node_class past_dir = {
    .mode = S_IFDIR | 0555,
    .lookup = lookup_past,
    .list = list_past,
    .has_views = true,
};
const struct node_class reducers_link = {
    .mode = S_IFLNK | 0777,
    .getattr = link_getattr,
    .target = reducers_target,
};
const struct node_class rules_link = {
    .mode = S_IFLNK | 0777,
    .getattr = link_getattr,
    .target = rules_target,
};
