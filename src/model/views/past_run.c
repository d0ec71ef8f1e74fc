#include "model/views/past_run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/views/member.h"

/* It has one view. */
#define VIEW_ID 1
#define PACKETS_MAX 1000 /* between two looks at what else has happened */
#define PEEK_MS 2000     /* a way that takes longer is none that one peeks along */

int past_run_begin(struct past_run *run, const struct worker_limits *limits, struct eventlog *log,
		   const struct definition *def, int base_fd, const struct log_pos *base, bool is_trusted,
		   struct diag *diag)
{
	struct message add = {
	    .type = MSG_ADD,
	    .view = VIEW_ID,
	    .flags = is_trusted ? MSG_TRUSTED : 0,
	    .kind = def->kind,
	    .identity = def->identity,
	};
	auto_close int reducer = definition_memfd(def);
	int fds[] = {reducer, base_fd};

	if (reducer < 0)
		return reducer;
	run->at = *base;
	int r = member_start(&run->worker, limits, log, base->off, diag);
	if (r < 0)
		return r;
	r = worker_handle_send(run->worker, &add, slice_of(def->file), fds, base_fd >= 0 ? 2 : 1);
	if (r < 0) {
		past_run_end(run);
		return diag_set(diag, r, "a fold worker cannot be told of the view: %s", strerror(-r));
	}
	return 0;
}

static int explain(const struct holes *holes, struct diag *diag)
{
	auto_buf struct buf text = {0};

	holes_explain(holes, &text);
	return diag_set(diag, -EBADMSG, "%.*s", (int)text.len, text.data ? text.data : "");
}

/* One message; 1: it is not what is waited for. */
static int handle(struct past_run *run, struct packet *p, const struct log_pos *pos, struct rendering **ret,
		  struct diag *diag)
{
	const struct message *m = &p->message;

	if (m->type == MSG_PONG)
		worker_handle_pong(run->worker, m);

	/* A state of the past is told as a fact, with nothing beside it that could say what it lacks. */
	if (m->type == MSG_HOLES && p->text.len == sizeof(struct holes) &&
	    ((const struct holes *)p->text.data)->unreadable)
		return explain((const struct holes *)p->text.data, diag);
	if (m->type == MSG_AGAIN)
		return diag_set(diag, -EAGAIN, "%.*s", (int)p->text.len, p->text.data);
	if (m->type == MSG_UNSEEN)
		return -ENODATA;
	if (m->type == MSG_STALLED)
		return diag_set(diag, -EIO, "%.*s", (int)min(p->text.len, (size_t)400), p->text.data);
	if (m->type == MSG_BROKEN)
		return diag_set(diag, -EIO, "event %llu: %.*s", (unsigned long long)m->seq, (int)p->text.len,
				p->text.data);
	if (m->type != MSG_RENDERED || m->pos.off != pos->off)
		return 1;
	int r = rendering_of_packet(p, ret);
	return r == -EBADMSG ? -EIO : r;
}

static int receive_all(struct past_run *run, const struct log_pos *pos, struct rendering **ret,
		       struct diag *diag)
{
	for (unsigned i = 0; i < PACKETS_MAX; i++) {
		struct packet p;
		int r = proto_receive(run->worker->socket, &run->worker->in, &p);
		if (r != 0)
			return r;
		r = handle(run, &p, pos, ret, diag);
		packet_deinit(&p);
		if (r <= 0)
			return r;
	}
	return 1;
}

/* Asks for the state at `pos` and waits for the answer, until clock_ms() is there. */
static int ask(struct past_run *run, const struct message *question, const struct log_pos *pos,
	       uint64_t until_ms, struct rendering **ret, struct diag *diag)
{
	struct worker_handle *h = run->worker;
	struct pollfd fds[] = {
	    {.fd = h->socket, .events = POLLIN},
	    {.fd = h->pidfd, .events = POLLIN},
	    {.fd = run->stop_fd, .events = POLLIN},
	};

	int r = worker_handle_send(h, question, (struct slice){0}, NULL, 0);
	while (r == 0) {
		r = receive_all(run, pos, ret, diag);
		if (r <= 0)
			break;
		if (poll(fds, countof(fds), (int)worker_handle_tick(h)) < 0 && errno != EINTR)
			return -errno;
		if (fds[2].revents)
			return -ESHUTDOWN;
		if (fds[1].revents)
			r = -EPIPE;
		else
			r = clock_ms() < until_ms ? 0 : -ETIME;
		worker_handle_watch(h);
	}
	return r;
}

int past_run_to(struct past_run *run, const struct log_pos *pos, struct rendering **ret, struct diag *diag)
{
	/* No rendering is at hand, of no version. */
	struct message want = {
	    .type = MSG_WANT,
	    .view = VIEW_ID,
	    .flags = MSG_STATE,
	    .off = pos->off,
	    .version = UINT64_MAX,
	};

	run->at = *pos;
	(void)worker_handle_head(run->worker, pos->off, true);
	return ask(run, &want, pos, CLOCK_FOREVER, ret, diag);
}

int past_run_peek(struct past_run *run, struct eventlog *log, const struct log_pos *pos,
		  struct rendering **ret)
{
	struct message peek = {.type = MSG_AHEAD, .view = VIEW_ID, .pos = *pos};

	/* The log may have been rotated meanwhile. */
	int r = worker_handle_publish_to(run->worker, log, run->at.off);
	return r < 0 ? r : ask(run, &peek, pos, clock_ms() + PEEK_MS, ret, NULL);
}

void past_run_end(struct past_run *run)
{
	member_end(take_ptr(run->worker), "it is done");
}
