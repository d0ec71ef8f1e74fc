#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "model/views_impl.h"

#define WATCHED                                                                                              \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB |      \
	 IN_MOVE_SELF | IN_ONLYDIR)
#define NAMES_MAX 64 /* changed at once; more: everything is looked at */

/* Names of views whose definition may have changed. */
struct names {
	char name[NAMES_MAX][LIMIT_NAME + 1];
	size_t n;
	bool all;  /* or any */
	bool lost; /* the directory itself */
};

static void add_name(struct names *names, struct slice name)
{
	for (size_t i = 0; i < names->n; i++)
		if (slice_eq(slice_of(names->name[i]), name))
			return;
	if (names->n == NAMES_MAX) {
		names->all = true;
		return;
	}
	snprintf(names->name[names->n++], LIMIT_NAME + 1, "%.*s", (int)name.len, name.data);
}

static void add_file(struct names *names, const char *file)
{
	enum reducer_kind kind;
	struct slice name;

	if (reducer_kind_of(file, &kind, &name) != 1 || name.len > LIMIT_NAME)
		return;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_' && name.data[i] != '-')
			return; /* an editor's temporary file, perhaps */
	add_name(names, name);
}

static void read_events(struct views *v, struct names *names)
{
	_Alignas(struct inotify_event) char events[8192];

	for (;;) {
		ssize_t n = read(v->inotify, events, sizeof(events));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		for (char *at = events; at < events + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)at;
			at += sizeof(*ev) + ev->len;
			if (ev->mask & IN_Q_OVERFLOW)
				names->all = true;
			else if (ev->wd != v->watch)
				continue;
			else if (ev->len)
				add_file(names, ev->name);
			else if (ev->mask & IN_MOVE_SELF)
				names->lost = true;
		}
	}
}

/* inotify says nothing about what a symbolic link points to, nor of a change by another hard link. */
static void look_at_links(struct views *v, struct names *names)
{
	struct definition **links = NULL;
	char(*link_names)[LIMIT_NAME + 1] = NULL;
	size_t n = 0;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++)
		n += v->entries[i]->def->link;
	if (n > 0) {
		links = malloc(n * sizeof(struct definition *));
		link_names = malloc(n * sizeof(*link_names));
	}
	n = 0;
	for (size_t i = 0; links && link_names && i < v->n_entries; i++) {
		if (!v->entries[i]->def->link)
			continue;
		memcpy(link_names[n], v->entries[i]->name, sizeof(*link_names));
		links[n++] = definition_ref(v->entries[i]->def);
	}
	pthread_mutex_unlock(&v->lock);
	for (size_t i = 0; i < n; i++) {
		struct file_identity now = file_identity(v->reducers_fd, links[i]->file);
		if (!file_identity_eq(&now, &links[i]->target))
			add_name(names, slice_of(link_names[i]));
		definition_unref(links[i]);
	}
	free(links);
	free(link_names);
}

static void look_at(struct views *v, const char *name)
{
	struct definition *def;

	int r = definition_load(v->reducers_fd, name, &def);
	if (r == 0 && def)
		r = views_insert(v, name, def);
	else if (r == 0)
		views_remove(v, name);
	if (r < 0)
		views_report(v, "the reducer of the view %s could not be looked at: %s", name, strerror(-r));
}

/* Of all entries, those that the directory does not have any more. */
static void look_at_known(struct views *v)
{
	char(*known)[LIMIT_NAME + 1];

	pthread_mutex_lock(&v->lock);
	size_t n = v->n_entries;
	known = malloc(max(n, (size_t)1) * sizeof(*known));
	for (size_t i = 0; known && i < n; i++)
		memcpy(known[i], v->entries[i]->name, sizeof(*known));
	pthread_mutex_unlock(&v->lock);
	for (size_t i = 0; known && i < n; i++)
		look_at(v, known[i]);
	free(known);
}

static void scan(struct views *v)
{
	look_at_known(v);
	int fd = openat(v->reducers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		closep(&fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		struct names one = {0};
		add_file(&one, d->d_name);
		if (one.n > 0)
			look_at(v, one.name[0]);
	}
	closedir(dir);
}

/* Has it been removed or replaced, or does a link lead elsewhere now? Of that inotify says nothing, or too late. */
static bool is_another(struct views *v)
{
	struct stat st;

	return fstatat(v->data_fd, "reducers", &st, 0) < 0 || st.st_dev != v->reducers_dev ||
	       st.st_ino != v->reducers_ino;
}

/* Opens DATA/reducers and watches it; it may have been removed or replaced meanwhile. */
static int open_reducers(struct views *v)
{
	struct stat st;
	char path[64];

	if (v->watch >= 0)
		inotify_rm_watch(v->inotify, v->watch);
	v->watch = -1;
	closep(&v->reducers_fd);
	v->reducers_fd = openat(v->data_fd, "reducers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->reducers_fd < 0 || fstat(v->reducers_fd, &st) < 0)
		return -errno;
	v->reducers_dev = st.st_dev;
	v->reducers_ino = st.st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", v->reducers_fd);
	v->watch = inotify_add_watch(v->inotify, path, WATCHED);
	return v->watch < 0 ? -errno : 0;
}

void views_refresh(struct views *v)
{
	struct names names;

	names.n = 0;
	names.all = names.lost = false;
	pthread_mutex_lock(&v->dir_lock);
	read_events(v, &names);
	if (names.lost || v->watch < 0 || is_another(v)) {
		int r = open_reducers(v);
		names.all = r == 0 || r == -ENOENT;
	}
	look_at_links(v, &names);
	if (names.all)
		scan(v);
	else
		for (size_t i = 0; i < names.n; i++)
			look_at(v, names.name[i]);
	pthread_mutex_unlock(&v->dir_lock);
}

int views_dir_open(struct views *v, struct diag *diag)
{
	int r = v->disk->mkdir(v->disk, v->data_fd, "reducers", 0777);

	if (r < 0)
		return diag_set(diag, r, "cannot create the directory reducers: %s", strerror(-r));
	v->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (v->inotify < 0)
		return diag_set(diag, -errno, "cannot watch the directory reducers: %s", strerror(errno));
	r = open_reducers(v);
	if (r < 0)
		return diag_set(diag, r, "cannot watch the directory reducers: %s", strerror(-r));
	pthread_mutex_lock(&v->dir_lock);
	scan(v);
	pthread_mutex_unlock(&v->dir_lock);
	return 0;
}

void views_dir_close(struct views *v)
{
	closep(&v->inotify);
	closep(&v->reducers_fd);
}
