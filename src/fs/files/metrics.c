#include "fs/files/metrics.h"

#include "base/process.h"
#include "fs/node/classes.h"
#include "fs/files/text_file.h"
#include "version.h"

/* A family of samples that begins with its description. */
static void family(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP eventfold_%s %s\n# TYPE eventfold_%s %s\n", name, help, name, type);
}

static void sample(struct buf *b, const char *name, uint64_t value)
{
	buf_printf(b, "eventfold_%s %llu\n", name, (unsigned long long)value);
}

static void single(struct buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
	family(b, name, type, help);
	sample(b, name, value);
}

/* A label's value: backslashes, quotes and line ends are escaped. */
static void add_label(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			buf_add_char(b, '\\');
		if (*text == '\n')
			buf_add_str(b, "\\n");
		else
			buf_add_char(b, *text);
	}
}

static void labelled(struct buf *b, const char *name, const char *label, const char *value, double number)
{
	buf_printf(b, "eventfold_%s{%s=\"", name, label);
	add_label(b, value);
	buf_printf(b, "\"} %.17g\n", number);
}

static void add_commits(struct buf *b, const struct committer_stats *c)
{
	uint64_t below = 0;

	family(b, "commit_duration_seconds", "histogram",
	       "How long writing lines to the log took, the sync included.");
	for (size_t i = 0; i < COMMIT_BUCKETS; i++) {
		below += c->took[i];
		buf_printf(b, "eventfold_commit_duration_seconds_bucket{le=\"%g\"} %llu\n",
			   (double)commit_bounds_us[i] / 1e6, (unsigned long long)below);
	}
	below += c->took[COMMIT_BUCKETS];
	buf_printf(b,
		   "eventfold_commit_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
		   "eventfold_commit_duration_seconds_sum %.9g\n"
		   "eventfold_commit_duration_seconds_count %llu\n",
		   (unsigned long long)below, (double)c->took_ns / 1e9, (unsigned long long)below);
}

static void add_log(struct buf *b, struct mount *m)
{
	struct committer_stats c;
	struct eventlog_stats s;

	eventlog_stats(m->log, &s);
	committer_stats(m->committer, &c);
	single(b, "events_total", "counter", "Events in the log, ever.", s.head.seq);
	single(b, "log_bytes_total", "counter", "Bytes of these events.", s.head.off);
	single(b, "active_bytes", "gauge", "Bytes of events that are in the active log.", s.active_bytes);
	single(b, "archived_bytes", "gauge", "Bytes of events that are in the archive.", s.archived_bytes);
	single(b, "archive_file_bytes", "gauge", "Size of the archive, compressed.", s.archive_size);
	single(b, "appended_total", "counter", "Events appended since the mount.", s.appended);
	add_commits(b, &c);
	single(b, "queue_bytes", "gauge", "Bytes of lines that wait for the disk.",
	       committer_backlog(m->committer));
	single(b, "queue_requests", "gauge", "Requests that wait for the disk.",
	       committer_waiting(m->committer));
	single(b, "rotations_total", "counter", "Rotations begun since the mount.", c.rotations);
	single(b, "rotating", "gauge", "1 while the active log is moved into the archive.", s.rotating);
	single(b, "rotation_failed", "gauge", "1 where the last try to rotate has failed.",
	       s.rotation_why[0] != '\0');
	single(b, "read_only", "gauge", "1 where nothing is appended any more.", s.failed);
	single(b, "recovered", "gauge", "Things that the mount had to mend when it opened the log.",
	       s.recovered);
}

static void add_refusals(struct buf *b, struct mount *m)
{
	struct rejected_reason reasons[LIMIT_REASONS];
	size_t n = rejected_reasons(&m->rejected, reasons);

	family(b, "rejected_total", "counter", "Lines refused since the mount, by reason.");
	for (size_t i = 0; i < n; i++)
		labelled(b, "rejected_total", "reason", reasons[i].why, (double)reasons[i].count);
}

