#include "fs/log/history.h"

#include <errno.h>

#include "base/buf.h"
#include "model/event/event_time.h"
#include "store/live_reader.h"

struct history {
	struct mailbox box;
	_Atomic bool ending; /* no long search goes on */

	/* The thread's own. */
	struct live_reader live;
	struct buf data;
};

static int read_all(struct history *h, uint64_t off, size_t size, uint64_t end)
{
	uint64_t head = eventlog_head(h->live.log).off, limit = end ? min(end, head) : head;

	if (off >= limit)
		return 0;
	size = (size_t)min((uint64_t)size, limit - off);
	int r = live_reader_refresh(&h->live);
	if (r == 0)
		r = buf_reserve(&h->data, size);
	while (r == 0 && h->data.len < size) {
		uint64_t skip;
		size_t n = 0;
		r = reader_read(h->live.reader, off + h->data.len, limit, h->data.data + h->data.len,
				size - h->data.len, &n, &skip);
		if (r > 0) /* damage: in a file that is an error of the disk's */
			r = -EIO;
		if (r == 0 && n == 0)
			break;
		h->data.len += n;
	}
	/* What could be read is given out; the next read meets the error. */
	return h->data.len > 0 ? 0 : r;
}

static int find_number(struct history *h, struct history_read *read)
{
	uint64_t head = eventlog_head(h->live.log).off;
	struct log_pos pos = {0};

	int r = live_reader_refresh(&h->live);
	if (r == 0 && read->seq > 0)
		r = reader_seek_seq(h->live.reader, read->seq, head, &pos);
	read->off = pos.off;
	return r > 0 ? -ENOENT : r == -EBADMSG ? -EIO : r;
}

static int find_hash(struct history *h, struct history_read *read)
{
	uint64_t head = eventlog_head(h->live.log).off;

	int r = live_reader_refresh(&h->live);
	if (r == 0)
		r = reader_hash(h->live.reader, read->off, head, &read->hash);
	return r > 0 ? -ESTALE : r == -EBADMSG ? -EIO : r;
}

static int find_time(struct history *h, struct history_read *read)
{
	uint64_t head = eventlog_head(h->live.log).off;
	struct log_pos pos = {0};

	if (h->ending || read->given_up(read))
		return h->ending ? -ESHUTDOWN : -EINTR;
	int r = live_reader_refresh(&h->live);
	if (r == 0)
		r = reader_seek_time(h->live.reader, event_time, read->after, head, &pos);
	read->off = pos.off;
	read->seq = pos.seq;
	return r;
}

static void history_thread(void *arg)
{
	struct history *h = arg;
	struct mail *mail;

	while ((mail = mailbox_take(&h->box, CLOCK_FOREVER))) {
		struct history_read *read = container_of(mail, struct history_read, mail);
		buf_clear(&h->data);
		int r = read->find ? read->find(h, read) : read_all(h, read->off, read->size, read->limit);
		if (r > 0) /* not done yet: others first */
			mailbox_post(&h->box, mail);
		else
			read->done(read, r, buf_slice(&h->data));
	}
}

int history_start(struct history **ret, struct eventlog *log, struct disk *disk)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	live_reader_init(&h->live, log, disk);
	int r = mailbox_start(&h->box, history_thread, h);
	if (r < 0) {
		free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void history_stop(struct history *h)
{
	if (!h)
		return;
	h->ending = true;
	mailbox_stop(&h->box);
	live_reader_deinit(&h->live);
	buf_deinit(&h->data);
	free(h);
}

void history_queue_seek(struct history *h, struct history_read *read)
{
	read->find = find_number;
	history_queue(h, read);
}

void history_queue_hash(struct history *h, struct history_read *read)
{
	read->find = find_hash;
	history_queue(h, read);
}

void history_queue_time(struct history *h, struct history_read *read, uint64_t after)
{
	read->find = find_time;
	read->after = after;
	history_queue(h, read);
}

void history_queue(struct history *h, struct history_read *read)
{
	mailbox_post(&h->box, &read->mail);
}
