#include <errno.h>

#include "base/clock.h"
#include "model/views/board_impl.h"

/* Nothing a worker says of a view's place can lie beyond the head that it was told of, and the state can't
 * have changed more often than there were events. Else it has lost its way, perhaps all of it: it is
 * replaced. */
static bool is_believable(const struct board_view *v, const struct log_pos *pos, uint64_t version)
{
	const struct board_source *s = &v->source;
	bool can_be = pos->off <= atomic_load(&s->worker->orders->head) && pos->seq <= pos->off &&
		      version >= s->version && version - s->version <= pos->seq;

	if (!can_be)
		atomic_store(&s->worker->unsound, true);
	return can_be;
}

void view_touch(struct board_view *v)
{
	struct dates *d = &v->dates;
	uint64_t now = clock_unix_ns();

	if (v->pos.off <= d->old_until)
		now = min(now, d->old_changed);
	now = max(now, d->defined);
	/* A clock that is set back makes nothing older than it was. */
	d->changed_before = min(d->changed, now);
	d->changed = now;
}

static void note(struct board_view *v, const struct log_pos *pos, uint64_t version)
{
	v->pos = *pos;
	if (version > v->version) {
		v->version = version;
		view_touch(v);
	}
	if (v->rendering && v->rendering->version == version)
		v->rendering_pos = *pos;
}

static void catch_up(struct board_view *v)
{
	const struct board_source *s = &v->source;
	struct slot_value value;

	if (!s->worker || !slot_read(&s->worker->shared->slots[s->slot], &value) || value.view != v->id)
		return;
	/* It has come past a hole: first the message that says so. */
	if (value.holes != v->holes_turn || !is_believable(v, &value.pos, value.version))
		return;
	note(v, &value.pos, value.version);
	v->folded = value.folded;
	v->rate = value.rate;
}

void view_sync(struct board *b, struct board_view *v)
{
	catch_up(v);
	view_answer(b, v);
}

void view_lose(struct board *b, struct board_view *v)
{
	if (v->id)
		view_sync(b, v);
	v->folded_before += v->folded;
	v->folded = 0;
	view_unask(v);
	v->probe = false;
	v->unheard = 0;
	worker_handle_unref(take_ptr(v->source.worker));
}

/* Its life, and whose it is. */
static bool is_of(const struct board_view *v, uint32_t id, const struct worker_handle *h)
{
	return board_has(v, id) && v->source.worker == h && v->post.trouble != BOARD_BROKEN;
}

void board_post(struct board *b, struct board_view *v, uint32_t id, const struct board_post *post)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		enum board_trouble before = v->post.trouble;
		if (before == BOARD_FINE && post->trouble == BOARD_BROKEN)
			view_sync(b, v);
		v->post = *post;
		v->news |= post->trouble != before;
		if (post->trouble == BOARD_BROKEN && before != BOARD_BROKEN)
			view_touch(v);
		if (post->trouble != BOARD_FINE)
			view_fail(b, v, -EIO);
	}
	pthread_mutex_unlock(&b->lock);
}

void board_source(struct board *b, struct board_view *v, uint32_t id, const struct board_source *s)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		view_lose(b, v);
		v->source = *s;
		worker_handle_ref(s->worker);
		/* Its slot may hold what is left of an earlier time there, until the worker says that it has
		 * it. */
		v->holes_turn = UINT64_MAX;
		v->probe = true;
	}
	pthread_mutex_unlock(&b->lock);
}

/* What the message says of the view's holes. Believes nothing that could hurt. */
static void take_holes(struct board_view *v, const struct packet *p)
{
	struct holes holes = {0};

	if (p->text.len == sizeof(holes))
		memcpy(&holes, p->text.data, sizeof(holes));
	v->news |= (v->holes.n > 0) != (holes.n > 0) || v->holes.events != holes.events;
	v->holes = holes;
	v->holes_turn = p->message.size;
}

void board_inherit(struct board *b, struct board_view *v, uint32_t id, const struct board_source *s,
		   const struct packet *p)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		view_lose(b, v);
		v->source = *s;
		worker_handle_ref(s->worker);
		v->probe = true;
		take_holes(v, p);
		view_sync(b, v);
	}
	pthread_mutex_unlock(&b->lock);
}

void board_lose(struct board *b, struct board_view *v, uint32_t id, bool recount)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		view_lose(b, v);
		v->version += recount;
	}
	pthread_mutex_unlock(&b->lock);
}

