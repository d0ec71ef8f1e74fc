#include "fs/log/rejected.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void rejected_init(struct rejected *r)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
}

void rejected_deinit(struct rejected *r)
{
	for (size_t i = 0; i < LIMIT_REJECTED; i++)
		free(r->lines[i]);
	pthread_mutex_destroy(&r->lock);
}

/* Under the lock. */
static void count_reason(struct rejected *r, const char *why)
{
	size_t i = 0;

	while (i < r->n_reasons && strcmp(r->reasons[i].why, why) != 0)
		i++;
	if (i == LIMIT_REASONS)
		i--;
	else if (i == r->n_reasons)
		snprintf(r->reasons[r->n_reasons++].why, sizeof(r->reasons->why), "%s",
			 i == LIMIT_REASONS - 1 ? "others" : why);
	r->reasons[i].count++;
}

void rejected_add(struct rejected *r, const struct rejection *j)
{
	struct buf b = {0};
	struct slice line = {j->line.data, min(j->line.len, (size_t)LIMIT_REJECTED_LINE)};

	if (line.len < j->bytes)
		line.len = utf8_whole(line.data, line.len);

	buf_printf(&b, "{\"time\":%llu,\"error\":", (unsigned long long)j->time);
	const char *name = strerrorname_np(j->error);
	buf_add_json(&b, slice_of(name ? name : "?"));
	buf_add_str(&b, ",\"reason\":");
	buf_add_json(&b, slice_of(j->text ? j->text : j->why));
	buf_printf(&b, ",\"column\":%llu,\"pid\":%d,\"bytes\":%zu,\"line\":", (unsigned long long)j->column,
		   (int)j->pid, j->bytes);
	buf_add_json(&b, line);
	buf_add_str(&b, "}\n");
	if (b.failed)
		buf_deinit(&b);

	pthread_mutex_lock(&r->lock);
	count_reason(r, j->why);
	size_t at = r->count++ % LIMIT_REJECTED;
	char *old = r->lines[at];
	r->lines[at] = b.data;
	r->lens[at] = b.len;
	pthread_mutex_unlock(&r->lock);
	free(old);
}

uint64_t rejected_count(struct rejected *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t count = r->count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

size_t rejected_reasons(struct rejected *r, struct rejected_reason ret[LIMIT_REASONS])
{
	pthread_mutex_lock(&r->lock);
	size_t n = r->n_reasons;
	memcpy(ret, r->reasons, n * sizeof(*ret));
	pthread_mutex_unlock(&r->lock);
	return n;
}

void rejected_text(struct rejected *r, struct buf *out)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < LIMIT_REJECTED; i++) {
		size_t at = (r->count + i) % LIMIT_REJECTED;
		if (r->lines[at])
			buf_add(out, r->lines[at], r->lens[at]);
	}
	pthread_mutex_unlock(&r->lock);
}
