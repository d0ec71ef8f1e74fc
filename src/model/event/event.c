#include "model/event/event.h"

#include "base/limits.h"
#include "model/event/hint.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

enum key { KEY_TYPE, KEY_DATA, KEY_TS, KEY_ID, KEY_ACTOR, KEY_META, KEY_OTHER };

static const struct {
	struct slice name;
	const char *duplicate;
} keys[] = {
    [KEY_TYPE] = {SLICE("type"), "a second \"type\""},    [KEY_DATA] = {SLICE("data"), "a second \"data\""},
    [KEY_TS] = {SLICE("ts"), "a second \"ts\""},          [KEY_ID] = {SLICE("id"), "a second \"id\""},
    [KEY_ACTOR] = {SLICE("actor"), "a second \"actor\""}, [KEY_META] = {SLICE("meta"), "a second \"meta\""},
};

/* A decoded string of an event's, kept until the next scan. Never moved: slices point into it. */
struct event_text {
	struct event_text *next;
	char data[];
};

static void reset(struct event *ev)
{
	while (ev->texts) {
		struct event_text *next = ev->texts->next;
		free(ev->texts);
		ev->texts = next;
	}
	if (ev->tree) {
		cJSON_Delete(ev->tree);
		ev->tree = NULL;
	}
	event_set_form(ev, NULL, NULL);
}

void event_deinit(struct event *ev)
{
	reset(ev);
}

bool event_decode(struct event *ev, struct slice raw, struct eventfold_slice *ret)
{
	struct event_text *text = malloc(sizeof(*text) + raw.len);

	if (!text) {
		ev->no_memory = true;
		return false;
	}
	text->next = ev->texts;
	ev->texts = text;
	long n = json_decode(raw, text->data);
	*ret = (struct eventfold_slice){text->data, n < 0 ? 0 : (size_t)n};
	return n >= 0;
}

static enum key key_of_plain(const char *at, size_t len)
{
	switch (len) {
	case 2:
		return memcmp(at, "ts", 2) == 0 ? KEY_TS : memcmp(at, "id", 2) == 0 ? KEY_ID : KEY_OTHER;
	case 4:
		return memcmp(at, "type", 4) == 0   ? KEY_TYPE
		       : memcmp(at, "data", 4) == 0 ? KEY_DATA
		       : memcmp(at, "meta", 4) == 0 ? KEY_META
						    : KEY_OTHER;
	case 5:
		return memcmp(at, "actor", 5) == 0 ? KEY_ACTOR : KEY_OTHER;
	default:
		return KEY_OTHER;
	}
}

/* `raw` is a checked key with its quotes. Written with escapes it is still the same key; six bytes an escape
 * at most. */
static enum key key_of(struct slice raw, bool plain)
{
	char decoded[5 * 6 + 2];

	if (plain)
		return key_of_plain(raw.data + 1, raw.len - 2);
	if (raw.len > sizeof(decoded))
		return KEY_OTHER;
	long n = json_decode(raw, decoded);
	return n < 0 ? KEY_OTHER : key_of_plain(decoded, (size_t)n);
}

/* A checked string with its quotes, as its value. */
static bool string_value(struct event *ev, struct slice raw, bool plain, struct eventfold_slice *ret)
{
	if (!plain)
		return event_decode(ev, raw, ret);
	*ret = (struct eventfold_slice){raw.data + 1, raw.len - 2};
	return true;
}

static const char *refuse(struct json_fault *ret, const char *at, const char *why)
{
	*ret = (struct json_fault){why, at};
	return NULL;
}

static const char *scan_text(struct event *ev, const char *at, const char *end, const char *why,
			     bool nullable, struct eventfold_slice *ret, struct json_fault *fault)
{
	const char *begin = at;
	bool plain;

	if (nullable && end - at >= 4 && memcmp(at, "null", 4) == 0)
		return at + 4;
	if (at == end || *at != '"')
		return refuse(fault, at, why);
	at = json_scan_string(at + 1, end, &plain, fault);
	if (!at)
		return NULL;
	if (!string_value(ev, (struct slice){begin, (size_t)(at - begin)}, plain, ret))
		return refuse(fault, begin, "out of memory");
	return at;
}

