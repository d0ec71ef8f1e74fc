#include "web/outline.h"

#include <errno.h>
#include <xxhash.h>

#include "base/json.h"

/* What is folded open: a tree of names. */
struct open {
	struct open *next, *inner;
	struct slice key;
	uint64_t index; /* as a place in an array; UINT64_MAX: it is none */
};

struct opens {
	struct open root;
	struct open *all; /* OUTLINE_OPEN of them */
	size_t n;
	char *keys; /* decoded */
};

struct walk {
	uint64_t from, to, count; /* rows */
	struct buf *rows;
	struct buf parents, path, key; /* path: of what is walked, with commas; key: room for one */
};

static void opens_deinit(struct opens *o)
{
	free(o->all);
	free(o->keys);
}

static struct open *add_open(struct opens *o, struct open *parent, struct slice key)
{
	for (struct open *child = parent->inner; child; child = child->next)
		if (slice_eq(child->key, key))
			return child;
	if (o->n == OUTLINE_OPEN)
		return NULL;
	struct open *child = &o->all[o->n++];
	*child = (struct open){.next = parent->inner, .key = key, .index = UINT64_MAX};
	if (!json_to_uint64(key, &child->index))
		child->index = UINT64_MAX;
	parent->inner = child;
	return child;
}

static int add_path(struct opens *o, struct slice path, char **keys)
{
	struct json_iter it = json_iterate(path);
	struct open *at = &o->root;
	struct slice none, raw;

	for (unsigned depth = 0; at && json_next(&it, &none, &raw); depth++) {
		long len = json_decode(raw, *keys);
		if (len < 0 || depth == OUTLINE_DEPTH)
			return -EINVAL;
		at = add_open(o, at, (struct slice){*keys, (size_t)len});
		*keys += len;
	}
	return at ? 0 : -EINVAL;
}

static int opens_read(struct opens *o, struct slice text)
{
	struct json_error error;
	struct slice none, path;
	int r = 0;

	*o = (struct opens){0};
	if (text.len == 0)
		return 0;
	if (!json_check(text, 2, &error))
		return -EINVAL;
	o->all = malloc(OUTLINE_OPEN * sizeof(*o->all));
	o->keys = malloc(text.len);
	if (!o->all || !o->keys)
		return -ENOMEM;
	char *keys = o->keys;
	struct json_iter it = json_iterate(text);
	while (r == 0 && json_next(&it, &none, &path))
		r = add_path(o, path, &keys);
	return r;
}

static bool is_branch(struct slice value)
{
	return value.len > 0 && (value.data[0] == '{' || value.data[0] == '[');
}

static uint64_t count_members(struct slice value)
{
	struct json_iter it = json_iterate(value);
	struct slice key, member;
	uint64_t n = 0;

	while (json_next(&it, &key, &member))
		n++;
	return n;
}

