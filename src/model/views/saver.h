/* Writes snapshots: to the disk, and into memory for another worker. A thread of its own, for the disk takes
 * its time. */
#pragma once

#include "base/mailbox.h"
#include "model/engine/snapshot.h"
#include "model/views/board.h"

struct saver;
struct save_job;

/* What has become of a job: first, where it is for another worker, that it is packed; then that it is over.
 */
struct save_news {
	struct save_news *next; /* private */
	struct save_job *job;
	bool over;
};

struct save_job {
	struct save_order {
		struct mail mail;
		bool retires;
	} order; /* private */
	char name[LIMIT_NAME + 1];
	uint32_t id;
	struct rendering *rendering; /* a reference */
	struct snapshot snapshot;    /* all but the state, which is the rendering's */
	uint64_t version;
	bool save;     /* on the disk */
	bool handover; /* for another worker */
	/* What came of it. */
	int packed; /* a descriptor, whoever takes it first; or an error */
	int saved;  /* 0 or an error */
	struct save_news news[2];
};
void save_job_free(struct save_job *job); /* NULL is fine */

struct saver_options {
	struct disk *disk;
	int views_fd; /* DATA/views */
	struct board *board;
	void (*report)(void *arg, const char *text);
	void *report_arg;
	void (*wake)(void *arg); /* there is news */
	void *wake_arg;
};

/* What a crash has left of a save is removed first. */
int must_check saver_start(struct saver **ret, const struct saver_options *options);
/* All jobs are done. */
void saver_stop(struct saver *s);
/* After saver_stop(). What nobody has heard goes with it. NULL is fine. */
void saver_free(struct saver *s);

/* Any thread. Takes the job. */
void saver_put(struct saver *s, struct save_job *job);
/* The next piece of news; NULL: none. After the one that it is over the job is the caller's. */
struct save_news *saver_next_news(struct saver *s);
/* See views_retire_snapshots(). */
void saver_retire(struct saver *s, uint64_t active_begin);
