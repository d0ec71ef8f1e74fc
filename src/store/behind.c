#include "store/behind.h"

#include "store/lines.h"

int behind_is_same(struct eventlog *log, int fd, uint64_t at, uint64_t before)
{
	auto_buf struct buf line = {0};
	uint64_t begin;

	int r = lines_find_begin(log->disk, fd, 0, at - 1, &begin);
	if (r == 0)
		r = disk_read_from(log->disk, fd, begin, at - 1 - begin, &line);
	if (r < 0)
		return r;
	return before == 0 || log_hash(buf_slice(&line)) == before || !behind_is_event(log, buf_slice(&line));
}
