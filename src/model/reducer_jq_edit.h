/* Changes in a jq value at a path, in place wherever the value has no other holder: the costs are those of the path,
 * not of the containers along it. (libjq's own setpath holds a second reference to each container below the first,
 * and so copies it.) What they mean is what libjq's setpath, getpath and delpaths mean, errors included.
 *
 * As with libjq: a jv that is passed is consumed, but `path`, an array, is borrowed. */
#pragma once

#include <jv.h>

/* The value at path, moved out: its place holds null until reducer_jq_put(). An invalid one on error. */
jv reducer_jq_take(jv *value, jv path);
/* The whole with `part` at path, or an invalid one. */
jv reducer_jq_put(jv value, jv path, jv part);
/* The whole without what is at path, or an invalid one. */
jv reducer_jq_delete(jv value, jv path);
