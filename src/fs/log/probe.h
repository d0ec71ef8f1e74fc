/* Is there room for a journal, and is overwriting a file that is there faster, durably, than making one
 * longer? */
#pragma once

/* Of the file system that the directory is on: by what it is, and by a measurement of a few syncs that
 * leaves nothing behind. NULL: it is; else why not, constant text. */
const char *probe_room(int dirfd);
const char *probe_overwriting(int dirfd);
