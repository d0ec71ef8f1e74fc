#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "model/engine/snapshot.h"
#include "model/views/keeper_impl.h"

#define AGAIN_MS                                                                                             \
	20 /* the first pause before what could not be had is asked for again; each is twice as long */

#define LARGE                                                                                                \
	(16u                                                                                                 \
	 << 20) /* bytes of a snapshot, which take 200 ms and more to load: that has a worker of its own */
#define LARGE_MAX 8

void keeper_forget(struct keeper *k, struct gone gone)
{
	if (!gone.worker && gone.fd < 0)
		return;
	if (!list_room(k->gone, k->n_gone, k->cap_gone, 8)) {
		/* The worker keeps it: it costs memory, no more. */
		worker_handle_unref(gone.worker);
		closep(&gone.fd);
		return;
	}
	k->gone[k->n_gone++] = gone;
}

bool keeper_forget_one(struct keeper *k)
{
	size_t i = k->n_gone;

	/* The newest whose worker has room: else one that is stuck would hold up what others are to forget.
	 */
	while (i > 0 && k->gone[i - 1].worker && crew_is_alive(&k->crew, k->gone[i - 1].worker) &&
	       k->gone[i - 1].worker->full)
		i--;
	if (i == 0)
		return false;
	struct gone gone = k->gone[--i];
	if (crew_is_alive(&k->crew, gone.worker)) {
		struct message m = {.type = MSG_REMOVE, .view = gone.id};
		if (!crew_send(gone.worker, &m, (struct slice){0}, NULL, 0) && gone.worker->full)
			return true; /* and now it is full */
		worker_handle_drop_slot(gone.worker, gone.slot);
	}
	memmove(k->gone + i, k->gone + i + 1, (--k->n_gone - i) * sizeof(*k->gone));
	worker_handle_unref(gone.worker);
	closep(&gone.fd);
	return true;
}

unsigned resident_place(const struct keeper *k, const struct resident *r)
{
	if (life_is_alone(&r->life))
		return r->solo;
	/* Over an empty log no view can prove itself: they need not wait for that together, in one worker
	 * with the next new one. */
	return r->life.home == HOME_MAIN || k->head == 0 ? MAIN : REBUILD;
}

static bool is_wanting(const struct resident *r)
{
	return r->again.tries >= CREW_TRIES;
}

void resident_post(struct keeper *k, const struct resident *r)
{
	const char *lacks_log = crew_lacks_log(&k->crew, r->worker);
	bool broken = r->life.stage == LIFE_BROKEN;
	struct board_post post = {
	    .paused = r->again.at_ms,
	    .apart = !broken && (r->life.home == HOME_REBUILD || r->life.home == HOME_STAYS),
	    .alone = !broken && life_is_alone(&r->life),
	    .snapshot_off = r->snapshot.off,
	    .snapshot_time = r->snapshot.time,
	    .why = r->why,
	    .waits_for = r->waits_for,
	};

	if (lacks_log && !is_wanting(r))
		diag_set(&post.waits_for, 0, "%s", lacks_log);
	if (broken)
		post.trouble = BOARD_BROKEN;
	else if (r->life.stage == LIFE_STALLED)
		post.trouble = BOARD_STALLED;
	else if (is_wanting(r) || lacks_log)
		post.trouble = BOARD_WANTING;
	board_post(k->board, r->view, r->id, &post);
}

struct board_facts resident_look(struct keeper *k, const struct resident *r)
{
	struct board_facts facts = {0};

	(void)board_look(k->board, r->view, r->id, &facts);
	return facts;
}

/* The heir has the state: from now on it is the view's worker. */
static void inherit(struct keeper *k, struct resident *r, const struct packet *p)
{
	keeper_forget(k, (struct gone){r->worker, r->id, r->slot, take_fd(&r->parcel_fd)});
	r->worker = take_ptr(r->heir);
	r->slot = r->heir_slot;
	struct board_source source = {r->worker, r->slot, r->parcel_version};
	board_inherit(k->board, r->view, r->id, &source, p);
}

