#include "store/archive_token.h"

/* 1: at `at` nothing whole begins, nor is it the end. */
static int leads_nowhere(struct disk *disk, int fd, uint64_t at, uint64_t end)
{
	struct zframe frame;

	return at == end ? 0 : zframe_read(&frame, disk, fd, at, end);
}

/* What stands here is damaged so that its size can't be known. But a record says what stands before it:
 * with the next one it goes on. */
static int read_hole(struct archive_token *t, struct disk *disk, int fd, uint64_t end)
{
	int r = record_find(disk, fd, t->at, end, &t->rec);

	t->kind = TOKEN_HOLE;
	if (r == 0)
		t->end = t->rec.at + record_size(&t->rec);
	return r;
}

/* Has another program made this frame? Ours have a size and a checksum. That is not to be taken from one
 * flipped bit: without the flag, the checksum lies behind the frame and is nothing whole. */
static int is_made_elsewhere(const struct archive_token *t, struct disk *disk, int fd, uint64_t end)
{
	const struct zframe *frame = &t->frame;

	if (frame->has_size || frame->has_checksum) {
		int r = leads_nowhere(disk, fd, t->end, end);
		if (r)
			return r < 0 ? r : 0;
	}
	return !frame->has_size || !frame->has_checksum;
}

/* A frame without a record behind it. One of ours, with damage that makes it seem longer or shorter, is
 * a hole. */
static int read_foreign(struct archive_token *t, struct disk *disk, int fd, uint64_t end)
{
	int r = leads_nowhere(disk, fd, t->end, end);

	if (r == 1) {
		struct record rec;
		r = record_find(disk, fd, t->at, end, &rec);
		if (r == 0 && rec.kind == RECORD_FRAME && rec.at - rec.frame_size == t->at) {
			t->kind = TOKEN_HOLE;
			t->rec = rec;
			t->end = rec.at + record_size(&rec);
			return 0;
		}
	}
	if (r < 0)
		return r;
	r = is_made_elsewhere(t, disk, fd, end);
	t->kind = TOKEN_FOREIGN;
	t->made_elsewhere = r > 0;
	return min(r, 0);
}

static int read_frame(struct archive_token *t, struct disk *disk, int fd, uint64_t end)
{
	int r = record_load(disk, fd, t->end, end, &t->rec);

	if (r < 0)
		return r;
	if (r > 0 || t->rec.kind != RECORD_FRAME || t->rec.frame_size != t->frame.size)
		return read_foreign(t, disk, fd, end);
	t->kind = TOKEN_FRAME;
	t->end += record_size(&t->rec);
	return 0;
}

static int read_record(struct archive_token *t, struct disk *disk, int fd)
{
	int r = record_load(disk, fd, t->at, t->end, &t->rec);

	if (r < 0)
		return r;
	if (r > 0)
		t->kind = TOKEN_BROKEN;
	else if (t->rec.kind == RECORD_FRAME)
		t->kind = TOKEN_SKIP;
	else
		t->kind = t->rec.kind == RECORD_BEGIN ? TOKEN_BEGIN : TOKEN_END;
	return 0;
}

static bool has_record_size(const struct archive_token *t)
{
	return t->frame.size == RECORD_SIZE || t->frame.size == RECORD_SIZE_FIRST;
}

/* Looks like another program's, but may be a BEGIN whose magic is damaged. */
static int read_other(struct archive_token *t, struct disk *disk, int fd, const struct record *begin)
{
	unsigned char bytes[RECORD_SIZE];

	t->kind = TOKEN_SKIP;
	if (!has_record_size(t))
		return 0;
	int r = disk_pread_exact(disk, fd, bytes, t->frame.size, (off_t)t->at);
	if (r == 0 && record_is_nearly(begin, bytes, t->frame.size))
		t->kind = TOKEN_BROKEN;
	return r;
}

static int read_skippable(struct archive_token *t, struct disk *disk, int fd, uint64_t end,
			  const struct record *begin)
{
	if (t->frame.magic != RECORD_MAGIC)
		return read_other(t, disk, fd, begin);
	if (has_record_size(t))
		return read_record(t, disk, fd);
	/* A record whose size is damaged, or another program's. */
	int r = leads_nowhere(disk, fd, t->end, end);
	if (r == 1) {
		struct archive_token hole = *t;
		r = read_hole(&hole, disk, fd, end);
		if (r == 0)
			*t = hole;
		if (r <= 0)
			return r;
	}
	t->kind = TOKEN_SKIP;
	return min(r, 0);
}

int archive_token_read(struct archive_token *ret, struct disk *disk, int fd, uint64_t at, uint64_t end,
		       const struct record *begin)
{
	*ret = (struct archive_token){.at = at};
	int r = zframe_read(&ret->frame, disk, fd, at, end);
	if (r < 0)
		return r;
	if (r > 0)
		return read_hole(ret, disk, fd, end);
	ret->end = at + ret->frame.size;
	return ret->frame.skippable ? read_skippable(ret, disk, fd, end, begin)
				    : read_frame(ret, disk, fd, end);
}
