#include "model/host/jq/guard.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

/* Where to go on, while libjq runs. It is the process's, as __assert_fail() is. */
static sigjmp_buf *where;
static struct diag *why;

/* Instead of the C library's. The dynamic linker gives it to libjq because the program has it. */
__attribute__((visibility("default"))) void __assert_fail(const char *assertion, const char *file,
							  unsigned int line, const char *function)
{
	sigjmp_buf *to = where;

	if (to) {
		where = NULL;
		diag_set(why, 0, "jq gave up: %s: Assertion `%s' failed", function, assertion);
		siglongjmp(*to, 1);
	}
	fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, assertion);
	abort();
}

/* Instead of libjq's, which calls this one for the same reason. It multiplies the index before it looks
 * whether it can; the limit and the words are those of jq 1.7. */
#define LARGEST_INDEX (INT_MAX >> 2)

__attribute__((visibility("default"))) jv jv_array_set(jv array, int index, jv value)
{
	static jv (*set)(jv, int, jv);

	if (index > LARGEST_INDEX) {
		jv_free(array);
		jv_free(value);
		return jv_invalid_with_msg(jv_string("Array index too large"));
	}
	if (unlikely(!set))
		set = (jv(*)(jv, int, jv))dlsym(RTLD_NEXT, "jv_array_set");
	return set(array, index, value);
}

/* What to do under guard, and with what. */
struct work {
	jq_state *jq;
	const char *text;
	bool compiled;
	jv value;
};

static void do_compile(struct work *w)
{
	w->compiled = jq_compile_args(w->jq, w->text, w->value);
}

static void do_start(struct work *w)
{
	jq_start(w->jq, w->value, 0);
}

static void do_next(struct work *w)
{
	w->value = jq_next(w->jq);
}

static void do_teardown(struct work *w)
{
	jq_teardown(&w->jq);
}

static bool guarded(void (*act)(struct work *), struct work *w, struct diag *diag)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0))
		return false;
	why = diag;
	where = &here;
	act(w);
	where = NULL;
	return true;
}

bool guard_compile(jq_state *jq, const char *text, jv args, bool *ret, struct diag *diag)
{
	struct work w = {.jq = jq, .text = text, .value = args};
	bool good = guarded(do_compile, &w, diag);

	*ret = good && w.compiled;
	return good;
}

bool guard_start(jq_state *jq, jv input, struct diag *diag)
{
	return guarded(do_start, &(struct work){.jq = jq, .value = input}, diag);
}

bool guard_next(jq_state *jq, jv *ret, struct diag *diag)
{
	struct work w = {.jq = jq};
	bool good = guarded(do_next, &w, diag);

	if (good)
		*ret = w.value;
	return good;
}

bool guard_teardown(jq_state *jq)
{
	return guarded(do_teardown, &(struct work){.jq = jq}, NULL);
}
