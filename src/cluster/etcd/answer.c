#include "cluster/etcd/answer.h"

#include "cluster/etcd/fault.h"
#include "cluster/etcd/fields.h"

#define LINE_MAX_LEN 200

static void set_fault(struct answer *a, struct fault fault)
{
	a->said.result = fault.result;
	a->unknown_user = fault.unknown_user;
	a->no_users = fault.no_users;
}

/* {"error":TEXT,"message":TEXT,"code":N}; in a stream {"error":{"message":TEXT,"grpc_code":N,…}} */
static bool read_error(const cJSON *json, struct fault *ret, struct diag *why)
{
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
	bool nested = cJSON_IsObject(error);
	const char *text = json_text(nested ? error : json, nested ? "message" : "error");
	uint64_t code = 0;

	if (!text)
		return false;
	if (!field_u64(nested ? error : json, nested ? "grpc_code" : "code", &code) || code > 16)
		code = 0;
	*ret = fault_of((int)code, text);
	diag_set(why, 0, "%s", text);
	return true;
}

/* Of what is no JSON. */
static struct slice first_line(struct slice body)
{
	size_t n = 0;

	while (n < body.len && n < LINE_MAX_LEN && body.data[n] && body.data[n] != '\n')
		n++;
	return (struct slice){body.data, n};
}

static void read_refusal(struct answer *a, long http, struct slice body)
{
	struct slice line = first_line(body);
	struct fault fault;

	if (!read_error(a->json, &fault, &a->why)) {
		fault = fault_of_http(http);
		diag_set(&a->why, 0, "it answers with HTTP %ld%s%.*s", http,
			 http == 404    ? ": no JSON gateway is there: "
			 : line.len > 0 ? ": "
					: "",
			 (int)line.len, line.data);
	}
	set_fault(a, fault);
}

static bool read_header(const cJSON *body, struct etcd_answer *said)
{
	const cJSON *header = cJSON_GetObjectItemCaseSensitive(body, "header");

	return cJSON_IsObject(header) && field_u64(header, "revision", &said->revision);
}

/* Where a range's answer stands: in that of a transaction, or alone. */
static bool read_range(const cJSON *range, struct etcd_range *ret, struct etcd_kv *kvs)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(range, "kvs"), *kv;

	ret->kvs = kvs;
	cJSON_ArrayForEach(kv, list)
	{
		if (!field_kv(kv, &kvs[ret->n]))
			return false;
		ret->n++;
	}
	return (!list || cJSON_IsArray(list)) && field_bool(range, "more", &ret->more) &&
	       field_u64(range, "count", &ret->count);
}

static size_t count_kvs(const cJSON *range)
{
	return (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(range, "kvs"));
}

static bool read_deleted(const cJSON *body, struct etcd_answer *said)
{
	uint64_t n;
	bool well = field_u64(body, "deleted", &n);

	said->deleted += n;
	return well;
}

/* One step of a transaction. */
static bool read_response(struct answer *a, const cJSON *response, size_t *n_kvs)
{
	const cJSON *range = cJSON_GetObjectItemCaseSensitive(response, "response_range");
	const cJSON *deleted = cJSON_GetObjectItemCaseSensitive(response, "response_delete_range");
	struct etcd_range *found = &a->ranges[a->said.n_ranges];

	if (deleted)
		return cJSON_IsObject(deleted) && read_deleted(deleted, &a->said);
	if (!range)
		return cJSON_GetObjectItemCaseSensitive(response, "response_put");
	if (!cJSON_IsObject(range) || !read_range(range, found, a->kvs + *n_kvs))
		return false;
	*n_kvs += found->n;
	a->said.n_ranges++;
	return true;
}

static bool read_kv(struct answer *a, const cJSON *body)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "responses"), *response;
	size_t n = count_kvs(body), done;

	cJSON_ArrayForEach(response, list) n +=
	    count_kvs(cJSON_GetObjectItemCaseSensitive(response, "response_range"));
	a->ranges = calloc(1 + (size_t)cJSON_GetArraySize(list), sizeof(*a->ranges));
	a->kvs = calloc(n + 1, sizeof(*a->kvs));
	if (!a->ranges || !a->kvs || !field_bool(body, "succeeded", &a->said.succeeded) ||
	    !read_deleted(body, &a->said))
		return false;
	a->said.ranges = a->ranges;
	if (!list) {
		a->said.n_ranges = 1;
		return read_range(body, a->ranges, a->kvs);
	}
	done = 0;
	cJSON_ArrayForEach(response, list)
	{
		if (!read_response(a, response, &done))
			return false;
	}
	return cJSON_IsArray(list);
}

static bool read_lease(struct answer *a, const cJSON *body)
{
	return field_i64(body, "ID", &a->said.lease) && field_u64(body, "TTL", &a->said.ttl_s);
}

/* Of one that has ended it says that there is no time left. */
static bool read_kept(struct answer *a, const cJSON *body)
{
	if (!read_lease(a, body))
		return false;
	if (a->said.ttl_s > 0)
		return true;
	a->said.result = ETCD_NO_LEASE;
	diag_set(&a->why, 0, "the lease has ended");
	return true;
}

