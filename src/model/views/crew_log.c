/* What workers are told of the log: its files, where its head is, and when to go on. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "model/views/crew.h"

#define PUBLISH_PAUSE_MS 20 /* before one that could not be told of the log is told again; it grows */
#define LOG_PAUSE_MS 200    /* before it is sent the log's files again */
#define ALARM_NS 5000000    /* so long a worker may sleep behind the head */

/* Whoever moves the head stores that first and looks at `alarmed` then, which the owner clears before he
 * wakes the workers: one of them sees the other. */
static void set_alarm(struct crew *c)
{
	static const struct itimerspec once = {.it_value.tv_nsec = ALARM_NS};

	if (!atomic_load(&c->alarmed) && !atomic_exchange(&c->alarmed, true))
		(void)timerfd_settime(c->alarm_fd, 0, &once, NULL);
}

void crew_take_alarm(struct crew *c)
{
	uint64_t times;

	if (read(c->alarm_fd, &times, sizeof(times)) < 0)
		return;
	atomic_store(&c->alarmed, false);
	for (unsigned i = 0; i < WORKERS; i++)
		if (c->workers[i])
			worker_handle_wake(c->workers[i]);
	atomic_store(&c->watching, true);
}

void crew_head_moved(struct crew *c, bool at_once)
{
	/* Before the generation: a layout has all that came before it. */
	struct log_pos head = eventlog_head(c->options.log);
	uint64_t grouped = eventlog_grouped(c->options.log);
	uint64_t generation = eventlog_generation(c->options.log);
	struct worker_handle *workers[WORKERS];

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = worker_handle_ref(c->workers[i]);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = workers[i];
		if (!h)
			continue; /* the next one is told when it starts */
		enum head_told told = HEAD_NOTHING;
		worker_handle_grouped(h, grouped);
		if (generation != atomic_load(&h->generation))
			c->options.wake(c->options.arg);
		else
			told = worker_handle_head(h, head.off, at_once);
		if (told == HEAD_TOLD)
			crew_watch(c);
		else if (told == HEAD_UNTOLD)
			set_alarm(c);
		worker_handle_unref(h);
	}
}

const char *crew_lacks_log(const struct crew *c, const struct worker_handle *h)
{
	return h && c->publish[h->place].tries >= CREW_TRIES ? c->waits_for.text : NULL;
}

/* True: it lacks the log for the first time, or no more. */
static bool publish_to(struct crew *c, unsigned which)
{
	struct worker_handle *h = c->workers[which];
	struct again *again = &c->publish[which];

	if (!h || again_waits(again))
		return false;
	bool lacked = crew_lacks_log(c, h);
	int r = worker_handle_publish(h, c->options.log);
	bool without = r < 0 && r != -EPIPE && r != -EAGAIN;
	if (r == -EAGAIN)
		h->full = true;
	if (!without && !again->tries)
		return false;
	if (without) {
		struct diag why;
		diag_set(&why, r, "a fold worker cannot be told of the log: %s", strerror(-r));
		crew_waits_for(c, why.text);
		again_later(again, PUBLISH_PAUSE_MS);
	} else {
		crew_waits_for(c, "");
		*again = (struct again){0};
	}
	return lacked != (crew_lacks_log(c, h) != NULL);
}

bool crew_publish(struct crew *c)
{
	bool changed = false;

	for (unsigned i = 0; i < WORKERS; i++)
		changed |= publish_to(c, i);
	return changed;
}

void crew_publish_again(struct crew *c, struct worker_handle *h)
{
	atomic_store(&h->generation, UINT64_MAX);
	again_later(&c->publish[h->place], LOG_PAUSE_MS);
}
