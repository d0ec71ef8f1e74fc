/* Writers of events/app who meet, over the wire: each who joins another has a node of his own, whatever order
 * the kernel looks up, forgets and opens in; one who is alone has not. */
#include <errno.h>
#include <fcntl.h>

#include "../unit/check.h"
#include "base/clock.h"
#include "kernel.h"

#define LINE "{\"type\":\"%c\",\"data\":%d,\"ts\":7}\n"
#define APPEND (O_WRONLY | O_APPEND)
/* Thread ids that nobody has. */
#define FIRST 5000000u

/* The thread FIRST has it open to append. */
struct scene {
	struct kernel *k;
	uint64_t main, fh;
	uint64_t size;
	uint64_t joined; /* when another thread did so last */
};

static uint64_t look(struct scene *s)
{
	return (uint64_t)kernel_lookup(s->k, "events/app");
}

static void begin(struct scene *s, struct kernel *k)
{
	*s = (struct scene){.k = k};
	k->pid = FIRST;
	s->main = look(s);
	s->size = (uint64_t)kernel_size(k, s->main);
	CHECK_INT(kernel_open_once(k, s->main, APPEND, &s->fh), 0);
}

static const char *line(char who, int i)
{
	static char text[64];

	snprintf(text, sizeof(text), LINE, who, i);
	return text;
}

static void writes(struct scene *s, uint64_t ino, uint64_t fh, char who, int i)
{
	const char *text = line(who, i);

	CHECK_INT(kernel_write(s->k, ino, fh, text, strlen(text)), strlen(text));
	s->size += strlen(text);
	CHECK_INT(kernel_size(s->k, ino), s->size);
	CHECK_INT(kernel_size(s->k, s->main), s->size);
}

static void next_thread(struct scene *s)
{
	s->k->pid++;
}

/* The next thread is told to look once more. */
static void is_told(struct scene *s)
{
	uint64_t fh;

	next_thread(s);
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), -ESTALE);
}

static void release(struct scene *s, uint64_t ino, uint64_t fh)
{
	kernel_release(s->k, ino, fh);
	if (ino != s->main)
		kernel_forget(s->k, ino, 1);
}

/* However often it opens, one after the other, or beside its own. */
static void alone(struct scene *s)
{
	uint64_t fh;

	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
	writes(s, s->main, fh, 'a', 1);
	writes(s, s->main, s->fh, 'a', 2);
	release(s, s->main, fh);
	release(s, s->main, s->fh);
	for (int i = 0; i < 3; i++) {
		next_thread(s);
		CHECK_INT(look(s), s->main);
		CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
		release(s, s->main, fh);
	}
	begin(s, s->k);
}

/* LOOKUP, OPEN; and LOOKUP, FORGET, LOOKUP, OPEN, as for a name that the kernel knows. */
static void joins(struct scene *s)
{
	uint64_t own, fh;

	for (int forgets = 0; forgets < 3; forgets++) {
		is_told(s);
		own = look(s);
		CHECK(own != s->main);
		for (int i = 0; i < forgets; i++) {
			kernel_forget(s->k, own, 1);
			CHECK_INT(look(s), own);
		}
		CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
		writes(s, own, fh, 'b', forgets);
		writes(s, s->main, s->fh, 'a', forgets);
		release(s, own, fh);
	}
	/* It is forgotten before it is closed, which the kernel does not do. */
	is_told(s);
	own = look(s);
	CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
	kernel_forget(s->k, own, 1);
	writes(s, own, fh, 'c', 1);
	kernel_release(s->k, own, fh);
}

static void opens(struct scene *s, uint64_t ino, int flags, uint64_t *ret_fh)
{
	s->joined = clock_us();
	CHECK_INT(kernel_open_once(s->k, ino, flags, ret_fh), 0);
}

/* The thread is told to look once more, and opens the node that it finds. */
static void join_again(struct scene *s)
{
	uint64_t own, fh;

	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), -ESTALE);
	own = look(s);
	opens(s, own, APPEND, &fh);
	release(s, own, fh);
}

/* What it finds once another has written; where the disk has taken too long for that, after it has joined
 * once more. */