static bool read_status(struct answer *a, const cJSON *body)
{
	a->said.version = json_text(body, "version");
	return a->said.version && field_u64(body, "dbSize", &a->said.db_bytes) &&
	       field_u64(body, "leader", &a->said.leader);
}

static bool read_alarms(struct answer *a, const cJSON *body)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "alarms"), *alarm;

	cJSON_ArrayForEach(alarm, list)
	{
		const char *kind = json_text(alarm, "alarm");
		a->said.alarm_full |= kind && strcmp(kind, "NOSPACE") == 0;
	}
	return cJSON_IsObject(body);
}

static bool read_good(struct answer *a, enum answer_kind kind)
{
	const cJSON *body =
	    kind == ANSWER_KEPT ? cJSON_GetObjectItemCaseSensitive(a->json, "result") : a->json;

	if (kind == ANSWER_ALARMS)
		return read_alarms(a, body);
	if (!read_header(body, &a->said))
		return false;
	switch (kind) {
	case ANSWER_KV:
		return a->said.revision > 0 && read_kv(a, body);
	case ANSWER_LEASE:
		return read_lease(a, body);
	case ANSWER_KEPT:
		return read_kept(a, body);
	case ANSWER_STATUS:
		return read_status(a, body);
	default:
		a->token = json_text(body, "token");
		return a->token;
	}
}

void answer_read(struct answer *ret, enum answer_kind kind, long http, struct slice body)
{
	struct fault fault;

	*ret = (struct answer){0};
	ret->json = cJSON_ParseWithLength(body.data, body.len);
	if (http != 200) {
		read_refusal(ret, http, body);
	} else if (read_error(ret->json, &fault, &ret->why)) {
		set_fault(ret, fault);
	} else if (!read_good(ret, kind)) {
		ret->said = (struct etcd_answer){.result = ETCD_UNCERTAIN};
		diag_set(&ret->why, 0, "its answer is not understood");
	}
	if (ret->said.result != ETCD_OK)
		ret->said.why = ret->why.text;
}

void answer_missing(struct answer *ret, const char *why)
{
	*ret = (struct answer){.said.result = ETCD_UNCERTAIN};
	diag_set(&ret->why, 0, "%s", why);
	ret->said.why = ret->why.text;
}

void answer_deinit(struct answer *a)
{
	cJSON_Delete(take_ptr(a->json));
	free(take_ptr(a->ranges));
	free(take_ptr(a->kvs));
}

static bool read_events(struct watched *w, const cJSON *list)
{
	const cJSON *event;

	w->kvs = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*w->kvs));
	if (!w->kvs)
		return false;
	w->news.kvs = w->kvs;
	cJSON_ArrayForEach(event, list)
	{
		const char *type = json_text(event, "type");
		if (type && strcmp(type, "PUT") != 0)
			continue;
		if (!field_kv(cJSON_GetObjectItemCaseSensitive(event, "kv"), &w->kvs[w->news.n]))
			return false;
		w->news.n++;
	}
	return !list || cJSON_IsArray(list);
}

/* Why the engine has ended it, in words only. A token that has expired may be one that may not look there. */
static void read_cancelled(struct watched *w, const cJSON *result)
{
	const char *text = json_text(result, "cancel_reason");
	struct fault fault = fault_of(FAULT_NO_CODE, text ? text : "");
	uint64_t compacted;

	diag_set(&w->why, 0, "the watch was cancelled%s%s", text ? ": " : "", text ? text : "");
	w->news.result = fault.result;
	w->unknown_user = fault.unknown_user;
	if (field_u64(result, "compact_revision", &compacted) && compacted > 0) {
		w->news.result = ETCD_COMPACTED;
	} else if (text && strstr(text, "permission denied")) {
		w->news.result = ETCD_REFUSED;
		w->unknown_user = true;
	}
}

static bool read_watched(struct watched *w)
{
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(w->json, "result");
	const cJSON *header = cJSON_GetObjectItemCaseSensitive(result, "header");
	bool cancelled;

	if (!cJSON_IsObject(header) || !field_u64(header, "revision", &w->news.revision) ||
	    !field_bool(result, "canceled", &cancelled))
		return false;
	if (cancelled)
		read_cancelled(w, result);
	return cancelled || read_events(w, cJSON_GetObjectItemCaseSensitive(result, "events"));
}

void watched_read(struct watched *ret, struct slice line)
{
	struct fault fault;

	*ret = (struct watched){0};
	ret->json = cJSON_ParseWithLength(line.data, line.len);
	if (read_error(ret->json, &fault, &ret->why)) {
		ret->news.result = fault.result;
		ret->unknown_user = fault.unknown_user;
	} else if (!read_watched(ret)) {
		ret->news = (struct etcd_news){.result = ETCD_UNCERTAIN};
		diag_set(&ret->why, 0, "its watch says what is not understood");
	}
	if (ret->news.result != ETCD_OK)
		ret->news.why = ret->why.text;
}

void watched_deinit(struct watched *w)
{
	cJSON_Delete(take_ptr(w->json));
	free(take_ptr(w->kvs));
}