static const char *scan_ts(struct event *ev, const char *at, const char *end, struct json_fault *fault)
{
	const char *begin = at;

	while (at < end && (unsigned char)(*at - '0') < 10)
		at++;
	/* What follows an integer in an object; anything else is the rest of another number or value. */
	bool ends = at == end || *at == ',' || *at == '}' || *at == ' ' || *at == '\t' || *at == '\r';
	if (!ends || !json_to_uint64((struct slice){begin, (size_t)(at - begin)}, &ev->pub.ts))
		return refuse(fault, begin, hint_for_ts(begin, end));
	return at;
}

/* The value of one of the event's own keys. */
static const char *scan_member(struct event *ev, enum key key, const char *at, const char *end,
			       struct json_fault *fault)
{
	const char *begin = at;

	switch (key) {
	case KEY_TYPE:
		at = scan_text(ev, at, end, "\"type\" is not a string", false, &ev->pub.type, fault);
		if (at && ev->pub.type.len == 0)
			return refuse(fault, begin, "\"type\" is empty");
		return at;
	case KEY_TS:
		return scan_ts(ev, at, end, fault);
	case KEY_ID:
		return scan_text(ev, at, end, "\"id\" is neither a string nor null", true, &ev->pub.id,
				 fault);
	case KEY_ACTOR:
		return scan_text(ev, at, end, "\"actor\" is neither a string nor null", true, &ev->pub.actor,
				 fault);
	default:
		at = json_scan_value(at, end, LIMIT_DEPTH - 1, fault);
		if (at && key == KEY_DATA)
			ev->pub.data = (struct eventfold_slice){begin, (size_t)(at - begin)};
		else if (at && key == KEY_META)
			ev->pub.meta = (struct eventfold_slice){begin, (size_t)(at - begin)};
		return at;
	}
}

/* From the opening brace to behind the closing one. */
static const char *scan_members(struct event *ev, const char *at, const char *end, unsigned *ret_seen,
				struct json_fault *fault)
{
	unsigned seen = 0;
	bool plain;

	at = json_skip_space(at + 1, end);
	if (at < end && *at == '}')
		return at + 1;
	for (;;) {
		const char *begin = at;
		if (at == end || *at != '"')
			return refuse(fault, at, "a key is missing in the object");
		at = json_scan_string(at + 1, end, &plain, fault);
		if (!at)
			return NULL;
		enum key key = key_of((struct slice){begin, (size_t)(at - begin)}, plain);
		if (key != KEY_OTHER && seen & 1u << key)
			return refuse(fault, begin, keys[key].duplicate);
		seen |= 1u << key;
		*ret_seen = seen;
		at = json_skip_space(at, end);
		if (at == end || *at != ':')
			return refuse(fault, at, "a colon is missing behind a key");
		at = scan_member(ev, key, json_skip_space(at + 1, end), end, fault);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || (*at != ',' && *at != '}'))
			return refuse(fault, at, "a comma or } is missing in the object");
		if (*at == '}')
			return at + 1;
		at = json_skip_space(at + 1, end);
	}
}

/* From where it begins in the line, up to the line's end or, of an element, up to what follows it: that
 * place, or NULL. */
static inline const char *scan_event(struct event *ev, struct slice line, const char *begin, bool element,
				     struct json_error *ret_error)
{
	const char *end = slice_end(line), *at = NULL;
	struct json_fault fault = {0};
	unsigned seen = 0;

