/* Keeps the views at the log's head. One thread: takes what has happened (lives that begin and end on the
 * board, what workers say, their ends, what the saver has done, the time), asks the lives concerned what that
 * means (life.h), does it, and puts on the board what others have to see.
 *
 *   keeper.c    the thread's turn
 *   resident.c  the lives that it keeps: a step, and what is to be done
 *   answer.c    what workers say            death.c  their ends
 *   add.c       who gets which view         renew.c  one that grows is started anew
 *   dispatch.c  what workers are asked      saves.c  what is saved, and handed over
 *
 * Threads: any may call what is here. */
#pragma once

#include "model/views/crew.h"

struct board;
struct saver;
struct keeper;

struct keeper_options {
	const struct views_options *views; /* borrowed, as all here */
	struct eventlog *log;
	struct board *board;
};

/* NULL: no memory or descriptors. From then on it may be kicked. */
struct keeper *keeper_new(const struct keeper_options *options);
void keeper_free(struct keeper *k); /* NULL is fine */
/* Starts the thread, which takes what is on the board, and the main worker; and knows the saver and
 * DATA/views. */
int must_check keeper_start(struct keeper *k, struct saver *saver, int views_fd, struct diag *diag);
/* The board is stopped already. Waits a bounded time until what is worth saving is saved. The workers have
 * ended, and the thread. */
void keeper_stop(struct keeper *k);

/* It has something to do. `arg`: the keeper. */
void keeper_kick(void *arg);
/* All states are to be saved. */
void keeper_save_all(struct keeper *k);
struct crew *keeper_crew(struct keeper *k);
