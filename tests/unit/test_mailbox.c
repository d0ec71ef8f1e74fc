/* A mailbox: nothing that is posted is lost, doubled or taken out of its order, and the end takes what is
 * left. */
#include <semaphore.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "check.h"

#define POSTERS 4
#define LETTERS 5000

struct letter {
	struct mail mail;
	unsigned from, number;
};

static struct letter *letter_of(struct mail *mail)
{
	return container_of(mail, struct letter, mail);
}

struct office {
	struct mailbox box;
	bool by_lists;               /* or one at a time */
	unsigned next[POSTERS], got; /* the box's thread's */
	struct letter letters[POSTERS][LETTERS];
};

static void receive(struct office *o, struct mail *mail)
{
	struct letter *l = letter_of(mail);

	CHECK_INT(l->number, o->next[l->from]++);
	o->got++;
}

static void receive_all(void *arg)
{
	struct office *o = arg;
	struct mail *mail, *next;

	while ((mail = o->by_lists ? mailbox_take_all(&o->box, CLOCK_FOREVER)
				   : mailbox_take(&o->box, CLOCK_FOREVER))) {
		CHECK(o->by_lists || !mail->next);
		for (; mail; mail = next) {
			next = mail->next;
			receive(o, mail);
		}
	}
	CHECK(mailbox_is_over(&o->box));
}

struct poster {
	pthread_t thread;
	struct office *office;
	unsigned id;
};

static void *post_all(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < LETTERS; i++) {
		struct letter *l = &p->office->letters[p->id][i];
		l->from = p->id;
		l->number = i;
		mailbox_post(&p->office->box, &l->mail);
	}
	return NULL;
}

static void test_many(bool by_lists)
{
	struct office *o = calloc(1, sizeof(*o));
	struct poster posters[POSTERS];

	CHECK(o);
	o->by_lists = by_lists;
	CHECK_INT(mailbox_start(&o->box, receive_all, o), 0);
	for (unsigned i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.office = o, .id = i};
		CHECK_INT(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	mailbox_stop(&o->box);
	CHECK_INT(o->got, POSTERS * LETTERS);
	free(o);
}

/* One whose thread is held up, so that what is in the box stays there. */
struct held {
	struct mailbox box;
	sem_t go;
	struct letter letters[6];
	char got[8];
	size_t n;
};

static void hold(void *arg)
{
	struct held *h = arg;
	struct mail *mail;

	CHECK_INT(sem_wait(&h->go), 0);
	while ((mail = mailbox_take(&h->box, CLOCK_FOREVER))) {
		struct letter *l = letter_of(mail);
		h->got[h->n++] = (char)('0' + l->number);
		/* Posted by the thread itself, at the end even: it is taken as well. */
		if (l->number == 4)
			mailbox_post(&h->box, &h->letters[5].mail);
	}
}

static bool is_number(const struct mail *mail, const void *arg)
{
	return letter_of((struct mail *)mail)->number == *(const unsigned *)arg;
}

static void check_removed(struct held *h, unsigned number, bool there)
{
	struct mail *mail = mailbox_remove(&h->box, is_number, &number);

	CHECK(mail == (there ? &h->letters[number].mail : NULL));
}

/* What is taken back is not taken, wherever it was; what was last goes on as the end of the queue. */
static void test_remove(void)
{
	struct held h = {0};

	CHECK_INT(sem_init(&h.go, 0, 0), 0);
	for (unsigned i = 0; i < countof(h.letters); i++)
		h.letters[i].number = i;
	CHECK_INT(mailbox_start(&h.box, hold, &h), 0);
	check_removed(&h, 0, false);
	mailbox_post(&h.box, &h.letters[0].mail);
	check_removed(&h, 0, true);
	for (unsigned i = 0; i < 4; i++)
		mailbox_post(&h.box, &h.letters[i].mail);
	check_removed(&h, 3, true);
	check_removed(&h, 0, true);
	check_removed(&h, 0, false);
	mailbox_post(&h.box, &h.letters[4].mail);
	check_removed(&h, 2, true);
	CHECK_INT(sem_post(&h.go), 0);
	mailbox_stop(&h.box);
	CHECK_STR(h.got, "145");
	sem_destroy(&h.go);
}

struct timed {
	struct mailbox box;
	sem_t empty;
	struct letter letter;
};

static void wait_and_look(void *arg)
{
	struct timed *t = arg;
	uint64_t until = clock_us() + 2000;

	CHECK(!mailbox_take(&t->box, MAILBOX_NOW));
	CHECK(!mailbox_take_all(&t->box, MAILBOX_NOW));
	CHECK(!mailbox_take_all(&t->box, until));
	CHECK(clock_us() >= until && !mailbox_is_over(&t->box));
	CHECK_INT(sem_post(&t->empty), 0);
	CHECK(mailbox_take(&t->box, CLOCK_FOREVER) == &t->letter.mail);
	CHECK(!mailbox_take(&t->box, CLOCK_FOREVER) && !mailbox_take_all(&t->box, CLOCK_FOREVER));
	CHECK(mailbox_is_over(&t->box));
}

static void test_times(void)
{
	struct timed t = {0};

	CHECK_INT(sem_init(&t.empty, 0, 0), 0);
	CHECK_INT(mailbox_start(&t.box, wait_and_look, &t), 0);
	CHECK_INT(sem_wait(&t.empty), 0);
	mailbox_post(&t.box, &t.letter.mail);
	mailbox_stop(&t.box);
	sem_destroy(&t.empty);
}

/* One whose thread waits for several. */
struct gathering {
	struct mailbox box;
	sem_t next;
	struct letter letters[3];
};

static size_t count(const struct mail *mail)
{
	size_t n = 0;

	for (; mail; mail = mail->next)
		n++;
	return n;
}

static void gather(void *arg)
{
	struct gathering *g = arg;
	uint64_t until = clock_us() + 2000;

	CHECK_INT(mailbox_gather(&g->box, 3, until), 0);
	CHECK(clock_us() >= until);
	CHECK_INT(sem_post(&g->next), 0);
	CHECK_INT(mailbox_gather(&g->box, 2, CLOCK_FOREVER), 2);
	CHECK_INT(mailbox_gather(&g->box, 2, CLOCK_FOREVER), 2);
	CHECK_INT(count(mailbox_take_all(&g->box, MAILBOX_NOW)), 2);
	CHECK_INT(sem_post(&g->next), 0);
	CHECK_INT(mailbox_gather(&g->box, 3, CLOCK_FOREVER), 1);
	CHECK_INT(count(mailbox_take_all(&g->box, CLOCK_FOREVER)), 1);
	CHECK_INT(mailbox_gather(&g->box, 3, CLOCK_FOREVER), 0);
	CHECK(mailbox_is_over(&g->box));
}

/* So many are there, the time has come, or it is over. */
static void test_gathering(void)
{
	struct gathering g = {0};

	CHECK_INT(sem_init(&g.next, 0, 0), 0);
	CHECK_INT(mailbox_start(&g.box, gather, &g), 0);
	CHECK_INT(sem_wait(&g.next), 0);
	mailbox_post(&g.box, &g.letters[0].mail);
	mailbox_post(&g.box, &g.letters[1].mail);
	CHECK_INT(sem_wait(&g.next), 0);
	mailbox_post(&g.box, &g.letters[2].mail);
	mailbox_stop(&g.box);
	sem_destroy(&g.next);
}

int main(void)
{
	test_many(false);
	test_many(true);
	test_remove();
	test_times();
	test_gathering();
	return 0;
}
