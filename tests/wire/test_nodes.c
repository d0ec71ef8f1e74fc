/* Files with several nodes, over the wire: every order in which the kernel looks up, forgets and opens; who
 * gets a node of his own and who never does; and what is closed and forgotten while its last request is being
 * answered. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "../unit/check.h"
#include "kernel.h"

#define A "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"
/* Thread ids that nobody has. */
#define FIRST 5000000u

static const char *const shipped[] = {"count", NULL};

/* One view, read by several threads while it changes. */
struct scene {
	struct kernel *k;
	uint64_t main;
	unsigned count; /* events */
	uint64_t held;  /* by thread FIRST, with the text of `held_count` */
	unsigned held_count;
};

static char *text_of(unsigned count)
{
	static char text[64];

	snprintf(text, sizeof(text), "{\"count\":%u}\n", count);
	return text;
}

static struct fuse_attr attr_of(struct kernel *k, uint64_t ino)
{
	struct fuse_getattr_in in = {0};
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_GETATTR, ino, &in, sizeof(in), NULL, 0));
	struct fuse_attr_out out;

	CHECK_INT(r->error, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	return out.attr;
}

static void reads(struct scene *s, uint64_t ino, uint64_t fh, unsigned read, unsigned fill)
{
	char text[200];

	/* In both orders; not a read at offset 0 once more, which is another thing. */
	int n = kernel_fill(s->k, ino, fh, 0, text, sizeof(text));
	CHECK_MEM(text, (size_t)n, text_of(fill), strlen(text_of(fill)));
	n = kernel_read(s->k, ino, fh, 1, text, sizeof(text));
	CHECK_MEM(text, (size_t)n, text_of(read) + 1, strlen(text_of(read)) - 1);
	n = kernel_fill(s->k, ino, fh, 0, text, sizeof(text));
	CHECK_MEM(text, (size_t)n, text_of(fill), strlen(text_of(fill)));
}

static uint64_t look(struct scene *s)
{
	return (uint64_t)kernel_lookup(s->k, "views/count.json");
}

/* The next thread comes to open the view, which has changed since the first one opened it, and is told to
 * look once more. */
static uint64_t next_thread(struct scene *s)
{
	uint64_t fh;

	s->k->pid = s->k->pid < FIRST ? FIRST + 1 : s->k->pid + 1;
	CHECK_INT(kernel_append(s->k, A), 0);
	s->count++;
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), -ESTALE);
	return s->main;
}

static void begin(struct scene *s, struct kernel *k)
{
	*s = (struct scene){.k = k, .count = 1, .held_count = 1};
	k->pid = FIRST;
	CHECK_INT(kernel_append(k, A), 0);
	s->main = look(s);
	CHECK_INT(kernel_open_once(k, s->main, O_RDONLY, &s->held), 0);
	reads(s, s->main, s->held, 1, 1);
}

/* LOOKUP, OPEN. */
static void looks_once(struct scene *s)
{
	uint64_t fh, own;

	next_thread(s);
	own = look(s);
	CHECK(own != s->main);
	CHECK_INT(attr_of(s->k, own).ino, s->main);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	reads(s, own, fh, s->count, s->count);
	reads(s, s->main, s->held, 1, 1);
	/* Whoever asks for the size of that node has it from there. */
	s->k->pid++;
	CHECK_INT(kernel_append(s->k, A), 0);
	CHECK_INT(attr_of(s->k, own).size, strlen(text_of(s->count++)));
	CHECK_INT(look(s), s->main);
	/* A second open on it by no name, where the kernel has it at hand. */
	uint64_t again;
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &again), 0);
	reads(s, own, again, s->count, s->count - 1);
	kernel_release(s->k, own, again);
	kernel_release(s->k, own, fh);
	kernel_forget(s->k, own, 1);
	/* It is gone, and what has its number is the file itself. */
	CHECK_INT(attr_of(s->k, own).ino, s->main);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	kernel_release(s->k, s->main, fh);
}

static void others_look(struct scene *s)
{
	const uint32_t pid = s->k->pid;

	for (uint32_t apart = 1; apart <= 1 << 16; apart *= 2) {
		s->k->pid = pid + apart;
		CHECK_INT(look(s), s->main);
	}
	s->k->pid = pid;
}