static void do_duties(struct keeper *k, struct resident *r, unsigned duties, const struct packet *p)
{
	if (duties & LIFE_DO_DROP)
		keeper_forget(k,
			      (struct gone){take_ptr(r->heir), r->id, r->heir_slot, take_fd(&r->parcel_fd)});
	if (duties & LIFE_DO_DROP_HEIR)
		keeper_forget(k, (struct gone){take_ptr(r->heir), r->id, r->heir_slot, -1});
	if (duties & LIFE_DO_INHERIT)
		inherit(k, r, p);
	if (duties & LIFE_DO_FORGET) {
		board_lose(k->board, r->view, r->id, duties & LIFE_DO_RECOUNT);
		keeper_forget(k, (struct gone){take_ptr(r->worker), r->id, r->slot, -1});
	}
	if (duties & (LIFE_DO_DROP | LIFE_DO_INHERIT))
		r->handing = (struct again){0};
	if (duties & LIFE_DO_REST)
		again_later(&r->handing, AGAIN_MS);
	if (duties & LIFE_DO_PAUSE)
		again_later(&r->again, AGAIN_MS);
	if (duties & LIFE_DO_EASE) {
		r->again = (struct again){0};
		r->waits_for.text[0] = '\0';
	}
}

void resident_hears(struct keeper *k, struct resident *r, enum life_event what, const struct packet *p)
{
	do_duties(k, r, life_step(&r->life, what), p);
	resident_post(k, r);
}

void resident_happens(struct keeper *k, struct resident *r, enum life_event what)
{
	resident_hears(k, r, what, NULL);
}

void resident_breaks(struct keeper *k, struct resident *r, const char *why)
{
	if (r->life.stage == LIFE_BROKEN)
		return;
	diag_set(&r->why, 0, "%s", why);
	resident_happens(k, r, LIFE_BREAKS);
}

void resident_lacks(struct keeper *k, struct resident *r, enum life_event what, const char *why)
{
	if (r->life.stage == LIFE_BROKEN)
		return;
	diag_set(&r->waits_for, 0, "%s", why);
	resident_happens(k, r, what);
}

struct resident *resident_find(struct keeper *k, uint32_t id)
{
	for (size_t i = 0; i < k->n_residents; i++)
		if (k->residents[i]->id == id)
			return k->residents[i];
	return NULL;
}

/* After LIFE_ENDS, or at the end. */
static void resident_free(struct keeper *k, struct resident *r)
{
	board_drop(k->board, r->view);
	definition_unref(r->def);
	worker_handle_unref(r->worker);
	worker_handle_unref(r->heir);
	closep(&r->parcel_fd);
	free(r);
}

static void insert(struct keeper *k, struct resident *r)
{
	size_t i = k->n_residents++;

	for (; i > 0 && strcmp(board_name(k->residents[i - 1]->view), board_name(r->view)) > 0; i--)
		k->residents[i] = k->residents[i - 1];
	k->residents[i] = r;
}

/* Of its file; 0: there is none. */
static uint64_t snapshot_bytes(const struct keeper *k, const char *view)
{
	char name[LIMIT_NAME + 32];
	struct stat st;

	snapshot_file_name(view, name);
	return fstatat(k->views_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static int take(struct keeper *k, const struct board_life *life)
{
	struct resident *r =
	    list_room(k->residents, k->n_residents, k->cap_residents, 16) ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return -ENOMEM;
	r->view = life->view;
	r->id = life->id;
	r->def = life->def;
	r->parcel_fd = -1;
	r->load_bytes = life->from_start ? 0 : snapshot_bytes(k, board_name(r->view));
	if (life->found && r->load_bytes >= LARGE)
		r->solo = keeper_free_solo(k);
	bool apart = r->solo && r->solo < SOLO + LARGE_MAX; /* the other places are for suspects */
	r->life = life_begin(life->found, apart, life->from_start);
	insert(k, r);
	if (r->def->why.text[0])
		resident_breaks(k, r, r->def->why.text);
	else
		resident_post(k, r);
	return 0;
}

static void let_go(struct keeper *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (!board_is_over(k->board, r->view, r->id)) {
			k->residents[n++] = r;
			continue;
		}
		do_duties(k, r, life_step(&r->life, LIFE_ENDS), NULL);
		resident_free(k, r);
	}
	k->n_residents = n;
}

void residents_update(struct keeper *k)
{
	uint64_t lives = board_lives(k->board);
	struct board_life life;

	if (lives == k->lives)
		return;
	let_go(k);
	while (board_next_life(k->board, &life)) {
		if (take(k, &life) == 0)
			continue;
		board_give_back(k->board, &life);
		again_later(&k->taking, AGAIN_MS);
		return;
	}
	k->lives = lives;
	k->taking = (struct again){0};
}

void residents_free(struct keeper *k)
{
	for (size_t i = 0; i < k->n_residents; i++)
		resident_free(k, k->residents[i]);
	free(k->residents);
	for (size_t i = 0; i < k->n_gone; i++) {
		worker_handle_unref(k->gone[i].worker);
		closep(&k->gone[i].fd);
	}
	free(k->gone);
}
