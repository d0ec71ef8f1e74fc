#include "cli/whole_lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define BLOCK (1u << 20)

int whole_lines(int fd, bool (*take)(void *arg, struct slice lines), void *arg)
{
	auto_buf struct buf block = {0};
	bool more = true;
	ssize_t n;

	do {
		if (buf_reserve(&block, BLOCK) < 0)
			return -ENOMEM;
		n = read(fd, block.data + block.len, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		size_t seen = block.len; /* no newline in there */
		block.len += (size_t)n;
		if (n == 0 && block.len > 0)
			buf_add_char(&block, '\n');
		const char *last = memrchr(block.data + seen, '\n', block.len - seen);
		size_t whole = last ? (size_t)(last - block.data) + 1 : 0;
		more = take(arg, (struct slice){block.data, whole});
		buf_drop(&block, whole);
	} while (n != 0 && more);
	return 0;
}
