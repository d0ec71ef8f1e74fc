/* Reservations by themselves: the time is what the test says it is. */
#include "fs/node/reservation.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static struct nodes nodes;
static struct reservations r;

static struct node *view(void)
{
	return nodes_get(&nodes, NODE_VIEW_JSON, SLICE("todos"));
}

static void begin(void)
{
	nodes_init(&nodes);
	reservations_init(&r, &nodes);
}

static void end(void)
{
	reservations_deinit(&r);
	nodes_deinit(&nodes);
}

static void in_time(void)
{
	begin();
	struct node *main = view();
	CHECK(!reservations_look(&r, main, 7, 0));
	CHECK(reservations_make(&r, main, NULL, 7, 0));
	CHECK(!reservations_look(&r, main, 8, 0));
	CHECK(!reservations_look(&r, &nodes.fixed[NODE_HEAD_APP], 7, 0));
	struct node *own = reservations_look(&r, main, 7, RESERVATION_US - 1);
	CHECK(own && own != main && own->main == main && node_main(own) == main);
	CHECK_STR(own->name, "todos");
	/* LOOKUP, FORGET, LOOKUP. */
	uint64_t ino = own->ino;
	nodes_forget(&nodes, ino, 1);
	CHECK(reservations_look(&r, main, 7, RESERVATION_US - 1) == own);
	CHECK(nodes_find(&nodes, ino) == own);
	/* Opened: the reservation is over, the file holds the node. */
	nodes_ref(&nodes, own);
	CHECK(reservations_end(&r, own, 7, RESERVATION_US - 1));
	CHECK(!reservations_end(&r, own, 7, RESERVATION_US - 1));
	CHECK(!reservations_look(&r, main, 7, RESERVATION_US - 1));
	nodes_forget(&nodes, ino, 1);
	CHECK(nodes_find(&nodes, ino) == own);
	/* And the node its main one. */
	uint64_t main_ino = main->ino;
	nodes_forget(&nodes, main_ino, 1);
	CHECK(nodes_find(&nodes, main_ino) == main);
	nodes_unref(&nodes, own);
	CHECK(!nodes_find(&nodes, main_ino));
	CHECK(!nodes_find(&nodes, ino));
	end();
}

static void too_late(void)
{
	begin();
	struct node *main = view();
	CHECK(reservations_make(&r, main, NULL, 7, 0));
	struct node *own = reservations_look(&r, main, 7, 0);
	uint64_t ino = own->ino;
	nodes_forget(&nodes, ino, 1);
	CHECK(!reservations_look(&r, main, 7, RESERVATION_US));
	/* What is not known is the file itself. */
	CHECK(nodes_find(&nodes, ino) == main);
	CHECK(reservations_end(&r, main, 7, RESERVATION_TOLD_US - 1));
	CHECK(reservations_make(&r, main, NULL, 7, 0));
	CHECK(!reservations_end(&r, main, 7, RESERVATION_TOLD_US));
	CHECK_INT(r.n, 0);
	/* Two threads look at the clock, and come in the other order. */
	CHECK(reservations_make(&r, main, NULL, 7, 1000));
	CHECK(!reservations_look(&r, main, 8, 999));
	CHECK(reservations_end(&r, main, 7, 999));
	/* Of another file, it ends as well, but says nothing. */
	CHECK(reservations_make(&r, main, NULL, 7, 0));
	CHECK(!reservations_end(&r, &nodes.fixed[NODE_ROOT], 7, 1));
	CHECK(!reservations_look(&r, main, 7, 1));
	end();
}

static void one_that_is_given(void)
{
	begin();
	struct node *main = &nodes.fixed[NODE_EVENTS_APP], *writers = nodes_another(&nodes, main);
	CHECK(writers && writers->main == main && writers->ino != main->ino);
	CHECK(reservations_make(&r, main, writers, 7, 0));
	CHECK(reservations_make(&r, main, writers, 8, 0));
	CHECK(reservations_look(&r, main, 7, 0) == writers);
	CHECK(reservations_look(&r, main, 8, 0) == writers);
	CHECK(reservations_end(&r, writers, 7, 0) && reservations_end(&r, main, 8, 0));
	nodes_forget(&nodes, writers->ino, 2);
	uint64_t ino = writers->ino;
	CHECK(nodes_find(&nodes, ino) == writers);
	nodes_unref(&nodes, writers);
	CHECK(nodes_find(&nodes, ino) == main);
	end();
}

