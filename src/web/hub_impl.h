/* Between hub.c, which others call, and hub_watch.c, the thread. */
#pragma once

#include "web/hub.h"

void *hub_watch(void *hub); /* the thread */

/* With the lock held. */
void hub_announce(struct hub *h);
/* Made where there is none; NULL: too many. */
struct hub_view *hub_view_of(struct hub *h, const char *name);
/* What lies behind the head. */
void hub_add_log(struct hub *h, const char *data, size_t len);
