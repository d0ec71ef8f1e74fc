/* Following and deciding over the wire: blocking reads, polls, conditional appends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "../unit/check.h"
#include "kernel.h"

#define TODO "{\"type\":\"todo_added\",\"data\":{\"text\":\"x\"}}\n"
#define A "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"

static const char *const shipped[] = {"count", "todos", NULL};

static uint64_t send_read(struct kernel *k, uint64_t ino, uint64_t fh, uint32_t size, int flags)
{
	struct fuse_read_in in = {
	    .fh = fh,
	    .size = size,
	    .flags = (uint32_t)flags,
	    .read_flags = FUSE_READ_LOCKOWNER,
	    .lock_owner = k->pid,
	};

	return kernel_send(k, FUSE_READ, ino, &in, sizeof(in), NULL, 0);
}

static void answer_is(struct kernel *k, uint64_t unique, const char *want)
{
	struct reply *r = kernel_wait(k, unique);

	CHECK_INT(r->error, 0);
	CHECK_MEM(r->data.data, r->data.len, want, strlen(want));
	free(r);
}

static void tails_of_the_log(struct kernel *k)
{
	uint64_t ino = (uint64_t)kernel_lookup(k, "tail/app"), fh, from_start, at;

	CHECK_INT(kernel_append(k, A), 0);
	CHECK_INT(kernel_open(k, ino, O_RDONLY, &fh), 0);
	uint64_t read = send_read(k, ino, fh, 4096, 0);
	uint64_t second = send_read(k, ino, fh, 4096, 0);
	CHECK(!kernel_poll(k, read, 20));
	CHECK_INT(kernel_append(k, "{\"type\":\"b\",\"data\":1,\"ts\":7}\n"), 0);
	answer_is(k, read, "{\"type\":\"b\",\"data\":1,\"ts\":7}\n");
	kernel_error_is(k, send_read(k, ino, fh, 4096, O_NONBLOCK), -EAGAIN);
	kernel_interrupt(k, second);
	kernel_error_is(k, second, -EINTR);
	/* In pieces, from a place. */
	CHECK_INT(kernel_lookup(k, "tail/app@"), -ENOENT);
	CHECK_INT(kernel_lookup(k, "tail/app@01"), -ENOENT);
	at = (uint64_t)kernel_lookup(k, "tail/app@0");
	CHECK_INT(kernel_open(k, at, O_RDONLY, &from_start), 0);
	answer_is(k, send_read(k, at, from_start, 10, 0), "{\"type\":\"a");
	answer_is(k, send_read(k, at, from_start, 18, 0), "\",\"data\":1,\"ts\":7}");
	kernel_release(k, at, from_start);
	kernel_release(k, ino, fh);
}

static void tails_of_a_view(struct kernel *k)
{
	int64_t ino = kernel_lookup(k, "tail/todos.json");
	uint64_t fh;

	CHECK(ino > 0);
	CHECK_INT(kernel_lookup(k, "tail/none.json"), -ENOENT);
	CHECK_INT(kernel_lookup(k, "tail/todos.hash"), -ENOENT);
	CHECK_INT(kernel_open(k, (uint64_t)ino, O_RDONLY, &fh), 0);
	answer_is(k, send_read(k, (uint64_t)ino, fh, 4096, 0), "{\"items\":[],\"next_id\":0}\n");
	uint64_t read = send_read(k, (uint64_t)ino, fh, 4096, 0);
	/* An event that does not change the state wakes nobody. */
	CHECK_INT(kernel_append(k, A), 0);
	CHECK(!kernel_poll(k, read, 50));
	CHECK_INT(kernel_append(k, "{\"type\":\"todo_added\",\"data\":{\"text\":\"x\"}}\n"), 0);
	answer_is(k, read, "{\"items\":[{\"id\":0,\"text\":\"x\",\"done\":false}],\"next_id\":1}\n");
	read = send_read(k, (uint64_t)ino, fh, 4096, 0);
	CHECK(!kernel_poll(k, read, 20));
	kernel_interrupt(k, read);
	kernel_error_is(k, read, -EINTR);
	kernel_error_is(k, send_read(k, (uint64_t)ino, fh, 4096, O_NONBLOCK), -EAGAIN);
	kernel_release(k, (uint64_t)ino, fh);
}

/* One poll; `kh` names the waiter that is to be told. */
static unsigned poll_once(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t kh)
{
	struct fuse_poll_in in = {
	    .fh = fh, .kh = kh, .flags = FUSE_POLL_SCHEDULE_NOTIFY, .events = POLLIN | POLLPRI};
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_POLL, ino, &in, sizeof(in), NULL, 0));
	struct fuse_poll_out out;

	CHECK_INT(r->error, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	return out.revents;
}

static void told(struct kernel *k, uint64_t kh)
{
	struct fuse_notify_poll_wakeup_out out;
	struct reply *r = kernel_wait(k, 0);

	CHECK_INT(r->error, FUSE_NOTIFY_POLL);
	memcpy(&out, r->body, sizeof(out));
	CHECK_INT(out.kh, kh);
	free(r);
}

