/* cluster/MACHINE: a machine that shares the log, as the engine knows it. The directory is only there where
 * the log is shared. */
#include <errno.h>

#include "fs/files/dir.h"
#include "fs/files/text_file.h"
#include "fs/node/classes.h"
#include "fs/reply.h"

/* The machines as of a moment ago. */
struct members {
	struct cluster_member *list;
	size_t n;
};

static void members_deinit(struct members *members)
{
	cluster_members_free(members->list, members->n);
}

static const struct cluster_member *find(const struct members *members, const char *machine)
{
	for (size_t i = 0; i < members->n; i++)
		if (strcmp(members->list[i].machine, machine) == 0)
			return &members->list[i];
	return NULL;
}

static bool is_shared(const struct mount *m)
{
	return m->cluster;
}

static void lookup_member(struct mount *m, fuse_req_t req, struct node *dir, const char *name)
{
	cleanup(members_deinit) struct members members = {0};

	int r = cluster_members(m->cluster, &members.list, &members.n);
	if (r == 0 && !find(&members, name))
		r = -ENOENT;
	if (r < 0)
		reply_error(req, r);
	else
		dir_found(m, req, NODE_MEMBER, slice_of(name));
}

static int list_members(struct mount *m, struct file *f, fuse_req_t req)
{
	cleanup(members_deinit) struct members members = {0};

	int r = cluster_members(m->cluster, &members.list, &members.n);
	for (size_t i = 0; r == 0 && i < members.n; i++) {
		const char *name = members.list[i].machine;
		r = dir_add(f, req, name, node_ino(NODE_MEMBER, slice_of(name)), node_mode(NODE_MEMBER));
	}
	return r;
}

static void add_member(struct buf *b, struct mount *m, const struct cluster_member *member)
{
	struct cluster_status status;

	cluster_status(m->cluster, &status);
	bool self = strcmp(status.machine, member->machine) == 0;
	uint64_t here = eventlog_head(m->log).off, position = self ? here : member->position;
	uint64_t head = max(status.head.off, here);
	head = max(head, position);

	buf_printf(b, "{\"machine\":\"%s\",\"host\":", member->machine);
	buf_add_json(b, slice_of(member->host));
	buf_add_str(b, ",\"path\":");
	buf_add_json(b, slice_of(member->path));
	buf_printf(b, ",\"position\":%llu,\"lag\":%llu,\"last_seen\":%llu,\"alive\":%s,\"self\":%s}\n",
		   (unsigned long long)position, (unsigned long long)(head - position),
		   (unsigned long long)member->time, member->alive ? "true" : "false",
		   self ? "true" : "false");
}

static int make_member(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	cleanup(members_deinit) struct members members = {0};

	int r = cluster_members(m->cluster, &members.list, &members.n);
	if (r < 0)
		return r;
	const struct cluster_member *member = find(&members, node->name);
	if (!member)
		return -ENOENT;
	ret->changed = mtime_max(ret->changed, (struct timespec){.tv_sec = (time_t)member->time});
	add_member(b, m, member);
	return 0;
}

const struct node_class cluster_dir = {
    .mode = S_IFDIR | 0555,
    .lookup = lookup_member,
    .list = list_members,
    .is_there = is_shared,
};
const struct node_class member_file = {
    TEXT_FILE_OF_HEAD,
    .mode = S_IFREG | 0444,
    .make = make_member,
    .topic = TOPICS,
};
