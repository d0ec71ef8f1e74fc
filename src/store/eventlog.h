/* The event log on disk, as its one writer has it: open and mend, append, rotate.
 *
 * DATA/app.jsonl (active), DATA/archive.jsonl.zst (history), DATA/app.jsonl.sealed (a rotation under
 * way). The lock is flock(LOCK_EX) on app.jsonl, and moves on with a rotation.
 *
 * Threads. eventlog_append() and eventlog_seal(): one thread, the committer. eventlog_archive_…(): one
 * thread at a time. eventlog_head(), _files(), _stats(): any. Head and layout lie under one lock that is
 * never held across a system call. */
#pragma once

#include "base/diag.h"
#include "store/disk.h"
#include "store/latest.h"
#include "store/log.h"
#include "store/record.h"

struct eventlog;

struct eventlog_options {
	/* Is the line (no newline) a whole event? Decides about a torn last line. */
	bool (*is_event)(void *arg, struct slice line);
	line_time *time_of; /* for the archive's records; NULL: they say nothing of times */
	/* One line for a person: what the opening has mended, or what it found damaged; later, on the
	 * thread that meets it, why nothing is written any more. May be NULL. */
	void (*report)(void *arg, const char *text);
	void *arg;
	bool read_only; /* for verify and log: no lock, mends nothing */
	bool decides;   /* for recover: what was kept apart (kept.h) does not make it read-only */
	bool shared;    /* other machines have all of it, too, and give what is missing at its end */
	size_t frame_bytes; /* of the archive's frames, about; 0: LIMIT_FRAME */
};

/* Opens the log in the directory `dirfd` (borrowed for the log's life), creating what is missing, and
 * finishes or undoes what a crash has left: a torn last line, a rotation at any stage, half a frame,
 * temporary files. 1: another process holds the log; its process id is in the diag where it can be
 * found. */
int must_check eventlog_open(struct eventlog **ret, struct disk *disk, int dirfd,
			     const struct eventlog_options *options, struct diag *diag);
void eventlog_close(struct eventlog *log);

/* The head: behind the last event that is in the log (and on disk, if synced). */
struct log_pos eventlog_head(struct eventlog *log);

/* Appends whole lines (`lines` ends with a newline), with one write and, if `sync`, one sync. *ret_len
 * is how much of it is in the log, always whole lines; the head stands behind them. 0 where all of it
 * is. -ENOSPC, -EDQUOT or -EFBIG: the first *ret_len bytes are in the log (and synced), nothing of the
 * rest. -EIO: the disk has failed, whatever its error, nothing of it counts, and from then on each
 * append is -EROFS, with the reason in _stats(). -EROFS at once, with nothing written, where app.jsonl
 * is not the file any more that was opened, or somebody else has written to it. -ENOMEM: not now. */
int must_check eventlog_append(struct eventlog *log, struct slice lines, bool sync, size_t *ret_len);
/* The same where some of the lines belong together: of each of these groups either all is in the log or
 * nothing, whatever happens; *ret_len never ends within one. In order, and not empty. */
struct log_group {
	size_t at, len; /* bytes of the lines */
};
int must_check eventlog_append_groups(struct eventlog *log, struct slice lines,
				      const struct log_group *groups, size_t n, bool sync, size_t *ret_len);
/* Writes the first lines of the next append before that is known to the end, behind those that were so
 * written before; no groups are among them. They are in the file only: nobody reads them, and no head stands
 * behind them. `sync`: that append will be with one. An error: they are not, and the log is as it was, unless
 * it has failed. The committer's thread. */
int must_check eventlog_write_ahead(struct eventlog *log, struct slice lines, bool sync);
/* That append does not come: they are off the disk. */
void eventlog_drop_ahead(struct eventlog *log);
/* Behind the last group that was appended since the open; 0: there was none. From there on each event is a
 * step of its own. Any thread; who has read the head before sees what is before that. */
uint64_t eventlog_grouped(struct eventlog *log);
/* Where it is decided elsewhere whether lines come next, and that takes a while, so that they are on disk by
 * then: puts them into the journal as a proposal. After a crash it is not in the log if nothing has followed,
 * but kept (proposed.h). True: an append with a sync of the same lines, and nothing before it, needs none.
 * The committer's thread. */
bool must_check eventlog_propose(struct eventlog *log, struct slice lines);
/* They do not come next: nothing of what was proposed will be found again. */
void eventlog_withdraw(struct eventlog *log);
/* Would all that was appended with a sync be there again after a power cut, whoever has decided it? Not what
 * was proposed last, for about a second. The committer's thread. */
bool eventlog_is_certain(struct eventlog *log);
/* Has a crash left a proposal of which nobody here knows what became of it? After the opening. */
bool eventlog_has_proposed(struct eventlog *log);
/* Appends it, whole: the order that it was proposed to is no more. Where the log has gone on otherwise it
 * goes to app.jsonl.torn. None: 0. */
