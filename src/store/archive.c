#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "store/lines.h"
#include "store/record.h"
#include "store/sha.h"

#define LEVEL 1 /* faster than `zstd -3`, and within a few percent of its size */
#define CHUNK_BYTES (128u << 10)
#define SYNC_BYTES (1u << 20) /* small syncs often: one large one would hold up the committer's */

struct writer {
	struct disk *disk;
	int fd, src_fd;
	uint64_t begin; /* where the BEGIN stands */
	struct archive_mark mark;
	uint64_t synced; /* mark.size at the last sync */
	line_time *time_of;
	struct buf lines; /* of a frame, for their times */
	struct sha256_ctx sha;
	bool proves; /* that is known */
	ZSTD_CCtx *ctx;
	char *in, *out;
};

static void writer_deinit(struct writer *w)
{
	ZSTD_freeCCtx(w->ctx);
	free(w->in);
	free(w->out);
	buf_deinit(&w->lines);
}

static int put(struct writer *w, const void *data, size_t len)
{
	size_t done;
	int r = disk_pwrite_all(w->disk, w->fd, data, len, (off_t)w->mark.size, &done);

	if (r == 0)
		w->mark.size += len;
	return r;
}

static int put_record(struct writer *w, struct record rec)
{
	unsigned char bytes[RECORD_SIZE];

	rec.at = w->mark.size;
	rec.pos = w->mark.pos;
	rec.frames = w->mark.frames;
	rec.begin = w->begin;
	rec.latest = w->mark.latest;
	rec.sha = w->mark.sha;
	return put(w, bytes, record_write(&rec, bytes));
}

/* The end of the frame that begins at `from`: whole lines, about frame_bytes of them, but at least one. */
static int find_frame_end(struct writer *w, uint64_t from, uint64_t size, size_t frame_bytes, uint64_t *ret)
{
	*ret = size;
	if (size - from <= frame_bytes)
		return 0;
	int r = lines_find_begin(w->disk, w->src_fd, from, from + frame_bytes, ret);
	if (r < 0 || *ret > from)
		return r;
	for (uint64_t at = from + frame_bytes; at < size;) {
		size_t len = (size_t)min(size - at, (uint64_t)CHUNK_BYTES);
		r = disk_pread_exact(w->disk, w->src_fd, w->in, len, (off_t)at);
		if (r < 0)
			return r;
		const char *nl = memchr(w->in, '\n', len);
		if (nl) {
			*ret = at + (size_t)(nl - w->in) + 1;
			return 0;
		}
		at += len;
	}
	*ret = size;
	return 0;
}

