/* The streams of tail/: the log from a place on, and a view's state. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "web/answer.h"
#include "web/limits.h"
#include "web/mountpoint.h"
#include "web/stream.h"

/* What is older than the hub's window is read from the log. */
static ssize_t read_older(struct stream *s, char *data, size_t room)
{
	auto_close int fd = mountpoint_open(s->web->options->mnt, "events/app", O_RDONLY);
	ssize_t n = fd < 0 ? fd : pread(fd, data, room, (off_t)s->log.off);

	if (n >= 0)
		return n;
	/* Gone for now: the hub says when it is back. A part that is damaged ends the stream. */
	return fd == -ENODEV || errno == ENOTCONN || errno == ECONNABORTED ? 0 : -EIO;
}

static int fill_log(struct stream *s)
{
	char data[WEB_SEND];
	ssize_t n = hub_read_log(&s->web->hub, s->epoch, s->log.off, data, sizeof(data));

	if (n == -ERANGE)
		n = read_older(s, data, sizeof(data));
	if (n <= 0)
		return (int)n;
	sse_add(&s->log, data, (size_t)n, &s->out);
	return 1;
}

static void end_log(struct stream *s)
{
}

static const struct stream_kind log_kind = {fill_log, end_log};

static int fill_view(struct stream *s)
{
	size_t n;
	bool is_broken = false;

	if (!s->text) {
		s->text = hub_view_text(&s->web->hub, s->view, &s->seen, &is_broken);
		if (!s->text)
			return 0;
		s->text_sent = 0;
		buf_add_str(&s->out, is_broken ? "event: broken\ndata: " : "data: ");
	}
	n = min((size_t)WEB_SEND, s->text->len - s->text_sent);
	buf_add(&s->out, s->text->data + s->text_sent, n);
	s->text_sent += n;
	if (s->text_sent == s->text->len) {
		buf_add_str(&s->out, "\n\n");
		s->text = hub_text_unref(s->text);
	}
	return 1;
}

static void end_view(struct stream *s)
{
	hub_text_unref(s->text);
	hub_unfollow(&s->web->hub, s->view);
}

static const struct stream_kind view_kind = {fill_view, end_view};

/* Of a text that ends with `last`. */
static bool number(const char *text, char last, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && *end == last;
}

/* Where a line begins: 0, or a negative errno; -EINVAL: it is in the midst of one, or behind the end.
 * PLACE_END becomes the end. */
#define PLACE_END UINT64_MAX
static int check_place(struct web *w, uint64_t *off)
{
	auto_close int fd = mountpoint_open(w->options->mnt, "events/app", O_RDONLY);
	struct stat st;
	ssize_t n;
	char c;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (*off == PLACE_END)
		*off = (uint64_t)st.st_size;
	if (*off == 0 || *off > INT64_MAX)
		return *off == 0 ? 0 : -EINVAL;
	n = pread(fd, &c, 1, (off_t)(*off - 1));
	if (n < 0)
		return -errno;
	return n == 1 && c == '\n' ? 0 : -EINVAL;
}

/* Where the stream goes on, if it is one that has broken off: *ret_off is as it was where nothing is said.
 * False: that was answered. */
static bool last_place(struct web *w, struct MHD_Connection *connection, uint64_t *off, enum MHD_Result *ret)
{
	const char *last = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Last-Event-ID");
	int r;

	if (last && *last && !number(last, 0, off)) {
		*ret = answer_problem(connection, MHD_HTTP_BAD_REQUEST, "Bad place",
				      SLICE("Last-Event-ID is an offset into events/app"), "");
		return false;
	}
	r = check_place(w, off);
	if (r == -EINVAL)
		*ret = answer_problem(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, "Bad place",
				      SLICE("no line of events/app begins at this offset"), "");
	else if (r < 0)
		*ret = answer_error(connection, r, "events/app", w->options->mnt);
	return r == 0;
}

static enum MHD_Result begin_at(struct web *w, struct MHD_Connection *connection,
				const struct stream_kind *kind, uint64_t off)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return MHD_NO;
	s->kind = kind;
	s->log.off = off;
	s->epoch = hub_epoch(&w->hub);
	return stream_answer(w, connection, s);
}

/* "@OFFSET:HASH", for who has the log up to there: the mount says whether that is this one. */
static int check_head(struct web *w, const char *name)
{
	auto_close int fd = mountpoint_open(w->options->mnt, name, O_RDONLY);

	return fd < 0 ? fd : 0;
}

