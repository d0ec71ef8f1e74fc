/* Little-endian integers in bytes, however they are aligned. */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void le_put32(void *out, uint32_t value)
{
	value = htole32(value);
	memcpy(out, &value, sizeof(value));
}

static inline void le_put64(void *out, uint64_t value)
{
	value = htole64(value);
	memcpy(out, &value, sizeof(value));
}

static inline uint32_t le_get32(const void *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return le32toh(value);
}

static inline uint64_t le_get64(const void *in)
{
	uint64_t value;

	memcpy(&value, in, sizeof(value));
	return le64toh(value);
}