/* Others look, too, before each of its steps, whatever their numbers have in common with its own. */
static void among_others(struct scene *s)
{
	uint64_t fh, own;

	s->k->pid += 1 << 17;
	CHECK_INT(kernel_append(s->k, A), 0);
	s->count++;
	CHECK_INT(look(s), s->main);
	others_look(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), -ESTALE);
	others_look(s);
	own = look(s);
	CHECK(own != s->main);
	others_look(s);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	reads(s, own, fh, s->count, s->count);
	kernel_release(s->k, own, fh);
	kernel_forget(s->k, own, 1);
}

/* LOOKUP, FORGET, LOOKUP, OPEN, as for a name that the kernel knows; and twice so. */
static void looks_twice(struct scene *s)
{
	uint64_t fh, own;

	for (unsigned n = 1; n <= 2; n++) {
		next_thread(s);
		own = look(s);
		for (unsigned i = 0; i < n; i++) {
			kernel_forget(s->k, own, 1);
			CHECK_INT(look(s), own);
		}
		CHECK_INT(look(s), own);
		kernel_forget(s->k, own, 1);
		CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
		CHECK_INT(look(s), s->main);
		reads(s, own, fh, s->count, s->count);
		kernel_release(s->k, own, fh);
		kernel_forget(s->k, own, 1);
	}
}

/* The kernel forgets a node before its file is closed, which it does not; nothing is lost. */
static void forgets_first(struct scene *s)
{
	uint64_t fh, own;

	next_thread(s);
	own = look(s);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	kernel_forget(s->k, own, 1);
	reads(s, own, fh, s->count, s->count);
	kernel_release(s->k, own, fh);
}

/* OPEN, OPEN: where no name is looked up. It is granted on the node that is shared. */
static void looks_never(struct scene *s)
{
	uint64_t fh;

	next_thread(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	reads(s, s->main, fh, s->count, 1);
	reads(s, s->main, s->held, 1, 1);
	kernel_release(s->k, s->main, fh);
	/* And where nothing was looked up in the first place, it is granted at once. */
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	kernel_release(s->k, s->main, fh);
	CHECK_INT(look(s), s->main);
	CHECK(kernel_lookup(s->k, "views/count.offset") > 0);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	kernel_release(s->k, s->main, fh);
}

/* A thread that is killed in between is nobody's harm. */
static void never_comes(struct scene *s)
{
	uint64_t fh, own, other;

	next_thread(s);
	next_thread(s);
	own = look(s);
	next_thread(s);
	other = look(s);
	CHECK(other != own && other != s->main);
	CHECK_INT(kernel_open_once(s->k, other, O_RDONLY, &fh), 0);
	reads(s, other, fh, s->count, s->count);
	kernel_release(s->k, other, fh);
	kernel_forget(s->k, other, 1);
	kernel_forget(s->k, own, 1);
	for (unsigned i = 0; i < 2 * RESERVATIONS_MAX; i++) {
		s->k->pid++;
		look(s);
		int r = kernel_open_once(s->k, s->main, O_RDONLY, &fh);
		CHECK(r == 0 || r == -ESTALE);
		/* Where too many have not come, one is granted what there is. */
		CHECK_INT(r, i + 2 < RESERVATIONS_MAX ? -ESTALE : r);
		if (r == 0)
			kernel_release(s->k, s->main, fh);
	}
	CHECK(s->k->mount->reservations.n <= RESERVATIONS_MAX);
}

/* The thread's next open of any kind ends the reservation; and some time has to do. */
static void ends(struct scene *s)
{
	uint64_t fh, dir;
	struct fuse_open_in in = {0};

	next_thread(s);
	uint64_t head = (uint64_t)kernel_lookup(s->k, "head/app");
	CHECK_INT(kernel_open_once(s->k, head, O_RDONLY, &fh), 0);
	kernel_release(s->k, head, fh);
	CHECK_INT(look(s), s->main);
	next_thread(s);
	struct reply *r = kernel_wait(s->k, kernel_send(s->k, FUSE_OPENDIR, 1, &in, sizeof(in), NULL, 0));
	struct fuse_open_out out;
	memcpy(&out, r->body, sizeof(out));
	dir = out.fh;
	free(r);
	CHECK_INT(look(s), s->main);
	struct fuse_release_in release = {.fh = dir};
	free(kernel_wait(s->k, kernel_send(s->k, FUSE_RELEASEDIR, 1, &release, sizeof(release), NULL, 0)));

	next_thread(s);
	CHECK(look(s) != s->main);
	struct reservations *reservations = &s->k->mount->reservations;
	pthread_mutex_lock(&reservations->lock);
	reservations->first->since -= RESERVATION_US;
	pthread_mutex_unlock(&reservations->lock);
	CHECK_INT(look(s), s->main);
	/* Too late for a node of its own, but it is told ESTALE no second time. */
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	reads(s, s->main, fh, s->count, 1);
	kernel_release(s->k, s->main, fh);
}

static void never_told(struct scene *s)
{
	uint64_t fh;

	next_thread(s);
	/* In another namespace of processes; through overlayfs, which never looks again. */
	s->k->pid = 0;
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	kernel_release(s->k, s->main, fh);
	s->k->pid = FIRST + 500000;
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY | O_NOATIME, &fh), 0);
	reads(s, s->main, fh, s->count, 1);
	kernel_release(s->k, s->main, fh);
	kernel_release(s->k, s->main, s->held);
}

