#include "fs/log/archiver.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

/* After a failure (no room), this long until the next try; twice as long after each further one. */
#define RETRY_SECONDS 30
#define RETRY_DOUBLED 5
/* Compressing takes a processor for seconds, and can wait for those who append and read. */
#define NICE 5

struct archiver {
	struct eventlog *log;
	struct archiver_options options;
	struct mailbox box;
	struct mail kick;
	_Atomic bool kicked; /* it is in the box */
};

/* From now on it may be kicked again: what is done next is done for all who have asked so far. */
static struct mail *without_kick(struct archiver *a, struct mail *mails)
{
	struct mail **at = &mails;

	while (*at && *at != &a->kick)
		at = &(*at)->next;
	if (*at) {
		*at = a->kick.next;
		atomic_store(&a->kicked, false);
	}
	return mails;
}

static void answer(struct mail *mails, int error)
{
	while (mails) {
		struct archiver_wait *wait = container_of(mails, struct archiver_wait, mail);
		mails = mails->next;
		wait->done(wait, error);
	}
}

static int archive(struct archiver *a)
{
	struct diag diag = {0};
	uint64_t begin;

	int r = eventlog_archive_write(a->log, &begin, &diag);
	if (r == 0) {
		a->options.retire(a->options.arg, begin);
		r = eventlog_archive_finish(a->log, &diag);
		a->options.done(a->options.arg);
	}
	/* A log that is read-only has said so itself. */
	if (r < 0 && r != -EROFS)
		a->options.report(a->options.arg, diag.text);
	return min(r, 0);
}

/* The next try after this many failures in a row: µs. */
static uint64_t next_try(unsigned failures)
{
	if (failures == 0)
		return CLOCK_FOREVER;
	return clock_us() + ((uint64_t)RETRY_SECONDS << min(failures - 1, (unsigned)RETRY_DOUBLED)) * 1000000;
}

static void archiver_thread(void *arg)
{
	struct archiver *a = arg;
	unsigned failures = 0;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	for (;;) {
		struct mail *mails = mailbox_take_all(&a->box, next_try(failures));
		if (!mails && mailbox_is_over(&a->box))
			break;
		mails = without_kick(a, mails);
		int r = archive(a);
		failures = r < 0 && r != -EROFS ? failures + 1 : 0;
		answer(mails, r);
	}
}

int archiver_start(struct archiver **ret, struct eventlog *log, const struct archiver_options *options)
{
	struct archiver *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->log = log;
	a->options = *options;
	int r = mailbox_start(&a->box, archiver_thread, a);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void archiver_stop(struct archiver *a)
{
	if (!a)
		return;
	mailbox_stop(&a->box);
	free(a);
}

void archiver_kick(struct archiver *a)
{
	if (!atomic_exchange(&a->kicked, true))
		mailbox_post(&a->box, &a->kick);
}

void archiver_wait(struct archiver *a, struct archiver_wait *wait)
{
	mailbox_post(&a->box, &wait->mail);
}
