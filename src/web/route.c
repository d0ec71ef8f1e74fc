#include "web/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "web/answer.h"
#include "web/append.h"
#include "web/file_get.h"
#include "web/limits.h"
#include "web/page.h"
#include "web/stream.h"
#include "web/urlpath.h"

static struct gate_entry *entry_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct web *w = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = gate_enter(
		    &w->gate,
		    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	else
		gate_leave(&w->gate, *context);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct web *w = arg;
	struct request *r = *context;

	gate_expect(&w->gate, entry_of(connection), WEB_HEAD_MS);
	if (!r)
		return;
	web_let_go(w, r->held);
	buf_deinit(&r->body);
	free(r);
	*context = NULL;
}

/* Names are decoded by urlpath alone, which sees zeros and slashes as they were written. */
static size_t leave_encoded(void *arg, struct MHD_Connection *connection, char *text)
{
	return strlen(text);
}

static enum MHD_Result refuse(struct MHD_Connection *connection, enum access_answer why)
{
	switch (why) {
	case ACCESS_HOST:
		return answer_problem(connection, MHD_HTTP_MISDIRECTED_REQUEST, "Not this server",
				      SLICE("the server does not answer to this name; see --host"), "");
	case ACCESS_ORIGIN:
		return answer_problem(connection, MHD_HTTP_FORBIDDEN, "Another origin",
				      SLICE("only the server's own pages may ask"), "");
	default:
		return answer_problem(
		    connection, MHD_HTTP_UNAUTHORIZED, "No token",
		    SLICE("open the address that eventfold-web has printed, with its token"), "");
	}
}

/* What was asked for besides the token, as it was written: libmicrohttpd has made a blank of each plus. */
static enum MHD_Result add_argument(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *place = arg;

	if (place->failed || strcasecmp(key, "token") == 0)
		return MHD_YES;
	size_t from = place->len;
	buf_add_char(place, memchr(place->data, '?', place->len) ? '&' : '?');
	buf_add_str(place, key);
	if (value)
		buf_printf(place, "=%s", value);
	for (size_t i = from; !place->failed && i < place->len; i++)
		if (place->data[i] == ' ')
			place->data[i] = '+';
	return place->len > WEB_PLACE ? MHD_NO : MHD_YES;
}

/* The token leaves the address: it is in a cookie from now on. */
static enum MHD_Result introduce(struct web *w, struct MHD_Connection *connection, const char *url)
{
	auto_buf struct buf place = {0};
	char text[256];

	buf_add_str(&place, url);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &place);
	if (place.len > WEB_PLACE)
		return answer_problem(connection, MHD_HTTP_URI_TOO_LONG, "Too long",
				      SLICE("an address with a token in it has 8 KiB at most"), "");
	buf_add_char(&place, '\0');
	if (buf_error(&place) < 0)
		return MHD_NO;
	struct MHD_Response *response = answer_empty();
	snprintf(text, sizeof(text), "%s=%s; Path=/; HttpOnly; SameSite=Lax", w->access.cookie,
		 w->access.token);
	answer_header(response, "Set-Cookie", text);
	answer_header(response, "Location", place.data);
	answer_header(response, "Cache-Control", "no-store");
	return answer_send(connection, MHD_HTTP_SEE_OTHER, response);
}

/* To a browser a path that begins with "//", or with "/\\", is on another server. */
static bool is_plain_place(const char *url)
{
	char path[WEB_PATH];

	return url[0] == '/' && urlpath_decode(url, path, sizeof(path)) == 0;
}

static enum MHD_Result not_this_method(struct MHD_Connection *connection, const char *allowed)
{
	struct MHD_Response *response = answer_empty();