	if (unlikely(ev->texts || ev->tree || ev->foreign.host))
		reset(ev);
	ev->pub = (struct eventfold_event){.data = {"null", 4}};
	ev->no_memory = false;
	if (begin == end || *begin != '{')
		refuse(&fault, begin, "an event is a JSON object");
	else
		at = scan_members(ev, begin, end, &seen, &fault);
	if (at) {
		ev->pub.line = (struct eventfold_slice){begin, (size_t)(at - begin)};
		at = json_skip_space(at, end);
		if (!element && at < end)
			refuse(&fault, at, "something follows the object");
		else if (!(seen & 1u << KEY_TYPE))
			refuse(&fault, begin, "there is no \"type\"");
	}
	if (unlikely(fault.why)) {
		if (fault.why == json_too_deep)
			fault.why = "nested deeper than " STRING(LIMIT_DEPTH);
		*ret_error = (struct json_error){hint_for(line, &fault), (size_t)(fault.at - line.data)};
		return NULL;
	}
	ev->has = (seen & 1u << KEY_DATA ? EVENT_HAS_DATA : 0) | (seen & 1u << KEY_TS ? EVENT_HAS_TS : 0);
	return at;
}

bool event_scan(struct event *ev, struct slice line, struct json_error *ret_error)
{
	return scan_event(ev, line, json_skip_space(line.data, slice_end(line)), false, ret_error);
}

size_t event_scan_element(struct event *ev, struct slice line, size_t at, struct json_error *ret_error)
{
	const char *end = scan_event(ev, line, line.data + at, true, ret_error);

	return end ? (size_t)(end - line.data) : 0;
}

void event_store(const struct event *ev, uint64_t now, struct buf *out)
{
	struct slice line = {ev->pub.line.data, ev->pub.line.len};

	if (ev->has == (EVENT_HAS_DATA | EVENT_HAS_TS)) {
		buf_add_slice(out, line);
	} else {
		/* There is a type, so there is something for the comma to follow. */
		buf_add(out, line.data, line.len - 1);
		if (!(ev->has & EVENT_HAS_DATA))
			buf_add_str(out, ",\"data\":null");
		if (!(ev->has & EVENT_HAS_TS)) {
			buf_add_str(out, ",\"ts\":");
			buf_add_u64(out, now);
		}
		buf_add_char(out, '}');
	}
	buf_add_char(out, '\n');
}

static struct event_place place_of(const struct event *ev, struct eventfold_slice part)
{
	if (!part.data)
		return (struct event_place){0};
	return (struct event_place){(uint32_t)(part.data - ev->pub.line.data), (uint32_t)part.len};
}

struct event_layout event_layout(const struct event *ev, uint64_t now)
{
	static const struct slice spliced = SLICE(",\"data\":");

	if (ev->texts)
		return (struct event_layout){0};
	struct event_layout l = {
	    .type = place_of(ev, ev->pub.type),
	    .id = place_of(ev, ev->pub.id),
	    .actor = place_of(ev, ev->pub.actor),
	    .meta = place_of(ev, ev->pub.meta),
	    .ts = ev->has & EVENT_HAS_TS ? ev->pub.ts : now,
	};
	if (ev->has & EVENT_HAS_DATA)
		l.data = place_of(ev, ev->pub.data);
	else
		l.data = (struct event_place){(uint32_t)(ev->pub.line.len - 1 + spliced.len), 4};
	return l;
}

static struct eventfold_slice part_at(struct slice line, struct event_place place)
{
	return place.at ? (struct eventfold_slice){line.data + place.at, place.len}
			: (struct eventfold_slice){0};
}

void event_lay_out(struct event *ev, struct slice line, const struct event_layout *layout)
{
	if (unlikely(ev->texts || ev->tree || ev->foreign.host))
		reset(ev);
	ev->pub = (struct eventfold_event){
	    .type = part_at(line, layout->type),
	    .id = part_at(line, layout->id),
	    .actor = part_at(line, layout->actor),
	    .data = part_at(line, layout->data),
	    .meta = part_at(line, layout->meta),
	    .line = {line.data, line.len},
	    .ts = layout->ts,
	};
	ev->has = EVENT_HAS_DATA | EVENT_HAS_TS;
	ev->no_memory = false;
}
