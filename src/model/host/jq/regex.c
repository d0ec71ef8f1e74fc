/* Regular expressions: oniguruma's, as jq 1.6 asks it.
 *
 * jq goes on behind an empty match by one byte, whatever stands there, so that `(?=b)` matches several times
 * before the same b. That is kept. But an empty match within a character, which makes libjq 1.6 run beyond
 * the text, is none here; and of an empty text there is one match at most, where libjq looks for another
 * behind its end. */
#include <oniguruma.h>

#include <jv.h>

#include "model/host/jq/bridge.h"
#include "model/host/jq/functions.h"

#define MOST_KEPT 32 /* a program that makes its expressions makes any number of them */

struct regex {
	struct regex *next;
	regex_t *reg;
	OnigOptionType options;
	struct val text;
};

/* A text, and a place in it whose number in characters is known. */
struct subject {
	const unsigned char *data;
	uint32_t len;
	uint32_t at, index;
};

void regexes_free(struct run *m)
{
	while (m->regexes) {
		struct regex *r = m->regexes;
		m->regexes = r->next;
		onig_free(r->reg);
		val_free(r->text);
		free(r);
	}
	m->n_regexes = 0;
	if (m->region)
		onig_region_free(m->region, 1);
	m->region = NULL;
}

/* False: flags that libjq refuses, too, and has the words for. */
static bool read_flags(struct val flags, OnigOptionType *options, bool *global)
{
	*options = ONIG_OPTION_CAPTURE_GROUP;
	*global = false;
	if (flags.kind == VAL_NULL)
		return true;
	if (flags.kind != VAL_STRING)
		return false;
	for (uint32_t i = 0; i < flags.u.string->len; i++) {
		switch (flags.u.string->data[i]) {
		case 'g':
			*global = true;
			break;
		case 'i':
			*options |= ONIG_OPTION_IGNORECASE;
			break;
		case 'x':
			*options |= ONIG_OPTION_EXTEND;
			break;
		case 's':
			*options |= ONIG_OPTION_SINGLELINE;
			break;
		case 'p':
			*options |= ONIG_OPTION_MULTILINE | ONIG_OPTION_SINGLELINE;
			break;
		case 'l':
			*options |= ONIG_OPTION_FIND_LONGEST;
			break;
		case 'n':
			*options |= ONIG_OPTION_FIND_NOT_EMPTY;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* The expression, compiled once for all events; the text is borrowed. NULL: it is none. */
static struct regex *regex_of(struct run *m, struct val text, OnigOptionType options)
{
	struct slice s = val_slice(text);
	const OnigUChar *pattern = (const OnigUChar *)s.data;
	OnigErrorInfo info;
	regex_t *reg;

	for (struct regex *r = m->regexes; r; r = r->next)
		if (r->options == options && slice_eq(val_slice(r->text), s))
			return r;
	int e =
	    onig_new(&reg, pattern, pattern + s.len, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_PERL_NG, &info);
	if (e == ONIGERR_MEMORY)
		val_no_memory();
	if (e != ONIG_NORMAL)
		return NULL;
	if (m->n_regexes == MOST_KEPT)
		regexes_free(m);
	struct regex *r = val_alloc(sizeof(*r));
	*r = (struct regex){.next = m->regexes, .reg = reg, .options = options, .text = val_copy(text)};
	m->regexes = r;
	m->n_regexes++;
	return r;
}

static bool is_within_char(const struct subject *s, uint32_t at)
{
	return at < s->len && (s->data[at] & 0xC0) == 0x80;
}

/* How many characters begin before that byte. */
static uint32_t index_at(struct subject *s, uint32_t at)
{
	/* From the last one on, or back: groups come before the ends of their matches. */
	for (; s->at > at; s->at--)
		s->index -= (s->data[s->at - 1] & 0xC0) != 0x80;
	for (; s->at < at; s->at++)
		s->index += (s->data[s->at] & 0xC0) != 0x80;
	return s->index;
}

/* What lies within a character is no text: jq has a replacement for it. */
static struct val part(const struct subject *s, uint32_t from, uint32_t to)
{
	const char *text = (const char *)s->data + from;

	if (is_within_char(s, from) || is_within_char(s, to))
		return val_of_jv(jv_string_sized(text, (int)(to - from)));
	return val_string(text, to - from);
}

static struct val with(struct val object, const char *key, struct val v)
{
	return val_set(object, val_text(key), v);
}

static struct val place(struct subject *s, uint32_t from, uint32_t to)
{
	uint32_t index = is_within_char(s, from) ? 0 : index_at(s, from);

	return with(with(with(val_object(4), "offset", val_number(index)), "length",
			 val_number(index_at(s, to) - index)),
		    "string", part(s, from, to));
}

static struct val capture(struct subject *s, int from, int to)
{
	struct val group;

	if (from != to) {
		group = place(s, (uint32_t)from, (uint32_t)to);
	} else {
		bool is_there = from >= 0;
		double offset = -1;
		if (is_there)
			offset = index_at(s, (uint32_t)from);
		group = with(val_object(4), "offset", val_number(offset));
		group = with(group, "string", is_there ? val_text("") : VAL(VAL_NULL));
		group = with(group, "length", val_number(0));
	}
	return with(group, "name", VAL(VAL_NULL));
}

static int name_groups(const OnigUChar *name, const OnigUChar *end, int n, int *groups, regex_t *reg,
		       void *arg)
{
	struct val *captures = arg;

	for (int i = 0; i < n; i++) {
		struct val *group = val_array_place(captures, (uint32_t)groups[i] - 1);
		*group = with(*group, "name", val_string((const char *)name, (size_t)(end - name)));
	}
	return 0;
}

static struct val match_of(struct subject *s, regex_t *reg, const OnigRegion *region)
{
	uint32_t from = (uint32_t)region->beg[0], to = (uint32_t)region->end[0];
	struct val captures = val_array(from == to ? 0 : (uint32_t)region->num_regs);

	if (from != to) {
		for (int i = 1; i < region->num_regs; i++)
			captures = val_push(captures, capture(s, region->beg[i], region->end[i]));
		onig_foreach_name(reg, name_groups, &captures);
	}
	return with(place(s, from, to), "captures", captures);
}

/* The matches, or whether there is one; VAL_NONE where oniguruma gives up. */
static struct val matches(struct subject *s, regex_t *reg, OnigRegion *region, bool global, bool test)
{
	const OnigUChar *end = s->data + s->len;
	struct val found = val_array(0);
	uint32_t start = 0;

	do {
		int at = onig_search(reg, s->data, end, s->data + start, end, region, ONIG_OPTION_NONE);
		if (at < 0 && at != ONIG_MISMATCH) {
			val_free(found);
			return VAL(VAL_NONE);
		}
		if (at < 0)
			break;
		if (test) {
			val_free(found);
			return VAL(VAL_TRUE);
		}
		bool empty = region->beg[0] == region->end[0];
		if (!empty || !is_within_char(s, (uint32_t)region->beg[0]))
			found = val_push(found, match_of(s, reg, region));
		start = empty ? start + 1 : (uint32_t)region->end[0];
	} while (global && start < s->len);
	if (!test)
		return found;
	val_free(found);
	return VAL(VAL_FALSE);
}

struct val f_match(struct run *m, struct val *a)
{
	OnigOptionType options;
	bool global;

	if (a[0].kind != VAL_STRING || a[1].kind != VAL_STRING || !read_flags(a[2], &options, &global))
		return island_match(m, a);
	struct regex *r = regex_of(m, a[1], options);
	if (!r)
		return island_match(m, a);
	if (!m->region && !(m->region = onig_region_new()))
		val_no_memory();
	struct slice text = val_slice(a[0]);
	struct subject s = {.data = (const unsigned char *)text.data, .len = (uint32_t)text.len};
	struct val found = matches(&s, r->reg, m->region, global, a[3].kind == VAL_TRUE);
	if (found.kind == VAL_NONE)
		return island_match(m, a);
	for (unsigned i = 0; i <= 3; i++)
		val_free(a[i]);
	return found;
}