/* Whom the thread makes room for: those who are known to have been told, and have not come in time. */
static pid_t forget(struct node *main, pid_t tid)
{
	CHECK(!reservations_look(&r, main, tid, RESERVATION_US));
	CHECK_INT(r.n, 0);
	return 1;
}

static void very_many(void)
{
	begin();
	struct node *main = view();
	for (pid_t tid = 1; tid <= RESERVATIONS_MAX; tid++)
		CHECK(reservations_make(&r, main, NULL, tid, 0));
	CHECK(!reservations_make(&r, main, NULL, RESERVATIONS_MAX + 1, 0));
	CHECK(!reservations_end(&r, main, RESERVATIONS_MAX + 1, 0));
	/* Some time later those who have not come make room, and are still known to have been told. */
	CHECK(reservations_make(&r, main, NULL, RESERVATIONS_MAX + 1, RESERVATION_US));
	for (pid_t tid = 1; tid <= RESERVATIONS_MAX + 1; tid++)
		CHECK(reservations_end(&r, main, tid, RESERVATION_US));
	CHECK_INT(r.n, 0);
	/* Where it would not be remembered, one is told nothing, until another has opened something, or long
	 * after. */
	pid_t tid = 1;
	while (reservations_make(&r, main, NULL, tid, 0))
		tid += r.n < RESERVATIONS_MAX / 2 ? 1 : forget(main, tid);
	CHECK(tid > RESERVATIONS_TOLD / 2);
	CHECK(!reservations_end(&r, main, tid, 0));
	CHECK(!reservations_make(&r, main, NULL, tid, RESERVATION_TOLD_US - 1));
	CHECK(reservations_make(&r, main, NULL, tid, RESERVATION_TOLD_US));
	CHECK(reservations_end(&r, main, tid, RESERVATION_TOLD_US));
	/* Each has a node of its own, as far as numbers go. */
	uint64_t first = 0;
	for (unsigned i = 0; i < 70000; i++) {
		struct node *n = nodes_another(&nodes, main);
		CHECK(n);
		first = first ? first : n->ino;
		nodes_unref(&nodes, n);
	}
	for (unsigned i = 0; i < 1u << 16; i++)
		CHECK(nodes_another(&nodes, main));
	CHECK(!nodes_another(&nodes, main));
	end();
}

static void look_ups(void)
{
	struct looked_up *l = calloc(1, sizeof(*l));
	uint64_t size = 0;

	CHECK(l);
	looked_up_note(l, 7, 40, 100);
	CHECK(looked_up_is(l, 7, 40) && !looked_up_is(l, 8, 40) && !looked_up_is(l, 7, 41));
	CHECK(looked_up_take(l, 7, 40, &size));
	CHECK_INT(size, 100);
	CHECK(!looked_up_take(l, 7, 40, &size));
	/* Another open in between. */
	looked_up_note(l, 7, 40, 100);
	CHECK(!looked_up_take(l, 7, 41, &size));
	CHECK(!looked_up_take(l, 7, 40, &size));
	/* Very many that are at it at a time, whatever their numbers have in common. */
	for (pid_t apart = 1; apart <= 4096; apart *= 2) {
		for (pid_t i = 1; i <= 1000; i++)
			looked_up_note(l, i * apart, 40, (uint64_t)i);
		for (pid_t i = 1; i <= 1000; i++) {
			CHECK(looked_up_take(l, i * apart, 40, &size));
			CHECK_INT(size, i);
		}
	}
	/* Who looks and opens nothing is forgotten in the end, and nobody else for his sake. */
	for (pid_t tid = 1; tid <= 100 * LOOKED_UP; tid++) {
		looked_up_note(l, tid, 40, 100);
		CHECK(tid < 100 || looked_up_is(l, tid - 99, 40));
	}
	CHECK(!looked_up_is(l, 1, 40));
	free(l);
}

