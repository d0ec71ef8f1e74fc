#include "web/file_get.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/json.h"
#include "web/answer.h"
#include "web/body.h"
#include "web/condition.h"
#include "web/limits.h"
#include "web/mountpoint.h"
#include "web/outline.h"
#include "web/range.h"
#include "web/urlpath.h"

static enum MHD_Result list(struct MHD_Connection *connection, int fd)
{
	auto_buf struct buf b = {0};
	const struct dirent *entry;
	DIR *dir = fdopendir(fd);
	bool is_first = true;

	if (!dir) {
		close(fd);
		return MHD_NO;
	}
	buf_add_char(&b, '[');
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		buf_add_str(&b, is_first ? "" : ",");
		buf_add_json(&b, slice_of(entry->d_name));
		is_first = false;
	}
	buf_add_str(&b, "]\n");
	closedir(dir);
	if (buf_error(&b) < 0)
		return MHD_NO;
	return answer_text(connection, MHD_HTTP_OK, "application/json", buf_slice(&b));
}

/* The logs: events/app, with a condition or without, and at/N/app. */
static bool is_log(const char *name)
{
	const char *base = strrchr(name, '/');

	if (strncmp(name, "events/", 7) == 0)
		return true;
	return base && strncmp(name, "at/", 3) == 0 && strcmp(base, "/app") == 0;
}

static bool is_json(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".json") == 0;
}

static const char *type_of(const char *name)
{
	size_t len = strlen(name);

	if (is_log(name) || (len > 6 && strcmp(name + len - 6, ".jsonl") == 0))
		return "application/x-ndjson";
	if (is_json(name))
		return "application/json";
	return "text/plain; charset=utf-8";
}

static enum MHD_Result not_modified(struct MHD_Connection *connection, const char *etag)
{
	struct MHD_Response *response = answer_empty();

	answer_header(response, "ETag", etag);
	return answer_send(connection, MHD_HTTP_NOT_MODIFIED, response);
}

static enum MHD_Result out_of_range(struct MHD_Connection *connection, uint64_t size)
{
	struct MHD_Response *response = answer_empty();
	char text[64];

	snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
	answer_header(response, "Content-Range", text);
	return answer_send(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, response);
}

static enum MHD_Result send_body(struct MHD_Connection *connection, struct body *body, const char *name)
{
	const char *wanted = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
	const char *only_if = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-Range");
	struct MHD_Response *response;
	uint64_t size = body->size;
	enum range_kind kind;
	char etag[sizeof(body->etag)], text[96];
	struct range range;

	strcpy(etag, body->etag);
	if (only_if && strcmp(only_if, etag) != 0)
		wanted = NULL;
	kind = range_parse(&range, wanted, size);
	if (kind == RANGE_NONE) {
		body_close(body);
		return out_of_range(connection, size);
	}
	response = body_response(body, range.from, range.len);
	answer_header(response, "Content-Type", type_of(name));
	answer_header(response, "Accept-Ranges", "bytes");
	if (*etag)
		answer_header(response, "ETag", etag);
	if (kind == RANGE_WHOLE)
		return answer_send(connection, MHD_HTTP_OK, response);
	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)range.from,
		 (unsigned long long)(range.from + range.len - 1), (unsigned long long)size);
	answer_header(response, "Content-Range", text);
	return answer_send(connection, MHD_HTTP_PARTIAL_CONTENT, response);
}

static const char *argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool read_number(const char *text, uint64_t *ret)
{
	return !text || json_to_uint64(slice_of(text), ret);
}

/* A part of a text of JSON, as the rows of a tree. Takes the descriptor. */
static enum MHD_Result outline(struct web *w, struct MHD_Connection *connection, int fd, const char *name)
{
	const char *open = argument(connection, "open");
	auto_buf struct buf paths = {0}, out = {0};
	struct outline_query query = {0};
	struct body body;

	int r = body_open_text(&body, w, fd, WEB_OUTLINED);
	if (r == -ENOMEM)
		return answer_too_busy(connection);
	if (r == -EFBIG)
		return answer_problem(connection, MHD_HTTP_CONTENT_TOO_LARGE, "Too large",
				      SLICE("rows are shown of states of up to 128 MiB"), "");
	if (r < 0)
		return answer_error(connection, r, name, w->options->mnt);
	bool is_good = read_number(argument(connection, "rows"), &query.rows) &&
		       read_number(argument(connection, "from"), &query.from);
	r = is_good ? 0 : -EINVAL;
	if (r == 0 && open)
		r = urlpath_decode_value(open, &paths);
	query.open = buf_slice(&paths);
	if (r == 0)
		r = outline_write((struct slice){body.text, body.size}, &query, &out);
	body_close(&body);
	if (r == -EINVAL)
		return answer_problem(connection, MHD_HTTP_BAD_REQUEST, "Bad rows",
				      SLICE("rows and from are numbers, open is a list of paths"), "");
	return r < 0 ? MHD_NO : answer_text(connection, MHD_HTTP_OK, "application/json", buf_slice(&out));
}

static enum MHD_Result whole(struct web *w, struct MHD_Connection *connection, int fd, const char *name)
{
	struct body body;

	int r = body_open(&body, w, fd, is_log(name));
	if (r == -ENOMEM)
		return answer_too_busy(connection);
	if (r < 0)
		return answer_error(connection, r, name, w->options->mnt);
	if (condition_has(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match"),
			  body.etag)) {
		char etag[sizeof(body.etag)];

		strcpy(etag, body.etag);
		body_close(&body);
		return not_modified(connection, etag);
	}
	return send_body(connection, &body, name);
}

enum MHD_Result file_get(struct web *w, struct MHD_Connection *connection, const char *name)
{
	int fd = mountpoint_open(w->options->mnt, name, O_RDONLY);
	struct stat st;

	if (fd < 0)
		return answer_error(connection, fd, name, w->options->mnt);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return list(connection, fd);
	if (argument(connection, "rows") && is_json(name))
		return outline(w, connection, fd, name);
	return whole(w, connection, fd, name);
}
