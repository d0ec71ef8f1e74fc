/* Between the compiled jq's values and libjq's. */
#pragma once

#include <jv.h>

#include "model/host/jq/value.h"

/* Consumes it. An invalid one is VAL_NONE. */
struct val val_of_jv(jv j);
/* Borrows it. Invalid where it is nested too deep for libjq. */
jv val_to_jv(struct val v);
