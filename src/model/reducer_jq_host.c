#include "model/reducer_jq_host.h"

#include "model/reducer_jq_edit.h"

/* Instead of libjq's own, for programs of the common forms (reducer_jq_form.h): all their values are single. The paths are collected
 * first: what a generator keeps in case it is asked for more would hold the state too. And once the first part of a call is
 * handed over nothing may fail before its last one is: what an error left behind would be taken for parts of the next call. */
#define ASSIGNMENTS                                                                                          \
	"def _assign(paths; value): value as $v | ([path(paths)] | debug) as $x | ($v | debug) as $x"        \
	" | debug | _input;"                                                                                 \
	" def del(f): [path(f)] as $p | (true | debug) as $x | ($p | debug) as $x | debug | _input;"

/* Where the update is an operator (+= and the like) there is one value. */
static const char one_value[] =
    ASSIGNMENTS " def _modify(paths; update):"
		" reduce ([path(paths)][] | debug) as $p (.; debug | _input | update | debug | _input);";

/* With |= there may be none, which deletes, or several, of which the first counts. */
static const char any_values[] = ASSIGNMENTS
    " def _modify(paths; update): ([path(paths)] | debug | _input) as $ts"
    " | reduce ($ts[] | debug) as $t (.; debug | _input | update | ($t | debug) as $x | debug | _input | .[])"
    " | (null | debug) as $x | ($ts[0] | debug) as $x | debug | _input;";

const char *jq_host_prelude(bool may_empty)
{
	return may_empty ? any_values : one_value;
}

/* The program is about to change `state`. If that is the one kept, and nobody else holds it, it is given up, so that
 * the change happens in place. */
static void give_up_kept(struct jq_host *h, jv state)
{
	jv_kind kind = jv_get_kind(state);

	if ((kind != JV_KIND_OBJECT && kind != JV_KIND_ARRAY) || jv_get_refcnt(state) != 2)
		return;
	if (!jv_is_valid(h->kept) || !jv_identical(jv_copy(state), jv_copy(h->kept)))
		return;
	jv_free(h->kept);
	h->kept = jv_invalid();
}

static jv assign(struct jq_host *h, jv paths, jv value, jv state)
{
	give_up_kept(h, state);
	jv_array_foreach(paths, i, path)
	{
		if (!jv_is_valid(state)) {
			jv_free(path);
			break;
		}
		if (jv_get_kind(path) == JV_KIND_ARRAY)
			state = reducer_jq_put(state, path, jv_copy(value));
		else
			state = jv_setpath(state, jv_copy(path), jv_copy(value));
		jv_free(path);
	}
	jv_free(paths);
	jv_free(value);
	return state;
}

static jv delete_paths(struct jq_host *h, jv paths, jv state)
{
	give_up_kept(h, state);
	if (jv_get_kind(paths) == JV_KIND_ARRAY && jv_array_length(jv_copy(paths)) == 1) {
		jv path = jv_array_get(jv_copy(paths), 0);

		if (jv_get_kind(path) == JV_KIND_ARRAY) {
			jv_free(paths);
			state = reducer_jq_delete(state, path);
			jv_free(path);
			return state;
		}
		jv_free(path);
	}
	return jv_delpaths(state, paths);
}

/* A token names an update and one of its paths. Updates nest, so the place in the stack of those under way is name
 * enough; what is above it was left by an error that the program caught. */
#define TOKEN_UNIT 4294967296.0

static void pop_updates(struct jq_host *h, int n)
{
	while (h->n_updates > n) {
		struct jq_update *u = &h->updates[--h->n_updates];

		jv_free(u->paths);
		jv_free(u->state);
	}
}

static struct jq_update *update_of(struct jq_host *h, jv token, int *ret_index)
{
	double number = jv_number_value(token);
	int place = (int)(number / TOKEN_UNIT);

	if (place < 0 || place >= h->n_updates)
		return NULL;
	pop_updates(h, place + 1);
	*ret_index = (int)(number - place * TOKEN_UNIT);
	return &h->updates[place];
}

static jv begin_update(struct jq_host *h, jv paths)
{
	int n = jv_array_length(jv_copy(paths));
	jv tokens = jv_array_sized(n);

	if (n == 0) {
		jv_free(paths);
		return tokens;
	}
	if (h->n_updates == h->cap_updates) {
		int cap = h->cap_updates ? h->cap_updates * 2 : 4;
		struct jq_update *updates = realloc(h->updates, (size_t)cap * sizeof(*updates));

		if (!updates) {
			jv_free(paths);
			jv_free(tokens);
			return jv_invalid_with_msg(jv_string("no memory"));
		}
		h->updates = updates;
		h->cap_updates = cap;
	}
	for (int i = 0; i < n; i++)
		tokens = jv_array_append(tokens, jv_number(h->n_updates * TOKEN_UNIT + i));
	h->updates[h->n_updates++] = (struct jq_update){.paths = paths, .state = jv_invalid()};
	return tokens;
}

