#include "fs/log/decide.h"

#include <errno.h>
#include <stdio.h>

#include "fs/log/prints.h"
#include "model/event/same.h"
#include "store/log.h"

struct decider {
	struct ids *ids;
	struct ids_look *look;
	struct event event;   /* scratch */
	struct prints prints; /* the ids of the run up to now */
	size_t scanned;       /* of the run's lines, whose ids are in there */
	uint32_t item;        /* the number of the one that is judged */
	bool *there;          /* of its units: it is to be dropped */
	size_t cap_there;
};

void verdict_init(struct verdict *v, struct slice brought, const struct unit *units, size_t n_units)
{
	*v = (struct verdict){.brought = brought, .units = units, .n_units = n_units};
	verdict_reset(v);
}

void verdict_reset(struct verdict *v)
{
	verdict_deinit(v);
	v->lines = v->brought;
	v->kept = v->units;
	v->n_kept = v->n_units;
	v->dealt = v->brought.len;
	v->stored = 0;
	v->error = 0;
	v->why = NULL;
	v->behind = (struct log_pos){0};
}

void verdict_deinit(struct verdict *v)
{
	buf_deinit(&v->compact);
	free(take_ptr(v->list));
	free(take_ptr(v->begins));
	free(take_ptr(v->said));
}

void verdict_cut(struct verdict *v, size_t n, int error, char *said)
{
	v->dealt = v->begins ? v->begins[n] : unit_begin(v->units, n);
	v->lines.len = unit_begin(v->kept, n);
	v->n_kept = n;
	v->error = error;
	v->why = "a rule refuses it";
	snprintf(v->text, sizeof(v->text), "%s", v->why);
	free(v->said);
	v->said = said;
}

size_t verdict_counts(const struct verdict *v, size_t stored)
{
	size_t i = 0;

	if (stored >= v->lines.len)
		return v->dealt;
	if (!v->begins)
		return stored;
	while (v->kept[i].stored <= stored)
		i++;
	return v->begins[i];
}

