/* The event log on disk, as its one writer has it: open and mend, append, rotate.
 *
 * DATA/app.jsonl (active), DATA/archive.jsonl.zst (history), DATA/app.jsonl.sealed (a rotation under way).
 * The lock is flock(LOCK_EX) on app.jsonl, and moves on with a rotation.
 *
 * Threads. eventlog_append() and eventlog_seal(): one thread, the committer. eventlog_archive(): one thread at a time.
 * eventlog_head(), _files(), _stats(): any. Head and layout lie under one lock that is never held across a system call. */
#pragma once

#include "base/diag.h"
#include "store/disk.h"
#include "store/log.h"

struct eventlog;

struct eventlog_options {
	/* Is the line (no newline) a whole event? Decides about a torn last line. */
	bool (*is_event)(void *arg, struct slice line);
	/* One line for a person: what the opening has mended, or what it found damaged; later, on the thread that meets it, why nothing
	 * is written any more. May be NULL. */
	void (*report)(void *arg, const char *text);
	/* By eventlog_archive(), on its thread: the sealed file is about to go. Whatever says something about offsets in it is to
	 * be taken back now, durably; the active log begins at `active_begin` of history. May be NULL. */
	void (*retire)(void *arg, uint64_t active_begin);
	void *arg;
	bool read_only;     /* for verify and log: no lock, mends nothing */
	size_t frame_bytes; /* of the archive's frames, about; 0: LIMIT_FRAME */
};

/* Opens the log in the directory `dirfd` (borrowed for the log's life), creating what is missing, and finishes
 * or undoes what a crash has left: a torn last line, a rotation at any stage, half a frame, temporary files.
 * 1: another process holds the log; its process id is in the diag where it can be found. */
int must_check eventlog_open(struct eventlog **ret, struct disk *disk, int dirfd,
			     const struct eventlog_options *options, struct diag *diag);
void eventlog_close(struct eventlog *log);

/* The head: behind the last event that is in the log (and on disk, if synced). */
struct log_pos eventlog_head(struct eventlog *log);

/* Appends whole lines (`lines` ends with a newline), with one write and, if `sync`, one sync. *ret_len is how
 * much of it is in the log, always whole lines; the head stands behind them. 0 where all of it is. -ENOSPC, -EDQUOT or
 * -EFBIG: the first *ret_len bytes are in the log (and synced), nothing of the rest. -EIO: the disk has failed, whatever
 * its error, nothing of it counts, and from then on each append is -EROFS, with the reason in _stats(). -EROFS at once, with nothing
 * written, where app.jsonl is not the file any more that was opened, or somebody else has written to it. -ENOMEM: not now. */
int must_check eventlog_append(struct eventlog *log, struct slice lines, bool sync, size_t *ret_len);
/* Is it one of the three? */
bool eventlog_is_full(int error);
/* Makes durable what was appended without sync. */
int must_check eventlog_sync(struct eventlog *log);

/* Rotation, first half: the active log becomes app.jsonl.sealed, and a fresh, locked app.jsonl takes its place. Quick: the
 * committer calls it between two appends. 1: nothing to rotate, or a rotation is under way. A failure changes nothing; but where
 * it is not known any more what is on disk, or the files are not what they were, the log fails as in eventlog_append(). */
int must_check eventlog_seal(struct eventlog *log);
/* Second half, in a thread of its own, without holding up anyone: compresses the sealed file into the archive, syncs,
 * removes it. 1: there is none. After a failure (no room) the sealed file stays part of the log and the archive is cut back;
 * it can be called again. */
int must_check eventlog_archive(struct eventlog *log, struct diag *diag);

/* When the last event came, in ns since 1970: what the files tell; 0 where they don't. Of a log that has been archived whole, that is when
 * this was done. A system call or two; any thread. */
uint64_t eventlog_changed(struct eventlog *log);

/* The layout now, with descriptors of its own for the caller. */
int must_check eventlog_files(struct eventlog *log, struct log_files *ret);
/* Its generation only: cheap, to see whether it has changed. */
uint64_t eventlog_generation(struct eventlog *log);
/* Damage may have been mended in place: a new generation of the same layout, so that whoever reads looks anew. Any thread. */
void eventlog_look_again(struct eventlog *log);

struct eventlog_stats {
	struct log_pos head;
	uint64_t active_bytes, archived_bytes; /* archived: as history, not as compressed */
	uint64_t archive_size;                 /* compressed */
	uint64_t frames;
	uint64_t commits;   /* writes to the active log since the open */
	uint64_t appended;  /* events appended since the open */
	uint64_t recovered; /* things that the open has mended */
	/* Bytes that the open has found behind what counts, and left there, since it was for reading only. */
	uint64_t active_rest, archive_rest;
	bool rotating, failed;
	char why[128];          /* why it is read-only */
	char rotation_why[128]; /* why the last try to rotate has failed; empty: it has not */
};
void eventlog_stats(struct eventlog *log, struct eventlog_stats *ret);

/* Of a log that is open for reading only: does a writer hold it at this moment? Then what is behind its end is in the making. */
bool eventlog_is_held(struct eventlog *log);
