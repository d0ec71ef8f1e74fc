/* flock(2) and fcntl(2) locks, over the wire: they are the file's, whatever node each has it on, they wait,
 * and they end with their owners. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "../unit/check.h"
#include "kernel.h"

#define A "{\"type\":\"a\",\"data\":1,\"ts\":7}"
/* Thread ids that nobody has. */
#define FIRST 5000000u

static uint64_t send_flock(struct kernel *k, uint64_t ino, uint64_t fh, uint32_t type, uint32_t op)
{
	struct fuse_lk_in in = {.fh = fh, .owner = fh, .lk = {.type = type}, .lk_flags = FUSE_LK_FLOCK};

	return kernel_send(k, op, ino, &in, sizeof(in), NULL, 0);
}

static void whole_files(struct kernel *k)
{
	uint64_t main = (uint64_t)kernel_lookup(k, "events/app"), own, a, b;

	CHECK_INT(kernel_open_once(k, main, O_WRONLY | O_APPEND, &a), 0);
	CHECK_INT(kernel_lookup(k, "events/app"), main);
	CHECK_INT(kernel_open_once(k, main, O_WRONLY, &b), -ESTALE);
	own = (uint64_t)kernel_lookup(k, "events/app");
	CHECK_INT(kernel_open_once(k, own, O_WRONLY, &b), 0);
	kernel_error_is(k, send_flock(k, main, a, F_WRLCK, FUSE_SETLK), 0);
	kernel_error_is(k, send_flock(k, own, b, F_RDLCK, FUSE_SETLK), -EWOULDBLOCK);
	uint64_t waits = send_flock(k, own, b, F_RDLCK, FUSE_SETLKW);
	CHECK(!kernel_poll(k, waits, 20));
	kernel_interrupt(k, waits);
	kernel_error_is(k, waits, -EINTR);
	/* An interrupt that comes before the request that it means. */
	kernel_interrupt(k, k->unique + 4);
	kernel_error_is(k, send_flock(k, own, b, F_RDLCK, FUSE_SETLKW), -EINTR);
	waits = send_flock(k, own, b, F_RDLCK, FUSE_SETLKW);
	CHECK(!kernel_poll(k, waits, 20));
	/* Shared with the other now; and a lock that can't be had is not the old one either. */
	kernel_error_is(k, send_flock(k, main, a, F_RDLCK, FUSE_SETLK), 0);
	kernel_error_is(k, waits, 0);
	kernel_error_is(k, send_flock(k, main, a, F_WRLCK, FUSE_SETLK), -EWOULDBLOCK);
	kernel_error_is(k, send_flock(k, own, b, F_WRLCK, FUSE_SETLK), 0);
	waits = send_flock(k, main, a, F_WRLCK, FUSE_SETLKW);
	kernel_release(k, own, b);
	kernel_error_is(k, waits, 0);
	kernel_release(k, main, a);
	/* One that still waits when the mount ends is answered. */
	CHECK_INT(kernel_open_once(k, main, O_RDONLY, &a), 0);
	CHECK_INT(kernel_open_once(k, main, O_RDONLY, &b), 0);
	kernel_error_is(k, send_flock(k, main, a, F_WRLCK, FUSE_SETLK), 0);
	send_flock(k, main, b, F_WRLCK, FUSE_SETLKW);
}

/* Two processes, each with a file of its own. */
enum owner { ONE = 101, TWO, THREE };

struct scene {
	struct kernel *k;
	uint64_t main, own; /* nodes of events/app */
	uint64_t a, b;      /* open on the one, on the other */
};

static struct fuse_lk_in lock_of(uint64_t fh, enum owner owner, uint32_t type, uint64_t first, uint64_t last)
{
	return (struct fuse_lk_in){
	    .fh = fh, .owner = owner, .lk = {.start = first, .end = last, .type = type, .pid = owner}};
}

static uint64_t send_lock(struct scene *s, uint64_t fh, enum owner owner, uint32_t type, uint64_t first,
			  uint64_t last, bool wait)
{
	struct fuse_lk_in in = lock_of(fh, owner, type, first, last);

	return kernel_send(s->k, wait ? FUSE_SETLKW : FUSE_SETLK, fh == s->a ? s->main : s->own, &in,
			   sizeof(in), NULL, 0);
}

static int lock(struct scene *s, uint64_t fh, enum owner owner, uint32_t type, uint64_t first, uint64_t last)
{
	struct reply *r = kernel_wait(s->k, send_lock(s, fh, owner, type, first, last, false));
	int error = r->error;

	free(r);
	return error;
}

