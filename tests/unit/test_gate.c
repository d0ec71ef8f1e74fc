/* The gate, with pairs of sockets for connections. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"
#include "web/gate.h"
#include "web/limits.h"

struct pair {
	int here, there;
	struct gate_entry *entry;
};

static struct pair come(struct gate *g)
{
	int fds[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	struct pair p = {fds[0], fds[1], gate_enter(g, fds[0])};
	CHECK(p.entry);
	return p;
}

static void leave(struct gate *g, struct pair *p)
{
	gate_leave(g, p->entry);
	close(p->here);
	if (p->there >= 0)
		close(p->there);
}

static bool is_cut(const struct pair *p)
{
	struct pollfd fd = {p->there, POLLIN, 0};

	return poll(&fd, 1, 0) == 1;
}

/* Time is what is given to it: a millisecond, or what no test takes. */
static void test_deadlines(void)
{
	struct gate g;

	gate_init(&g);
	struct pair late = come(&g), early = come(&g), answered = come(&g);
	gate_expect(&g, late.entry, 1);
	gate_expect(&g, early.entry, 1000000);
	gate_expect(&g, answered.entry, 1);
	gate_expect(&g, answered.entry, 0);
	while (!is_cut(&late)) {
		nanosleep(&(struct timespec){0, 1000000}, NULL);
		CHECK(!gate_sweep(&g));
	}
	CHECK(!is_cut(&early) && !is_cut(&answered));
	gate_shut(&g);
	CHECK(is_cut(&early) && is_cut(&answered));
	gate_expect(&g, NULL, 1);
	gate_let_in(&g, NULL);
	gate_leave(&g, NULL);
	leave(&g, &late);
	leave(&g, &early);
	leave(&g, &answered);
	gate_deinit(&g);
}

/* The oldest stranger makes way; who was let in does not. Those in the middle share a connection, for so many
 * of their own are more descriptors than a process may have. */
static void test_strangers(void)
{
	const size_t n = WEB_STRANGERS + 3, first = 4, last = WEB_STRANGERS - 1;
	struct pair *p = calloc(n, sizeof(*p));
	struct gate g;

	gate_init(&g);
	for (size_t i = 0; i < WEB_STRANGERS; i++) {
		p[i] = i <= first || i > last ? come(&g) : p[first];
		if (i > first && i <= last)
			p[i].entry = gate_enter(&g, p[first].here);
		CHECK(p[i].entry);
	}
	gate_let_in(&g, p[0].entry);
	gate_let_in(&g, p[0].entry); /* once is enough */
	p[WEB_STRANGERS] = come(&g);
	for (size_t i = 0; i <= WEB_STRANGERS; i++)
		CHECK(!is_cut(&p[i]));
	p[WEB_STRANGERS + 1] = come(&g);
	CHECK(!is_cut(&p[0]) && is_cut(&p[1]) && !is_cut(&p[2]));
	leave(&g, &p[3]);
	p[WEB_STRANGERS + 2] = come(&g);
	CHECK(!is_cut(&p[2]));
	for (size_t i = first + 1; i <= last; i++)
		gate_leave(&g, p[i].entry);
	for (size_t i = 0; i < n; i++)
		if (i != 3 && (i <= first || i > last))
			leave(&g, &p[i]);
	CHECK_INT(g.strangers, 0);
	gate_deinit(&g);
	free(p);
}

static void on_signal(int number)
{
}

struct waiting {
	struct gate *gate;
	struct pair pair;
	int asked; /* what never answers */
	int error;
};

static void *wait_for_mount(void *arg)
{
	struct waiting *w = arg;
	char c;

	gate_wait(w->gate, w->pair.entry);
	w->error = read(w->asked, &c, 1) < 0 ? errno : 0;
	gate_waited(w->gate, w->pair.entry);
	return NULL;
}

/* Whose reader goes away waits no longer; another one does. */
static void test_readers_that_go(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct gate g;
	pthread_t gone, stays;
	int never[2];

	CHECK_INT(sigaction(GATE_SIGNAL, &action, NULL), 0);
	CHECK_INT(pipe(never), 0);
	gate_init(&g);
	struct waiting one = {&g, come(&g), never[0], -1}, two = {&g, come(&g), never[0], -1};
	CHECK(!gate_sweep(&g));
	CHECK_INT(pthread_create(&gone, NULL, wait_for_mount, &one), 0);
	CHECK_INT(pthread_create(&stays, NULL, wait_for_mount, &two), 0);
	while (!gate_sweep(&g))
		;
	close(one.pair.there);
	one.pair.there = -1;
	while (pthread_tryjoin_np(gone, NULL) == EBUSY) {
		gate_sweep(&g);
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	CHECK_INT(one.error, EINTR);
	CHECK(gate_sweep(&g));
	CHECK_INT(write(never[1], "x", 1), 1);
	CHECK_INT(pthread_join(stays, NULL), 0);
	CHECK_INT(two.error, 0);
	CHECK(!gate_sweep(&g));
	leave(&g, &one.pair);
	leave(&g, &two.pair);
	gate_deinit(&g);
	close(never[0]);
	close(never[1]);
}

int main(void)
{
	alarm(300);
	test_deadlines();
	test_strangers();
	test_readers_that_go();
	return 0;
}
