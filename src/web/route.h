/* What libmicrohttpd calls: a request's beginning, its body, its end, and who answers it. */
#pragma once

#include <microhttpd.h>

#include "web/web.h"

/* A daemon on the socket, which is its own from then on. NULL: it could not be started. */
struct MHD_Daemon *route_start(struct web *w, int socket, unsigned connections);
