/* The common forms of a reducer in jq, and how they are written so that they run in place. For reducer_jq_scan only. */
#pragma once

#include "base/buf.h"
#include "model/reducer_jq_tokens.h"

/* Is the program such a form? *ret_sure, and what `form` gets: see reducer_jq_scan.h. */
bool reducer_jq_form(const struct tokens *t, bool *ret_sure, struct slice program, struct buf *form);
