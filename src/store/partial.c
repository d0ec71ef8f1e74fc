#include "store/partial.h"

#include <inttypes.h>

#include "store/active.h"
#include "store/behind.h"
#include "store/groups.h"
#include "store/lines.h"

#define LINE_ROOM (16u << 20) /* for a line that goes on behind what a note speaks of */
#define TRIES 16u             /* beside a writer that changes the notes all the time */

/* Whole events from begin on, up to the end or past it, and nothing else. 1: it is so. */
static int has_events_only(struct eventlog *log, int fd, uint64_t begin, uint64_t end)
{
	auto_buf struct buf text = {0};

	int r = disk_read_from(log->disk, fd, begin, end - begin + LINE_ROOM, &text);
	if (r < 0)
		return r;
	for (size_t at = 0, len; at < end - begin; at += len + 1) {
		const char *line = text.data + at, *nl = NULL;
		if (at < text.len)
			nl = memchr(line, '\n', text.len - at);
		len = nl ? (size_t)(nl - line) : 0;
		if (!nl || !behind_is_event(log, (struct slice){line, len}))
			return 0;
	}
	return 1;
}

/* Is there a whole event across that place? A power cut leaves none: lines have been moved. 1: it is so. */
static int is_in_event(struct eventlog *log, int fd, uint64_t at)
{
	auto_buf struct buf text = {0};
	uint64_t begin;

	int r = lines_find_begin(log->disk, fd, 0, at, &begin);
	if (r == 0)
		r = disk_read_from(log->disk, fd, begin, at - begin + LINE_ROOM, &text);
	if (r < 0)
		return r;
	const char *nl = text.len ? memchr(text.data, '\n', text.len) : NULL;
	return behind_is_event(log, (struct slice){text.data, nl ? (size_t)(nl - text.data) : text.len});
}

/* Is all of it there? 1: it is, or something else stands there that is no part of it: another program has
 * changed the log since. */
static int is_whole(struct eventlog *log, const struct group_note *note, int fd, uint64_t at, uint64_t size)
{
	uint64_t end = at + note->len, sum;
	int r;

	if (end <= size) {
		r = lines_hash(log->disk, fd, at, end, &sum);
		if (r == 0 && sum == note->sum)
			return 1;
		if (r == 0)
			r = has_events_only(log, fd, at, end);
		if (r != 0)
			return r;
	}
	if (at == 0)
		return 0;
	r = lines_begin_at(log->disk, fd, at);
	if (r == 0)
		return is_in_event(log, fd, at);
	if (r > 0)
		r = behind_is_same(log, fd, at, note->before);
	return r < 0 ? r : r == 0;
}

/* For one who reads beside a writer: has the group been whole only since the file was of this size? One that
 * was taken back has something else in its place. 1: it has. */
static int came_since(struct eventlog *log, const struct group_note *note, int fd, uint64_t at, uint64_t size)
{
	off_t now = log->disk->size(log->disk, fd);
	uint64_t sum;

	if (now < 0 || at + note->len <= size || at + note->len > (uint64_t)now)
		return (int)min(now, (off_t)0);
	int r = lines_hash(log->disk, fd, at, at + note->len, &sum);
	return r < 0 ? r : sum == note->sum;
}

static int find_among(struct eventlog *log, const struct group_notes *notes, int fd, uint64_t begin,
		      uint64_t sure, uint64_t size, uint64_t *ret_end)
{
	*ret_end = size;
	for (size_t i = 0; i < notes->n; i++) {
		const struct group_note *note = &notes->notes[i];
		if (note->off < begin || note->off - begin >= *ret_end)
			continue;
		uint64_t at = note->off - begin;
		if (note->over) {
			int r = log->options.read_only ? came_since(log, note, fd, at, size) : 0;
			if (r < 0)
				return r;
			if (r > 0)
				*ret_end = at;
			continue;
		}
		/* Unless the file has been cut since: then nothing of it is sure. */
		if (at < sure && at + note->len <= size)
			continue;
		int r = is_whole(log, note, fd, at, size);
		if (r < 0)
			return r;
		if (r == 0)
			*ret_end = at;
	}
	return 0;
}

static const struct group_note *find_oldest(const struct group_notes *notes)
{
	const struct group_note *ret = NULL;

	for (size_t i = 0; i < notes->n; i++)
		if (!ret || notes->notes[i].seq < ret->seq)
			ret = &notes->notes[i];
	return ret;
}

/* The last one that was begun by then: so all before it was there. */
static uint64_t newest_place(const struct group_notes *notes, uint64_t begin)
{
	const struct group_note *newest = NULL;

	for (size_t i = 0; i < notes->n; i++)
		if (!newest || notes->notes[i].seq > newest->seq)
			newest = &notes->notes[i];
	return newest && newest->off > begin ? newest->off - begin : 0;
}

/* No note has gone meanwhile that may have spoken of something in the file. */
static bool has_all(const struct group_notes *before, const struct group_notes *after)
{
	const struct group_note *was = find_oldest(before), *is = find_oldest(after);

	return is ? is->seq == (was ? was->seq : 1) : !was;
}

/* The size first: of what was on its way then there is a note, unless the ring has gone round since. */
static int find_beside(struct eventlog *log, struct group_notes *notes, int fd, uint64_t begin, uint64_t sure,
		       uint64_t *ret_end)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct group_notes after;
		off_t size = log->disk->size(log->disk, fd);
		int r = size < 0 ? (int)size : group_notes_load(&after, log->disk, log->dirfd);
		if (r < 0)
			return r;
		bool all = has_all(notes, &after);
		*ret_end = min(newest_place(notes, begin), (uint64_t)size);
		free(notes->notes);
		*notes = after;
		if (all)
			return find_among(log, notes, fd, begin, sure, (uint64_t)size, ret_end);
	}
	return 0;
}

int partial_find(struct eventlog *log, int fd, uint64_t begin, uint64_t sure, uint64_t *ret_end)
{
	struct group_notes notes;
	off_t size = 0;

	int r = group_notes_load(&notes, log->disk, log->dirfd);
	if (r == 0 && log->options.read_only) {
		r = find_beside(log, &notes, fd, begin, sure, ret_end);
	} else if (r == 0) {
		size = log->disk->size(log->disk, fd);
		r = size < 0 ? (int)size : find_among(log, &notes, fd, begin, sure, (uint64_t)size, ret_end);
	}
	free(notes.notes);
	return r;
}

int partial_cut(struct eventlog *log, uint64_t end)
{
	struct disk *disk = log->disk;
	off_t size = disk->size(disk, log->active_fd);

	if (size < 0 || (uint64_t)size <= end)
		return (int)min(size, (off_t)0);
	int r = active_keep_torn(disk, log->dirfd, log->active_fd, end, (uint64_t)size, TORN_NAME);
	if (r == 0)
		r = disk->truncate(disk, log->active_fd, (off_t)end);
	if (r < 0)
		return r;
	log->recovered++;
	eventlog_report(log,
			"a group of events at the end of " ACTIVE_NAME " was not whole: %" PRIu64
			" bytes moved to " TORN_NAME,
			(uint64_t)size - end);
	return 0;
}
