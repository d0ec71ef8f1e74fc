#include "model/engine/trial.h"

#include <errno.h>

static bool refuse(struct trial *t, uint32_t by, int error, const char *why)
{
	t->by = by;
	t->error = error;
	if (why != t->why.text)
		diag_set(&t->why, 0, "%s", why);
	return false;
}

bool trial_begin(struct trial *t, bool several)
{
	t->before = t->pos;
	t->last_before = t->last;
	t->saved = false;
	/* Of several lines any but the first may be refused. */
	for (size_t i = 0; several && i < t->n_views; i++)
		if (view_save(t->views[i], t->fold->mark, &t->why) < 0)
			return refuse(t, t->views[i]->id, EIO,
				      t->why.text[0] ? t->why.text : "its state can't be kept");
	t->saved = several;
	return true;
}

static void take_back(struct trial *t)
{
	struct diag why;

	if (!t->saved)
		return;
	t->spoilt = false;
	for (size_t i = 0; i < t->n_views; i++)
		t->spoilt |= view_restore(t->views[i], t->fold->mark, &t->before, &why) < 0;
	t->pos = t->before;
	t->last = t->last_before;
}

static bool ask(struct trial *t, const struct trial_rule *r)
{
	struct fold_mark *mark = t->fold->mark;
	struct event *ev = &t->fold->event;

	atomic_store_explicit(&mark->view, r->id, memory_order_relaxed);
	atomic_store_explicit(&mark->phase, FOLD_FOLDING, memory_order_relaxed);
	ev->no_memory = false;
	ev->fail = &t->why;
	int outcome = rule_ask(r->rule, r->view ? r->view->reducer : NULL, r->view ? r->view->version + 1 : 1,
			       ev, &t->why);
	ev->fail = NULL;
	atomic_store_explicit(&mark->phase, FOLD_IDLE, memory_order_relaxed);
	return outcome == RULE_LETS_IN || refuse(t, r->id, outcome < 0 ? EIO : EPERM, t->why.text);
}

/* Into the views. */
static bool let_in(struct trial *t, struct slice line)
{
	fold_scanned(t->fold, t->views, t->n_views, &t->pos, t->last, line);
	t->last = line;
	for (size_t i = 0; i < t->n_views; i++) {
		if (!t->views[i]->error)
			continue;
		t->spoilt = true;
		return refuse(t, t->views[i]->id, EIO, t->views[i]->why.text);
	}
	return true;
}

static bool judge(struct trial *t, struct slice line, const struct event_layout *layout)
{
	struct json_error error;

	if (!fold_scan(t->fold, &t->pos, line, layout, &error))
		return refuse(t, 0, EIO, t->fold->event.no_memory ? "out of memory" : error.why);
	for (size_t i = 0; i < t->n_rules; i++)
		if (!ask(t, &t->rules[i]))
			return false;
	return let_in(t, line);
}

bool trial_line(struct trial *t, struct slice line, const struct event_layout *layout)
{
	if (judge(t, line, layout))
		return true;
	take_back(t);
	return false;
}

void trial_end(struct trial *t)
{
	for (size_t i = 0; t->saved && i < t->n_views; i++)
		view_forget(t->views[i]);
	t->saved = false;
}

void trial_settle(struct trial *t)
{
	fold_settle(t->views, t->n_views, &t->pos, t->last);
	t->last = (struct slice){0};
}
