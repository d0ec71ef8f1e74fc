#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "model/catalog/impl.h"

#define LATE_MS 2000 /* a look that takes longer is given up */
#define HURRY_MS 100 /* one behind it, while somebody waits for both */
#define END_MS 300   /* how long the end waits for lookers that were killed */

static bool is_queued(struct catalog *c, enum look_what what, const char *name, bool anew)
{
	for (struct far_job *j = c->jobs; j; j = j->next) {
		if (j == c->desks[DESK_FRONT].job || j->what != what || strcmp(j->name, name) != 0)
			continue;
		j->anew |= anew;
		return true;
	}
	return false;
}

/* False: no memory. */
static bool add(struct catalog *c, enum look_what what, const char *name, const char *file, bool anew)
{
	if (is_queued(c, what, name, anew))
		return true;
	struct far_job *job = calloc(1, sizeof(*job));
	if (!job)
		return false;
	job->id = ++c->last_id;
	job->what = what;
	job->anew = anew;
	snprintf(job->name, sizeof(job->name), "%s", name);
	snprintf(job->file, sizeof(job->file), "%s", file);
	*c->last_job = job;
	c->last_job = &job->next;
	return true;
}

void far_add_list(struct catalog *c, enum look_what what)
{
	if (!add(c, what, "", definition_dir(c->options.sort), false))
		again_later(&c->dir_again, FAR_PAUSE_MS);
	c->last_list_id = c->last_id;
}

void far_add_file(struct catalog *c, const char *name, const char *file, bool anew)
{
	struct known *k = catalog_find(c, name);
	struct definition *new;

	/* Another file, perhaps: a new chance. */
	if (k && anew && k->doubted) {
		catalog_doubt(c, k, false);
		k->again = (struct again){0};
	}
	if (!k && (new = definition_broken(file, "it is being looked at"))) {
		catalog_put(c, name, new);
		k = catalog_find(c, name);
	}
	if (!k) {
		catalog_missed(c);
		again_later(&c->dir_again, FAR_PAUSE_MS);
	}
	if (!add(c, LOOK_FILE, name, file, anew))
		again_later(k ? &k->again : &c->dir_again, FAR_PAUSE_MS);
}

/* Takes it from the desk, and out of the queue. */
static void end_job(struct catalog *c, struct desk *d)
{
	struct far_job *job = take_ptr(d->job);

	if (d == &c->desks[DESK_FRONT]) {
		c->done_id = job->id;
		c->jobs = job->next;
		if (!c->jobs) {
			c->last_job = &c->jobs;
			c->hurried = false;
		}
	}
	free(job);
}

void far_drop_jobs(struct catalog *c)
{
	struct far_job *current = c->desks[DESK_FRONT].job, *next;

	for (struct far_job *j = c->jobs; j; j = next) {
		next = j->next;
		if (j != current)
			free(j);
	}
	c->jobs = current;
	c->last_job = current ? &current->next : &c->jobs;
	*c->last_job = NULL;
	if (!current)
		c->done_id = c->last_id;
	else
		current->id = c->last_id;
}

static void reap(struct catalog *c)
{
	for (unsigned i = 0; i < c->n_stuck;) {
		if (waitpid(c->stuck[i].pid, NULL, WNOHANG) == 0) {
			i++;
			continue;
		}
		closep(&c->stuck[i].pidfd);
		c->stuck[i] = c->stuck[--c->n_stuck];
	}
}

/* One that can't be killed stays behind until the disk that it waits for comes back. */
static void abandon(struct catalog *c, struct desk *d)
{
	atomic_store(&c->lookers[d - c->desks], 0);
	c->stuck[c->n_stuck].pidfd = looker_abandon(&d->looker, &c->stuck[c->n_stuck].pid);
	c->n_stuck++;
	reap(c);
}

static int sit_down(struct catalog *c, struct desk *d)
{
	if (d->looker.pid)
		return 0;
	if (c->n_stuck + DESKS > STUCK_MAX)
		return -ETIMEDOUT;
	const struct catalog_options *o = &c->options;
	int r = looker_start(&d->looker, o->worker_path, o->quiet, o->sort, zone_hash(o->zone), c->data_fd,
			     c->inotify);
	if (r < 0 && d->looker.pid)
		abandon(c, d);
	else
		atomic_store(&c->lookers[d - c->desks], d->looker.pid);
	return r;
}

/* Has it been overtaken by somebody who waits? */
static bool is_stale(struct catalog *c, unsigned desk, const struct far_job *job)
{
	struct known *k = catalog_find(c, job->name);

	if (desk == DESK_FRONT)
		return false;
	return job->what == LOOK_FILE ? !k || !k->doubted : !c->dir_doubted;
}

