#include "fs/node.h"

#include <assert.h>
#include <search.h>
#include <xxhash.h>

void nodes_init(struct nodes *t)
{
	memset(t, 0, sizeof(*t));
	for (uint64_t i = 1; i < NODE_FIXED_END; i++) {
		t->fixed[i].ino = i;
		t->fixed[i].kind = (enum node_kind)i;
		clock_gettime(CLOCK_REALTIME, &t->fixed[i].changed);
	}
}

void nodes_deinit(struct nodes *t)
{
	tdestroy(t->named, free);
	t->named = NULL;
}

static void visit(const void *tree_node, VISIT which, void *each)
{
	if (which == preorder || which == leaf)
		((void (*)(struct node *))each)(*(struct node *const *)tree_node);
}

void nodes_each(struct nodes *t, void (*each)(struct node *node))
{
	for (size_t i = 1; i < NODE_FIXED_END; i++)
		each(&t->fixed[i]);
	twalk_r(t->named, visit, (void *)each);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->ino, y = ((const struct node *)b)->ino;

	return x < y ? -1 : x > y;
}

struct node *nodes_find(struct nodes *t, uint64_t ino)
{
	struct node key = {.ino = ino};

	if (ino < NODE_FIXED_END)
		return ino ? &t->fixed[ino] : NULL;
	void *found = tfind(&key, &t->named, compare);
	return found ? *(struct node **)found : NULL;
}

/* The kind in the upper byte, 56 bits of the name's hash below: two names of one mount meet with a chance of 2^-56. */
uint64_t node_ino(enum node_kind kind, struct slice name)
{
	return kind < NODE_FIXED_END ? kind : (uint64_t)kind << 56 | XXH64(name.data, name.len, 0) >> 8;
}

struct node *nodes_get(struct nodes *t, enum node_kind kind, struct slice name)
{
	uint64_t ino = node_ino(kind, name);
	struct node *n = nodes_find(t, ino);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return NULL;
		n->ino = ino;
		n->kind = kind;
		assert(name.len <= NODE_NAME);
		if (name.len > 0)
			memcpy(n->name, name.data, name.len);
		clock_gettime(CLOCK_REALTIME, &n->changed);
		if (!tsearch(n, &t->named, compare)) {
			free(n);
			return NULL;
		}
	}
	n->lookups++;
	return n;
}

void nodes_forget(struct nodes *t, uint64_t ino, uint64_t lookups)
{
	struct node *n = nodes_find(t, ino);

	if (!n || ino < NODE_FIXED_END)
		return;
	n->lookups -= min(lookups, n->lookups);
	if (n->lookups == 0) {
		tdelete(n, &t->named, compare);
		free(n);
	}
}

static const char *const suffixes[] = {
    [NODE_VIEW_SNAPSHOT - NODE_VIEW_JSON] = ".snapshot.json",
    [NODE_VIEW_JSON - NODE_VIEW_JSON] = ".json",
    [NODE_VIEW_OFFSET - NODE_VIEW_JSON] = ".offset",
    [NODE_VIEW_HASH - NODE_VIEW_JSON] = ".hash",
    [NODE_VIEW_ERROR - NODE_VIEW_JSON] = ".error",
};

const char *node_suffix(enum node_kind kind)
{
	assert(node_is_view(kind));
	return suffixes[kind - NODE_VIEW_JSON];
}

enum node_kind node_parse_view(const char *name, struct slice *ret_view)
{
	size_t stem = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	if (stem == 0 || stem > LIMIT_NAME)
		return 0;
	for (size_t i = 0; i < countof(suffixes); i++) {
		if (strcmp(name + stem, suffixes[i]) == 0) {
			*ret_view = (struct slice){name, stem};
			return NODE_VIEW_JSON + i;
		}
	}
	return 0;
}

/* Decimal digits up to `end`, written the one way there is. */
static bool parse_number(const char *text, const char *end, uint64_t *ret)
{
	uint64_t value = 0;

	if (text == end || (*text == '0' && end - text > 1))
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool node_parse_offset(const char *name, uint64_t *ret_off)
{
	return strncmp(name, "app@", 4) == 0 && parse_number(name + 4, name + strlen(name), ret_off);
}

bool node_parse_at(const char *name, uint64_t *ret_seq, const char **ret_view)
{
	const char *slash = strchrnul(name, '/');

	*ret_view = *slash ? slash + 1 : NULL;
	return parse_number(name, slash, ret_seq);
}

bool node_parse_head(const char *name, struct log_pos *ret_head)
{
	const char *colon = strchr(name, ':');
	struct log_pos head = {0};

	if (strncmp(name, "app@", 4) != 0 || !colon || !parse_number(name + 4, colon, &head.off))
		return false;
	size_t digits = strspn(colon + 1, "0123456789abcdef");
	if (digits != (head.off ? 16 : 0) || colon[1 + digits])
		return false;
	head.hash = head.off ? strtoull(colon + 1, NULL, 16) : 0;
	*ret_head = head;
	return true;
}

mode_t node_mode(enum node_kind kind)
{
	switch (kind) {
	case NODE_ROOT:
	case NODE_EVENTS:
	case NODE_HEAD:
	case NODE_VIEWS:
	case NODE_TAIL:
	case NODE_AT:
	case NODE_AT_N:
		return S_IFDIR | 0555;
	case NODE_REDUCERS:
		return S_IFLNK | 0777;
	case NODE_EVENTS_APP:
	case NODE_EVENTS_APP_AT:
		return S_IFREG | 0644;
	case NODE_CTL:
		return S_IFREG | 0600;
	case NODE_REJECTED:
		/* What was not to be in the log: only who may write can have written it. */
		return S_IFREG | 0400;
	default:
		return S_IFREG | 0444;
	}
}
