/* The state of a reducer in jq, as it is held: for rules, which look at it and change nothing. */
#pragma once

#include <jv.h>

#include "model/host/jq/value.h"
#include "model/host/reducer.h"

/* Another reference to it. False: the reducer is run in another way, or is none in jq. */
bool reducer_jq_val(struct reducer *r, struct val *ret);
bool reducer_jq_jv(struct reducer *r, jv *ret);