bool board_look(struct board *b, struct board_view *v, uint32_t id, struct board_facts *ret)
{
	pthread_mutex_lock(&b->lock);
	bool there = board_has(v, id);
	if (there) {
		view_sync(b, v);
		*ret = (struct board_facts){v->pos, v->version, v->state_bytes};
	}
	pthread_mutex_unlock(&b->lock);
	return there;
}

uint64_t board_rendered(struct board *b, struct board_view *v, uint32_t id)
{
	pthread_mutex_lock(&b->lock);
	uint64_t version = board_has(v, id) && v->rendering ? v->rendering->version : 0;
	pthread_mutex_unlock(&b->lock);
	return version;
}

uint64_t board_let_go(struct board *b, struct board_view *v, uint32_t id, uint64_t now_ms)
{
	struct rendering *old = NULL;
	uint64_t again = CLOCK_FOREVER;

	pthread_mutex_lock(&b->lock);
	bool large = board_has(v, id) && v->rendering && v->rendering->json.len > b->options.kept_bytes;
	/* Who has it open keeps it in memory anyway, and then it serves others, too. */
	if (large && now_ms >= v->rendering_ms + BOARD_KEEP_MS && atomic_load(&v->rendering->refs) == 1)
		old = take_ptr(v->rendering);
	else if (large)
		again = max(v->rendering_ms, now_ms) + BOARD_KEEP_MS;
	pthread_mutex_unlock(&b->lock);
	rendering_unref(old);
	return again;
}

/* The newer one stays; returns the other. */
static struct rendering *keep_newer(struct board_view *v, struct rendering *r)
{
	if (!r || (v->rendering && v->rendering->version > r->version))
		return r;
	struct rendering *old = v->rendering;
	v->rendering = r;
	v->rendering_pos = r->pos;
	v->rendering_ms = clock_ms();
	v->state_bytes = r->json.len - 1;
	return old;
}

bool board_take_state(struct board *b, struct board_view *v, uint32_t id, struct worker_handle *h,
		      const struct message *m, struct rendering *r, struct rendering **ret)
{
	struct rendering *old = r;

	*ret = NULL;
	pthread_mutex_lock(&b->lock);
	bool believed = is_of(v, id, h) && is_believable(v, &m->pos, m->version);
	if (believed) {
		old = keep_newer(v, r);
		note(v, &m->pos, m->version);
		/* Rather too early than too late: what is told of an older state must not be taken for the
		 * newer one's. */
		if (r && v->rendering == r)
			r->changed = r->version == v->version ? v->dates.changed : v->dates.changed_before;
		if (v->rendering && v->rendering->version == m->version)
			*ret = rendering_ref(v->rendering);
		/* Word of a rendering that is not here any more: ask again. */
		if (!r && (m->flags & MSG_STATE) && !*ret)
			view_unask(v);
		view_sync(b, v);
	}
	pthread_mutex_unlock(&b->lock);
	rendering_unref(old);
	return believed;
}

void board_take_added(struct board *b, struct board_view *v, uint32_t id, const struct packet *p)
{
	const struct message *m = &p->message;
	struct rendering *old = NULL;

	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		uint64_t n = v->holes.n, events = v->holes.events;
		take_holes(v, p);
		/* It begins before holes that it will come to once more: nothing would tell of those in the
		 * last rendering. */
		if (n != v->holes.n || events != v->holes.events)
			old = take_ptr(v->rendering);
		if (v->dates.open && m->changed && m->version == v->version) {
			v->dates.changed = min(m->changed, clock_unix_ns());
			v->dates.changed_before = min(v->dates.changed_before, v->dates.changed);
		}
		v->dates.open = false;
		view_sync(b, v);
	}
	pthread_mutex_unlock(&b->lock);
	rendering_unref(old);
}

void board_take_holes(struct board *b, struct board_view *v, uint32_t id, const struct packet *p)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id) && v->post.trouble != BOARD_BROKEN) {
		take_holes(v, p);
		view_sync(b, v);
	}
	pthread_mutex_unlock(&b->lock);
}

struct holes board_holes(struct board *b, struct board_view *v, uint32_t id, uint64_t off)
{
	struct holes holes = {0};

	pthread_mutex_lock(&b->lock);
	if (board_has(v, id))
		holes = holes_before(&v->holes, off);
	pthread_mutex_unlock(&b->lock);
	return holes;
}

void board_take_changes(struct board *b, const struct worker_handle *h)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views; i++)
		if (b->views[i]->source.worker == h)
			view_sync(b, b->views[i]);
	pthread_mutex_unlock(&b->lock);
}
