/* The window: what of the order the engine keeps. What every member has is deleted, and what is too much or
 * too old; always all that begins before some place, so that what is left has no holes, and never beyond the
 * head. Any agent does it, and it does no harm if two do. */
#include "cluster/agent/agent_impl.h"

#define LOOK_MS 2000
#define JITTER_MS 1000
#define SIZE_MS 10000
#define OLD_MAX 64
#define OLD_MS 60000 /* how often the age is looked at, at most */

static void cut_done(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->trim.cut.call = NULL;
	if (agent_heard(a, answer))
		a->trim.window_off = a->trim.limit;
}

static void cut(struct agent *a, uint64_t limit)
{
	struct trim *t = &a->trim;
	char end[KEY_MAX];

	if (t->cut.call)
		return;
	t->limit = min(limit, a->order.seen.off);
	keys_batch(&a->keys, t->limit, end);
	t->cut.call = agent_called(a, etcd_delete(a->etcd, a->keys.batches, end, CALL_MS, cut_done, a));
}

static void found_first(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct trim *t = &a->trim;
	uint64_t head = a->order.seen.off, limit = 0;

	t->first.call = NULL;
	if (!agent_heard(a, answer) || answer->n_ranges < 1)
		return;
	t->window_off = UINT64_MAX;
	if (answer->ranges[0].n == 0 ||
	    !keys_batch_read(&a->keys, answer->ranges[0].kvs[0].key, &t->window_off))
		return;
	if (t->members_off != UINT64_MAX)
		limit = min(t->members_off, head);
	if (head > a->options.window_bytes)
		limit = max(limit, head - a->options.window_bytes);
	if (t->window_off < limit)
		cut(a, limit);
}

/* With what is known of the members by now. */
void trim_look(struct agent *a)
{
	struct trim *t = &a->trim;
	struct etcd_find find = {
	    .key = a->keys.batches, .end = a->keys.batches_end, .limit = 1, .keys_only = true};

	if (a->order.stage != ORDER_JOINED || !task_is_due(&t->first, a->order.now_ms))
		return;
	t->first.at_ms = a->order.now_ms + LOOK_MS + clock_ns() % JITTER_MS;
	t->first.call = agent_called(a, etcd_find(a->etcd, &find, CALL_MS, found_first, a));
}

/* How many of these, from the first on, are too old. *ret_end: where the last of them ends. */
static size_t count_old(const struct agent *a, const struct etcd_range *batches, uint64_t *ret_end)
{
	uint64_t now = clock_unix(), age = a->options.window_ms / 1000;
	size_t n = 0;

	for (; n < batches->n; n++) {
		struct cluster_batch b cleanup(cluster_batch_deinit) = {0};
		if (batch_read(batches->kvs[n].value, &b, NULL) < 0 || b.time >= now || now - b.time <= age)
			break;
		*ret_end = b.after.off;
	}
	return n;
}

static void found_old(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct trim *t = &a->trim;
	uint64_t end = 0;

	t->old.call = NULL;
	if (!agent_heard(a, answer) || answer->n_ranges < 1)
		return;
	size_t n = count_old(a, &answer->ranges[0], &end);
	bool all = n > 0 && n == answer->ranges[0].n;
	t->old_limit = all ? min(2 * t->old_limit, (uint64_t)OLD_MAX) : 1;
	if (all)
		t->old.at_ms = a->order.now_ms + LOOK_MS / 10;
	if (n > 0)
		cut(a, end);
}

static void look_for_old(struct agent *a)
{
	struct trim *t = &a->trim;
	struct etcd_find find = {.key = a->keys.batches, .end = a->keys.batches_end, .limit = t->old_limit};
	uint64_t pause = max(a->options.window_ms / 16, (uint64_t)LOOK_MS);

	t->old.at_ms = a->order.now_ms + min(pause, (uint64_t)OLD_MS);
	t->old.call = agent_called(a, etcd_find(a->etcd, &find, CALL_MS, found_old, a));
}

static void sized(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->trim.size.call = NULL;
	/* One member says this, without the others: it proves nothing of a majority. */
	if (answer->result == ETCD_OK)
		a->trim.db_bytes = answer->db_bytes;
}

void trim_turn(struct agent *a)
{
	struct trim *t = &a->trim;

	if (a->order.stage != ORDER_JOINED)
		return;
	if (!t->cut.call && task_is_due(&t->old, a->order.now_ms))
		look_for_old(a);
	if (task_is_due(&t->size, a->order.now_ms)) {
		t->size.at_ms = a->order.now_ms + SIZE_MS;
		t->size.call = agent_called(a, etcd_status(a->etcd, CALL_MS, sized, a));
	}
}

void trim_due_ms(const struct agent *a, uint64_t *due_ms)
{
	if (a->order.stage != ORDER_JOINED)
		return;
	if (!a->trim.cut.call)
		task_due_ms(&a->trim.old, due_ms);
	task_due_ms(&a->trim.size, due_ms);
}
