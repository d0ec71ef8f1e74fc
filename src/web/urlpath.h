/* A request's address: its path as a name, decoded, and only if it is a plain one; and the values of what is
 * asked for behind it. */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Decodes `url` (raw, "/views/count.json", with its %xx) into `out`, without the slashes at its ends.
 * Refused with -EINVAL: an empty part, "." and "..", however written; bytes below 0x20, 0x7f, backslashes,
 * a slash that was written as %2f; half a %xx; with -ENAMETOOLONG what does not fit. */
int must_check urlpath_decode(const char *url, char *out, size_t size);

/* Appends a value to `out`, with its %xx decoded, whatever they are: 0, -EINVAL (half a %xx) or -ENOMEM. */
int must_check urlpath_decode_value(const char *text, struct buf *out);
