/* What the engine needs of the reducer interface's other side. */
#pragma once

#include "base/buf.h"
#include "model/eventfold/reducer.h"

struct eventfold_writer {
	struct buf *out;
};
