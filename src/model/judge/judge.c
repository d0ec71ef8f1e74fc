#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "model/judge/judge_impl.h"

#define HEALS_MS 1000

int judge_new(struct judge **ret, const struct judge_options *options)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->options = *options;
	j->docket_fd = -1;
	pthread_mutex_init(&j->lock, NULL);
	j->worker_path = strdup(options->worker_path);
	j->views_fd = openat(options->data_fd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = !j->worker_path ? -ENOMEM : j->views_fd < 0 ? -errno : 0;
	if (r < 0)
		judge_free(j);
	else
		*ret = j;
	return r;
}

static void free_seats(struct judge *j)
{
	for (size_t i = 0; i < j->n_seats; i++) {
		definition_unref(j->seats[i].rule);
		definition_unref(j->seats[i].view);
	}
	free(take_ptr(j->seats));
	j->n_seats = 0;
}

void judge_end(struct judge *j)
{
	judge_stop_worker(j);
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	free_seats(j);
	if (j->docket)
		munmap(j->docket, j->docket_size);
	closep(&j->docket_fd);
	closep(&j->views_fd);
	free(j->status);
	free(j->worker_path);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

bool judge_is_asked(struct judge *j)
{
	return rules_are_there(j->options.rules);
}

const char *judge_why(const struct judge *j)
{
	return j->why.text;
}

struct seat *judge_seat_of(struct judge *j, uint32_t id)
{
	for (size_t i = 0; id && i < j->n_seats; i++)
		if (j->seats[i].rule_id == id || j->seats[i].view_id == id)
			return &j->seats[i];
	return NULL;
}

void judge_break(struct judge *j, struct seat *seat, const char *why)
{
	struct diag text;

	if (!seat && j->n_seats > 0)
		seat = &j->seats[0];
	if (seat)
		diag_set(&seat->why, 0, "%s", why);
	if (j->broken)
		return;
	j->broken = true;
	j->heals.at_ms = 0;
	diag_set(&j->why, 0, "%s: %.400s", seat ? seat->name : "rules", why);
	diag_set(&text, 0, "nothing is appended, since a rule is broken: %.400s", j->why.text);
	j->options.report(j->options.arg, text.text);
	judge_publish(j);
}

void judge_break_for_now(struct judge *j, struct seat *seat, const char *why)
{
	bool was = j->broken;

	judge_break(j, seat, why);
	if (!was)
		again_later(&j->heals, HEALS_MS);
}

static struct rule_status status_of(const struct judge *j, const struct seat *s)
{
	struct rule_status status = {.view = s->view, .pos = s->pos, .why = s->why};

	memcpy(status.name, s->name, sizeof(status.name));
	memcpy(status.file, s->rule->file, sizeof(status.file));
	if (s->why.text[0]) {
		status.state = RULE_BROKEN;
		return status;
	}
	bool there = j->worker && s->rule_added && (!s->view || s->view_added);
	status.state = there && !j->behind ? RULE_READY : RULE_FOLDS;
	if (!j->worker)
		status.why = j->waits;
	return status;
}

void judge_publish(struct judge *j)
{
	struct rule_status *list = malloc(max(j->n_seats, (size_t)1) * sizeof(*list));

	for (size_t i = 0; list && i < j->n_seats; i++)
		list[i] = status_of(j, &j->seats[i]);
	pthread_mutex_lock(&j->lock);
	struct rule_status *old = j->status;
	j->status = list;
	j->n_status = list ? j->n_seats : 0;
	j->pid = j->worker ? j->worker->pid : 0;
	pthread_mutex_unlock(&j->lock);
	free(old);
	j->options.changed(j->options.arg);
}

int judge_status(struct judge *j, struct rule_status **ret, size_t *ret_n)
{
	pthread_mutex_lock(&j->lock);
	size_t n = j->n_status;
	*ret = malloc(max(n, (size_t)1) * sizeof(**ret));
	if (*ret && n > 0)
		memcpy(*ret, j->status, n * sizeof(**ret));
	*ret_n = n;
	pthread_mutex_unlock(&j->lock);
	return *ret ? 0 : -ENOMEM;
}

pid_t judge_pid(struct judge *j)
{
	pthread_mutex_lock(&j->lock);
	pid_t pid = j->pid;
	pthread_mutex_unlock(&j->lock);
	return pid;
}

/* The definition of the view of that name as it is now: a reference, or NULL. */
static struct definition *view_of(struct judge *j, const char *name)
{
	struct definition *def = NULL;

	return views_definition(j->options.views, name, &def) == 0 ? def : NULL;
}

static bool is_same(const struct definition *a, const struct definition *b)
{
	return a == b || (a && b && a->identity == b->identity && strcmp(a->why.text, b->why.text) == 0);
}

/* Is everything what it was when it was taken? */
static bool is_current(struct judge *j)
{
	rules_settle(j->options.rules);
	if (!j->taken || rules_generation(j->options.rules) != j->generation)
		return false;
	for (size_t i = 0; i < j->n_seats; i++) {
		struct seat *s = &j->seats[i];
		views_settle(j->options.views, s->name);
		struct definition *view = view_of(j, s->name);
		bool same = is_same(view, s->view);
		definition_unref(view);
		if (!same)
			return false;
	}
	return true;
}

static void take_seat(struct judge *j, struct seat *s, struct rule_entry *e)
{
	memcpy(s->name, e->name, sizeof(s->name));
	s->rule = take_ptr(e->def);
	views_settle(j->options.views, s->name);
	s->view = view_of(j, s->name);
	if (s->rule->why.text[0])
		judge_break(j, s, s->rule->why.text);
	else if (s->view && s->view->why.text[0])
		judge_break(j, s, s->view->why.text);
}

/* The rules as they are now: all begins anew. */
static int take_rules(struct judge *j)
{
	struct rule_entry *list;
	bool known;
	size_t n;

	judge_stop_worker(j);
	int r = rules_list(j->options.rules, &list, &n, &known, &j->generation);
	if (r < 0)
		return r;
	free_seats(j);
	j->broken = j->taken = false;
	j->again = (struct again){0};
	j->ends = 0;
	if (!known)
		judge_break(j, NULL, "the directory rules cannot be read");
	j->seats = calloc(max(n, (size_t)1), sizeof(*j->seats));
	if (j->seats) {
		j->n_seats = n;
		j->taken = true;
		for (size_t i = 0; i < n; i++)
			take_seat(j, &j->seats[i], &list[i]);
	}
	rule_entries_free(list, n);
	if (j->taken && j->options.taken)
		j->options.taken(j->options.arg, known);
	judge_publish(j);
	return j->seats ? 0 : -ENOMEM;
}

bool judge_basis(const struct judge *j, size_t i, struct judge_basis *ret)
{
	if (i >= j->n_seats)
		return false;
	*ret = (struct judge_basis){.rule = j->seats[i].rule, .view = j->seats[i].view};
	return true;
}

/* What the worker has to say, while it is not known to be at the head. */
static void follow_worker(struct judge *j)
{
	if (judge_receive(j, NULL, NULL) == 0)
		judge_add_rest(j);
	if (!j->worker)
		return;
	j->behind = !judge_is_at_head(j);
	if (j->behind)
		worker_handle_watch(j->worker);
	judge_publish(j);
}

static enum judge_stands stands(struct judge *j)
{
	if (!j->broken)
		return j->worker && !j->behind ? JUDGE_SITS : JUDGE_WAITS;
	/* Nobody asks it any more, and nobody would look after it. */
	if (j->worker) {
		judge_stop_worker(j);
		judge_publish(j);
	}
	return JUDGE_BROKEN;
}

enum judge_stands judge_turn(struct judge *j)
{
	bool heals = j->broken && again_is_due(&j->heals);

	if ((!is_current(j) || heals) && take_rules(j) < 0)
		return JUDGE_WAITS;
	if (!j->broken && j->n_seats == 0)
		return JUDGE_ABSENT;
	if (!j->broken && !j->worker)
		judge_start_worker(j);
	if (!j->broken && j->worker && j->behind)
		follow_worker(j);
	return stands(j);
}

void judge_appended(struct judge *j, bool whole)
{
	if (!whole)
		judge_stop_worker(j);
}
