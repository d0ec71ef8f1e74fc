#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/again.h"
#include "model/engine/snapshot.h"
#include "model/link/proto.h"
#include "model/views/past_impl.h"
#include "store/disk.h"
#include "store/memfd.h"

/* A trip that lacked something that passes is made again: the first pause, and how often. */
#define AGAIN_MS 20
#define AGAIN_TRIES 7
#define READY_LEAST (1u << 20) /* bytes of a state for which a worker stands ready */

/* -EBADMSG, here and below: damage is in the way; why is in the diag. */
static int seek(struct guide *g, uint64_t seq, struct log_pos *ret, struct diag *why)
{
	uint64_t head = eventlog_head(g->live.log).off;

	*ret = (struct log_pos){0};
	int r = live_reader_refresh(&g->live);
	if (r == 0 && seq > 0)
		r = reader_seek_seq(g->live.reader, seq, head, ret);
	if (r == -EBADMSG)
		diag_set(why, r, "the log is damaged around event %llu", (unsigned long long)seq);
	return r > 0 ? -ENOENT : r;
}

/* A cached state as a snapshot, which is what a worker begins with: a file, or an error. It is handed on as
 * one worker's to another, so it has no checksum over the log. */
static int base_of_rendering(uint64_t reducer, const struct rendering *rendering)
{
	auto_buf struct buf text = {0};
	struct snapshot s = {
	    .pos = rendering->pos,
	    .reducer = reducer,
	    .state = {rendering->json.data, rendering->json.len - 1},
	};

	int r = snapshot_write(&s, &text);
	return r < 0 ? r : memfd_of("past", buf_slice(&text));
}

/* The view's snapshot on disk, if it is of this reducer and lies before `seq`: a file, or -1. */
static int base_on_disk(struct guide *g, const char *view, uint64_t reducer, uint64_t seq,
			struct log_pos *ret)
{
	auto_buf struct buf text = {0};
	struct snapshot s;

	auto_close int fd = snapshot_open(g->past->views_fd, view);
	if (fd < 0 || disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, &text) != 0 ||
	    snapshot_parse(buf_slice(&text), &s, NULL) != 0 || s.reducer != reducer || s.pos.seq > seq ||
	    s.holes.unreadable)
		return -1;
	*ret = s.pos;
	return take_fd(&fd);
}

/* Where a trip begins. */
struct base {
	int fd; /* a snapshot; -1: the log's beginning */
	struct log_pos pos;
	bool is_cached;
};

static void find_base(struct guide *g, const struct past_request *q, const struct definition *def,
		      struct base *ret)
{
	struct rendering *cached = past_cached(g->past, def->identity, q->seq);
	int fd = -1;

	*ret = (struct base){.fd = -1};
	/* Reading a large snapshot takes longer than the way from a neighbour. */
	if (!cached || q->seq - cached->pos.seq > PAST_STEP)
		ret->fd = base_on_disk(g, q->view, def->identity, q->seq, &ret->pos);
	if (cached && cached->pos.seq > ret->pos.seq)
		fd = base_of_rendering(def->identity, cached);
	if (fd >= 0) {
		closep(&ret->fd);
		*ret = (struct base){fd, cached->pos, true};
	}
	rendering_unref(cached);
}

/* The next place on the way where a state is kept, for the neighbours of `to` to begin at: a multiple of
 * PAST_STEP, and where events are large one that is nearer. False: it is near enough. */
static bool find_stop(struct guide *g, const struct log_pos *from, const struct log_pos *to,
		      struct log_pos *ret)
{
	if (past_is_near(from, to))
		return false;
	for (uint64_t step = PAST_STEP; step > 1; step /= 4) {
		uint64_t stop = (to->seq - 1) / step * step;
		if (stop <= from->seq)
			continue;
		if (seek(g, stop, ret, NULL) < 0)
			return false;
		if (step == PAST_STEP || past_is_near(ret, to))
			return true;
	}
	return false;
}

/* From there to the end, with the stops on the way. */
static int follow_way(struct guide *g, struct past_run *run, const struct definition *def,
		      struct log_pos from, const struct log_pos *to, struct rendering **ret, struct diag *why)
{
	struct log_pos stop;
	int r = 0;

