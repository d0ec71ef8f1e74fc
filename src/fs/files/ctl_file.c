#include "fs/files/ctl_file.h"

#include <errno.h>

#include "fs/files/ctl_cluster.h"
#include "fs/node/classes.h"
#include "fs/node/held.h"
#include "fs/reply.h"

/* A rotation that was asked for. */
struct rotation {
	struct rotation *next; /* in mount->ctl, as long as somebody waits for it */
	struct commit commit;
	struct archiver_wait wait;
	struct mount *mount;
	fuse_req_t req; /* NULL: it was interrupted, and is answered */
	size_t size;
	/* another rotation was under way: the log as it was at the command still has its turn to come */
	bool again;
	bool second;
};

void ctl_init(struct ctl *ctl)
{
	pthread_mutex_init(&ctl->lock, NULL);
}

void ctl_end(struct ctl *ctl)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->over = true;
	pthread_mutex_unlock(&ctl->lock);
}

void ctl_deinit(struct ctl *ctl)
{
	pthread_mutex_destroy(&ctl->lock);
}

static void ctl_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f = file_new(m, node, req, fi);

	if (!f)
		return reply_error(req, -ENOMEM);
	reply_open(req, fi, f);
}

/* Under the lock. NULL: nobody waits with that request any more. */
static struct rotation *stop_waiting(struct mount *m, fuse_req_t req)
{
	struct rotation **at = &m->ctl.rotations;

	while (*at && (*at)->req != req)
		at = &(*at)->next;
	struct rotation *r = *at;
	if (r)
		*at = r->next;
	return r;
}

/* It is the wait that is interrupted: a log that is sealed has to be compressed. */
static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->ctl.lock);
	struct rotation *r = stop_waiting(m, req);
	if (r)
		r->req = NULL;
	pthread_mutex_unlock(&m->ctl.lock);
	if (r)
		reply_error(req, -EINTR);
}

static void end(struct rotation *r, int error)
{
	struct mount *m = r->mount;

	pthread_mutex_lock(&m->ctl.lock);
	fuse_req_t req = r->req;
	if (req)
		stop_waiting(m, req);
	pthread_mutex_unlock(&m->ctl.lock);
	if (req && error < 0)
		reply_error(req, error);
	else if (req)
		reply_written(req, r->size);
	free(r);
}

/* False: the mount is being closed. */
static bool seal(struct rotation *r)
{
	struct mount *m = r->mount;

	pthread_mutex_lock(&m->ctl.lock);
	bool open = !m->ctl.over;
	if (open)
		commit_seal(m->committer, &r->commit);
	pthread_mutex_unlock(&m->ctl.lock);
	return open;
}

/* On the archiver thread. */
static void archived(struct archiver_wait *wait, int error)
{
	struct rotation *r = container_of(wait, struct rotation, wait);

	if (error == 0 && r->again) {
		r->again = false;
		r->second = true;
		if (seal(r))
			return;
		error = -EINTR;
	}
	end(r, error);
}

/* On the commit thread. 1: there is nothing to rotate, or a rotation is under way, whose end is waited
 * for. It may have begun before the command, so the log has then to be rotated once more; one that has
 * begun meanwhile has all that was there. */
static void sealed(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct rotation *r = container_of(commit, struct rotation, commit);

	if (error < 0)
		return end(r, error);
	r->again = error > 0 && !r->second;
	archiver_wait(r->mount->archiver, &r->wait);
}

static void rotate(struct mount *m, fuse_req_t req, size_t size)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (!r)
		return reply_error(req, -ENOMEM);
	*r = (struct rotation){
	    .commit.done = sealed, .wait.done = archived, .mount = m, .req = req, .size = size};
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(req, interrupted, m);
	if (fuse_req_interrupted(req)) {
		free(r);
		return reply_error(req, -EINTR);
	}
	pthread_mutex_lock(&m->ctl.lock);
	r->next = m->ctl.rotations;
	m->ctl.rotations = r;
	pthread_mutex_unlock(&m->ctl.lock);
	commit_seal(m->committer, &r->commit);
}

static void run_rebuild(const struct deferred_call *c)
{
	struct mount *m = fuse_req_userdata(c->req);

	int r = views_rebuild(m->views, c->name);
	/* What is known by ids is of no view: it goes with all of them. */
	if (r == 0 && !c->name)
		ids_renew(m->ids);
	if (r < 0)
		reply_error(c->req, r);
	else
		reply_written(c->req, c->size);
}

/* Of a view that is there since a moment, too. */
static void rebuild(struct mount *m, fuse_req_t req, size_t size, const char *name)
{
	const struct deferred_call call = {.req = req, .size = size, .name = name, .run = run_rebuild};

	if (!deferred_until_known(m, &call, name))
		run_rebuild(&call);
}

static void ctl_write(fuse_req_t req, struct file *f, struct slice data, const struct fuse_file_info *fi)
{
	struct mount *m = f->mount;
	char command[16 + LIMIT_NAME], *word[4], *save;
	size_t n = 0;
	int r = -EINVAL;

	if (data.len >= sizeof(command) || memchr(data.data, '\0', data.len))
		return reply_error(req, -EINVAL);
	memcpy(command, data.data, data.len);
	command[data.len] = '\0';
	for (char *w = strtok_r(command, " \t\n", &save); w && n < countof(word);
	     w = strtok_r(NULL, " \t\n", &save))
		word[n++] = w;
	if (n == 1 && strcmp(word[0], "rotate") == 0)
		return rotate(m, req, data.len);
	if ((n == 1 || n == 2) && strcmp(word[0], "rebuild") == 0)
		return rebuild(m, req, data.len, n == 2 ? word[1] : NULL);
	if (n >= 1 && strcmp(word[0], "cluster") == 0)
		return ctl_cluster(m, req, word + 1, n - 1, data.len);
	if (n == 1 && strcmp(word[0], "snapshot") == 0) {
		r = views_snapshot(m->views);
	} else if (n == 0) {
		r = 0;
	}
	if (r < 0)
		reply_error(req, r);
	else
		reply_written(req, data.len);
}

/* A command leaves nothing to read. */
static void ctl_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	reply_data(req, (struct slice){0});
}

const struct node_class ctl_file = {
    .mode = S_IFREG | 0600,
    .size_hint = held_size_hint,
    .open = ctl_open,
    .read = ctl_read,
    .write = ctl_write,
};
