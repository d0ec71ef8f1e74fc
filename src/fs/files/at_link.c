#include "fs/files/at_link.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/when.h"
#include "fs/node/classes.h"
#include "fs/reply.h"

/* A look-up on its way. */
struct arrival {
	struct history_read read;
	struct mount *mount;
	fuse_req_t req;
};

static bool is_given_up(const struct history_read *read)
{
	return fuse_req_interrupted(container_of(read, struct arrival, read)->req);
}

/* The node is named by N, not by TIME: there are no more of them than there are places. */
static void found(struct history_read *read, int error, struct slice none)
{
	struct arrival *a = container_of(read, struct arrival, read);
	char name[24];
	int len = snprintf(name, sizeof(name), "%llu", (unsigned long long)read->seq);
	struct node *node =
	    error < 0 ? NULL : nodes_get(&a->mount->nodes, NODE_AT_LINK, (struct slice){name, (size_t)len});

	if (node)
		reply_entry(a->req, a->mount, node, (uint64_t)len);
	else
		reply_error(a->req, error < 0 ? error : -ENOMEM);
	free(a);
}

void at_link_lookup(struct mount *m, fuse_req_t req, const char *name)
{
	uint64_t after;

	if (!when_parse(name, clock_unix(), &after))
		return reply_error(req, -ENOENT);
	struct arrival *a = malloc(sizeof(*a));
	if (!a)
		return reply_error(req, -ENOMEM);
	*a = (struct arrival){.read = {.done = found, .given_up = is_given_up}, .mount = m, .req = req};
	history_queue_time(m->history, &a->read, after);
}

static void link_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	reply_attr(req, m, node, strlen(node->name), NULL);
}

static const char *target(const struct mount *m, const struct node *node)
{
	return node->name;
}

const struct node_class at_link = {.mode = S_IFLNK | 0777, .getattr = link_getattr, .target = target};
