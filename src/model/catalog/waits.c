/* Those who wait for a change to be known. */
#include <semaphore.h>
#include <stdio.h>

#include "model/catalog/impl.h"

/* In a wait's `after`, which else is the job that has to be over. */
#define FRESH UINT64_MAX
#define LOOKED_FOR (UINT64_MAX - 1)

void catalog_wait(struct catalog *c, struct catalog_wait *w)
{
	w->after = 0;
	pthread_mutex_lock(&c->lock);
	w->next = c->incoming;
	c->incoming = w;
	pthread_mutex_unlock(&c->lock);
	catalog_kick(c);
}

static bool take_out(struct catalog_wait **at, struct catalog_wait *w)
{
	for (; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		return true;
	}
	return false;
}

bool catalog_cancel(struct catalog *c, struct catalog_wait *w)
{
	pthread_mutex_lock(&c->lock);
	bool found = take_out(&c->incoming, w) || take_out(&c->waits, w);
	pthread_mutex_unlock(&c->lock);
	return found;
}

void catalog_wait_longer(struct catalog *c, bool all)
{
	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w = c->waits; w; w = w->next)
		if (all || w->name[0])
			w->after = c->last_id;
	pthread_mutex_unlock(&c->lock);
}

/* What they have come for, where that is a link: of what it leads to no watch tells. */
static void look_at_link(struct catalog *c, const char *name)
{
	struct known *k = catalog_find(c, name);

	if (k && k->def->link && !k->doubted)
		catalog_look(c, name, false);
}

/* Of those who have come, the next one whose definition is to be looked at; the others wait for what is under
 * way now. */
static bool next_fresh(struct catalog *c, char *ret_name)
{
	struct catalog_wait *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w = c->waits; w; w = w->next) {
		if (w->after == FRESH && !w->name[0])
			w->after = c->last_list_id;
		else if (w->after == FRESH && !found)
			found = w;
	}
	if (found) {
		memcpy(ret_name, found->name, sizeof(found->name));
		found->after = LOOKED_FOR;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* Takes those who have come, once what they wait for has been looked at or is under way. */
void catalog_take_waits(struct catalog *c)
{
	struct catalog_wait *fresh = NULL;
	char name[LIMIT_NAME + 1];

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w; (w = c->incoming);) {
		c->incoming = w->next;
		w->next = c->waits;
		c->waits = w;
		w->after = FRESH;
		fresh = w;
	}
	pthread_mutex_unlock(&c->lock);
	catalog_look_around(c, fresh);
	while (next_fresh(c, name)) {
		look_at_link(c, name);
		pthread_mutex_lock(&c->lock);
		for (struct catalog_wait *w = c->waits; w; w = w->next)
			if (w->after == LOOKED_FOR)
				w->after = c->last_id;
		pthread_mutex_unlock(&c->lock);
	}
}

/* Those whose looks are over; all of them at the end. */
void catalog_finish_waits(struct catalog *c, bool all)
{
	struct catalog_wait *done = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait **lists[] = {&c->waits, &c->incoming}, ***l = lists;
	     l < lists + (all ? 2 : 1); l++) {
		for (struct catalog_wait **at = *l; *at;) {
			struct catalog_wait *w = *at;
			if (!all && w->after > c->done_id) {
				at = &w->next;
				continue;
			}
			*at = w->next;
			w->next = done;
			done = w;
		}
	}
	pthread_mutex_unlock(&c->lock);
	while (done) {
		struct catalog_wait *w = done;
		done = w->next;
		w->done(w);
	}
}

struct settling {
	struct catalog_wait wait;
	sem_t known;
};

static void settled(struct catalog_wait *wait)
{
	sem_post(&container_of(wait, struct settling, wait)->known);
}

void catalog_settle(struct catalog *c, const char *name)
{
	struct settling s = {.wait.done = settled};

	if (catalog_is_current(c, name, 0))
		return;
	snprintf(s.wait.name, sizeof(s.wait.name), "%s", name ? name : "");
	sem_init(&s.known, 0, 0);
	catalog_wait(c, &s.wait);
	while (sem_wait(&s.known) < 0)
		;
	sem_destroy(&s.known);
}
