#include "model/engine/holes.h"

#include <string.h>

#include "base/json.h"

static const char damaged[] = "damaged", no_event[] = "no event";

static void count(struct holes *h, const struct hole *hole)
{
	h->events += hole->events;
	h->uncounted |= hole->uncounted;
	h->unreadable |= !hole->no_event;
}

void holes_add(struct holes *h, const struct hole *hole)
{
	struct hole *last = h->n > 0 && h->n <= HOLES_MAX ? &h->hole[h->n - 1] : NULL;

	count(h, hole);
	if (last && last->end == hole->off && last->no_event == hole->no_event) {
		last->end = hole->end;
		last->events += hole->events;
		last->uncounted |= hole->uncounted;
		return;
	}
	if (h->n < HOLES_MAX)
		h->hole[h->n] = *hole;
	h->n++;
}

struct holes holes_before(const struct holes *h, uint64_t off)
{
	struct holes before = {0};

	/* Of those that are only counted nobody knows where they are. */
	if (h->n > HOLES_MAX)
		return *h;
	for (size_t i = 0; i < h->n && h->hole[i].off < off; i++)
		holes_add(&before, &h->hole[i]);
	return before;
}

static void explain_one(const struct hole *hole, struct buf *out)
{
	unsigned long long first = hole->seq + 1, last = hole->seq + hole->events;

	if (hole->uncounted)
		buf_printf(out, "nobody knows how many behind event %llu", (unsigned long long)hole->seq);
	else if (hole->events == 1)
		buf_printf(out, "event %llu", first);
	else
		buf_printf(out, "events %llu to %llu", first, last);
	buf_printf(out, ", offset %llu to %llu: ", (unsigned long long)hole->off,
		   (unsigned long long)hole->end);
	buf_add_str(out, hole->no_event ? "no event" : "the archive is damaged");
}

void holes_explain(const struct holes *h, struct buf *out)
{
	if (h->uncounted)
		buf_add_str(out, "events are missing (");
	else if (h->events == 1)
		buf_add_str(out, "1 event is missing (");
	else
		buf_printf(out, "%llu events are missing (", (unsigned long long)h->events);
	explain_one(&h->hole[0], out);
	if (h->n > 1)
		buf_printf(out, "; and %llu more", (unsigned long long)h->n - 1);
	buf_add_str(out, "): eventfold verify tells more; once the log is restored, rebuild the view");
}

static void write_events(uint64_t events, bool uncounted, struct buf *out)
{
	if (uncounted)
		buf_add_str(out, "null");
	else
		buf_add_u64(out, events);
}

void holes_write_count(const struct holes *h, struct buf *out)
{
	write_events(h->events, h->uncounted, out);
}

void holes_write_list(const struct holes *h, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < holes_listed(h); i++) {
		const struct hole *hole = &h->hole[i];
		buf_printf(out, "%s{\"from\":%llu,\"to\":%llu,\"after\":%llu,\"events\":", i ? "," : "",
			   (unsigned long long)hole->off, (unsigned long long)hole->end,
			   (unsigned long long)hole->seq);
		write_events(hole->events, hole->uncounted, out);
		buf_printf(out, ",\"why\":\"%s\"}", hole->no_event ? no_event : damaged);
	}
	buf_add_char(out, ']');
}

void holes_write(const struct holes *h, struct buf *out)
{
	buf_printf(out, "{\"count\":%llu,\"missing\":", (unsigned long long)h->n);
	holes_write_count(h, out);
	buf_add_str(out, ",\"holes\":");
	holes_write_list(h, out);
	buf_add_char(out, '}');
}

static bool read_events(struct slice raw, const char *pointer, uint64_t *ret, uint32_t *ret_uncounted)
{
	struct slice value;

	if (!json_find(raw, pointer, &value))
		return false;
	*ret_uncounted = slice_eq(value, SLICE("null"));
	*ret = 0;
	return *ret_uncounted || json_to_uint64(value, ret);
}

static bool read_number(struct slice raw, const char *pointer, uint64_t *ret)
{
	struct slice value;

	return json_find(raw, pointer, &value) && json_to_uint64(value, ret);
}

static bool read_hole(struct slice raw, struct hole *ret)
{
	struct slice why;

	*ret = (struct hole){0};
	if (!read_number(raw, "/from", &ret->off) || !read_number(raw, "/to", &ret->end) ||
	    !read_number(raw, "/after", &ret->seq) ||
	    !read_events(raw, "/events", &ret->events, &ret->uncounted) || !json_find(raw, "/why", &why))
		return false;
	ret->no_event = slice_eq(why, SLICE("\"no event\""));
	return true;
}

bool holes_read(struct slice raw, struct holes *ret)
{
	struct slice list, key, value;
	uint64_t n;

	*ret = (struct holes){0};
	if (!read_number(raw, "/count", &n) || !json_find(raw, "/holes", &list))
		return false;
	struct json_iter it = json_iterate(list);
	while (json_next(&it, &key, &value)) {
		struct hole hole;
		if (ret->n == HOLES_MAX || !read_hole(value, &hole))
			return false;
		holes_add(ret, &hole);
	}
	if (ret->n == 0 || ret->n > n || (ret->n < n && ret->n < HOLES_MAX))
		return false;
	/* What of the rest is told by nothing else may as well be of the worse sort. */
	ret->unreadable |= ret->n < n;
	ret->n = n;
	return read_events(raw, "/missing", &ret->events, &ret->uncounted);
}
