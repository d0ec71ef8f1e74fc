/* <eventfold/reducer.h>: how to write a reducer in C.
 *
 * A reducer is the function that a view's state is folded with: state = fold(state, event), event
 * after event. Build one from x.c and put it where the views are defined:
 *
 *     cc -shared -fPIC $(pkg-config --cflags --libs eventfold) x.c -o x.so
 *     cp x.so DATA/reducers/
 *
 * and `views/x.json` appears in the mount. The object exports one symbol:
 *
 *     EVENTFOLD_REDUCER = { .abi = EVENTFOLD_ABI, .reduce = my_function };
 *
 * Rules. A reducer is pure: its next state depends on the state and the event and on nothing else
 * (no clock, no files, no globals), since a view may be rebuilt at any time. It runs in one thread,
 * in a process that has few rights and a memory limit. If it crashes, or returns an error, its view
 * is marked as broken at that event; nothing else suffers.
 *
 * The functions below are in the eventfold program itself, which loads the object; they are not to
 * be called outside of a call into the reducer. What they return from an event lives until that call
 * returns. */
#ifndef EVENTFOLD_REDUCER_H
#define EVENTFOLD_REDUCER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVENTFOLD_ABI 1

#define EVENTFOLD_EXPORT __attribute__((visibility("default")))

/* Bytes that somebody else owns; not terminated by a zero. data is NULL where there is nothing. */
struct eventfold_slice {
	const char *data;
	size_t len;
};

/* An event. Strings are decoded (no escapes left), other values are their raw JSON text. */
struct eventfold_event {
	struct eventfold_slice type;  /* decoded; never empty */
	struct eventfold_slice id;    /* decoded; NULL where absent or null */
	struct eventfold_slice actor; /* decoded; NULL where absent or null */
	struct eventfold_slice data;  /* raw JSON; "null" where absent */
	struct eventfold_slice meta;  /* raw JSON; NULL where absent */
	struct eventfold_slice line;  /* the whole event as it is stored, without its newline */
	uint64_t ts;                  /* seconds since 1970; 0 where absent */
	uint64_t seq;                 /* its number in the log; the first event ever is 1 */
	uint64_t off;                 /* where its line begins in the log, in bytes */
};

/* Is a slice this string? */
#define eventfold_is(slice, literal)                                                                         \
	((slice).len == sizeof(literal) - 1 &&                                                               \
	 __builtin_memcmp((slice).data, literal, sizeof(literal) - 1) == 0)

/* Typed look-ups by JSON pointer (RFC 6901) from the event's top: "/data/text", "/data/tags/0".
 * They read the raw bytes and build no tree. Each says whether the value is there and of that kind;
 * if not, *ret stays as it was. Of members of the same name the last one counts. Integers are exact over all
 * of 64 bits; 1.0 and 1e2 are no integers to them, but doubles. */
EVENTFOLD_EXPORT bool eventfold_get_string(const struct eventfold_event *ev, const char *pointer,
					   struct eventfold_slice *ret);
EVENTFOLD_EXPORT bool eventfold_get_int64(const struct eventfold_event *ev, const char *pointer,
					  int64_t *ret);
EVENTFOLD_EXPORT bool eventfold_get_uint64(const struct eventfold_event *ev, const char *pointer,
					   uint64_t *ret);
EVENTFOLD_EXPORT bool eventfold_get_double(const struct eventfold_event *ev, const char *pointer,
					   double *ret);
EVENTFOLD_EXPORT bool eventfold_get_bool(const struct eventfold_event *ev, const char *pointer, bool *ret);
/* The value's raw JSON text, whatever its kind. */
EVENTFOLD_EXPORT bool eventfold_get_raw(const struct eventfold_event *ev, const char *pointer,
					struct eventfold_slice *ret);

/* The event's data as a tree, parsed at the first call and shared by all reducers: read it, never
 * change it. cJSON's numbers are doubles. NULL when there is no memory. */
EVENTFOLD_EXPORT const cJSON *eventfold_data(const struct eventfold_event *ev);

/* Says why, before a reducer returns an error; the text ends up in views/NAME.error. Returns -1. */
EVENTFOLD_EXPORT int eventfold_fail(const struct eventfold_event *ev, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Walks the members of a raw JSON object or the elements of a raw JSON array, in order:
 *
 *     struct eventfold_iter it = eventfold_iterate(raw);
 *     struct eventfold_slice key, value;
 *     while (eventfold_next(&it, &key, &value)) …
 *
 * Values are raw, keys too (without their quotes; NULL in an array). Anything else than an object
 * or array has no members. */
struct eventfold_iter {
	const char *at, *end;
};
EVENTFOLD_EXPORT struct eventfold_iter eventfold_iterate(struct eventfold_slice raw);
EVENTFOLD_EXPORT bool eventfold_next(struct eventfold_iter *it, struct eventfold_slice *key,
				     struct eventfold_slice *value);

/* A raw JSON string decoded into `out`, which has room for raw.len bytes; the decoded length, or -1
 * where raw is no string. Decoding never makes a string longer. With its quotes: "\"a\"". */
EVENTFOLD_EXPORT long eventfold_decode(struct eventfold_slice raw, char *out);
/* A raw integer; false where raw is none or does not fit. */
EVENTFOLD_EXPORT bool eventfold_to_int64(struct eventfold_slice raw, int64_t *ret);

/* Where write_json writes to. The calls just add text; no memory is noticed by the caller. */
struct eventfold_writer;
EVENTFOLD_EXPORT void eventfold_write(struct eventfold_writer *out, const char *text, size_t len);
EVENTFOLD_EXPORT void eventfold_write_text(struct eventfold_writer *out, const char *text);
EVENTFOLD_EXPORT void eventfold_write_string(struct eventfold_writer *out, struct eventfold_slice string);
EVENTFOLD_EXPORT void eventfold_write_int64(struct eventfold_writer *out, int64_t value);
EVENTFOLD_EXPORT void eventfold_write_uint64(struct eventfold_writer *out, uint64_t value);

/* The result of one fold. */
enum {
	EVENTFOLD_SAME = 0,    /* the state has not changed */
	EVENTFOLD_CHANGED = 1, /* it has */
			       /* below 0: an error, the view is broken here */
};

/* The one thing a reducer exports, by the name eventfold_reducer. Either `reduce` is set (the plain
 * level), or all of the five others are (the full one). */
struct eventfold_reducer {
	uint32_t abi; /* EVENTFOLD_ABI */

	/* Plain: the state is a cJSON tree. *state is NULL before the first event; replace it or change
	 * it in place (what it is replaced by must be the reducer's own: cJSON_Delete the old one).
	 * While it is NULL the view reads as null. Its state is written and read by eventfold. */
	int (*reduce)(cJSON **state, const struct eventfold_event *event);

	/* Full: a state type of the reducer's own. */
	void *(*create)(void);                                         /* the first state; NULL: no memory */
	int (*fold)(void *state, const struct eventfold_event *event); /* in place */
	/* One compact JSON value: 0, or below 0. */
	int (*write_json)(const void *state, struct eventfold_writer *out);
	/* Reads what write_json wrote; NULL: not understood. */
	void *(*read_json)(struct eventfold_slice json);
	void (*destroy)(void *state);
};

#define EVENTFOLD_REDUCER EVENTFOLD_EXPORT const struct eventfold_reducer eventfold_reducer

#ifdef __cplusplus
}
#endif
#endif
