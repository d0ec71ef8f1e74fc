#include "store/reader.h"

#include <errno.h>
#include <xxhash.h>

#include "store/index.h"
#include "store/lines.h"
#include "store/unpack.h"
#include "store/zframe.h"

#define CACHE_SLOTS 3
#define PIECE_BYTES                                                                                          \
	((size_t)LIMIT_LINE + LIMIT_FRAME) /* a larger frame is decompressed in pieces of this size */
#define MARK_BYTES (1u << 20) /* sealed and active log: a known place about every so many bytes */

/* A decompressed piece of the archive. */
struct slot {
	char *data;
	size_t cap;
	uint64_t off, bytes; /* of history; bytes 0: empty */
	uint64_t used;       /* when, by the reader's clock */
};

/* A place outside the archive whose number is known. */
struct mark {
	uint64_t off, seq;
};

struct reader {
	struct disk *disk;
	struct log_files files;
	struct index index;
	uint64_t indexed;      /* the archive has been looked at up to here, whatever was found there */
	struct unpack *unpack; /* NULL until needed */
	struct slot cache[CACHE_SLOTS];
	uint64_t clock;
	struct mark *marks; /* in order */
	size_t n_marks, cap_marks;
	XXH64_state_t sum;
	uint64_t sum_off; /* history up to here is in sum, from the active log's begin on */
};

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
	index_init(&r->index);
	sum_reset(r);
	*ret = r;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	log_files_deinit(&r->files);
	index_deinit(&r->index);
	unpack_free(r->unpack);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		free(r->cache[i].data);
	free(r->marks);
	free(r);
}

int reader_update(struct reader *r, struct log_files *files)
{
	bool same_active = files->active_begin.off == r->files.active_begin.off;

	/* The archive only ever grows where it counts, so the index, the cache and the marks stay right. But damage may have been
	 * mended. */
	if (r->index.tail.damaged) {
		index_deinit(&r->index);
		r->indexed = 0;
	}
	log_files_deinit(&r->files);
	r->files = *files;
	*files = LOG_FILES_NONE;
	if (!same_active)
		sum_reset(r);
	return 0;
}

/* Where the archive ends and plain files begin. */
static const struct log_pos *plain_begin(const struct reader *r)
{
	return r->files.sealed_fd >= 0 ? &r->files.sealed_begin : &r->files.active_begin;
}

static int archive_index(struct reader *r)
{
	if (r->files.archive_fd < 0 || r->indexed >= r->files.archive_size)
		return 0;
	int err = index_extend(&r->index, r->disk, r->files.archive_fd, r->files.archive_size);
	if (err == 0)
		r->indexed = r->files.archive_size;
	return err;
}

static struct slot *cache_find(struct reader *r, uint64_t off)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		if (off - r->cache[i].off < r->cache[i].bytes)
			return &r->cache[i];
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
static int check_frame(struct reader *r, const struct index_entry *e)
{
	struct zframe frame;

	if (e->inner > 0)
		return 0;
	int err = zframe_read(&frame, r->disk, r->files.archive_fd, e->at, e->at + e->size);
	if (err < 0)
		return err;
	bool can = err == 0 && frame.size == e->size && e->bytes <= frame.content_max &&
		   (!frame.has_size || frame.content <= frame.content_max);
	return can ? 0 : -EBADMSG;
}

static int cache_load(struct reader *r, const struct index_entry *e, struct slot **ret)
{
	struct slot *s = &r->cache[0];
	int err = check_frame(r, e);

	if (err < 0)
		return err;

	for (size_t i = 1; i < CACHE_SLOTS; i++)
		if (r->cache[i].used < s->used)
			s = &r->cache[i];
	s->bytes = 0;
	/* Never much larger than it has to be: one long line must not keep its memory for good. */
	if (s->cap < e->bytes || (s->cap > 4 * (size_t)LIMIT_FRAME && s->cap / 2 > e->bytes)) {
		free(s->data);
		s->data = malloc((size_t)e->bytes);
		s->cap = s->data ? (size_t)e->bytes : 0;
		if (!s->data)
			return -ENOMEM;
	}
	if (!r->unpack) {
		err = unpack_new(&r->unpack, r->disk);
		if (err < 0)
			return err;
	}
	err = unpack_piece(r->unpack, r->files.archive_fd, e, s->data);
	if (err < 0)
		return err;
	s->off = e->off;
	s->bytes = e->bytes;
	*ret = s;
	return 0;
}