static void polls(struct kernel *k, const char *path, uint64_t kh, const char *change)
{
	int64_t ino = kernel_lookup(k, path);
	char text[65536];
	uint64_t fh, off = 0;
	int n;

	CHECK(ino > 0);
	CHECK_INT(kernel_open(k, (uint64_t)ino, O_RDONLY, &fh), 0);
	CHECK(poll_once(k, (uint64_t)ino, fh, kh) & POLLIN);
	while ((n = kernel_read(k, (uint64_t)ino, fh, off, text, sizeof(text))) > 0)
		off += (uint64_t)n;
	CHECK_INT(n, 0);
	struct reply *early;
	while ((early = kernel_poll(k, 0, 0)))
		free(early);
	CHECK_INT(poll_once(k, (uint64_t)ino, fh, kh) & POLLIN, 0);
	CHECK(!kernel_poll(k, 0, 20));
	CHECK_INT(kernel_append(k, change), 0);
	told(k, kh);
	CHECK(poll_once(k, (uint64_t)ino, fh, kh) & POLLIN);
	kernel_release(k, (uint64_t)ino, fh);
}

static void define(struct kernel *k, const char *program)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/reducers/flaps.jq", k->dir);
	FILE *f = fopen(path, "w");
	CHECK(f && fputs(program, f) >= 0 && fclose(f) == 0);
}

/* Reads from the beginning until that succeeds, or fails. */
static void read_until(struct kernel *k, uint64_t ino, uint64_t fh, bool good)
{
	char text[100];
	int n = !good;

	for (int i = 0; i < 1000 && (n > 0) != good; i++) {
		usleep(10000);
		n = kernel_read(k, ino, fh, 0, text, sizeof(text));
	}
	CHECK_INT(n, good ? 2 : -EIO);
	if (good)
		CHECK_INT(kernel_read(k, ino, fh, 2, text, sizeof(text)), 0);
}

/* Broken is told, mended is found by a read, broken again is told again. */
static void flaps(struct kernel *k, uint64_t kh)
{
	struct reply *early;
	uint64_t fh;

	define(k, "1");
	uint64_t ino = (uint64_t)kernel_lookup(k, "views/flaps.json");
	CHECK_INT(kernel_open(k, ino, O_RDONLY, &fh), 0);
	read_until(k, ino, fh, true);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(poll_once(k, ino, fh, kh) & POLLIN, 0);
		define(k, "(");
		told(k, kh);
		read_until(k, ino, fh, false);
		define(k, "1");
		read_until(k, ino, fh, true);
		while ((early = kernel_poll(k, 0, 20)))
			free(early);
	}
	kernel_release(k, ino, fh);
}

/* An open file, and the read on it that is not answered yet; 0: none. */
struct handle {
	uint64_t ino, fh, read;
	bool open;
};

static void end_read(struct kernel *k, struct handle *h, bool interrupt)
{
	if (h->read && interrupt)
		kernel_interrupt(k, h->read);
	struct reply *r = !h->read ? NULL : interrupt ? kernel_wait(k, h->read) : kernel_poll(k, h->read, 0);
	if (!r)
		return;
	CHECK(r->error == 0 || r->error == -EINTR || r->error == -EAGAIN);
	free(r);
	h->read = 0;
}

static void step(struct kernel *k, struct handle *h, unsigned what)
{
	static const char *const paths[] = {
	    "tail/app",   "tail/app@0",       "tail/todos.json",    "tail/count.json",
	    "events/app", "views/todos.json", "views/count.offset", "head/app",
	};

	if (!h->open) {
		const char *path = paths[what % countof(paths)];
		h->ino = (uint64_t)kernel_lookup(k, path);
		CHECK_INT(kernel_open(k, h->ino, O_RDONLY, &h->fh), 0);
		h->open = true;
	} else if (h->read) {
		end_read(k, h, what % 3 == 0);
	} else if (what % 4 == 0) {
		poll_once(k, h->ino, h->fh, what);
	} else if (what % 7 == 0) {
		kernel_release(k, h->ino, h->fh);
		h->open = false;
	} else {
		h->read = send_read(k, h->ino, h->fh, 1 + what % 4096, what % 5 ? 0 : O_NONBLOCK);
	}
}

/* Followers are opened, interrupted and closed at random while events are appended: each read ends, and
 * nothing is left. */
static void come_and_go(struct kernel *k)
{
	struct handle handles[30] = {0};
	unsigned seed = 1;
	struct reply *r;
	int error;

	for (int i = 0; i < 4000; i++) {
		struct handle *h = &handles[(unsigned)rand_r(&seed) % countof(handles)];
		step(k, h, (unsigned)rand_r(&seed));
		if (i % 5 == 0)
			CHECK_INT(kernel_append(k, i % 2 ? A : TODO), 0);
		while ((r = kernel_poll(k, 0, 0)))
			free(r);
	}
	for (size_t i = 0; i < countof(handles); i++) {
		end_read(k, &handles[i], true);
		if (handles[i].open)
			kernel_release(k, handles[i].ino, handles[i].fh);
	}
	char *status = kernel_cat(k, "status.json", &error);
	CHECK_INT(error, 0);
	CHECK(strstr(status, "\"open_files\":1,\"waiting\":0,")); /* the one that asks */
	free(status);
}