static uint64_t is_offered_one(struct scene *s, int i)
{
	uint64_t node;

	for (;;) {
		writes(s, s->main, s->fh, 'a', i);
		node = look(s);
		if (node != s->main || clock_us() - s->joined < JOINED_LATELY_US)
			return node;
		join_again(s);
	}
}

/* Who has joined lately is offered a node at the look-up, another one each time. */
static void is_offered(struct scene *s)
{
	uint64_t own, first, second, fh;

	next_thread(s);
	join_again(s);
	for (int i = 0; i < 3; i++) {
		/* Not as long as nobody else does anything. */
		CHECK_INT(look(s), s->main);
		first = is_offered_one(s, i);
		second = look(s);
		CHECK(first != s->main && second != s->main && first != second);
		CHECK_INT(kernel_size(s->k, first), s->size);
		kernel_forget(s->k, first, 1);
		opens(s, second, APPEND, &fh);
		CHECK(!nodes_offered(&s->k->mount->nodes));
		writes(s, second, fh, 'o', i);
		release(s, second, fh);
	}
	/* Another thread is not. */
	const uint32_t pid = s->k->pid;
	for (uint32_t other = 0; other <= FIRST; other += FIRST) {
		s->k->pid = other;
		CHECK_INT(look(s), s->main);
	}
	s->k->pid = pid;
	/* One that it does not open, but watches, say; opened to read; by no name; and forgotten while it is
	 * open. */
	first = is_offered_one(s, 3);
	CHECK(nodes_offered(&s->k->mount->nodes));
	own = look(s);
	opens(s, own, APPEND, &fh);
	kernel_forget(s->k, own, 1);
	CHECK(nodes_offered(&s->k->mount->nodes));
	opens(s, first, APPEND, &second);
	CHECK(!nodes_offered(&s->k->mount->nodes));
	kernel_release(s->k, first, second);
	kernel_release(s->k, own, fh);
	kernel_forget(s->k, first, 1);
	first = is_offered_one(s, 4);
	CHECK_INT(kernel_open_once(s->k, first, O_RDONLY, &fh), 0);
	release(s, first, fh);
	CHECK_INT(look(s), s->main);
	/* Nobody else writes any more: it is the last time. */
	is_told(s);
	own = look(s);
	CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
	release(s, own, fh);
	writes(s, s->main, s->fh, 'a', 5);
	kernel_release(s->k, s->main, s->fh);
	own = look(s);
	CHECK(own != s->main);
	CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
	writes(s, own, fh, 'p', 1);
	release(s, own, fh);
	CHECK_INT(look(s), s->main);
	/* And some time after it joined them. */
	begin(s, s->k);
	s->k->pid = pid + 1;
	is_told(s);
	own = look(s);
	uint64_t until = clock_us() + JOINED_LATELY_US;
	CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
	release(s, own, fh);
	writes(s, s->main, s->fh, 'a', 6);
	while ((own = look(s)) != s->main) {
		kernel_forget(s->k, own, 1);
		CHECK(clock_us() < until + 60 * JOINED_LATELY_US);
		usleep(1000);
	}
	CHECK(clock_us() >= until);
	CHECK(!nodes_offered(&s->k->mount->nodes));
}

/* Each his own, and all at once: the writes are answered together, in the order in which they came. */
static void many(struct scene *s)
{
	enum { N = 20 };
	uint64_t own[N], fh[N], sent[N];
	char *text, *at;
	int error;

	for (int i = 0; i < N; i++) {
		is_told(s);
		own[i] = look(s);
		for (int j = 0; j < i; j++)
			CHECK(own[j] != own[i]);
		CHECK_INT(kernel_open_once(s->k, own[i], APPEND, &fh[i]), 0);
	}
	for (int i = 0; i < N; i++) {
		const char *sends = line((char)('A' + i), i);
		sent[i] = kernel_send_write(s->k, own[i], fh[i], sends, strlen(sends));
		s->size += strlen(sends);
	}
	for (int i = 0; i < N; i++) {
		struct reply *r = kernel_wait(s->k, sent[i]);
		CHECK_INT(r->error, 0);
		free(r);
		release(s, own[i], fh[i]);
	}
	CHECK_INT(kernel_size(s->k, s->main), s->size);
	next_thread(s);
	text = kernel_cat(s->k, "events/app", &error);
	CHECK(text);
	at = text;
	for (int i = 0; i < N; i++) {
		at = strstr(at, line((char)('A' + i), i));
		CHECK(at);
	}
	free(text);
}

