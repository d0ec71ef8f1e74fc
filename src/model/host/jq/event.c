#include "model/host/jq/event.h"

#include "base/json.h"
#include "model/host/jq/text.h"

/* So many that the whole is of a size that malloc has at hand. */
#define MOST_PARTS 16
#define MEMBERS 6

/* A member of the data. */
struct part {
	struct slice key, raw; /* without its quotes */
	struct val v;
};

struct decoded {
	struct val whole, members[MEMBERS];
	enum { NOT_TAKEN_APART, TAKEN_APART, KEPT_WHOLE } data;
	unsigned n;
	bool has_jv;
	jv j;
	struct part parts[MOST_PARTS];
};

static void decoded_free(void *p)
{
	struct decoded *d = p;

	val_free(d->whole);
	for (unsigned i = 0; i < MEMBERS; i++)
		val_free(d->members[i]);
	for (unsigned i = 0; i < d->n; i++)
		val_free(d->parts[i].v);
	if (d->has_jv)
		jv_free(d->j);
	free(d);
}

static const struct event_host jq_host = {decoded_free};

static struct decoded *decoded_of(struct event *ev)
{
	struct decoded *d = event_form(ev, &jq_host);

	if (likely(d != NULL))
		return d;
	d = val_alloc(sizeof(*d));
	memset(d, 0, offsetof(struct decoded, parts));
	event_set_form(ev, &jq_host, d);
	return d;
}

bool event_member_of(struct val name, enum event_member *ret)
{
	static const char *const names[MEMBERS] = {
	    [EVENT_TYPE] = "type", [EVENT_DATA] = "data",   [EVENT_TIME] = "ts",
	    [EVENT_ID] = "id",     [EVENT_ACTOR] = "actor", [EVENT_META] = "meta",
	};

	for (unsigned i = 0; i < MEMBERS; i++)
		if (val_is(name, names[i])) {
			*ret = (enum event_member)i;
			return true;
		}
	return false;
}

const struct val *event_whole(struct event *ev)
{
	struct decoded *d = decoded_of(ev);

	if (d->whole.kind == VAL_NONE)
		d->whole = val_read((struct slice){ev->pub.line.data, ev->pub.line.len});
	return &d->whole;
}

static struct val text_of(struct eventfold_slice s)
{
	return s.data ? val_string(s.data, s.len) : VAL(VAL_NULL);
}

static struct val json_of(struct eventfold_slice raw, bool there)
{
	return there ? val_read((struct slice){raw.data, raw.len}) : VAL(VAL_NULL);
}

static struct val decode(const struct event *ev, enum event_member member)
{
	const struct eventfold_event *pub = &ev->pub;

	switch (member) {
	case EVENT_TYPE:
		return text_of(pub->type);
	case EVENT_DATA:
		return json_of(pub->data, ev->has & EVENT_HAS_DATA);
	case EVENT_TIME:
		return ev->has & EVENT_HAS_TS ? val_number((double)pub->ts) : VAL(VAL_NULL);
	case EVENT_ID:
		return text_of(pub->id);
	case EVENT_ACTOR:
		return text_of(pub->actor);
	default:
		return json_of(pub->meta, pub->meta.data != NULL);
	}
}

const struct val *event_part(struct event *ev, enum event_member member)
{
	struct decoded *d = decoded_of(ev);

	if (d->members[member].kind == VAL_NONE)
		d->members[member] = decode(ev, member);
	return &d->members[member];
}

/* Where its members begin and end. Keys with escapes are left to those who read all of it. */
static void take_apart(struct event *ev, struct decoded *d)
{
	struct slice data = {ev->pub.data.data, ev->pub.data.len}, key, raw;

	d->data = KEPT_WHOLE;
	if (!(ev->has & EVENT_HAS_DATA) || data.data[0] != '{')
		return;
	struct json_iter it = json_iterate(data);
	unsigned n = 0;
	for (; json_next(&it, &key, &raw); n++) {
		if (n == MOST_PARTS || memchr(key.data, '\\', key.len))
			return;
		d->parts[n] = (struct part){key, raw, VAL(VAL_NONE)};
	}
	d->n = n;
	d->data = TAKEN_APART;
}

const struct val *event_data_part(struct event *ev, struct val name)
{
	static const struct val null = {.kind = VAL_NULL};
	struct decoded *d = decoded_of(ev);

	if (d->data == NOT_TAKEN_APART)
		take_apart(ev, d);
	if (d->data == KEPT_WHOLE)
		return NULL;
	/* Of two with the same name the last one counts. */
	for (unsigned i = d->n; i-- > 0;) {
		struct part *p = &d->parts[i];
		if (!slice_eq(p->key, val_slice(name)))
			continue;
		if (p->v.kind == VAL_NONE)
			p->v = val_read(p->raw);
		return &p->v;
	}
	return &null;
}

jv event_jv(struct event *ev)
{
	struct decoded *d = decoded_of(ev);

	if (!d->has_jv)
		d->j = jv_parse_sized(ev->pub.line.data, (int)ev->pub.line.len);
	d->has_jv = true;
	return jv_copy(d->j);
}
