#include "model/worker/pace.h"

#include "base/defs.h"

#define QUICK 10240      /* ns a KiB: up to this none is held up by another; from there on each class is */
#define CLASS_FACTOR 8   /* so many times as slow */
#define JOIN (1u << 20)  /* bytes: who is not farther behind catches up before others go on */
#define WORTH_NS 1000000 /* shorter times say nothing, */
#define WORTH_BYTES (64u << 10) /* unless they were for so much */
#define SLOW_NS 5000000         /* a pass of views together is worth a look, */
#define SLOW_FACTOR 2           /* and takes far longer than they should */

static unsigned class_of(const struct pacer *p)
{
	unsigned class = 0;

	for (uint64_t limit = QUICK; p->cost >= limit && class < 8; limit *= CLASS_FACTOR)
		class ++;
	return class;
}

static bool has_work(const struct pacer *p, uint64_t head)
{
	return !p->rests && p->off < head;
}

/* Who goes first: where, and of which class. */
static bool find_near(struct pacer *const *all, size_t n, uint64_t head, uint64_t *ret_off,
		      unsigned *ret_class)
{
	unsigned class = UINT32_MAX;
	uint64_t top = 0;

	for (size_t i = 0; i < n; i++)
		if (has_work(all[i], head))
			class = min(class, class_of(all[i]));
	if (class == UINT32_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (has_work(all[i], head) && class_of(all[i]) == class)
			top = max(top, all[i]->off);
	*ret_class = class;
	*ret_off = top;
	for (size_t i = 0; i < n; i++)
		if (has_work(all[i], head) && class_of(all[i]) == class && all[i]->off + JOIN >= top)
			*ret_off = min(*ret_off, all[i]->off);
	return true;
}

/* Of all others those at the lowest place, and there the quickest. */
static bool find_far(struct pacer *const *all, size_t n, uint64_t head, uint64_t *off, unsigned *class)
{
	const uint64_t near_off = *off;
	const unsigned near_class = *class;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		unsigned its = class_of(all[i]);
		if (!has_work(all[i], head) || (all[i]->off == near_off && its == near_class))
			continue;
		if (found && (all[i]->off > *off || (all[i]->off == *off && its >= *class)))
			continue;
		*off = all[i]->off;
		*class = its;
		found = true;
	}
	return found;
}

/* The views of that place and class; or the first of them that is to be measured. */
static void gather(struct pacer *const *all, size_t n, uint64_t head, unsigned class, struct pace_pass *pass)
{
	struct pacer *unsure = NULL;

	pass->limit = head;
	for (size_t i = 0; i < n; i++) {
		struct pacer *p = all[i];
		p->chosen = has_work(p, head) && p->off == pass->off && class_of(p) == class;
		if (p->chosen && p->unsure && !unsure)
			unsure = p;
		/* Who is met goes on together with them. */
		if (!p->rests && p->off > pass->off && class_of(p) <= class)
			pass->limit = min(pass->limit, p->off);
	}
	for (size_t i = 0; i < n && unsure; i++)
		all[i]->chosen = all[i] == unsure;
	pass->briefly = pass->far || unsure;
}

bool pace_choose(struct pacer *const *all, size_t n, uint64_t head, bool far_due, struct pace_pass *ret)
{
	unsigned class;

	*ret = (struct pace_pass){0};
	if (!find_near(all, n, head, &ret->off, &class))
		return false;
	ret->far = far_due && find_far(all, n, head, &ret->off, &class);
	gather(all, n, head, class, ret);
	return true;
}

void pace_note(struct pacer *const *all, size_t n, uint64_t bytes, uint64_t ns)
{
	uint64_t cost = ns * 1024 / max(bytes, (uint64_t)1), expected = 0;
	struct pacer *last = NULL;
	size_t together = 0;

	for (size_t i = 0; i < n; i++) {
		if (!all[i]->chosen)
			continue;
		last = all[i];
		expected += all[i]->cost;
		together++;
	}
	if (together == 1 && (ns >= WORTH_NS || bytes >= WORTH_BYTES))
		last->cost = max(cost, (uint64_t)1);
	if (together == 1)
		last->unsure = false;
	bool slow = together > 1 && ns >= SLOW_NS && cost > SLOW_FACTOR * expected;
	for (size_t i = 0; i < n && slow; i++)
		all[i]->unsure |= all[i]->chosen;
}
