/* ctl: a command is written: rotate | rebuild [NAME] | snapshot. The write returns when a rotation is
 * done; the other two are only set going. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Rotations that somebody waits for. Zeroed, then ctl_init(). */
struct ctl {
	pthread_mutex_t lock;
	struct rotation *rotations;
	bool over; /* the mount is being closed: nothing may be given to the committer any more */
};

void ctl_init(struct ctl *ctl);
/* Any thread: from now on a rotation is begun by nobody. */
void ctl_end(struct ctl *ctl);
void ctl_deinit(struct ctl *ctl);
