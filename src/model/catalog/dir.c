#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "model/catalog/impl.h"

#define NAMES_MAX 64      /* changed at once; more: everything is looked at */
#define DIR_PAUSE_MS 1000 /* before a directory that could not be looked at is tried again */

/* Names of views whose definition may have changed. */
struct names {
	char name[NAMES_MAX][LIMIT_NAME + 1];
	size_t n;
	bool all; /* or any */
	bool dir; /* the directory itself may be another one */
};

static const char *dir_name(const struct catalog *c)
{
	return definition_dir(c->options.sort);
}

bool catalog_name_of(const struct catalog *c, const char *file, char *ret_name)
{
	enum reducer_kind kind;
	struct slice name;

	if (definition_kind_of(c->options.sort, file, &kind, &name) != 1 || name.len > LIMIT_NAME)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_' && name.data[i] != '-')
			return false; /* an editor's temporary file, perhaps */
	snprintf(ret_name, LIMIT_NAME + 1, "%.*s", (int)name.len, name.data);
	return true;
}

static void add_name(const struct catalog *c, struct names *names, const char *file)
{
	char name[LIMIT_NAME + 1];

	if (!catalog_name_of(c, file, name)) {
		names->all |= catalog_is_misnamed(c, file);
		return;
	}
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return;
	if (names->n == NAMES_MAX)
		names->all = true;
	else
		memcpy(names->name[names->n++], name, sizeof(name));
}

static void read_events(struct catalog *c, struct names *names)
{
	_Alignas(struct inotify_event) char events[8192];

	for (;;) {
		ssize_t n = read(c->inotify, events, sizeof(events));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		for (char *at = events; at < events + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)at;
			at += sizeof(*ev) + ev->len;
			if (ev->mask & IN_Q_OVERFLOW)
				names->all = names->dir = true;
			else if (ev->wd == c->data_watch)
				names->dir |= ev->len && strcmp(ev->name, dir_name(c)) == 0;
			else if (ev->wd == c->dir_watch && ev->len)
				add_name(c, names, ev->name);
		}
	}
}

bool catalog_is_quiet(struct catalog *c)
{
	int bytes = 0;

	return ioctl(c->inotify, FIONREAD, &bytes) == 0 && bytes == 0;
}

struct reducers_dir *reducers_dir_ref(struct reducers_dir *d)
{
	if (d)
		atomic_fetch_add(&d->refs, 1);
	return d;
}

void reducers_dir_unref(struct reducers_dir *d)
{
	if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	close(d->fd);
	free(d);
}

bool reducers_dir_is_same(struct catalog *c, const struct reducers_dir *d)
{
	struct statx st;

	auto_close int fd = reach_open_cached(c->data_fd, dir_name(c));
	return fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) == 0 &&
	       st.stx_ino == d->ino && makedev(st.stx_dev_major, st.stx_dev_minor) == d->dev;
}

/* From now on it is this one, or (NULL) none that is near. */
static void set_dir(struct catalog *c, struct reducers_dir *dir, bool far)
{
	pthread_mutex_lock(&c->lock);
	struct reducers_dir *old = c->dir;
	c->dir = dir;
	c->far = far;
	c->watched = c->dir_watch >= 0 || (!dir && !far);
	pthread_mutex_unlock(&c->lock);
	reducers_dir_unref(old);
}

/* Another directory, or none: the watch is another one. */
static void watch_dir(struct catalog *c, int watch)
{
	if (c->dir_watch >= 0 && c->dir_watch != watch)
		inotify_rm_watch(c->inotify, c->dir_watch);
	c->dir_watch = watch;
}

static void set_doubted(struct catalog *c, bool doubted)
{
	pthread_mutex_lock(&c->lock);
	c->dir_doubted = doubted;
	pthread_mutex_unlock(&c->lock);
	c->dir_again.at_ms = 0;
}

static void set_listed(struct catalog *c, bool listed)
{
	if (c->listed == listed)
		return;
	c->listed = listed;
	if (c->options.listed)
		c->options.listed(c->options.arg, listed);
}

void catalog_missed(struct catalog *c)
{
	c->missed = true;
	set_listed(c, false);
}

void catalog_listed(struct catalog *c)
{
	if (!c->missed)
		set_listed(c, true);
}

static int add_watch(struct catalog *c, int fd, uint32_t mask)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int watch = inotify_add_watch(c->inotify, path, mask);
	return watch < 0 ? -errno : watch;
}

