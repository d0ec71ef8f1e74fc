#include "web/stream.h"

#include <poll.h>

#include "base/clock.h"
#include "web/answer.h"
#include "web/limits.h"

static bool peer_is_gone(const struct stream *s)
{
	struct pollfd fd = {s->socket, POLLRDHUP, 0};

	return poll(&fd, 1, 0) > 0 && fd.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static ssize_t take(struct stream *s, char *out, size_t room)
{
	size_t n = min(room, s->out.len - s->sent);

	memcpy(out, s->out.data + s->sent, n);
	s->sent += n;
	s->beat_ms = clock_ms();
	return (ssize_t)n;
}

/* Called when there is room for more; waits for it. */
static ssize_t read_stream(void *arg, uint64_t pos, char *out, size_t room)
{
	struct stream *s = arg;
	struct hub *h = &s->web->hub;

	while (s->sent == s->out.len) {
		uint64_t news = hub_news(h);
		int r;

		buf_clear(&s->out);
		s->sent = 0;
		r = s->kind->fill(s);
		if (r < 0 || buf_error(&s->out) < 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (r > 0)
			continue;
		if (hub_is_stopped(h))
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (peer_is_gone(s))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (clock_ms() - s->beat_ms >= WEB_BEAT_MS)
			buf_add_str(&s->out, ":\n\n");
		else
			hub_wait(h, news, WEB_PEER_MS);
	}
	return take(s, out, room);
}

static void free_stream(void *arg)
{
	struct stream *s = arg;

	s->kind->end(s);
	buf_deinit(&s->out);
	free(s);
}

enum MHD_Result stream_answer(struct web *w, struct MHD_Connection *connection, struct stream *s)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *context =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct MHD_Response *response;

	s->web = w;
	s->entry = context ? context->socket_context : NULL;
	s->socket = info->connect_fd;
	s->beat_ms = clock_ms();
	/* So that the head goes out at once, and a broken connection is made again soon. */
	buf_add_str(&s->out, "retry: 1000\n\n");
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, WEB_SEND, read_stream, s, free_stream);
	if (!response) {
		free_stream(s);
		return MHD_NO;
	}
	answer_header(response, "Content-Type", "text/event-stream");
	answer_header(response, "Cache-Control", "no-store");
	answer_header(response, "X-Accel-Buffering", "no");
	return answer_send(connection, MHD_HTTP_OK, response);
}
