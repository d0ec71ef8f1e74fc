#include "store/unpack.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#define INPUT_BYTES (128u << 10)

struct unpack {
	struct disk *disk;
	ZSTD_DCtx *ctx;
	uint64_t at;    /* the frame being decompressed; UINT64_MAX: none */
	uint64_t next;  /* what of the archive comes into `input` next */
	uint64_t inner; /* how much of its content has come out */
	bool ended;
	ZSTD_inBuffer in;
	char input[INPUT_BYTES];
};

int unpack_new(struct unpack **ret, struct disk *disk)
{
	struct unpack *u = malloc(sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->disk = disk;
	u->at = UINT64_MAX;
	u->ctx = ZSTD_createDCtx();
	if (!u->ctx) {
		free(u);
		return -ENOMEM;
	}
	*ret = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->ctx);
	free(u);
}

static void start(struct unpack *u, uint64_t at)
{
	ZSTD_DCtx_reset(u->ctx, ZSTD_reset_session_only);
	u->at = u->next = at;
	u->inner = 0;
	u->ended = false;
	u->in = (ZSTD_inBuffer){u->input, 0, 0};
}

static int refill(struct unpack *u, int fd, uint64_t end)
{
	size_t len = (size_t)min(end - u->next, (uint64_t)INPUT_BYTES);

	if (len == 0) /* the frame goes on behind its own end */
		return -EBADMSG;
	ssize_t n = u->disk->pread(u->disk, fd, u->input, len, (off_t)u->next);
	if (n <= 0) /* the end: somebody has cut the file, and may be about to write it again */
		return n < 0 ? (int)n : -EIO;
	u->next += (uint64_t)n;
	u->in = (ZSTD_inBuffer){u->input, (size_t)n, 0};
	return 0;
}

/* Fills `out`, or comes to the frame's end; where both meet, the end is seen too. */
static int run(struct unpack *u, int fd, uint64_t end, ZSTD_outBuffer *out)
{
	while (!u->ended) {
		bool full = out->pos == out->size;
		size_t out_pos = out->pos, in_pos = u->in.pos;
		size_t r = ZSTD_decompressStream(u->ctx, out, &u->in);
		if (ZSTD_isError(r))
			return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
		u->inner += out->pos - out_pos;
		u->ended = r == 0;
		if (u->ended || out->pos > out_pos || u->in.pos > in_pos)
			continue;
		if (full && (u->in.pos < u->in.size || u->next == end))
			return 0; /* more content is waiting */
		int err = refill(u, fd, end);
		if (err < 0)
			return err;
	}
	return 0;
}

static int next(struct unpack *u, int fd, uint64_t at, uint64_t size, uint64_t inner, char *out, size_t len,
		size_t *ret_len, bool *ret_last)
{
	if (u->at != at || u->inner != inner || inner == 0)
		start(u, at);
	while (u->inner < inner && !u->ended) {
		ZSTD_outBuffer waste = {out, (size_t)min((uint64_t)len, inner - u->inner), 0};
		int r = run(u, fd, at + size, &waste);
		if (r < 0)
			return r;
	}
	if (u->inner != inner)
		return -EBADMSG;
	ZSTD_outBuffer buffer = {out, len, 0};
	int r = run(u, fd, at + size, &buffer);
	*ret_len = buffer.pos;
	*ret_last = u->ended;
	return r;
}

int unpack_next(struct unpack *u, int fd, uint64_t at, uint64_t size, uint64_t inner, char *out, size_t len,
		size_t *ret_len, bool *ret_last)
{
	int r = next(u, fd, at, size, inner, out, len, ret_len, ret_last);

	if (r < 0)
		u->at = UINT64_MAX;
	return r;
}

int unpack_piece(struct unpack *u, int fd, const struct index_entry *e, char *out)
{
	size_t len;
	bool last;
	int r = unpack_next(u, fd, e->at, e->size, e->inner, out, (size_t)e->bytes, &len, &last);

	if (r < 0)
		return r;
	return len == e->bytes && last == e->last ? 0 : -EBADMSG;
}
