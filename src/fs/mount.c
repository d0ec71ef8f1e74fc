#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "fs/cluster/config.h"
#include "fs/log/append.h"
#include "fs/node/file.h"
#include "model/event/event_time.h"
#include "store/cursor.h"

/* New log after which a view's snapshot is saved, in bytes. */
#define SNAPSHOT_BYTES (8u << 20)

static bool is_event(void *arg, struct slice line)
{
	struct mount *m = arg;
	struct json_error why;

	return event_scan(&m->scanner, line, &why);
}

static void report(void *arg, const char *text)
{
	struct mount *m = arg;

	if (m->options.report)
		m->options.report(m->options.arg, text);
}

static void head_moved(void *arg)
{
	struct mount *m = arg;

	settler_moved(m->settler);
	ids_head_moved(m->ids);
	prover_head_moved(m->prover);
	views_head_moved(m->views, follow_log_changed(m));
}

static void view_changed(void *arg, const char *name)
{
	follow_view_changed(arg, name);
}

static void status_changed(void *arg)
{
	follow_status_changed(arg);
}

static void nudge_committer(void *arg)
{
	struct mount *m = arg;

	commit_nudge(m->committer);
}

static void retire_snapshots(void *arg, uint64_t active_begin)
{
	struct mount *m = arg;

	views_retire_snapshots(m->views, active_begin);
}

static bool is_interrupted(void *arg, const void *key)
{
	return fuse_req_interrupted((fuse_req_t)key);
}

static void log_sealed(void *arg)
{
	struct mount *m = arg;

	archiver_kick(m->archiver);
}

static void sha_noted(void *arg)
{
	struct mount *m = arg;

	archiver_kick(m->archiver);
}

static void log_archived(void *arg)
{
	struct mount *m = arg;

	views_head_moved(m->views, false);
}

/* DATA may be new, made here or by one who has died since. Its parent may also be of another filesystem,
 * out of reach, or one that has no such sync: then nothing was made there. */