/* What was told of the main node's size was told some time ago. */
static void time_passes(struct scene *s)
{
	struct use *use = WAYS_FIND(s->k->mount->uses.by, s->main);

	use->way.when -= USE_LATELY_US;
	use->others_us -= use->others_us ? USE_LATELY_US : 0;
}

/* While others are told the size of the main node, too, nobody can rely on what he is told there. */
static void crowded(struct scene *s)
{
	uint64_t fh, own;

	s->k->pid = FIRST + 600000;
	look(s);
	s->k->pid++;
	attr_of(s->k, s->main);
	s->k->pid--;
	look(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), -ESTALE);
	own = look(s);
	CHECK(own != s->main);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	reads(s, own, fh, s->count, s->count);
	kernel_release(s->k, own, fh);
	kernel_forget(s->k, own, 1);
	/* When that is some time ago, who opens the same text shares the node with those who have it open. */
	time_passes(s);
	look(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &s->held), 0);
	time_passes(s);
	s->k->pid++;
	look(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &fh), 0);
	reads(s, s->main, fh, s->count, s->count);
	kernel_release(s->k, s->main, fh);
	kernel_release(s->k, s->main, s->held);
}

static pid_t worker_of(struct kernel *k)
{
	char *status = kernel_cat(k, "status.json", &(int){0});
	const char *at = strstr(status, "\"worker\":");
	int pid = 0;

	CHECK(at && sscanf(at, "\"worker\":{\"pid\":%d", &pid) == 1);
	free(status);
	return pid;
}

/* The same where they are told while the open waits for the view. */
static void crowded_meanwhile(struct scene *s)
{
	uint64_t own, fh;

	time_passes(s);
	pid_t worker = worker_of(s->k);
	CHECK_INT(kill(worker, SIGSTOP), 0);
	CHECK_INT(kernel_append(s->k, A), 0);
	s->count++;
	s->k->pid = FIRST + 700000;
	look(s);
	uint64_t open = kernel_send_open(s->k, s->main, O_RDONLY);
	s->k->pid++;
	look(s);
	s->k->pid--;
	CHECK_INT(kill(worker, SIGCONT), 0);
	struct reply *r = kernel_wait(s->k, open);
	CHECK_INT(r->error, -ESTALE);
	free(r);
	own = look(s);
	CHECK(own != s->main);
	CHECK_INT(kernel_open_once(s->k, own, O_RDONLY, &fh), 0);
	reads(s, own, fh, s->count, s->count);
	kernel_release(s->k, own, fh);
	kernel_forget(s->k, own, 1);
}

/* fstat by a thread of which nothing is known gets the size of what there is now, not of what some other has
 * open. */
static void unknown_threads(struct kernel *k)
{
	uint64_t ino = (uint64_t)kernel_lookup(k, "views/count.offset"), fh;

	CHECK_INT(kernel_append(k, A), 0);
	int64_t before = kernel_size(k, ino);
	k->pid = 0;
	CHECK_INT(kernel_open_once(k, ino, O_RDONLY, &fh), 0);
	while (kernel_size(k, (uint64_t)kernel_lookup(k, "events/app")) < 10000)
		CHECK_INT(kernel_append(k, A A A A A A A A A A), 0);
	CHECK(kernel_size(k, ino) > before);
	kernel_release(k, ino, fh);
	k->pid = FIRST;
}