int decider_new(struct decider **ret, struct ids *ids)
{
	struct decider *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->ids = ids;
	int r = ids_look_new(&d->look, ids);
	if (r < 0) {
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void decider_free(struct decider *d)
{
	if (!d)
		return;
	ids_look_free(d->look);
	event_deinit(&d->event);
	prints_deinit(&d->prints);
	free(d->there);
	free(d);
}

void decider_begin(struct decider *d)
{
	if (!d || d->item == 0)
		return;
	prints_clear(&d->prints);
	d->scanned = d->item = 0;
}

static int scan(struct decider *d, struct slice line, struct slice *ret_id)
{
	struct json_error why;

	if (!event_scan(&d->event, line, &why))
		return d->event.no_memory ? -ENOMEM : -EIO; /* all that is queued has passed it */
	*ret_id = (struct slice){d->event.pub.id.data, d->event.pub.id.len};
	return 0;
}

static struct slice line_at(struct slice lines, size_t at)
{
	const char *nl = memchr(lines.data + at, '\n', lines.len - at);

	return (struct slice){lines.data + at, (size_t)(nl - lines.data) - at};
}

/* What others have brought into the run. */
static int scan_before(struct decider *d, struct slice before)
{
	struct slice id;

	while (d->scanned < before.len) {
		struct slice line = line_at(before, d->scanned);
		int r = scan(d, line, &id);
		if (r == 0 && id.data)
			r = prints_add(&d->prints, ids_print(id), (struct print_owner){0});
		if (r < 0)
			return r;
		d->scanned += line.len + 1;
	}
	return 0;
}

static int refuse(struct verdict *v, int error, const char *why)
{
	v->error = error;
	v->why = why;
	snprintf(v->text, sizeof(v->text), "%s", why);
	return 0;
}

static int refuse_at(struct verdict *v, const char *why, uint64_t off)
{
	v->error = -EEXIST;
	v->why = why;
	snprintf(v->text, sizeof(v->text), "%s, at offset %llu", why, (unsigned long long)off);
	return 0;
}

static int refuse_unknown(struct verdict *v, int error)
{
	return refuse(v, error,
		      error == -EAGAIN ? "the index of ids is being made anew"
		      : error == -EIO
			  ? "a part of the history cannot be read: whether the id is new is not known"
			  : "whether the id is new could not be found out");
}

/* An event that is looked for in the log. */
struct search {
	struct slice line;
	bool other;            /* an event with the id is not equal; */
	uint64_t off;          /* there */
	struct log_pos behind; /* of the one that is */
};

static int compare(void *arg, const struct ids_found *found)
{
	struct search *s = arg;

	int r = same_but_ts(s->line, found->line);
	if (r == 0 && !s->other) {
		s->other = true;
		s->off = found->off;
	}
	if (r > 0)
		s->behind =
		    (struct log_pos){.off = found->off + found->line.len + 1, .hash = log_hash(found->line)};
	return r;
}

/* 1: it is in the log; 0: it is not, or (v->error) it is refused. */
static int look_up(struct decider *d, struct slice line, struct slice id, struct verdict *v)
{
	struct search s = {.line = line};

	int r = ids_find(d->ids, d->look, id, compare, &s);
	if (r > 0 && s.behind.off > v->behind.off)
		v->behind = s.behind;
	if (r > 0)
		return 1;
	/* Where not all was looked at, an equal one may be there still. */
	if (s.other && (r == 0 || r == -EIO))
		return refuse_at(v, "another event with this id is in the log", s.off);
	return r == 0 || r == -ENOMEM ? r : refuse_unknown(v, r);
}

enum judged {
	JUDGED_NEW,
	JUDGED_THERE,
	JUDGED_REFUSED,   /* v->error */
	JUDGED_AFTER_RUN, /* an id of it is in the run before the item, */
	JUDGED_LATER,     /* or in the item before it */
};

/* Is the id one of the run's? JUDGED_NEW: it is not, and is from now on. */
static int judge_in_run(struct decider *d, uint64_t print, size_t unit, struct verdict *v)
{
	struct print_owner me = {d->item, (uint32_t)unit}, owner;

	if (!prints_find(&d->prints, print, &owner))
		return prints_add(&d->prints, print, me);
	if (owner.item != me.item)
		return JUDGED_AFTER_RUN;
	if (owner.unit != me.unit)
		return JUDGED_LATER;
	refuse(v, -EEXIST, "the group has this id twice");
	return JUDGED_REFUSED;
}

/* A negative errno, or how the unit is judged. */
static int judge(struct decider *d, size_t unit, struct verdict *v)
{
	size_t end = v->units[unit].stored, n = 0, there = 0;
	struct slice id;

	for (size_t at = unit_begin(v->units, unit); at < end; n++) {
		struct slice line = line_at(v->brought, at);
		int r = scan(d, line, &id);
		if (r == 0)
			r = judge_in_run(d, ids_print(id), unit, v);
		if (r != JUDGED_NEW)
			return r;
		r = look_up(d, line, id, v);
		if (r < 0 || v->error)
			return r < 0 ? r : JUDGED_REFUSED;
		there += (size_t)r;
		at += line.len + 1;
	}
	if (there > 0 && there < n) {
		refuse(v, -EEXIST, "a part of this group is in the log already");
		return JUDGED_REFUSED;
	}
	return there > 0 ? JUDGED_THERE : JUDGED_NEW;
}

/* Of the first `n` units those that are to be appended, as one piece. */
static int compact(struct decider *d, size_t n, struct verdict *v)
{
	size_t kept = 0;

	v->list = calloc(n, sizeof(*v->list));
	v->begins = calloc(n, sizeof(*v->begins));
	if (!v->list || !v->begins)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t begin = unit_begin(v->units, i);
		if (d->there[i])
			continue;
		buf_add(&v->compact, v->brought.data + begin, v->units[i].stored - begin);
		v->begins[kept] = begin;
		v->list[kept] = v->units[i];
		v->list[kept++].stored = v->compact.len;
	}
	v->lines = buf_slice(&v->compact);
	v->kept = v->list;
	v->n_kept = kept;
	return buf_error(&v->compact);
}

static int judge_all(struct decider *d, struct verdict *v)
{
	size_t n = 0, dropped = 0;
	int r = JUDGED_NEW;

	for (; n < v->n_units; n++) {
		r = judge(d, n, v);
		if (r != JUDGED_NEW && r != JUDGED_THERE)
			break;
		d->there[n] = r == JUDGED_THERE;
		dropped += d->there[n];
	}
	if (r < 0 || r == JUDGED_AFTER_RUN)
		return r < 0 ? r : 1;
	v->dealt = v->lines.len = unit_begin(v->units, n);
	v->n_kept = n;
	return dropped > 0 ? compact(d, n, v) : 0;
}

static int make_room(struct decider *d, size_t n)
{
	if (n <= d->cap_there)
		return 0;
	bool *there = reallocarray(d->there, n, sizeof(*there));
	if (!there)
		return -ENOMEM;
	d->there = there;
	d->cap_there = n;
	return 0;
}

int decider_judge(struct decider *d, struct slice before, uint64_t head, struct verdict *v)
{
	verdict_reset(v);
	d->item++;
	int r = ids_follow(d->ids, d->look, head);
	if (r < 0 && r != -ENOMEM) {
		v->dealt = v->lines.len = v->n_kept = 0;
		return refuse_unknown(v, r);
	}
	if (r == 0)
		r = scan_before(d, before);
	if (r == 0)
		r = make_room(d, v->n_units);
	if (r == 0)
		r = judge_all(d, v);
	if (r == 0)
		d->scanned = before.len + v->lines.len;
	return r;
}
