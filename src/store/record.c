#include "store/record.h"

#include <endian.h>
#include <xxhash.h>

/* Offsets in the record. The last eight bytes are the hash of all before them. */
enum { AT_MAGIC = 0, AT_LENGTH = 4, AT_TAG = 8, AT_FIELDS = 16, AT_HASH = RECORD_SIZE - 8 };

static const char tag[7] = {'e', 'v', 'f', 'o', 'l', 'd', '1'};

_Static_assert(AT_FIELDS + 10 * 8 == AT_HASH, "ten fields and the hash fill the record");

static void put32(unsigned char *out, uint32_t value)
{
	value = htole32(value);
	memcpy(out, &value, sizeof(value));
}

static void put64(unsigned char *out, uint64_t value)
{
	value = htole64(value);
	memcpy(out, &value, sizeof(value));
}

static uint64_t get64(const unsigned char *in)
{
	uint64_t value;

	memcpy(&value, in, sizeof(value));
	return le64toh(value);
}

void record_write(const struct record *rec, unsigned char out[static RECORD_SIZE])
{
	const uint64_t fields[10] = {
	    rec->at,         rec->pos.off,     rec->pos.seq,     rec->pos.hash, rec->frames,
	    rec->frame_size, rec->frame_bytes, rec->frame_lines, rec->begin,    0};

	put32(out + AT_MAGIC, RECORD_MAGIC);
	put32(out + AT_LENGTH, RECORD_SIZE - 8);
	memcpy(out + AT_TAG, tag, sizeof(tag));
	out[AT_TAG + sizeof(tag)] = (unsigned char)rec->kind;
	for (size_t i = 0; i < countof(fields); i++)
		put64(out + AT_FIELDS + 8 * i, fields[i]);
	put64(out + AT_HASH, XXH64(out, AT_HASH, 0));
}

bool record_is_nearly(const struct record *rec, const unsigned char in[static RECORD_SIZE])
{
	unsigned char should[RECORD_SIZE];
	int bits = 0;

	record_write(rec, should);
	for (size_t i = 0; i < RECORD_SIZE; i++)
		bits += __builtin_popcount(in[i] ^ should[i]);
	return bits <= 1;
}

bool record_read(struct record *ret, const unsigned char in[static RECORD_SIZE], uint64_t at)
{
	unsigned char head[AT_TAG];
	uint64_t f[10];

	put32(head + AT_MAGIC, RECORD_MAGIC);
	put32(head + AT_LENGTH, RECORD_SIZE - 8);
	if (memcmp(in, head, sizeof(head)) != 0 || memcmp(in + AT_TAG, tag, sizeof(tag)) != 0 ||
	    get64(in + AT_HASH) != XXH64(in, AT_HASH, 0))
		return false;
	for (size_t i = 0; i < countof(f); i++)
		f[i] = get64(in + AT_FIELDS + 8 * i);
	*ret = (struct record){
	    .kind = in[AT_TAG + sizeof(tag)],
	    .at = f[0],
	    .pos = {f[1], f[2], f[3]},
	    .frames = f[4],
	    .frame_size = f[5],
	    .frame_bytes = f[6],
	    .frame_lines = f[7],
	    .begin = f[8],
	};
	if (ret->at != at || ret->begin > at || ret->frame_size > at || ret->frame_bytes > ret->pos.off ||
	    ret->frame_lines > ret->pos.seq)
		return false;
	return ret->kind == RECORD_BEGIN || ret->kind == RECORD_END ||
	       (ret->kind == RECORD_FRAME && ret->frame_size > 0 && ret->frame_bytes > 0);
}