int must_check eventlog_take_proposed(struct eventlog *log);
/* Is it one of the three? */
bool eventlog_is_full(int error);
/* Is it still the log that was opened, and may it be appended to? 0, or an error as above. The committer's
 * thread. */
int must_check eventlog_check(struct eventlog *log);
/* Makes durable what was appended without sync. */
int must_check eventlog_sync(struct eventlog *log);

/* From now on appends with a sync may go to the journal (journal.h) first, which is made here: `bytes`
 * large, 0: as usual. Once; any thread. A failure changes nothing. */
int must_check eventlog_journal(struct eventlog *log, uint64_t bytes);
/* Makes durable in the log itself what so far is in the journal only: to be called now and then, beside
 * the committer, by one thread. The log fails where that fails. */
int must_check eventlog_settle(struct eventlog *log);
/* Is half of the journal's ring in use since this was asked last? The committer's thread. */
bool eventlog_is_pressed(struct eventlog *log);
/* An orderly end, once nothing is appended any more: all is durable in the log itself, and the journal
 * is removed. Without this eventlog_close() leaves it for the next open. */
int must_check eventlog_finish(struct eventlog *log);

/* Rotation, first half: the active log becomes app.jsonl.sealed, and a fresh, locked app.jsonl takes its
 * place. Quick: the committer calls it between two appends. 1: nothing to rotate, or a rotation is under
 * way. A failure changes nothing; but where it is not known any more what is on disk, or the files are
 * not what they were, the log fails as in eventlog_append(). */
int must_check eventlog_seal(struct eventlog *log);
/* Second half, beside everything else, in two steps of one thread:
 *
 *     eventlog_archive_write(log, &begin, diag)    0: the sealed file is in the archive as well
 *     …                                            what says something about offsets in the sealed file is
 *                                                  taken back, durably: the active log begins at `begin`
 *     eventlog_archive_finish(log, diag)           the sealed file is gone
 *
 * 1: there is none (an END that is missing, or lacks a SHA-256, has been written), or another thread is at
 * it. After a failure (no room) in either, the sealed file stays part of the log, the archive is cut back,
 * and it can be begun anew. */
int must_check eventlog_archive_write(struct eventlog *log, uint64_t *ret_active_begin, struct diag *diag);
/* Must follow, and only follows, an eventlog_archive_write() that returned 0. */
int must_check eventlog_archive_finish(struct eventlog *log, struct diag *diag);

/* The SHA-256 of history up to `off` has been found out, where the archive, of an earlier version or another
 * program, does not say it (stats.proven). If the archive ends there, now or after the next rotation, the
 * next eventlog_archive_write() writes it down, in one more END if need be. Any thread. */
void eventlog_note_sha(struct eventlog *log, uint64_t off, const struct record_sha *sha);

/* When the last event came, in ns since 1970: what the files tell; 0 where they don't. Of a log that has
 * been archived whole, that is when this was done. A system call or two; any thread. */
uint64_t eventlog_changed(struct eventlog *log);

/* The layout now, with descriptors of its own for the caller. */
int must_check eventlog_files(struct eventlog *log, struct log_files *ret);
/* Its generation only: cheap, to see whether it has changed. */
uint64_t eventlog_generation(struct eventlog *log);
/* Damage may have been mended in place: a new generation of the same layout, so that whoever reads looks
 * anew. Any thread. */
void eventlog_look_again(struct eventlog *log);

struct eventlog_stats {
	struct log_pos head;
	uint64_t active_bytes, archived_bytes; /* archived: as history, not as compressed */
	uint64_t archive_size;                 /* compressed */
	uint64_t frames;
	bool proven;        /* the archive's last record has the SHA-256 of history up to there */
	uint64_t commits;   /* writes to the active log since the open */
	uint64_t appended;  /* events appended since the open */
	uint64_t recovered; /* things that the open has mended */
	/* Bytes that the open has found behind what counts, and left there, since it was for reading only. */
	uint64_t active_rest, archive_rest;
	uint64_t group_rest;   /* of the active file, from the first group that is not whole on */
	uint64_t journal_rest; /* of the same: only the journal has them; they are shown as part of the log */
	uint64_t settled; /* durable in the log itself up to here; behind it by the journal, or not yet */
	bool journal;     /* there is one */
	uint64_t sync_us; /* how long it took lately to make an append durable */
	bool rotating, failed;
	char why[128];          /* why it is read-only */
	char rotation_why[128]; /* why the last try to rotate has failed; empty: it has not */
};
void eventlog_stats(struct eventlog *log, struct eventlog_stats *ret);

/* Of a log that is open for reading only: does a writer hold it at this moment? Then what is behind its
 * end is in the making. */
bool eventlog_is_held(struct eventlog *log);
