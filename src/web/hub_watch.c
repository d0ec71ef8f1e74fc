/* The hub's thread: hears of what has changed, and reads it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "web/hub_impl.h"
#include "web/limits.h"
#include "web/mountpoint.h"

#define BLOCK (256u << 10)
#define STATUS_ROOM (4u << 20)
#define REST 3 /* times as long as a state's reading took, until it is read again */

/* What one round has to look at. */
struct round {
	bool log, status;
};

static void set_up(struct hub *h, bool is_up)
{
	pthread_mutex_lock(&h->lock);
	if (h->is_up != is_up) {
		h->is_up = is_up;
		hub_announce(h);
	}
	pthread_mutex_unlock(&h->lock);
}

/* A watch on what was unmounted is gone by itself. */
static void unwatch(struct hub *h)
{
	if (h->watch_log >= 0)
		inotify_rm_watch(h->inotify, h->watch_log);
	if (h->watch_views >= 0)
		inotify_rm_watch(h->inotify, h->watch_views);
	h->watch_log = h->watch_views = -1;
	h->dev = 0;
}

static void watch(struct hub *h)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/events/app", h->mnt) < (int)sizeof(path))
		h->watch_log = inotify_add_watch(h->inotify, path, IN_MODIFY);
	if (snprintf(path, sizeof(path), "%s/views", h->mnt) < (int)sizeof(path))
		h->watch_views = inotify_add_watch(h->inotify, path, IN_MODIFY | IN_CREATE | IN_DELETE);
}

/* After a while without a mount all that is followed may be another: it is read anew, and the window is of
 * no use. */
static void begin(struct hub *h, dev_t dev)
{
	auto_close int fd = -1;
	struct stat st;

	/* Before the size is asked for: who has asked before and has the number of before has a place that
	 * is not behind this end. */
	pthread_mutex_lock(&h->lock);
	h->epoch++;
	pthread_mutex_unlock(&h->lock);
	unwatch(h);
	watch(h);
	fd = mountpoint_open(h->mnt, "events/app", O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		unwatch(h);
		return;
	}
	h->dev = dev;
	pthread_mutex_lock(&h->lock);
	h->is_up = true;
	h->head = h->from = (uint64_t)st.st_size;
	for (struct hub_view *v = h->views; v; v = v->next)
		v->changed = ++h->changes;
	hub_announce(h);
	pthread_mutex_unlock(&h->lock);
}

/* True: something is mounted. */
static bool look_at_mount(struct hub *h)
{
	dev_t dev;

	if (mountpoint_look(h->mnt, &dev) < 0) {
		if (h->dev)
			unwatch(h);
		set_up(h, false);
		return false;
	}
	if (dev != h->dev)
		begin(h, dev);
	return h->dev != 0;
}

/* "count.json" and "count.error" are of the view count. */
static void view_changed(struct hub *h, const char *file)
{
	const char *dot = strrchr(file, '.');
	char name[LIMIT_NAME + 1];
	struct hub_view *v;

	if (!dot || dot == file || dot - file > LIMIT_NAME ||
	    (strcmp(dot, ".json") != 0 && strcmp(dot, ".error") != 0))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - file), file);
	if (strchr(name, '.'))
		return;
	pthread_mutex_lock(&h->lock);
	v = hub_view_of(h, name);
	if (v) {
		v->changed = ++h->changes;
		hub_announce(h);
	}
	pthread_mutex_unlock(&h->lock);
}

static void all_changed(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	for (struct hub_view *v = h->views; v; v = v->next)
		v->changed = ++h->changes;
	hub_announce(h);
	pthread_mutex_unlock(&h->lock);
}

static void hear(struct hub *h, struct round *round)
{
	char data[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	ssize_t n;

	while ((n = read(h->inotify, data, sizeof(data))) > 0) {
		for (char *at = data; at < data + n; at += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)at;
			if (e->mask & IN_Q_OVERFLOW) {
				round->log = true;
				all_changed(h);
			} else if (e->mask & (IN_UNMOUNT | IN_IGNORED)) {
				if (e->wd == h->watch_log || e->wd == h->watch_views)
					h->dev = 0;
			} else if (e->wd == h->watch_log) {
				round->log = round->status = true;
			} else if (e->wd == h->watch_views && e->len > 0) {
				round->status = true;
				view_changed(h, e->name);
			}
		}
	}
}

/* What came in between, or the window's worth of it: who needs older bytes reads the log. */
static void read_log(struct hub *h)
{
	auto_close int fd = mountpoint_open(h->mnt, "events/app", O_RDONLY);
	auto_free char *data = malloc(BLOCK);
	struct stat st;
	uint64_t off, end;

	if (fd < 0 || !data || fstat(fd, &st) < 0)
		return;
	end = (uint64_t)st.st_size;
	/* Nobody else moves the head. */
	off = h->head;
	if (end < off || end - off > WEB_WINDOW) {
		pthread_mutex_lock(&h->lock);
		h->head = h->from = off = end < off ? end : end - WEB_WINDOW;
		pthread_mutex_unlock(&h->lock);
	}
	while (off < end) {
		ssize_t n = pread(fd, data, min((uint64_t)BLOCK, end - off), (off_t)off);

		if (n <= 0)
			return;
		off += (uint64_t)n;
		pthread_mutex_lock(&h->lock);
		hub_add_log(h, data, (size_t)n);
		hub_announce(h);
		pthread_mutex_unlock(&h->lock);
	}
}

/* A whole file as a shared text; NULL with *error. */
static struct hub_text *read_text(struct hub *h, const char *name, size_t most, int *error)
{
	auto_close int fd = mountpoint_open(h->mnt, name, O_RDONLY);
	struct hub_text *text;
	struct stat st;
	ssize_t n = 1;

