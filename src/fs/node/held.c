#include "fs/node/held.h"

#include <errno.h>

#include "base/clock.h"

/* Under the lock: the text that another file fills the node's page cache with. */
static struct text *cached_by_others(const struct file *f)
{
	const struct file *other = f->node->files;

	while (other && (other == f || !other->cached))
		other = other->next;
	return other ? other->cached : NULL;
}

bool held_may_ask_again(const struct file *f)
{
	/* What overlayfs opens has O_NOATIME, and it does not look again. In another namespace of
	 * processes all threads have the id 0. */
	return f->pid != 0 && f->looked_up && !f->told && !(f->flags & O_NOATIME) &&
	       !thread_is_kernels(f->pid, f->mount->threads_hidden);
}

static bool ask_again(struct file *f)
{
	struct mount *m = f->mount;

	return held_may_ask_again(f) &&
	       reservations_make(&m->reservations, f->node, NULL, f->pid, clock_us());
}

/* Have others been told the node's size, lately or since the open came? Its own thread waits for the open. */
static bool is_crowded(const struct file *f)
{
	return f->crowded || atomic_load(&f->node->tellings) != f->tellings;
}

/* Makes the file hold the text, if all is still as it was: those on its node hold what they did, and nobody
 * has been told anything of the node's size. */
static bool hold(struct file *f, struct text *text, const struct text *others, bool crowded)
{
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->lock);
	struct text *now = cached_by_others(f);
	bool same = now == others && is_crowded(f) == crowded;
	if (same) {
		f->text = text_ref(text);
		f->cached = text_ref(now ? now : text);
	}
	pthread_mutex_unlock(&m->lock);
	return same;
}

void held_told(struct mount *m, struct node *node, pid_t tid)
{
	if (node->main || notice_is_its(m, tid))
		return;
	uses_note(&m->uses, tid, node->ino, clock_us());
	atomic_fetch_add(&node->tellings, 1);
}

int held_open(struct file *f, struct text *text)
{
	struct mount *m = f->mount;

	for (;;) {
		pthread_mutex_lock(&m->lock);
		struct text *others = cached_by_others(f);
		bool crowded = is_crowded(f);
		if (others)
			text_ref(others);
		pthread_mutex_unlock(&m->lock);
		/* A node that has just been told shorter, or may be told anything, is no better than one
		 * that holds another text. */
		bool fits = (!others || text_eq(others, text)) && !crowded &&
			    (!f->looked_up || f->size_told >= text->body.len);
		bool again = !fits && !f->node->main && ask_again(f);
		bool done = again || hold(f, text, others, crowded);
		text_unref(others);
		if (done)
			return again ? -ESTALE : 0;
	}
}

struct text *held_by(struct mount *m, struct node *node, pid_t tid)
{
	struct text *found = NULL;

	pthread_mutex_lock(&m->lock);
	for (struct file *f = node->files; f && !found; f = f->next)
		if (f->cached && (node->main || (f->pid == tid && tid != 0)))
			found = text_ref(f->text);
	pthread_mutex_unlock(&m->lock);
	return found;
}

struct text *held_in(struct file *f)
{
	pthread_mutex_lock(&f->mount->lock);
	struct text *text = f->cached ? text_ref(f->text) : NULL;
	pthread_mutex_unlock(&f->mount->lock);
	return text;
}

/* Under the lock: how long the text is that somebody may read through the node's cache; 0: nobody. Who has
 * come back for a fresh one, and has not used the cache, reads with read(2). */
static uint64_t pinned(const struct node *node)
{
	const struct file *f = node->files;

	while (f && (!f->cached || (f->refreshed && !f->filled)))
		f = f->next;
	return f ? f->cached->body.len : 0;
}

void held_closed(struct file *f)
{
	struct mount *m = f->mount;
	struct node *node = f->node;

	/* Of another node than the main one nobody asks for the size any more. */
	if (!f->filled || node->main || !notice_drop(m))
		return;
	node->left = max(node->left, (uint64_t)f->cached->body.len);
	if (!node->left_listed) {
		node->left_listed = true;
		node->next_left = m->left;
		m->left = nodes_ref(&m->nodes, node);
	}
}

void held_drop(struct mount *m)
{
	struct node *node;

	pthread_mutex_lock(&m->lock);
	while ((node = m->left)) {
		m->left = node->next_left;
		node->left_listed = false;
		pthread_mutex_unlock(&m->lock);
		raise_drop(m, node);
		pthread_mutex_lock(&m->lock);
		if (!node->left_listed)
			node->left = 0;
		pthread_mutex_unlock(&m->lock);
		nodes_unref(&m->nodes, node);
		pthread_mutex_lock(&m->lock);
	}
	pthread_mutex_unlock(&m->lock);
}

uint64_t held_own_size(struct mount *m, const struct node *node, uint64_t size)
{
	pthread_mutex_lock(&m->lock);
	uint64_t least = pinned(node);
	pthread_mutex_unlock(&m->lock);
	return max(size, least);
}

uint64_t held_size(struct mount *m, const struct node *node, uint64_t size)
{
	pthread_mutex_lock(&m->lock);
	uint64_t least = max(pinned(node), node->left);
	pthread_mutex_unlock(&m->lock);
	return max(size, least);
}

uint64_t held_size_hint(struct mount *m, struct node *node)
{
	pthread_mutex_lock(&m->lock);
	uint64_t size = max(pinned(node), node->left);
	pthread_mutex_unlock(&m->lock);
	return size ? size : UINT64_C(1) << 40;
}
