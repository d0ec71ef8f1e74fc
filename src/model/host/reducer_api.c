/* The functions of <eventfold/reducer.h>, which reducers call in the program that has loaded them. */
#include "model/host/reducer_api.h"

#include <stdarg.h>
#include <stdio.h>

#include "model/event/event.h"

static struct event *whole(const struct eventfold_event *ev)
{
	return container_of((struct eventfold_event *)ev, struct event, pub);
}

static struct slice internal(struct eventfold_slice s)
{
	return (struct slice){s.data, s.len};
}

/* The envelope's values are known already: only what lies below has to be looked for. */
static bool find(const struct eventfold_event *ev, const char *pointer, struct slice *ret)
{
	bool below = strlen(pointer) >= 5 && (pointer[5] == '/' || pointer[5] == '\0');

	if (below && memcmp(pointer, "/data", 5) == 0)
		return json_find(internal(ev->data), pointer + 5, ret);
	if (below && memcmp(pointer, "/meta", 5) == 0)
		return ev->meta.data && json_find(internal(ev->meta), pointer + 5, ret);
	return json_find(internal(ev->line), pointer, ret);
}

bool eventfold_get_raw(const struct eventfold_event *ev, const char *pointer, struct eventfold_slice *ret)
{
	struct slice raw;

	if (!find(ev, pointer, &raw))
		return false;
	*ret = (struct eventfold_slice){raw.data, raw.len};
	return true;
}

bool eventfold_get_string(const struct eventfold_event *ev, const char *pointer, struct eventfold_slice *ret)
{
	struct slice raw;

	if (!find(ev, pointer, &raw) || raw.len < 2 || raw.data[0] != '"')
		return false;
	if (memchr(raw.data, '\\', raw.len))
		return event_decode(whole(ev), raw, ret);
	*ret = (struct eventfold_slice){raw.data + 1, raw.len - 2};
	return true;
}

bool eventfold_get_int64(const struct eventfold_event *ev, const char *pointer, int64_t *ret)
{
	struct slice raw;

	return find(ev, pointer, &raw) && json_to_int64(raw, ret);
}

bool eventfold_get_uint64(const struct eventfold_event *ev, const char *pointer, uint64_t *ret)
{
	struct slice raw;

	return find(ev, pointer, &raw) && json_to_uint64(raw, ret);
}

bool eventfold_get_double(const struct eventfold_event *ev, const char *pointer, double *ret)
{
	struct slice raw;

	return find(ev, pointer, &raw) && json_to_double(raw, ret);
}

bool eventfold_get_bool(const struct eventfold_event *ev, const char *pointer, bool *ret)
{
	struct slice raw;

	if (!find(ev, pointer, &raw) || !(slice_eq(raw, SLICE("true")) || slice_eq(raw, SLICE("false"))))
		return false;
	*ret = raw.data[0] == 't';
	return true;
}

const cJSON *eventfold_data(const struct eventfold_event *ev)
{
	struct event *e = whole(ev);

	if (!e->tree)
		e->tree = cJSON_ParseWithLength(ev->data.data, ev->data.len);
	e->no_memory |= !e->tree;
	return e->tree;
}

int eventfold_fail(const struct eventfold_event *ev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_setv(whole(ev)->fail, -1, format, args);
	va_end(args);
	return -1;
}

struct eventfold_iter eventfold_iterate(struct eventfold_slice raw)
{
	struct json_iter it = json_iterate(internal(raw));

	return (struct eventfold_iter){it.at, it.end};
}

bool eventfold_next(struct eventfold_iter *it, struct eventfold_slice *key, struct eventfold_slice *value)
{
	struct json_iter inner = {it->at, it->end};
	struct slice k, v;

	if (!json_next(&inner, &k, &v))
		return false;
	it->at = inner.at;
	*key = (struct eventfold_slice){k.data, k.len};
	*value = (struct eventfold_slice){v.data, v.len};
	return true;
}

long eventfold_decode(struct eventfold_slice raw, char *out)
{
	return json_decode(internal(raw), out);
}

bool eventfold_to_int64(struct eventfold_slice raw, int64_t *ret)
{
	return json_to_int64(internal(raw), ret);
}

void eventfold_write(struct eventfold_writer *out, const char *text, size_t len)
{
	buf_add(out->out, text, len);
}

void eventfold_write_text(struct eventfold_writer *out, const char *text)
{
	buf_add_str(out->out, text);
}

void eventfold_write_string(struct eventfold_writer *out, struct eventfold_slice string)
{
	buf_add_json(out->out, internal(string));
}

void eventfold_write_int64(struct eventfold_writer *out, int64_t value)
{
	buf_add_i64(out->out, value);
}

void eventfold_write_uint64(struct eventfold_writer *out, uint64_t value)
{
	buf_add_u64(out->out, value);
}
