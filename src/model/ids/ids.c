#include "model/ids/ids.h"

#include <errno.h>
#include <stdatomic.h>

#include "model/ids/impl.h"

#define LAG (4u << 20) /* of history, after which the index goes on by itself where it is in use */

/* False: it is over. */
static bool post(struct ids *ids, struct mail *mail)
{
	pthread_mutex_lock(&ids->lock);
	bool open = !ids->ending;
	if (open)
		mailbox_post(&ids->box, mail);
	pthread_mutex_unlock(&ids->lock);
	return open;
}

void ids_kick(struct ids *ids)
{
	if (!atomic_exchange(&ids->kicked, true))
		(void)!post(ids, &ids->kick);
}

/* Under the lock. */
void ids_forget(struct ids *ids)
{
	for (size_t i = 0; i < ids->n_full; i++)
		ids_table_free(ids->full[i]);
	for (size_t i = 0; i < ids->n_runs; i++)
		ids_run_unref(ids->runs[i]);
	ids_table_free(take_ptr(ids->recent));
	ids->n_full = ids->n_runs = 0;
	ids->covered = (struct log_pos){0};
	ids->so_far = 0;
	ids->ready = false;
	ids->in_use = false;
	ids->life++;
}

void ids_renew(struct ids *ids)
{
	pthread_mutex_lock(&ids->lock);
	bool wanted = ids->wanted;
	if (wanted)
		ids_forget(ids);
	pthread_mutex_unlock(&ids->lock);
	if (wanted)
		ids_kick(ids);
}

void ids_doubt(struct ids *ids, const char *why)
{
	ids_report(ids, why);
	ids_renew(ids);
}

/* The thread */

static void answer(struct ids *ids, struct ids_wait *wait, int error)
{
	wait->look = ids->look;
	wait->done(wait, error);
}

/* Those for whom that is true: what they wait for is there, or there is an error for all. */
static void answer_due(struct ids *ids, int error)
{
	struct ids_wait **at = &ids->waiting;

	while (*at) {
		struct ids_wait *wait = *at;
		bool given_up = wait->given_up && wait->given_up(wait);
		bool there = ids->in_use && wait->until <= ids->so_far;
		if (!error && !given_up && !there) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		answer(ids, wait, there ? 0 : given_up ? -EINTR : error);
	}
}

/* True: somebody wants the index to go on. */
static bool take_in(struct ids *ids, struct mail *mail)
{
	bool some = mail;

	for (struct mail *next; mail; mail = next) {
		next = mail->next;
		if (mail == &ids->kick) {
			ids->kicked = false;
			continue;
		}
		struct ids_wait *wait = container_of(mail, struct ids_wait, mail);
		wait->next = ids->waiting;
		ids->waiting = wait;
	}
	return some;
}

static int load(struct ids *ids)
{
	if (ids->loaded)
		return 0;
	int r = ids_runs_load(ids);
	ids->loaded = r == 0;
	return r;
}

/* Where all has been forgotten the files go, too. */
static void drop_files(struct ids *ids)
{
	pthread_mutex_lock(&ids->lock);
	bool anew = ids->life != ids->seen_life;
	ids->seen_life = ids->life;
	pthread_mutex_unlock(&ids->lock);
	for (unsigned i = 0; anew && i < IDS_SLOTS; i++)
		ids_run_remove(ids->disk, ids->data_fd, i);
}

/* True: it is there. */
static bool note_progress(struct ids *ids, uint64_t target)
{
	pthread_mutex_lock(&ids->lock);
	bool there = ids->covered.off >= target;
	if (there) {
		ids->ready = true;
		ids->in_use = true;
	}
	pthread_mutex_unlock(&ids->lock);
	return there;
}

