/* What the simulated disk has now. */
#pragma once

#include "check.h"
#include "simdisk.h"

/* NULL: no such file. */
static inline void check_file(struct simdisk *s, const char *name, const char *want)
{
	char *got = NULL;
	size_t len = 0;

	CHECK(simdisk_content(s, name, &got, &len) == (want != NULL));
	if (want)
		CHECK_MEM(got, len, want, strlen(want));
	free(got);
}
