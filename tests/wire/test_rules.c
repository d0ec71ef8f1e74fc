/* Rules, over the wire: who is let in, who waits, who is interrupted, while rules come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "../unit/check.h"
#include "base/clock.h"
#include "kernel.h"

static const struct mount_options in_write = {
    .sync = SYNC_WRITE, .max_line = 1 << 20, .reduce_timeout_ms = 20000, .rules_timeout_ms = 60000};
static const struct mount_options in_close = {
    .sync = SYNC_CLOSE, .max_line = 1 << 20, .reduce_timeout_ms = 20000, .rules_timeout_ms = 60000};

static void define(struct kernel *k, const char *file, const char *program)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", k->dir, file);
	FILE *f = fopen(path, "w");
	CHECK(f && fputs(program, f) >= 0 && fclose(f) == 0);
}

static void drop(struct kernel *k, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", k->dir, file);
	CHECK_INT(unlink(path), 0);
}

#define N "{\"type\":\"n\",\"data\":%d,\"ts\":7}\n"

static int append(struct kernel *k, int n)
{
	char line[64];

	snprintf(line, sizeof(line), N, n);
	return kernel_append(k, line);
}

static void test_let_in(struct kernel *k)
{
	define(k, "reducers/last.jq", "$event.data");
	define(k, "rules/last.jq", "$event.data == (. // 0) + 1");
	for (int n = 1; n < 20; n++) {
		CHECK_INT(append(k, n), 0);
		CHECK_INT(append(k, n), -EPERM);
	}
	kernel_cat_is(k, "views/last.json", "19\n");
	drop(k, "rules/last.jq");
}

/* While one edits, several write and look. */
static void test_edits(struct kernel *k)
{
	for (int i = 0; i < 20; i++) {
		char program[64];
		int error;
		snprintf(program, sizeof(program), "$event.data != %d", i);
		define(k, "rules/form.jq", program);
		CHECK_INT(append(k, i), -EPERM);
		CHECK_INT(append(k, i + 100), 0);
		free(kernel_cat(k, "status.json", &error));
		if (i % 3 == 0)
			drop(k, "rules/form.jq");
		if (i % 3 == 0)
			CHECK_INT(append(k, i), 0);
	}
	define(k, "rules/form.jq", "nope(");
	CHECK_INT(append(k, 1), -EIO);
	drop(k, "rules/form.jq");
	CHECK_INT(append(k, 1), 0);
}

/* One write keeps the others waiting for a moment only: it is told how far that went, and comes back. */
static void test_long(struct kernel *k)
{
	static char data[1 << 12];
	uint64_t ino = (uint64_t)kernel_lookup(k, "events/app"), fh;
	size_t len = 0, at = 0;
	int writes = 0;

	define(k, "rules/long.jq", "reduce range(500000) as $i (0; . + 1) | . > 0");
	for (int n = 0; n < 12; n++)
		len += (size_t)snprintf(data + len, sizeof(data) - len, N, n);
	CHECK_INT(kernel_open(k, ino, O_WRONLY | O_APPEND, &fh), 0);
	int64_t before = kernel_size(k, ino);
	for (; at < len; writes++) {
		int n = kernel_write(k, ino, fh, data + at, len - at);
		CHECK(n > 0);
		at += (size_t)n;
		CHECK_INT(data[at - 1], '\n');
		CHECK_INT(kernel_size(k, ino), before + (int64_t)at);
	}
	CHECK(writes > 1);
	CHECK_INT(kernel_flush(k, ino, fh), 0);
	kernel_release(k, ino, fh);
	drop(k, "rules/long.jq");
}

static struct reply *wait_within(struct kernel *k, uint64_t unique, int ms)
{
	struct reply *r = kernel_poll(k, unique, ms);

	CHECK(r);
	return r;
}

/* Of several who wait for a view each can be interrupted; the others go on, in their order. */
static void test_interrupted(struct kernel *k)
{
	uint64_t ino, fh, waits[4], asked[4];
	char line[64];

	for (int n = 0; n < 20; n++)
		CHECK_INT(append(k, 0), 0);
	define(k, "reducers/slow.jq", "reduce range(30000) as $i (0; . + 1)");
	define(k, "rules/slow.jq", "true");
	for (int i = 0; i < 4; i++) {
		k->pid += 1;
		ino = (uint64_t)kernel_lookup(k, "events/app");
		CHECK_INT(kernel_open(k, ino, O_WRONLY | O_APPEND, &fh), 0);
		snprintf(line, sizeof(line), N, i);
		asked[i] = fh;
		waits[i] = kernel_send_write(k, ino, fh, line, strlen(line));
	}
	kernel_interrupt(k, waits[1]);
	kernel_interrupt(k, waits[3]);
	for (int i = 0; i < 4; i++) {
		struct reply *r = wait_within(k, waits[i], 60000);
		/* It may have been too late for that. */
		CHECK(r->error == 0 || (i % 2 && r->error == -EINTR));
		free(r);
		kernel_release(k, ino, asked[i]);
	}
	drop(k, "rules/slow.jq");
	drop(k, "reducers/slow.jq");
}

/* Its end answers who waits. */
static void test_end(struct kernel *k)
{
	uint64_t ino = (uint64_t)kernel_lookup(k, "events/app"), fh;
	char line[64];

	define(k, "reducers/never.jq", "def f: f; f");
	define(k, "rules/never.jq", "true");
	CHECK_INT(kernel_open(k, ino, O_WRONLY | O_APPEND, &fh), 0);
	snprintf(line, sizeof(line), N, 1);
	uint64_t waits = kernel_send_write(k, ino, fh, line, strlen(line));
	/* It is with the commit thread when what came behind it is answered. */
	(void)kernel_size(k, ino);
	kernel_end(k);
	struct reply *r = kernel_poll(k, waits, 0);
	CHECK(!r || r->error < 0);
	free(r);
}

static void test(const struct mount_options *options)
{
	struct kernel k;

	kernel_start(&k, options, NULL);
	test_let_in(&k);
	test_edits(&k);
	test_long(&k);
	test_interrupted(&k);
	test_end(&k);
	kernel_stop(&k);
	kernel_cleanup(&k);
}

int main(void)
{
	test(&in_write);
	test(&in_close);
	return 0;
}
