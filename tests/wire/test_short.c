/* Where memory is short, whoever waits is told all the same: a wake-up that is lost is one that nobody makes
 * up for. */
#include <fcntl.h>
#include <poll.h>

#include "../unit/check.h"
#include "kernel.h"

#define TODO "{\"type\":\"todo_added\",\"data\":{\"text\":\"x\"}}\n"

static struct kernel k;
static _Atomic bool is_short;
static _Atomic unsigned refused;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIPPED true /* they have a calloc() of their own */
#else
#define SKIPPED false
void *__libc_calloc(size_t n, size_t size);

/* Nothing for the notify thread, and no room for the name of a view that has changed. */
void *calloc(size_t n, size_t size)
{
	if (is_short &&
	    (pthread_equal(pthread_self(), k.mount->follow.thread) || n * size == sizeof(struct changed))) {
		refused++;
		return NULL;
	}
	return __libc_calloc(n, size);
}
#endif

static unsigned poll_once(uint64_t ino, uint64_t fh, uint64_t kh)
{
	struct fuse_poll_in in = {.fh = fh, .kh = kh, .flags = FUSE_POLL_SCHEDULE_NOTIFY, .events = POLLIN};
	struct reply *r = kernel_wait(&k, kernel_send(&k, FUSE_POLL, ino, &in, sizeof(in), NULL, 0));
	struct fuse_poll_out out;

	CHECK_INT(r->error, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	return out.revents;
}

static void is_told(const char *path, uint64_t kh)
{
	uint64_t ino = (uint64_t)kernel_lookup(&k, path), fh, off = 0;
	char text[4096];
	int n;

	CHECK_INT(kernel_open(&k, ino, O_RDONLY, &fh), 0);
	while ((n = kernel_read(&k, ino, fh, off, text, sizeof(text))) > 0)
		off += (uint64_t)n;
	CHECK_INT(n, 0);
	struct reply *r;
	while ((r = kernel_poll(&k, 0, 20)))
		free(r);
	CHECK_INT(poll_once(ino, fh, kh) & POLLIN, 0);
	is_short = true;
	CHECK_INT(kernel_append(&k, TODO), 0);
	r = kernel_wait(&k, 0);
	CHECK_INT(r->error, FUSE_NOTIFY_POLL);
	free(r);
	is_short = false;
	CHECK(poll_once(ino, fh, kh) & POLLIN);
	kernel_release(&k, ino, fh);
}

int main(void)
{
	static const char *const todos[] = {"todos", NULL};

	if (SKIPPED)
		return 77;
	kernel_start(&k, NULL, todos);
	is_told("events/app", 11);
	is_told("head/app", 12);
	is_told("views/todos.offset", 13);
	is_told("views/todos.json", 14);
	CHECK(refused > 0);
	kernel_stop(&k);
	kernel_cleanup(&k);
	return 0;
}
