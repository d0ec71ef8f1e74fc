#include "model/reducer_jq_scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/reducer_jq_form.h"

static bool is_variable(const struct tokens *t, size_t i, const char *name)
{
	return i > 0 && token_is(&t->list[i], name) && token_is(&t->list[i - 1], "$");
}

static unsigned find_need(const struct tokens *t)
{
	static const char *const names[] = {"type", "data", "ts", "id", "actor", "meta"};
	unsigned need = 0;

	for (size_t i = 1; i < t->n; i++) {
		if (!is_variable(t, i, "event"))
			continue;
		unsigned bit = JQ_NEED_ALL;
		if (i + 1 < t->n && t->list[i + 1].kind == TOKEN_FIELD)
			for (size_t k = 0; k < countof(names); k++)
				if (slice_eq(t->list[i + 1].text, slice_of(names[k])))
					bit = 1u << k;
		need |= bit;
	}
	return need;
}

/* Does it mean the environment? Where the program binds a variable of that name that is not looked into any further: what is
 * not that variable is {} then. */
static bool uses_env(const struct tokens *t)
{
	const struct token *binds = NULL; /* the `as` or `def` whose patterns or parameters these are */
	bool uses = false;
	int level = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct token *at = &t->list[i];

		if (is_variable(t, i, "ENV")) {
			if (binds)
				return false;
			uses = true;
		} else if (!binds && (token_is(at, "as") || token_is(at, "def"))) {
			binds = at;
			level = 0;
		} else if (token_is(at, "[") || token_is(at, "{") || token_is(at, "(")) {
			if (level++ == 0 && binds && token_is(binds, "as") && token_is(at, "("))
				binds = NULL;
		} else if (token_is(at, "]") || token_is(at, "}") || token_is(at, ")")) {
			level--;
		} else if (level == 0 && (token_is(at, "|") || token_is(at, ":"))) {
			binds = NULL;
		}
	}
	return uses;
}

static bool has(const struct tokens *t, const char *word)
{
	for (size_t i = 0; i < t->n; i++)
		if (token_is(&t->list[i], word))
			return true;
	return false;
}

static bool names_infinity(const struct tokens *t)
{
	static const char *const words[] = {"nan", "infinite", "tonumber", "fromjson"};

	for (size_t i = 0; i < t->n; i++) {
		if (token_is_any(&t->list[i], words, countof(words)))
			return true;
		if (t->list[i].kind == TOKEN_OTHER && isinf(strtod(t->list[i].text.data, NULL)))
			return true;
	}
	return false;
}

int reducer_jq_scan(struct jq_scan *ret, struct slice program, struct buf *form)
{
	static const char *const modules[] = {"import", "include", "module"};
	cleanup(reducer_jq_tokens_deinit) struct tokens t = {0};
	int err = reducer_jq_tokens(&t, program);

	*ret = (struct jq_scan){.need = JQ_NEED_ALL, .catches = true, .paths = true, .infinite = true};
	if (err == -E2BIG)
		return 0;
	if (err)
		return err;
	ret->empty = t.list[0].kind == TOKEN_END;
	for (size_t i = 0; i < countof(modules); i++)
		if (token_is(&t.list[0], modules[i]))
			ret->module = modules[i];
	ret->need = find_need(&t);
	ret->env = uses_env(&t);
	ret->updates = has(&t, "|=");
	ret->catches = has(&t, "catch");
	ret->paths = has(&t, "path") || has(&t, "paths") || has(&t, "leaf_paths") || has(&t, "tostream");
	ret->infinite = names_infinity(&t);
	ret->in_place = reducer_jq_form(&t, &ret->sure, program, form);
	return buf_error(form);
}
