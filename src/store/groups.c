#include "store/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <xxhash.h>

#include "base/le.h"
#include "store/durable.h"
#include "store/lines.h"

#define SLOTS 64u
#define BLOCK 4096u /* none shares a sector with another */

/* Offsets in a note. The last eight bytes are the hash of all before them. */
enum {
	AT_TAG = 0,
	AT_SEQ = 8,
	AT_OFF = 16,
	AT_LEN = 24,
	AT_BEFORE = 32,
	AT_SUM = 40,
	AT_OVER = 48,
	AT_HASH = 56,
	NOTE = 64
};

static const char tag[8] = "evfgrp1";

struct groups {
	int fd;
	struct disk_file is; /* what its name stood for when it was created */
	uint64_t seq;
	unsigned next; /* slot */
	unsigned live; /* notes that are not over */
	struct group_note notes[SLOTS];
	struct disk *disk;
};

void groups_free(struct groups *g)
{
	if (!g)
		return;
	if (g->fd >= 0)
		g->disk->close(g->disk, g->fd);
	free(g);
}

static int fill(struct groups *g)
{
	char *nothing auto_free = calloc(SLOTS, BLOCK);
	size_t done;

	if (!nothing)
		return -ENOMEM;
	int r = disk_pwrite_all(g->disk, g->fd, nothing, SLOTS * BLOCK, 0, &done);
	return r == 0 ? g->disk->sync(g->disk, g->fd) : r;
}

static int create(struct eventlog *log, struct groups *g)
{
	struct disk *disk = log->disk;

	g->fd = disk_create(disk, log->dirfd, GROUPS_NAME, 0600);
	if (g->fd < 0)
		return g->fd;
	disk_resemble(g->fd, log->active_fd);
	int r = fill(g);
	if (r == 0)
		r = disk->look(disk, log->dirfd, GROUPS_NAME, &g->is);
	return r == 0 ? disk->sync_dir(disk, log->dirfd) : r;
}

static int open_new(struct eventlog *log)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->disk = log->disk;
	g->fd = -1;
	int r = create(log, g);
	if (r < 0) {
		/* Half a file is none: it has no note. */
		(void)!log->disk->unlink(log->disk, log->dirfd, GROUPS_NAME);
		groups_free(g);
		return r;
	}
	log->groups = g;
	return 0;
}

static bool is_there(struct eventlog *log)
{
	const struct groups *g = log->groups;
	struct disk_file now;

	return g && log->disk->look(log->disk, log->dirfd, GROUPS_NAME, &now) == 0 &&
	       now.inode == g->is.inode && now.device == g->is.device && now.size >= SLOTS * BLOCK;
}

/* A place for one more note. Whatever is uncertain is to be known by one. */
static int make_room(struct eventlog *log)
{
	struct groups *g = log->groups;
	int r = 0;

	if (is_there(log)) {
		if (g->notes[g->next].over || g->notes[g->next].seq == 0)
			return 0;
		r = durable_sync(log);
		return r < 0 ? eventlog_fail(log, r, "syncing " ACTIVE_NAME) : 0;
	}
	if (g && g->live > 0)
		r = durable_sync(log);
	if (r < 0)
		return eventlog_fail(log, r, "syncing " ACTIVE_NAME);
	groups_free(take_ptr(log->groups));
	return open_new(log);
}

static int write_note(struct groups *g, unsigned slot)
{
	const struct group_note *note = &g->notes[slot];
	char out[BLOCK] = {0};
	size_t done;

	memcpy(out + AT_TAG, tag, sizeof(tag));
	le_put64(out + AT_SEQ, note->seq);
	le_put64(out + AT_OFF, note->off);
	le_put64(out + AT_LEN, note->len);
	le_put64(out + AT_BEFORE, note->before);
	le_put64(out + AT_SUM, note->sum);
	le_put64(out + AT_OVER, note->over);
	le_put64(out + AT_HASH, XXH64(out, AT_HASH, 0));
	return disk_pwrite_all(g->disk, g->fd, out, BLOCK, (off_t)(slot * BLOCK), &done);
}