static int flush(struct writer *w, ZSTD_inBuffer *in, bool last)
{
	size_t left;

	do {
		ZSTD_outBuffer out = {w->out, CHUNK_BYTES, 0};
		left = ZSTD_compressStream2(w->ctx, &out, in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return -ENOMEM; /* the one thing that can go wrong with valid parameters */
		int r = out.pos ? put(w, w->out, out.pos) : 0;
		if (r < 0)
			return r;
	} while (last ? left > 0 : in->pos < in->size);
	return 0;
}

static int compress(struct writer *w, uint64_t from, uint64_t to, uint64_t *ret_lines)
{
	*ret_lines = 0;
	ZSTD_CCtx_reset(w->ctx, ZSTD_reset_session_only);
	if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(w->ctx, to - from)))
		return -ENOMEM;
	while (from < to) {
		size_t len = (size_t)min(to - from, (uint64_t)CHUNK_BYTES);
		int r = disk_pread_exact(w->disk, w->src_fd, w->in, len, (off_t)from);
		if (r < 0)
			return r;
		*ret_lines += lines_count(w->in, len);
		if (w->proves)
			sha256_update(&w->sha, len, (const uint8_t *)w->in);
		from += len;
		ZSTD_inBuffer in = {w->in, len, 0};
		r = flush(w, &in, from == to);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The hash of the last line that ends in from..to; stays as it is where none does. */
static int hash_last(struct writer *w, uint64_t from, uint64_t to, uint64_t *hash)
{
	uint64_t end, begin;
	int r = lines_find_begin(w->disk, w->src_fd, from, to, &end);

	if (r < 0 || end == from)
		return r;
	r = lines_find_begin(w->disk, w->src_fd, from, end - 1, &begin);
	return r < 0 ? r : lines_hash(w->disk, w->src_fd, begin, end - 1, hash);
}

/* Moves mark.latest on by the lines in from..to. A failure costs no more than knowing it. */
static void raise_latest(struct writer *w, uint64_t from, uint64_t to)
{
	size_t len = (size_t)(to - from);

	if (!w->mark.latest)
		return;
	buf_clear(&w->lines);
	if (buf_reserve(&w->lines, len) < 0 ||
	    disk_pread_exact(w->disk, w->src_fd, w->lines.data, len, (off_t)from) < 0)
		w->mark.latest = 0;
	else
		latest_raise(w->time_of, (struct slice){w->lines.data, len}, &w->mark.latest);
	/* One long line must not keep its memory for good. */
	if (len > 4 * (size_t)LIMIT_FRAME)
		buf_deinit(&w->lines);
}

static int put_frame(struct writer *w, uint64_t from, uint64_t to)
{
	struct record rec = {.kind = RECORD_FRAME, .frame_bytes = to - from};
	uint64_t at = w->mark.size;

	int r = compress(w, from, to, &rec.frame_lines);
	if (r == 0)
		r = hash_last(w, from, to, &w->mark.pos.hash);
	if (r < 0)
		return r;
	rec.frame_size = w->mark.size - at;
	w->mark.pos.off += rec.frame_bytes;
	w->mark.pos.seq += rec.frame_lines;
	w->mark.frames++;
	raise_latest(w, from, to);
	if (w->proves)
		sha_store(&w->sha, &w->mark.sha);
	r = put_record(w, rec);
	if (r == 0 && w->mark.size - w->synced >= SYNC_BYTES) {
		r = w->disk->sync(w->disk, w->fd);
		w->synced = w->mark.size;
	}
	return r;
}

static int put_rotation(struct writer *w, uint64_t src_size, const struct archive_manner *manner)
{
	uint64_t to;

	int r = put_record(w, (struct record){.kind = RECORD_BEGIN});
	w->mark.latest = manner->time_of ? manner->latest : 0;
	w->mark.sha = (struct record_sha){0};
	w->proves = sha_is_known(&manner->sha) && sha_resume(&w->sha, &manner->sha, w->mark.pos.off);
	for (uint64_t from = 0; r == 0 && from < src_size; from = to) {
		r = find_frame_end(w, from, src_size, manner->frame_bytes, &to);
		if (r == 0)
			r = put_frame(w, from, to);
	}
	return r < 0 ? r : w->disk->sync(w->disk, w->fd);
}

int archive_write(struct disk *disk, int fd, struct archive_mark *mark, int src_fd, uint64_t src_size,
		  const struct archive_manner *manner)
{
	struct writer w cleanup(writer_deinit) = {
	    .disk = disk,
	    .fd = fd,
	    .src_fd = src_fd,
	    .begin = mark->size,
	    .mark = *mark,
	    .synced = mark->size,
	    .time_of = manner->time_of,
	    .ctx = ZSTD_createCCtx(),
	    .in = malloc(CHUNK_BYTES),
	    .out = malloc(CHUNK_BYTES),
	};

	if (!w.ctx || !w.in || !w.out)
		return -ENOMEM;
	ZSTD_CCtx_setParameter(w.ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w.ctx, ZSTD_c_checksumFlag, 1);
	int r = put_rotation(&w, src_size, manner);
	if (r == 0)
		*mark = w.mark;
	return r;
}

int archive_end(struct disk *disk, int fd, struct archive_mark *mark)
{
	struct writer w = {.disk = disk, .fd = fd, .mark = *mark};
	int r = put_record(&w, (struct record){.kind = RECORD_END});

	if (r == 0)
		r = disk->sync(disk, fd);
	if (r == 0)
		*mark = w.mark;
	return r;
}
