#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/engine/snapshot.h"
#include "model/judge/judge_impl.h"
#include "model/views/member.h"

#define AGAIN_MS 20
#define OUTSIDE_MAX 3 /* so often in a row somebody else may end it before that counts against the rule */

static int add_view(struct judge *j, struct seat *s)
{
	struct message add = {
	    .type = MSG_ADD,
	    .view = s->view_id,
	    .kind = s->view->kind,
	    .identity = s->view->identity,
	};
	auto_close int reducer = definition_memfd(s->view);
	auto_close int snapshot = snapshot_open(j->views_fd, s->name);

	if (reducer < 0)
		return reducer;
	s->slot = worker_handle_take_slot(j->worker);
	if (s->slot < 0)
		return s->slot;
	add.slot = (uint32_t)s->slot;
	int r = worker_handle_send(j->worker, &add, slice_of(s->name), (int[]){reducer, snapshot},
				   snapshot >= 0 ? 2 : 1);
	if (r < 0)
		worker_handle_drop_slot(j->worker, add.slot);
	return r;
}

static int add_rule(struct judge *j, struct seat *s)
{
	const struct message m = {.type = MSG_RULE, .view = s->rule_id, .seq = s->view_id};
	auto_close int program = definition_memfd(s->rule);

	if (program < 0)
		return program;
	return worker_handle_send(j->worker, &m, slice_of(s->name), &program, 1);
}

/* Of each seat first the view, then the rule. Where there is no room for more, it goes on there later. */
static int add_more(struct judge *j)
{
	int r = 0;

	while (r == 0 && j->added < 2 * j->n_seats) {
		struct seat *s = &j->seats[j->added / 2];
		if (j->added % 2)
			r = add_rule(j, s);
		else if (s->view)
			r = add_view(j, s);
		j->added += r == 0;
	}
	return r == -EAGAIN ? 0 : r;
}

static void begin_again(struct judge *j, int error)
{
	if (!j->waits.text[0])
		diag_set(&j->waits, error, "the judge cannot be told of the rules: %s", strerror(-error));
	judge_stop_worker(j);
	again_later(&j->again, AGAIN_MS);
}

void judge_add_rest(struct judge *j)
{
	int r = add_more(j);

	if (r < 0)
		begin_again(j, r);
}

void judge_start_worker(struct judge *j)
{
	const struct judge_options *o = &j->options;
	const struct worker_limits limits = {
	    .path = j->worker_path,
	    .memory = o->memory,
	    .timeout_ms = o->timeout_ms,
	    .zone = o->zone,
	    .quiet = o->quiet,
	};

	if (again_waits(&j->again))
		return;
	j->waits.text[0] = '\0';
	j->added = 0;
	for (size_t i = 0; i < j->n_seats; i++) {
		struct seat *s = &j->seats[i];
		s->rule_added = s->view_added = false;
		s->rule_id = 2 * (uint32_t)i + 1;
		s->view_id = s->view ? 2 * (uint32_t)i + 2 : 0;
	}
	int r = member_start(&j->worker, &limits, o->log, eventlog_head(o->log).off, &j->waits);
	if (r == 0)
		r = add_more(j);
	if (r < 0)
		begin_again(j, r);
	j->behind = true;
	j->docket_sent = false;
	judge_publish(j);
}

void judge_stop_worker(struct judge *j)
{
	j->asked = 0;
	member_end(take_ptr(j->worker), "it is not needed any more");
}

/* What a state lacks nobody can judge by. */
static void check_holes(struct judge *j, struct seat *s, const struct packet *p)
{
	auto_buf struct buf text = {0};
	struct holes holes;

	if (p->text.len != sizeof(holes))
		return;
	memcpy(&holes, p->text.data, sizeof(holes));
	if (!holes.unreadable)
		return;
	holes_explain(&holes, &text);
	buf_add_char(&text, '\0');
	judge_break_for_now(j, s, buf_error(&text) == 0 ? text.data : "its view lacks events");
}

