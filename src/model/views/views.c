#include "model/views/views.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "model/views/board.h"
#include "model/views/keeper.h"
#include "model/views/saver.h"

#define KEPT_RENDERING (64u << 10)

struct views {
	struct views_options options;
	char *worker_path;
	struct eventlog *log;
	struct disk *disk;
	int data_fd, views_fd; /* the first is borrowed */
	struct board board;
	struct keeper *keeper;
	struct saver *saver;
	struct catalog *catalog;

	pthread_mutex_t listening; /* guards who listens */
	void (*defined)(void *arg);
	void *defined_arg;
};

static void report(void *arg, const char *text)
{
	struct views *v = arg;

	if (v->options.report)
		v->options.report(v->options.arg, text);
}

bool views_are_current(struct views *v, const char *name, pid_t asker)
{
	return catalog_is_current(v->catalog, name, asker);
}

void views_look(struct views *v, struct catalog_wait *w)
{
	catalog_wait(v->catalog, w);
}

bool views_look_cancel(struct views *v, struct catalog_wait *w)
{
	return catalog_cancel(v->catalog, w);
}

void views_settle(struct views *v, const char *name)
{
	catalog_settle(v->catalog, name);
}

void views_head_moved(struct views *v, bool at_once)
{
	crew_head_moved(keeper_crew(v->keeper), at_once);
}

int views_status(struct views *v, const char *name, struct view_status *ret)
{
	return board_status(&v->board, name, ret);
}

int views_list(struct views *v, struct view_status **ret, size_t *ret_n)
{
	return board_list(&v->board, ret, ret_n);
}

int views_definition(struct views *v, const char *name, struct definition **ret)
{
	return board_definition(&v->board, name, ret);
}

void views_misnamed(struct views *v, struct misnamed *ret)
{
	catalog_misnamed(v->catalog, ret);
}

void views_worker_status(struct views *v, struct views_worker_status *ret)
{
	struct crew_status s;

	crew_status(keeper_crew(v->keeper), &s);
	*ret = (struct views_worker_status){
	    .pid = s.main, .rebuild_pid = s.rebuild, .restarts = s.restarts, .waits_for = s.waits_for};
}

int views_rebuild(struct views *v, const char *name)
{
	/* Whoever rebuilds may have restored the log: who begins anew is to look at it anew. */
	eventlog_look_again(v->log);
	return board_renew(&v->board, name);
}

int views_snapshot(struct views *v)
{
	keeper_save_all(v->keeper);
	return 0;
}

void views_retire_snapshots(struct views *v, uint64_t active_begin)
{
	saver_retire(v->saver, active_begin);
}

void views_want(struct views *v, const char *name, enum views_what what, const void *key, views_done *done,
		void *arg)
{
	const struct views_request q = {what, key, done, arg};
	struct message want;

	struct worker_handle *h = board_want(&v->board, name, &q, eventlog_head(v->log).off, &want);
	if (!h)
		return;
	/* Whoever moved the head may not have said so yet. */
	if (atomic_load(&h->orders->head) < want.off)
		views_head_moved(v, true);
	int r = worker_handle_send(h, &want, (struct slice){0}, NULL, 0);
	if (r < 0 && r != -EPIPE)
		board_unask(&v->board, name);
	crew_watch(keeper_crew(v->keeper));
	worker_handle_unref(h);
}

void views_cancel(struct views *v, const void *key)
{
	board_cancel(&v->board, key);
}

static void views_free(struct views *v)
{
	keeper_free(v->keeper);
	saver_free(v->saver);
	board_deinit(&v->board);
	closep(&v->views_fd);
	free(v->worker_path);
	pthread_mutex_destroy(&v->listening);
	free(v);
}

