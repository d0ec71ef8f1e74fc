#include "fs/node/node.h"

#include <assert.h>
#include <search.h>
#include <xxhash.h>

void nodes_init(struct nodes *t)
{
	memset(t, 0, sizeof(*t));
	t->last_offered = &t->offered;
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

/* Nodes other than a main one have the highest bit set, then its kind, the upper 40 bits of its name's
 * hash (0 for a fixed one), and a serial number. */
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

/* The kind in the upper byte, 56 bits of the name's hash below: two names of one mount meet with a chance
 * of 2^-56. */
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

/* Under the lock. */
static void end_offer(struct nodes *t, struct node *n)
{
	if (!n->offer)
		return;
	*n->prev_offer = n->next_offer;
	if (n->next_offer)
		n->next_offer->prev_offer = n->prev_offer;
	else
		t->last_offered = n->prev_offer;
	n->offer = 0;
}

/* Under the lock: frees what nobody knows any more, and then perhaps its main node. */
static void drop(struct nodes *t, struct node *n)
{
	while (n && n->ino >= NODE_FIXED_END && n->lookups == 0 && n->refs == 0 && !t->ending) {
		struct node *main = n->main;
		end_offer(t, n);
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

struct node *nodes_offer(struct nodes *t, struct node *main)
{
	struct node *n = nodes_another(t, main);

	if (!n)
		return NULL;
	pthread_mutex_lock(&t->lock);
	n->lookups = 1;
	n->refs = 0;
	n->offer = ++t->offers;
	n->next_offer = NULL;
	n->prev_offer = t->last_offered;
	*t->last_offered = n;
	t->last_offered = &n->next_offer;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void nodes_opened(struct nodes *t, struct node *node)
{
	if (!node->main)
		return;
	pthread_mutex_lock(&t->lock);
	end_offer(t, node);
	pthread_mutex_unlock(&t->lock);
}

struct node *nodes_next_offered(struct nodes *t, uint64_t offer, uint64_t *ret_offer)
{
	pthread_mutex_lock(&t->lock);
	struct node *n = t->offered;
	while (n && n->offer <= offer)
		n = n->next_offer;
	if (n) {
		n->refs++;
		*ret_offer = n->offer;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

uint64_t nodes_offered(struct nodes *t)
{
	pthread_mutex_lock(&t->lock);
	uint64_t last = t->offered ? t->offers : 0;
	pthread_mutex_unlock(&t->lock);
	return last;
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

enum node_kind node_parse_view(const char *name, struct slice *ret_view)
{
	size_t stem = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	if (stem == 0 || stem > LIMIT_NAME)
		return 0;
	for (enum node_kind kind = NODE_VIEW_JSON; kind < NODE_VIEW_END; kind++) {
		if (strcmp(name + stem, node_suffix(kind)) == 0) {
			*ret_view = (struct slice){name, stem};
			return kind;
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

/* From `text` to `end`. */
static bool parse_head(const char *text, const char *end, struct log_pos *ret)
{
	const char *colon = memchr(text, ':', (size_t)(end - text));
	struct log_pos head = {0};

	if (!colon || !parse_number(text, colon, &head.off))
		return false;
	size_t digits = strspn(colon + 1, "0123456789abcdef");
	if (digits != (head.off ? 16 : 0) || colon + 1 + digits != end)
		return false;
	head.hash = head.off ? strtoull(colon + 1, NULL, 16) : 0;
	*ret = head;
	return true;
}

bool node_parse_head(const char *name, struct log_pos *ret_head)
{
	return strncmp(name, "app@", 4) == 0 && parse_head(name + 4, name + strlen(name), ret_head);
}

bool node_parse_conditions(const char *name, struct node_conditions *ret)
{
	struct node_conditions found = {0};

	if (strncmp(name, "app", 3) != 0 || name[3] != '@')
		return false;
	for (const char *at = name + 4, *end;; at = end + 1) {
		end = strchrnul(at, ',');
		if (!found.once && slice_eq((struct slice){at, (size_t)(end - at)}, SLICE("once")))
			found.once = true;
		else if (!found.at_head && parse_head(at, end, &found.head))
			found.at_head = true;
		else
			return false;
		if (!*end)
			break;
	}
	*ret = found;
	return true;
}