static void note_broken(struct judge *j, struct seat *s, const struct packet *p)
{
	const struct message *m = &p->message;
	int len = (int)min(p->text.len, (size_t)400);
	struct diag why;

	if (m->seq)
		diag_set(&why, 0, "its view is broken: event %llu: %.*s", (unsigned long long)m->seq, len,
			 p->text.data);
	else if (m->view == s->view_id)
		diag_set(&why, 0, "its view is broken: %.*s", len, p->text.data);
	else
		diag_set(&why, 0, "%.*s", len, p->text.data);
	judge_break(j, s, why.text);
}

static void handle(struct judge *j, struct packet *p)
{
	const struct message *m = &p->message;
	struct seat *s = judge_seat_of(j, m->view);
	char text[600];

	switch (m->type) {
	case MSG_ADDED:
		if (s && m->view == s->view_id) {
			s->view_added = true;
			s->pos = m->pos;
			check_holes(j, s, p);
		} else if (s) {
			s->rule_added = true;
		}
		break;
	case MSG_HOLES:
		if (s)
			check_holes(j, s, p);
		break;
	case MSG_BROKEN:
		if (s)
			note_broken(j, s, p);
		break;
	case MSG_AGAIN: /* for want of something that passes: all of it once more, in a while */
		diag_set(&j->waits, 0, "%.*s", (int)min(p->text.len, (size_t)400), p->text.data);
		worker_handle_kill(j->worker, BLAME_OUTSIDE, "it lacked something");
		again_later(&j->again, AGAIN_MS);
		break;
	case MSG_LOST:
		j->worker->lost_view = m->view;
		break;
	case MSG_WEIGHT:
	case MSG_SPENT:
		worker_handle_weight(j->worker, m);
		break;
	case MSG_PONG:
		worker_handle_pong(j->worker, m);
		break;
	case MSG_REPORT:
		snprintf(text, sizeof(text), "the judge of the rules: %.*s",
			 (int)min(p->text.len, (size_t)500), p->text.data);
		if (worker_handle_may_report(j->worker, clock_ms()))
			j->options.report(j->options.arg, text);
		break;
	default:
		break;
	}
}

int judge_receive(struct judge *j, bool (*take)(void *arg, struct packet *p), void *arg)
{
	struct packet p;
	bool last = false;
	int r;

	while ((r = proto_receive(j->worker->socket, &j->worker->in, &p)) == 0 && !last) {
		bool heard = p.message.type == MSG_REFUSED || p.message.type == MSG_VERDICT;
		if (!heard)
			handle(j, &p);
		else if (take)
			last = take(arg, &p);
		packet_deinit(&p);
		if (last)
			return 1;
	}
	if (r == 1)
		return 0;
	judge_worker_died(j);
	return -EPIPE;
}

void judge_worker_died(struct judge *j)
{
	struct worker_handle *h = take_ptr(j->worker);
	struct worker_end end = {0};
	char text[600];

	j->asked = 0;
	/* If it is on its way out this changes nothing of what it has died of. */
	kill(h->pid, SIGKILL);
	worker_handle_reap(h, &end);
	worker_handle_unref(h);
	if (again_waits(&j->again))
		return;
	struct seat *s = judge_seat_of(j, end.view);
	if (end.blame == BLAME_OUTSIDE && ++j->ends < OUTSIDE_MAX) {
		snprintf(text, sizeof(text), "the judge of the rules ended: %.400s; it is started again",
			 end.why.text);
		j->options.report(j->options.arg, text);
		return;
	}
	snprintf(text, sizeof(text), "%s%.400s", s && end.view == s->view_id ? "its view " : "it ",
		 end.why.text);
	if (end.blame == BLAME_VIEW || end.blame == BLAME_PROVEN)
		judge_break(j, s, text);
	else
		judge_break_for_now(j, s, text);
}

bool judge_is_at_head(struct judge *j)
{
	struct log_pos head = eventlog_head(j->options.log);
	bool all = worker_handle_publish(j->worker, j->options.log) == 0 && j->added == 2 * j->n_seats;

	for (size_t i = 0; i < j->n_seats; i++) {
		struct seat *s = &j->seats[i];
		struct slot_value slot;
		all &= s->rule_added && (!s->view || s->view_added);
		if (!s->view || !s->view_added)
			continue;
		if (!slot_read(&j->worker->shared->slots[s->slot], &slot) || slot.view != s->view_id) {
			all = false;
			continue;
		}
		s->pos = slot.pos;
		all &= slot.pos.off >= head.off;
	}
	return all;
}