/* Goes on to the head as it is now, and while it does takes in who comes. */
static void go_on(struct ids *ids)
{
	uint64_t target = eventlog_head(ids->log).off;
	int r = load(ids);

	if (r == 0)
		ids_runs_save(ids);
	while (r == 0) {
		drop_files(ids);
		if (note_progress(ids, target))
			break;
		r = ids->ending ? -ESHUTDOWN : ids_feed(ids, ids->look, target);
		/* All was forgotten: from the beginning, then. */
		if (r == -EAGAIN)
			r = 0;
		if (take_in(ids, mailbox_take_all(&ids->box, MAILBOX_NOW)))
			target = max(target, eventlog_head(ids->log).off);
		answer_due(ids, 0);
		ids_runs_save(ids);
	}
	answer_due(ids, r);
	ids_runs_save(ids);
}

static void ids_thread(void *arg)
{
	struct ids *ids = arg;
	struct mail *mail;

	while ((mail = mailbox_take_all(&ids->box, CLOCK_FOREVER))) {
		take_in(ids, mail);
		go_on(ids);
	}
	/* What began anew at the end goes on no more. */
	answer_due(ids, -ESHUTDOWN);
	if (ids->wanted)
		ids_runs_save_rest(ids);
}

void ids_free(struct ids *ids)
{
	if (!ids)
		return;
	ids_forget(ids);
	ids_look_free(ids->look);
	pthread_cond_destroy(&ids->moved);
	pthread_mutex_destroy(&ids->lock);
	free(ids);
}

int ids_start(struct ids **ret, struct eventlog *log, struct disk *disk, int data_fd,
	      const struct ids_options *options)
{
	struct ids *ids = calloc(1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	ids->log = log;
	ids->disk = disk;
	ids->data_fd = data_fd;
	ids->options = *options;
	if (!ids->options.recent)
		ids->options.recent = IDS_RECENT;
	pthread_mutex_init(&ids->lock, NULL);
	pthread_cond_init(&ids->moved, NULL);
	int r = ids_look_new(&ids->look, ids);
	if (r == 0)
		r = mailbox_start(&ids->box, ids_thread, ids);
	if (r < 0) {
		ids_free(ids);
		return r;
	}
	*ret = ids;
	return 0;
}

void ids_end(struct ids *ids)
{
	if (!ids)
		return;
	pthread_mutex_lock(&ids->lock);
	ids->ending = true;
	pthread_mutex_unlock(&ids->lock);
	mailbox_stop(&ids->box);
	/* Nobody makes room any more. */
	pthread_mutex_lock(&ids->lock);
	ids->unstored = -ESHUTDOWN;
	pthread_mutex_unlock(&ids->lock);
}

void ids_want(struct ids *ids, struct ids_wait *wait)
{
	pthread_mutex_lock(&ids->lock);
	ids->wanted = true;
	pthread_mutex_unlock(&ids->lock);
	wait->until = eventlog_head(ids->log).off;
	if (!post(ids, &wait->mail))
		wait->done(wait, -ESHUTDOWN);
}

void ids_head_moved(struct ids *ids)
{
	if (ids->in_use && eventlog_head(ids->log).off > ids->so_far + LAG)
		ids_kick(ids);
}

void ids_stats(struct ids *ids, struct ids_stats *ret)
{
	*ret = (struct ids_stats){.lacks = IDS_LACKS_NONE};
	pthread_mutex_lock(&ids->lock);
	ret->stage = ids->ready ? IDS_READY : ids->wanted ? IDS_BUILDING : IDS_UNUSED;
	ret->off = ids->covered.off;
	ret->files = (unsigned)ids->n_runs;
	for (size_t i = 0; i < ids->n_runs; i++) {
		ret->ids += ids->runs[i]->n;
		ret->memory += ids_run_bytes(ids->runs[i]);
		ret->lacks = min(ret->lacks, ids->runs[i]->lacks);
	}
	for (size_t i = 0; i <= ids->n_full; i++) {
		const struct ids_table *t = i < ids->n_full ? ids->full[i] : ids->recent;
		if (!t)
			continue;
		ret->ids += t->n;
		ret->memory += ids_table_bytes(t);
		ret->lacks = min(ret->lacks, t->lacks);
	}
	pthread_mutex_unlock(&ids->lock);
}