static char *head(struct kernel *k)
{
	int error;
	char *text = kernel_cat(k, "head/app", &error);

	CHECK_INT(error, 0);
	text[strlen(text) - 1] = '\0';
	return text;
}

static int append_at(struct kernel *k, const char *expected, const char *text, int times)
{
	char path[128];
	uint64_t fh;
	int r = 0;

	snprintf(path, sizeof(path), "events/app@%s", expected);
	int64_t ino = kernel_lookup(k, path);
	CHECK(ino > 0);
	CHECK_INT(kernel_open(k, (uint64_t)ino, O_WRONLY, &fh), 0);
	for (int i = 0; i < times && r >= 0; i++)
		r = kernel_write(k, (uint64_t)ino, fh, text, strlen(text));
	CHECK_INT(kernel_flush(k, (uint64_t)ino, fh), 0);
	kernel_release(k, (uint64_t)ino, fh);
	return r;
}

static void conditions(struct kernel *k)
{
	char *before = head(k);

	CHECK_INT(append_at(k, "0:", A, 1), -ESTALE);
	CHECK_INT(kernel_lookup(k, "events/app@0"), -ENOENT);
	CHECK_INT(kernel_lookup(k, "events/app@1:"), -ENOENT);
	CHECK_INT(kernel_lookup(k, "events/app@5:0123456789abcdeF"), -ENOENT);
	/* A winner goes on from its own head. */
	CHECK_INT(append_at(k, before, A, 3), strlen(A));
	CHECK_INT(append_at(k, before, A, 1), -ESTALE);
	free(before);
	/* Of many writers with the same expectation one wins. */
	for (int round = 0; round < 20; round++) {
		char path[128];
		before = head(k);
		snprintf(path, sizeof(path), "events/app@%s", before);
		uint64_t ino = (uint64_t)kernel_lookup(k, path), fhs[10], writes[10];
		int won = 0;
		for (size_t i = 0; i < countof(fhs); i++)
			CHECK_INT(kernel_open(k, ino, O_WRONLY, &fhs[i]), 0);
		for (size_t i = 0; i < countof(fhs); i++)
			writes[i] = kernel_send_write(k, ino, fhs[i], A, strlen(A));
		for (size_t i = 0; i < countof(fhs); i++) {
			struct reply *r = kernel_wait(k, writes[i]);
			CHECK(r->error == 0 || r->error == -ESTALE);
			won += r->error == 0;
			free(r);
			kernel_release(k, ino, fhs[i]);
		}
		CHECK_INT(won, 1);
		free(before);
	}
}

static int control(struct kernel *k, const char *command)
{
	uint64_t ino = (uint64_t)kernel_lookup(k, "ctl"), fh;

	CHECK_INT(kernel_open(k, ino, O_WRONLY | O_TRUNC, &fh), 0);
	int n = kernel_write(k, ino, fh, command, strlen(command));
	kernel_release(k, ino, fh);
	return n;
}

static void rotates(struct kernel *k)
{
	int error;
	char *before = kernel_cat(k, "events/app", &error), *at = head(k);

	CHECK_INT(control(k, "rotate\n"), 7);
	CHECK_INT(control(k, "explode\n"), -EINVAL);
	char *after = kernel_cat(k, "events/app", &error);
	CHECK_INT(error, 0);
	CHECK_STR(after, before);
	CHECK_INT(append_at(k, at, A, 1), strlen(A));
	free(before);
	free(after);
	free(at);
}

static void all(enum sync_mode sync)
{
	struct mount_options options = {.sync = sync};
	struct kernel k;
	uint64_t fh;

	kernel_start(&k, &options, shipped);
	CHECK_INT(append_at(&k, "0:", A, 1), strlen(A));
	tails_of_the_log(&k);
	tails_of_a_view(&k);
	polls(&k, "events/app", 11, A);
	polls(&k, "head/app", 12, A);
	polls(&k, "views/count.json", 13, A);
	polls(&k, "views/count.offset", 14, A);
	flaps(&k, 15);
	conditions(&k);
	rotates(&k);
	come_and_go(&k);
	/* At the end those who wait get end-of-file. */
	uint64_t ino = (uint64_t)kernel_lookup(&k, "tail/app");
	CHECK_INT(kernel_open(&k, ino, O_RDONLY, &fh), 0);
	uint64_t read = send_read(&k, ino, fh, 100, 0);
	CHECK(!kernel_poll(&k, read, 20));
	CHECK_INT(write(k.stop_fd[1], "", 1), 1);
	answer_is(&k, read, "");
	kernel_stop(&k);
	kernel_cleanup(&k);
}

int main(void)
{
	all(SYNC_WRITE);
	all(SYNC_CLOSE);
	return 0;
}
