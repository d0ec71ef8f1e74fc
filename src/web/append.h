/* POST of events, one a line, to events/app. Waits for the mount: called on a connection's own thread. */
#pragma once

#include <microhttpd.h>

#include "web/web.h"

/* Appends the request's body. With If-Match: OFFSET:HASH only if the log's head is still there. What the
 * mount refuses becomes a problem with the mount's own reason; lines before the refused one are in the log
 * then, and counted. */
enum MHD_Result append_post(struct request *r, struct MHD_Connection *connection);
