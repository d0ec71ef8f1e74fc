/* Locks on bytes, against a table that has an entry for each byte. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fs/node/ranges.h"

enum { FILES = 2, OWNERS = 3, BYTES = 24, STEPS = 200000 };

static const char files[FILES], handles[OWNERS + 1];

/* What each owner has of each byte; 0: nothing. */
static short table[FILES][OWNERS][BYTES];

/* The last byte of the table stands for all that come behind it. */
static off_t byte_of(int i)
{
	return i == BYTES - 1 ? INT64_MAX : i;
}

static struct range pick(int *ret_file, int *ret_owner, int *ret_first, int *ret_last)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};

	*ret_file = rand() % FILES;
	*ret_owner = rand() % OWNERS;
	*ret_first = rand() % (BYTES - 1);
	*ret_last = *ret_first + rand() % (BYTES - *ret_first);
	return (struct range){
	    .file = &files[*ret_file],
	    .owner = (uint64_t)*ret_owner,
	    .first = *ret_first,
	    .last = byte_of(*ret_last),
	    .type = types[rand() % 3],
	    .handle = &handles[*ret_owner],
	};
}

static bool conflicts(int file, int owner, int first, int last, short type)
{
	bool found = false;

	for (int o = 0; o < OWNERS; o++)
		for (int i = first; i <= last && o != owner && type != F_UNLCK; i++)
			found |= table[file][o][i] && (table[file][o][i] == 'w' || type == F_WRLCK);
	return found;
}

static void set(int file, int owner, int first, int last, short type)
{
	for (int i = first; i <= last; i++)
		table[file][owner][i] = type == F_UNLCK ? 0 : type == F_RDLCK ? 'r' : 'w';
}

/* The list says what the table does, in as few ranges as that takes. */
static void compare(const struct ranges *r)
{
	short found[FILES][OWNERS][BYTES] = {0};
	unsigned n = 0, runs = 0;

	for (const struct range *l = r->first; l; l = l->next, n++) {
		size_t file = (size_t)((const char *)l->file - files), owner = l->owner;
		for (int i = 0; i < BYTES; i++) {
			if (byte_of(i) < l->first || i > l->last)
				continue;
			CHECK(!found[file][owner][i]);
			found[file][owner][i] = l->type == F_RDLCK ? 'r' : 'w';
		}
	}
	CHECK_INT(memcmp(found, table, sizeof(table)), 0);
	for (int f = 0; f < FILES; f++)
		for (int o = 0; o < OWNERS; o++)
			for (int i = 0; i < BYTES; i++)
				runs += table[f][o][i] && (i == 0 || table[f][o][i] != table[f][o][i - 1]);
	CHECK_INT(n, runs);
}

static void walk(void)
{
	struct ranges r = {0};

	for (int step = 0; step < STEPS; step++) {
		int file, owner, first, last;
		struct range want = pick(&file, &owner, &first, &last);
		struct ranges_spare spare;
		const struct range *other = ranges_conflict(&r, &want);
		CHECK_INT(other != NULL, conflicts(file, owner, first, last, want.type));
		if (rand() % 50 == 0) {
			bool had = false;
			for (int f = 0; f < FILES; f++)
				for (int i = 0; i < BYTES; i++)
					had |= (f == file || step % 2) && table[f][owner][i];
			CHECK_INT(step % 2 ? ranges_drop_handle(&r, &handles[owner])
					   : ranges_drop_owner(&r, &files[file], (uint64_t)owner),
				  had);
			for (int f = 0; f < FILES; f++)
				if (f == file || step % 2)
					set(f, owner, 0, BYTES - 1, F_UNLCK);
		} else if (!other) {
			CHECK_INT(ranges_spare_init(&spare), 0);
			ranges_set(&r, &want, &spare);
			ranges_spare_deinit(&spare);
			set(file, owner, first, last, want.type);
		}
		compare(&r);
	}
	ranges_deinit(&r);
	CHECK(!r.first);
}

/* To the very end, where one more byte would be one too many. */
static void at_the_end(void)
{
	struct ranges r = {0};
	struct ranges_spare spare;
	struct range all = {.file = files, .last = INT64_MAX, .type = F_WRLCK};
	struct range last = {
	    .file = files, .owner = 1, .first = INT64_MAX, .last = INT64_MAX, .type = F_RDLCK};

	CHECK_INT(ranges_spare_init(&spare), 0);
	ranges_set(&r, &all, &spare);
	ranges_spare_deinit(&spare);
	CHECK(ranges_conflict(&r, &last) == r.first);
	last.owner = 0;
	CHECK_INT(ranges_spare_init(&spare), 0);
	ranges_set(&r, &last, &spare);
	ranges_spare_deinit(&spare);
	last.owner = 1;
	CHECK(!ranges_conflict(&r, &last));
	last.type = F_WRLCK;
	CHECK(ranges_conflict(&r, &last));
	ranges_deinit(&r);
}

int main(void)
{
	srand(1);
	walk();
	at_the_end();
	return 0;
}
