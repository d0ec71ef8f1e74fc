/* events/app over the wire: appending, reading, closing, and all that is refused. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "../unit/check.h"
#include "kernel.h"

#define A "{\"type\":\"a\",\"data\":1,\"ts\":7}"
#define B "{\"type\":\"b\",\"data\":2,\"ts\":8}"

static void appends(struct kernel *k)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh, other;

	CHECK_INT(kernel_size(k, app), 0);
	kernel_cat_is(k, "head/app", "0:\n");
	CHECK_INT(kernel_append(k, A "\n"), 0);
	kernel_cat_is(k, "events/app", A "\n");
	/* Truncating truncates nothing; lines of two writers do not mix. */
	CHECK_INT(kernel_open(k, app, O_WRONLY | O_TRUNC, &fh), 0);
	CHECK_INT(kernel_open(k, app, O_WRONLY | O_APPEND, &other), 0);
	CHECK_INT(kernel_write(k, app, fh, "{\"type\":", 8), 8);
	CHECK_INT(kernel_write(k, app, other, B "\n", strlen(B) + 1), strlen(B) + 1);
	CHECK_INT(kernel_write(k, app, fh, "\"c\",\"data\":3,\"ts\":9}\n", 21), 21);
	kernel_cat_is(k, "events/app", A "\n" B "\n{\"type\":\"c\",\"data\":3,\"ts\":9}\n");
	CHECK_INT(kernel_flush(k, app, fh), 0);
	kernel_release(k, app, fh);
	/* A short count before a bad line, then its error; the guard. */
	CHECK_INT(kernel_write(k, app, other, A "\nx\n", strlen(A) + 3), strlen(A) + 1);
	CHECK_INT(kernel_write(k, app, other, "x\n", 2), -EINVAL);
	kernel_release(k, app, other);
	CHECK_INT(kernel_open(k, app, O_WRONLY | O_TRUNC, &fh), 0);
	CHECK_INT(kernel_write(k, app, fh, A "\n" B "\n", strlen(A B) + 2), -EPERM);
	CHECK_INT(kernel_write(k, app, fh, "{\"type\":\"d\"}\n", 13), -EPERM);
	kernel_release(k, app, fh);
}

static void closes(struct kernel *k)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh;
	int64_t size = kernel_size(k, app);
	int error;

	/* A whole event without its newline is appended by a close; half a one is not, and is refused at
	 * last. */
	CHECK_INT(kernel_open(k, app, O_WRONLY, &fh), 0);
	CHECK_INT(kernel_write(k, app, fh, B, strlen(B)), strlen(B));
	CHECK_INT(kernel_size(k, app), size);
	CHECK_INT(kernel_flush(k, app, fh), 0);
	CHECK_INT(kernel_size(k, app), size + (int64_t)strlen(B) + 1);
	CHECK_INT(kernel_write(k, app, fh, "\n{\"type\":\"half", 14), 14);
	CHECK_INT(kernel_flush(k, app, fh), -EINVAL);
	CHECK_INT(kernel_flush(k, app, fh), -EINVAL);
	kernel_release(k, app, fh);
	CHECK_INT(kernel_size(k, app), size + (int64_t)strlen(B) + 1);
	char *text = kernel_cat(k, "rejected.jsonl", &error);
	CHECK(text && strstr(text, "\"line\":\"{\\\"type\\\":\\\"half\"}\n"));
	free(text);
}

/* A request of the process `pid` through its own table of descriptors. */
static int flush_by(struct kernel *k, uint32_t pid, uint64_t app, uint64_t fh)
{
	struct fuse_flush_in in = {.fh = fh, .lock_owner = pid};

	k->pid = pid;
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_FLUSH, app, &in, sizeof(in), NULL, 0));
	k->pid = (uint32_t)getpid();
	int error = r->error;
	free(r);
	return error;
}

static void write_by(struct kernel *k, uint32_t pid, uint64_t app, uint64_t fh, const char *text)
{
	struct fuse_write_in in = {.fh = fh, .size = (uint32_t)strlen(text), .lock_owner = pid};

	k->pid = pid;
	struct reply *r =
	    kernel_wait(k, kernel_send(k, FUSE_WRITE, app, &in, sizeof(in), text, strlen(text)));
	k->pid = (uint32_t)getpid();
	CHECK_INT(r->error, 0);
	free(r);
}

/* One line by several programs. `opener` and `child` are process ids; 0 for both: in a namespace that can't
 * be seen. */
