/* Answers to a request, with the headers that all of them have. Each function queues one, and says what
 * the connection's handler is to return. A response that is given to answer_send() is its own from then
 * on; NULL, for want of memory, ends the connection. */
#pragma once

#include <microhttpd.h>

#include "base/buf.h"

enum MHD_Result answer_send(struct MHD_Connection *connection, unsigned status,
			    struct MHD_Response *response);

/* application/problem+json (RFC 9457). `more` is "" or members with their commas: ",\"column\":3". */
enum MHD_Result answer_problem(struct MHD_Connection *connection, unsigned status, const char *title,
			       struct slice detail, const char *more);

/* A problem for what opening or reading a file of the mount said. */
enum MHD_Result answer_error(struct MHD_Connection *connection, int error, const char *name, const char *mnt);

/* There is no room for what is asked for, or for what is sent. */
enum MHD_Result answer_too_busy(struct MHD_Connection *connection);

/* A text that is copied. */
enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *type,
			    struct slice text);

struct MHD_Response *answer_empty(void);
void answer_header(struct MHD_Response *response, const char *name, const char *value); /* NULL is fine */