static uint64_t hash_before(struct slice lines, size_t at, const struct log_pos *head)
{
	if (at == 0)
		return head->off ? head->hash : 0;
	size_t begin = lines_whole(lines.data, at - 1);
	return log_hash((struct slice){lines.data + begin, at - 1 - begin});
}

int groups_note(struct eventlog *log, struct slice lines, const struct log_group *groups, size_t n)
{
	const struct log_group *last = &groups[n - 1];
	struct log_pos head = eventlog_head(log);
	size_t at = groups[0].at, len = last->at + last->len - at;

	int r = make_room(log);
	if (r < 0)
		return r;
	struct groups *g = log->groups;
	unsigned slot = g->next;
	g->notes[slot] = (struct group_note){
	    .seq = ++g->seq,
	    .off = head.off + at,
	    .len = len,
	    .before = hash_before(lines, at, &head),
	    .sum = log_hash((struct slice){lines.data + at, len}),
	};
	r = write_note(g, slot);
	if (r < 0) {
		/* A part of one is none. */
		g->notes[slot] = (struct group_note){0};
		return r;
	}
	g->live++;
	g->next = (slot + 1) % SLOTS;
	r = g->disk->sync(g->disk, g->fd);
	if (r == 0)
		return 0;
	/* It may be there all the same. */
	int back = groups_take_back(log);
	return back < 0 ? back : r;
}

static int end_note(struct groups *g, unsigned slot)
{
	g->notes[slot].over = 1;
	g->live--;
	return write_note(g, slot);
}

int groups_take_back(struct eventlog *log)
{
	struct groups *g = log->groups;
	unsigned slot = (g->next + SLOTS - 1) % SLOTS;

	int r = end_note(g, slot);
	if (r == 0)
		r = g->disk->sync(g->disk, g->fd);
	if (r == 0)
		return 0;
	/* Where nothing is written in place, a full disk has no room for that either: then all of them go,
	 * since what they speak of can be made durable. */
	r = durable_sync(log);
	if (r == 0)
		r = groups_remove(log);
	return r < 0 ? eventlog_fail(log, r, "taking back a note in " GROUPS_NAME) : 0;
}

void groups_settled(struct eventlog *log, uint64_t off)
{
	struct groups *g = log->groups;

	if (!g || g->live == 0)
		return;
	/* Not durably: a note of what is durable does no harm. */
	for (unsigned i = 0; i < SLOTS; i++)
		if (g->notes[i].seq && !g->notes[i].over && g->notes[i].off + g->notes[i].len <= off)
			(void)!end_note(g, i);
}

int groups_remove(struct eventlog *log)
{
	groups_free(take_ptr(log->groups));
	int r = log->disk->unlink(log->disk, log->dirfd, GROUPS_NAME);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : log->disk->sync_dir(log->disk, log->dirfd);
}

static bool parse(const char *in, struct group_note *ret)
{
	if (memcmp(in + AT_TAG, tag, sizeof(tag)) != 0 || le_get64(in + AT_HASH) != XXH64(in, AT_HASH, 0))
		return false;
	*ret = (struct group_note){
	    .seq = le_get64(in + AT_SEQ),
	    .off = le_get64(in + AT_OFF),
	    .len = le_get64(in + AT_LEN),
	    .before = le_get64(in + AT_BEFORE),
	    .sum = le_get64(in + AT_SUM),
	    .over = le_get64(in + AT_OVER),
	};
	return true;
}

int group_notes_load(struct group_notes *ret, struct disk *disk, int dirfd)
{
	auto_buf struct buf text = {0};

	*ret = (struct group_notes){0};
	int fd = disk->open(disk, dirfd, GROUPS_NAME, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int r = disk_slurp(disk, fd, (size_t)SLOTS * BLOCK, &text);
	disk->close(disk, fd);
	if (r < 0)
		return r;
	ret->notes = calloc(SLOTS, sizeof(*ret->notes));
	if (!ret->notes)
		return -ENOMEM;
	for (size_t at = 0; at + BLOCK <= text.len; at += BLOCK)
		ret->n += parse(text.data + at, &ret->notes[ret->n]);
	return 0;
}
