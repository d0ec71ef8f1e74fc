/* GET and HEAD of the mount's files: whole or in part, with an ETag. Waits for the mount: called on a
 * connection's own thread. */
#pragma once

#include <microhttpd.h>

#include "web/web.h"

/* `name` is a plain name in the mount, "" its root. A directory is a JSON array of names. */
enum MHD_Result file_get(struct web *w, struct MHD_Connection *connection, const char *name);
