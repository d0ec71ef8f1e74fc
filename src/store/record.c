#include "store/record.h"

#include <endian.h>
#include <errno.h>
#include <xxhash.h>

#include "base/le.h"

#define SEARCH_SIZE (64u << 10)

/* Offsets in a record. The last eight bytes are the hash of all before them. */
enum {
	AT_MAGIC = 0,
	AT_LENGTH = 4,
	AT_TAG = 8,
	AT_VERSION = 14,
	AT_KIND = 15,
	AT_FIELDS = 16,
	AT_SHA = AT_FIELDS + 10 * 8,
};

_Static_assert(AT_SHA + 8 == RECORD_SIZE_FIRST, "ten fields and the hash fill a record of version 1");
_Static_assert(AT_SHA + sizeof(struct record_sha) + 8 == RECORD_SIZE,
	       "one of version 2 has the SHA-256 as well");

static const char tag[6] = {'e', 'v', 'f', 'o', 'l', 'd'};

size_t record_write(const struct record *rec, unsigned char out[static RECORD_SIZE])
{
	const uint64_t fields[10] = {rec->at,     rec->pos.off,    rec->pos.seq,     rec->pos.hash,
				     rec->frames, rec->frame_size, rec->frame_bytes, rec->frame_lines,
				     rec->begin,  rec->latest};
	size_t size = (size_t)record_size(rec);

	le_put32(out + AT_MAGIC, RECORD_MAGIC);
	le_put32(out + AT_LENGTH, (uint32_t)size - 8);
	memcpy(out + AT_TAG, tag, sizeof(tag));
	out[AT_VERSION] = size == RECORD_SIZE ? '2' : '1';
	out[AT_KIND] = (unsigned char)rec->kind;
	for (size_t i = 0; i < countof(fields); i++)
		le_put64(out + AT_FIELDS + 8 * i, fields[i]);
	if (size == RECORD_SIZE)
		memcpy(out + AT_SHA, &rec->sha, sizeof(rec->sha));
	le_put64(out + size - 8, XXH64(out, size - 8, 0));
	return size;
}

static bool is_nearly(const struct record *rec, const unsigned char *in, size_t len)
{
	unsigned char should[RECORD_SIZE];
	int bits = 0;

	if (record_write(rec, should) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		bits += __builtin_popcount(in[i] ^ should[i]);
	return bits <= 1;
}

bool record_is_nearly(const struct record *rec, const unsigned char *in, size_t len)
{
	struct record first = *rec;

	first.version = 1;
	return is_nearly(len == RECORD_SIZE_FIRST ? &first : rec, in, len);
}

/* 0: none. */
static size_t size_of_version(unsigned char version)
{
	return version == '1' ? RECORD_SIZE_FIRST : version == '2' ? RECORD_SIZE : 0;
}

static bool is_sound(const unsigned char *in, size_t len)
{
	unsigned char head[AT_TAG];

	if (len < RECORD_SIZE_FIRST || memcmp(in + AT_TAG, tag, sizeof(tag)) != 0)
		return false;
	size_t size = size_of_version(in[AT_VERSION]);
	if (size == 0 || len < size)
		return false;
	le_put32(head + AT_MAGIC, RECORD_MAGIC);
	le_put32(head + AT_LENGTH, (uint32_t)size - 8);
	return memcmp(in, head, sizeof(head)) == 0 && le_get64(in + size - 8) == XXH64(in, size - 8, 0);
}

/* Does it say what can be? */
static bool is_possible(const struct record *rec, uint64_t at)
{
	if (rec->at != at || rec->begin > at || rec->frame_size > at || rec->frame_bytes > rec->pos.off ||
	    rec->frame_lines > rec->pos.seq)
		return false;
	return rec->kind == RECORD_BEGIN || rec->kind == RECORD_END ||
	       (rec->kind == RECORD_FRAME && rec->frame_size > 0 && rec->frame_bytes > 0);
}

bool record_read(struct record *ret, const unsigned char *in, size_t len, uint64_t at)
{
	uint64_t f[10];

	if (!is_sound(in, len))
		return false;
	for (size_t i = 0; i < countof(f); i++)
		f[i] = le_get64(in + AT_FIELDS + 8 * i);
	*ret = (struct record){
	    .kind = in[AT_KIND],
	    .version = in[AT_VERSION] == '1' ? 1 : 2,
	    .at = f[0],
	    .pos = {f[1], f[2], f[3]},
	    .frames = f[4],
	    .frame_size = f[5],
	    .frame_bytes = f[6],
	    .frame_lines = f[7],
	    .begin = f[8],
	};
	if (ret->version == 2) {
		ret->latest = f[9];
		memcpy(&ret->sha, in + AT_SHA, sizeof(ret->sha));
	}
	return is_possible(ret, at);
}

int record_load(struct disk *disk, int fd, uint64_t at, uint64_t end, struct record *ret)
{
	unsigned char bytes[RECORD_SIZE];
	size_t len = (size_t)min(end - at, (uint64_t)sizeof(bytes));

	if (len < RECORD_SIZE_FIRST)
		return 1;
	int r = disk_pread_exact(disk, fd, bytes, len, (off_t)at);
	return r < 0 ? r : !record_read(ret, bytes, len, at);
}

int record_load_before(struct disk *disk, int fd, uint64_t low, uint64_t end, struct record *ret)
{
	unsigned char bytes[RECORD_SIZE];
	size_t len = (size_t)min(end - low, (uint64_t)sizeof(bytes));

	if (len < RECORD_SIZE_FIRST)
		return 1;
	int r = disk_pread_exact(disk, fd, bytes, len, (off_t)(end - len));
	if (r < 0)
		return r;
	if (len == RECORD_SIZE && record_read(ret, bytes, len, end - len) && ret->version == 2)
		return 0;
	return !record_read(ret, bytes + (len - RECORD_SIZE_FIRST), RECORD_SIZE_FIRST,
			    end - RECORD_SIZE_FIRST);
}

int record_find(struct disk *disk, int fd, uint64_t from, uint64_t end, struct record *ret)
{
	const uint32_t magic = htole32(RECORD_MAGIC);
	char *buffer auto_free = malloc(SEARCH_SIZE);

	if (!buffer)
		return -ENOMEM;
	while (end - from >= RECORD_SIZE_FIRST) {
		size_t len = (size_t)min(end - from, (uint64_t)SEARCH_SIZE);
		int r = disk_pread_exact(disk, fd, buffer, len, (off_t)from);
		if (r < 0)
			return r;
		for (const char *at = buffer, *found;
		     (found = memmem(at, len - (size_t)(at - buffer), &magic, sizeof(magic)));
		     at = found + 1) {
			uint64_t where = from + (uint64_t)(found - buffer);
			r = record_load(disk, fd, where, end, ret);
			if (r <= 0)
				return r;
		}
		from += len - (sizeof(magic) - 1);
	}
	return 1;
}
