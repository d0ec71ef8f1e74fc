/* Where a string of JSON may not be taken as it is. */
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The next byte from `at` on that ends a string or needs a closer look: quote, backslash, control, not
 * ASCII. */
static inline const char *json_special(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
		      control = _mm_set1_epi8(0x1f);

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
		found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		/* The sign bit of a byte is what makes it not ASCII. */
		int mask = _mm_movemask_epi8(_mm_or_si128(found, v));
		if (mask)
			return at + __builtin_ctz((unsigned)mask);
	}
#endif
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20 &&
	       (unsigned char)*at < 0x80)
		at++;
	return at;
}
