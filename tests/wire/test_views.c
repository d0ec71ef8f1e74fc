/* Views over the wire: freshness, what an open handle holds, waiting and interrupting. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../unit/check.h"
#include "kernel.h"

static const char *const shipped[] = {"count", "todos", NULL};

static void cat_is(struct kernel *k, const char *path, const char *want)
{
	int error;
	char *text = kernel_cat(k, path, &error);

	CHECK_INT(error, 0);
	CHECK_STR(text, want);
	free(text);
}

static void fresh(struct kernel *k)
{
	char want[64];

	cat_is(k, "views/count.json", "{\"count\":0}\n");
	cat_is(k, "views/count.offset", "0\n");
	cat_is(k, "views/count.hash", "\n");
	for (int i = 1; i <= 300; i++) {
		CHECK_INT(kernel_append(k, "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"), 0);
		snprintf(want, sizeof(want), "{\"count\":%d}\n", i);
		cat_is(k, "views/count.json", want);
		snprintf(want, sizeof(want), "%d\n", i * 29);
		cat_is(k, "views/count.offset", want);
	}
}

static void held(struct kernel *k)
{
	int64_t ino = kernel_lookup(k, "views/todos.json");
	char text[200];
	uint64_t fh;

	CHECK(ino > 0);
	CHECK_INT(kernel_append(k, "{\"type\":\"todo_added\",\"data\":{\"text\":\"x\"}}\n"), 0);
	CHECK_INT(kernel_open(k, (uint64_t)ino, O_RDONLY, &fh), 0);
	CHECK_INT(kernel_append(k, "{\"type\":\"todo_added\",\"data\":{\"text\":\"y\"}}\n"), 0);
	/* What was opened is what is read, and what fstat by the same thread says. */
	const char *one = "{\"items\":[{\"id\":0,\"text\":\"x\",\"done\":false}],\"next_id\":1}\n";
	CHECK_INT(kernel_size(k, (uint64_t)ino), strlen(one));
	CHECK_INT(kernel_read(k, (uint64_t)ino, fh, 0, text, sizeof(text)), strlen(one));
	CHECK_MEM(text, strlen(one), one, strlen(one));
	CHECK_INT(kernel_read(k, (uint64_t)ino, fh, 10, text, sizeof(text)), strlen(one) - 10);
	CHECK_INT(kernel_read(k, (uint64_t)ino, fh, strlen(one), text, sizeof(text)), 0);
	k->pid++;
	CHECK(kernel_size(k, (uint64_t)ino) > (int64_t)strlen(one));
	k->pid--;
	/* Offset 0 again is fresh. */
	int n = kernel_read(k, (uint64_t)ino, fh, 0, text, sizeof(text));
	CHECK(n > (int)strlen(one));
	CHECK_INT(kernel_size(k, (uint64_t)ino), n);
	kernel_release(k, (uint64_t)ino, fh);
}

static void waits_and_interrupts(struct kernel *k)
{
	char link[600];
	int error;

	snprintf(link, sizeof(link), "%s/reducers/slow.so", k->dir);
	CHECK_INT(symlink(getenv("WIRE_SLOW"), link), 0);
	cat_is(k, "views/slow.json", "null\n");
	CHECK_INT(kernel_append(k, "{\"type\":\"hang\"}\n"), 0);
	int64_t ino = kernel_lookup(k, "views/slow.json");
	uint64_t waiting[20];
	for (size_t i = 0; i < countof(waiting); i++)
		waiting[i] = kernel_send_open(k, (uint64_t)ino, O_RDONLY);
	/* Others go on meanwhile; who is interrupted is free at once. */
	CHECK_INT(kernel_append(k, "{\"type\":\"a\"}\n"), 0);
	CHECK(!kernel_poll(k, waiting[0], 20));
	for (size_t i = 1; i < countof(waiting); i++)
		kernel_interrupt(k, waiting[i]);
	for (size_t i = 1; i < countof(waiting); i++) {
		struct reply *r = kernel_wait(k, waiting[i]);
		CHECK_INT(r->error, -EINTR);
		free(r);
	}
	/* The one that waits is answered when the reducer is cut off. */
	struct reply *r = kernel_wait(k, waiting[0]);
	CHECK_INT(r->error, -EIO);
	free(r);
	char *text = kernel_cat(k, "views/slow.error", &error);
	CHECK(text && strstr(text, "event "));
	free(text);
	text = kernel_cat(k, "views/count.json", &error);
	CHECK(text);
	free(text);
}

int main(void)
{
	struct mount_options options = {.reduce_timeout_ms = 300};
	struct kernel k;
	int error;

	kernel_start(&k, &options, shipped);
	fresh(&k);
	held(&k);
	waits_and_interrupts(&k);
	char *before = kernel_cat(&k, "views/todos.snapshot.json", &error);
	CHECK(before);
	kernel_stop(&k);
	kernel_restart(&k, &options);
	cat_is(&k, "views/todos.snapshot.json", before);
	free(before);
	kernel_stop(&k);
	kernel_cleanup(&k);
	return 0;
}