static int install(struct catalog *c, int fd /* taken */, const struct stat *st, int watch)
{
	struct reducers_dir *dir = malloc(sizeof(*dir));

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	*dir = (struct reducers_dir){.refs = 1, .fd = fd, .dev = st->st_dev, .ino = st->st_ino};
	watch_dir(c, watch);
	set_dir(c, dir, false);
	return watch < 0 ? watch : 0;
}

/* Is the name a link, or something that is mounted there? */
static bool is_led(struct catalog *c)
{
	struct stat st;

	auto_close int fd = reach_open(&c->reach, c->data_fd, dir_name(c), O_NOFOLLOW);
	return fd >= 0 ? fstat(fd, &st) == 0 && S_ISLNK(st.st_mode) : fd != -ENOENT;
}

/* Opens and watches what nothing can hang on. 1: it is another one; -EXDEV: it is farther away. */
static int open_dir(struct catalog *c)
{
	char path[32];
	struct stat st;

	auto_close int at = reach_open(&c->reach, c->data_fd, dir_name(c), 0);
	if (at < 0)
		return at;
	if (fstat(at, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (c->dir && c->dir->dev == st.st_dev && c->dir->ino == st.st_ino && c->dir_watch >= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = install(c, fd, &st, add_watch(c, fd, LOOK_WATCHED));
	return r < 0 ? r : 1;
}

/* What there is of it, the looker has to find out. */
static void go_far(struct catalog *c)
{
	if (c->far)
		return;
	watch_dir(c, -1);
	set_dir(c, NULL, true);
}

/* There is none. */
static void dir_gone(struct catalog *c)
{
	char name[LIMIT_NAME + 1];

	watch_dir(c, -1);
	set_dir(c, NULL, false);
	catalog_set_misnamed(c, &(struct misnamed){0});
	while (c->n_known > 0) {
		memcpy(name, c->known[c->n_known - 1]->name, sizeof(name));
		catalog_put(c, name, NULL);
	}
}

/* True: everything in it is to be looked at. */
static bool look_at_dir(struct catalog *c)
{
	bool led = is_led(c);

	if (led && c->dir && c->watched && !c->dir_again.at_ms && reducers_dir_is_same(c, c->dir))
		return false;
	pthread_mutex_lock(&c->lock);
	c->dir_link = led;
	pthread_mutex_unlock(&c->lock);
	int r = open_dir(c);
	if (r == -EXDEV) {
		go_far(c);
		c->dir_again.at_ms = 0;
		far_add_list(c, LOOK_DIR);
		return false;
	}
	set_doubted(c, false);
	if (error_passes(r) || r == -ENOSPC) {
		again_later(&c->dir_again, DIR_PAUSE_MS);
		if (!c->dir || !reducers_dir_is_same(c, c->dir))
			catalog_missed(c);
		return c->dir; /* there it is, though nothing tells of changes */
	}
	if (r < 0)
		catalog_dir_lost(c, r);
	return r == 1;
}

void catalog_dir_found(struct catalog *c, const struct look_answer *a, int fd)
{
	struct stat st = {.st_dev = a->dev, .st_ino = a->ino};
	bool another = !c->far || c->dir_watch != a->watch || a->watch < 0 || c->dir_doubted;

	set_doubted(c, false);
	if (fd >= 0) {
		if (install(c, fd, &st, a->watch) < 0)
			again_later(&c->dir_again, DIR_PAUSE_MS);
	} else {
		watch_dir(c, a->watch);
		set_dir(c, NULL, true);
	}
	if (!another)
		return;
	far_add_list(c, LOOK_NAMES);
	catalog_wait_longer(c, true);
}

/* It did not come, or can't be read: nobody waits for it any more, and its views are broken. */
static void dir_doubted(struct catalog *c, int error)
{
	auto_free char(*names)[LIMIT_NAME + 1] = NULL;
	size_t n = catalog_names(c, &names);
	const char *what = error == -ETIMEDOUT       ? "did not come in time; it is tried again"
			   : error == LOOK_EVENTFOLD ? "leads into a mount of eventfold"
			   : error == -ELOOP         ? "is a link that leads to itself"
						     : "cannot be read; it is tried again";
	char why[96];

	snprintf(why, sizeof(why), "the directory %s %s", dir_name(c), what);

	catalog_missed(c);
	go_far(c);
	set_doubted(c, true);
	again_later(&c->dir_again, DIR_PAUSE_MS);
	c->options.report(c->options.arg, why);
	for (size_t i = 0; i < n; i++) {
		struct known *k = catalog_find(c, names[i]);
		struct definition *broken = definition_broken(k->def->file, why);
		if (broken)
			catalog_put(c, names[i], broken);
	}
}

void catalog_dir_lost(struct catalog *c, int error)
{
	if (error != -ENOENT && error != -ENOTDIR)
		return dir_doubted(c, error);
	/* A link to nothing may be one to a disk that is not mounted yet. */
	bool none = error == -ENOENT && !c->dir_link;
	if (!none)
		set_listed(c, false);
	dir_gone(c);
	if (none)
		set_listed(c, true);
}

/* Of all that is known, what is not there any more, and what is. */
static void scan(struct catalog *c)
{
	auto_free char(*names)[LIMIT_NAME + 1] = NULL;
	struct misnamed misnamed = {0};
	size_t n = catalog_names(c, &names);
	char name[LIMIT_NAME + 1];

	for (size_t i = 0; i < n; i++)
		catalog_look(c, names[i], true);
	int fd = c->dir ? openat(c->dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		closep(&fd);
		if (!c->dir)
			return;
		catalog_missed(c);
		again_later(&c->dir_again, DIR_PAUSE_MS);
		return;
	}
	errno = 0;
	for (struct dirent *d; (d = readdir(dir)); errno = 0) {
		misnamed_add(c, &misnamed, d->d_name);
		if (catalog_name_of(c, d->d_name, name) && !catalog_find(c, name))
			catalog_look(c, name, true);
	}
	/* What it has not told of may be there. */
	if (errno != 0) {
		catalog_missed(c);
		again_later(&c->dir_again, DIR_PAUSE_MS);
	}
	closedir(dir);
	catalog_set_misnamed(c, &misnamed);
	catalog_listed(c);
}

void catalog_dir_done(struct catalog *c)
{
	if (!c->dir_again.at_ms)
		c->dir_again = (struct again){0};
}

void catalog_look_around(struct catalog *c, bool somebody)
{
	bool first = !c->ready, due = again_is_due(&c->dir_again) && !c->dir_doubted;
	struct names names;

	names.n = 0;
	names.all = names.dir = false;
	c->missed = false;
	read_events(c, &names);
	if (names.dir)
		set_doubted(c, false);
	names.dir |= first || due || (somebody && !c->dir_doubted && (c->dir_link || c->far || !c->watched));
	if (names.dir) {
		names.all |= look_at_dir(c);
		/* Nothing tells what has changed, or what could not be looked at. */
		names.all |= (c->dir && !c->watched) || (due && (c->dir || c->far) && !c->dir_doubted);
	}
	if (c->far && names.all)
		return far_add_list(c, LOOK_NAMES);
	if (names.all)
		scan(c);
	for (size_t i = 0; i < names.n && !names.all; i++)
		catalog_look(c, names.name[i], true);
	if (names.dir && !c->far && !c->dir_doubted)
		catalog_dir_done(c);
}

void catalog_look(struct catalog *c, const char *name, bool anew)
{
	struct known *k = catalog_find(c, name);
	struct definition *def = NULL;

	if (!c->dir) {
		if (c->far)
			far_add_file(c, name, k ? k->def->file : name, anew);
		return;
	}
	int r = definition_look(&c->reach, c->options.sort, zone_hash(c->options.zone), c->dir->fd, name,
				k && !anew ? k->def : NULL, &def);
	if (r == -EXDEV) {
		far_add_file(c, name, def->file, anew);
		return definition_unref(def);
	}
	if (r == 0 && k)
		catalog_doubt(c, k, false);
	if (r == 0 && !catalog_keeps(k, def))
		return catalog_put(c, name, def);
	definition_unref(def);
	if (k)
		return again_later(&k->again, DIR_PAUSE_MS);
	catalog_missed(c);
	again_later(&c->dir_again, DIR_PAUSE_MS);
}

int catalog_dir_open(struct catalog *c, struct diag *diag)
{
	c->dir_watch = c->data_watch = -1;
	c->reach.home = reach_mount_of(c->data_fd);
	c->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r = c->inotify < 0 ? -errno
			       : add_watch(c, c->data_fd,
					   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
	if (r < 0)
		return diag_set(diag, r, "cannot watch the data directory: %s", strerror(-r));
	c->data_watch = r;
	return 0;
}

void catalog_dir_close(struct catalog *c)
{
	reducers_dir_unref(c->dir);
	closep(&c->inotify);
}
