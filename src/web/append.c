#include "web/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"
#include "web/answer.h"
#include "web/condition.h"
#include "web/mountpoint.h"
#include "web/refusal.h"

/* Of a line that was taken: one, or, of a group, as many as it has. */
static size_t events_in_line(struct slice line)
{
	const char *end = slice_end(line), *at = json_skip_space(line.data, end);
	struct slice key, value;
	size_t n = 0;

	if (at == end || *at != '[')
		return at < end;
	for (struct json_iter it = json_iterate(line); json_next(&it, &key, &value);)
		n++;
	return n;
}

static size_t events_in(struct slice text)
{
	const char *at = text.data, *end = slice_end(text), *newline;
	size_t n = 0;

	for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		n += events_in_line((struct slice){at, (size_t)(newline - at)});
	return n;
}

static void add_member(struct buf *b, const char *key, struct slice raw)
{
	if (raw.len > 0)
		buf_printf(b, ",\"%s\":%.*s", key, (int)raw.len, raw.data);
}

static enum MHD_Result refuse_line(struct web *w, struct MHD_Connection *connection, unsigned status,
				   const char *title, const char *errno_name, size_t appended)
{
	size_t room = (size_t)LIMIT_REJECTED * (LIMIT_REJECTED_LINE + 512);
	auto_free char *text = malloc(room);
	ssize_t n = text ? mountpoint_read(w->options->mnt, "rejected.jsonl", text, room) : 0;
	struct slice ours = refusal_find((struct slice){text, n > 0 ? (size_t)n : 0}, gettid()), why;
	auto_buf struct buf b = {0};

	buf_printf(&b, "{\"type\":\"about:blank\",\"status\":%u,\"title\":", status);
	buf_add_json(&b, slice_of(title));
	why = refusal_member(ours, "reason");
	add_member(&b, "detail", why.len > 0 ? why : SLICE("\"the mount has refused it\""));
	add_member(&b, "column", refusal_member(ours, "column"));
	buf_printf(&b, ",\"errno\":\"%s\",\"appended\":%zu}\n", errno_name, appended);
	if (buf_error(&b) < 0)
		return MHD_NO;
	return answer_text(connection, status, "application/problem+json", buf_slice(&b));
}

/* The log's head; "": it can't be read. */
static void read_head(struct web *w, char *out, size_t size)
{
	ssize_t n = mountpoint_read(w->options->mnt, "head/app", out, size);

	out[n > 0 && out[n - 1] == '\n' ? n - 1 : 0] = 0;
}

static enum MHD_Result stale(struct web *w, struct MHD_Connection *connection, size_t appended)
{
	char head[64], more[160] = "";

	read_head(w, head, sizeof(head));
	if (*head)
		snprintf(more, sizeof(more), ",\"errno\":\"ESTALE\",\"appended\":%zu,\"head\":\"%s\"",
			 appended, head);
	return answer_problem(connection, MHD_HTTP_PRECONDITION_FAILED, "The log has moved on",
			      SLICE("its head is none that If-Match names"), more);
}

static enum MHD_Result refuse(struct web *w, struct MHD_Connection *connection, int error, size_t appended)
{
	char more[48];

	snprintf(more, sizeof(more), ",\"appended\":%zu", appended);
	switch (-error) {
	case EINVAL:
		return refuse_line(w, connection, MHD_HTTP_UNPROCESSABLE_CONTENT, "Not an event", "EINVAL",
				   appended);
	case EMSGSIZE:
		return refuse_line(w, connection, MHD_HTTP_CONTENT_TOO_LARGE, "The line is too long",
				   "EMSGSIZE", appended);
	case EPERM:
		return refuse_line(w, connection, MHD_HTTP_CONFLICT, "A rule refuses it", "EPERM", appended);
	case EAGAIN:
		return answer_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "The rules are not ready",
				      SLICE("status.json says what they wait for"), more);
	case ESTALE:
		return stale(w, connection, appended);
	case ENOSPC:
	case EDQUOT:
		return answer_problem(connection, MHD_HTTP_INSUFFICIENT_STORAGE, "No room",
				      SLICE("the disk is full: this line is not in the log"), more);
	case EROFS:
		return answer_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "The log is read-only",
				      SLICE("status.json says why"), more);
	case EIO:
		return answer_problem(
		    connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "Not appended",
		    SLICE("a rule is broken, or the disk has failed; status.json says which"), more);
	default:
		return answer_error(connection, error, "events/app", w->options->mnt);
	}
}

/* Writes all of it; 0 or a negative errno, with what was taken. */
static int write_all(int fd, const struct buf *b, size_t *ret_taken)
{
	size_t taken = 0;

	while (taken < b->len) {
		ssize_t n = write(fd, b->data + taken, b->len - taken);

		if (n < 0 && errno == EINTR)
			continue;
		*ret_taken = taken;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		taken += (size_t)n;
	}
	*ret_taken = taken;
	return 0;
}

enum MHD_Result append_post(struct request *r, struct MHD_Connection *connection)
{
	const char *match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-Match");
	struct web *w = r->web;
	size_t taken = 0, appended;
	char head[64] = "", name[64], text[64];
	int fd, result;

	if (match && strchr(match, ','))
		read_head(w, head, sizeof(head));
	if (condition_log(match, head, name, sizeof(name)) < 0)
		return stale(w, connection, 0);
	if (r->body.len > 0 && r->body.data[r->body.len - 1] != '\n')
		buf_add_char(&r->body, '\n');
	if (buf_error(&r->body) < 0)
		return MHD_NO;
	fd = mountpoint_open(w->options->mnt, name, O_WRONLY | O_APPEND);
	if (fd == -ENOENT && match)
		return stale(w, connection, 0);
	if (fd < 0)
		return answer_error(connection, fd, name, w->options->mnt);
	result = write_all(fd, &r->body, &taken);
	appended = events_in((struct slice){r->body.data, taken});
	/* With sync=close it is the close that says whether the lines are on the disk. */
	if (close(fd) < 0 && result == 0)
		result = -errno;
	if (result < 0)
		return refuse(w, connection, result, appended);
	snprintf(text, sizeof(text), "{\"appended\":%zu}\n", appended);
	return answer_text(connection, MHD_HTTP_OK, "application/json", slice_of(text));
}