/* What F_GETLK says. */
static void tells(struct scene *s, uint64_t fh, enum owner owner, uint32_t type, struct fuse_file_lock want)
{
	struct fuse_lk_in in = lock_of(fh, owner, type, 0, INT64_MAX);
	struct reply *r = kernel_wait(
	    s->k, kernel_send(s->k, FUSE_GETLK, fh == s->a ? s->main : s->own, &in, sizeof(in), NULL, 0));
	struct fuse_lk_out out;

	CHECK_INT(r->error, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	CHECK_INT(out.lk.type, want.type);
	if (want.type == F_UNLCK)
		return;
	CHECK_INT(out.lk.start, want.start);
	CHECK_INT(out.lk.end, want.end);
	CHECK_INT(out.lk.pid, want.pid);
}

static void flush(struct scene *s, uint64_t fh, enum owner owner)
{
	struct fuse_flush_in in = {.fh = fh, .lock_owner = owner};

	kernel_error_is(
	    s->k, kernel_send(s->k, FUSE_FLUSH, fh == s->a ? s->main : s->own, &in, sizeof(in), NULL, 0), 0);
}

static void parts(struct scene *s)
{
	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 10, 19), 0);
	CHECK_INT(lock(s, s->b, TWO, F_WRLCK, 20, INT64_MAX), 0);
	CHECK_INT(lock(s, s->b, TWO, F_RDLCK, 0, 10), -EAGAIN);
	CHECK_INT(lock(s, s->b, TWO, F_RDLCK, 0, 9), 0);
	CHECK_INT(lock(s, s->a, ONE, F_RDLCK, 0, 9), 0);
	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 0, 9), -EAGAIN);
	tells(s, s->b, TWO, F_WRLCK,
	      (struct fuse_file_lock){.start = 0, .end = 9, .type = F_RDLCK, .pid = ONE});
	tells(s, s->b, THREE, F_RDLCK,
	      (struct fuse_file_lock){.start = 20, .end = INT64_MAX, .type = F_WRLCK, .pid = TWO});
	CHECK_INT(lock(s, s->b, TWO, F_UNLCK, 0, INT64_MAX), 0);
	tells(s, s->b, THREE, F_RDLCK,
	      (struct fuse_file_lock){.start = 10, .end = 19, .type = F_WRLCK, .pid = ONE});
	CHECK_INT(lock(s, s->a, ONE, F_UNLCK, 0, INT64_MAX), 0);
	tells(s, s->b, THREE, F_WRLCK, (struct fuse_file_lock){.type = F_UNLCK});
}

static void waits(struct scene *s)
{
	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 0, INT64_MAX), 0);
	uint64_t two = send_lock(s, s->b, TWO, F_RDLCK, 0, 9, true),
		 three = send_lock(s, s->b, THREE, F_WRLCK, 5, 20, true);
	CHECK(!kernel_poll(s->k, two, 20) && !kernel_poll(s->k, three, 0));
	kernel_interrupt(s->k, two);
	kernel_error_is(s->k, two, -EINTR);
	/* An interrupt that comes before the request that it means. */
	kernel_interrupt(s->k, s->k->unique + 4);
	kernel_error_is(s->k, send_lock(s, s->b, TWO, F_RDLCK, 0, 9, true), -EINTR);
	two = send_lock(s, s->b, TWO, F_RDLCK, 0, 9, true);
	/* A part of it is enough for one of them. */
	CHECK_INT(lock(s, s->a, ONE, F_UNLCK, 3, INT64_MAX), 0);
	kernel_error_is(s->k, three, 0);
	CHECK(!kernel_poll(s->k, two, 20));
	CHECK_INT(lock(s, s->a, ONE, F_RDLCK, 0, 4), 0);
	CHECK(!kernel_poll(s->k, two, 20));
	CHECK_INT(lock(s, s->b, THREE, F_RDLCK, 5, 20), 0);
	kernel_error_is(s->k, two, 0);
	flush(s, s->b, TWO);
	flush(s, s->b, THREE);
	flush(s, s->a, ONE);
	tells(s, s->b, TWO, F_WRLCK, (struct fuse_file_lock){.type = F_UNLCK});
}

/* A process loses them with any close of the file, and with no other's; an open file's own, of which the
 * kernel tells nothing more, go with it. */
