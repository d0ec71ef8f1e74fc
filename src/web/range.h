/* The header Range of a request, as RFC 9110 has it: one range of bytes. */
#pragma once

#include <stdint.h>

enum range_kind {
	RANGE_WHOLE, /* none, or one that is ignored: several ranges, another unit, not understood */
	RANGE_PART,
	RANGE_NONE, /* nothing of the file lies in it: 416 */
};

struct range {
	uint64_t from, len;
};

/* `header` may be NULL. With RANGE_WHOLE and RANGE_PART `ret` is what to send of `size` bytes. */
enum range_kind range_parse(struct range *ret, const char *header, uint64_t size);
