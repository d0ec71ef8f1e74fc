#include "model/ids/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/le.h"

#define BLOCK 4096
#define ENTRY 16
#define PER_BLOCK ((BLOCK - 8) / ENTRY)
#define PIECE 64 /* blocks that are read or written at a time */
#define SUM_AT (BLOCK - 8)

static const char magic[16] = "eventfold ids 1\n";

/* dirfd is DATA. */
struct name {
	char text[24];
};

static struct name name_of(unsigned slot)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "ids/run.%02u", slot % 100);
	return name;
}

static struct name temporary_of(unsigned slot)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "ids/.run.%02u.tmp", slot % 100);
	return name;
}

/* The filter: in the word that the print's upper bits choose, four bits that its lower ones do. What is
 * sorted goes through the words in order. */

#define FILTER_BITS 12 /* an id; one look-up in fifty is told wrongly that there may be something */

static uint64_t *word_of(const struct ids_run *run, uint64_t print)
{
	return &run->filter[(size_t)((unsigned __int128)print * run->words >> 64)];
}

static uint64_t bits_of(uint64_t print)
{
	return UINT64_C(1) << (print & 63) | UINT64_C(1) << (print >> 6 & 63) |
	       UINT64_C(1) << (print >> 12 & 63) | UINT64_C(1) << (print >> 18 & 63);
}

static struct ids_run *run_new(struct disk *disk, unsigned slot, const struct ids_span *span)
{
	struct ids_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->refs = 1;
	run->disk = disk;
	run->fd = -1;
	run->slot = slot;
	run->begin = span->begin;
	run->end = span->end;
	run->lacks = span->lacks;
	run->n = span->n;
	run->blocks = (size_t)((span->n + PER_BLOCK - 1) / PER_BLOCK);
	run->words = (size_t)(span->n * FILTER_BITS / 64) + 1;
	run->firsts = calloc(run->blocks + 1, sizeof(*run->firsts));
	run->filter = calloc(run->words, sizeof(*run->filter));
	if (run->firsts && run->filter)
		return run;
	ids_run_unref(run);
	return NULL;
}

struct ids_run *ids_run_ref(struct ids_run *run)
{
	run->refs++;
	return run;
}

void ids_run_unref(struct ids_run *run)
{
	if (!run || --run->refs)
		return;
	if (run->fd >= 0)
		run->disk->close(run->disk, run->fd);
	free(run->firsts);
	free(run->filter);
	free(run);
}

static size_t in_block(const struct ids_run *run, size_t block)
{
	return (size_t)min((uint64_t)PER_BLOCK, run->n - (uint64_t)block * PER_BLOCK);
}

static struct ids_entry entry_at(const char *block, size_t i)
{
	const char *at = block + i * ENTRY;

	return (struct ids_entry){le_get64(at), le_get64(at + 8)};
}

static uint64_t sum_of(const char *block, uint64_t seed)
{
	return XXH64(block, SUM_AT, seed);
}

static bool is_whole(const struct ids_run *run, const char *data, size_t block)
{
	return le_get64(data + SUM_AT) == sum_of(data, run->seed + block);
}

/* What is to be known of a block without reading it. */
static void note_block(struct ids_run *run, const char *data, size_t block)
{
	size_t n = in_block(run, block);

	run->firsts[block] = entry_at(data, 0).print;
	for (size_t i = 0; i < n; i++) {
		uint64_t print = entry_at(data, i).print;
		*word_of(run, print) |= bits_of(print);
	}
}

/* The header */

static char *put_pos(char *at, const struct log_pos *pos)
{
	le_put64(at, pos->off);
	le_put64(at + 8, pos->seq);
	le_put64(at + 16, pos->hash);
	return at + 24;
}

static const char *get_pos(const char *at, struct log_pos *ret)
{
	*ret = (struct log_pos){le_get64(at), le_get64(at + 8), le_get64(at + 16)};
	return at + 24;
}

static void write_header(const struct ids_span *span, char out[BLOCK])
{
	memset(out, 0, BLOCK);
	memcpy(out, magic, sizeof(magic));
	le_put64(out + 16, span->n);
	char *at = put_pos(put_pos(out + 24, &span->begin), &span->end);
	le_put64(at, span->lacks);
	le_put64(out + SUM_AT, sum_of(out, 0));
}

static bool read_header(const char in[BLOCK], struct ids_span *ret)
{
	if (memcmp(in, magic, sizeof(magic)) != 0 || le_get64(in + SUM_AT) != sum_of(in, 0))
		return false;
	ret->n = le_get64(in + 16);
	ret->lacks = le_get64(get_pos(get_pos(in + 24, &ret->begin), &ret->end));
	return ret->begin.off <= ret->end.off && ret->n <= ret->end.off - ret->begin.off;
}

/* Writing */

struct writing {
	struct ids_run *run;
	char *piece;
	size_t block, filled; /* the next block; of the piece, blocks */
	uint64_t off;         /* in the file */
};