/* Where readable history may begin again behind the unreadable piece: at the next frame that is there. */
static uint64_t behind_damage(const struct reader *r, const struct index_entry *e)
{
	const struct index_entry *end = r->index.entries + r->index.n;

	while (e + 1 < end && (e[1].inner > 0 || e[1].size == 0))
		e++;
	return e->off + e->bytes;
}

static int archive_read(struct reader *r, uint64_t off, void *data, size_t len, size_t *ret_len,
			uint64_t *ret_skip)
{
	int err = archive_index(r);
	if (err < 0)
		return err;
	struct slot *s = cache_find(r, off);
	if (!s) {
		const struct index_entry *e = index_find_off(&r->index, off);
		if (!e) {
			*ret_skip = plain_begin(r)->off;
			return 1;
		}
		struct index_entry piece = piece_of(e, off);
		err = e->size ? cache_load(r, &piece, &s) : -EBADMSG;
		if (err < 0) {
			*ret_skip = behind_damage(r, e);
			return err == -EBADMSG ? 1 : err;
		}
	}
	s->used = ++r->clock;
	*ret_len = (size_t)min((uint64_t)len, s->off + s->bytes - off);
	memcpy(data, s->data + (off - s->off), *ret_len);
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
	uint64_t archive_end = plain_begin(r)->off;
	if (off >= archive_end) {
		len = (size_t)min((uint64_t)len, f->active_begin.off - off);
		return plain_read(r, f->sealed_fd, off - f->sealed_begin.off, data, len, ret_len);
	}
	len = (size_t)min((uint64_t)len, archive_end - off);
	return archive_read(r, off, data, len, ret_len, ret_skip);
}

static int mark_add(struct reader *r, uint64_t off, uint64_t seq)
{
	if (r->n_marks && off < r->marks[r->n_marks - 1].off + MARK_BYTES)
		return 0;
	if (r->n_marks == r->cap_marks) {
		size_t cap = max((size_t)64, 2 * r->cap_marks);
		struct mark *marks = realloc(r->marks, cap * sizeof(*marks));
		if (!marks)
			return -ENOMEM;
		r->marks = marks;
		r->cap_marks = cap;
	}
	r->marks[r->n_marks++] = (struct mark){off, seq};
	return 0;
}