static void add_files(struct buf *b, struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	uint64_t open_files = m->open_files;
	pthread_mutex_unlock(&m->lock);
	single(b, "ts_beyond_9999_total", "counter",
	       "Events appended whose ts is most likely not in seconds.", m->odd_ts);
	single(b, "open_files", "gauge", "Open files and directories of the mount.", open_files);
	single(b, "followers", "gauge", "Blocked reads of tail/ and waiting polls.", follow_waiting(m));
}

static void add_ids(struct buf *b, struct mount *m)
{
	struct ids_stats s;

	ids_stats(m->ids, &s);
	single(b, "ids_known", "gauge", "Ids that the index of ids/ knows.", s.ids);
	single(b, "ids_memory_bytes", "gauge", "Memory that the index of ids/ takes.", s.memory);
}

static double behind(uint64_t head, uint64_t view)
{
	return head > view ? (double)(head - view) : 0;
}

/* One column of the table of views. */
enum column { LAG_EVENTS, LAG_BYTES, STATE_BYTES, FOLDED, BROKEN, MISSING, SNAPSHOT, COLUMNS };

static const struct {
	const char *name, *type, *help;
} columns[COLUMNS] = {
    [LAG_EVENTS] = {"view_lag_events", "gauge", "Events that the view has not folded yet."},
    [LAG_BYTES] = {"view_lag_bytes", "gauge", "Bytes of the log that the view has not folded yet."},
    [STATE_BYTES] = {"view_state_bytes", "gauge",
		     "Length of the view's state when it was last read or saved."},
    [FOLDED] = {"view_folded_total", "counter", "Events that the view has folded since the mount."},
    [BROKEN] = {"view_broken", "gauge", "1 where the view can't be read."},
    [MISSING] = {"view_incomplete", "gauge", "1 where the view lacks events, since they are damaged."},
    [SNAPSHOT] = {"view_snapshot_timestamp_seconds", "gauge",
		  "When the view's state was last saved, in seconds since 1970; 0: never."},
};

static double value_of(const struct view_status *v, const struct log_pos *head, enum column column)
{
	switch (column) {
	case LAG_EVENTS:
		return behind(head->seq, v->pos.seq);
	case LAG_BYTES:
		return behind(head->off, v->pos.off);
	case STATE_BYTES:
		return (double)v->state_bytes;
	case FOLDED:
		return (double)v->folded;
	case BROKEN:
		return v->broken;
	case MISSING:
		return !v->broken && v->why.text[0];
	default:
		return (double)v->snapshot_time;
	}
}

static void add_views(struct buf *b, struct mount *m)
{
	auto_free struct view_status *list = NULL;
	struct log_pos head = eventlog_head(m->log);
	size_t n = 0;

	if (views_list(m->views, &list, &n) < 0)
		b->failed = true;
	for (enum column column = 0; column < COLUMNS; column++) {
		family(b, columns[column].name, columns[column].type, columns[column].help);
		for (size_t i = 0; i < n; i++)
			labelled(b, columns[column].name, "view", list[i].name,
				 value_of(&list[i], &head, column));
	}
}

static void add_rules(struct buf *b, struct mount *m)
{
	auto_free struct rule_status *list = NULL;
	size_t n = 0;

	if (judge_status(m->judge, &list, &n) < 0)
		b->failed = true;
	family(b, "rule_ready", "gauge", "1 where the rule is asked, 0 where appends wait for it or fail.");
	for (size_t i = 0; i < n; i++)
		labelled(b, "rule_ready", "rule", list[i].name, list[i].state == RULE_READY);
	family(b, "rule_broken", "gauge", "1 where the rule can't be asked, so that nothing is appended.");
	for (size_t i = 0; i < n; i++)
		labelled(b, "rule_broken", "rule", list[i].name, list[i].state == RULE_BROKEN);
}