	while (r == 0 && find_stop(g, &from, to, &stop)) {
		struct rendering *kept = NULL;
		r = past_run_to(run, &stop, &kept, why);
		if (r == 0)
			past_keep(g->past, def->identity, kept);
		rendering_unref(kept);
		from = stop;
	}
	if (r == 0)
		r = past_run_to(run, to, ret, why);
	if (r == 0)
		past_keep(g->past, def->identity, *ret);
	return r;
}

/* Is there a state near by, large enough for its own way into a worker to be the longest part of a trip? */
static int begin_peek(struct guide *g, const struct definition *def, const struct log_pos *to,
		      struct past_run *ret)
{
	struct rendering *cached = past_cached(g->past, def->identity, to->seq);
	int r = -ENOENT;

	if (cached && cached->json.len >= READY_LEAST && past_is_near(&cached->pos, to)) {
		auto_close int base = base_of_rendering(def->identity, cached);
		r = base < 0 ? base
			     : past_run_begin(ret, &g->past->limits, g->live.log, def, base, &cached->pos,
					      true, NULL);
	}
	rendering_unref(cached);
	return r;
}

/* The state as a worker sees it that stands ready a little before, and goes on to do so. 1: there is none, or
 * it does not see that far. */
static int peek(struct guide *g, const struct definition *def, const struct log_pos *to,
		struct rendering **ret)
{
	struct past_run run = {0};

	if (past_is_slow(g->past, def->identity))
		return 1;
	if (!past_take_ready(g->past, def->identity, to, &run) && begin_peek(g, def, to, &run) < 0)
		return 1;
	run.stop_fd = g->stop_fd;
	int r = past_run_peek(&run, g->live.log, to, ret);
	if (r == 0) {
		past_keep(g->past, def->identity, *ret);
		past_keep_ready(g->past, def->identity, &run);
		return 0;
	}
	past_run_end(&run);
	if (r == -ETIME)
		past_note_slow(g->past, def->identity);
	return r == -ESHUTDOWN ? r : 1;
}

static int travel(struct guide *g, const struct past_request *q, const struct definition *def,
		  const struct log_pos *to, struct rendering **ret, struct diag *why)
{
	struct past_run run = {.stop_fd = g->stop_fd};
	struct base base;

	int r = peek(g, def, to, ret);
	if (r <= 0)
		return r;
	find_base(g, q, def, &base);
	r = past_run_begin(&run, &g->past->limits, g->live.log, def, base.fd, &base.pos, base.is_cached, why);
	closep(&base.fd);
	if (r < 0)
		return r;
	r = follow_way(g, &run, def, base.pos, to, ret, why);
	past_run_end(&run);
	return r == -EPIPE ? -EIO : r;
}

static int find_state(struct guide *g, const struct past_request *q, const struct log_pos *to,
		      struct rendering **ret, struct diag *why)
{
	struct definition *def;

	int r = views_definition(g->past->views, q->view, &def);
	if (r < 0)
		return r;
	struct rendering *cached = past_cached(g->past, def->identity, q->seq);
	if (def->why.text[0])
		r = -EIO;
	else if (cached && cached->pos.seq == q->seq)
		*ret = take_ptr(cached);
	else
		r = travel(g, q, def, to, ret, why);
	rendering_unref(cached);
	definition_unref(def);
	return r;
}

static struct views_answer try(struct guide *g, const struct past_request *q, struct diag *why)
{
	struct views_answer a = {0};

	a.error = seek(g, q->seq, &a.pos, why);
	if (a.error == 0)
		a.error = find_state(g, q, &a.pos, &a.rendering, why);
	return a;
}

/* False: nobody wants it any more. */
static bool pause_before(struct guide *g, struct again *again)
{
	struct pollfd stop = {.fd = g->stop_fd, .events = POLLIN};

	again_later(again, AGAIN_MS);
	return poll(&stop, 1, (int)again->pause_ms) == 0;
}

struct views_answer trip_make(struct guide *g, const struct past_request *q)
{
	struct again again = {0};
	struct diag why = {0};

	struct views_answer a = try(g, q, &why);
	while (error_passes(a.error) && again.tries < AGAIN_TRIES && pause_before(g, &again))
		a = try(g, q, &why);
	if (a.error == -EBADMSG || error_passes(a.error)) {
		if (!why.text[0])
			diag_set(&why, 0, "%s", strerror(-a.error));
		past_tell(g->past, q, &why);
		a.error = -EIO;
	}
	return a;
}
