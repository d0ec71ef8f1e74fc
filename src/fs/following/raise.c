#include "fs/following/raise.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/node/node_class.h"

struct known {
	struct known *next;
	bool error; /* NAME.error is there */
	char name[LIMIT_NAME + 1];
};

/* Which filesystem a path or descriptor is on, without asking our own fuse thread for attributes. 0: gone. */
static dev_t device_of(int fd, const char *path)
{
	struct statx st;

	if (statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

bool raise_is_mounted(const struct raiser *r)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	bool found = false;
	size_t size = 0;

	if (!mounts)
		return true;
	while (!found && getline(&line, &size, mounts) > 0) {
		unsigned major, minor;
		found = sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 && makedev(major, minor) == r->dev;
	}
	fclose(mounts);
	return found;
}

/* A directory of the mount; -1: it is not there, or not ours. */
static int open_dir(const struct raiser *r, const char *dir)
{
	char path[PATH_MAX];

	if (!r->dev || snprintf(path, sizeof(path), "%s/%s", r->mnt, dir) >= (int)sizeof(path))
		return -1;
	auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && device_of(fd, "") == r->dev ? take_fd(&fd) : -1;
}

/* Setting only mtime is what raises MODIFY. A notice that fails is one that nobody can hear; something
 * else may be mounted over the file. */
static void raise_change(const struct raiser *r, int dir, const char *name, bool modify, bool close)
{
	static const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	int access = close ? O_WRONLY | O_NONBLOCK : O_PATH;
	auto_close int fd = openat(dir, name, access | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && modify && device_of(fd, "") == r->dev)
		(void)!utimensat(fd, "", times, AT_EMPTY_PATH);
}

static void touch(int dir, const char *name)
{
	auto_close int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	(void)fd;
}

/* A look-up that was offered a node may have been one to watch the file. Where it was not, what the kernel
 * still knows of the node is that it had that name last, which another look-up ends. */
static void raise_offered(struct mount *m, int events, int tail, bool modify, bool close)
{
	struct raiser *r = &m->notice.raiser;
	uint64_t at = 0, until = nodes_offered(&m->nodes);
	struct node *node;

	touch(events, "app");
	while (at < until && (node = nodes_next_offered(&m->nodes, at, &at))) {
		if (reservations_make(&m->reservations, node->main, node, r->tid, clock_us())) {
			raise_change(r, tail, RAISE_ALIAS, modify, close);
			reservations_end(&m->reservations, node, r->tid, clock_us());
		}
		nodes_unref(&m->nodes, node);
	}
	touch(tail, RAISE_ALIAS);
}

void raise_log(struct mount *m, unsigned what)
{
	struct raiser *r = &m->notice.raiser;
	auto_close int events = open_dir(r, "events"), tail = open_dir(r, "tail");

	if (nodes_offered(&m->nodes) && events >= 0 && tail >= 0)
		raise_offered(m, events, tail,
			      what & (RAISE_MODIFY | RAISE_NODE_MODIFY | RAISE_OFFERED_MODIFY),
			      what & (RAISE_CLOSE | RAISE_NODE_CLOSE | RAISE_OFFERED_CLOSE));
	if (what & (RAISE_NODE_MODIFY | RAISE_NODE_CLOSE) && tail >= 0)
		raise_change(r, tail, RAISE_ALIAS, what & RAISE_NODE_MODIFY, what & RAISE_NODE_CLOSE);
	if (what & (RAISE_MODIFY | RAISE_CLOSE) && events >= 0)
		raise_change(r, events, "app", what & RAISE_MODIFY, what & RAISE_CLOSE);
}

static void raise_file(struct raiser *r, int dir, const char *view, enum node_kind kind, bool there)
{
	char name[LIMIT_NAME + 16];

	snprintf(name, sizeof(name), "%s%s", view, node_suffix(kind));
	r->at = there ? RAISING_CREATE : RAISING_DELETE;
	if (there)
		(void)!mknodat(dir, name, S_IFREG | 0444, 0);
	else
		(void)!unlinkat(dir, name, 0);
	r->at = RAISING_CHANGE;
}

static void raise_files(struct raiser *r, int dir, const char *view, bool there)
{
	for (enum node_kind kind = NODE_VIEW_JSON; kind < NODE_VIEW_END; kind++)
		if (kind != NODE_VIEW_ERROR)
			raise_file(r, dir, view, kind, there);
}

static struct known **find_known(struct raiser *r, const char *view)
{
	struct known **at = &r->known;

	while (*at && strcmp((*at)->name, view) != 0)
		at = &(*at)->next;
	return at;
}

/* With no memory for it, its files come once more. */
static void add_known(struct known **at, const char *view, bool error)
{
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return;
	(*at)->error = error;
	memcpy((*at)->name, view, strlen(view) + 1);
}

void raise_view(struct mount *m, const char *view)
{
	struct raiser *r = &m->notice.raiser;
	auto_close int dir = open_dir(r, "views");
	struct view_status status = {0};
	char name[LIMIT_NAME + 16];

	/* Before the mount is there what is known is the fuse thread's. */
	if (dir < 0)
		return;
	struct known **at = find_known(r, view), *was = *at;
	bool there = views_status(m->views, view, &status) == 0, error = there && status.why.text[0];
	if (there != (was != NULL))
		raise_files(r, dir, view, there);
	if (error != (was && was->error))
		raise_file(r, dir, view, NODE_VIEW_ERROR, error);
	if (there && was) {
		was->error = error;
	} else if (there) {
		add_known(at, view, error);
	} else if (was) {
		*at = was->next;
		free(was);
	}
	snprintf(name, sizeof(name), "%s.json", view);
	if (there)
		raise_change(r, dir, name, true, true);
}

bool raise_all_views(struct mount *m)
{
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	if (!m->notice.raiser.dev)
		return true;
	if (views_list(m->views, &list, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		raise_view(m, list[i].name);
	for (struct known *k = m->notice.raiser.known, *next; k; k = next) {
		struct view_status status;
		next = k->next;
		if (views_status(m->views, k->name, &status) < 0)
			raise_view(m, k->name);
	}
	return true;
}

void raise_drop(struct mount *m, const struct node *node)
{
	struct raiser *r = &m->notice.raiser;
	const struct kind *kind = &kinds[node->kind];
	const char *dir = kinds[kind->dir].name;
	char name[LIMIT_NAME + 16];

	snprintf(name, sizeof(name), "%.*s%s", LIMIT_NAME, node->name, kind->name);
	auto_close int at = open_dir(r, dir ? dir : ".");
	auto_close int fd = at < 0 ? -1 : openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	(void)fd;
}

void raise_begin(struct mount *m)
{
	struct raiser *r = &m->notice.raiser;
	auto_free struct view_status *list = NULL;
	size_t n = 0;

	if (!r->mnt)
		return;
	if (views_list(m->views, &list, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		add_known(find_known(r, list[i].name), list[i].name, list[i].why.text[0]);
	r->dev = device_of(AT_FDCWD, r->mnt);
}

void raise_end(struct mount *m)
{
	for (struct known *k = take_ptr(m->notice.raiser.known), *next; k; k = next) {
		next = k->next;
		free(k);
	}
}
