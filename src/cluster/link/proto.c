#include "cluster/link/proto.h"

#include <errno.h>

struct head {
	uint32_t type, len;
};

void frame_add(struct buf *out, enum frame_type type, struct slice text)
{
	const struct head h = {.type = type, .len = (uint32_t)text.len};

	buf_add(out, &h, sizeof(h));
	buf_add_slice(out, text);
}

int frame_next(struct slice in, size_t *at, struct frame *ret)
{
	struct slice rest = slice_skip(in, *at);
	struct head h;

	if (rest.len < sizeof(h))
		return 0;
	memcpy(&h, rest.data, sizeof(h));
	if (h.len > FRAME_MAX || h.type == 0)
		return -EPROTO;
	if (rest.len - sizeof(h) < h.len)
		return 0;
	*ret = (struct frame){h.type, {rest.data + sizeof(h), h.len}};
	*at += sizeof(h) + h.len;
	return 1;
}
