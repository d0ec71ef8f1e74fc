/* The line check under a fuzzer: what it accepts is stored once and for all, and other parsers read it too.
 */
#include <assert.h>

#include "base/limits.h"
#include "model/event/event_group.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where a number is one, the C library reads the same from the whole of its text. */
static void compare_number(struct slice raw)
{
	double value, other;

	if (!json_to_double(raw, &value))
		return;
	/* Not strndup(): where AddressSanitizer is strict with strings, that wants to see an end behind the
	 * number. */
	char *text = malloc(raw.len + 1), *end;
	if (!text)
		return;
	memcpy(text, raw.data, raw.len);
	text[raw.len] = '\0';
	other = strtod(text, &end);
	assert(*end == '\0' && memcmp(&value, &other, sizeof(value)) == 0);
	free(text);
}

/* Walks all of a value: never leaves it. */
static void walk(struct slice raw)
{
	struct json_iter it = json_iterate(raw);
	struct slice key, value;

	compare_number(raw);
	while (json_next(&it, &key, &value)) {
		assert(value.data >= raw.data && value.data + value.len <= raw.data + raw.len);
		walk(value);
	}
}

static void look_up(const struct event *ev)
{
	struct eventfold_slice string;
	double number;

	(void)!eventfold_get_string(&ev->pub, "/data", &string);
	(void)!eventfold_get_string(&ev->pub, "/data/a", &string);
	(void)!eventfold_get_double(&ev->pub, "/data/0", &number);
	(void)!eventfold_get_raw(&ev->pub, "/meta/~01/x", &string);
}

/* An accepted line: stored, it is accepted again and stays as it is. */
static void check_stored(const struct event *ev, struct slice line)
{
	auto_buf struct buf once = {0}, twice = {0};
	struct event again = {0};
	struct json_error error;

	event_store(ev, 1700000000, &once);
	assert(once.len >= 2 && once.data[once.len - 1] == '\n');
	bool good = event_scan(&again, (struct slice){once.data, once.len - 1}, &error);
	assert(good);
	assert(again.has == (EVENT_HAS_DATA | EVENT_HAS_TS));
	event_store(&again, 1, &twice);
	assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
	struct event_layout layout = event_layout(ev, 1700000000);
	if (layout.type.at) {
		struct event laid = {0};
		event_lay_out(&laid, (struct slice){once.data, once.len - 1}, &layout);
		assert(memcmp(&laid.pub, &again.pub, sizeof(laid.pub)) == 0);
	}
	event_deinit(&again);

	/* Another opinion. */
	cJSON *tree = cJSON_ParseWithLength(once.data, once.len);
	assert(tree && cJSON_IsObject(tree));
	cJSON_Delete(tree);
}

/* An array is taken as a whole or not at all, and others find as many events in it. */
static void check_group(struct slice line)
{
	struct json_iter it = json_iterate(line);
	struct event ev = {0};
	struct event_group g;
	struct json_error error, same;
	struct slice key, value;
	long n = 0;
	int r;

	event_group_begin(&g, line);
	while ((r = event_group_next(&g, &ev, &error)) > 0) {
		check_stored(&ev, line);
		bool found = json_next(&it, &key, &value);
		assert(found && value.data == ev.pub.line.data && value.len == ev.pub.line.len);
		n++;
	}
	event_deinit(&ev);
	assert(event_group_check(line, &ev, &same) == (r < 0 ? r : n));
	event_deinit(&ev);
	if (r < 0) {
		assert(error.why && error.at <= line.len && error.at == same.at);
		return;
	}
	assert(!json_next(&it, &key, &value));
	assert(json_check(line, LIMIT_DEPTH + 1, &error));
	cJSON *tree = cJSON_ParseWithLength(line.data, line.len);
	assert(tree && cJSON_GetArraySize(tree) == n);
	cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A line has no newline inside. */
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	struct slice line = {(const char *)data, newline ? (size_t)(newline - data) : size};
	struct event ev = {0};
	struct json_error error;

	if (event_scan(&ev, line, &error)) {
		struct json_error same;
		assert(json_check(line, LIMIT_DEPTH, &same));
		look_up(&ev);
		walk((struct slice){ev.pub.line.data, ev.pub.line.len});
		check_stored(&ev, line);
	} else {
		assert(error.why && error.at <= line.len);
		/* Walking what was not checked stays inside as well. */
		walk(line);
	}
	event_deinit(&ev);
	if (event_group_is_one(line))
		check_group(line);
	return 0;
}
