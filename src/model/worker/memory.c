/* How much memory the worker has, and whose it is.
 *
 * Nobody counts allocations: that would cost each of them. The limit is looked at every few milliseconds, and
 * where it has been passed the worker ends; on its way out it throws the states away one by one, and what
 * each of them sets free is what that view had. What is left over then belonged to no state: a reducer, or
 * its host, has lost it. */
#include <malloc.h>

#include "base/clock.h"
#include "base/process.h"
#include "model/worker/impl.h"

#define LOOK_NS 5000000ull

void worker_memory_init(struct worker *w, uint64_t most)
{
	w->memory = most;
	w->statm = most ? process_open(0, "statm") : -1;
}

static uint64_t allocated(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
	struct mallinfo2 all = mallinfo2();

	return all.uordblks + all.hblkhd;
#else
	return 0; /* then all weigh the same, nothing, and are tried one by one */
#endif
}

static void weigh(struct worker *w)
{
	struct message spent = {.type = MSG_SPENT, .size = process_resident(w->statm)};

	for (struct worker_view *v = w->views; v; v = v->next) {
		struct message m = {.type = MSG_WEIGHT, .view = v->view.id};
		if (!v->view.reducer)
			continue;
		uint64_t before = allocated();
		worker_mark(w, FOLD_FREEING, v->view.id);
		view_deinit(&v->view);
		worker_mark(w, FOLD_IDLE, v->view.id);
		uint64_t after = allocated();
		m.size = before > after ? before - after : 0;
		v->broken = true;
		worker_send(w, &m, (struct slice){0}, NULL, 0);
	}
	spent.offset = allocated();
	worker_send(w, &spent, (struct slice){0}, NULL, 0);
	w->stop = true;
}

bool worker_is_short(const struct worker *w)
{
	return w->memory > 0 && process_resident(w->statm) > w->memory / 2;
}

void worker_memory_turn(struct worker *w)
{
	uint64_t now = clock_ns();

	if (w->memory == 0 || w->stop || (!w->exhausted && now - w->memory_ns < LOOK_NS))
		return;
	w->memory_ns = now;
	if (!w->exhausted && process_resident(w->statm) <= w->memory)
		return;
	/* What was let go may not have been given back. */
	if (!w->exhausted && malloc_trim(0) && process_resident(w->statm) <= w->memory)
		return;
	weigh(w);
}
