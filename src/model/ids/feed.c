#include <errno.h>

#include "model/ids/impl.h"

/* Adding is one's at a time. 1: there is nothing to add; then nothing is claimed. -EAGAIN: there is no room
 * before a table is stored. Who asks may be the one by whom all is committed, and does not wait for that. */
static int claim(struct ids *ids, uint64_t head, struct log_pos *ret_from, uint64_t *ret_life)
{
	int r = 0;

	pthread_mutex_lock(&ids->lock);
	while (ids->feeding)
		pthread_cond_wait(&ids->moved, &ids->lock);
	if (ids->covered.off >= head)
		r = 1;
	else if (ids->n_full == IDS_FULL)
		r = ids->unstored ? ids->unstored : -EAGAIN;
	else
		ids->feeding = true;
	*ret_from = ids->covered;
	*ret_life = ids->life;
	pthread_mutex_unlock(&ids->lock);
	return r;
}

static bool is_blank(struct slice line)
{
	return json_skip_space(line.data, slice_end(line)) == slice_end(line);
}

/* What the lines of a block are named. *ret_lacks: the first that is no event. */
static int scan_block(struct ids_look *look, struct slice block, uint64_t *ret_lacks)
{
	struct cursor *c = &look->cursor;
	struct slice line = {0};
	struct json_error why;

	while (block.len > 0) {
		line = (struct slice){
		    block.data, (size_t)((const char *)memchr(block.data, '\n', block.len) - block.data)};
		if (event_scan(&look->event, line, &why)) {
			struct eventfold_slice id = look->event.pub.id;
			if (!list_room(look->entries, look->n, look->cap, 1024))
				return -ENOMEM;
			if (id.data)
				look->entries[look->n++] = (struct ids_entry){
				    ids_print((struct slice){id.data, id.len}), c->pos.off};
		} else if (look->event.no_memory) {
			return -ENOMEM;
		} else if (!is_blank(line)) {
			*ret_lacks = min(*ret_lacks, c->pos.off);
		}
		cursor_advance(c, line.len);
		block = slice_skip(block, line.len + 1);
	}
	cursor_hash(c, line);
	return 0;
}

static int read_block(struct ids_look *look, const struct log_pos *from, uint64_t life, uint64_t head,
		      uint64_t *ret_lacks)
{
	struct cursor *c = &look->cursor;
	struct log_damage damage;
	struct slice block;

	*ret_lacks = IDS_LACKS_NONE;
	look->n = 0;
	int r = live_reader_refresh(&look->live);
	if (r < 0)
		return r;
	/* What begins anew looks anew. */
	if (!c->reader || life != look->life) {
		cursor_deinit(c);
		cursor_init(c, look->live.reader, from);
		look->life = life;
	}
	c->pos = *from;
	r = cursor_fill(c, head, &block, &damage);
	if (r < 0)
		return r;
	if (r == 0)
		return block.len > 0 ? scan_block(look, block, ret_lacks)
				     : -EIO; /* the head is a line's end */
	*ret_lacks = damage.off;
	return 0;
}

/* Under the lock. */
static bool is_full(const struct ids *ids)
{
	const struct ids_table *t = ids->recent;

	return t->n >= ids->options.recent || t->end.off - t->begin.off >= IDS_STRETCH;
}

/* Under the lock. */
static int add(struct ids *ids, const struct ids_look *look, uint64_t lacks)
{
	if (!ids->recent && !(ids->recent = ids_table_new(&ids->covered)))
		return -ENOMEM;
	int r = ids_table_add(ids->recent, look->entries, look->n);
	if (r < 0)
		return r;
	ids->recent->lacks = min(ids->recent->lacks, lacks);
	ids->recent->end = ids->covered = look->cursor.pos;
	ids->so_far = ids->covered.off;
	if (is_full(ids))
		ids->full[ids->n_full++] = take_ptr(ids->recent);
	return 0;
}

int ids_feed(struct ids *ids, struct ids_look *look, uint64_t head)
{
	struct log_pos from;
	uint64_t life, lacks;

	int r = claim(ids, head, &from, &life);
	if (r != 0)
		return min(r, 0);
	r = read_block(look, &from, life, head, &lacks);
	pthread_mutex_lock(&ids->lock);
	if (r == 0 && life == ids->life)
		r = add(ids, look, lacks);
	else if (r == 0)
		r = -EAGAIN;
	ids->feeding = false;
	bool save = ids->n_full > 0;
	pthread_cond_broadcast(&ids->moved);
	pthread_mutex_unlock(&ids->lock);
	if (save && look != ids->look)
		ids_kick(ids);
	return r;
}

int ids_follow(struct ids *ids, struct ids_look *look, uint64_t head)
{
	for (;;) {
		pthread_mutex_lock(&ids->lock);
		bool ready = ids->ready, done = ids->covered.off >= head;
		pthread_mutex_unlock(&ids->lock);
		if (!ready || done)
			return ready ? 0 : -EAGAIN;
		int r = ids_feed(ids, look, head);
		if (r < 0) {
			ids_kick(ids);
			return r;
		}
	}
}