/* The part that was out has no new value: it is deleted. */
static jv end_without_value(struct jq_update *u)
{
	jv path = jv_array_get(jv_copy(u->paths), u->taken - 1), state = u->state;

	u->state = jv_invalid();
	u->open = false;
	state = reducer_jq_delete(state, path);
	jv_free(path);
	return state;
}

static jv take_part(struct jq_host *h, struct jq_update *u, jv state)
{
	jv path, part;

	if (u->open) {
		jv_free(state);
		state = end_without_value(u);
		if (!jv_is_valid(state))
			return state;
	}
	give_up_kept(h, state);
	path = jv_array_get(jv_copy(u->paths), u->taken++);
	part = reducer_jq_take(&state, path);
	jv_free(path);
	u->state = state;
	u->open = true;
	return part;
}

static jv put_part(struct jq_update *u, jv part)
{
	jv path, state;

	if (!u->open) { /* a second value: the first one counted */
		jv_free(part);
		return jv_array();
	}
	path = jv_array_get(jv_copy(u->paths), u->taken - 1);
	state = reducer_jq_put(u->state, path, part);
	u->state = jv_invalid();
	u->open = false;
	jv_free(path);
	return jv_is_valid(state) ? jv_array_append(jv_array_sized(1), state) : state;
}

static jv end_update(struct jq_host *h, jv token, jv state)
{
	struct jq_update *u = NULL;
	int index;

	if (jv_get_kind(token) == JV_KIND_NUMBER)
		u = update_of(h, token, &index);
	if (u && u->open) {
		jv_free(state);
		state = end_without_value(u);
	}
	if (u)
		pop_updates(h, h->n_updates - 1);
	return state;
}

static jv move_part(struct jq_host *h, jv token, jv value)
{
	int index;
	struct jq_update *u = update_of(h, token, &index);

	if (!u) {
		jv_free(value);
		return jv_invalid_with_msg(jv_string("an update that is over"));
	}
	return index == u->taken ? take_part(h, u, value) : put_part(u, value);
}

static jv take_one(struct jq_host *h, jv path, jv state)
{
	give_up_kept(h, state);
	jv_free(h->path);
	jv_free(h->rest); /* of an update that ended in an error */
	h->path = path;
	h->rest = state;
	return reducer_jq_take(&h->rest, path);
}

static jv put_one(struct jq_host *h, jv part)
{
	jv state = reducer_jq_put(h->rest, h->path, part);

	jv_free(h->path);
	h->path = h->rest = jv_invalid();
	return state;
}

/* The calls, by what was handed over:
 *     nothing                  the event
 *     paths, value, state      the state with the value at the paths
 *     true, paths, state       the state without what is at the paths
 * Where the updates are operators:
 *     path, state              the part at the path, taken out
 *     part                     the state with the part put back
 * else:
 *     paths                    begins an update: a token for each path
 *     token, state             the part at the token's path, taken out
 *     token, part              the state with the part put back, in an array; it is empty for a second part
 *     null, token, state       ends an update */
static jv host_call(jq_state *jq, void *arg)
{
	struct jq_host *h = arg;
	int n = h->n_args;
	jv *args = h->args;

	h->n_args = 0;
	switch (n) {
	case 0:
		return jv_copy(h->event);
	case 1:
		return h->may_empty ? begin_update(h, args[0]) : put_one(h, args[0]);
	case 2:
		return h->may_empty ? move_part(h, args[0], args[1]) : take_one(h, args[0], args[1]);
	}
	if (jv_get_kind(args[0]) == JV_KIND_TRUE)
		return delete_paths(h, args[1], args[2]);
	if (jv_get_kind(args[0]) == JV_KIND_NULL)
		return end_update(h, args[1], args[2]);
	return assign(h, args[0], args[1], args[2]);
}

static void host_take_arg(void *arg, jv value)
{
	struct jq_host *h = arg;

	if (h->n_args < (int)countof(h->args))
		h->args[h->n_args++] = value;
	else
		jv_free(value);
}

void jq_host_init(struct jq_host *h)
{
	*h = (struct jq_host){.event = jv_invalid(), .kept = jv_invalid()};
}

void jq_host_attach(struct jq_host *h, jq_state *jq)
{
	jq_set_input_cb(jq, host_call, h);
	jq_set_debug_cb(jq, host_take_arg, h);
}

void jq_host_reset(struct jq_host *h)
{
	while (h->n_args > 0)
		jv_free(h->args[--h->n_args]);
	pop_updates(h, 0);
	jv_free(h->event);
	jv_free(h->path);
	jv_free(h->rest);
	h->event = h->path = h->rest = jv_invalid();
}

void jq_host_deinit(struct jq_host *h)
{
	jq_host_reset(h);
	jv_free(h->kept);
	free(h->updates);
}
