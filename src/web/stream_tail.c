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

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && *end == 0;
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

static enum MHD_Result tail_log(struct web *w, struct MHD_Connection *connection, const char *at)
{
	const char *last = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Last-Event-ID");
	uint64_t off = PLACE_END;
	struct stream *s;
	int r;

	if ((*at == '@' && !number(at + 1, &off)) || (*at && *at != '@'))
		return answer_error(connection, -ENOENT, "tail/app", w->options->mnt);
	if (last && *last && !number(last, &off))
		return answer_problem(connection, MHD_HTTP_BAD_REQUEST, "Bad place",
				      SLICE("Last-Event-ID is an offset into events/app"), "");
	r = check_place(w, &off);
	if (r == -EINVAL)
		return answer_problem(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, "Bad place",
				      SLICE("no line of events/app begins at this offset"), "");
	if (r < 0)
		return answer_error(connection, r, "tail/app", w->options->mnt);
	s = calloc(1, sizeof(*s));
	if (!s)
		return MHD_NO;
	s->kind = &log_kind;
	s->log.off = off;
	s->epoch = hub_epoch(&w->hub);
	return stream_answer(w, connection, s);
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
		return tail_log(w, connection, base + 3);
	if (!dot || strcmp(dot, ".json") != 0 || dot == base || dot - base > LIMIT_NAME || strchr(base, '/'))
		return answer_error(connection, -ENOENT, name, w->options->mnt);
	snprintf(view, sizeof(view), "%.*s", (int)(dot - base), base);
	return tail_view(w, connection, view);
}
