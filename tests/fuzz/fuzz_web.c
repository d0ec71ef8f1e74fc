/* What the server makes of requests and of the mount's answers, under a fuzzer. The first byte says which
 * of them the rest is for. */
#include <assert.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "web/access.h"
#include "web/condition.h"
#include "web/outline.h"
#include "web/range.h"
#include "web/refusal.h"
#include "web/sse.h"
#include "web/urlpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next text: up to a zero, or to the end. The rest behind it. */
static char *take_text(const char **at, size_t *size)
{
	size_t len = strnlen(*at, *size);
	char *text = malloc(len + 1);

	assert(text);
	memcpy(text, *at, len);
	text[len] = 0;
	*at += min(len + 1, *size);
	*size -= min(len + 1, *size);
	return text;
}

/* A name that is let through has plain parts only, and written as it is it means the same. */
static void fuzz_name(const char *data, size_t size)
{
	auto_free char *url = take_text(&data, &size);
	char name[64], again[64], escaped[3 * 64 + 2] = "/", *at = escaped + 1;

	if (urlpath_decode(url, name, sizeof(name)) < 0)
		return;
	assert(strlen(name) < sizeof(name) && name[0] != '/' && !strstr(name, "//"));
	for (const char *part = name; part; part = strchr(part, '/')) {
		part += *part == '/';
		size_t len = strcspn(part, "/");
		assert(*name == 0 || len > 0);
		assert(!(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.'));
	}
	for (const char *c = name; *c; c++) {
		assert((unsigned char)*c >= 0x20 && *c != 0x7f && *c != '\\');
		at += *c == '/' ? sprintf(at, "/") : sprintf(at, "%%%02X", (unsigned char)*c);
	}
	assert(urlpath_decode(escaped, again, sizeof(again)) == 0 && strcmp(name, again) == 0);
}

static void fuzz_range(const char *data, size_t size)
{
	uint64_t len = 0;
	struct range range;

	memcpy(&len, data, min(size, sizeof(len)));
	data += min(size, sizeof(len));
	size -= min(size, sizeof(len));
	auto_free char *header = take_text(&data, &size);
	enum range_kind kind = range_parse(&range, header, len);
	if (kind == RANGE_WHOLE)
		assert(range.from == 0 && range.len == len);
	if (kind == RANGE_PART)
		assert(range.len > 0 && range.from < len && range.len <= len - range.from);
}

static void fuzz_condition(const char *data, size_t size)
{
	auto_free char *first = take_text(&data, &size), *second = take_text(&data, &size);
	char name[64];

	if (condition_has(first, second))
		assert(*second && (strcmp(first, "*") == 0 || strstr(first, second)));
	if (condition_log(first, second, name, sizeof(name)) == 0)
		assert(strncmp(name, "events/app", 10) == 0 && strlen(name) < sizeof(name) &&
		       !strchr(name + 10, '/'));
}

static void is_within(struct slice part, const char *data, size_t size)
{
	assert(part.len == 0 || (part.data >= data && part.data + part.len <= data + size));
}

static void fuzz_refusal(const char *data, size_t size)
{
	struct slice found = refusal_find((struct slice){data, size}, 7);

	is_within(found, data, size);
	is_within(refusal_member(found, "reason"), data, size);
	is_within(refusal_member((struct slice){data, size}, "column"), data, size);
}

/* In two parts it is the same, and what comes out is as many events as there are lines. */
static void fuzz_sse(const char *data, size_t size)
{
	size_t cut = size > 0 ? (unsigned char)data[0] % size : 0, lines = 0, ids = 0;
	auto_buf struct buf whole = {0}, parts = {0};
	struct sse one = {0}, two = {0};

	sse_add(&one, data, size, &whole);
	sse_add(&two, data, cut, &parts);
	sse_add(&two, data + cut, size - cut, &parts);
	assert(slice_eq(buf_slice(&whole), buf_slice(&parts)) && one.off == size && two.off == size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	for (size_t i = 0; i < whole.len; i++) {
		assert(whole.data[i] != '\r');
		ids += i >= 2 && whole.data[i] == '\n' && whole.data[i - 1] == '\n';
	}
	assert(ids == lines);
}

/* Of any text comes JSON, with as many rows as were wanted at most. */
static void fuzz_outline(const char *data, size_t size)
{
	auto_free char *open = take_text(&data, &size), *value = take_text(&data, &size);
	struct slice json = slice_of(value), none, row, rows, count;
	struct outline_query query = {.rows = 9, .open = slice_of(open)};
	auto_buf struct buf out = {0};
	struct json_error error;
	uint64_t n = 0, found = 0;

	if (outline_write(json, &query, &out) < 0)
		return;
	assert(json_check(buf_slice(&out), 9, &error));
	assert(json_find(buf_slice(&out), "/rows", &rows) && json_find(buf_slice(&out), "/count", &count));
	assert(json_to_uint64(count, &n));
	for (struct json_iter it = json_iterate(rows); json_next(&it, &none, &row);)
		found++;
	assert(found == min(n, query.rows));
}

#define TOKEN "secret-of-the-fuzzer"

struct MHD_Connection {
	char *values[8];
};

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key)
{
	static const char *const keys[] = {"Host",           "Origin",         "Sec-Fetch-Site",
					   "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Authorization"};
	const char *value = c->values[kind == MHD_COOKIE_KIND ? 6 : 7];

	for (size_t i = 0; kind == MHD_HEADER_KIND && i < countof(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			value = c->values[i];
	return value && *value ? value : NULL;
}

/* Nobody is let in without the token, or from an origin that is not the one he calls. */
static void fuzz_access(const char *data, size_t size)
{
	struct access access = {.token = TOKEN, .cookie = "c"};
	struct MHD_Connection request;

	for (size_t i = 0; i < countof(request.values); i++)
		request.values[i] = take_text(&data, &size);
	enum access_answer answer = access_check(&access, &request);
	if (answer == ACCESS_OK || answer == ACCESS_INTRODUCED) {
		const char *bearer = request.values[5], *origin = strstr(request.values[1], "://");

		assert((strlen(bearer) > 7 && strcmp(bearer + 7, TOKEN) == 0) ||
		       strcmp(request.values[6], TOKEN) == 0 || strcmp(request.values[7], TOKEN) == 0);
		assert(*request.values[0] &&
		       (!*request.values[1] || strcasecmp(origin + 3, request.values[0]) == 0));
	}
	for (size_t i = 0; i < countof(request.values); i++)
		free(request.values[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void (*const what[])(const char *, size_t) = {
	    fuzz_name, fuzz_range, fuzz_condition, fuzz_refusal, fuzz_sse, fuzz_access, fuzz_outline,
	};

	if (size == 0)
		return 0;
	/* Of exactly its size, so that a sanitizer sees a step beyond. */
	char *copy = malloc(size > 1 ? size - 1 : 1);
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	what[data[0] % countof(what)](copy, size - 1);
	free(copy);
	return 0;
}
