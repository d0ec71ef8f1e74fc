/* Events that are to be appended: each is shown to the rules, and what is let in is folded before the next
 * one is looked at. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/again.h"
#include "base/clock.h"
#include "model/engine/trial.h"
#include "model/link/docket.h"
#include "model/worker/impl.h"
#include "store/disk.h"

#define CATCH_UP_NS 50000000ull /* for so long it folds what it lacks before it says that it is behind */
#define JUDGE_NS 100000000ull   /* and judges; meanwhile nobody is answered who appends */

struct worker_rule {
	struct worker_rule *next;
	struct rule *rule;
	uint32_t id, view_id; /* the second 0: it looks at no state */
	struct worker_view *view;
};

static int load(struct worker *w, uint32_t id, int fd, struct rule **ret, struct diag *diag)
{
	auto_buf struct buf program = {0};

	int r = disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, &program);
	if (r < 0)
		return diag_set(diag, r, "cannot read it: %s", strerror(-r));
	worker_mark(w, FOLD_LOADING, id);
	r = rule_load(ret, buf_slice(&program), diag);
	worker_mark(w, FOLD_IDLE, id);
	return r;
}

static void append(struct worker *w, struct worker_rule *rule)
{
	struct worker_rule **at = &w->rules;

	while (*at)
		at = &(*at)->next;
	*at = rule;
}

void worker_rule(struct worker *w, struct packet *p)
{
	struct message answer = {.type = MSG_ADDED, .view = p->message.view};
	struct worker_rule *rule = calloc(1, sizeof(*rule));
	struct diag why = {0};
	int r;

	if (p->n_fds < 1)
		r = worker_lost_fds(w);
	else if (!rule)
		r = -ENOMEM;
	else if (w->confined < 0)
		r = diag_set(&why, w->confined, "%s", w->unconfined.text);
	else
		r = load(w, p->message.view, p->fds[0], &rule->rule, &why);
	if (r < 0)
		free(rule);
	if (r < 0 && !why.text[0] && (error_passes(r) || worker_is_lost(r)))
		return worker_ask_again(w, answer.view, 0, r, strerror(-r));
	if (r < 0) {
		answer.type = MSG_BROKEN;
		return worker_send(w, &answer, slice_of(why.text[0] ? why.text : strerror(-r)), NULL, 0);
	}
	rule->id = p->message.view;
	rule->view_id = (uint32_t)p->message.seq;
	append(w, rule);
	worker_send(w, &answer, (struct slice){0}, NULL, 0);
}

void worker_rules_free(struct worker *w)
{
	while (w->rules) {
		struct worker_rule *rule = w->rules;
		w->rules = rule->next;
		rule_free(rule->rule);
		free(rule);
	}
	if (w->docket)
		munmap((void *)w->docket, w->docket_size);
}

static int take_docket(struct worker *w, struct packet *p)
{
	if (p->lost_fds)
		return worker_lost_fds(w);
	if (p->n_fds == 0)
		return w->docket && w->docket_size == p->message.offset ? 0 : -EPROTO;
	void *map = mmap(NULL, p->message.offset, PROT_READ, MAP_SHARED, p->fds[0], 0);
	if (map == MAP_FAILED)
		return -errno;
	if (w->docket)
		munmap((void *)w->docket, w->docket_size);
	w->docket = map;
	w->docket_size = p->message.offset;
	return 0;
}

/* True: every view that a rule looks at stands at the head. *ret_spoilt: and one stands where the log is
 * not. */
static bool is_at(struct worker *w, const struct log_pos *head, bool *ret_spoilt)
{
	bool all = !w->late;

	for (struct worker_rule *r = w->rules; r; r = r->next) {
		r->view = r->view_id ? worker_find(w, r->view_id) : NULL;
		if (!r->view_id)
			continue;
		if (!r->view || r->view->broken || r->view->view.pos.off < head->off) {
			all = false;
			continue;
		}
		const struct log_pos *pos = &r->view->view.pos;
		if (pos->off != head->off || pos->seq != head->seq || (pos->off && pos->hash != head->hash))
			*ret_spoilt = true;
	}
	return all;
}

/* Folds what has been appended without it. */
static bool catch_up(struct worker *w, const struct log_pos *head, bool *ret_spoilt)
{
	uint64_t begin = clock_ns();
	bool more = true;

	*ret_spoilt = false;
	while (!is_at(w, head, ret_spoilt) && more && !*ret_spoilt) {
		w->now = clock_ns();
		if (w->now - begin >= CATCH_UP_NS)
			return false;
		more = worker_fold_turn(w, head->off);
	}
	return is_at(w, head, ret_spoilt);
}

static void refuse(struct worker *w, uint64_t line, const struct trial *t)
{
	const struct message m = {
	    .type = MSG_REFUSED,
	    .seq = line,
	    .view = t->by,
	    .kind = (uint32_t)t->error,
	};

	worker_send(w, &m, slice_of(t->why.text), NULL, 0);
}

