#include "cluster/link/batch.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/link/json.h"

void cluster_batch_deinit(struct cluster_batch *b)
{
	free(take_ptr(b->groups));
	b->n_groups = 0;
}

static void write_groups(const struct cluster_batch *b, struct buf *out)
{
	buf_add_str(out, ",\"groups\":[");
	for (size_t i = 0; i < b->n_groups; i++)
		buf_printf(out, "%s[%zu,%zu]", i > 0 ? "," : "", b->groups[i].at, b->groups[i].len);
	buf_add_char(out, ']');
}

void batch_write(const struct cluster_batch *b, struct buf *out)
{
	buf_printf(out, "{\"v\":1,\"from\":%llu,\"before\":\"%s\",\"to\":%llu,\"after\":\"%s\"",
		   (unsigned long long)b->before.off, b->before.sha, (unsigned long long)b->after.off,
		   b->after.sha);
	buf_printf(out, ",\"machine\":\"%s\",\"boot\":\"%s\",\"n\":%llu,\"time\":%llu", b->machine, b->boot,
		   (unsigned long long)b->n, (unsigned long long)b->time);
	if (b->n_groups > 0)
		write_groups(b, out);
	buf_add_str(out, "}\n");
	buf_add_slice(out, b->lines);
}

static bool read_hex(const cJSON *object, const char *key, size_t digits, char *ret)
{
	const char *text = json_text(object, key);

	if (!is_digits(text, digits))
		return false;
	memcpy(ret, text, digits + 1);
	return true;
}

/* One of them: behind the last, within the lines, whole lines. */
static bool read_group(const cJSON *pair, struct slice lines, size_t behind, struct batch_group *ret)
{
	const cJSON *at = cJSON_GetArrayItem(pair, 0), *len = cJSON_GetArrayItem(pair, 1);

	if (!cJSON_IsNumber(at) || !cJSON_IsNumber(len) || at->valuedouble < (double)behind ||
	    len->valuedouble < 1 || at->valuedouble + len->valuedouble > (double)lines.len)
		return false;
	*ret = (struct batch_group){(size_t)at->valuedouble, (size_t)len->valuedouble};
	return (ret->at == 0 || lines.data[ret->at - 1] == '\n') &&
	       lines.data[ret->at + ret->len - 1] == '\n';
}

static int read_groups(const cJSON *list, struct cluster_batch *b)
{
	size_t n = (size_t)cJSON_GetArraySize(list), behind = 0;
	const cJSON *pair;

	if (n == 0)
		return !list || cJSON_IsArray(list) ? 0 : -EBADMSG;
	b->groups = calloc(n, sizeof(*b->groups));
	if (!b->groups)
		return -ENOMEM;
	cJSON_ArrayForEach(pair, list)
	{
		struct batch_group *g = &b->groups[b->n_groups];
		if (!read_group(pair, b->lines, behind, g))
			return -EBADMSG;
		behind = g->at + g->len;
		b->n_groups++;
	}
	return 0;
}

static int read_header(const cJSON *header, struct cluster_batch *b, struct diag *diag)
{
	uint64_t version;

	if (!json_number(header, "v", &version))
		return diag_set(diag, -EBADMSG, "it is no batch");
	if (version != 1)
		return diag_set(diag, -EBADMSG, "it is of a later version of eventfold");
	bool well = json_number(header, "from", &b->before.off) &&
		    read_hex(header, "before", BATCH_SHA, b->before.sha) &&
		    json_number(header, "to", &b->after.off) &&
		    read_hex(header, "after", BATCH_SHA, b->after.sha) &&
		    read_hex(header, "machine", BATCH_MACHINE, b->machine) &&
		    read_hex(header, "boot", BATCH_BOOT, b->boot) && json_number(header, "n", &b->n) &&
		    json_number(header, "time", &b->time);
	if (!well)
		return diag_set(diag, -EBADMSG, "its first line is damaged");
	struct slice lines = b->lines;
	if (lines.len == 0 || lines.data[lines.len - 1] != '\n' || b->after.off - b->before.off != lines.len)
		return diag_set(diag, -EBADMSG, "it is not as long as it says");
	int r = read_groups(cJSON_GetObjectItemCaseSensitive(header, "groups"), b);
	return r == -EBADMSG ? diag_set(diag, r, "its groups are not whole lines") : r;
}

int batch_read(struct slice text, struct cluster_batch *ret, struct diag *diag)
{
	const char *nl = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;
	struct cluster_batch b = {0};

	if (!nl)
		return diag_set(diag, -EBADMSG, "it is no batch");
	b.lines = slice_skip(text, (size_t)(nl + 1 - text.data));
	cJSON *header = cJSON_ParseWithLength(text.data, (size_t)(nl - text.data));
	int r = read_header(header, &b, diag);
	cJSON_Delete(header);
	if (r < 0)
		cluster_batch_deinit(&b);
	else
		*ret = b;
	return r;
}

bool batch_is_same(const struct cluster_batch *a, const struct cluster_batch *b)
{
	return a->n == b->n && strcmp(a->boot, b->boot) == 0 && strcmp(a->machine, b->machine) == 0;
}

void batch_head_write(const struct batch_head *head, struct buf *out)
{
	buf_printf(out, "%llu:%s", (unsigned long long)head->off, head->sha);
}

bool batch_head_read(struct slice text, struct batch_head *ret)
{
	uint64_t off = 0;
	size_t i = 0;

	for (; i < text.len && i < 16 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		off = off * 10 + (uint64_t)(text.data[i] - '0');
	if (i == 0 || text.len != i + 1 + BATCH_SHA || text.data[i] != ':')
		return false;
	memcpy(ret->sha, text.data + i + 1, BATCH_SHA);
	ret->sha[BATCH_SHA] = '\0';
	ret->off = off;
	return is_digits(ret->sha, BATCH_SHA);
}
