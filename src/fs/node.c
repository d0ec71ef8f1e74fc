#include "fs/node.h"

#include <assert.h>
#include <search.h>
#include <xxhash.h>

void nodes_init(struct nodes *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
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
	pthread_mutex_destroy(&t->lock);
}

void nodes_end(struct nodes *t)
{
	t->ending = true;
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

/* Nodes other than a main one have the highest bit set, then its kind, the upper 40 bits of its name's hash (0 for a fixed one), and a
 * serial number. */
#define OTHER (UINT64_C(1) << 63)
#define SERIAL_BITS 16
#define SERIALS (UINT64_C(1) << SERIAL_BITS)

/* Any number that differs only in the serial's bits will do. */
static int compare_file(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->ino >> SERIAL_BITS;
	uint64_t y = ((const struct node *)b)->ino >> SERIAL_BITS;

	return x < y ? -1 : x > y;
}

static struct node *find_with(struct nodes *t, uint64_t ino, int (*by)(const void *, const void *))
{
	struct node key = {.ino = ino};
	void *found = tfind(&key, &t->named, by);

	return found ? *(struct node **)found : NULL;
}

/* Under the lock. */
static struct node *find(struct nodes *t, uint64_t ino)
{
	if (ino < NODE_FIXED_END)
		return ino ? &t->fixed[ino] : NULL;
	return find_with(t, ino, compare);
}

struct node *nodes_find(struct nodes *t, uint64_t ino)
{
	pthread_mutex_lock(&t->lock);
	struct node *n = find(t, ino);
	if (!n && ino & OTHER) {
		uint64_t kind = (ino & ~OTHER) >> 56;
		n = kind < NODE_FIXED_END ? find(t, kind) : find_with(t, ino & ~OTHER, compare_file);
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* The kind in the upper byte, 56 bits of the name's hash below: two names of one mount meet with a chance of 2^-56. */
uint64_t node_ino(enum node_kind kind, struct slice name)
{
	return kind < NODE_FIXED_END ? kind : (uint64_t)kind << 56 | XXH64(name.data, name.len, 0) >> 8;
}

/* Under the lock; NULL: no memory. */
static struct node *add(struct nodes *t, uint64_t ino, enum node_kind kind, struct slice name)
{
	struct node *n = calloc(1, sizeof(*n));

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
	return n;
}

/* Under the lock: frees what nobody knows any more, and then perhaps its main node. */
static void drop(struct nodes *t, struct node *n)
{
	while (n && n->ino >= NODE_FIXED_END && n->lookups == 0 && n->refs == 0 && !t->ending) {
		struct node *main = n->main;
		tdelete(n, &t->named, compare);
		free(n);
		if (main)
			main->refs--;
		n = main;
	}
}

struct node *nodes_get(struct nodes *t, enum node_kind kind, struct slice name)
{
	uint64_t ino = node_ino(kind, name);

	pthread_mutex_lock(&t->lock);
	struct node *n = find(t, ino);
	if (!n)
		n = add(t, ino, kind, name);
	if (n)
		n->lookups++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

struct node *nodes_another(struct nodes *t, struct node *main)
{
	uint64_t hash = main->ino < NODE_FIXED_END ? 0 : main->ino & (UINT64_MAX >> 8);
	uint64_t base = OTHER | (uint64_t)main->kind << 56 | (hash & ~(SERIALS - 1));
	struct node *n = NULL;

	assert(!main->main);
	pthread_mutex_lock(&t->lock);
	for (uint64_t i = 0; i < SERIALS && !n; i++) {
		uint64_t ino = base | ++t->serial;
		if (find(t, ino))
			continue;
		n = add(t, ino, main->kind, slice_of(main->name));
		if (!n)
			break;
		n->main = main;
		n->refs = 1;
		main->refs++;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

void nodes_look(struct nodes *t, struct node *node)
{
	pthread_mutex_lock(&t->lock);
	node->lookups++;
	pthread_mutex_unlock(&t->lock);
}

struct node *nodes_ref(struct nodes *t, struct node *node)
{
	if (!node)
		return NULL;
	pthread_mutex_lock(&t->lock);
	node->refs++;
	pthread_mutex_unlock(&t->lock);
	return node;
}

void nodes_unref(struct nodes *t, struct node *node)
{
	if (!node)
		return;
	pthread_mutex_lock(&t->lock);
	node->refs--;
	drop(t, node);
	pthread_mutex_unlock(&t->lock);
}

void nodes_forget(struct nodes *t, uint64_t ino, uint64_t lookups)
{
	pthread_mutex_lock(&t->lock);
	struct node *n = find(t, ino);
	if (n) {
		n->lookups -= min(lookups, n->lookups);
		drop(t, n);
	}
	pthread_mutex_unlock(&t->lock);
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
