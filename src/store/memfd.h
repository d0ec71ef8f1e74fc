/* Bytes as a sealed descriptor: nobody can change them any more, so they can be handed to another process, or
 * taken from one. Any thread. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"

/* An empty one, and one that is sealed with these bytes in it: the descriptor or a negative errno. */
int must_check memfd_new(const char *name);
int must_check memfd_of(const char *name, struct slice content);
/* The same with one that is there already (taken; or the error of making it). */
int must_check memfd_fill(int memfd, struct slice content);
/* What it holds stays as it is. */
int must_check memfd_seal(int fd);