static int flush_piece(struct writing *w)
{
	struct disk *d = w->run->disk;
	size_t done;

	int r = disk_pwrite_all(d, w->run->fd, w->piece, w->filled * BLOCK, (off_t)w->off, &done);
	w->off += w->filled * BLOCK;
	w->filled = 0;
	return r;
}

static int fill_block(struct writing *w, ids_source *source, void *arg)
{
	size_t n = in_block(w->run, w->block);
	char *data = w->piece + w->filled * BLOCK;
	struct ids_entry e;

	memset(data, 0, BLOCK);
	for (size_t i = 0; i < n; i++) {
		int r = source(arg, &e);
		if (r != 0)
			return r < 0 ? r : -EBADMSG;
		le_put64(data + i * ENTRY, e.print);
		le_put64(data + i * ENTRY + 8, e.off);
	}
	le_put64(data + SUM_AT, sum_of(data, w->run->seed + w->block));
	note_block(w->run, data, w->block++);
	return ++w->filled < PIECE ? 0 : flush_piece(w);
}

static int write_all(struct ids_run *run, const struct ids_span *span, ids_source *source, void *arg)
{
	char *piece auto_free = malloc((size_t)PIECE * BLOCK);
	struct writing w = {.run = run, .piece = piece, .filled = 1};
	int r = 0;

	if (!piece)
		return -ENOMEM;
	write_header(span, piece);
	run->seed = le_get64(piece + SUM_AT);
	while (r == 0 && w.block < run->blocks)
		r = fill_block(&w, source, arg);
	return r == 0 ? flush_piece(&w) : r;
}

