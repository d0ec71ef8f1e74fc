/* Is the archive's unfinished rotation that of the sealed file? */
#pragma once

#include "store/index.h"

/* With a sealed file there and no END at the archive's end, all behind the last BEGIN is cut off and done again. That must not happen
 * because of a damaged END: a frame of that rotation which can be read and is not what the sealed file holds shows that it is an older,
 * complete one. */
int must_check unfinished_matches(struct disk *disk, int fd, uint64_t size, const struct index_tail *tail,
				  int sealed_fd, bool *ret);
