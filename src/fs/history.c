#include "fs/history.h"

#include <errno.h>
#include <pthread.h>

#include "base/buf.h"
#include "store/reader.h"

struct history {
	struct eventlog *log;
	struct disk *disk;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct history_read *first, **last;
	bool stop;

	/* The thread's own. */
	struct reader *reader;
	uint64_t generation;
	struct buf data;
};

/* The reader follows the log's layout. */
static int refresh(struct history *h)
{
	struct log_files files;

	if (h->reader && h->generation == eventlog_generation(h->log))
		return 0;
	int r = eventlog_files(h->log, &files);
	if (r < 0)
		return r;
	h->generation = files.generation;
	if (h->reader)
		return reader_update(h->reader, &files);
	return reader_new(&h->reader, h->disk, &files);
}

static int read_all(struct history *h, uint64_t off, size_t size, uint64_t end)
{
	/* The head first: what lies below it is in the files that are looked at afterwards. */
	uint64_t head = eventlog_head(h->log).off, limit = end ? min(end, head) : head;

	buf_clear(&h->data);
	if (off >= limit)
		return 0;
	size = (size_t)min((uint64_t)size, limit - off);
	int r = refresh(h);
	if (r == 0)
		r = buf_reserve(&h->data, size);
	while (r == 0 && h->data.len < size) {
		uint64_t skip;
		size_t n = 0;
		r = reader_read(h->reader, off + h->data.len, limit, h->data.data + h->data.len,
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

static int seek(struct history *h, uint64_t seq, uint64_t *ret_off)
{
	uint64_t head = eventlog_head(h->log).off;
	struct log_pos pos = {0};

	buf_clear(&h->data);
	int r = refresh(h);
	if (r == 0 && seq > 0)
		r = reader_seek_seq(h->reader, seq, head, &pos);
	*ret_off = pos.off;
	return r > 0 ? -ENOENT : r == -EBADMSG ? -EIO : r;
}

static void *history_thread(void *arg)
{
	struct history *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct history_read *read = h->first;
		if (!read) {
			if (h->stop)
				break;
			pthread_cond_wait(&h->wake, &h->lock);
			continue;
		}
		h->first = read->next;
		if (!h->first)
			h->last = &h->first;
		pthread_mutex_unlock(&h->lock);
		int r = read->seek ? seek(h, read->seq, &read->off)
				   : read_all(h, read->off, read->size, read->limit);
		read->done(read, r, buf_slice(&h->data));
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int history_start(struct history **ret, struct eventlog *log, struct disk *disk)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->log = log;
	h->disk = disk;
	h->last = &h->first;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	int r = pthread_create(&h->thread, NULL, history_thread, h);
	if (r != 0) {
		free(h);
		return -r;
	}
	*ret = h;
	return 0;
}

void history_stop(struct history *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	reader_free(h->reader);
	buf_deinit(&h->data);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void history_queue_seek(struct history *h, struct history_read *read)
{
	read->seek = true;
	history_queue(h, read);
}

void history_queue(struct history *h, struct history_read *read)
{
	read->next = NULL;
	pthread_mutex_lock(&h->lock);
	*h->last = read;
	h->last = &read->next;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}
