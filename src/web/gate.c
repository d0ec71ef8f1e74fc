#include "web/gate.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "web/limits.h"

/* Here and below: under the lock the number of a socket can't become another one's, and a thread that
 * waits can't end. Neither a shutdown nor a look nor a signal waits: the one exception to "no system call
 * under a lock". */
static void cut(struct gate_entry *e)
{
	shutdown(e->socket, SHUT_RDWR);
	e->until = 0;
}

void gate_init(struct gate *g)
{
	*g = (struct gate){0};
	pthread_mutex_init(&g->lock, NULL);
	g->first.next = g->first.prev = &g->first;
}

void gate_deinit(struct gate *g)
{
	pthread_mutex_destroy(&g->lock);
}

static void know(struct gate *g, struct gate_entry *e)
{
	if (!e->is_known)
		g->strangers--;
	e->is_known = true;
}

static struct gate_entry *oldest_stranger(struct gate *g)
{
	for (struct gate_entry *e = g->first.next; e != &g->first; e = e->next)
		if (!e->is_known)
			return e;
	return NULL;
}

struct gate_entry *gate_enter(struct gate *g, int socket)
{
	struct gate_entry *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct gate_entry){.socket = socket, .until = clock_ms() + WEB_HEAD_MS};
	pthread_mutex_lock(&g->lock);
	if (g->strangers >= WEB_STRANGERS) {
		struct gate_entry *old = oldest_stranger(g);

		cut(old);
		know(g, old);
	}
	g->strangers++;
	e->prev = g->first.prev;
	e->next = &g->first;
	e->prev->next = e->next->prev = e;
	pthread_mutex_unlock(&g->lock);
	return e;
}

void gate_leave(struct gate *g, struct gate_entry *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&g->lock);
	know(g, e);
	e->prev->next = e->next;
	e->next->prev = e->prev;
	pthread_mutex_unlock(&g->lock);
	free(e);
}

void gate_expect(struct gate *g, struct gate_entry *e, uint64_t ms)
{
	if (!e)
		return;
	pthread_mutex_lock(&g->lock);
	e->until = ms ? clock_ms() + ms : 0;
	pthread_mutex_unlock(&g->lock);
}

void gate_let_in(struct gate *g, struct gate_entry *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&g->lock);
	know(g, e);
	pthread_mutex_unlock(&g->lock);
}

static void set_waits(struct gate *g, struct gate_entry *e, bool waits)
{
	if (!e)
		return;
	pthread_mutex_lock(&g->lock);
	e->waits = waits;
	e->waiter = pthread_self();
	pthread_mutex_unlock(&g->lock);
}

void gate_wait(struct gate *g, struct gate_entry *e)
{
	set_waits(g, e, true);
}

void gate_waited(struct gate *g, struct gate_entry *e)
{
	set_waits(g, e, false);
}

static bool reader_is_gone(const struct gate_entry *e)
{
	struct pollfd fd = {e->socket, POLLRDHUP, 0};

	return poll(&fd, 1, 0) > 0;
}

bool gate_sweep(struct gate *g)
{
	uint64_t now = clock_ms();
	bool somebody_waits = false;

	pthread_mutex_lock(&g->lock);
	for (struct gate_entry *e = g->first.next; e != &g->first; e = e->next) {
		if (e->until && e->until <= now)
			cut(e);
		/* A signal that comes just before the system call is lost: the next one is not. */
		if (e->waits && reader_is_gone(e))
			pthread_kill(e->waiter, GATE_SIGNAL);
		somebody_waits |= e->waits;
	}
	pthread_mutex_unlock(&g->lock);
	return somebody_waits;
}

void gate_shut(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	for (struct gate_entry *e = g->first.next; e != &g->first; e = e->next)
		cut(e);
	pthread_mutex_unlock(&g->lock);
}