/* OPEN, OPEN, where no name is looked up: it is granted on the node that is shared. */
static void looks_never(struct scene *s)
{
	uint64_t fh;

	is_told(s);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
	writes(s, s->main, fh, 'd', 1);
	release(s, s->main, fh);
	/* And at once where nothing was looked up in the first place. */
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
	release(s, s->main, fh);
	/* In another namespace of processes; through overlayfs. */
	const uint32_t pid = s->k->pid;
	s->k->pid = 0;
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
	release(s, s->main, fh);
	s->k->pid = pid + 1;
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND | O_NOATIME, &fh), 0);
	release(s, s->main, fh);
}

/* One that is killed in between; and one that opens something else. */
static void never_comes(struct scene *s)
{
	uint64_t fh, own, other;

	is_told(s);
	is_told(s);
	own = look(s);
	is_told(s);
	other = look(s);
	CHECK(own != other && other != s->main);
	uint64_t head = (uint64_t)kernel_lookup(s->k, "head/app");
	CHECK_INT(kernel_open_once(s->k, head, O_RDONLY, &fh), 0);
	kernel_release(s->k, head, fh);
	CHECK_INT(look(s), s->main);
	kernel_forget(s->k, own, 1);
	kernel_forget(s->k, other, 1);
	/* What has its number is the file itself. */
	CHECK_INT(kernel_open_once(s->k, own, APPEND, &fh), 0);
	writes(s, s->main, fh, 'e', 1);
	kernel_release(s->k, s->main, fh);
}

/* Who may truncate shares a node with nobody who writes, either. */
static void truncates(struct scene *s)
{
	uint64_t a, b, own, other;

	next_thread(s);
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, O_WRONLY, &a), -ESTALE);
	own = look(s);
	CHECK_INT(kernel_open_once(s->k, own, O_WRONLY, &a), 0);
	next_thread(s);
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, O_WRONLY, &b), -ESTALE);
	other = look(s);
	CHECK(other != own && other != s->main);
	CHECK_INT(kernel_open_once(s->k, other, O_WRONLY, &b), 0);
	writes(s, own, a, 'f', 1);
	writes(s, other, b, 'g', 1);
	release(s, own, a);
	release(s, other, b);
}

/* A reader is no writer: he joins nobody, and nobody joins him. */
static void readers(struct scene *s)
{
	uint64_t fh, reader;

	release(s, s->main, s->fh);
	next_thread(s);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &reader), 0);
	next_thread(s);
	CHECK_INT(look(s), s->main);
	CHECK_INT(kernel_open_once(s->k, s->main, APPEND, &fh), 0);
	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &s->fh), 0);
	kernel_release(s->k, s->main, fh);
	kernel_release(s->k, s->main, reader);
}

int main(void)
{
	struct kernel k;
	struct scene s;

	kernel_start(&k, NULL, NULL);
	begin(&s, &k);
	alone(&s);
	joins(&s);
	is_offered(&s);
	many(&s);
	looks_never(&s);
	never_comes(&s);
	truncates(&s);
	readers(&s);
	/* Some are told, some have one open, some wait for the disk when the mount ends. */
	begin(&s, &k);
	is_told(&s);
	is_told(&s);
	uint64_t own = look(&s), fh;
	CHECK_INT(kernel_open_once(&k, own, APPEND, &fh), 0);
	const char *text = line('z', 1);
	uint64_t sent = kernel_send_write(&k, own, fh, text, strlen(text));
	struct reply *r = kernel_wait(&k, sent);
	CHECK_INT(r->error, 0);
	free(r);
	kernel_stop(&k);
	kernel_cleanup(&k);
	return 0;
}
