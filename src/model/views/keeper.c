#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "model/views/keeper_impl.h"

#define SAVE_AT_END_MS 10000 /* how long the end waits for the last snapshots */
#define SMALL 4096           /* bytes of a snapshot: its state is read quickly, and sent unasked */
#define SMALL_FIRST_MS 1000  /* after the start */

void keeper_kick(void *arg)
{
	struct keeper *k = arg;
	ssize_t n = write(k->kick_fd, &(uint64_t){1}, sizeof(uint64_t));

	(void)n; /* can't fail but for an overflow: then it is kicked anyway */
}

void keeper_save_all(struct keeper *k)
{
	atomic_store(&k->save_all, true);
	keeper_kick(k);
}

struct crew *keeper_crew(struct keeper *k)
{
	return &k->crew;
}

void keeper_report(struct keeper *k, const char *fmt, ...)
{
	const struct views_options *options = k->options.views;
	char text[768];
	va_list ap;

	if (!options->report)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	options->report(options->arg, text);
}

/* Where the active log began when the snapshots were last in order: after a rotation that a crash has left
 * half done, they need not be. */
static uint64_t first_begin(struct keeper *k)
{
	struct eventlog_stats stats;

	eventlog_stats(k->options.log, &stats);
	return stats.rotating ? UINT64_MAX : k->crew.workers[MAIN]->active_begin;
}

static bool start_first(struct keeper *k)
{
	struct diag why = {0};

	int r = crew_start(&k->crew, MAIN, &why);
	if (r == 0)
		k->active_begin = first_begin(k);
	k->large_ms = clock_ms() + SMALL_FIRST_MS;
	board_start(k->board);
	pthread_mutex_lock(&k->start_lock);
	k->started = true;
	k->start_result = r;
	k->start_why = why;
	pthread_cond_signal(&k->start_cond);
	pthread_mutex_unlock(&k->start_lock);
	return r == 0;
}

static void restart(struct keeper *k, unsigned which)
{
	struct diag why = {0};
	bool is_new = false;

	int r = crew_restart(&k->crew, which, &why, &is_new);
	if (is_new)
		keeper_report(k, "%s; it is tried again", why.text);
	if (r <= 0)
		keeper_tell_homeless(k, which, r < 0 ? why.text : NULL);
}

/* It is in the main worker, and whoever looks at it is answered: or it is not, or not so quickly. */
static bool is_there(struct keeper *k, const struct resident *r)
{
	if (resident_place(k, r) != MAIN || r->load_bytes > SMALL || r->life.stage == LIFE_BROKEN)
		return true;
	return life_has_worker(&r->life) && board_rendered(k->board, r->view, r->id);
}

/* To start a process takes a while, in which nobody is answered: the small views come first. */
static bool may_load_large(struct keeper *k)
{
	if (clock_ms() >= k->large_ms)
		return true;
	for (size_t i = 0; i < k->n_residents; i++)
		if (!is_there(k, k->residents[i]))
			return false;
	k->large_ms = 0;
	return true;
}

static bool is_of_large(const struct keeper *k, unsigned which)
{
	for (size_t i = 0; i < k->n_residents; i++)
		if (k->residents[i]->life.home == HOME_LARGE && k->residents[i]->solo == which)
			return true;
	return false;
}

static void keep_workers(struct keeper *k)
{
	bool needed[WORKERS];

	keeper_needs(k, needed);
	for (unsigned i = 0; i < WORKERS; i++)
		if (i == MAIN || (needed[i] && (!is_of_large(k, i) || may_load_large(k))))
			restart(k, i);
	crew_dismiss(&k->crew, needed);
}

static void publish(struct keeper *k)
{
	const struct worker_handle *main;

	if (crew_publish(&k->crew))
		for (size_t i = 0; i < k->n_residents; i++)
			resident_post(k, k->residents[i]);
	main = k->crew.workers[MAIN];
	if (main && main->active_begin != k->active_begin)
		keeper_save_anew(k, main->active_begin);
}

static void tell_changes(struct keeper *k)
{
	const struct views_options *options = k->options.views;
	char name[LIMIT_NAME + 1];

	while (board_next_change(k->board, name))
		if (options->changed)
			options->changed(options->arg, name);
}

static void take_orders(struct keeper *k)
{
	if (!atomic_exchange(&k->save_all, false))
		return;
	for (size_t i = 0; i < k->n_residents; i++)
		k->residents[i]->snapshot.wanted = true;
}