/* Who may truncate does so to a node of its own, and is told that nothing is shorter. */
static void truncates(struct kernel *k)
{
	uint64_t main = (uint64_t)kernel_lookup(k, "events/app"), own, fh, other;
	struct fuse_setattr_in in = {.valid = FATTR_SIZE};
	struct fuse_attr_out out;

	CHECK_INT(kernel_open_once(k, main, O_WRONLY, &fh), -ESTALE);
	own = (uint64_t)kernel_lookup(k, "events/app");
	CHECK(own != main);
	CHECK_INT(kernel_open_once(k, own, O_WRONLY, &fh), 0);
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, own, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, 0);
	memcpy(&out, r->body, sizeof(out));
	CHECK_INT(out.attr.size, kernel_size(k, main));
	CHECK_INT(out.attr.ino, main);
	free(r);
	/* Only once, and only by who has just opened it. */
	r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, own, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, -EPERM);
	free(r);
	/* truncate(2) by one that has it open. */
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_WRONLY | O_APPEND, &other), 0);
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, main, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, -EPERM);
	free(r);
	kernel_release(k, main, other);
	/* All writers of this kind share that node. */
	kernel_release(k, own, fh);
	k->pid++;
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_RDWR, &fh), -ESTALE);
	CHECK_INT(kernel_lookup(k, "events/app"), own);
	CHECK_INT(kernel_open_once(k, own, O_RDWR, &fh), 0);
	kernel_release(k, own, fh);
}

/* By threads of which all have the id 0. */
static void truncates_from_elsewhere(struct kernel *k)
{
	uint64_t main = (uint64_t)kernel_lookup(k, "events/app"), idle, fh;
	struct fuse_setattr_in in = {.valid = FATTR_SIZE};
	const uint32_t pid = k->pid;

	k->pid = 0;
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_WRONLY | O_APPEND, &idle), 0);
	/* truncate(2) by one, while another has it open. */
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, main, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, -EPERM);
	free(r);
	/* An open that truncates, with somebody's look-up in between. */
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_WRONLY, &fh), 0);
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, main, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, 0);
	free(r);
	kernel_release(k, main, fh);
	kernel_release(k, main, idle);
	/* And one that appends. */
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_WRONLY | O_APPEND, &fh), 0);
	r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, main, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, 0);
	free(r);
	kernel_release(k, main, fh);
	k->pid = pid;
}

/* Holds up the thread of the daemon that answers one request between the answer and what it does then. */
static struct {
	_Atomic uint64_t unique; /* the request */
	sem_t sent, go;
} gate;

static void at_gate(struct kernel *k, uint64_t unique)
{
	if (pthread_equal(pthread_self(), k->loop) ||
	    !atomic_compare_exchange_strong(&gate.unique, &unique, 0))
		return;
	sem_post(&gate.sent);
	while (sem_wait(&gate.go) < 0)
		CHECK_INT(errno, EINTR);
}

/* The next request is the one. */
static void arm(struct kernel *k)
{
	gate.unique = k->unique + 2;
}

/* The request's answer is sent: the file is closed and its node forgotten before that thread goes on. `fh` 0:
 * it is an open. */
static void close_at_gate(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t unique, int want_error)
{
	struct reply *r = kernel_wait(k, unique);

	CHECK_INT(r->error, want_error);
	while (sem_wait(&gate.sent) < 0)
		CHECK_INT(errno, EINTR);
	if (fh == 0) {
		struct fuse_open_out out;
		memcpy(&out, r->body, sizeof(out));
		fh = out.fh;
	}
	free(r);
	kernel_release(k, ino, fh);
	kernel_forget(k, ino, 1);
	kernel_size(k, FUSE_ROOT_ID);
	sem_post(&gate.go);
}

