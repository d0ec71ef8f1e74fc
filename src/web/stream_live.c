/* The stream of the page: what there is to know, so that it asks only for what is seen. */
#include <string.h>

#include "web/stream.h"

static int fill_live(struct stream *s)
{
	struct hub *h = &s->web->hub;
	bool is_up = hub_is_up(h);
	auto_buf struct buf names = {0};
	struct hub_text *status;

	if (!s->has_begun || is_up != s->was_up) {
		buf_add_str(&s->out, is_up ? "event: mount\ndata: back\n\n" : "event: mount\ndata: gone\n\n");
		s->has_begun = true;
		s->was_up = is_up;
	}
	status = hub_status(h, &s->seen_status);
	if (status) {
		buf_add_str(&s->out, "event: status\ndata: ");
		buf_add(&s->out, status->data, status->len);
		buf_add_str(&s->out, "\n\n");
		hub_text_unref(status);
	}
	if (hub_changed_views(h, &s->seen_views, &names)) {
		buf_add_str(&s->out, "event: views\ndata: ");
		buf_add_slice(&s->out, buf_slice(&names));
		buf_add_str(&s->out, "\n\n");
	}
	return s->out.len > 0;
}

static void end_live(struct stream *s)
{
	hub_unlook(&s->web->hub);
}

static const struct stream_kind live_kind = {fill_live, end_live};

enum MHD_Result stream_live(struct web *w, struct MHD_Connection *connection)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return MHD_NO;
	s->kind = &live_kind;
	hub_look(&w->hub);
	return stream_answer(w, connection, s);
}
