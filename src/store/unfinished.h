/* Is the archive's unfinished rotation that of the sealed file? */
#pragma once

#include "store/index.h"

/* With a sealed file there and no END at the archive's end, all behind the last BEGIN is cut off and
 * done again. That must not happen because of a damaged END: frames of that rotation which can be read
 * and are not what the sealed file holds show that it is an older, complete one. Nor must a flipped bit
 * of the sealed file make it look like that: then all of it would be there twice. So one bit more or
 * less is no difference, and what is an END but for one bit is an END. */
int must_check unfinished_matches(struct disk *disk, int fd, uint64_t size, const struct index_tail *tail,
				  int sealed_fd, bool *ret);
