/* Text of unknown origin as one line that a person may be shown: valid UTF-8, with nothing in it that
 * acts on a terminal. */
#pragma once

#include "base/slice.h"

/* Writes the text to `out`, `size` bytes (16 at least) with the zero behind it, and returns its length.
 * Tabs and line ends become blanks; other control characters, and those that hide or turn around what
 * stands beside them, become "\u001b"; what is not UTF-8 becomes U+FFFD. What does not fit is cut
 * between two characters, and "…" stands for it; so it does where the text `is_cut` already, or ends
 * inside a character. Doing it twice does no harm. Any thread. */
size_t plain_text(char *out, size_t size, struct slice text, bool is_cut);