static void answered(struct catalog *c, unsigned desk, const struct look_answer *a, int fd /* taken */)
{
	struct desk *d = &c->desks[desk];
	struct far_job *job = d->job;

	if (!job || is_stale(c, desk, job)) {
		closep(&fd);
	} else if (a->error < 0) {
		closep(&fd);
		far_give_up(c, job, a->error);
	} else if (a->what == LOOK_DIR) {
		catalog_dir_found(c, a, fd);
	} else if (a->what == LOOK_NAMES) {
		far_found_names(c, fd);
		closep(&fd);
	} else {
		far_found_file(c, job, a, fd);
		closep(&fd);
	}
	if (job)
		end_job(c, d);
}

static void fail_job(struct catalog *c, unsigned desk, int error)
{
	struct desk *d = &c->desks[desk];

	if (!is_stale(c, desk, d->job))
		far_give_up(c, d->job, error);
	if (desk == DESK_FRONT)
		c->hurried = error == -ETIMEDOUT;
	end_job(c, d);
}

static void ask(struct catalog *c, unsigned desk)
{
	struct desk *d = &c->desks[desk];
	struct known *k = catalog_find(c, d->job->name);
	struct look_request request = {.what = d->job->what, .any = k && !d->job->anew};

	memcpy(request.name, d->job->name, sizeof(request.name));
	if (request.any)
		request.known = definition_facts(k->def);
	int r = sit_down(c, d);
	if (r == 0)
		r = looker_ask(&d->looker, &request);
	if (r == -EPIPE && !d->job->tried) { /* it has just left, for want of work */
		d->job->tried = true;
		abandon(c, d);
		return ask(c, desk);
	}
	d->until_ms = clock_ms() + (desk == DESK_FRONT && c->hurried ? HURRY_MS : LATE_MS);
	if (r < 0)
		fail_job(c, desk, r);
}

static void receive(struct catalog *c, unsigned desk)
{
	struct desk *d = &c->desks[desk];
	struct look_answer answer;
	int fd, r = 0;

	while (d->looker.pid && (r = looker_receive(&d->looker, &answer, &fd)) == 0)
		answered(c, desk, &answer, fd);
	if (d->looker.pid && r < 0) {
		abandon(c, d);
		if (d->job && !d->job->tried) {
			d->job->tried = true;
			ask(c, desk);
		} else if (d->job) {
			fail_job(c, desk, -ETIMEDOUT);
		}
	}
	if (d->job && clock_ms() >= d->until_ms) {
		abandon(c, d);
		fail_job(c, desk, -ETIMEDOUT);
	}
}

/* The next of what has been given up. */
static struct far_job *next_back(struct catalog *c)
{
	struct known *due = NULL;
	bool dir = c->dir_doubted;

	for (size_t i = 0; i < c->n_known && !due && !dir; i++)
		if (c->known[i]->doubted && again_is_due(&c->known[i]->again))
			due = c->known[i];
	if (!due && !(dir && again_is_due(&c->dir_again)))
		return NULL;
	struct far_job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->what = due ? LOOK_FILE : LOOK_DIR;
	job->anew = true;
	if (due) {
		memcpy(job->name, due->name, sizeof(job->name));
		memcpy(job->file, due->def->file, sizeof(job->file));
		due->again.at_ms = 0;
	} else {
		c->dir_again.at_ms = 0;
	}
	return job;
}

void far_turn(struct catalog *c)
{
	struct desk *front = &c->desks[DESK_FRONT], *back = &c->desks[DESK_BACK];

	reap(c);
	for (unsigned i = 0; i < DESKS; i++)
		receive(c, i);
	while (!front->job && c->jobs) {
		front->job = c->jobs;
		ask(c, DESK_FRONT);
	}
	if (!back->job && (back->job = next_back(c)))
		ask(c, DESK_BACK);
}

uint64_t far_wake_time(const struct catalog *c)
{
	uint64_t wake = CLOCK_FOREVER;

	for (unsigned i = 0; i < DESKS; i++)
		if (c->desks[i].job)
			wake = min(wake, c->desks[i].until_ms);
	if (c->desks[DESK_BACK].job)
		return wake;
	if (c->dir_doubted)
		return c->dir_again.at_ms ? min(wake, c->dir_again.at_ms) : wake;
	for (size_t i = 0; i < c->n_known; i++)
		if (c->known[i]->doubted && c->known[i]->again.at_ms)
			wake = min(wake, c->known[i]->again.at_ms);
	return wake;
}

void far_stop(struct catalog *c)
{
	for (unsigned i = 0; i < DESKS; i++) {
		if (c->desks[i].looker.pid)
			abandon(c, &c->desks[i]);
		if (i == DESK_BACK)
			free(c->desks[i].job);
	}
	for (struct far_job *j = c->jobs, *next; j; j = next) {
		next = j->next;
		free(j);
	}
	for (unsigned i = 0; i < c->n_stuck; i++) {
		struct pollfd fd = {.fd = c->stuck[i].pidfd, .events = POLLIN};
		poll(&fd, 1, END_MS);
	}
	reap(c);
	for (unsigned i = 0; i < c->n_stuck; i++)
		closep(&c->stuck[i].pidfd);
}
