#include "store/chain.h"

void chain_init(struct chain *c)
{
	*c = (struct chain){0};
	index_init(&c->entries);
}

void chain_deinit(struct chain *c)
{
	index_deinit(&c->entries);
}

int chain_tail(struct disk *disk, int fd, const struct record *rec, struct index_tail *ret)
{
	struct record begin;

	*ret = (struct index_tail){
	    .size = rec->at + record_size(rec),
	    .pos = rec->pos,
	    .frames = rec->frames,
	    .latest = rec->latest,
	    .sha = rec->sha,
	    .last = rec->kind == RECORD_END     ? LAST_END
		    : rec->kind == RECORD_FRAME ? LAST_FRAME
						: LAST_BEGIN,
	    .begin = rec->begin,
	};
	if (ret->last == LAST_END)
		return 0;
	int r = record_load(disk, fd, rec->begin, rec->at, &begin);
	if (r)
		return r;
	ret->begin_pos = begin.pos;
	ret->begin_frames = begin.frames;
	ret->begin_latest = begin.latest;
	ret->begin_sha = begin.sha;
	return begin.kind != RECORD_BEGIN;
}

int chain_build(struct chain *c, struct disk *disk, int fd, uint64_t low, uint64_t size)
{
	struct record rec;

	c->low = size;
	for (;;) {
		bool newest = c->low == size;
		int r = record_load_before(disk, fd, low, c->low, &rec);
		if (r == 0 && newest)
			r = chain_tail(disk, fd, &rec, &c->entries.tail);
		if (r < 0)
			return r;
		if (r > 0 || rec.at - low < rec.frame_size)
			break;
		if (!newest && (rec.pos.off != c->pos.off || rec.pos.seq != c->pos.seq))
			break;
		c->low = rec.at - rec.frame_size;
		c->pos = rec.pos;
		if (rec.kind != RECORD_FRAME)
			continue;
		struct index_entry e = index_entry_of(&rec);
		c->pos = (struct log_pos){.off = e.off, .seq = e.seq};
		r = index_add(&c->entries, &e);
		if (r < 0)
			return r;
	}
	return 0;
}
