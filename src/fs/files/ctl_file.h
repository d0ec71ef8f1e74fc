/* ctl: a command is written: rotate | rebuild [NAME] | snapshot | cluster … (ctl_cluster.h). The write
 * returns when a rotation is done, or what is said to the cluster; the other two are only set going. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* What somebody waits for. Zeroed, then ctl_init(). */
struct ctl {
	pthread_mutex_t lock;
	struct rotation *rotations;
	struct order *orders; /* to the cluster */
	bool over;            /* the mount is being closed: nothing may be given to the committer any more */
};

void ctl_init(struct ctl *ctl);
/* Any thread: from now on a rotation is begun by nobody. */
void ctl_end(struct ctl *ctl);
void ctl_deinit(struct ctl *ctl);
