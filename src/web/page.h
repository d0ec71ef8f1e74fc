/* Plain files of a directory: the page, and an application of one's own. */
#pragma once

#include <microhttpd.h>

/* `dir` is a descriptor, `name` a plain name in it; "" and directories mean their index.html. No link is
 * followed, nothing outside of it is given. `url` is the address as it came: a directory's without a slash
 * at its end is sent on to the one with it. */
enum MHD_Result page_get(struct MHD_Connection *connection, int dir, const char *name, const char *url);
