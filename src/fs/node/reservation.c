#include "fs/node/reservation.h"

#include <errno.h>
#include <unistd.h>

#include "base/process.h"

/* In another namespace of processes all threads have the id 0, which is a key like any other here. */
static uint64_t key_of(pid_t tid)
{
	return (uint64_t)tid + 1;
}

void reservations_init(struct reservations *r, struct nodes *nodes)
{
	*r = (struct reservations){.nodes = nodes};
	pthread_mutex_init(&r->lock, NULL);
}

/* Under the lock. */
static void remove_at(struct reservations *r, struct reservation **p)
{
	struct reservation *v = *p;

	*p = v->next;
	r->n--;
	nodes_unref(r->nodes, v->node);
	nodes_unref(r->nodes, v->main);
	free(v);
}

void reservations_deinit(struct reservations *r)
{
	while (r->first)
		remove_at(r, &r->first);
	pthread_mutex_destroy(&r->lock);
}

/* It may have been made meanwhile, by another thread. */
static bool is_over(uint64_t since, uint64_t now, uint64_t limit)
{
	return now > since && now - since >= limit;
}

/* Under the lock: lets go of what nobody has come for in time. */
static void expire(struct reservations *r, uint64_t now)
{
	struct reservation **p = &r->first;

	while (*p) {
		if (is_over((*p)->since, now, RESERVATION_US))
			remove_at(r, p);
		else
			p = &(*p)->next;
	}
}

/* Under the lock. False: all its places are others'. */
static bool note_told(struct reservations *r, const struct node *main, pid_t tid, uint64_t now)
{
	struct told *told = WAYS_PLACE(r->told, key_of(tid));

	if (told->way.key && told->way.key != key_of(tid) &&
	    !is_over(told->way.when, now, RESERVATION_TOLD_US))
		return false;
	*told = (struct told){{key_of(tid), now}, main->ino};
	return true;
}

/* Under the lock. */
static struct reservation **find(struct reservations *r, pid_t tid)
{
	struct reservation **p = &r->first;

	while (*p && (*p)->tid != tid)
		p = &(*p)->next;
	return p;
}

bool reservations_make(struct reservations *r, struct node *main, struct node *node, pid_t tid, uint64_t now)
{
	struct reservation *v = calloc(1, sizeof(*v));

	if (!v)
		return false;
	*v = (struct reservation){.tid = tid,
				  .fresh = !node,
				  .main = nodes_ref(r->nodes, main),
				  .node = nodes_ref(r->nodes, node),
				  .since = now};
	pthread_mutex_lock(&r->lock);
	expire(r, now);
	struct reservation **old = find(r, tid);
	if (*old)
		remove_at(r, old);
	bool room = r->n < RESERVATIONS_MAX && note_told(r, main, tid, now);
	v->next = r->first;
	r->first = v;
	r->n++;
	if (!room)
		remove_at(r, &r->first);
	pthread_mutex_unlock(&r->lock);
	return room;
}

struct node *reservations_look(struct reservations *r, struct node *main, pid_t tid, uint64_t now)
{
	struct node *node = NULL;

	if (r->n == 0)
		return NULL;
	pthread_mutex_lock(&r->lock);
	expire(r, now);
	struct reservation *v = *find(r, tid);
	if (v && v->main == main) {
		if (v->fresh && !v->node)
			v->node = nodes_another(r->nodes, main);
		node = v->node;
		if (node)
			nodes_look(r->nodes, node);
	}
	pthread_mutex_unlock(&r->lock);
	return node;
}

bool reservations_end(struct reservations *r, struct node *node, pid_t tid, uint64_t now)
{
	const struct node *main = node->main ? node->main : node;
	bool is_told = false;

	pthread_mutex_lock(&r->lock);
	expire(r, now);
	struct reservation **p = find(r, tid);
	if (*p)
		remove_at(r, p);
	struct told *told = WAYS_FIND(r->told, key_of(tid));
	if (told) {
		is_told = told->ino == main->ino && !is_over(told->way.when, now, RESERVATION_TOLD_US);
		told->way.key = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return is_told;
}

void looked_up_note(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t size)
{
	struct look *look = WAYS_PLACE(l->by, key_of(tid));

	*look = (struct look){{key_of(tid), ++l->count}, ino, size};
}

bool looked_up_is(const struct looked_up *l, pid_t tid, uint64_t ino)
{
	const struct look *look = WAYS_FIND(l->by, key_of(tid));

	return look && look->ino == ino;
}

bool looked_up_take(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t *ret_size)
{
	struct look *look = WAYS_FIND(l->by, key_of(tid));
	bool found = looked_up_is(l, tid, ino);

	if (found)
		*ret_size = look->size;
	if (look)
		look->way.key = 0;
	return found;
}

#define PF_KTHREAD 0x00200000u /* of linux/sched.h, as proc(5) shows it */

void uses_note(struct uses *u, pid_t tid, uint64_t ino, uint64_t now)
{
	struct use *use = WAYS_PLACE(u->by, ino);

	if (use->way.key != ino)
		*use = (struct use){0};
	else if (use->last != tid)
		use->others_us = use->way.when;
	use->way = (struct way){ino, now};
	use->last = tid;
}

bool uses_are_others(const struct uses *u, pid_t tid, uint64_t ino, uint64_t now)
{
	const struct use *use = WAYS_FIND(u->by, ino);

	if (!use)
		return false;
	uint64_t others = use->last == tid ? use->others_us : use->way.when;
	return others && now - others < USE_LATELY_US;
}

void joiners_note(struct joiners *j, pid_t tid, bool joins, uint64_t now)
{
	struct joiner *by = WAYS_FIND(j->by, key_of(tid));

	if (joins && tid != 0)
		*(struct joiner *)WAYS_PLACE(j->by, key_of(tid)) = (struct joiner){{key_of(tid), now}};
	else if (by)
		by->way.key = 0;
}

bool joiners_has(const struct joiners *j, pid_t tid, uint64_t now)
{
	const struct joiner *by = WAYS_FIND(j->by, key_of(tid));

	return by && now - by->way.when < JOINED_LATELY_US;
}

bool threads_are_hidden(void)
{
	/* There always is a first process. Where that is this user's, none of the kernel's is in sight. */
	return access("/proc/1", F_OK) < 0;
}

bool thread_is_kernels(pid_t tid, bool hidden)
{
	auto_close int fd = process_open(tid, "stat");
	struct process_stat stat;

	/* One that is gone is nobody's; of one that can't be looked at now it is not known. */
	if (fd < 0)
		return hidden || fd != -ENOENT;
	return process_stat(fd, &stat) && stat.flags & PF_KTHREAD;
}
