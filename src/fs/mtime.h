/* When what the mount shows has last changed, as stat(2) tells it. Those who copy, serve or watch files go
 * by that: it is the same in every look until there is a change, and in the next life of the daemon.
 *
 *   - The log, its head, and how far a view has read: when the last event came, by the time of the log's
 *     own file.
 *   - A view: when its state became what it is, or its reducer (views.h); its snapshot keeps that.
 *   - status.json: see status_clock.h. rejected.jsonl: its last line, or the mount.
 *   - What is past does not change: when DATA was made, or the reducer.
 *
 * Any thread, no lock held. */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <time.h>

struct mount;

struct mtimes {
	struct timespec born; /* DATA */

	pthread_mutex_t lock;
	struct timespec log; /* of the log with this head */
	uint64_t log_off;
	struct timespec rejected;
};

void mtime_init(struct mount *m);
void mtime_deinit(struct mount *m);
/* As soon as the log is open, and before anybody asks. */
void mtime_begin(struct mount *m);
/* When the last event came. May ask the disk's file system for it, after an event. */
struct timespec mtime_log(struct mount *m);
struct timespec mtime_rejected(struct mount *m);
/* A line has been refused. */
void mtime_note_rejected(struct mount *m);
/* The later one. */
struct timespec mtime_max(struct timespec a, struct timespec b);
