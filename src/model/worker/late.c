#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "model/worker/impl.h"

#define LARGE (1 << 20)       /* bytes of a snapshot: it takes 10 ms and more until they are read */
#define WAIT_NS 1000000000ull /* after so long one is added, whatever else there is to do */

/* A view with a large snapshot that is added when there is nothing else to do. A view that never catches up
 * would keep it waiting for ever: so then one at a time, with pauses. */
struct late_addition {
	struct late_addition *next;
	struct packet packet;
	char name[LIMIT_NAME + 1];
};

static bool is_large(const struct packet *p)
{
	struct stat st;

	return p->n_fds > 1 && fstat(p->fds[1], &st) == 0 && st.st_size >= LARGE;
}

bool worker_defer(struct worker *w, struct packet *p)
{
	struct late_addition **at = &w->late, *late;

	if (!is_large(p) || !(late = malloc(sizeof(*late))))
		return false;
	int len = snprintf(late->name, sizeof(late->name), "%.*s", (int)p->text.len, p->text.data);
	late->next = NULL;
	late->packet = *p;
	late->packet.text = (struct slice){late->name, min((size_t)len, sizeof(late->name) - 1)};
	p->n_fds = 0;
	if (!w->late)
		w->late_ns = clock_ns();
	while (*at)
		at = &(*at)->next;
	*at = late;
	return true;
}

static struct late_addition *take(struct late_addition **at)
{
	struct late_addition *late = *at;

	*at = late->next;
	return late;
}

static void late_free(struct late_addition *late)
{
	packet_deinit(&late->packet);
	free(late);
}

/* Its place in the list, or the list's end. */
static struct late_addition **find(struct worker *w, uint32_t view)
{
	struct late_addition **at = &w->late;

	while (*at && (*at)->packet.message.view != view)
		at = &(*at)->next;
	return at;
}

static bool add(struct worker *w, struct late_addition **at)
{
	if (!*at)
		return false;
	struct late_addition *late = take(at);
	worker_add(w, &late->packet);
	late_free(late);
	return true;
}

bool worker_add_late(struct worker *w, bool idle)
{
	if (!w->late || (!idle && clock_ns() - w->late_ns < WAIT_NS))
		return false;
	(void)add(w, &w->late);
	w->late_ns = clock_ns();
	return true;
}

void worker_hurry(struct worker *w, uint32_t view)
{
	(void)add(w, find(w, view));
}

bool worker_drop_late(struct worker *w, uint32_t view)
{
	struct late_addition **at = find(w, view);

	if (!*at)
		return false;
	late_free(take(at));
	return true;
}

void worker_late_free(struct worker *w)
{
	while (w->late)
		late_free(take(&w->late));
}
