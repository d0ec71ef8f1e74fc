#include "store/frames.h"

#include <errno.h>

#include "store/zframe.h"

#define PIECE_BYTES                                                                                          \
	((size_t)LIMIT_LINE + LIMIT_FRAME) /* a larger frame is decompressed in pieces of this size */

void frames_init(struct frames *f, struct disk *disk, int fd, uint64_t size)
{
	*f = (struct frames){.disk = disk, .fd = fd, .size = size};
	index_init(&f->index);
}

void frames_deinit(struct frames *f)
{
	index_deinit(&f->index);
	unpack_free(f->unpack);
	for (size_t i = 0; i < countof(f->cache); i++)
		free(f->cache[i].data);
}

void frames_update(struct frames *f, int fd, uint64_t size)
{
	/* The archive only ever grows where it counts, so index and cache stay right. But damage may
	 * have been mended. */
	if (f->index.tail.damaged) {
		index_deinit(&f->index);
		f->indexed = 0;
	}
	f->fd = fd;
	f->size = size;
}

int frames_index(struct frames *f)
{
	if (f->fd < 0 || f->indexed >= f->size)
		return 0;
	int r = index_extend(&f->index, f->disk, f->fd, f->size);
	if (r == 0)
		f->indexed = f->size;
	return r;
}

static struct slot *cache_find(struct frames *f, uint64_t off)
{
	for (size_t i = 0; i < countof(f->cache); i++)
		if (off - f->cache[i].off < f->cache[i].bytes)
			return &f->cache[i];
	return NULL;
}

/* What of the entry is decompressed at once to come to `off`. */
static struct index_entry piece_of(const struct index_entry *e, uint64_t off)
{
	uint64_t before = (off - e->off) / PIECE_BYTES * PIECE_BYTES;
	struct index_entry piece = *e;

	piece.off += before;
	piece.inner += before;
	piece.bytes = min((uint64_t)PIECE_BYTES, e->bytes - before);
	piece.last = e->last && before + piece.bytes == e->bytes;
	return piece;
}

/* Before memory is given for what a frame claims to hold: can it be? */
static int check_frame(struct frames *f, const struct index_entry *e)
{
	struct zframe frame;

	if (e->inner > 0)
		return 0;
	int err = zframe_read(&frame, f->disk, f->fd, e->at, e->at + e->size);
	if (err < 0)
		return err;
	bool can = err == 0 && frame.size == e->size && e->bytes <= frame.content_max &&
		   (!frame.has_size || frame.content <= frame.content_max);
	return can ? 0 : -EBADMSG;
}

/* Into `out`. */
static int unpack(struct frames *f, const struct index_entry *e, char *out)
{
	int err = f->unpack ? 0 : unpack_new(&f->unpack, f->disk);

	return err < 0 ? err : unpack_piece(f->unpack, f->fd, e, out);
}

int frames_load(struct frames *f, const struct index_entry *e, char **ret)
{
	int err = e->bytes > PIECE_BYTES ? -EBADMSG : check_frame(f, e);

	if (err < 0)
		return err;
	*ret = malloc((size_t)e->bytes);
	return *ret ? unpack(f, e, *ret) : -ENOMEM;
}

static int cache_load(struct frames *f, const struct index_entry *e, struct slot **ret)
{
	struct slot *s = &f->cache[0];
	int err = check_frame(f, e);

	if (err < 0)
		return err;

	for (size_t i = 1; i < countof(f->cache); i++)
		if (f->cache[i].used < s->used)
			s = &f->cache[i];
	s->bytes = 0;
	/* Never much larger than it has to be: one long line must not keep its memory for good. */
	if (s->cap < e->bytes || (s->cap > 4 * (size_t)LIMIT_FRAME && s->cap / 2 > e->bytes)) {
		free(s->data);
		s->data = malloc((size_t)e->bytes);
		s->cap = s->data ? (size_t)e->bytes : 0;
		if (!s->data)
			return -ENOMEM;
	}
	err = unpack(f, e, s->data);
	if (err < 0)
		return err;
	s->off = e->off;
	s->bytes = e->bytes;
	*ret = s;
	return 0;
}

/* Where readable history may begin again behind the unreadable piece: at the next frame that is there. */
static uint64_t behind_damage(const struct frames *f, const struct index_entry *e)
{
	const struct index_entry *end = f->index.entries + f->index.n;

	while (e + 1 < end && (e[1].inner > 0 || e[1].size == 0))
		e++;
	return e->off + e->bytes;
}

int frames_read(struct frames *f, uint64_t off, void *data, size_t len, size_t *ret_len, uint64_t *ret_skip)
{
	int err = frames_index(f);
	if (err < 0)
		return err;
	struct slot *s = cache_find(f, off);
	if (!s) {
		const struct index_entry *e = index_find_off(&f->index, off);
		if (!e)
			return 1;
		struct index_entry piece = piece_of(e, off);
		err = e->size ? cache_load(f, &piece, &s) : -EBADMSG;
		if (err < 0) {
			*ret_skip = behind_damage(f, e);
			return err == -EBADMSG ? 1 : err;
		}
	}
	s->used = ++f->clock;
	*ret_len = (size_t)min((uint64_t)len, s->off + s->bytes - off);
	memcpy(data, s->data + (off - s->off), *ret_len);
	return 0;
}
