#include "fs/files/log_read.h"

#include <errno.h>

#include "fs/reply.h"

struct log_read {
	struct history_read read;
	struct file *file; /* the kernel keeps it open until the answer */
	fuse_req_t req;
	bool fill; /* see file_is_fill() */
};

static void done(struct history_read *read, int error, struct slice data)
{
	struct log_read *r = container_of(read, struct log_read, read);
	uint64_t end = read->limit == LOG_READ_ALL ? read->off + data.len : read->limit;

	if (error == 0 && !r->fill)
		follower_note_read(r->file, read->off, read->size, data.len, end);
	if (error < 0)
		reply_error(r->req, error);
	else
		reply_data(r->req, data);
	free(r);
}

void log_read(fuse_req_t req, struct file *f, off_t off, size_t size, uint64_t end,
	      const struct fuse_file_info *fi)
{
	uint64_t now = min(end, eventlog_head(f->mount->log).off);
	bool fill = file_is_fill(fi);
	struct log_read *r;

	if ((uint64_t)off >= now) {
		if (!fill)
			follower_note_read(f, (uint64_t)off, size, 0, now);
		return reply_data(req, (struct slice){0});
	}
	r = malloc(sizeof(*r));
	if (!r)
		return reply_error(req, -ENOMEM);
	*r = (struct log_read){
	    .read = {.off = (uint64_t)off, .size = size, .limit = end, .done = done},
	    .file = f,
	    .req = req,
	    .fill = fill,
	};
	history_queue(f->mount->history, &r->read);
}