/* Where the log is shared there is one of each. */
static void add_cluster(struct buf *b, struct mount *m)
{
	struct cluster_status s = {0};
	uint64_t here = eventlog_head(m->log).off;

	if (m->cluster)
		cluster_status(m->cluster, &s);
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} list[] = {
	    {"cluster_ready", "gauge", "1 where the engine of a shared log takes what is appended here.",
	     s.stage == CLUSTER_READY},
	    {"cluster_lag_bytes", "gauge", "Bytes of a shared log that are not here yet.",
	     s.head.off > here ? s.head.off - here : 0},
	    {"cluster_engine_bytes", "gauge", "Size of the engine's database.", s.db_bytes},
	    {"cluster_window_bytes", "gauge", "Bytes of events that the engine still has.", s.window_bytes},
	    {"cluster_batches_in_total", "counter", "Batches of other machines that were appended here.",
	     s.batches_in},
	    {"cluster_batches_out_total", "counter", "Batches of this machine that the engine has taken.",
	     s.batches_out},
	    {"cluster_moved_total", "counter", "Batches of this machine that others were faster than.",
	     s.moved},
	};
	for (size_t i = 0; i < countof(list); i++) {
		family(b, list[i].name, list[i].type, list[i].help);
		if (m->cluster)
			sample(b, list[i].name, list[i].value);
	}
}

static bool look_at_process(pid_t pid, struct process_stat *ret)
{
	auto_close int fd = process_open(pid, "stat");

	return process_stat(fd, ret);
}

/* 0: there is none. */
static pid_t agent_of(struct mount *m)
{
	struct cluster_status s = {0};

	if (m->cluster)
		cluster_status(m->cluster, &s);
	return s.agent;
}

static void add_processes(struct buf *b, struct mount *m)
{
	struct views_worker_status worker = {0};
	views_worker_status(m->views, &worker);
	struct {
		const char *name;
		pid_t pid;
		bool there;
		struct process_stat stat;
	} list[] = {
	    {.name = "daemon", .pid = getpid()},
	    {.name = "worker", .pid = worker.pid},
	    {.name = "rebuild", .pid = worker.rebuild_pid},
	    {.name = "judge", .pid = judge_pid(m->judge)},
	    {.name = "agent", .pid = agent_of(m)},
	};
	for (size_t i = 0; i < countof(list); i++)
		list[i].there = list[i].pid && look_at_process(list[i].pid, &list[i].stat);
	family(b, "process_cpu_seconds_total", "counter", "Processor time that the process has taken.");
	for (size_t i = 0; i < countof(list); i++)
		if (list[i].there)
			labelled(b, "process_cpu_seconds_total", "process", list[i].name,
				 (double)list[i].stat.ticks / (double)sysconf(_SC_CLK_TCK));
	family(b, "process_resident_memory_bytes", "gauge", "Memory that the process has.");
	for (size_t i = 0; i < countof(list); i++)
		if (list[i].there)
			labelled(b, "process_resident_memory_bytes", "process", list[i].name,
				 (double)list[i].stat.bytes);
	single(b, "worker_restarts_total", "counter", "How often a worker had to be started again.",
	       worker.restarts);
}

void metrics_text(struct mount *m, struct buf *b)
{
	family(b, "info", "gauge", "The version, and the directory of the data.");
	buf_add_str(b, "eventfold_info{version=\"" EVENTFOLD_VERSION "\",data=\"");
	add_label(b, m->options.data);
	buf_add_str(b, "\"} 1\n");
	single(b, "mount_timestamp_seconds", "gauge", "When it was mounted, in seconds since 1970.",
	       m->since);
	add_log(b, m);
	add_refusals(b, m);
	add_files(b, m);
	add_ids(b, m);
	add_views(b, m);
	add_rules(b, m);
	add_cluster(b, m);
	add_processes(b, m);
	buf_add_str(b, "# EOF\n");
}

static int make(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	status_clock_now(&m->status, &ret->changed);
	metrics_text(m, b);
	return 0;
}

const struct node_class metrics_file = {TEXT_FILE_OF_HEAD, .mode = S_IFREG | 0444, .make = make,
					.topic = TOPICS};