/* Nobody else counts meanwhile. */
static void count_call(struct worker *w)
{
	uint64_t calls = atomic_load_explicit(&w->shared->calls, memory_order_relaxed);

	atomic_store_explicit(&w->shared->calls, calls + 1, memory_order_relaxed);
}

/* So many lines have been judged: all of them, unless it is spoilt or has taken long. */
static uint64_t judge_lines(struct worker *w, struct trial *t, uint64_t off, uint64_t n)
{
	const struct docket_line *lines = (const void *)((const char *)w->docket + off);
	const char *at = (const char *)(lines + n), *end = (const char *)w->docket + w->docket_size;
	bool refused = false, begins = true;
	uint64_t i = 0;

	for (; i < n && !t->spoilt; i++) {
		const struct docket_line *l = &lines[i];
		if (l->len == 0 || (size_t)(end - at) < l->len)
			return i;
		struct slice line = {at, l->len - 1};
		const struct event_layout *layout = l->layout.type.at ? &l->layout : NULL;
		at += l->len;
		/* Refused ones all have the same number in the log. */
		count_call(w);
		bool lets_in = refused || !begins || trial_begin(t, !(l->flags & DOCKET_UNIT));
		if (!refused && (!lets_in || !trial_line(t, line, layout))) {
			refuse(w, i, t);
			refused = true;
			w->goes_on = false;
		}
		begins = l->flags & DOCKET_UNIT;
		if (begins)
			trial_end(t);
		if (l->flags & DOCKET_ITEM)
			refused = false;
		/* What is left of an item that has been refused takes no time. */
		if (begins && !refused && !t->spoilt && clock_coarse_ns() - w->heard_begin >= JUDGE_NS)
			return i + 1;
	}
	return i;
}

/* Both have the rules in their order. */
static struct trial_rule *list_rules(struct worker *w, size_t *ret_n)
{
	size_t n = 0;

	for (struct worker_rule *r = w->rules; r; r = r->next)
		n++;
	struct trial_rule *list = calloc(max(n, (size_t)1), sizeof(*list));
	*ret_n = n;
	n = 0;
	for (struct worker_rule *r = w->rules; list && r; r = r->next)
		list[n++] = (struct trial_rule){r->id, r->rule, r->view ? &r->view->view : NULL};
	return list;
}

/* All views stand at `w->heard`. */
static void try_lines(struct worker *w, const struct message *m, struct message *verdict)
{
	struct trial t = {.fold = &w->fold, .views = w->pass, .pos = w->heard};
	auto_free struct trial_rule *rules = list_rules(w, &t.n_rules);

	for (struct worker_view *v = w->views; v; v = v->next)
		if (!v->broken)
			t.views[t.n_views++] = &v->view;
	t.rules = rules;
	verdict->flags = rules ? 0 : MSG_SPOILT;
	if (!rules)
		return;
	w->goes_on = true;
	verdict->seq = judge_lines(w, &t, m->off, m->seq);
	trial_settle(&t);
	w->heard = t.pos;
	if (t.spoilt)
		verdict->flags = MSG_SPOILT;
	else if (verdict->seq < m->seq)
		verdict->flags = MSG_PART;
	w->goes_on &= verdict->flags == 0;
}

/* Does the table lie within the docket? */
static bool is_within(const struct worker *w, const struct message *m)
{
	return m->off <= w->docket_size && m->off % _Alignof(struct docket_line) == 0 &&
	       m->seq <= (w->docket_size - m->off) / sizeof(struct docket_line);
}

/* From the head, or from where the lines before have led. False: the answer is clear. */
static bool begin(struct worker *w, const struct message *m, struct message *verdict)
{
	bool spoilt = false;

	if (m->flags & MSG_FURTHER) {
		verdict->flags = w->goes_on ? MSG_SPOILT : MSG_PART;
		return w->goes_on && is_at(w, &w->heard, &spoilt) && !spoilt;
	}
	w->goes_on = false;
	bool there = catch_up(w, &m->pos, &spoilt);
	verdict->flags = spoilt ? MSG_SPOILT : MSG_BEHIND;
	w->heard = m->pos;
	w->heard_begin = clock_coarse_ns();
	return there && !spoilt;
}

int worker_judge(struct worker *w, struct packet *p)
{
	const struct message *m = &p->message;
	struct message verdict = {.type = MSG_VERDICT};

	int r = take_docket(w, p);
	if (r == -EPROTO || (r == 0 && !is_within(w, m)))
		return -EPROTO;
	/* Another one begins with an empty hand: it is sent the lines whole. */
	if (r < 0) {
		worker_ask_again(w, 0, 0, r, "the lines to be judged cannot be read");
		return 0;
	}
	if (begin(w, m, &verdict))
		try_lines(w, m, &verdict);
	worker_send(w, &verdict, (struct slice){0}, NULL, 0);
	for (struct worker_view *v = w->views; v; v = v->next)
		if (!v->broken)
			worker_view_publish(w, v);
	return 0;
}