	answer_header(response, "Allow", allowed);
	return answer_send(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
}

static enum MHD_Result too_large(struct MHD_Connection *connection)
{
	return answer_problem(connection, MHD_HTTP_CONTENT_TOO_LARGE, "Too large",
			      SLICE("an append has 16 MiB at most; send more of them"), "");
}

/* What is known when the head is there. 0: go on; else *ret is what was answered. */
static bool answer_head(struct web *w, struct MHD_Connection *connection, const char *url, const char *method,
			struct request *r, enum MHD_Result *ret)
{
	enum access_answer access = access_check(&w->access, connection);
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	const char *coding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
	bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (access == ACCESS_INTRODUCED && is_get && is_plain_place(url))
		*ret = introduce(w, connection, url);
	else if (access != ACCESS_OK && access != ACCESS_INTRODUCED)
		*ret = refuse(connection, access);
	else if (!is_get && strcmp(method, "POST") != 0)
		*ret = not_this_method(connection, "GET, HEAD, POST");
	else if (!is_get && strcmp(url, "/files/events/app") != 0)
		*ret = not_this_method(connection, "GET, HEAD");
	else if (!is_get && w->options->read_only)
		*ret = answer_problem(connection, MHD_HTTP_FORBIDDEN, "Read-only",
				      SLICE("this server appends nothing"), "");
	else if (length && strtoull(length, NULL, 10) > (is_get ? 0 : WEB_BODY))
		*ret = too_large(connection);
	else {
		gate_let_in(&w->gate, r->entry);
		r->is_append = !is_get;
		r->has_body = (length && strcmp(length, "0") != 0) || coding;
		return false;
	}
	return true;
}

static enum MHD_Result begin(struct web *w, struct MHD_Connection *connection, const char *url,
			     const char *method, void **context)
{
	struct request *r = calloc(1, sizeof(*r));
	enum MHD_Result result = MHD_YES;

	if (!r)
		return MHD_NO;
	*context = r;
	r->web = w;
	r->entry = entry_of(connection);
	if (!answer_head(w, connection, url, method, r, &result) && r->has_body)
		gate_expect(&w->gate, r->entry, WEB_BODY_MS);
	return result;
}

static void discard_body(struct request *r, unsigned refusal)
{
	r->refusal = refusal;
	buf_deinit(&r->body);
	web_let_go(r->web, r->held);
	r->held = 0;
}

/* A part of a body. What is too much is refused when the whole was thrown away: libmicrohttpd takes no
 * answer in between. */
static enum MHD_Result take_body(struct request *r, const char *data, size_t *len)
{
	struct web *w = r->web;
	size_t n = *len;

	r->came += n;
	if (!r->is_append || r->came > WEB_BODY + WEB_DISCARDED)
		return MHD_NO;
	*len = 0;
	if (!r->refusal && r->came > WEB_BODY)
		discard_body(r, MHD_HTTP_CONTENT_TOO_LARGE);
	else if (!r->refusal && !web_hold(w, n, WEB_MEMORY))
		discard_body(r, MHD_HTTP_SERVICE_UNAVAILABLE);
	if (r->refusal)
		return MHD_YES;
	r->held += n;
	buf_add(&r->body, data, n);
	return r->body.failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result post(struct request *r, struct MHD_Connection *connection)
{
	switch (r->refusal) {
	case 0:
		return append_post(r, connection);
	case MHD_HTTP_CONTENT_TOO_LARGE:
		return too_large(connection);
	default:
		return answer_too_busy(connection);
	}
}

static enum MHD_Result answer_get(struct web *w, struct MHD_Connection *connection, const char *url)
{
	char path[WEB_PATH];
	bool is_page = w->app < 0;
	const char *name = path;

	if (urlpath_decode(url, path, sizeof(path)) < 0)
		return answer_problem(connection, MHD_HTTP_BAD_REQUEST, "Bad name",
				      SLICE("a name has plain parts only"), "");
	if (strncmp(path, "files/tail/", 11) == 0)
		return stream_tail(w, connection, path + 6);
	if (strncmp(path, "files/", 6) == 0 || strcmp(path, "files") == 0)
		return file_get(w, connection, path[5] ? path + 6 : "");
	if (strcmp(path, "live") == 0)
		return stream_live(w, connection);
	if (strncmp(path, "eventfold", 9) == 0 && (path[9] == '/' || path[9] == 0)) {
		is_page = true;
		name = path[9] ? path + 10 : "";
	}
	return page_get(connection, is_page ? w->page : w->app, name, url);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data, size_t *len,
				  void **context)
{
	struct web *w = arg;
	struct request *r = *context;
	enum MHD_Result result;

	if (!r)
		return begin(w, connection, url, method, context);
	if (*len > 0)
		return take_body(r, data, len);
	/* From here on it is the mount that may take its time, and then the reader, as long as he reads at
	 * all. */
	gate_expect(&w->gate, r->entry, 0);
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	if (r->is_append) {
		result = post(r, connection);
	} else {
		gate_wait(&w->gate, r->entry);
		result = answer_get(w, connection, url);
		gate_waited(&w->gate, r->entry);
	}
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)WEB_IDLE_S);
	return result;
}

struct MHD_Daemon *route_start(struct web *w, int socket, unsigned connections)
{
	return MHD_start_daemon(
	    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0,
	    NULL, NULL, on_request, w, MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT,
	    connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_HEAD, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)WEB_IDLE_S, MHD_OPTION_THREAD_STACK_SIZE, (size_t)WEB_STACK,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, w, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL,
	    MHD_OPTION_END);
}
