#include "store/reader.h"

#include <errno.h>

#include "store/lines.h"
#include "store/reader_impl.h"

static void sum_reset(struct reader *r)
{
	XXH64_reset(&r->sum, 0);
	r->sum_off = r->files.active_begin.off;
}

int reader_new(struct reader **ret, struct disk *disk, struct log_files *files)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r) {
		log_files_deinit(files);
		return -ENOMEM;
	}
	r->disk = disk;
	r->files = *files;
	*files = LOG_FILES_NONE;
	frames_init(&r->frames, disk, r->files.archive_fd, r->files.archive_size);
	sum_reset(r);
	*ret = r;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	log_files_deinit(&r->files);
	frames_deinit(&r->frames);
	free(r->marks);
	free(r->times);
	free(r);
}

int reader_update(struct reader *r, struct log_files *files)
{
	bool same_active = files->active_begin.off == r->files.active_begin.off;

	log_files_deinit(&r->files);
	r->files = *files;
	*files = LOG_FILES_NONE;
	/* The marks stay right: what comes before them does not change. */
	frames_update(&r->frames, r->files.archive_fd, r->files.archive_size);
	if (!same_active)
		sum_reset(r);
	return 0;
}

static int plain_read(struct reader *r, int fd, uint64_t at, void *data, size_t len, size_t *ret_len)
{
	ssize_t n = fd < 0 ? -EIO : r->disk->pread(r->disk, fd, data, len, (off_t)at);

	if (n <= 0) /* the end: somebody has cut the file */
		return n < 0 ? (int)n : -EIO;
	*ret_len = (size_t)n;
	return 0;
}

int reader_read(struct reader *r, uint64_t off, uint64_t limit, void *data, size_t len, size_t *ret_len,
		uint64_t *ret_skip)
{
	const struct log_files *f = &r->files;

	*ret_len = 0;
	*ret_skip = 0;
	if (off >= limit || len == 0)
		return 0;
	len = (size_t)min((uint64_t)len, limit - off);
	if (off >= f->active_begin.off)
		return plain_read(r, f->active_fd, off - f->active_begin.off, data, len, ret_len);
	uint64_t archive_end = reader_plain_begin(r)->off;
	if (off >= archive_end) {
		len = (size_t)min((uint64_t)len, f->active_begin.off - off);
		return plain_read(r, f->sealed_fd, off - f->sealed_begin.off, data, len, ret_len);
	}
	len = (size_t)min((uint64_t)len, archive_end - off);
	int err = frames_read(&r->frames, off, data, len, ret_len, ret_skip);
	if (err == 1 && *ret_skip == 0)
		*ret_skip = archive_end;
	return err;
}

int reader_read_whole(struct reader *r, uint64_t off, uint64_t limit, void *data, size_t len, size_t *ret_len)
{
	uint64_t skip;
	int err = reader_read(r, off, limit, data, len, ret_len, &skip);

	return err > 0 ? -EBADMSG : err;
}

int reader_checksum(struct reader *r, uint64_t off, uint64_t *ret)
{
	char *data auto_free = NULL;
	size_t len;

	if (off < r->files.active_begin.off)
		return -ERANGE;
	if (off < r->sum_off)
		sum_reset(r);
	if (off > r->sum_off) {
		data = malloc(LINES_CHUNK);
		if (!data)
			return -ENOMEM;
	}
	for (; r->sum_off < off; r->sum_off += len) {
		int err = reader_read_whole(r, r->sum_off, off, data, LINES_CHUNK, &len);
		if (err < 0)
			return err;
		XXH64_update(&r->sum, data, len);
	}
	*ret = XXH64_digest(&r->sum);
	return 0;
}

int reader_checksum_sealed(struct reader *r, uint64_t begin, uint64_t off, uint64_t *ret)
{
	const struct log_files *f = &r->files;

	if (f->sealed_fd < 0 || f->sealed_begin.off != begin || off > f->active_begin.off)
		return -ERANGE;
	return lines_hash(r->disk, f->sealed_fd, 0, off - begin, ret);
}

int reader_has(struct reader *r, uint64_t off, uint64_t limit, struct slice bytes)
{
	auto_buf struct buf is = {0};
	uint64_t skip;
	size_t n = 0;

	if (off + bytes.len > limit)
		return 0;
	int result = buf_reserve(&is, bytes.len);
	for (; result == 0 && is.len < bytes.len; is.len += n)
		result = reader_read(r, off + is.len, limit, is.data + is.len, bytes.len - is.len, &n, &skip);
	if (result != 0)
		return min(result, 0);
	return slice_eq(buf_slice(&is), bytes);
}
