#include "cluster/agent/keys.h"

#include <stdio.h>
#include <string.h>

#define DIGITS 20 /* of a batch's offset: keys sort as offsets do */
#define NAME_MAX_LEN 255

bool keys_init(struct keys *k, const char *log)
{
	if (log[0] == '\0' || strlen(log) > NAME_MAX_LEN || strchr(log, '/'))
		return false;
	snprintf(k->head, KEY_MAX, "/eventfold/%s/head", log);
	snprintf(k->config, KEY_MAX, "/eventfold/%s/config", log);
	snprintf(k->batches, KEY_MAX, "/eventfold/%s/batch/", log);
	snprintf(k->batches_end, KEY_MAX, "/eventfold/%s/batch0", log);
	snprintf(k->members, KEY_MAX, "/eventfold/%s/member/", log);
	snprintf(k->members_end, KEY_MAX, "/eventfold/%s/member0", log);
	snprintf(k->holders, KEY_MAX, "/eventfold/%s/holder/", log);
	snprintf(k->holders_end, KEY_MAX, "/eventfold/%s/holder0", log);
	snprintf(k->watched_end, KEY_MAX, "/eventfold/%s/head!", log);
	return true;
}

void keys_batch(const struct keys *k, uint64_t off, char ret[KEY_MAX])
{
	snprintf(ret, KEY_MAX, "%.*s%020llu", KEY_MAX - DIGITS - 1, k->batches, (unsigned long long)off);
}

/* What is behind the prefix; false: the key does not begin so. */
static bool behind(const char *prefix, struct slice key, struct slice *ret)
{
	size_t len = strlen(prefix);

	if (key.len < len || memcmp(key.data, prefix, len) != 0)
		return false;
	*ret = slice_skip(key, len);
	return true;
}

bool keys_batch_read(const struct keys *k, struct slice key, uint64_t *ret_off)
{
	struct slice digits;
	uint64_t off = 0;

	if (!behind(k->batches, key, &digits) || digits.len != DIGITS)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9' || __builtin_mul_overflow(off, 10, &off) ||
		    __builtin_add_overflow(off, (uint64_t)(digits.data[i] - '0'), &off))
			return false;
	}
	*ret_off = off;
	return true;
}

void keys_member(const struct keys *k, const char *machine, char ret[KEY_MAX])
{
	snprintf(ret, KEY_MAX, "%.*s%.16s", KEY_MAX - 17, k->members, machine);
}

void keys_holder(const struct keys *k, const char *machine, char ret[KEY_MAX])
{
	snprintf(ret, KEY_MAX, "%.*s%.16s", KEY_MAX - 17, k->holders, machine);
}

bool keys_machine(const char *prefix, struct slice key, char ret[17])
{
	struct slice id;

	if (!behind(prefix, key, &id) || id.len != 16)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (!memchr("0123456789abcdef", id.data[i], 16))
			return false;
	}
	memcpy(ret, id.data, 16);
	ret[16] = '\0';
	return true;
}