static void inherited(struct kernel *k, uint32_t opener, uint32_t child)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh;
	int64_t size = kernel_size(k, app);
	const uint64_t theirs = child + 7;

	k->pid = opener;
	CHECK_INT(kernel_open(k, app, O_WRONLY | O_APPEND, &fh), 0);
	k->pid = (uint32_t)getpid();
	write_by(k, opener, app, fh, "{\"type\":\"a\",");
	struct fuse_write_in in = {.fh = fh, .size = 9, .lock_owner = theirs};
	struct fuse_flush_in flush = {.fh = fh, .lock_owner = theirs};
	k->pid = child;
	free(kernel_wait(k, kernel_send(k, FUSE_WRITE, app, &in, sizeof(in), "\"data\":1,", 9)));
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_FLUSH, app, &flush, sizeof(flush), NULL, 0));
	CHECK_INT(r->error, 0);
	free(r);
	k->pid = (uint32_t)getpid();
	CHECK_INT(flush_by(k, opener, app, fh), -EINVAL);
	CHECK_INT(kernel_size(k, app), size);
	write_by(k, opener, app, fh, "\"ts\":7}\n{\"rest");
	CHECK_INT(kernel_size(k, app), size + (int64_t)strlen(A) + 1);
	kernel_release(k, app, fh);
	int error;
	char *text = kernel_cat(k, "rejected.jsonl", &error);
	CHECK(text && strstr(text, "\"line\":\"{\\\"rest\"}\n"));
	free(text);
}

/* Reads of all offsets and sizes are pieces of the whole. */
static void random_access(struct kernel *k)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh;
	int error;
	char *all = kernel_cat(k, "events/app", &error), part[64];
	int len = (int)strlen(all);

	CHECK_INT(kernel_open(k, app, O_RDONLY, &fh), 0);
	for (int off = 0; off <= len + 1; off += 3) {
		int left = max(len - off, 0), want = min(left, 50);
		CHECK_INT(kernel_read(k, app, fh, (uint64_t)off, part, 50), want);
		CHECK(memcmp(all + off, part, (size_t)want) == 0);
	}
	kernel_release(k, app, fh);
	free(all);
}

static void refused(struct kernel *k)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh;
	struct fuse_setattr_in in = {.valid = FATTR_SIZE};

	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, app, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, -EPERM);
	free(r);
	in.valid = FATTR_MTIME;
	r = kernel_wait(k, kernel_send(k, FUSE_SETATTR, app, &in, sizeof(in), NULL, 0));
	CHECK_INT(r->error, 0);
	free(r);
	r = kernel_wait(k, kernel_send(k, FUSE_UNLINK, 2, NULL, 0, "app", 4));
	CHECK_INT(r->error, -EPERM);
	free(r);
	CHECK_INT(kernel_lookup(k, "events/nothing"), -ENOENT);
	CHECK_INT(kernel_lookup(k, "views/none.json"), -ENOENT);
	CHECK_INT(kernel_open(k, (uint64_t)kernel_lookup(k, "status.json"), O_WRONLY, &fh), -EACCES);
}

/* A close of a copy of the descriptor while a write is on its way to the disk. */
static void close_during_write(struct kernel *k)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), fh;
	struct fuse_flush_in in = {0};

	CHECK_INT(kernel_open(k, app, O_WRONLY | O_APPEND, &fh), 0);
	in.fh = fh;
	for (int i = 0; i < 200; i++) {
		uint64_t write = kernel_send_write(k, app, fh, A "\n{\"ty", strlen(A) + 5);
		uint64_t flush = kernel_send(k, FUSE_FLUSH, app, &in, sizeof(in), NULL, 0);
		struct reply *w = kernel_wait(k, write), *f = kernel_wait(k, flush);
		CHECK_INT(w->error, 0);
		CHECK(f->error == 0 || f->error == -EINVAL);
		free(w);
		free(f);
		CHECK_INT(kernel_write(k, app, fh, "pe\":\"x\"}\n", 9), 9);
	}
	kernel_release(k, app, fh);
}

/* Holds the commit thread up where it has answered a request. */
static struct {
	_Atomic uint64_t unique;
	sem_t there, go;
} gate;

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		CHECK_INT(errno, EINTR);
}

static void at_gate(struct kernel *k, uint64_t unique)
{
	if (!atomic_compare_exchange_strong(&gate.unique, &unique, 0))
		return;
	sem_post(&gate.there);
	wait_for(&gate.go);
}