/* True: nothing is left to be saved, or there is no time. */
static bool is_over(struct keeper *k)
{
	if (!atomic_load(&k->stopping))
		return false;
	if (!k->stop_ms)
		k->stop_ms = clock_ms();
	return !keeper_saves(k) || clock_ms() - k->stop_ms >= SAVE_AT_END_MS;
}

/* What is being saved may yet be asked for as what is here. */
static void let_go(struct keeper *k)
{
	uint64_t now = clock_ms(), again = CLOCK_FOREVER;

	if (now < k->let_go_ms)
		return;
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		uint64_t its = now + BOARD_KEEP_MS;
		if (r->life.save == SAVE_NOT)
			its = board_let_go(k->board, r->view, r->id, now);
		again = min(again, its);
	}
	k->let_go_ms = again;
}

/* When to go on although nothing happens. */
static uint64_t wake_time(const struct keeper *k)
{
	uint64_t wake = crew_wake_time(&k->crew, k->stop_ms);

	if (k->stop_ms)
		wake = min(wake, k->stop_ms + SAVE_AT_END_MS);
	wake = min(wake, k->let_go_ms);
	if (clock_ms() < k->large_ms)
		wake = min(wake, k->large_ms);
	return min(wake, keeper_again_time(k));
}

static void look(void *arg, struct worker_handle *h)
{
	if (keeper_renews(arg, h))
		crew_end(h);
}

static void turn(struct keeper *k)
{
	board_call_finished(k->board);
	k->head = eventlog_head(k->options.log).off;
	residents_update(k);
	keeper_take_saved(k);
	take_orders(k);
	if (!k->stop_ms)
		keep_workers(k);
	publish(k);
	keeper_dispatch(k);
	let_go(k);
	if (!crew_is_idle(&k->crew))
		atomic_store(&k->crew.watching, true);
	tell_changes(k);
}

static void *keeper_thread(void *arg)
{
	struct keeper *k = arg;

	if (!start_first(k))
		return NULL;
	for (;;) {
		turn(k);
		bool over = is_over(k);
		board_call_finished(k->board);
		if (over)
			break;
		crew_wait(&k->crew, k->kick_fd, wake_time(k));
		board_call_finished(k->board);
		crew_look(&k->crew, look, k);
	}
	crew_stop(&k->crew);
	return NULL;
}

struct keeper *keeper_new(const struct keeper_options *options)
{
	const struct views_options *v = options->views;
	const struct crew_options crew = {
	    .limits = {.path = v->worker_path,
		       .memory = v->reduce_memory,
		       .timeout_ms = v->reduce_timeout_ms,
		       .blocked_ms = v->reduce_blocked_ms,
		       .zone = v->zone,
		       .quiet = v->quiet},
	    .log = options->log,
	};
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->options = *options;
	k->board = options->board;
	int r = crew_init(&k->crew, &crew);
	k->crew.options.said = keeper_said;
	k->crew.options.ended = keeper_ended;
	k->crew.options.wake = keeper_kick;
	k->crew.options.arg = k;
	pthread_mutex_init(&k->start_lock, NULL);
	pthread_cond_init(&k->start_cond, NULL);
	k->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r == 0 && k->kick_fd >= 0)
		return k;
	keeper_free(k);
	return NULL;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	residents_free(k);
	crew_deinit(&k->crew);
	closep(&k->kick_fd);
	pthread_mutex_destroy(&k->start_lock);
	pthread_cond_destroy(&k->start_cond);
	free(k);
}

/* The thread starts the workers, since they end with the thread that has started them. */
int keeper_start(struct keeper *k, struct saver *saver, int views_fd, struct diag *diag)
{
	k->saver = saver;
	k->views_fd = views_fd;
	int r = -pthread_create(&k->thread, NULL, keeper_thread, k);
	if (r < 0)
		return diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	pthread_mutex_lock(&k->start_lock);
	while (!k->started)
		pthread_cond_wait(&k->start_cond, &k->start_lock);
	r = k->start_result;
	pthread_mutex_unlock(&k->start_lock);
	if (r < 0) {
		pthread_join(k->thread, NULL);
		if (diag)
			*diag = k->start_why;
	}
	return r;
}

void keeper_stop(struct keeper *k)
{
	atomic_store(&k->stopping, true);
	keeper_kick(k);
	pthread_join(k->thread, NULL);
}
