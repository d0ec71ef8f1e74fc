/* Views over the wire: freshness, what an open handle holds, waiting and interrupting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../unit/check.h"
#include "kernel.h"

static const char *const shipped[] = {"count", "todos", NULL};

static void fresh(struct kernel *k)
{
	char want[64];

	kernel_cat_is(k, "views/count.json", "{\"count\":0}\n");
	kernel_cat_is(k, "views/count.offset", "0\n");
	kernel_cat_is(k, "views/count.hash", "\n");
	for (int i = 1; i <= 300; i++) {
		CHECK_INT(kernel_append(k, "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"), 0);
		snprintf(want, sizeof(want), "{\"count\":%d}\n", i);
		kernel_cat_is(k, "views/count.json", want);
		snprintf(want, sizeof(want), "%d\n", i * 29);
		kernel_cat_is(k, "views/count.offset", want);
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
	kernel_cat_is(k, "views/slow.json", "null\n");
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

static bool is_looker(pid_t pid)
{
	char path[64], text[64] = {0};

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	return n > 0 && strcmp(text + strlen(text) + 1, "looker") == 0;
}

/* The process that looks where this one could be stuck; 0: none runs. */
static pid_t looker(void)
{
	DIR *tasks = opendir("/proc/self/task");
	pid_t found = 0;
	int pid;

	CHECK(tasks);
	for (struct dirent *d; !found && (d = readdir(tasks));) {
		char path[300];
		snprintf(path, sizeof(path), "/proc/self/task/%s/children", d->d_name);
		FILE *children = fopen(path, "r");
		while (children && !found && fscanf(children, "%d", &pid) == 1)
			if (is_looker(pid))
				found = pid;
		if (children)
			fclose(children);
	}
	closedir(tasks);
	return found;
}

static bool has_error(struct kernel *k, const char *view, const char *want)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), "views/%s.error", view);
	char *text = kernel_cat(k, path, &error);
	bool has = text && strstr(text, want);
	free(text);
	return has;
}

/* A reducer that lies where a look may hang, and a look that does hang. sysfs stands for what is no disk of
 * this machine. */
static void stuck_looks(struct kernel *k)
{
	char link[600], want[64];
	struct statfs fs;
	int error;

	if (statfs("/sys/kernel/notes", &fs) < 0 || fs.f_type != SYSFS_MAGIC) {
		puts("no /sys/kernel/notes here: looks that hang are left out");
		return;
	}
	snprintf(link, sizeof(link), "%s/reducers/far.jq", k->dir);
	CHECK_INT(symlink("/sys/kernel/notes", link), 0);
	int64_t ino = kernel_lookup(k, "views/far.json");
	CHECK(ino > 0);
	CHECK(!kernel_cat(k, "views/far.json", &error));
	CHECK_INT(error, -EIO);
	pid_t pid = looker();
	CHECK(pid > 0);
	CHECK_INT(kill(pid, SIGSTOP), 0);
	/* Who needs to know waits, and is free at once where it is interrupted. Nobody else waits. */
	uint64_t waiting[20];
	for (size_t i = 0; i < countof(waiting); i++)
		waiting[i] = kernel_send_open(k, (uint64_t)ino, O_RDONLY);
	CHECK(kernel_lookup(k, "views/far.json") > 0);
	CHECK(!kernel_poll(k, waiting[0], 50));
	for (size_t i = 1; i < countof(waiting); i++)
		kernel_interrupt(k, waiting[i]);
	for (size_t i = 1; i < countof(waiting); i++) {
		struct reply *r = kernel_wait(k, waiting[i]);
		CHECK_INT(r->error, -EINTR);
		free(r);
	}
	char *head = kernel_cat(k, "views/count.offset", &(int){0});
	CHECK_INT(kernel_append(k, "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"), 0);
	snprintf(want, sizeof(want), "%llu\n", strtoull(head, NULL, 10) + 29);
	kernel_cat_is(k, "views/count.offset", want);
	free(head);
	/* It is given up; from then on nobody waits for it. */
	struct reply *r = kernel_wait(k, waiting[0]);
	CHECK_INT(r->error, -EIO);
	free(r);
	/* It comes by itself, by another looker, if it has not already. */
	for (unsigned i = 0; !has_error(k, "far", "zero byte"); i++) {
		CHECK(i < 3000);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	CHECK_INT(unlink(link), 0);
	CHECK_INT(kernel_lookup(k, "views/far.json"), -ENOENT);
}

/* Opens, of now and of the past, that wait when the mount ends. */
static void end_while_waiting(void)
{
	static const char *const names[] = {"views/slow.json", "at/1/slow.json"};
	uint64_t waiting[countof(names)];
	struct kernel k;
	char link[600];

	kernel_start(&k, NULL, NULL);
	snprintf(link, sizeof(link), "%s/reducers/slow.so", k.dir);
	CHECK_INT(symlink(getenv("WIRE_SLOW"), link), 0);
	kernel_cat_is(&k, "views/slow.json", "null\n");
	CHECK_INT(kernel_append(&k, "{\"type\":\"hang\"}\n"), 0);
	for (size_t i = 0; i < countof(names); i++)
		waiting[i] = kernel_send_open(&k, (uint64_t)kernel_lookup(&k, names[i]), O_RDONLY);
	CHECK(!kernel_poll(&k, waiting[0], 20));
	kernel_end(&k);
	for (size_t i = 0; i < countof(names); i++) {
		struct reply *r = kernel_wait(&k, waiting[i]);
		CHECK_INT(r->error, -ENOTCONN);
		free(r);
	}
	kernel_stop(&k);
	kernel_cleanup(&k);
}

int main(void)
{
	struct mount_options options = {.reduce_timeout_ms = 1000};
	struct kernel k;
	int error;

	kernel_start(&k, &options, shipped);
	fresh(&k);
	held(&k);
	waits_and_interrupts(&k);
	stuck_looks(&k);
	char *before = kernel_cat(&k, "views/todos.snapshot.json", &error);
	CHECK(before);
	kernel_stop(&k);
	kernel_restart(&k, &options);
	kernel_cat_is(&k, "views/todos.snapshot.json", before);
	free(before);
	kernel_stop(&k);
	kernel_cleanup(&k);
	end_while_waiting();
	return 0;
}