	*error = fd < 0 ? -fd : fstat(fd, &st) < 0 ? errno : 0;
	if (*error)
		return NULL;
	if ((uint64_t)st.st_size > most) {
		*error = EFBIG;
		return NULL;
	}
	text = malloc(sizeof(*text) + (size_t)st.st_size);
	if (!text) {
		*error = ENOMEM;
		return NULL;
	}
	text->refs = 1;
	text->len = 0;
	while (n > 0 && text->len < (size_t)st.st_size) {
		n = read(fd, text->data + text->len, (size_t)st.st_size - text->len);
		if (n < 0) {
			*error = errno;
			return hub_text_unref(text);
		}
		text->len += (size_t)n;
	}
	while (text->len > 0 && text->data[text->len - 1] == '\n')
		text->len--;
	return text;
}

static struct hub_text *text_of(const char *words)
{
	size_t len = strlen(words);
	struct hub_text *text = malloc(sizeof(*text) + len);

	if (!text)
		return NULL;
	text->refs = 1;
	text->len = len;
	memcpy(text->data, words, len);
	return text;
}

/* What stands in NAME.error, or the error's own name. */
static struct hub_text *why_broken(struct hub *h, const char *name, int error)
{
	struct hub_text *text = NULL;
	char path[LIMIT_NAME + 16];
	int again = 0;

	snprintf(path, sizeof(path), "views/%s.error", name);
	if (error == EIO)
		text = read_text(h, path, 4096, &again);
	return text && text->len > 0 ? text
				     : text_of(error == ENOENT ? "there is no such view" : strerror(error));
}

/* With the lock held. Long texts that are the same cost less than sending them to everybody. */
static bool is_same(const struct hub_view *v, const struct hub_text *text, bool is_broken)
{
	return v->text && text && v->is_broken == is_broken && v->text->len == text->len &&
	       memcmp(v->text->data, text->data, text->len) == 0;
}

static void read_view(struct hub *h, const char *name, struct hub_view *v, uint64_t number)
{
	char path[LIMIT_NAME + 16];
	uint64_t begin_ms = clock_ms(), now;
	struct hub_text *text, *old;
	int error = 0;

	snprintf(path, sizeof(path), "views/%s.json", name);
	text = read_text(h, path, WEB_FOLLOWED, &error);
	if (error == ENODEV || error == ENOTCONN)
		return;
	if (error)
		text = why_broken(h, name, error);
	now = clock_ms();
	pthread_mutex_lock(&h->lock);
	v->read_number = number;
	if (!v->followers || is_same(v, text, error != 0)) {
		old = text;
	} else {
		old = v->text;
		v->text = text;
		v->text_number = number;
		v->is_broken = error != 0;
		hub_announce(h);
	}
	v->not_before_ms = now + REST * (now - begin_ms);
	pthread_mutex_unlock(&h->lock);
	hub_text_unref(old);
}

/* The next followed view that has changed since it was read, and for how long the next one has to wait.
 * Views are never freed, so it may be used without the lock; its name does not change. */
static struct hub_view *next_view(struct hub *h, uint64_t *number, uint64_t *wait_ms)
{
	struct hub_view *found = NULL;
	uint64_t now = clock_ms();

	pthread_mutex_lock(&h->lock);
	for (struct hub_view *v = h->views; v && !found; v = v->next) {
		if (!v->followers || v->read_number == v->changed)
			continue;
		if (v->not_before_ms > now) {
			*wait_ms = min(*wait_ms, v->not_before_ms - now);
			continue;
		}
		*number = v->changed;
		found = v;
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

static void read_status(struct hub *h)
{
	struct hub_text *text, *old;
	int error;

	text = read_text(h, "status.json", STATUS_ROOM, &error);
	h->status_ms = clock_ms();
	if (!text)
		return;
	pthread_mutex_lock(&h->lock);
	old = h->status;
	h->status = text;
	h->status_number++;
	hub_announce(h);
	pthread_mutex_unlock(&h->lock);
	hub_text_unref(old);
}

static bool somebody_looks(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	bool looks = h->lookers > 0;
	pthread_mutex_unlock(&h->lock);
	return looks;
}

/* One round; how long nothing needs to be done. */
static uint64_t look(struct hub *h, struct round *round)
{
	uint64_t wait_ms = WEB_TICK_MS, number = 0;
	struct hub_view *v;

	if (!look_at_mount(h))
		return WEB_TICK_MS / 4;
	if (round->log)
		read_log(h);
	round->log = false;
	while (!hub_is_stopped(h) && (v = next_view(h, &number, &wait_ms)))
		read_view(h, v->name, v, number);
	if (round->status && somebody_looks(h)) {
		uint64_t age = clock_ms() - h->status_ms;

		if (age < WEB_STATUS_MS)
			return min(wait_ms, WEB_STATUS_MS - age);
		read_status(h);
	}
	round->status = false;
	return wait_ms;
}

void *hub_watch(void *arg)
{
	struct hub *h = arg;
	struct pollfd fds[2] = {{h->inotify, POLLIN, 0}, {h->wake, POLLIN, 0}};
	struct round round = {true, true};
	uint64_t looked_ms = clock_ms();
	eventfd_t ignored;

	while (!hub_is_stopped(h)) {
		uint64_t wait_ms = look(h, &round);

		poll(fds, 2, (int)wait_ms);
		if (clock_ms() - looked_ms >= WEB_TICK_MS) {
			round.log = round.status = true;
			looked_ms = clock_ms();
		}
		if (fds[1].revents) {
			eventfd_read(h->wake, &ignored);
			round.status = true;
		}
		hear(h, &round);
	}
	return NULL;
}