static void ends_with_a_close(struct scene *s)
{
	uint64_t c;

	CHECK_INT(kernel_open_once(s->k, s->main, O_RDONLY, &c), 0);
	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 0, 9), 0);
	uint64_t two = send_lock(s, s->b, TWO, F_WRLCK, 0, 9, true);
	flush(s, s->a, THREE);
	CHECK(!kernel_poll(s->k, two, 20));
	struct fuse_flush_in in = {.fh = c, .lock_owner = ONE};
	kernel_error_is(s->k, kernel_send(s->k, FUSE_FLUSH, s->main, &in, sizeof(in), NULL, 0), 0);
	kernel_error_is(s->k, two, 0);
	struct fuse_lk_in own = lock_of(c, THREE, F_WRLCK, 10, 19);
	kernel_error_is(s->k, kernel_send(s->k, FUSE_SETLK, s->main, &own, sizeof(own), NULL, 0), 0);
	uint64_t one = send_lock(s, s->a, ONE, F_WRLCK, 10, 19, true);
	CHECK(!kernel_poll(s->k, one, 20));
	kernel_release(s->k, s->main, c);
	kernel_error_is(s->k, one, 0);
	flush(s, s->a, ONE);
	flush(s, s->b, TWO);
}

/* Who has the lock next sees the line that was left without its end. */
static void line_comes_first(struct scene *s)
{
	uint64_t before = (uint64_t)kernel_size(s->k, s->main);

	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 0, INT64_MAX), 0);
	CHECK_INT(kernel_write(s->k, s->main, s->a, A, strlen(A)), strlen(A));
	uint64_t two = send_lock(s, s->b, TWO, F_WRLCK, 0, INT64_MAX, true);
	CHECK(!kernel_poll(s->k, two, 20));
	struct fuse_flush_in in = {.fh = s->a, .lock_owner = ONE};
	uint64_t closed = kernel_send(s->k, FUSE_FLUSH, s->main, &in, sizeof(in), NULL, 0);
	kernel_error_is(s->k, two, 0);
	CHECK_INT(kernel_size(s->k, s->own), before + strlen(A) + 1);
	kernel_error_is(s->k, closed, 0);
	flush(s, s->b, TWO);
}

static void circles(struct scene *s)
{
	CHECK_INT(lock(s, s->a, ONE, F_WRLCK, 0, 0), 0);
	CHECK_INT(lock(s, s->b, TWO, F_WRLCK, 1, 1), 0);
	CHECK_INT(lock(s, s->b, THREE, F_WRLCK, 2, 2), 0);
	uint64_t one = send_lock(s, s->a, ONE, F_WRLCK, 1, 1, true),
		 two = send_lock(s, s->b, TWO, F_WRLCK, 2, 2, true);
	kernel_error_is(s->k, send_lock(s, s->b, THREE, F_WRLCK, 0, 0, true), -EDEADLK);
	/* That it can't be had is no reason to lose the others. */
	CHECK(!kernel_poll(s->k, one, 20) && !kernel_poll(s->k, two, 0));
	flush(s, s->b, THREE);
	kernel_error_is(s->k, two, 0);
	flush(s, s->b, TWO);
	kernel_error_is(s->k, one, 0);
	flush(s, s->a, ONE);
}

static void parts_of_files(struct kernel *k)
{
	struct scene s = {.k = k, .main = (uint64_t)kernel_lookup(k, "events/app")};

	CHECK_INT(kernel_open_once(k, s.main, O_RDWR | O_APPEND, &s.a), 0);
	CHECK_INT(kernel_lookup(k, "events/app"), s.main);
	CHECK_INT(kernel_open_once(k, s.main, O_RDWR, &s.b), -ESTALE);
	s.own = (uint64_t)kernel_lookup(k, "events/app");
	CHECK(s.own != s.main);
	CHECK_INT(kernel_open_once(k, s.own, O_RDWR, &s.b), 0);
	parts(&s);
	waits(&s);
	ends_with_a_close(&s);
	line_comes_first(&s);
	circles(&s);
	/* One that still waits when the mount ends is answered. */
	CHECK_INT(lock(&s, s.a, ONE, F_WRLCK, 0, 0), 0);
	uint64_t waits = send_lock(&s, s.b, TWO, F_WRLCK, 0, 0, true);
	kernel_end(k);
	kernel_error_is(k, waits, -ENOTCONN);
}

int main(void)
{
	struct kernel k;

	kernel_start(&k, NULL, NULL);
	k.pid = FIRST;
	whole_files(&k);
	kernel_stop(&k);
	kernel_restart(&k, NULL);
	k.pid = FIRST;
	parts_of_files(&k);
	kernel_stop(&k);
	kernel_cleanup(&k);
	return 0;
}
