/* The files of a view: views/NAME.json, .offset, .hash, .snapshot.json and .error. */
#include <errno.h>

#include "base/clock.h"
#include "fs/node/classes.h"
#include "fs/files/text_file.h"

static const char *view_of(const struct node *node)
{
	return node->name;
}

static void add_hash(struct buf *b, const struct log_pos *pos)
{
	if (pos->off > 0)
		buf_add_hex64(b, pos->hash);
}

static struct text *json_of(const struct views_answer *a)
{
	return text_of_rendering(a->rendering);
}

static struct text *offset_of(const struct views_answer *a)
{
	struct buf b = {0};

	buf_add_u64(&b, a->pos.off);
	buf_add_char(&b, '\n');
	return text_of_buf(&b);
}

static struct text *hash_of(const struct views_answer *a)
{
	struct buf b = {0};

	add_hash(&b, &a->pos);
	buf_add_char(&b, '\n');
	return text_of_buf(&b);
}

static struct text *snapshot_of(const struct views_answer *a)
{
	struct slice json = a->rendering->json;
	struct buf b = {0};

	buf_add_str(&b, "{\"state\":");
	buf_add(&b, json.data, json.len - 1); /* without its newline */
	buf_add_str(&b, ",\"offset\":");
	buf_add_u64(&b, a->pos.off);
	buf_add_str(&b, ",\"hash\":\"");
	add_hash(&b, &a->pos);
	buf_add_str(&b, "\"}\n");
	rendering_unref(a->rendering);
	return text_of_buf(&b);
}

static int make_error(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	struct view_status status = {0};

	int r = views_status(m->views, node->name, &status);
	ret->seen.error = follower_error(status.why.text);
	ret->changed = clock_of_ns(status.changed);
	if (r < 0)
		return r;
	if (!status.why.text[0])
		return -ENOENT;
	buf_add_str(b, status.why.text);
	buf_add_char(b, '\n');
	return 0;
}

#define VIEW_FILE TEXT_FILE_OF_HEAD, .mode = S_IFREG | 0444, .view = view_of, .topic = TOPIC_VIEW

const struct node_class view_json_file = {VIEW_FILE, .of_answer = json_of, .differs = seen_other_state};
const struct node_class view_offset_file = {
    VIEW_FILE,
    .of_answer = offset_of,
    .position = true,
    .differs = seen_other_position,
    .tells_position = true,
};
const struct node_class view_hash_file = {
    VIEW_FILE, .of_answer = hash_of, .position = true, .differs = seen_other_position, .tells_position = true,
};
const struct node_class view_snapshot_file = {
    VIEW_FILE,
    .of_answer = snapshot_of,
    .differs = seen_other_snapshot,
    .tells_position = true,
};
const struct node_class view_error_file = {VIEW_FILE, .make = make_error, .differs = seen_other_error};