static struct views *views_new(struct eventlog *log, struct disk *disk, int data_dirfd,
			       const struct views_options *options)
{
	struct views *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->options = *options;
	pthread_mutex_init(&v->listening, NULL);
	v->log = log;
	v->disk = disk;
	v->data_fd = data_dirfd;
	v->views_fd = -1;
	v->worker_path = strdup(options->worker_path);
	v->options.worker_path = v->worker_path;
	v->keeper = keeper_new(&(struct keeper_options){&v->options, log, &v->board});
	board_init(&v->board, &(struct board_options){
				  .start_head = eventlog_head(log).off,
				  .log_changed = options->log_changed,
				  .cancelled = options->cancelled,
				  .cancelled_arg = options->arg,
				  .wake = keeper_kick,
				  .wake_arg = v->keeper,
				  .kept_bytes = KEPT_RENDERING,
			      });
	return v;
}

static int open_views_dir(struct views *v, struct diag *diag)
{
	int r = v->disk->mkdir(v->disk, v->data_fd, "views", 0777);

	if (r == 0) {
		v->views_fd = openat(v->data_fd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = v->views_fd < 0 ? -errno : 0;
	}
	return r < 0 ? diag_set(diag, r, "cannot create the directory views: %s", strerror(-r)) : 0;
}

static void tell_defined(struct views *v)
{
	pthread_mutex_lock(&v->listening);
	if (v->defined)
		v->defined(v->defined_arg);
	pthread_mutex_unlock(&v->listening);
}

void views_listen(struct views *v, void (*defined)(void *arg), void *arg)
{
	pthread_mutex_lock(&v->listening);
	v->defined = defined;
	v->defined_arg = arg;
	pthread_mutex_unlock(&v->listening);
}

static int definition_changed(void *arg, const char *name, struct definition *def)
{
	struct views *v = arg;
	char text[256];
	int r = 0;

	if (def)
		r = board_put(&v->board, name, definition_ref(def));
	else
		board_remove(&v->board, name);
	tell_defined(v);
	if (r < 0) {
		snprintf(text, sizeof(text), "the view %s could not be added: %s; it is tried again", name,
			 strerror(-r));
		report(v, text);
	}
	return r;
}

static int open_catalog(struct views *v, struct diag *diag)
{
	struct catalog_options options = {
	    .worker_path = v->worker_path,
	    .quiet = v->options.quiet,
	    .zone = v->options.zone,
	    .changed = definition_changed,
	    .report = report,
	    .arg = v,
	};

	int r = v->disk->mkdir(v->disk, v->data_fd, "reducers", 0777);
	if (r < 0)
		return diag_set(diag, r, "cannot create the directory reducers: %s", strerror(-r));
	return catalog_start(&v->catalog, v->data_fd, &options, diag);
}

static int start_threads(struct views *v, struct diag *diag)
{
	const struct saver_options options = {
	    .disk = v->disk,
	    .views_fd = v->views_fd,
	    .board = &v->board,
	    .report = report,
	    .report_arg = v,
	    .wake = keeper_kick,
	    .wake_arg = v->keeper,
	};
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = saver_start(&v->saver, &options);
	if (r < 0) {
		diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	} else {
		r = keeper_start(v->keeper, v->saver, v->views_fd, diag);
		if (r < 0)
			saver_stop(v->saver);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int views_start(struct views **ret, struct eventlog *log, struct disk *disk, int data_dirfd,
		const struct views_options *options, struct diag *diag)
{
	struct views *v = views_new(log, disk, data_dirfd, options);

	if (!v)
		return diag_set(diag, -ENOMEM, "no memory");
	int r = !v->keeper || !v->worker_path ? diag_set(diag, -ENOMEM, "no memory or descriptors left") : 0;
	if (r == 0)
		r = open_views_dir(v, diag);
	if (r == 0)
		r = open_catalog(v, diag);
	if (r == 0)
		r = start_threads(v, diag);
	if (r < 0) {
		catalog_stop(v->catalog);
		views_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

void views_stop(struct views *v)
{
	catalog_stop(v->catalog);
	board_stop(&v->board);
	keeper_stop(v->keeper);
	saver_stop(v->saver);
	views_free(v);
}
