#include "fs/files/status.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json_add.h"
#include "fs/files/status_cluster.h"
#include "version.h"

/* What it says changes without anything having happened: by the time, and by who looks. That is no news. */
struct lasting {
	uint64_t hash;
	size_t from; /* what stands behind is not in there yet */
};

static void note_lasting(struct lasting *l, const struct buf *b)
{
	if (b->failed)
		return;
	l->hash = l->hash * 31 + log_hash((struct slice){b->data + l->from, b->len - l->from});
	l->from = b->len;
}

/* All since the last call is none of it. */
static void skip_passing(struct lasting *l, const struct buf *b)
{
	l->from = b->len;
}

static void add_hash(struct buf *b, const char *key, const struct log_pos *pos)
{
	json_add_key(b, key);
	buf_add_char(b, '"');
	if (pos->off > 0)
		buf_add_hex64(b, pos->hash);
	buf_add_char(b, '"');
}

static void add_options(struct buf *b, const struct mount_options *o)
{
	static const char *const modes[] = {
	    [SYNC_WRITE] = "write",
	    [SYNC_CLOSE] = "close",
	    [SYNC_NONE] = "none",
	};

	json_add_key(b, "options");
	buf_add_char(b, '{');
	json_add_str(b, "sync", modes[o->sync]);
	json_add_u64(b, "max_line", o->max_line);
	if (o->rotate)
		json_add_u64(b, "rotate", o->rotate);
	else
		json_add_str(b, "rotate", "off");
	json_add_str(b, "ts", o->strict_ts ? "strict" : "any");
	json_add_str(b, "tz", o->tz ? o->tz : "UTC");
	json_add_u64(b, "reduce_timeout_ms", o->reduce_timeout_ms);
	json_add_u64(b, "reduce_memory", o->reduce_memory);
	json_add_u64(b, "rules_timeout_ms", o->rules_timeout_ms);
	json_add_key(b, "data_umask");
	buf_printf(b, "\"%03o\"", (unsigned)o->data_umask);
	buf_add_char(b, '}');
}

static void add_journal(struct buf *b, struct mount *m, const struct eventlog_stats *s)
{
	static const char *const modes[] = {
	    [JOURNAL_AUTO] = "auto",
	    [JOURNAL_ON] = "on",
	    [JOURNAL_OFF] = "off",
	};

	json_add_key(b, "journal");
	buf_add_char(b, '{');
	json_add_str(b, "mode", modes[m->options.journal]);
	json_add_bool(b, "used", s->journal);
	json_add_str(b, "why", s->journal ? NULL : settler_why(m->settler));
	json_add_u64(b, "sync_us", s->sync_us);
	buf_add_char(b, '}');
}

static void add_log(struct buf *b, struct mount *m)
{
	struct eventlog_stats s;

	eventlog_stats(m->log, &s);
	json_add_key(b, "log");
	buf_add_char(b, '{');
	json_add_u64(b, "events", s.head.seq);
	json_add_u64(b, "offset", s.head.off);
	add_hash(b, "hash", &s.head);
	json_add_u64(b, "active_bytes", s.active_bytes);
	json_add_u64(b, "archived_bytes", s.archived_bytes);
	json_add_u64(b, "archive_size", s.archive_size);
	json_add_u64(b, "frames", s.frames);
	json_add_u64(b, "appended", s.appended);
	json_add_u64(b, "commits", s.commits);
	json_add_key(b, "events_per_commit");
	buf_printf(b, "%.1f", s.commits ? (double)s.appended / (double)s.commits : 0.0);
	json_add_bool(b, "rotating", s.rotating);
	json_add_bool(b, "read_only", s.failed);
	json_add_str(b, "why", s.failed ? s.why : NULL);
	json_add_str(b, "rotation_error", s.rotation_why[0] ? s.rotation_why : NULL);
	add_journal(b, m, &s);
	buf_add_char(b, '}');
	json_add_u64(b, "recovered", s.recovered);
}

