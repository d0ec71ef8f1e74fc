#include "web/body.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "web/limits.h"

#define BLOCK (64u << 10)

/* The last line, without its newline, is hashed from its beginning, which is looked for backwards. */
static int hash_last_line(int fd, uint64_t size, uint64_t *ret)
{
	auto_free char *text = NULL;
	size_t room = 4096;

	for (;; room *= 2) {
		size_t len = min((uint64_t)room, size);
		char *bigger = realloc(text, len), *newline;

		if (!bigger)
			return -ENOMEM;
		text = bigger;
		ssize_t n = pread(fd, text, len, (off_t)(size - len));
		if (n != (ssize_t)len)
			return n < 0 ? -errno : -EIO;
		newline = len > 1 ? memrchr(text, '\n', len - 1) : NULL;
		if (!newline && len < size)
			continue;
		newline = newline ? newline + 1 : text;
		*ret = XXH64(newline, (size_t)(text + len - 1 - newline), 0);
		return 0;
	}
}

static int open_log(struct body *b)
{
	uint64_t hash = 0;
	int r;

	if (b->size == 0) {
		strcpy(b->etag, "\"0:\"");
		return 0;
	}
	r = hash_last_line(b->fd, b->size, &hash);
	if (r == 0)
		snprintf(b->etag, sizeof(b->etag), "\"%llu:%016llx\"", (unsigned long long)b->size,
			 (unsigned long long)hash);
	return r;
}

/* A text may be longer than its file was said to be only where somebody read it meanwhile: not here. */
static int hold_text(struct body *b)
{
	size_t room = (size_t)b->size, len = 0;
	ssize_t n = 1;

	if (!web_hold(b->web, room + 1, WEB_MEMORY))
		return -ENOMEM;
	b->held = room + 1;
	b->text = malloc(room + 1);
	if (!b->text)
		return -ENOMEM;
	while (n > 0 && len < room) {
		n = read(b->fd, b->text + len, room - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	b->size = len;
	snprintf(b->etag, sizeof(b->etag), "\"%016llx\"", (unsigned long long)XXH64(b->text, len, 0));
	closep(&b->fd);
	b->fd = -1;
	return 0;
}

static int begin(struct body *b, struct web *w, int fd)
{
	struct stat st;

	*b = (struct body){.web = w, .fd = fd};
	if (fstat(fd, &st) < 0)
		return -errno;
	b->size = (uint64_t)st.st_size;
	return 0;
}

int body_open(struct body *b, struct web *w, int fd, bool is_log)
{
	int r = begin(b, w, fd);

	if (r == 0 && is_log)
		r = open_log(b);
	else if (r == 0 && b->size <= WEB_TEXT)
		r = hold_text(b);
	if (r < 0)
		body_close(b);
	return r;
}

int body_open_text(struct body *b, struct web *w, int fd, uint64_t most)
{
	int r = begin(b, w, fd);

	if (r == 0)
		r = b->size > most ? -EFBIG : hold_text(b);
	if (r < 0)
		body_close(b);
	return r;
}

void body_close(struct body *b)
{
	closep(&b->fd);
	free(b->text);
	web_let_go(b->web, b->held);
	*b = (struct body){.web = b->web, .fd = -1};
}

struct sending {
	struct body body;
	uint64_t from, len;
};

static ssize_t send_part(void *arg, uint64_t pos, char *out, size_t room)
{
	struct sending *s = arg;
	ssize_t n;

	room = min((uint64_t)room, s->len - pos);
	if (s->body.text) {
		memcpy(out, s->body.text + s->from + pos, room);
		return (ssize_t)room;
	}
	n = pread(s->body.fd, out, room, (off_t)(s->from + pos));
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void sending_free(void *arg)
{
	struct sending *s = arg;

	body_close(&s->body);
	free(s);
}

struct MHD_Response *body_response(struct body *b, uint64_t from, uint64_t len)
{
	struct sending *s = malloc(sizeof(*s));
	struct MHD_Response *response;

	if (!s) {
		body_close(b);
		return NULL;
	}
	*s = (struct sending){.body = *b, .from = from, .len = len};
	*b = (struct body){.web = b->web, .fd = -1};
	response = MHD_create_response_from_callback(len, BLOCK, send_part, s, sending_free);
	if (!response)
		sending_free(s);
	return response;
}
