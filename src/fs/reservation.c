#include "fs/reservation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

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

static struct told *told_of(struct reservations *r, pid_t tid)
{
	return &r->told[(unsigned)tid % RESERVATIONS_TOLD];
}

/* Under the lock. False: its place is another's. */
static bool note_told(struct reservations *r, const struct node *main, pid_t tid, uint64_t now)
{
	struct told *told = told_of(r, tid);

	if (told->tid && told->tid != tid && !is_over(told->since, now, RESERVATION_TOLD_US))
		return false;
	*told = (struct told){.tid = tid, .ino = main->ino, .since = now};
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
	struct told *told = told_of(r, tid);
	if (tid && told->tid == tid) {
		is_told = told->ino == main->ino && !is_over(told->since, now, RESERVATION_TOLD_US);
		told->tid = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return is_told;
}

static struct look *look_of(struct looked_up *l, pid_t tid)
{
	return &l->by[(unsigned)tid % LOOKED_UP];
}

void looked_up_note(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t size)
{
	*look_of(l, tid) = (struct look){.tid = tid, .ino = ino, .size = size};
}

bool looked_up_is(const struct looked_up *l, pid_t tid, uint64_t ino)
{
	const struct look *look = &l->by[(unsigned)tid % LOOKED_UP];

	return look->tid == tid && look->ino == ino;
}

bool looked_up_take(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t *ret_size)
{
	struct look *look = look_of(l, tid);
	bool found = looked_up_is(l, tid, ino);

	if (found)
		*ret_size = look->size;
	if (look->tid == tid)
		look->ino = 0;
	return found;
}

#define PF_KTHREAD 0x00200000u /* of linux/sched.h, as proc(5) shows it */

bool threads_are_hidden(void)
{
	/* There always is a first process. Where that is this user's, none of the kernel's is in sight. */
	return access("/proc/1", F_OK) < 0;
}

bool thread_is_kernels(pid_t tid, bool hidden)
{
	char path[32], text[512], *end;
	unsigned flags = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* One that is gone is nobody's; of one that can't be looked at now it is not known. */
	if (fd < 0)
		return hidden || errno != ENOENT;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* "ID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS …", and a name may have anything in it. */
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & PF_KTHREAD;
}