/* The write brings a line and what `rest` is, and the file is closed twice before it is in the log. */
static void close_behind(struct kernel *k, const char *rest, int want, int64_t want_more)
{
	uint64_t app = (uint64_t)kernel_lookup(k, "events/app"), other, fh;
	int64_t size = kernel_size(k, app);
	struct fuse_flush_in in = {0};
	char text[128];

	CHECK_INT(kernel_open(k, app, O_WRONLY | O_APPEND, &other), 0);
	gate.unique = k->unique + 2;
	struct reply *held = kernel_wait(k, kernel_send_write(k, app, other, B "\n", strlen(B) + 1));
	CHECK_INT(held->error, 0);
	wait_for(&gate.there);
	free(held);
	size += (int64_t)strlen(B) + 1;
	CHECK_INT(kernel_open(k, app, O_WRONLY | O_APPEND, &fh), 0);
	snprintf(text, sizeof(text), A "\n%s", rest);
	in.fh = fh;
	uint64_t write = kernel_send_write(k, app, fh, text, strlen(text));
	uint64_t flush = kernel_send(k, FUSE_FLUSH, app, &in, sizeof(in), NULL, 0);
	uint64_t again = kernel_send(k, FUSE_FLUSH, app, &in, sizeof(in), NULL, 0);
	/* Behind them in the same thread. */
	CHECK_INT(kernel_size(k, app), size);
	CHECK(!kernel_poll(k, flush, 0) && !kernel_poll(k, write, 0));
	sem_post(&gate.go);
	struct reply *w = kernel_wait(k, write), *f = kernel_wait(k, flush), *g = kernel_wait(k, again);
	CHECK_INT(w->error, 0);
	CHECK_INT(f->error, want);
	CHECK_INT(g->error, want);
	free(w);
	free(f);
	free(g);
	CHECK_INT(kernel_size(k, app), size + (int64_t)strlen(A) + 1 + want_more);
	/* The writer is the next write's again. */
	CHECK_INT(kernel_write(k, app, fh, "\n", 1), want ? -EINVAL : 1);
	kernel_release(k, app, fh);
	kernel_release(k, app, other);
}

static void closes_behind_a_write(void)
{
	struct kernel k;

	sem_init(&gate.there, 0, 0);
	sem_init(&gate.go, 0, 0);
	kernel_start(&k, NULL, NULL);
	k.replied = at_gate;
	close_behind(&k, B, 0, (int64_t)strlen(B) + 1);
	close_behind(&k, "", 0, 0);
	close_behind(&k, "{\"type\":", -EINVAL, 0);
	k.replied = NULL;
	kernel_stop(&k);
	kernel_cleanup(&k);
}

static bool data_has(struct kernel *k, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", k->dir, name);
	return access(path, F_OK) == 0;
}

/* Whoever waits for a rotation that takes its time can be interrupted; the rotation goes on. */
static void interrupted_rotation(void)
{
	struct kernel k;
	uint64_t ctl, fh;

	sem_init(&gate.there, 0, 0);
	sem_init(&gate.go, 0, 0);
	kernel_start(&k, NULL, NULL);
	ctl = (uint64_t)kernel_lookup(&k, "ctl");
	CHECK_INT(kernel_open(&k, ctl, O_WRONLY, &fh), 0);
	CHECK_INT(kernel_append(&k, A "\n"), 0);
	/* The first one's answer keeps the thread that compresses. */
	gate.unique = k.unique + 2;
	k.replied = at_gate;
	CHECK_INT(kernel_write(&k, ctl, fh, "rotate", 6), 6);
	wait_for(&gate.there);
	CHECK_INT(kernel_append(&k, B "\n"), 0);
	uint64_t waits = kernel_send_write(&k, ctl, fh, "rotate", 6);
	uint64_t too = kernel_send_write(&k, ctl, fh, "rotate", 6);
	CHECK(!kernel_poll(&k, waits, 20));
	kernel_interrupt(&k, waits);
	struct reply *r = kernel_wait(&k, waits);
	CHECK_INT(r->error, -EINTR);
	free(r);
	CHECK(!kernel_poll(&k, too, 20));
	/* The second is committed after the log was sealed. */
	CHECK_INT(kernel_append(&k, A "\n"), 0);
	CHECK_INT(kernel_append(&k, A "\n"), 0);
	CHECK(data_has(&k, "app.jsonl.sealed"));
	sem_post(&gate.go);
	r = kernel_wait(&k, too);
	CHECK_INT(r->error, 0);
	free(r);
	CHECK(!data_has(&k, "app.jsonl.sealed"));
	kernel_cat_is(&k, "events/app", A "\n" B "\n" A "\n" A "\n");
	k.replied = NULL;
	kernel_release(&k, ctl, fh);
	kernel_stop(&k);
	kernel_cleanup(&k);
}

static void all(enum sync_mode sync)
{
	struct mount_options options = {.sync = sync};
	struct kernel k;
	int error;

	kernel_start(&k, &options, NULL);
	appends(&k);
	closes(&k);
	inherited(&k, (uint32_t)getpid(), 1);
	inherited(&k, 0, 0);
	random_access(&k);
	refused(&k);
	close_during_write(&k);
	int64_t size = kernel_size(&k, (uint64_t)kernel_lookup(&k, "events/app"));
	char *before = kernel_cat(&k, "events/app", &error);
	kernel_stop(&k);
	kernel_restart(&k, &options);
	CHECK_INT(kernel_size(&k, (uint64_t)kernel_lookup(&k, "events/app")), size);
	kernel_cat_is(&k, "events/app", before);
	free(before);
	kernel_stop(&k);
	kernel_cleanup(&k);
}

int main(void)
{
	all(SYNC_WRITE);
	all(SYNC_CLOSE);
	all(SYNC_NONE);
	closes_behind_a_write();
	interrupted_rotation();
	return 0;
}
