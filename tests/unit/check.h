/* The unit tests' checks: a failed one says where and ends the test. */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                                          \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                   \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#define CHECK_INT(got, want)                                                                                 \
	do {                                                                                                 \
		intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want);                                   \
		if (got_ != want_) {                                                                         \
			fprintf(stderr, "%s:%d: %s is %" PRIdMAX ", not %" PRIdMAX "\n", __FILE__, __LINE__, \
				#got, got_, want_);                                                          \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#define CHECK_MEM(got, got_len, want, want_len)                                                              \
	do {                                                                                                 \
		size_t got_len_ = (got_len), want_len_ = (want_len);                                         \
		if (got_len_ != want_len_ || (want_len_ > 0 && memcmp((got), (want), want_len_) != 0)) {     \
			fprintf(stderr, "%s:%d: %s is\n\t%.*s\nnot\n\t%.*s\n", __FILE__, __LINE__, #got,     \
				(int)got_len_, (const char *)(got), (int)want_len_, (const char *)(want));   \
			abort();                                                                             \
		}                                                                                            \
	} while (0)
#define CHECK_STR(got, want) CHECK_MEM(got, strlen(got), want, strlen(want))

/* EVENTFOLD_FULL is "1" where all of what is many is wanted ("2": of that, too, which takes long), "0" where
 * as little as makes sense is. */
static inline int check_wants(const char *value)
{
	const char *full = getenv("EVENTFOLD_FULL");

	return full && (strcmp(full, value) == 0 || (strcmp(full, "2") == 0 && strcmp(value, "1") == 0));
}