static enum MHD_Result tail_log(struct web *w, struct MHD_Connection *connection, const char *name)
{
	const char *at = name + strlen("tail/app"), *hash = strchr(at, ':');
	uint64_t off = PLACE_END;
	enum MHD_Result result;
	int r = 0;

	if ((*at == '@' && !number(at + 1, hash ? ':' : 0, &off)) || (*at && *at != '@'))
		r = -ENOENT;
	else if (hash)
		r = check_head(w, name);
	if (r == -ESTALE)
		return answer_problem(connection, MHD_HTTP_PRECONDITION_FAILED, "Another log",
				      SLICE("no line with this hash ends there"), ",\"errno\":\"ESTALE\"");
	if (r < 0)
		return answer_error(connection, r, name, w->options->mnt);
	if (!last_place(w, connection, &off, &result))
		return result;
	return begin_at(w, connection, &log_kind, off);
}

/* tail/head is opened for each head: a stream keeps nothing of the mount open. Where nothing proves the log
 * yet the read waits for that, and gives up when the stream's reader does. The line without its end, or a
 * negative errno; 0: the log is empty. */
static ssize_t read_head(struct web *w, char *out, size_t size)
{
	auto_close int fd = mountpoint_open(w->options->mnt, "tail/head", O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? fd : read(fd, out, size - 1);

	if (fd >= 0 && n < 0)
		n = errno == EAGAIN ? 0 : -errno;
	if (n > 0)
		out[--n] = 0;
	return n;
}

static int fill_head(struct stream *s)
{
	struct web *w = s->web;
	uint64_t off;
	char line[128], c;
	ssize_t n = hub_read_log(&w->hub, s->epoch, s->log.off, &c, 1);

	if (n == 0 || n == -ESPIPE)
		return (int)n;
	gate_wait(&w->gate, s->entry);
	n = read_head(w, line, sizeof(line));
	gate_waited(&w->gate, s->entry);
	/* Gone for now, or the reader is. */
	if (n == -ENODEV || n == -ENOTCONN || n == -ECONNABORTED || n == -EINTR)
		return 0;
	if (n <= 0 || !number(line, ' ', &off) || off == s->log.off)
		return (int)min(n, 0);
	s->log.off = off;
	buf_printf(&s->out, "data: %s\nid: %llu\n\n", line, (unsigned long long)off);
	return 1;
}

static const struct stream_kind head_kind = {fill_head, end_log};

/* The first head is asked for before there is a stream: what can't be proved is an answer of its own. */
static enum MHD_Result tail_head(struct web *w, struct MHD_Connection *connection)
{
	enum MHD_Result result;
	uint64_t off = 0;
	char line[128];

	if (!last_place(w, connection, &off, &result))
		return result;
	ssize_t n = read_head(w, line, sizeof(line));
	if (n < 0)
		return answer_error(connection, (int)n, "tail/head", w->options->mnt);
	return begin_at(w, connection, &head_kind, off);
}

static enum MHD_Result tail_view(struct web *w, struct MHD_Connection *connection, const char *name)
{
	char path[LIMIT_NAME + 16];
	struct stream *s;
	int fd;

	snprintf(path, sizeof(path), "views/%s.hash", name);
	fd = mountpoint_open(w->options->mnt, path, O_PATH);
	if (fd < 0)
		return answer_error(connection, fd, path, w->options->mnt);
	close(fd);
	s = calloc(1, sizeof(*s));
	if (!s)
		return MHD_NO;
	s->kind = &view_kind;
	s->view = hub_follow(&w->hub, name);
	if (!s->view) {
		free(s);
		return MHD_NO;
	}
	return stream_answer(w, connection, s);
}

enum MHD_Result stream_tail(struct web *w, struct MHD_Connection *connection, const char *name)
{
	const char *base = name + strlen("tail/"), *dot = strrchr(base, '.');
	char view[LIMIT_NAME + 1];

	if (strncmp(base, "app", 3) == 0 && (base[3] == 0 || base[3] == '@'))
		return tail_log(w, connection, name);
	if (strcmp(base, "head") == 0)
		return tail_head(w, connection);
	if (!dot || strcmp(dot, ".json") != 0 || dot == base || dot - base > LIMIT_NAME || strchr(base, '/'))
		return answer_error(connection, -ENOENT, name, w->options->mnt);
	snprintf(view, sizeof(view), "%.*s", (int)(dot - base), base);
	return tail_view(w, connection, view);
}