/* A process that may not see those of others; where the test may not make one there is nothing to see. */
static void hidden(void)
{
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, "hidepid=2") < 0)
			_exit(0);
		CHECK(!threads_are_hidden());
		CHECK_INT(setresgid(65534, 65534, 65534), 0);
		CHECK_INT(setresuid(65534, 65534, 65534), 0);
		CHECK(threads_are_hidden());
		CHECK(thread_is_kernels(2, true));
		CHECK(!thread_is_kernels(2, false));
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void joiners(void)
{
	static struct joiners j;
	const pid_t a = 7, b = a + JOINERS;

	CHECK(!joiners_has(&j, a, 0) && !joiners_has(&j, 0, 0));
	joiners_note(&j, a, true, 100);
	CHECK(joiners_has(&j, a, 100) && joiners_has(&j, a, 99 + JOINED_LATELY_US));
	CHECK(!joiners_has(&j, a, 100 + JOINED_LATELY_US) && !joiners_has(&j, b, 100));
	joiners_note(&j, b, false, 200);
	CHECK(joiners_has(&j, a, 200));
	joiners_note(&j, b, true, 200);
	CHECK(joiners_has(&j, a, 200) && joiners_has(&j, b, 200));
	joiners_note(&j, b, false, 300);
	CHECK(joiners_has(&j, a, 300) && !joiners_has(&j, b, 300));
	joiners_note(&j, 0, true, 300);
	CHECK(!joiners_has(&j, 0, 300));
}

/* The files of a view, whose numbers differ in their kind alone, and those of many views. */
static void uses(void)
{
	static struct uses u;
	char name[16];
	uint64_t inos[5 * 40];
	size_t n = 0;

	for (unsigned view = 0; view < 40; view++) {
		snprintf(name, sizeof(name), "v%u", view);
		for (enum node_kind kind = NODE_VIEW_JSON; kind < NODE_VIEW_END; kind++)
			inos[n++] = node_ino(kind, slice_of(name));
	}
	CHECK(n == sizeof(inos) / sizeof(*inos));
	for (size_t i = 0; i < n; i++)
		uses_note(&u, 7, inos[i], 100);
	for (size_t i = 0; i < n; i++) {
		CHECK(!uses_are_others(&u, 7, inos[i], 100));
		CHECK(uses_are_others(&u, 8, inos[i], 99 + USE_LATELY_US));
		CHECK(!uses_are_others(&u, 8, inos[i], 100 + USE_LATELY_US));
	}
	for (size_t i = 0; i < n; i++)
		uses_note(&u, 8, inos[i], 200);
	for (size_t i = 0; i < n; i++)
		CHECK(uses_are_others(&u, 8, inos[i], 200) && uses_are_others(&u, 7, inos[i], 200));
	CHECK(!uses_are_others(&u, 8, 1, 200));
}

static void threads(void)
{
	FILE *f = fopen("/proc/2/comm", "r");
	char name[32] = "";

	CHECK(!thread_is_kernels(getpid(), false));
	CHECK(!thread_is_kernels(5000000, false));
	CHECK(thread_is_kernels(5000000, true));
	CHECK(!thread_is_kernels(getpid(), true));
	if (f && fgets(name, sizeof(name), f) && strcmp(name, "kthreadd\n") == 0)
		CHECK(thread_is_kernels(2, false));
	/* Without a descriptor it is not known, and an error is worse than an older text. */
	struct rlimit limit;
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}), 0);
	CHECK(thread_is_kernels(getpid(), false));
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (f)
		fclose(f);
}

int main(void)
{
	in_time();
	too_late();
	one_that_is_given();
	very_many();
	look_ups();
	joiners();
	uses();
	threads();
	hidden();
	return 0;
}
