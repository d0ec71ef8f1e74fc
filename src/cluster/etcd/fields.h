/* The gateway's JSON: fields that may be missing, which then are zero. Pure. */
#pragma once

#include <cjson/cJSON.h>

#include "cluster/etcd/etcd.h"
#include "cluster/link/json.h"

/* True: it is there and well, or it is missing, and 0. */
bool field_u64(const cJSON *object, const char *key, uint64_t *ret);
bool field_i64(const cJSON *object, const char *key, int64_t *ret);
bool field_bool(const cJSON *object, const char *key, bool *ret);
/* Decodes it where it stands, so that it can be asked for once only. */
bool field_bytes(const cJSON *object, const char *key, struct slice *ret);

bool field_kv(const cJSON *object, struct etcd_kv *ret);
