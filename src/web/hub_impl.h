/* Between hub.c, which others call, and hub_watch.c, the thread. */
#pragma once

#include "web/hub.h"

void *hub_watch(void *hub); /* the thread */

void hub_announce(struct hub *h); /* with the lock held */
struct hub_view *
hub_view_of(struct hub *h,
	    const char *name); /* with the lock held; made where there is none, NULL: too many */
void hub_add_log(struct hub *h, const char *data,
		 size_t len); /* with the lock held: what lies behind the head */
