#include "model/judge/rules.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/names.h"

struct rules {
	struct rules_options options;
	struct catalog *catalog;

	pthread_mutex_t listening; /* guards who listens */
	void (*changed)(void *arg);
	void *changed_arg;

	pthread_mutex_t lock;
	struct rule_entry *list; /* sorted by name */
	size_t n, cap;
	uint64_t generation;
	_Atomic size_t count; /* n, for who only wants to know whether there are any */
	_Atomic bool known;   /* those are all that there are */
};

static const char *name_at(const void *table, size_t i)
{
	return ((const struct rule_entry *)table)[i].name;
}

/* The same rule, though it has been read once more: that is done all the time where no watch tells of
 * changes. */
static bool is_same(const struct definition *a, const struct definition *b)
{
	return a->kind == b->kind && a->identity == b->identity && a->link == b->link &&
	       strcmp(a->file, b->file) == 0 && strcmp(a->why.text, b->why.text) == 0;
}

/* Under the lock. What is not known any more goes to *ret_old. */
static int put(struct rules *r, const char *name, struct definition *def, struct definition **ret_old)
{
	bool found;
	size_t place = names_find(r->list, r->n, name_at, name, &found);

	if (found) {
		*ret_old = r->list[place].def;
		r->list[place].def = def;
		if (def && is_same(*ret_old, def))
			return 0;
		if (!def) {
			r->n--;
			memmove(r->list + place, r->list + place + 1, (r->n - place) * sizeof(*r->list));
		}
	} else if (def) {
		if (!list_room(r->list, r->n, r->cap, 8))
			return -ENOMEM;
		memmove(r->list + place + 1, r->list + place, (r->n - place) * sizeof(*r->list));
		r->list[place] = (struct rule_entry){.def = def};
		snprintf(r->list[place].name, sizeof(r->list[place].name), "%s", name);
		r->n++;
	}
	r->generation++;
	atomic_store(&r->count, r->n);
	return 0;
}

static void tell(struct rules *r)
{
	pthread_mutex_lock(&r->listening);
	if (r->changed)
		r->changed(r->changed_arg);
	pthread_mutex_unlock(&r->listening);
}

static void known_changed(void *arg, bool known)
{
	struct rules *r = arg;

	pthread_mutex_lock(&r->lock);
	atomic_store(&r->known, known);
	r->generation++;
	pthread_mutex_unlock(&r->lock);
	tell(r);
}

static int definition_changed(void *arg, const char *name, struct definition *def)
{
	struct rules *r = arg;
	struct definition *old = NULL, *mine = def ? definition_ref(def) : NULL;
	char text[LIMIT_NAME + 96];

	pthread_mutex_lock(&r->lock);
	uint64_t before = r->generation;
	int err = put(r, name, mine, &old);
	bool changed = r->generation != before;
	pthread_mutex_unlock(&r->lock);
	definition_unref(err ? mine : old);
	if (changed)
		tell(r);
	if (err == 0)
		return 0;
	snprintf(text, sizeof(text), "the rule %s could not be added: %s; it is tried again", name,
		 strerror(-err));
	r->options.report(r->options.arg, text);
	return err;
}

static void report(void *arg, const char *text)
{
	struct rules *r = arg;

	r->options.report(r->options.arg, text);
}

int rules_start(struct rules **ret, int data_dirfd, const struct rules_options *options, struct diag *diag)
{
	struct rules *r = calloc(1, sizeof(*r));
	const struct catalog_options catalog = {
	    .sort = DEFINES_RULES,
	    .worker_path = options->worker_path,
	    .quiet = options->quiet,
	    .zone = options->zone,
	    .changed = definition_changed,
	    .listed = known_changed,
	    .report = report,
	    .arg = r,
	};

	if (!r)
		return diag_set(diag, -ENOMEM, "no memory");
	r->options = *options;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->listening, NULL);
	int err = catalog_start(&r->catalog, data_dirfd, &catalog, diag);
	if (err < 0)
		rules_stop(r);
	else
		*ret = r;
	return err;
}

void rules_stop(struct rules *r)
{
	if (!r)
		return;
	catalog_stop(r->catalog);
	for (size_t i = 0; i < r->n; i++)
		definition_unref(r->list[i].def);
	free(r->list);
	pthread_mutex_destroy(&r->listening);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void rules_listen(struct rules *r, void (*changed)(void *arg), void *arg)
{
	pthread_mutex_lock(&r->listening);
	r->changed = changed;
	r->changed_arg = arg;
	if (changed)
		changed(arg);
	pthread_mutex_unlock(&r->listening);
}

bool rules_are_there(struct rules *r)
{
	return atomic_load(&r->count) > 0 || !atomic_load(&r->known) ||
	       !catalog_is_current(r->catalog, NULL, 0);
}

void rules_misnamed(struct rules *r, struct misnamed *ret)
{
	catalog_misnamed(r->catalog, ret);
}

/* The names of links, of which no watch tells what becomes of them. */
static size_t links(struct rules *r, char (**ret)[LIMIT_NAME + 1])
{
	size_t n = 0;

	*ret = NULL;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n; i++)
		n += r->list[i].def->link;
	if (n > 0)
		*ret = malloc(n * sizeof(**ret));
	n = 0;
	for (size_t i = 0; *ret && i < r->n; i++)
		if (r->list[i].def->link)
			memcpy((*ret)[n++], r->list[i].name, sizeof(**ret));
	pthread_mutex_unlock(&r->lock);
	return n;
}

void rules_settle(struct rules *r)
{
	auto_free char(*names)[LIMIT_NAME + 1] = NULL;

	catalog_settle(r->catalog, NULL);
	if (atomic_load_explicit(&r->count, memory_order_relaxed) == 0)
		return;
	size_t n = links(r, &names);
	for (size_t i = 0; i < n; i++)
		catalog_settle(r->catalog, names[i]);
}

uint64_t rules_generation(struct rules *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t generation = r->generation;
	pthread_mutex_unlock(&r->lock);
	return generation;
}

int rules_list(struct rules *r, struct rule_entry **ret, size_t *ret_n, bool *ret_known,
	       uint64_t *ret_generation)
{
	pthread_mutex_lock(&r->lock);
	size_t n = r->n;
	struct rule_entry *list = malloc(max(n, (size_t)1) * sizeof(*list));
	for (size_t i = 0; list && i < n; i++) {
		list[i] = r->list[i];
		definition_ref(list[i].def);
	}
	*ret_generation = r->generation;
	*ret_known = atomic_load(&r->known);
	pthread_mutex_unlock(&r->lock);
	if (!list)
		return -ENOMEM;
	*ret = list;
	*ret_n = n;
	return 0;
}

void rule_entries_free(struct rule_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		definition_unref(list[i].def);
	free(list);
}