static void add_ids(struct buf *b, struct mount *m)
{
	static const char *const stages[] = {
	    [IDS_UNUSED] = "unused",
	    [IDS_BUILDING] = "building",
	    [IDS_READY] = "ready",
	};
	struct ids_stats s;

	ids_stats(m->ids, &s);
	json_add_key(b, "ids");
	buf_add_char(b, '{');
	json_add_str(b, "stage", stages[s.stage]);
	json_add_u64(b, "ids", s.ids);
	json_add_u64(b, "offset", s.off);
	json_add_u64(b, "files", s.files);
	json_add_u64(b, "memory", s.memory);
	if (s.lacks == UINT64_MAX)
		json_add_str(b, "unknown", NULL);
	else
		json_add_u64(b, "unknown", s.lacks);
	buf_add_char(b, '}');
}

static void add_proof(struct buf *b, struct mount *m)
{
	static const char *const stages[] = {
	    [PROVER_UNUSED] = "unused",
	    [PROVER_READING] = "reading",
	    [PROVER_READY] = "ready",
	};
	uint64_t head = eventlog_head(m->log).off;
	struct prover_stats s;

	prover_stats(m->prover, &s);
	json_add_key(b, "proof");
	buf_add_char(b, '{');
	json_add_str(b, "stage", stages[s.stage]);
	json_add_u64(b, "offset", s.off);
	json_add_key(b, "progress");
	buf_printf(b, "%.3f", head ? (double)s.off / (double)head : 1.0);
	json_add_str(b, "error", s.error ? strerrordesc_np(-s.error) : NULL);
	buf_add_char(b, '}');
}

static void add_view(struct buf *b, struct lasting *l, const struct view_status *v, uint64_t head,
		     uint64_t now)
{
	json_add_key(b, v->name);
	buf_add_char(b, '{');
	json_add_str(b, "reducer", v->file);
	json_add_str(b, "kind", v->kind);
	json_add_u64(b, "offset", v->pos.off);
	json_add_u64(b, "events", v->pos.seq);
	json_add_u64(b, "folded", v->folded);
	json_add_u64(b, "events_per_second", v->rate);
	json_add_bool(b, "rebuilding", v->apart);
	json_add_bool(b, "alone", v->alone);
	json_add_key(b, "progress");
	buf_printf(b, "%.3f", head ? (double)v->pos.off / (double)head : 1.0);
	json_add_u64(b, "state_bytes", v->state_bytes);
	note_lasting(l, b);
	json_add_key(b, "snapshot_age");
	if (v->snapshot_time)
		buf_add_u64(b, now > v->snapshot_time ? now - v->snapshot_time : 0);
	else
		buf_add_str(b, "null");
	skip_passing(l, b);
	json_add_u64(b, "snapshot_offset", v->snapshot_off);
	json_add_bool(b, "broken", v->broken);
	json_add_str(b, "waits_for", v->waits_for.text[0] ? v->waits_for.text : NULL);
	json_add_str(b, "error", v->why.text[0] ? v->why.text : NULL);
	json_add_key(b, "missing");
	holes_write_count(&v->holes, b);
	json_add_key(b, "holes");
	holes_write_list(&v->holes, b);
	buf_add_char(b, '}');
}

static void add_views(struct buf *b, struct lasting *l, struct mount *m)
{
	auto_free struct view_status *list = NULL;
	struct views_worker_status worker = {0};
	uint64_t head = eventlog_head(m->log).off;
	size_t n = 0;

	json_add_key(b, "views");
	buf_add_char(b, '{');
	if (views_list(m->views, &list, &n) < 0)
		b->failed = true;
	for (size_t i = 0; i < n; i++)
		add_view(b, l, &list[i], head, clock_unix());
	buf_add_char(b, '}');
	views_worker_status(m->views, &worker);
	json_add_key(b, "worker");
	buf_add_char(b, '{');
	json_add_u64(b, "pid", (uint64_t)worker.pid);
	json_add_u64(b, "rebuild_pid", (uint64_t)worker.rebuild_pid);
	json_add_u64(b, "restarts", worker.restarts);
	json_add_str(b, "waits_for", worker.waits_for.text[0] ? worker.waits_for.text : NULL);
	buf_add_char(b, '}');
}

