#include "store/identity.h"
#include "store/lines.h"

/* So much is begun to be brought to the disk at a time: each costs a request, and the sync waits for the
 * last. */
#define START_BYTES (256u << 10)

int eventlog_write_ahead(struct eventlog *log, struct slice lines, bool sync)
{
	struct disk *disk = log->disk;
	size_t done;

	int r = eventlog_check(log);
	if (r < 0)
		return r;
	off_t off = (off_t)(log->active_size + log->ahead);
	r = disk_pwrite_all(disk, log->active_fd, lines.data, lines.len, off, &done);
	if (r < 0) {
		int cut = disk_cut(disk, log->active_fd, off);
		if (cut == 0 && eventlog_is_full(r))
			return r;
		return eventlog_fail(log, cut < 0 ? cut : r, "writing to " ACTIVE_NAME);
	}
	log->ahead += lines.len;
	log->ahead_lines += lines_count(lines.data, lines.len);
	if (sync && log->ahead - log->ahead_begun >= START_BYTES) {
		disk->start(disk, log->active_fd, (off_t)(log->active_size + log->ahead_begun),
			    log->ahead - log->ahead_begun);
		log->ahead_begun = log->ahead;
	}
	return 0;
}

void eventlog_ahead_is_taken(struct eventlog *log)
{
	log->ahead = log->ahead_lines = log->ahead_begun = 0;
}

void eventlog_drop_ahead(struct eventlog *log)
{
	struct disk *disk = log->disk;
	off_t end = (off_t)(log->active_size + log->ahead);

	if (log->ahead == 0)
		return;
	eventlog_ahead_is_taken(log);
	off_t size = disk->size(disk, log->active_fd);
	/* Behind what somebody else has written nothing is cut: the log has failed. */
	if (size > end)
		return;
	int r = size < 0 ? (int)size : disk_cut(disk, log->active_fd, (off_t)log->active_size);
	if (r == 0)
		r = disk->sync(disk, log->active_fd);
	if (r < 0)
		eventlog_fail(log, r, "taking back what was written to " ACTIVE_NAME);
}