static void writers_closed(struct kernel *k)
{
	struct fuse_flush_in flush = {0};
	char name[64];
	uint64_t fh;
	int error;

	/* An append, a refused one, a close with a line. */
	for (int i = 0; i < 3; i++) {
		char *head = kernel_cat(k, i == 1 ? "views/count.hash" : "head/app", &error);
		snprintf(name, sizeof(name), "events/app@%s%.*s", i == 1 ? "1:" : "",
			 (int)strcspn(head, "\n"), head);
		free(head);
		uint64_t ino = (uint64_t)kernel_lookup(k, name);
		CHECK_INT(kernel_open(k, ino, O_WRONLY | O_APPEND, &fh), 0);
		flush.fh = fh;
		if (i == 2)
			CHECK_INT(kernel_write(k, ino, fh, A, strlen(A) - 1), strlen(A) - 1);
		arm(k);
		uint64_t unique = i == 2 ? kernel_send(k, FUSE_FLUSH, ino, &flush, sizeof(flush), NULL, 0)
					 : kernel_send_write(k, ino, fh, A, strlen(A));
		close_at_gate(k, ino, fh, unique, i == 1 ? -ESTALE : 0);
	}
}

static uint64_t send_read(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_read_in in = {.fh = fh, .size = 100, .read_flags = FUSE_READ_LOCKOWNER, .lock_owner = 1};

	return kernel_send(k, FUSE_READ, ino, &in, sizeof(in), NULL, 0);
}

static void readers_closed(struct kernel *k)
{
	static const char *const names[] = {"tail/app@0", "events/app@1:0123456789abcdef", "at/1/app"};
	static const char *const opened[] = {"at/2/app", "at/2/count.json"};
	char text[100];
	uint64_t fh;

	for (size_t i = 0; i < countof(names); i++) {
		uint64_t ino = (uint64_t)kernel_lookup(k, names[i]);
		CHECK_INT(kernel_open(k, ino, O_RDONLY, &fh), 0);
		arm(k);
		close_at_gate(k, ino, fh, send_read(k, ino, fh), 0);
	}
	/* Opens that are answered by another thread. */
	for (size_t i = 0; i < countof(opened); i++) {
		uint64_t ino = (uint64_t)kernel_lookup(k, opened[i]);
		arm(k);
		close_at_gate(k, ino, 0, kernel_send_open(k, ino, O_RDONLY), 0);
	}
	/* A blocked read of a view's tail. */
	uint64_t ino = (uint64_t)kernel_lookup(k, "tail/count.json");
	CHECK_INT(kernel_open(k, ino, O_RDONLY, &fh), 0);
	CHECK(kernel_read(k, ino, fh, 0, text, sizeof(text)) > 0);
	arm(k);
	uint64_t unique = send_read(k, ino, fh);
	CHECK_INT(kernel_append(k, A), 0);
	close_at_gate(k, ino, fh, unique, 0);
}

/* Sizes that are asked for of nodes which are forgotten meanwhile. */
static void sizes_forgotten(struct kernel *k)
{
	static const char *const names[] = {"at/3/count.json", "views/count.offset", "at/3/app",
					    "views/count.snapshot.json"};
	struct fuse_getattr_in in = {0};

	for (size_t i = 0; i < countof(names); i++) {
		uint64_t ino = (uint64_t)kernel_lookup(k, names[i]);
		CHECK_INT(kernel_append(k, A), 0);
		uint64_t unique = kernel_send(k, FUSE_GETATTR, ino, &in, sizeof(in), NULL, 0);
		kernel_forget(k, ino, 1);
		struct reply *r = kernel_wait(k, unique);
		CHECK_INT(r->error, 0);
		free(r);
	}
}

static void closed_while_answered(struct kernel *k)
{
	sem_init(&gate.sent, 0, 0);
	sem_init(&gate.go, 0, 0);
	k->replied = at_gate;
	writers_closed(k);
	readers_closed(k);
	sizes_forgotten(k);
	k->replied = NULL;
}

int main(void)
{
	struct kernel k;
	struct scene s;

	kernel_start(&k, NULL, shipped);
	k.pid = FIRST;
	truncates(&k);
	truncates_from_elsewhere(&k);
	kernel_stop(&k);
	kernel_cleanup(&k);

	kernel_start(&k, NULL, shipped);
	begin(&s, &k);
	looks_once(&s);
	among_others(&s);
	looks_twice(&s);
	forgets_first(&s);
	looks_never(&s);
	ends(&s);
	never_told(&s);
	crowded(&s);
	crowded_meanwhile(&s);
	unknown_threads(&k);
	closed_while_answered(&k);
	kernel_stop(&k);
	kernel_cleanup(&k);

	kernel_start(&k, NULL, shipped);
	begin(&s, &k);
	never_comes(&s);
	kernel_stop(&k);
	kernel_cleanup(&k);
	return 0;
}
