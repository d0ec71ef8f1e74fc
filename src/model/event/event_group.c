#include "model/event/event_group.h"

#include <errno.h>

static size_t skip_space(struct slice line, size_t at)
{
	return (size_t)(json_skip_space(line.data + at, slice_end(line)) - line.data);
}

static int refuse(struct json_error *ret, size_t at, const char *why)
{
	*ret = (struct json_error){why, at};
	return -EINVAL;
}

void event_group_begin(struct event_group *g, struct slice line)
{
	*g = (struct event_group){
	    .line = line, .at = skip_space(line, skip_space(line, 0) + 1), .first = true};
}

static int end_group(const struct event_group *g, struct json_error *ret_error)
{
	size_t behind = skip_space(g->line, g->at + 1);

	return behind == g->line.len ? 0 : refuse(ret_error, behind, "something follows the array");
}

int event_group_next(struct event_group *g, struct event *ev, struct json_error *ret_error)
{
	struct slice line = g->line;
	bool ends = g->at < line.len && line.data[g->at] == ']';

	if (ends)
		return end_group(g, ret_error);
	if (!g->first && g->at < line.len) {
		if (line.data[g->at] != ',')
			return refuse(ret_error, g->at, "a comma or ] is missing in the array");
		g->at = skip_space(line, g->at + 1);
		if (g->at < line.len && line.data[g->at] == ']')
			return refuse(ret_error, g->at, "a comma before the closing ]");
	}
	g->first = false;
	if (g->at == line.len)
		return refuse(ret_error, g->at,
			      "the line ends before the array does; a group is one line, as jq -cs makes it");
	size_t next = event_scan_element(ev, line, g->at, ret_error);
	if (next == 0)
		return ev->no_memory ? -ENOMEM : -EINVAL;
	g->at = next;
	return 1;
}

long event_group_check(struct slice line, struct event *ev, struct json_error *ret_error)
{
	struct event_group g;
	long n = 0;
	int r;

	if (!event_group_is_one(line)) {
		if (event_scan(ev, line, ret_error))
			return 1;
		return ev->no_memory ? -ENOMEM : -EINVAL;
	}
	event_group_begin(&g, line);
	while ((r = event_group_next(&g, ev, ret_error)) > 0)
		n++;
	return r < 0 ? r : n;
}
