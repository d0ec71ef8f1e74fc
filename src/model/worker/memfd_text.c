#include "model/worker/memfd_text.h"

#include <errno.h>
#include <sys/mman.h>

#define CHUNK (64u << 10)

/* Makes the file `size` bytes long and maps it all. */
static char *map(struct memfd_text *t, size_t size, int flags)
{
	if (ftruncate(t->fd, (off_t)size) < 0) {
		t->error = -errno;
		return NULL;
	}
	void *data = t->buf.data ? mremap(t->buf.data, t->buf.cap, size, MREMAP_MAYMOVE)
				 : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, t->fd, 0);
	if (data == MAP_FAILED) {
		t->error = -errno;
		return NULL;
	}
	return data;
}

static char *grow(struct buf *b, size_t need, size_t *cap)
{
	struct memfd_text *t = container_of(b, struct memfd_text, buf);
	char *data = map(t, *cap, 0);

	/* What is not needed may be what is too much. */
	if (!data && *cap > need) {
		*cap = need;
		data = map(t, *cap, 0);
	}
	return data;
}

void memfd_text_begin(struct memfd_text *t, int fd, size_t expected)
{
	*t = (struct memfd_text){.fd = fd};
	size_t size = (expected + expected / 64 + CHUNK) & ~((size_t)CHUNK - 1);
	/* All of its pages at once cost a fraction of what they do one by one. */
	char *data = map(t, size, MAP_POPULATE);
	if (data)
		t->buf = (struct buf){.data = data, .cap = size};
	t->buf.grow = grow;
	t->error = 0; /* perhaps it needs less */
}

int memfd_text_end(struct memfd_text *t)
{
	size_t len = t->buf.len;
	int r = buf_error(&t->buf);

	if (r < 0 && t->error)
		r = t->error;
	if (t->buf.data)
		munmap(t->buf.data, t->buf.cap);
	t->buf = (struct buf){0};
	return r == 0 && ftruncate(t->fd, (off_t)len) < 0 ? -errno : r;
}
