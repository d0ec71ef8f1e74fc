#include "store/history_sha.h"

#include <errno.h>

#include "store/live_reader.h"

#define CHUNK_BYTES (1u << 20)

/* *ret_off is where to go on from. */
static int begin(struct eventlog *log, struct disk *disk, uint64_t off, struct sha256_ctx *sha,
		 uint64_t *ret_off)
{
	struct log_files files;

	int r = eventlog_files(log, &files);
	if (r < 0)
		return r;
	r = sha_seek(disk, files.archive_fd, files.archive_size, sha, ret_off);
	log_files_deinit(&files);
	if (r == 0 && *ret_off > off) {
		sha256_init(sha);
		*ret_off = 0;
	}
	return r;
}

/* A piece of the way from *at to `off`. */
static int go_on(struct live_reader *live, uint64_t *at, uint64_t off, char *data, struct sha256_ctx *sha)
{
	uint64_t skip;
	size_t n;

	int r = live_reader_refresh(live);
	if (r == 0)
		r = reader_read(live->reader, *at, off, data, CHUNK_BYTES, &n, &skip);
	if (r != 0)
		return r > 0 ? -EIO : r;
	sha256_update(sha, n, (const uint8_t *)data);
	*at += n;
	return 0;
}

int history_sha(struct eventlog *log, struct disk *disk, uint64_t off, struct sha256_ctx *ret)
{
	struct live_reader live;
	uint64_t at;

	if (off > eventlog_head(log).off)
		return -ERANGE;
	char *data auto_free = malloc(CHUNK_BYTES);
	int r = data ? begin(log, disk, off, ret, &at) : -ENOMEM;
	live_reader_init(&live, log, disk);
	while (r == 0 && at < off)
		r = go_on(&live, &at, off, data, ret);
	live_reader_deinit(&live);
	return r;
}
