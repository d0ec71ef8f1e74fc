#include "fs/log/settler.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "fs/log/probe.h"

#define PAUSE_US 1000000 /* between an append and the sync of the log that goes with it */

struct settler {
	struct eventlog *log;
	struct settler_options options;
	struct mailbox box;
	struct mail kick, hurry;
	_Atomic bool kicked, hurried; /* they are in the box */
	_Atomic bool idle; /* there is no journal, nor will there be; with JOURNAL_OFF no thread either */
	bool tried;        /* the thread's own */
	const char *_Atomic why;
};

static void go_without(struct settler *s, const char *why)
{
	atomic_store(&s->why, why);
	atomic_store(&s->idle, true);
}

static void make(struct settler *s)
{
	char text[160];

	s->tried = true;
	const char *why = probe_room(s->options.data_fd);
	if (!why && s->options.mode == JOURNAL_AUTO)
		why = probe_overwriting(s->options.data_fd);
	if (why)
		return go_without(s, why);
	int r = eventlog_journal(s->log, 0);
	if (r == 0) {
		atomic_store(&s->why, NULL);
		return;
	}
	go_without(s, "it could not be made");
	snprintf(text, sizeof(text), "there is no app.jsonl.journal: %s", strerrordesc_np(-r));
	if (r != -EROFS)
		s->options.report(s->options.arg, text);
}

static void settler_thread(void *arg)
{
	struct settler *s = arg;
	struct mail *mail;

	while ((mail = mailbox_take(&s->box, CLOCK_FOREVER))) {
		uint64_t until = clock_us() + PAUSE_US;
		if (!s->tried)
			make(s);
		/* Nobody kicks again before the log is looked at: else each append would wake this thread. */
		bool kicked = false;
		for (; mail && mail != &s->hurry; mail = mailbox_take(&s->box, until))
			kicked = true;
		if (kicked)
			atomic_store(&s->kicked, false);
		if (mail)
			atomic_store(&s->hurried, false);
		(void)!eventlog_settle(s->log); /* the log has said so itself */
	}
}

int settler_start(struct settler **ret, struct eventlog *log, const struct settler_options *options)
{
	struct settler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->log = log;
	s->options = *options;
	s->why = "nothing has been appended yet";
	int r = 0;
	if (options->mode == JOURNAL_OFF)
		go_without(s, "it is off");
	else
		r = mailbox_start(&s->box, settler_thread, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void settler_stop(struct settler *s)
{
	if (!s)
		return;
	if (s->options.mode != JOURNAL_OFF)
		mailbox_stop(&s->box);
	free(s);
}

void settler_moved(struct settler *s)
{
	if (atomic_load(&s->idle))
		return;
	if (eventlog_is_pressed(s->log)) {
		if (!atomic_exchange(&s->hurried, true))
			mailbox_post(&s->box, &s->hurry);
	} else if (!atomic_load(&s->kicked) && !atomic_exchange(&s->kicked, true)) {
		mailbox_post(&s->box, &s->kick);
	}
}

const char *settler_why(struct settler *s)
{
	return atomic_load(&s->why);
}
