/* A text of JSON as the rows of a tree that folds open, so that a page has what it shows of a large state and
 * not all of it. Pure; the text may be anything, and is walked as far as it is JSON. */
#pragma once

#include "base/buf.h"

#define OUTLINE_ROWS 500  /* at a time */
#define OUTLINE_OPEN 1000 /* names in all the paths of `open` */
#define OUTLINE_DEPTH 100 /* of them in one */
#define OUTLINE_TEXT 500  /* bytes of a value or a name that are shown */

struct outline_query {
	uint64_t from; /* the first row that is wanted, */
	uint64_t rows; /* and how many */
	/* JSON: the paths of what is folded open, [["a"],["a","b"],["list","3"]]; or empty */
	struct slice open;
};

/* Writes
 *
 *   {"length":…,"from":…,"rows":[…],"count":…,"parents":{…}}
 *
 * to `out`: the text's bytes, the first row that was wanted, those rows, how many there are in all, and what
 * they are members of. A row has "parent", the number of the row that it is a member of (-1: of the whole),
 * its "index" there and its "key" (a number in an array); "value", the text of a plain value, or "type" and
 * "size" of an array or object, and "open" where its members are the rows that follow; "hash", by which two
 * of them are told apart. A key longer than what is shown is "cut". `parents` has for each number the "level"
 * of its members, how many these are ("size"), and the "path" to them. A text that is a plain value has one
 * row, without a key.
 *
 * 0, -EINVAL (`open` is something else), -ENOMEM. */
int must_check outline_write(struct slice json, const struct outline_query *query, struct buf *out);