static void add_rule(struct buf *b, const struct rule_status *r, uint64_t head)
{
	static const char *const states[] = {
	    [RULE_READY] = "ready",
	    [RULE_FOLDS] = "folding",
	    [RULE_BROKEN] = "broken",
	};
	double behind = head && r->view && r->state == RULE_FOLDS ? (double)r->pos.off / (double)head : 1.0;

	json_add_key(b, r->name);
	buf_add_char(b, '{');
	json_add_str(b, "rule", r->file);
	json_add_bool(b, "view", r->view);
	json_add_str(b, "state", states[r->state]);
	json_add_key(b, "progress");
	buf_printf(b, "%.3f", behind);
	json_add_bool(b, "broken", r->state == RULE_BROKEN);
	json_add_str(b, "waits_for", r->state == RULE_FOLDS && r->why.text[0] ? r->why.text : NULL);
	json_add_str(b, "error", r->state == RULE_BROKEN ? r->why.text : NULL);
	buf_add_char(b, '}');
}

static void add_rules(struct buf *b, struct mount *m)
{
	auto_free struct rule_status *list = NULL;
	uint64_t head = eventlog_head(m->log).off;
	size_t n = 0;

	json_add_key(b, "rules");
	buf_add_char(b, '{');
	if (judge_status(m->judge, &list, &n) < 0)
		b->failed = true;
	for (size_t i = 0; i < n; i++)
		add_rule(b, &list[i], head);
	buf_add_char(b, '}');
	json_add_u64(b, "judge_pid", (uint64_t)judge_pid(m->judge));
}

static void add_misnamed_in(struct buf *b, const char *dir, const struct misnamed *m)
{
	char path[MISNAMED_LEN + 16];

	for (size_t i = 0; i < m->n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, m->file[i]);
		if (b->len > 0 && b->data[b->len - 1] != '[')
			buf_add_char(b, ',');
		buf_add_json(b, slice_of(path));
	}
}

static void add_misnamed(struct buf *b, struct mount *m)
{
	struct misnamed misnamed;

	json_add_key(b, "misnamed");
	buf_add_char(b, '[');
	rules_misnamed(m->rules, &misnamed);
	add_misnamed_in(b, "rules", &misnamed);
	views_misnamed(m->views, &misnamed);
	add_misnamed_in(b, "reducers", &misnamed);
	buf_add_char(b, ']');
}

uint64_t status_text(struct mount *m, struct buf *b, struct timespec *ret_changed)
{
	struct lasting lasting = {0};

	/* Before it is made: what changes meanwhile is news. */
	uint64_t version = status_clock_now(&m->status, ret_changed);
	pthread_mutex_lock(&m->lock);
	uint64_t open_files = m->open_files;
	pthread_mutex_unlock(&m->lock);
	buf_add_char(b, '{');
	json_add_str(b, "version", EVENTFOLD_VERSION);
	json_add_u64(b, "pid", (uint64_t)getpid());
	json_add_u64(b, "since", m->since);
	json_add_str(b, "data", m->options.data);
	add_options(b, &m->options);
	add_log(b, m);
	add_ids(b, m);
	add_proof(b, m);
	json_add_key(b, "cluster");
	status_cluster(m, b);
	json_add_u64(b, "rejected", rejected_count(&m->rejected));
	json_add_u64(b, "ts_beyond_9999", m->odd_ts);
	note_lasting(&lasting, b);
	json_add_u64(b, "open_files", open_files);
	json_add_u64(b, "waiting", follow_waiting(m));
	skip_passing(&lasting, b);
	add_rules(b, m);
	add_views(b, &lasting, m);
	add_misnamed(b, m);
	buf_add_str(b, "}\n");
	note_lasting(&lasting, b);
	status_clock_text(&m->status, lasting.hash);
	return version;
}
