#include "store/unfinished.h"

#include <errno.h>

#include "store/unpack.h"

static void unpack_freep(struct unpack **u)
{
	unpack_free(*u);
}

/* 1: it can't be read. */
static int same_content(struct disk *disk, struct unpack *unpack, int fd, const struct index_entry *e,
			int sealed_fd, uint64_t sealed_at, bool *ret)
{
	char *a auto_free = malloc((size_t)e->bytes);
	char *b auto_free = malloc((size_t)e->bytes);

	if (!a || !b)
		return -ENOMEM;
	int r = e->size ? unpack_piece(unpack, fd, e, a) : -EBADMSG;
	if (r < 0)
		return r == -EBADMSG ? 1 : r;
	r = disk_pread_all(disk, sealed_fd, b, (size_t)e->bytes, (off_t)sealed_at);
	if (r < 0)
		return r;
	*ret = r == 0 && memcmp(a, b, (size_t)e->bytes) == 0;
	return 0;
}

int unfinished_matches(struct disk *disk, int fd, uint64_t size, const struct index_tail *tail, int sealed_fd,
		       bool *ret)
{
	struct index index cleanup(index_deinit) = {
	    .tail = {.size = tail->begin, .pos = tail->begin_pos, .ended = true}};
	struct unpack *unpack cleanup(unpack_freep) = NULL;

	*ret = true;
	int r = unpack_new(&unpack, disk);
	if (r == 0)
		r = index_extend(&index, disk, fd, size);
	if (r < 0)
		return r;
	r = 1;
	for (size_t i = 0; i < index.n && r > 0; i++) {
		const struct index_entry *e = &index.entries[i];
		r = same_content(disk, unpack, fd, e, sealed_fd, e->off - tail->begin_pos.off, ret);
	}
	return min(r, 0);
}
