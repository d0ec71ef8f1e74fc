#include "model/event/same.h"

#include <errno.h>

#include "base/json_impl.h"

/* Of raw strings without their quotes. */
static int compare_strings(struct slice a, struct slice b)
{
	const char *at = a.data, *a_end = slice_end(a), *bt = b.data, *b_end = slice_end(b);
	char one[4], other[4];
	int n = 0, m = 0, i = 0, j = 0;

	for (;;) {
		if (i == n) {
			if (at >= a_end)
				return bt < b_end || j < m ? -1 : 0;
			n = json_decode_one(&at, a_end, one);
			i = 0;
		}
		if (j == m) {
			if (bt >= b_end)
				return 1;
			m = json_decode_one(&bt, b_end, other);
			j = 0;
		}
		if (n < 0 || m < 0) /* it has not passed the check */
			return n < m ? -1 : n > m;
		if (one[i] != other[j])
			return (unsigned char)one[i] < (unsigned char)other[j] ? -1 : 1;
		i++;
		j++;
	}
}

struct member {
	struct slice key, value;
	size_t number; /* in its object */
};

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = compare_strings(x->key, y->key);

	return r ? r : x->number < y->number ? -1 : x->number > y->number;
}

struct members {
	struct member *list;
	size_t n, cap;
};

static void members_deinit(struct members *m)
{
	free(m->list);
}

/* In the order of their keys, so that members of the same name stay in theirs. */
static int members_of(struct slice object, const char *but, struct members *ret)
{
	struct json_iter it = json_iterate(object);
	struct slice key, value;

	while (json_next(&it, &key, &value)) {
		if (but && compare_strings(key, slice_of(but)) == 0)
			continue;
		if (!list_room(ret->list, ret->n, ret->cap, 8))
			return -ENOMEM;
		ret->list[ret->n] = (struct member){key, value, ret->n};
		ret->n++;
	}
	if (ret->n > 1)
		qsort(ret->list, ret->n, sizeof(*ret->list), compare_members);
	return 0;
}

static int same(struct slice a, struct slice b);

/* `but`: members of this name are left out. */
static int same_objects(struct slice a, struct slice b, const char *but)
{
	struct members as cleanup(members_deinit) = {0}, bs cleanup(members_deinit) = {0};

	int r = members_of(a, but, &as);
	if (r == 0)
		r = members_of(b, but, &bs);
	if (r < 0)
		return r;
	r = as.n == bs.n;
	for (size_t i = 0; r > 0 && i < as.n; i++) {
		r = compare_strings(as.list[i].key, bs.list[i].key) == 0;
		if (r > 0)
			r = same(as.list[i].value, bs.list[i].value);
	}
	return r;
}

static int same_arrays(struct slice a, struct slice b)
{
	struct json_iter at = json_iterate(a), bt = json_iterate(b);
	struct slice key, x, y;

	for (;;) {
		bool more = json_next(&at, &key, &x);
		if (more != json_next(&bt, &key, &y))
			return 0;
		int r = more ? same(x, y) : 1;
		if (r <= 0 || !more)
			return r;
	}
}

static struct slice inside(struct slice string)
{
	return (struct slice){string.data + 1, string.len - 2};
}

/* As deep as an event may be. */
static int same(struct slice a, struct slice b)
{
	if (slice_eq(a, b))
		return 1;
	if (a.len == 0 || b.len == 0 || a.data[0] != b.data[0])
		return 0;
	switch (a.data[0]) {
	case '{':
		return same_objects(a, b, NULL);
	case '[':
		return same_arrays(a, b);
	case '"':
		return compare_strings(inside(a), inside(b)) == 0;
	default:
		return 0;
	}
}

int same_but_ts(struct slice a, struct slice b)
{
	return same_objects(a, b, "ts");
}
