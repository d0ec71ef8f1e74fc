/* A place in the log, and what it takes to read the log from another thread or process. */
#pragma once

#include "base/buf.h"
#include "base/defs.h"
#include "base/slice.h"

/* The place behind an event. All zero at the start.
 *
 * `off` counts bytes of the complete history (archive and active log, as if the log had never been
 * rotated), `seq` counts its lines (damaged ones too, so that an event's number never changes).
 * `hash` is xxh64 (seed 0) of the last line without its newline; it means nothing where off is 0. */
struct log_pos {
	uint64_t off;
	uint64_t seq;
	uint64_t hash;
};

uint64_t log_hash(struct slice line);
/* OFFSET:HASH, as people see it; of an empty log "0:". */
void log_pos_text(const struct log_pos *pos, struct buf *b);

/* The files that hold the log at one moment, in order: archive, the sealed file of a rotation under way
 * (absent: fd -1, empty range), active. Each covers the history from its `begin` to the next one's.
 * Descriptors are read-only and belong to the holder; log_files_deinit() closes them. */
struct log_files {
	int archive_fd;         /* -1 where there is no archive */
	uint64_t archive_size;  /* bytes of it that count: behind may be a frame in the making */
	uint64_t archive_begin; /* 0 */
	int sealed_fd;
	struct log_pos sealed_begin;
	int active_fd;
	struct log_pos active_begin; /* its hash is 0 where the archive is damaged */
	uint64_t generation;         /* grows with each change of the layout */
};
#define LOG_FILES_NONE ((struct log_files){.archive_fd = -1, .sealed_fd = -1, .active_fd = -1})

void log_files_deinit(struct log_files *f);
int must_check log_files_dup(const struct log_files *f, struct log_files *ret);
