#include "store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <xxhash.h>

uint64_t log_hash(struct slice line)
{
	return XXH64(line.data, line.len, 0);
}

void log_pos_text(const struct log_pos *pos, struct buf *b)
{
	buf_add_u64(b, pos->off);
	buf_add_char(b, ':');
	if (pos->off > 0)
		buf_add_hex64(b, pos->hash);
}

void log_files_deinit(struct log_files *f)
{
	closep(&f->archive_fd);
	closep(&f->sealed_fd);
	closep(&f->active_fd);
	*f = LOG_FILES_NONE;
}

static int dup_fd(int fd, int *ret)
{
	*ret = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 && *ret < 0 ? -errno : 0;
}

int log_files_dup(const struct log_files *f, struct log_files *ret)
{
	int r;

	*ret = *f;
	ret->archive_fd = ret->sealed_fd = ret->active_fd = -1;
	r = dup_fd(f->archive_fd, &ret->archive_fd);
	if (r == 0)
		r = dup_fd(f->sealed_fd, &ret->sealed_fd);
	if (r == 0)
		r = dup_fd(f->active_fd, &ret->active_fd);
	if (r < 0)
		log_files_deinit(ret);
	return r;
}