/* No longer than what is shown, and no half a character. */
static struct slice cut(struct slice text)
{
	if (text.len <= OUTLINE_TEXT)
		return text;
	text.len = OUTLINE_TEXT;
	while (text.len > 0 && ((unsigned char)text.data[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

/* A raw key as what it means, in the walk's room for one until the next; what has no escapes as it is. */
static struct slice decoded(struct walk *w, struct slice key)
{
	struct slice quoted = {key.data - 1, key.len + 2};
	long len = -1;

	if (!memchr(key.data, '\\', key.len))
		return key;
	buf_clear(&w->key);
	if (buf_reserve(&w->key, quoted.len) == 0)
		len = json_decode(quoted, w->key.data);
	return len < 0 ? key : (struct slice){w->key.data, (size_t)len};
}

/* A member of what is walked. */
struct member {
	struct slice key, value; /* the key is decoded; its data is NULL in an array */
	uint64_t index;
};

static const struct open *find_open(const struct open *parent, const struct member *m)
{
	for (const struct open *child = parent->inner; child; child = child->next)
		if (m->key.data ? slice_eq(child->key, m->key) : child->index == m->index)
			return child;
	return NULL;
}

static void write_name(const struct member *m, struct buf *out)
{
	if (m->key.data)
		buf_add_json(out, cut(m->key));
	else
		buf_add_u64(out, m->index);
}

static void write_value(struct slice value, bool is_open, struct buf *out)
{
	if (is_branch(value)) {
		buf_printf(out, ",\"type\":\"%s\",\"size\":%llu%s", value.data[0] == '[' ? "array" : "object",
			   (unsigned long long)count_members(value), is_open ? ",\"open\":true" : "");
	} else {
		buf_add_str(out, ",\"value\":");
		buf_add_json(out, cut(value));
	}
	buf_add_str(out, ",\"hash\":\"");
	buf_add_hex64(out, XXH64(value.data, value.len, 0));
	buf_add_str(out, "\"}");
}

static bool is_wanted(const struct walk *w, uint64_t row)
{
	return row >= w->from && row < w->to;
}

static void write_row(struct walk *w, const struct member *m, int64_t parent, bool is_open)
{
	buf_printf(w->rows, "%s{\"parent\":%lld,\"index\":%llu,\"key\":", w->count == w->from ? "" : ",",
		   (long long)parent, (unsigned long long)m->index);
	write_name(m, w->rows);
	if (m->key.len > OUTLINE_TEXT)
		buf_add_str(w->rows, ",\"cut\":true");
	write_value(m->value, is_open, w->rows);
}

static void write_parent(struct walk *w, int64_t row, unsigned level, uint64_t size)
{
	buf_printf(&w->parents, "%s\"%lld\":{\"level\":%u,\"size\":%llu,\"path\":[",
		   w->parents.len ? "," : "", (long long)row, level, (unsigned long long)size);
	buf_add_slice(&w->parents, buf_slice(&w->path));
	buf_add_str(&w->parents, "]}");
}

/* The rows below the one with the number `row`. */
static void walk(struct walk *w, struct slice whole, const struct open *open, int64_t row, unsigned level)
{
	struct json_iter it = json_iterate(whole);
	struct member m = {0};
	bool shows = false;

	for (; json_next(&it, &m.key, &m.value); m.index++) {
		if (!is_wanted(w, w->count) && !open->inner) {
			w->count++;
			continue;
		}
		if (m.key.data)
			m.key = decoded(w, m.key);
		const struct open *inner = is_branch(m.value) ? find_open(open, &m) : NULL;
		int64_t own = (int64_t)w->count;
		if (is_wanted(w, w->count)) {
			shows = true;
			write_row(w, &m, row, inner);
		}
		w->count++;
		if (!inner)
			continue;
		size_t path = w->path.len;
		buf_add_str(&w->path, path ? "," : "");
		write_name(&m, &w->path);
		walk(w, m.value, inner, own, level + 1);
		w->path.len = path;
	}
	if (shows)
		write_parent(w, row, level, m.index);
}

static void walk_plain(struct walk *w, struct slice value)
{
	if (w->from == 0 && w->to > 0) {
		buf_add_str(w->rows, "{\"parent\":-1,\"index\":0");
		write_value(value, false, w->rows);
		write_parent(w, -1, 1, 1);
	}
	w->count = 1;
}

static struct slice trim(struct slice text)
{
	const char *end = slice_end(text), *at = json_skip_space(text.data, end);

	return (struct slice){at, (size_t)(json_skip(at, end) - at)};
}

int outline_write(struct slice json, const struct outline_query *query, struct buf *out)
{
	struct opens opens;
	struct walk w = {.from = query->from, .rows = out};
	struct slice value = trim(json);

	w.to = query->from + min(query->rows, (uint64_t)OUTLINE_ROWS);
	int r = opens_read(&opens, query->open);
	if (r == 0) {
		buf_printf(out, "{\"length\":%zu,\"from\":%llu,\"rows\":[", json.len,
			   (unsigned long long)query->from);
		if (is_branch(value))
			walk(&w, value, &opens.root, -1, 1);
		else
			walk_plain(&w, value);
		buf_printf(out, "],\"count\":%llu,\"parents\":{", (unsigned long long)w.count);
		buf_add_slice(out, buf_slice(&w.parents));
		buf_add_str(out, "}}\n");
		r = w.parents.failed || w.path.failed ? -ENOMEM : buf_error(out);
	}
	buf_deinit(&w.parents);
	buf_deinit(&w.path);
	buf_deinit(&w.key);
	opens_deinit(&opens);
	return r;
}