/* The last place known that is behind neither off nor seq events. */
static int base_find(struct reader *r, uint64_t off, uint64_t seq, struct mark *ret)
{
	const struct log_pos *plain = plain_begin(r);

	*ret = (struct mark){0, 0};
	if (plain->off > off || plain->seq > seq) {
		int err = archive_index(r);
		if (err < 0)
			return err;
		const struct index_entry *e =
		    seq == UINT64_MAX ? index_find_off(&r->index, off) : index_find_seq(&r->index, seq);
		if (e)
			*ret = (struct mark){e->off, e->seq};
		return 0;
	}
	*ret = (struct mark){plain->off, plain->seq};
	for (size_t low = 0, high = r->n_marks; low < high;) {
		size_t mid = low + (high - low) / 2;
		const struct mark *m = &r->marks[mid];
		/* One behind just so many events may lie inside of the next one: their end is before it. */
		if (m->off <= off && m->seq < seq) {
			if (m->off > ret->off)
				*ret = *m;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return 0;
}

/* Behind the n'th newline in the data, which has that many. */
static size_t nth_line_end(const char *data, size_t len, uint64_t n)
{
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(data + at, '\n', len - at);
		if (!nl)
			break;
		at = (size_t)(nl - data) + 1;
		if (--n == 0)
			return at;
	}
	return len;
}

/* reader_read() for those who can't go on behind damage. */
static int read_whole(struct reader *r, uint64_t off, uint64_t limit, void *data, size_t len, size_t *ret_len)
{
	uint64_t skip;
	int err = reader_read(r, off, limit, data, len, ret_len, &skip);

	return err > 0 ? -EBADMSG : err;
}

/* Walks from a known place to `off` or behind `seq` events, whichever comes first. 1: it met the limit before. */
static int walk(struct reader *r, struct mark at, uint64_t off, uint64_t seq, uint64_t limit,
		struct mark *ret)
{
	char *data auto_free = malloc(LINES_CHUNK);
	uint64_t end = min(off, limit);

	if (!data)
		return -ENOMEM;
	while (at.off < end && at.seq < seq) {
		size_t len;
		int err = read_whole(r, at.off, end, data, LINES_CHUNK, &len);
		if (err < 0)
			return err;
		uint64_t lines = lines_count(data, len);
		if (at.seq + lines >= seq) {
			at.off += nth_line_end(data, len, seq - at.seq);
			at.seq = seq;
			break;
		}
		at.off += len;
		at.seq += lines;
		/* Marks are line boundaries only by chance, which does not matter: newlines before them are what counts. */
		if (at.off >= plain_begin(r)->off) {
			err = mark_add(r, at.off, at.seq);
			if (err < 0)
				return err;
		}
	}
	*ret = at;
	return at.off == off || at.seq == seq ? 0 : 1;
}

/* Where the file that holds the byte before `end` begins. No line goes on from one file into the next. */
static uint64_t begin_of_file(const struct reader *r, uint64_t end)
{
	const struct log_files *f = &r->files;

	if (end > f->active_begin.off)
		return f->active_begin.off;
	return f->sealed_fd >= 0 && end > f->sealed_begin.off ? f->sealed_begin.off : 0;
}

/* The hash of the line that ends at `end` (behind its newline). 1: no newline stands before `end`. */
static int hash_before(struct reader *r, uint64_t end, uint64_t *ret)
{
	char data[4096];
	size_t len;
	uint64_t floor = begin_of_file(r, end), begin = floor;
	XXH64_state_t state;

	for (uint64_t to = end; to > floor;) {
		uint64_t from = to - min(to - floor, (uint64_t)sizeof(data));
		/* A read ends with a frame, so it may take several. */
		for (uint64_t at = from; at < to; at += len) {
			int err = read_whole(r, at, to, data + (at - from), (size_t)(to - at), &len);
			if (err < 0)
				return err;
		}
		size_t n = (size_t)(to - from);
		if (to == end && data[n - 1] != '\n')
			return 1;
		size_t whole = lines_whole(data, to == end ? n - 1 : n);
		to = begin = from + whole;
		if (whole)
			break;
	}
	XXH64_reset(&state, 0);
	for (uint64_t at = begin; at < end - 1; at += len) {
		int err = read_whole(r, at, end - 1, data, sizeof(data), &len);
		if (err < 0)
			return err;
		XXH64_update(&state, data, len);
	}
	*ret = XXH64_digest(&state);
	return 0;
}

static int seek(struct reader *r, uint64_t off, uint64_t seq, uint64_t limit, struct log_pos *ret)
{
	struct mark at;

	if (off == 0 || seq == 0) {
		*ret = (struct log_pos){0};
		return 0;
	}
	int err = base_find(r, off, seq, &at);
	if (err == 0)
		err = walk(r, at, off, seq, limit, &at);
	if (err)
		return err;
	*ret = (struct log_pos){.off = at.off, .seq = at.seq};
	return hash_before(r, at.off, &ret->hash);
}

int reader_seek_seq(struct reader *r, uint64_t seq, uint64_t limit, struct log_pos *ret)
{
	return seek(r, UINT64_MAX, seq, limit, ret);
}

int reader_seek_off(struct reader *r, uint64_t off, uint64_t limit, struct log_pos *ret)
{
	return off > limit ? 1 : seek(r, off, UINT64_MAX, limit, ret);
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
		int err = read_whole(r, r->sum_off, off, data, LINES_CHUNK, &len);
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

/* Is the number behind the entry but what was seen of it, corrected by no record? */
static bool is_guess(const struct index_entry *e, uint64_t seq)
{
	return e->uncounted && e->seq + e->lines == seq;
}

int reader_behind(struct reader *r, uint64_t off, struct log_pos *ret)
{
	const struct log_pos *plain = plain_begin(r);

	if (off == plain->off) {
		*ret = *plain;
		return r->index.n && is_guess(&r->index.entries[r->index.n - 1], plain->seq);
	}
	const struct index_entry *e = index_find_off(&r->index, off);
	if (!e || e->off != off) {
		*ret = (struct log_pos){.off = off};
		return 1;
	}
	const struct index_entry *before = e > r->index.entries ? e - 1 : NULL;
	*ret = (struct log_pos){.off = off, .seq = e->seq, .hash = before ? before->hash : 0};
	return before && is_guess(before, e->seq);
}
