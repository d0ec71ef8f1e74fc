#include "fs/log/feeder.h"

#include <errno.h>

/* Smaller ones are done before another processor has been woken up. */
#define LARGE (128u << 10)

struct feeder {
	struct mailbox box;
	struct event scanner; /* the thread's */
};

static void feed(struct feeder_half *h, struct event *ev)
{
	h->result = writer_feed_second(h->data, h->from, h->rules, ev, &h->batch);
}

static void feeder_thread(void *arg)
{
	struct feeder *f = arg;
	struct mail *mail;

	while ((mail = mailbox_take(&f->box, CLOCK_FOREVER))) {
		struct feeder_half *h = container_of(mail, struct feeder_half, mail);
		feed(h, &f->scanner);
		sem_post(&h->done);
	}
	event_deinit(&f->scanner);
}

int feeder_start(struct feeder **ret)
{
	struct feeder *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	int r = mailbox_start(&f->box, feeder_thread, f);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void feeder_stop(struct feeder *f)
{
	if (!f)
		return;
	mailbox_stop(&f->box);
	free(f);
}

static bool is(const struct mail *mail, const void *arg)
{
	return mail == arg;
}

void feeder_begin(struct feeder *f, struct feeder_half *h, struct slice data, size_t from,
		  const struct writer_rules *rules)
{
	*h = (struct feeder_half){.data = data, .from = from, .rules = rules};
	sem_init(&h->done, 0, 0);
	mailbox_post(&f->box, &h->mail);
}

int feeder_end(struct feeder *f, struct feeder_half *h, struct event *ev)
{
	/* Where there is no processor for the thread, it is done here. */
	if (mailbox_remove(&f->box, is, &h->mail))
		feed(h, ev);
	else
		while (sem_wait(&h->done) < 0)
			;
	sem_destroy(&h->done);
	return h->result;
}

int feeder_feed(struct feeder *f, const struct writer *w, struct slice data, const struct writer_rules *rules,
		struct event *ev, struct batch *ret)
{
	struct feeder_half h;

	size_t from = data.len >= LARGE ? writer_cut(data, data.len / 2) : data.len;
	if (from == data.len)
		return writer_feed(w, data, rules, ev, ret);
	feeder_begin(f, &h, data, from, rules);
	int r = writer_feed_first(w, data, from, rules, ev, ret);
	int second = feeder_end(f, &h, ev);
	if (r == 0)
		r = second;
	if (r == 0)
		r = batch_join(ret, &h.batch);
	batch_deinit(&h.batch);
	return r;
}
