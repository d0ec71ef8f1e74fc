/* What is counted in what a command says: "1 line", "2 lines". */
#pragma once

#include <stdint.h>

static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}
