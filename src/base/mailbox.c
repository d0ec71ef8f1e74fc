#include "base/mailbox.h"

#include <assert.h>

static void *mailbox_thread(void *arg)
{
	struct mailbox *b = arg;

	b->run(b->arg);
	return NULL;
}

static void init(struct mailbox *b)
{
	pthread_mutex_init(&b->lock, NULL);
	clock_cond_init(&b->wake);
}

static void deinit(struct mailbox *b)
{
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
}

int mailbox_start(struct mailbox *b, void (*run)(void *arg), void *arg)
{
	*b = (struct mailbox){.run = run, .arg = arg, .last = &b->first};
	init(b);
	int r = pthread_create(&b->thread, NULL, mailbox_thread, b);
	if (r != 0)
		deinit(b);
	return -r;
}

void mailbox_stop(struct mailbox *b)
{
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	assert(!b->first);
	deinit(b);
}

void mailbox_post(struct mailbox *b, struct mail *mail)
{
	mail->next = NULL;
	pthread_mutex_lock(&b->lock);
	*b->last = mail;
	b->last = &mail->next;
	bool wake = ++b->n >= b->wanted && b->sleeps;
	b->sleeps &= !wake;
	pthread_mutex_unlock(&b->lock);
	/* Not before: the thread would run into the lock and sleep once more. */
	if (wake)
		pthread_cond_signal(&b->wake);
}

struct mail *mailbox_remove(struct mailbox *b, bool (*is)(const struct mail *mail, const void *arg),
			    const void *arg)
{
	struct mail **at = &b->first, *found;

	pthread_mutex_lock(&b->lock);
	while (*at && !is(*at, arg))
		at = &(*at)->next;
	found = *at;
	if (found) {
		*at = found->next;
		if (!*at)
			b->last = at;
		b->n--;
	}
	pthread_mutex_unlock(&b->lock);
	return found;
}

/* Under the lock: sleeps for a while, or until so many are there. False: the time has come. */
static bool sleep_until(struct mailbox *b, unsigned wanted, uint64_t us)
{
	if (us == MAILBOX_NOW)
		return false;
	b->wanted = wanted;
	b->sleeps = true;
	bool early = clock_cond_wait(&b->wake, &b->lock, us);
	b->sleeps = false;
	return early;
}

/* Under the lock: is there mail? */
static bool wait_for_mail(struct mailbox *b, uint64_t until_us)
{
	while (!b->first && !b->stop && sleep_until(b, 1, until_us))
		;
	return b->first;
}

unsigned mailbox_gather(struct mailbox *b, unsigned n, uint64_t until_us)
{
	pthread_mutex_lock(&b->lock);
	while (b->n < n && !b->stop && sleep_until(b, n, until_us))
		;
	unsigned there = b->n;
	pthread_mutex_unlock(&b->lock);
	return there;
}

bool mailbox_is_over(struct mailbox *b)
{
	pthread_mutex_lock(&b->lock);
	bool over = b->stop && !b->first;
	pthread_mutex_unlock(&b->lock);
	return over;
}

struct mail *mailbox_take(struct mailbox *b, uint64_t until_us)
{
	struct mail *mail = NULL;

	pthread_mutex_lock(&b->lock);
	if (wait_for_mail(b, until_us)) {
		mail = b->first;
		b->first = mail->next;
		if (!b->first)
			b->last = &b->first;
		b->n--;
		mail->next = NULL;
	}
	pthread_mutex_unlock(&b->lock);
	return mail;
}

struct mail *mailbox_take_all(struct mailbox *b, uint64_t until_us)
{
	struct mail *all = NULL;

	pthread_mutex_lock(&b->lock);
	if (wait_for_mail(b, until_us)) {
		all = take_ptr(b->first);
		b->last = &b->first;
		b->n = 0;
	}
	pthread_mutex_unlock(&b->lock);
	return all;
}
