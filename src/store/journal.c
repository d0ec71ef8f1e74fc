#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/le.h"
#include "store/lines.h"

/* Offsets in a record's head. The last eight bytes are the hash of all before them. */
enum {
	AT_TAG = 0,
	AT_ID = 8,
	AT_SEQ = 16,
	AT_SETTLED = 24,
	AT_OFF = 32,
	AT_BEFORE = 40,
	AT_LEN = 48,
	AT_SUM = 56,
	AT_HASH = 64,
	HEAD = 72
};

/* The digit is the version. Of a log that is shared it is another one, so that a version that knows of no
 * proposals does not pass them over. */
static const char tag[8] = "evfjrn2", tag_shared[8] = "evfjrn3", tag_proposal[8] = "evfjrnp";
#define TAG_VERSION 6 /* where its digit stands */

struct journal {
	struct disk *disk;
	int dirfd, fd;
	struct disk_file is; /* what its name stood for when it was created */
	uint64_t id, seq;
	size_t next, blocks; /* the ring, in blocks */
	size_t last;         /* of the last record */
	bool at_half;
	bool shared;
	char *record;    /* room for the largest */
	uint64_t ends[]; /* of each block: how far in history its record goes */
};

static size_t blocks_of(size_t len)
{
	return (HEAD + len + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK;
}

static size_t largest_of(const struct journal *j)
{
	return min(j->blocks / 4 * JOURNAL_BLOCK - HEAD, (size_t)JOURNAL_LARGEST);
}

static int fill(struct journal *j)
{
	size_t room = blocks_of(largest_of(j)) * JOURNAL_BLOCK, size = j->blocks * JOURNAL_BLOCK, done;
	int r = 0;

	for (size_t at = 0; r == 0 && at < size; at += done)
		r = disk_pwrite_all(j->disk, j->fd, j->record, min(room, size - at), (off_t)at, &done);
	return r;
}

static int make_id(uint64_t *ret)
{
	return getrandom(ret, sizeof(*ret), 0) == sizeof(*ret) ? 0 : -EIO;
}

/* Past the page cache a sync is quicker by a tenth. A disk with larger blocks refuses it only now. */
static int write_first(struct journal *j, uint64_t settled)
{
	const struct log_pos pos = {.off = settled};

	(void)!j->disk->direct(j->disk, j->fd, true);
	int r = journal_write(j, settled, &pos, (struct slice){0});
	if (r != -EINVAL && r != -EOPNOTSUPP)
		return r;
	(void)!j->disk->direct(j->disk, j->fd, false);
	return journal_write(j, settled, &pos, (struct slice){0});
}

static int create(struct journal *j, int like, uint64_t settled)
{
	struct disk *disk = j->disk;

	int r = make_id(&j->id);
	if (r < 0)
		return r;
	j->fd = disk_create(disk, j->dirfd, JOURNAL_NAME, 0600);
	if (j->fd < 0)
		return j->fd;
	disk_resemble(j->fd, like);
	r = fill(j);
	if (r == 0)
		r = disk->look(disk, j->dirfd, JOURNAL_NAME, &j->is);
	if (r == 0)
		r = write_first(j, settled);
	return r < 0 ? r : disk->sync_dir(disk, j->dirfd);
}

int journal_create(struct journal **ret, struct disk *disk, int dirfd, int like, uint64_t bytes, bool shared,
		   uint64_t settled)
{
	size_t blocks = max((size_t)bytes / JOURNAL_BLOCK, (size_t)8);
	struct journal *j = calloc(1, sizeof(*j) + blocks * sizeof(j->ends[0]));

	if (!j)
		return -ENOMEM;
	j->disk = disk;
	j->dirfd = dirfd;
	j->fd = -1;
	j->blocks = blocks;
	j->shared = shared;
	size_t room = blocks_of(largest_of(j)) * JOURNAL_BLOCK;
	j->record = aligned_alloc(DISK_BLOCK, room);
	if (j->record)
		memset(j->record, 0, room);
	int r = j->record ? create(j, like, settled) : -ENOMEM;
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		j->disk->close(j->disk, j->fd);
	free(j->record);
	free(j);
}

/* Where a record of so many blocks would begin: it does not go around the ring's end. */
static size_t place_of(const struct journal *j, size_t n)
{
	return j->next + n <= j->blocks ? j->next : 0;
}

bool journal_takes(const struct journal *j, size_t len, uint64_t settled)
{
	if (len > largest_of(j))
		return false;
	size_t n = blocks_of(len), at = place_of(j, n);
	for (size_t i = at; i < at + n; i++)
		if (j->ends[i] > settled)
			return false;
	return true;
}

/* As far as that can be: nobody was told that the lines are taken, so a later mount is not to find them. */
static void take_back(struct journal *j, size_t at)
{
	size_t done;

	memset(j->record, 0, JOURNAL_BLOCK);
	(void)!disk_pwrite_all(j->disk, j->fd, j->record, JOURNAL_BLOCK, (off_t)(at * JOURNAL_BLOCK), &done);
}

/* The record's blocks. */
static void put_record(char *out, const char its_tag[8], uint64_t id, uint64_t seq, uint64_t settled,
		       const struct log_pos *at, struct slice lines)
{
	size_t len = HEAD + lines.len;

	memcpy(out + AT_TAG, its_tag, sizeof(tag));
	le_put64(out + AT_ID, id);
	le_put64(out + AT_SEQ, seq);
	le_put64(out + AT_SETTLED, settled);
	le_put64(out + AT_OFF, at->off);
	le_put64(out + AT_BEFORE, at->off ? at->hash : 0);
	le_put64(out + AT_LEN, lines.len);
	le_put64(out + AT_SUM, XXH64(lines.data, lines.len, 0));
	le_put64(out + AT_HASH, XXH64(out, AT_HASH, 0));
	if (lines.len)
		memcpy(out + HEAD, lines.data, lines.len);
	memset(out + len, 0, blocks_of(lines.len) * JOURNAL_BLOCK - len);
}

static int write_record(struct journal *j, const char its_tag[8], uint64_t settled, const struct log_pos *pos,
			struct slice lines)
{
	size_t n = blocks_of(lines.len), at = place_of(j, n), done;
	char *out = j->record;

	put_record(out, its_tag, j->id, ++j->seq, settled, pos, lines);
	int r = disk_pwrite_all(j->disk, j->fd, out, n * JOURNAL_BLOCK, (off_t)(at * JOURNAL_BLOCK), &done);
	if (r == 0)
		r = j->disk->sync(j->disk, j->fd);
	if (r < 0)
		take_back(j, at);
	for (size_t i = at; i < at + n; i++)
		j->ends[i] = pos->off + lines.len;
	j->at_half = at < j->next || (at <= j->blocks / 2 && j->blocks / 2 < at + n);
	j->last = at;
	j->next = at + n;
	return r;
}

int journal_write(struct journal *j, uint64_t settled, const struct log_pos *pos, struct slice lines)
{
	return write_record(j, j->shared ? tag_shared : tag, settled, pos, lines);
}

int journal_propose(struct journal *j, uint64_t settled, const struct log_pos *pos, struct slice lines)
{
	return write_record(j, tag_proposal, settled, pos, lines);
}

int journal_withdraw(struct journal *j, uint64_t settled, uint64_t off)
{
	/* Nothing has come to stand there. */
	for (size_t i = j->last; i < j->next; i++)
		j->ends[i] = off;
	return journal_write(j, settled, &(struct log_pos){.off = off}, (struct slice){0});
}

bool journal_is_at_half(const struct journal *j)
{
	return j->at_half;
}

bool journal_is_there(const struct journal *j)
{
	struct disk_file now;

	return j->disk->look(j->disk, j->dirfd, JOURNAL_NAME, &now) == 0 && now.inode == j->is.inode &&
	       now.device == j->is.device && now.size >= j->blocks * JOURNAL_BLOCK;
}

void journal_kept_name(char name[static 64], unsigned n)
{
	snprintf(name, 64, JOURNAL_NAME ".%u", n);
}

int journal_is_kept(struct disk *disk, int dirfd, unsigned n)
{
	struct disk_file file;
	char name[64];

	journal_kept_name(name, n);
	int r = disk->look(disk, dirfd, name, &file);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int journal_replace(struct disk *disk, int dirfd, const char *name, const struct log_pos *at,
		    struct slice lines)
{
	size_t size = blocks_of(lines.len) * JOURNAL_BLOCK;
	char *data auto_free = malloc(size);
	uint64_t id;

	if (!data)
		return -ENOMEM;
	int r = make_id(&id);
	if (r < 0)
		return r;
	put_record(data, tag, id, 1, at->off, at, lines);
	return disk_replace(disk, dirfd, name, data, size, 0600);
}

/* How many blocks the record has that begins here; 0: there is none. */
static size_t parse(const char *in, size_t len, struct journal_record *ret, uint64_t *ret_id)
{
	if (len < HEAD || le_get64(in + AT_HASH) != XXH64(in, AT_HASH, 0))
		return 0;
	bool proposal = memcmp(in, tag_proposal, sizeof(tag)) == 0;
	bool shared = proposal || memcmp(in, tag_shared, sizeof(tag)) == 0;
	if (!shared && memcmp(in, tag, sizeof(tag)) != 0)
		return 0;
	uint64_t lines = le_get64(in + AT_LEN);
	if (lines > len - HEAD || le_get64(in + AT_SUM) != XXH64(in + HEAD, (size_t)lines, 0))
		return 0;
	*ret_id = le_get64(in + AT_ID);
	*ret = (struct journal_record){
	    .seq = le_get64(in + AT_SEQ),
	    .settled = le_get64(in + AT_SETTLED),
	    .off = le_get64(in + AT_OFF),
	    .before = le_get64(in + AT_BEFORE),
	    .lines = {in + HEAD, (size_t)lines},
	    .is_proposal = proposal,
	    .is_shared = shared,
	};
	return blocks_of((size_t)lines);
}

/* No line can have these bytes. */
static bool is_of_another_version(const char *in, size_t len)
{
	return len >= sizeof(tag) && memcmp(in, tag, TAG_VERSION) == 0 &&
	       in[TAG_VERSION] != tag[TAG_VERSION] && in[TAG_VERSION] != tag_shared[TAG_VERSION] &&
	       in[TAG_VERSION] > '0' && in[TAG_VERSION] <= '9' && in[TAG_VERSION + 1] == 0;
}

/* Was the proposal in the log when the record right behind it was written? */
static bool is_followed(const struct journal_content *c, const struct journal_record *rec)
{
	size_t last = lines_whole(rec->lines.data, rec->lines.len - 1);
	uint64_t hash = log_hash((struct slice){rec->lines.data + last, rec->lines.len - 1 - last});

	for (size_t i = 0; i < c->n; i++)
		if (c->records[i].seq == rec->seq + 1)
			return c->records[i].off == rec->off + rec->lines.len && c->records[i].before == hash;
	return false;
}

/* Of those that are not known to have come into the log only the newest may be in it nevertheless. */
static void sort_out_proposals(struct journal_content *c)
{
	uint64_t newest = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct journal_record *rec = &c->records[i];
		newest = max(newest, rec->seq);
		rec->is_proposal = rec->is_proposal && rec->lines.len > 0 && !is_followed(c, rec);
	}
	for (size_t i = 0; i < c->n; i++) {
		struct journal_record rec = c->records[i];
		if (!rec.is_proposal)
			c->records[n++] = rec;
		else if (rec.seq == newest)
			c->proposal = rec;
	}
	c->n = n;
}

static int by_place(const void *a, const void *b)
{
	const struct journal_record *x = a, *y = b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return x->seq < y->seq ? 1 : -1;
}

/* In order; of two at one place the newer one: the older one was never answered. */
static void sort_records(struct journal_content *c)
{
	size_t n = 0;

	qsort(c->records, c->n, sizeof(*c->records), by_place);
	for (size_t i = 0; i < c->n; i++)
		if (c->records[i].lines.len > 0 && (n == 0 || c->records[n - 1].off != c->records[i].off))
			c->records[n++] = c->records[i];
	c->n = n;
}

void journal_behind(struct journal_content *c, uint64_t off)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->records[i].off + c->records[i].lines.len > off)
			c->records[n++] = c->records[i];
	c->n = n;
}

