#include "web/file_get.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "web/answer.h"
#include "web/body.h"
#include "web/mountpoint.h"
#include "web/range.h"

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

static const char *type_of(const char *name)
{
	size_t len = strlen(name);

	if (is_log(name) || (len > 6 && strcmp(name + len - 6, ".jsonl") == 0))
		return "application/x-ndjson";
	if (len > 5 && strcmp(name + len - 5, ".json") == 0)
		return "application/json";
	return "text/plain; charset=utf-8";
}

/* Is the tag one of the list? A weak one is as good here. */
static bool matches(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	if (!list || !len)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *at = list; (at = strstr(at, etag)); at++)
		if (at[len] == 0 || at[len] == ',' || at[len] == ' ')
			return true;
	return false;
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

enum MHD_Result file_get(struct web *w, struct MHD_Connection *connection, const char *name)
{
	const char *mnt = w->options->mnt;
	int fd = mountpoint_open(mnt, name, O_RDONLY), r;
	struct body body;
	struct stat st;

	if (fd < 0)
		return answer_error(connection, fd, name, mnt);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return list(connection, fd);
	r = body_open(&body, w, fd, is_log(name));
	if (r == -ENOMEM)
		return answer_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Too busy",
				      SLICE("too much is being sent already"), "");
	if (r < 0)
		return answer_error(connection, r, name, mnt);
	if (matches(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match"), body.etag)) {
		char etag[sizeof(body.etag)];

		strcpy(etag, body.etag);
		body_close(&body);
		return not_modified(connection, etag);
	}
	return send_body(connection, &body, name);
}