static int sync_parent(struct mount *m)
{
	struct disk *d = &disk_posix;
	int fd = d->open(d, m->data_fd, "..", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return 0;
	int r = d->sync_dir(d, fd);
	d->close(d, fd);
	return r == -EINVAL || r == -EROFS ? 0 : r;
}

static int open_data(struct mount *m, struct diag *diag)
{
	const char *data = m->options.data;
	struct disk *d = &disk_posix;

	int r = d->mkdir(d, AT_FDCWD, data, 0777);
	if (r < 0)
		return diag_set(diag, r, "cannot create %s: %s", data, strerror(-r));
	m->data_fd = d->open(d, AT_FDCWD, data, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (m->data_fd < 0)
		return diag_set(diag, m->data_fd, "cannot open %s: %s", data, strerror(-m->data_fd));
	r = sync_parent(m);
	if (r < 0)
		return diag_set(diag, r, "cannot sync the directory of %s: %s", data, strerror(-r));
	r = d->mkdir(d, m->data_fd, "views", 0777);
	if (r == 0)
		r = d->mkdir(d, m->data_fd, "reducers", 0777);
	if (r == 0)
		r = d->mkdir(d, m->data_fd, "rules", 0777);
	if (r < 0)
		return diag_set(diag, r, "cannot write to %s: %s", data, strerror(-r));
	struct eventlog_options options = {
	    .is_event = is_event,
	    .time_of = event_time,
	    .report = report,
	    .arg = m,
	    .shared = m->options.cluster.urls != NULL,
	};
	return eventlog_open(&m->log, d, m->data_fd, &options, diag);
}

/* The lines of a block; false: the guard knows enough. */
static bool note_lines(struct guard_log *beginning, struct cursor *cursor, struct slice block)
{
	while (block.len > 0 && guard_log_is_open(beginning)) {
		size_t len = (size_t)((const char *)memchr(block.data, '\n', block.len) - block.data);
		guard_log_add(beginning, (struct slice){block.data, len});
		cursor_advance(cursor, len);
		block.data += len + 1;
		block.len -= len + 1;
	}
	return guard_log_is_open(beginning);
}

/* The log's first lines, for the guard. */
static int read_beginning(struct mount *m)
{
	struct log_pos start = {0}, head = eventlog_head(m->log);
	struct reader *reader = NULL;
	struct log_damage damage;
	struct log_files files;
	struct cursor cursor;
	struct slice block;

	if (head.off == 0)
		return 0;
	int r = eventlog_files(m->log, &files);
	if (r == 0)
		r = reader_new(&reader, &disk_posix, &files);
	if (r < 0)
		return r;
	cursor_init(&cursor, reader, &start);
	do
		r = cursor_fill(&cursor, head.off, &block, &damage);
	while (r == 0 && block.len > 0 && note_lines(&m->beginning, &cursor, block));
	/* Lines that can't be read guard nothing, and stop nothing. */
	if (r != 0)
		guard_log_close(&m->beginning);
	cursor_deinit(&cursor);
	reader_free(reader);
	return 0;
}

static int start_views(struct mount *m, struct diag *diag)
{
	struct views_options views = {
	    .worker_path = m->options.worker_path,
	    .reduce_memory = m->options.reduce_memory,
	    .reduce_timeout_ms = m->options.reduce_timeout_ms,
	    .zone = m->options.zone,
	    .quiet = m->options.quiet,
	    .log_changed = clock_to_ns(mtime_log(m)),
	    .snapshot_bytes = SNAPSHOT_BYTES,
	    .report = report,
	    .changed = view_changed,
	    .cancelled = is_interrupted,
	    .arg = m,
	};

	int r = views_start(&m->views, m->log, &disk_posix, m->data_fd, &views, diag);
	if (r < 0)
		return r;
	r = past_start(&m->past, m->views, m->log, &disk_posix, m->data_fd, &views);
	return r < 0 ? diag_set(diag, r, "cannot start a thread: %s", strerror(-r)) : 0;
}

static void rules_taken(void *arg, bool known)
{
	struct mount *m = arg;

	if (m->cluster)
		config_announce(m, known);
}

static int start_rules(struct mount *m, struct diag *diag)
{
	const struct mount_options *o = &m->options;
	const struct rules_options rules = {
	    .worker_path = o->worker_path, .quiet = o->quiet, .zone = o->zone, .report = report, .arg = m};

	int r = rules_start(&m->rules, m->data_fd, &rules, diag);
	if (r < 0)
		return r;
	const struct judge_options judge = {
	    .rules = m->rules,
	    .views = m->views,
	    .log = m->log,
	    .data_fd = m->data_fd,
	    .worker_path = o->worker_path,
	    .memory = o->reduce_memory,
	    .timeout_ms = o->reduce_timeout_ms,
	    .zone = o->zone,
	    .quiet = o->quiet,
	    .report = report,
	    .changed = status_changed,
	    .taken = rules_taken,
	    .arg = m,
	};
	r = judge_new(&m->judge, &judge);
	return r < 0 ? diag_set(diag, r, "cannot open the directory views: %s", strerror(-r)) : 0;
}

static void joined(void *arg, struct slice lines)
{
	append_joined(arg, lines);
}

static int start_cluster(struct mount *m, struct diag *diag)
{
	const struct mount_options *o = &m->options;

	return cluster_start(&m->cluster, m->log, &disk_posix,
			     &(struct cluster_start){
				 .options = &o->cluster,
				 .data = o->data,
				 .agent_path = o->agent_path,
				 .quiet = o->quiet,
				 .arrived = nudge_committer,
				 .changed = status_changed,
				 .report = report,
				 .arg = m,
			     },
			     diag);
}

static enum journal_mode journal_mode(const struct mount_options *o)
{
	/* Where nobody waits for the disk there is nothing to be won. */
	if (o->sync != SYNC_WRITE)
		return JOURNAL_OFF;
	/* What is proposed to others is on disk by the time of the answer, at whatever pace. */
	return o->cluster.urls && o->journal == JOURNAL_AUTO ? JOURNAL_ON : o->journal;
}

static int start_threads(struct mount *m, struct diag *diag)
{
	struct committer_options committer = {
	    .sync = m->options.sync,
	    .rotate = m->options.rotate,
	    .moved = head_moved,
	    .sealed = log_sealed,
	    .judge_wait_ms = m->options.rules_timeout_ms,
	    .cluster_wait_ms = m->options.cluster.timeout_ms,
	    .joined = joined,
	    .report = report,
	    .arg = m,
	};
	struct archiver_options archiver = {
	    .report = report, .retire = retire_snapshots, .done = log_archived, .arg = m};

	struct settler_options settler = {
	    .mode = journal_mode(&m->options),
	    .data_fd = m->data_fd,
	    .report = report,
	    .arg = m,
	};

	int r = deferred_init(m);
	if (r < 0)
		return diag_set(diag, r, "cannot make an eventfd: %s", strerror(-r));
	r = start_views(m, diag);
	if (r == 0)
		r = start_rules(m, diag);
	if (r == 0 && m->options.cluster.urls)
		r = start_cluster(m, diag);
	if (r < 0)
		return r;
	committer.cluster = m->cluster;
	committer.judge = m->judge;
	r = history_start(&m->history, m->log, &disk_posix);
	if (r == 0)
		r = ids_start(&m->ids, m->log, &disk_posix, m->data_fd,
			      &(struct ids_options){.report = report, .arg = m});
	if (r == 0)
		r = archiver_start(&m->archiver, m->log, &archiver);
	if (r == 0)
		r = prover_start(&m->prover, m->log, &disk_posix,
				 &(struct prover_options){.noted = sha_noted, .arg = m});
	if (r == 0)
		r = settler_start(&m->settler, m->log, &settler);
	committer.ids = m->ids;
	if (r == 0)
		r = feeder_start(&m->feeder);
	if (r == 0)
		r = committer_start(&m->committer, m->log, &committer);
	if (r == 0)
		r = follow_start(m);
	if (r < 0)
		return diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	/* Of a shared log it is no matter only for who appends here next which they are. */
	if (m->cluster)
		views_listen(m->views, nudge_committer, m);
	rules_listen(m->rules, nudge_committer, m);
	/* A crash may have left a rotation half done. */
	archiver_kick(m->archiver);
	return 0;
}

static char *path_in_data(const struct mount *m, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", m->options.data, name) < 0 ? NULL : path;
}

static int open_all(struct mount *m, struct diag *diag)
{
	m->reducers = path_in_data(m, "reducers");
	m->rules_path = path_in_data(m, "rules");
	if (!m->reducers || !m->rules_path)
		return diag_set(diag, -ENOMEM, "out of memory");
	m->writers = nodes_another(&m->nodes, &m->nodes.fixed[NODE_EVENTS_APP]);
	if (!m->writers)
		return diag_set(diag, -ENOMEM, "out of memory");
	int r = open_data(m, diag);
	if (r != 0)
		return r;
	mtime_begin(m);
	r = read_beginning(m);
	if (r < 0)
		return diag_set(diag, r, "cannot read the log: %s", strerror(-r));
	return start_threads(m, diag);
}

int mount_open(struct mount **ret, const struct mount_options *options, struct diag *diag)
{
	struct mount *m = calloc(1, sizeof(*m));
	sigset_t all, before;

	if (!m)
		return diag_set(diag, -ENOMEM, "out of memory");
	m->options = *options;
	m->data_fd = m->deferred.ready_fd = -1;
	m->since = clock_unix();
	m->daemon_uid = geteuid();
	m->uid = options->access.has_uid ? options->access.uid : m->daemon_uid;
	m->gid = options->access.has_gid ? options->access.gid : getegid();
	nodes_init(&m->nodes);
	m->threads_hidden = threads_are_hidden();
	reservations_init(&m->reservations, &m->nodes);
	posix_locks_init(&m->posix_locks);
	rejected_init(&m->rejected);
	pthread_mutex_init(&m->lock, NULL);
	follow_init(m, m->options.mnt);
	ctl_init(&m->ctl);
	mtime_init(m);

	/* Signals are for whoever runs the session. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = open_all(m, diag);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		mount_close(m);
		return r;
	}
	*ret = m;
	return 0;
}

/* The kernel releases nothing that is open when its mount is gone. */
static void free_files(struct node *node)
{
	for (struct file *f = node->files, *next; f; f = next) {
		next = f->next;
		file_unref(f);
	}
}

/* Where the log can't be made durable in itself the journal stays, for the next mount. */
static void finish_log(struct mount *m)
{
	char text[160];

	if (!m->log)
		return;
	int r = eventlog_finish(m->log);
	snprintf(text, sizeof(text), "app.jsonl.journal stays for the next mount: %s", strerrordesc_np(-r));
	if (r < 0 && r != -EROFS)
		report(m, text);
	eventlog_close(m->log);
}

void mount_close(struct mount *m)
{
	if (!m)
		return;
	ctl_end(&m->ctl);
	if (m->rules)
		rules_listen(m->rules, NULL, NULL);
	if (m->views)
		views_listen(m->views, NULL, NULL);
	/* Those who feed others first: rotations and tails are answered by the threads that are still
	 * there. */
	feeder_stop(m->feeder);
	ids_end(m->ids); /* who has waited for it goes on to the committer, or is answered */
	if (m->cluster)
		cluster_end(m->cluster);
	committer_stop(m->committer);
	cluster_free(m->cluster);
	judge_free(m->judge);
	pieces_spare_deinit(&m->pieces_spare);
	rules_stop(m->rules);
	ids_free(m->ids);
	settler_stop(m->settler);
	follow_join(m);
	history_stop(m->history);
	prover_stop(m->prover);
	archiver_stop(m->archiver);
	past_stop(m->past);
	if (m->views)
		views_stop(m->views);
	deferred_deinit(m);
	flocks_end(m);
	posix_locks_end(m);
	finish_log(m);
	if (m->data_fd >= 0)
		disk_posix.close(&disk_posix, m->data_fd);
	nodes_end(&m->nodes);
	nodes_each(&m->nodes, free_files);
	posix_locks_deinit(&m->posix_locks);
	reservations_deinit(&m->reservations);
	nodes_deinit(&m->nodes);
	event_deinit(&m->scanner);
	rejected_deinit(&m->rejected);
	mtime_deinit(m);
	ctl_deinit(&m->ctl);
	follow_deinit(m);
	pthread_mutex_destroy(&m->lock);
	free(m->reducers);
	free(m->rules_path);
	free(m);
}
