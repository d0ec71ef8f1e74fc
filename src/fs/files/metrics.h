/* What the file `metrics` says: the mount in numbers, for Prometheus. Its text format, with the last line
 * of OpenMetrics behind it, which is a comment to who reads the former. Made on the fuse thread; asks
 * nobody who could keep it waiting. */
#pragma once

#include "base/buf.h"

struct mount;

void metrics_text(struct mount *m, struct buf *out);
