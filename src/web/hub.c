#include <errno.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "web/hub_impl.h"
#include "web/limits.h"

#define MOST_VIEWS 4096 /* names that have changed; a mount has 1,024 at a time */

struct hub_text *hub_text_ref(struct hub_text *text)
{
	if (text)
		text->refs++;
	return text;
}

struct hub_text *hub_text_unref(struct hub_text *text)
{
	if (text && --text->refs == 0)
		free(text);
	return NULL;
}

int hub_start(struct hub *h, const char *mnt, struct diag *diag)
{
	int r;

	*h = (struct hub){.mnt = mnt, .watch_log = -1, .watch_views = -1};
	pthread_mutex_init(&h->lock, NULL);
	clock_cond_init(&h->cond);
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	h->window = malloc(WEB_WINDOW);
	r = h->wake < 0 || h->inotify < 0 || !h->window ? -ENOMEM
							: -pthread_create(&h->thread, NULL, hub_watch, h);
	h->is_started = r == 0;
	return r == 0 ? 0 : diag_set(diag, r, "cannot follow the mount: %s", strerror(-r));
}

void hub_stop(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	h->is_stopped = true;
	hub_announce(h);
	pthread_mutex_unlock(&h->lock);
	eventfd_write(h->wake, 1);
}

void hub_deinit(struct hub *h)
{
	struct hub_view *next;

	if (h->is_started)
		pthread_join(h->thread, NULL);
	for (struct hub_view *v = h->views; v; v = next) {
		next = v->next;
		hub_text_unref(v->text);
		free(v);
	}
	hub_text_unref(h->status);
	free(h->window);
	closep(&h->wake);
	closep(&h->inotify);
	pthread_cond_destroy(&h->cond);
	pthread_mutex_destroy(&h->lock);
}

void hub_announce(struct hub *h)
{
	h->news++;
	pthread_cond_broadcast(&h->cond);
}

uint64_t hub_news(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	uint64_t news = h->news;
	pthread_mutex_unlock(&h->lock);
	return news;
}

void hub_wait(struct hub *h, uint64_t seen, unsigned ms)
{
	uint64_t until = clock_us() + ms * 1000ull;

	pthread_mutex_lock(&h->lock);
	while (h->news == seen && !h->is_stopped && clock_cond_wait(&h->cond, &h->lock, until))
		;
	pthread_mutex_unlock(&h->lock);
}

bool hub_is_stopped(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	bool is = h->is_stopped;
	pthread_mutex_unlock(&h->lock);
	return is;
}

bool hub_is_up(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	bool is = h->is_up;
	pthread_mutex_unlock(&h->lock);
	return is;
}

void hub_add_log(struct hub *h, const char *data, size_t len)
{
	if (len >= WEB_WINDOW) {
		h->head += len - WEB_WINDOW;
		data += len - WEB_WINDOW;
		len = WEB_WINDOW;
	}
	while (len > 0) {
		size_t at = (size_t)(h->head % WEB_WINDOW), n = min(len, WEB_WINDOW - at);

		memcpy(h->window + at, data, n);
		h->head += n;
		data += n;
		len -= n;
	}
	h->from = max(h->from, h->head > WEB_WINDOW ? h->head - WEB_WINDOW : 0);
}

ssize_t hub_read_log(struct hub *h, uint64_t epoch, uint64_t off, char *out, size_t room)
{
	ssize_t result = 0;

	pthread_mutex_lock(&h->lock);
	if (off > h->head) {
		result = h->epoch != epoch ? -ESPIPE : 0;
	} else if (off < h->from) {
		result = -ERANGE;
	} else if (off < h->head) {
		size_t at = (size_t)(off % WEB_WINDOW), n = min((uint64_t)room, h->head - off);

		n = min(n, WEB_WINDOW - at);
		memcpy(out, h->window + at, n);
		result = (ssize_t)n;
	}
	pthread_mutex_unlock(&h->lock);
	return result;
}

uint64_t hub_epoch(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	uint64_t epoch = h->epoch;
	pthread_mutex_unlock(&h->lock);
	return epoch;
}

struct hub_view *hub_view_of(struct hub *h, const char *name)
{
	struct hub_view *v;
	unsigned n = 0;

	for (v = h->views; v; v = v->next, n++)
		if (strcmp(v->name, name) == 0)
			return v;
	v = n < MOST_VIEWS && strlen(name) <= LIMIT_NAME ? calloc(1, sizeof(*v)) : NULL;
	if (!v)
		return NULL;
	strcpy(v->name, name);
	v->next = h->views;
	h->views = v;
	return v;
}

struct hub_view *hub_follow(struct hub *h, const char *name)
{
	pthread_mutex_lock(&h->lock);
	struct hub_view *v = hub_view_of(h, name);
	/* What was read for others who are gone may be old: the first one has it read anew. */
	if (v && v->followers++ == 0)
		v->changed = ++h->changes;
	pthread_mutex_unlock(&h->lock);
	eventfd_write(h->wake, 1);
	return v;
}

void hub_unfollow(struct hub *h, struct hub_view *v)
{
	pthread_mutex_lock(&h->lock);
	struct hub_text *text = --v->followers == 0 ? take_ptr(v->text) : NULL;
	pthread_mutex_unlock(&h->lock);
	hub_text_unref(text);
}

struct hub_text *hub_view_text(struct hub *h, struct hub_view *v, uint64_t *seen, bool *ret_broken)
{
	struct hub_text *text = NULL;

	pthread_mutex_lock(&h->lock);
	if (v->text && v->text_number != *seen) {
		text = hub_text_ref(v->text);
		*seen = v->text_number;
		*ret_broken = v->is_broken;
	}
	pthread_mutex_unlock(&h->lock);
	return text;
}

void hub_look(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	h->lookers++;
	pthread_mutex_unlock(&h->lock);
	eventfd_write(h->wake, 1);
}

void hub_unlook(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	h->lookers--;
	pthread_mutex_unlock(&h->lock);
}

struct hub_text *hub_status(struct hub *h, uint64_t *seen)
{
	struct hub_text *text = NULL;

	pthread_mutex_lock(&h->lock);
	if (h->status && h->status_number != *seen) {
		text = hub_text_ref(h->status);
		*seen = h->status_number;
	}
	pthread_mutex_unlock(&h->lock);
	return text;
}

bool hub_changed_views(struct hub *h, uint64_t *seen, struct buf *out)
{
	char between = '[';

	pthread_mutex_lock(&h->lock);
	if (*seen != h->changes) {
		for (const struct hub_view *v = h->views; v; v = v->next) {
			if (v->changed <= *seen)
				continue;
			buf_add_char(out, between);
			buf_add_json(out, slice_of(v->name));
			between = ',';
		}
		*seen = h->changes;
	}
	pthread_mutex_unlock(&h->lock);
	if (between == ',')
		buf_add_char(out, ']');
	return between == ',';
}
