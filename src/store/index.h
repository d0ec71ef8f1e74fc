/* Where everything lies in the archive: one entry for each frame, or for each piece of a frame that
 * another program wrote (the crate's hold a whole rotation each).
 *
 * Built from our records, from the last one back, without looking at frames; where they are missing or
 * damaged, from the front, by hopping zstd's block headers, and frames without a record are decompressed
 * once to see what they hold. Entries are in order and without gaps in history: what can't be found is
 * an entry of its own, marked as damaged. Belongs to one thread. */
#pragma once

#include "base/limits.h"
#include "store/disk.h"
#include "store/log.h"
#include "store/record.h"

struct index_entry {
	uint64_t at, size; /* the frame in the archive; size 0: damaged, there is nothing to be read */
	uint64_t inner;    /* where in the frame's content this piece begins */
	uint64_t off, seq; /* where it begins in history */
	uint64_t bytes;    /* of history in it */
	uint64_t lines;    /* newlines in it */
	uint64_t hash;     /* of the last line in it; 0: not known */
	uint64_t latest;   /* the greatest time up to its end (latest.h); 0: not known */
	bool last;         /* the frame's end is this piece's end */
	bool
	    uncounted; /* damaged, and nothing says how many lines it had: `lines` are those that were seen */
};

/* What the archive ends with, as far as that says whether a rotation is unfinished. */
enum index_last {
	LAST_NONE,  /* nothing, or another program's frame: none is */
	LAST_END,   /* an END: none is */
	LAST_BEGIN, /* one is, and no record of a frame stands last */
	LAST_FRAME, /* one is, and the record of a frame of it stands last */
};

/* How far an archive is known, and what its tail looks like. */
struct index_tail {
	uint64_t size;      /* the archive up to here is whole */
	struct log_pos pos; /* the place in history there */
	uint64_t frames;
	uint64_t latest;       /* the greatest time up to there, as the last record says; 0: it does not */
	struct record_sha sha; /* of all up to there, likewise */
	bool damaged;          /* what lies in it could not all be found */
	uint64_t damaged_at;   /* in the archive: where that was first noticed */
	enum index_last last;
	/* Of the unfinished rotation: */
	uint64_t begin; /* where its BEGIN stands */
	struct log_pos begin_pos;
	uint64_t begin_frames, begin_latest;
	struct record_sha begin_sha;
};

static inline bool index_is_ended(const struct index_tail *t)
{
	return t->last == LAST_NONE || t->last == LAST_END;
}

struct index {
	struct index_entry *entries;
	size_t n, cap;
	struct index_tail tail;
};

void index_init(struct index *x);
void index_deinit(struct index *x);

/* Takes in what lies between tail.size and `size`. Stops where nothing more is whole: tail.size says
 * where. What is unreadable but followed by something whole becomes a damaged entry. A failure leaves
 * the index as it was. The file must go up to `size`: -EIO where it has become shorter. */
int must_check index_extend(struct index *x, struct disk *disk, int fd, uint64_t size);

/* The entry that holds the byte `off`, or the one that holds the seq'th line's end; NULL where none does. */
const struct index_entry *index_find_off(const struct index *x, uint64_t off);
const struct index_entry *index_find_seq(const struct index *x, uint64_t seq);

/* The tail of an archive without an index of it: by its last record, or, where there is none, by an index. */
int must_check index_probe(struct disk *disk, int fd, uint64_t size, struct index_tail *ret);

/* For those who build one. */
int must_check index_add(struct index *x, const struct index_entry *e);
struct index_entry index_entry_of(const struct record *rec); /* of the frame before it */