uint64_t journal_reaches(const struct journal_content *c, uint64_t off)
{
	for (size_t i = 0; i < c->n && c->records[i].off <= off; i++)
		off = max(off, c->records[i].off + c->records[i].lines.len);
	return off;
}

/* -EPROTO: there are only such as another version has written. */
static int find_records(struct journal_content *c, size_t len)
{
	uint64_t id = 0, its;
	bool other = false;

	for (size_t at = 0, blocks; at < len; at += max(blocks, (size_t)1) * JOURNAL_BLOCK) {
		struct journal_record rec;
		blocks = parse(c->data + at, len - at, &rec, &its);
		other |= is_of_another_version(c->data + at, len - at);
		if (blocks == 0 || (c->known && its != id))
			continue;
		id = its;
		c->known = true;
		c->shared |= rec.is_shared;
		c->settled = max(c->settled, rec.settled);
		c->records[c->n++] = rec;
	}
	sort_out_proposals(c);
	sort_records(c);
	return other && !c->known ? -EPROTO : 0;
}

int journal_load(struct journal_content *ret, struct disk *disk, int dirfd, const char *name)
{
	auto_buf struct buf text = {0};

	*ret = (struct journal_content){0};
	int fd = disk->open(disk, dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int r = disk_slurp(disk, fd, DISK_ANY_SIZE, &text);
	disk->close(disk, fd);
	if (r < 0)
		return r;
	ret->records = calloc(text.len / JOURNAL_BLOCK + 1, sizeof(*ret->records));
	if (!ret->records)
		return -ENOMEM;
	size_t len = text.len;
	ret->data = text.data;
	text = (struct buf){0};
	r = find_records(ret, len);
	if (r < 0)
		journal_content_deinit(ret);
	return r;
}

void journal_content_deinit(struct journal_content *c)
{
	free(c->data);
	free(c->records);
	*c = (struct journal_content){0};
}
