/* ids/ID: the event with that id, as its line in the log. What it holds never changes. */
#include "fs/files/id_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/hex.h"
#include "fs/files/dir.h"
#include "fs/files/log_read.h"
#include "fs/node/classes.h"
#include "fs/reply.h"

#define ID_NAME 255 /* bytes of a name, as file systems have them */

/* A look-up on its way. */
struct arrival {
	struct ids_wait wait;
	struct mount *mount;
	fuse_req_t req;
	uint64_t off, end; /* where it was found */
	size_t len;
	char id[ID_NAME];
};

/* False: it is no name of an id. */
static bool decode(const char *name, struct arrival *a)
{
	if (strlen(name) > ID_NAME)
		return false;
	while (*name) {
		int c = percent_next(&name);
		if (c < 0)
			return false;
		a->id[a->len++] = (char)c;
	}
	return true;
}

static bool is_given_up(const struct ids_wait *wait)
{
	return fuse_req_interrupted(container_of(wait, struct arrival, wait)->req);
}

static int note(void *arg, const struct ids_found *found)
{
	struct arrival *a = arg;

	a->off = found->off;
	a->end = found->off + found->line.len + 1;
	return 1;
}

/* The node is named by the place: there are no more of them than there are events. */
static void answer(struct arrival *a, int error)
{
	struct mount *m = a->mount;
	char name[48];
	int len =
	    snprintf(name, sizeof(name), "%llu-%llu", (unsigned long long)a->off, (unsigned long long)a->end);
	struct node *node =
	    error < 0 ? NULL : nodes_get(&m->nodes, NODE_ID, (struct slice){name, (size_t)len});

	if (node)
		reply_entry(a->req, m, node, a->end - a->off);
	else
		reply_error(a->req, error < 0 ? error : -ENOMEM);
	free(a);
}

/* On the index's thread. */
static void arrived(struct ids_wait *wait, int error)
{
	struct arrival *a = container_of(wait, struct arrival, wait);
	struct slice id = {a->id, a->len};
	int r = error;

	if (r == 0)
		r = ids_find(a->mount->ids, wait->look, id, note, a);
	if (r == -EAGAIN) /* it begins anew */
		return ids_want(a->mount->ids, wait);
	answer(a, r == 0 ? -ENOENT : min(r, 0));
}

void id_file_lookup(struct mount *m, fuse_req_t req, const char *name)
{
	struct arrival *a = calloc(1, sizeof(*a));

	if (!a)
		return reply_error(req, -ENOMEM);
	a->mount = m;
	a->req = req;
	a->wait.given_up = is_given_up;
	a->wait.done = arrived;
	if (!decode(name, a))
		return answer(a, -ENOENT);
	ids_want(m->ids, &a->wait);
}

static void place_of(const struct node *node, uint64_t *ret_off, uint64_t *ret_end)
{
	char *rest;

	*ret_off = strtoull(node->name, &rest, 10);
	*ret_end = strtoull(rest + 1, NULL, 10);
}

static uint64_t size_of(struct mount *m, struct node *node)
{
	uint64_t off, end;

	place_of(node, &off, &end);
	return end - off;
}

static void id_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	reply_attr(req, m, node, size_of(m, node), &m->mtimes.born);
}

static void id_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return reply_error(req, -EACCES);
	struct file *f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	reply_open(req, fi, f);
}

static void id_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	uint64_t begin, end;

	place_of(f->node, &begin, &end);
	if ((uint64_t)off >= end - begin)
		return reply_data(req, (struct slice){0});
	log_read(req, f, (off_t)begin + off, size, end, fi);
}

const struct node_class id_file = {
    .mode = S_IFREG | 0444,
    .getattr = id_getattr,
    .size_hint = size_of,
    .open = id_open,
    .read = id_read,
};
