/* jq's builtin functions that are written in C, in files by subject. Each takes run->… and its arguments, the
 * input first, which it consumes: see struct builtin. */
#pragma once

#include "model/host/jq/run.h"

typedef struct val function(struct run *m, struct val *a);

function f_length, f_utf8bytelength, f_type, f_not, f_error, f_has, f_contains, f_keys, f_keys_unsorted,
    f_to_entries, f_add, f_any, f_all, f_sort, f_sort_by, f_group_by, f_min, f_max, f_min_by, f_max_by,
    f_getpath, f_setpath, f_delpaths;
function f_tostring, f_tonumber, f_tojson, f_fromjson, f_startswith, f_endswith, f_ltrimstr, f_rtrimstr,
    f_split, f_explode, f_implode, f_strindices, f_downcase, f_upcase, f_join, f_format;
function f_infinite, f_nan, f_isinfinite, f_isnan, f_isnormal;
function f_gmtime, f_strftime;
/* See regex.c. */
function f_match;
void regexes_free(struct run *m);
/* Run by libjq, see island.c. */
function f_localtime, f_mktime, f_strflocaltime, f_strptime;
struct val island_format(struct run *m, struct val *a);
struct val island_match(struct run *m, struct val *a);
void islands_free(struct run *m);

/* The same with doubles, by name. */
const struct builtin *math_find(struct slice name, unsigned arity);
