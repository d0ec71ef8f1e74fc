/* head/app.sha256, tail/head and tail/app@OFFSET:HASH over the wire: what waits for the prover thread,
 * whatever comes meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>

#include "../unit/check.h"
#include "kernel.h"

#define A "{\"type\":\"a\",\"data\":1,\"ts\":7}\n"

/* What head/app.sha256 has to say of so many lines. */
static void head_of(unsigned lines, char ret[128], char sha[65])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	for (unsigned i = 0; i < lines; i++)
		sha256_update(&ctx, strlen(A), (const uint8_t *)A);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(sha + 2 * i, "%02x", digest[i]);
	sprintf(ret, "%s  %zu\n", sha, lines * strlen(A));
}

static void head_is(struct kernel *k, unsigned lines)
{
	char want[128], sha[65];

	head_of(lines, want, sha);
	kernel_cat_is(k, "head/app.sha256", want);
	CHECK_INT(kernel_size(k, (uint64_t)kernel_lookup(k, "head/app.sha256")), (int64_t)strlen(want));
}

static void rotate(struct kernel *k)
{
	uint64_t ctl = (uint64_t)kernel_lookup(k, "ctl"), fh;

	CHECK_INT(kernel_open(k, ctl, O_WRONLY, &fh), 0);
	CHECK_INT(kernel_write(k, ctl, fh, "rotate", 6), 6);
	kernel_release(k, ctl, fh);
}

static uint64_t send_read(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_read_in in = {.fh = fh, .size = 4096, .read_flags = FUSE_READ_LOCKOWNER, .lock_owner = 1};

	return kernel_send(k, FUSE_READ, ino, &in, sizeof(in), NULL, 0);
}

static void is_line(struct reply *r, unsigned lines)
{
	char want[128], head[128], sha[65];

	head_of(lines, head, sha);
	CHECK_INT(r->error, 0);
	snprintf(want, sizeof(want), "%zu %016" PRIx64 " %s\n", lines * strlen(A),
		 log_hash((struct slice){A, strlen(A) - 1}), sha);
	CHECK_MEM(r->data.data, r->data.len, want, strlen(want));
	free(r);
}

static void heads(struct kernel *k)
{
	unsigned lines = 0;

	head_is(k, 0);
	for (; lines < 30; lines++) {
		head_is(k, lines);
		CHECK_INT(kernel_append(k, A), 0);
		if (lines % 7 == 3)
			rotate(k);
	}
	head_is(k, lines);
}

/* Reads that wait: for an event, for an interrupt, and for the end. */
static void tails(struct kernel *k, unsigned lines)
{
	uint64_t tail = (uint64_t)kernel_lookup(k, "tail/head"), fh, other;

	CHECK_INT(kernel_open(k, tail, O_RDONLY, &fh), 0);
	is_line(kernel_wait(k, send_read(k, tail, fh)), lines);
	uint64_t waits = send_read(k, tail, fh);
	CHECK(!kernel_poll(k, waits, 20));
	for (unsigned i = 0; i < 5; i++) {
		CHECK_INT(kernel_append(k, A), 0);
		is_line(kernel_wait(k, waits), ++lines);
		waits = send_read(k, tail, fh);
	}
	kernel_interrupt(k, waits);
	struct reply *r = kernel_wait(k, waits);
	CHECK_INT(r->error, -EINTR);
	free(r);
	CHECK_INT(kernel_open(k, tail, O_RDONLY, &other), 0);
	is_line(kernel_wait(k, send_read(k, tail, other)), lines);
	uint64_t one = send_read(k, tail, fh), two = send_read(k, tail, other);
	kernel_end(k);
	for (unsigned i = 0; i < 2; i++) {
		r = kernel_wait(k, i ? two : one);
		CHECK_INT(r->error, 0);
		CHECK_INT(r->data.len, 0);
		free(r);
	}
}

static int open_tail(struct kernel *k, uint64_t off, uint64_t hash)
{
	char path[64];
	uint64_t fh;

	snprintf(path, sizeof(path), "tail/app@%" PRIu64 ":%016" PRIx64, off, hash);
	int64_t ino = kernel_lookup(k, path);
	CHECK(ino > 0);
	int r = kernel_open_once(k, (uint64_t)ino, O_RDONLY, &fh);
	if (r == 0)
		kernel_release(k, (uint64_t)ino, fh);
	return r;
}

static void conditional(struct kernel *k, unsigned lines)
{
	uint64_t hash = log_hash((struct slice){A, strlen(A) - 1});

	for (unsigned i = 1; i <= lines; i++) {
		CHECK_INT(open_tail(k, i * strlen(A), hash), 0);
		CHECK_INT(open_tail(k, i * strlen(A), hash + 1), -ESTALE);
		CHECK_INT(open_tail(k, i * strlen(A) - 1, hash), -ESTALE);
	}
	CHECK_INT(open_tail(k, (lines + 1) * strlen(A), hash), -ESTALE);
}

int main(void)
{
	for (enum sync_mode sync = SYNC_WRITE; sync <= SYNC_NONE; sync++) {
		struct kernel k;
		struct mount_options options = {.sync = sync};
		kernel_start(&k, &options, NULL);
		heads(&k);
		conditional(&k, 30);
		kernel_stop(&k);
		kernel_restart(&k, &options);
		head_is(&k, 30);
		tails(&k, 30);
		kernel_stop(&k);
		kernel_cleanup(&k);
	}
	return 0;
}
