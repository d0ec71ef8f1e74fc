#include "model/reducer_jq_event.h"

#include "model/reducer_jq_scan.h"
#include "model/reducer_jq_text.h"

/* The members that cost something to decode, and the whole event. Invalid: not decoded yet. */
struct decoded {
	jv data, meta, all;
	bool infinite; /* there is a number in them that is too large for libjq */
};

static void decoded_free(void *p)
{
	struct decoded *d = p;

	jv_free(d->data);
	jv_free(d->meta);
	jv_free(d->all);
	free(d);
}

static struct decoded *decoded_of(struct event *ev)
{
	struct decoded *d = ev->foreign;

	if (d)
		return d;
	d = malloc(sizeof(*d));
	if (!d)
		return NULL;
	*d = (struct decoded){jv_invalid(), jv_invalid(), jv_invalid(), false};
	ev->foreign = d;
	ev->foreign_free = decoded_free;
	return d;
}

/* Is there something that may be a number beyond 1.8e308? */
static bool may_be_infinite(struct eventfold_slice raw)
{
	size_t digits = 0;

	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.data[i];

		if (c >= '0' && c <= '9')
			digits++;
		else if (digits > 0 && (c == 'e' || c == 'E'))
			return true;
		else
			digits = 0;
		if (digits > 300)
			return true;
	}
	return false;
}

/* Borrowed from *kept. */
static jv decode(struct decoded *d, jv *kept, struct eventfold_slice raw)
{
	if (!jv_is_valid(*kept)) {
		jv_free(*kept);
		*kept = jv_parse_sized(raw.data, (int)raw.len);
		if (jv_is_valid(*kept) && may_be_infinite(raw))
			d->infinite |= !reducer_jq_is_json(*kept);
	}
	return *kept;
}

static jv add(jv object, const char *name, jv value)
{
	if (!jv_is_valid(value)) {
		jv_free(object);
		return value;
	}
	return jv_is_valid(object) ? jv_object_set(object, jv_string(name), value) : object;
}

static jv add_string(jv object, const char *name, struct eventfold_slice s)
{
	return s.data ? add(object, name, jv_string_sized(s.data, (int)s.len)) : object;
}

static jv members(struct decoded *d, const struct event *ev, unsigned need)
{
	const struct eventfold_event *pub = &ev->pub;
	jv object = jv_object();

	if (need & JQ_NEED_TYPE)
		object = add_string(object, "type", pub->type);
	if (need & JQ_NEED_ID)
		object = add_string(object, "id", pub->id);
	if (need & JQ_NEED_ACTOR)
		object = add_string(object, "actor", pub->actor);
	if (need & JQ_NEED_TS && ev->has & EVENT_HAS_TS)
		object = add(object, "ts", jv_number((double)pub->ts));
	if (need & JQ_NEED_DATA && ev->has & EVENT_HAS_DATA)
		object = add(object, "data", jv_copy(decode(d, &d->data, pub->data)));
	if (need & JQ_NEED_META && pub->meta.data)
		object = add(object, "meta", jv_copy(decode(d, &d->meta, pub->meta)));
	return object;
}

jv reducer_jq_event(struct event *ev, unsigned need, bool *ret_infinite)
{
	const struct eventfold_event *pub = &ev->pub;
	struct decoded *d = NULL;
	jv object;

	if (need & (JQ_NEED_ALL | JQ_NEED_DATA | JQ_NEED_META) && !(d = decoded_of(ev)))
		return jv_invalid_with_msg(jv_string("no memory"));
	if (need & JQ_NEED_ALL)
		object = jv_copy(decode(d, &d->all, pub->line));
	else
		object = members(d, ev, need);
	*ret_infinite = d && d->infinite;
	return object;
}