/* Under another name first: what has a run's name is one, unless the power went. */
int ids_run_write(struct ids_run **ret, struct disk *disk, int dirfd, unsigned slot,
		  const struct ids_span *span, ids_source *source, void *arg)
{
	struct name temporary = temporary_of(slot), name = name_of(slot);
	struct ids_run *run = run_new(disk, slot, span);

	if (!run)
		return -ENOMEM;
	int r = disk->mkdir(disk, dirfd, "ids", 0777);
	if (r == 0) {
		(void)!disk->unlink(disk, dirfd, temporary.text);
		run->fd =
		    disk->open(disk, dirfd, temporary.text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		r = min(run->fd, 0);
	}
	if (r == 0)
		r = write_all(run, span, source, arg);
	if (r == 0)
		r = disk->rename(disk, dirfd, temporary.text, name.text);
	if (r == 0) {
		*ret = run;
		return 0;
	}
	if (run->fd >= 0)
		(void)!disk->unlink(disk, dirfd, temporary.text);
	ids_run_unref(run);
	return r;
}

/* Reading */

/* Blocks one after the other, a piece at a time. */
struct walk {
	const struct ids_run *run;
	char *piece;
	size_t block, held; /* the piece's first, and how many it has */
	uint64_t number;    /* of the next entry */
	struct ids_entry last;
};

/* The block's bytes, checked; *ret is valid until the next call. */
static int walk_block(struct walk *w, size_t block, const char **ret)
{
	const struct ids_run *run = w->run;

	if (!w->piece && !(w->piece = malloc((size_t)PIECE * BLOCK)))
		return -ENOMEM;
	if (block < w->block || block >= w->block + w->held) {
		size_t n = min(run->blocks - block, (size_t)PIECE);
		w->held = 0;
		int r = disk_pread_all(run->disk, run->fd, w->piece, n * BLOCK, (off_t)(block + 1) * BLOCK);
		if (r != 0)
			return r < 0 ? r : -EBADMSG;
		w->block = block;
		w->held = n;
	}
	*ret = w->piece + (block - w->block) * BLOCK;
	return is_whole(run, *ret, block) ? 0 : -EBADMSG;
}

static int walk_next(struct walk *w, struct ids_entry *ret)
{
	const char *data;

	if (w->number == w->run->n)
		return 1;
	if (w->number % PER_BLOCK == 0) {
		int r = walk_block(w, (size_t)(w->number / PER_BLOCK), &data);
		if (r < 0)
			return r;
	}
	data = w->piece + ((size_t)(w->number / PER_BLOCK) - w->block) * BLOCK;
	*ret = entry_at(data, (size_t)(w->number % PER_BLOCK));
	w->number++;
	return 0;
}

struct merge {
	struct walk walks[2];
	struct ids_entry next[2];
	int ended[2];
};

static int merge_advance(struct merge *m, int i)
{
	int r = walk_next(&m->walks[i], &m->next[i]);

	m->ended[i] = r > 0;
	return min(r, 0);
}

static int merge_next(void *arg, struct ids_entry *ret)
{
	struct merge *m = arg;

	if (m->ended[0] && m->ended[1])
		return 1;
	int i = m->ended[0] || (!m->ended[1] && ids_entry_compare(&m->next[1], &m->next[0]) < 0);
	*ret = m->next[i];
	return merge_advance(m, i);
}

int ids_run_merge(struct ids_run **ret, int dirfd, unsigned slot, struct ids_run *a, struct ids_run *b)
{
	struct merge m = {.walks = {{.run = a}, {.run = b}}};
	struct ids_span span = {a->begin, b->end, min(a->lacks, b->lacks), a->n + b->n};
	int r = merge_advance(&m, 0);

	if (r == 0)
		r = merge_advance(&m, 1);
	if (r == 0)
		r = ids_run_write(ret, a->disk, dirfd, slot, &span, merge_next, &m);
	free(m.walks[0].piece);
	free(m.walks[1].piece);
	return r;
}

static int load_blocks(struct ids_run *run)
{
	struct walk w = {.run = run};
	struct ids_entry last = {0};
	const char *data;
	int r = 0;

	for (size_t i = 0; i < run->blocks && r == 0; i++) {
		r = walk_block(&w, i, &data);
		if (r < 0)
			break;
		struct ids_entry first = entry_at(data, 0);
		if (ids_entry_compare(&last, &first) > 0)
			r = -EBADMSG;
		last = entry_at(data, in_block(run, i) - 1);
		note_block(run, data, i);
	}
	free(w.piece);
	return r;
}

static int load(struct ids_run **ret, struct disk *disk, int fd, unsigned slot)
{
	struct ids_span span;
	char header[BLOCK];

	int r = disk_pread_all(disk, fd, header, BLOCK, 0);
	if (r != 0)
		return r < 0 ? r : -EBADMSG;
	off_t size = disk->size(disk, fd);
	if (size < 0)
		return (int)size;
	if (!read_header(header, &span) ||
	    (uint64_t)size != (1 + (span.n + PER_BLOCK - 1) / PER_BLOCK) * BLOCK)
		return -EBADMSG;
	struct ids_run *run = run_new(disk, slot, &span);
	if (!run)
		return -ENOMEM;
	run->fd = fd;
	run->seed = le_get64(header + SUM_AT);
	r = load_blocks(run);
	if (r == 0) {
		*ret = run;
		return 0;
	}
	run->fd = -1;
	ids_run_unref(run);
	return r;
}

int ids_run_open(struct ids_run **ret, struct disk *disk, int dirfd, unsigned slot)
{
	int fd = disk->open(disk, dirfd, name_of(slot).text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd == -ENOENT ? 1 : fd;
	int r = load(ret, disk, fd, slot);
	if (r < 0)
		disk->close(disk, fd);
	return r == -EBADMSG ? 1 : r;
}

void ids_run_remove(struct disk *disk, int dirfd, unsigned slot)
{
	(void)!disk->unlink(disk, dirfd, name_of(slot).text);
}

/* Looking up */

/* The first block that may have it: those before begin and end below it. */
static size_t first_block(const struct ids_run *run, uint64_t print)
{
	size_t low = 0, high = run->blocks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (run->firsts[mid] < print)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? low - 1 : 0;
}

static int read_block(const struct ids_run *run, size_t block, char out[BLOCK])
{
	int r = disk_pread_all(run->disk, run->fd, out, BLOCK, (off_t)(block + 1) * BLOCK);

	if (r != 0)
		return r < 0 ? r : -EBADMSG;
	return is_whole(run, out, block) ? 0 : -EBADMSG;
}

static int find_in_block(const struct ids_run *run, size_t block, uint64_t print, struct ids_places *ret)
{
	char data[BLOCK];
	size_t low = 0, n = in_block(run, block), high = n;

	int r = read_block(run, block, data);
	while (r == 0 && low < high) {
		size_t mid = low + (high - low) / 2;
		if (entry_at(data, mid).print < print)
			low = mid + 1;
		else
			high = mid;
	}
	for (; r == 0 && low < n && entry_at(data, low).print == print; low++)
		r = ids_places_add(ret, entry_at(data, low).off);
	return r;
}

int ids_run_find(const struct ids_run *run, uint64_t print, struct ids_places *ret)
{
	int r = 0;

	if ((*word_of(run, print) & bits_of(print)) != bits_of(print))
		return 0;
	for (size_t i = first_block(run, print); r == 0 && i < run->blocks && run->firsts[i] <= print; i++)
		r = find_in_block(run, i, print, ret);
	return r;
}

int ids_run_entry(const struct ids_run *run, uint64_t number, struct ids_entry *ret)
{
	char data[BLOCK];
	int r = read_block(run, (size_t)(number / PER_BLOCK), data);

	if (r == 0)
		*ret = entry_at(data, (size_t)(number % PER_BLOCK));
	return r;
}

size_t ids_run_bytes(const struct ids_run *run)
{
	return (run->blocks + 1 + run->words) * sizeof(uint64_t) + sizeof(*run);
}
