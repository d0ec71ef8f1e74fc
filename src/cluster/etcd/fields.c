#include "cluster/etcd/fields.h"

#include "cluster/etcd/base64.h"

static bool read_digits(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool field_u64(const cJSON *object, const char *key, uint64_t *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	*ret = 0;
	if (!item)
		return true;
	if (cJSON_IsString(item))
		return read_digits(item->valuestring, ret);
	return whole_read(item, ret);
}

bool field_i64(const cJSON *object, const char *key, int64_t *ret)
{
	uint64_t value;
	bool well = field_u64(object, key, &value) && value <= INT64_MAX;

	*ret = well ? (int64_t)value : 0;
	return well;
}

bool field_bool(const cJSON *object, const char *key, bool *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	*ret = cJSON_IsTrue(item);
	return !item || cJSON_IsBool(item);
}

bool field_bytes(const cJSON *object, const char *key, struct slice *ret)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	*ret = (struct slice){"", 0};
	if (!item)
		return true;
	if (!cJSON_IsString(item))
		return false;
	*ret = slice_of(item->valuestring);
	return base64_decode(item->valuestring, &ret->len);
}

bool field_kv(const cJSON *object, struct etcd_kv *ret)
{
	*ret = (struct etcd_kv){0};
	return field_bytes(object, "key", &ret->key) && ret->key.len > 0 &&
	       field_bytes(object, "value", &ret->value) &&
	       field_u64(object, "create_revision", &ret->created) &&
	       field_u64(object, "mod_revision", &ret->modified) &&
	       field_u64(object, "version", &ret->version) && field_i64(object, "lease", &ret->lease);
}
