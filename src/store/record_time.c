#include "store/record_time.h"

/* Is the frame that `rec` is of the first one? Not where an earlier one is not known to come before. */
static int is_first(struct disk *disk, int fd, uint64_t after, const struct record *rec)
{
	uint64_t begin = rec->pos.off - rec->frame_bytes;
	struct record before;

	if (rec->kind != RECORD_FRAME || begin == 0)
		return rec->kind == RECORD_FRAME;
	int r = record_load_before(disk, fd, 0, rec->at - rec->frame_size, &before);
	if (r != 0)
		return min(r, 0);
	return before.pos.off == begin && before.latest && before.latest < after;
}

int record_time_find(struct disk *disk, int fd, uint64_t size, uint64_t after, struct record *ret)
{
	uint64_t low = 0, high = size;
	int r = record_load_before(disk, fd, 0, size, ret);

	if (r < 0)
		return r;
	if (r > 0 || !ret->latest)
		return RECORD_TIME_UNKNOWN;
	if (ret->latest < after)
		return RECORD_TIME_BEHIND;
	/* `ret` is the first one from `high` on. Where some say nothing this may lead astray, which is seen
	 * in the end. */
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct record rec;
		r = record_find(disk, fd, mid, min(size, high - 1 + RECORD_SIZE), &rec);
		if (r < 0)
			return r;
		bool is_there = r == 0 && rec.at < high;
		if (is_there && rec.latest < after) {
			low = rec.at + 1;
			continue;
		}
		if (is_there)
			*ret = rec;
		high = mid;
	}
	r = is_first(disk, fd, after, ret);
	return r < 0 ? r : r ? RECORD_TIME_FRAME : RECORD_TIME_UNKNOWN;
}
