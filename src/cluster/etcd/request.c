/* The bodies of requests. */
#include <stdio.h>

#include "cluster/etcd/base64.h"
#include "cluster/etcd/call.h"

void etcd_txn_deinit(struct etcd_txn *t)
{
	buf_deinit(&t->compare);
	buf_deinit(&t->success);
	buf_deinit(&t->failure);
}

/* "name":"…", as bytes, and what comes before it. */
static void add_bytes(struct buf *out, const char *before, struct slice bytes)
{
	buf_add_str(out, before);
	buf_add_char(out, '"');
	base64_add(out, bytes);
	buf_add_char(out, '"');
}

/* The next in a list. */
static void add_comma(struct buf *list)
{
	if (list->len > 0)
		buf_add_char(list, ',');
}

static void add_compare(struct etcd_txn *t, const char *key, const char *target)
{
	add_comma(&t->compare);
	add_bytes(&t->compare, "{\"key\":", slice_of(key));
	buf_printf(&t->compare, ",\"target\":\"%s\"", target);
}

void etcd_txn_if_value(struct etcd_txn *t, const char *key, struct slice value)
{
	add_compare(t, key, "VALUE");
	add_bytes(&t->compare, ",\"result\":\"EQUAL\",\"value\":", value);
	buf_add_char(&t->compare, '}');
}

void etcd_txn_if_exists(struct etcd_txn *t, const char *key, bool exists)
{
	add_compare(t, key, "CREATE");
	buf_printf(&t->compare, ",\"result\":\"%s\",\"create_revision\":\"0\"}",
		   exists ? "GREATER" : "EQUAL");
}

void etcd_txn_if_modified(struct etcd_txn *t, const char *key, uint64_t revision)
{
	add_compare(t, key, "MOD");
	buf_printf(&t->compare, ",\"result\":\"EQUAL\",\"mod_revision\":\"%llu\"}",
		   (unsigned long long)revision);
}

/* The fields of a request for one key, or for several. */
static void add_keys(struct buf *out, const char *key, const char *end)
{
	add_bytes(out, "{\"key\":", slice_of(key));
	if (end)
		add_bytes(out, ",\"range_end\":", slice_of(end));
}

void etcd_txn_put(struct buf *branch, const char *key, struct slice value, int64_t lease)
{
	add_comma(branch);
	buf_add_str(branch, "{\"request_put\":");
	add_bytes(branch, "{\"key\":", slice_of(key));
	add_bytes(branch, ",\"value\":", value);
	if (lease)
		buf_printf(branch, ",\"lease\":\"%lld\"", (long long)lease);
	buf_add_str(branch, "}}");
}

static void add_find(struct buf *out, const struct etcd_find *find)
{
	add_keys(out, find->key, find->end);
	if (find->limit > 0)
		buf_printf(out, ",\"limit\":\"%llu\"", (unsigned long long)find->limit);
	if (find->keys_only)
		buf_add_str(out, ",\"keys_only\":true");
	if (find->descending)
		buf_add_str(out, ",\"sort_order\":\"DESCEND\",\"sort_target\":\"KEY\"");
	buf_add_char(out, '}');
}

void etcd_txn_range(struct buf *branch, const char *key, const char *end, uint64_t limit)
{
	add_comma(branch);
	buf_add_str(branch, "{\"request_range\":");
	add_find(branch, &(struct etcd_find){.key = key, .end = end, .limit = limit});
	buf_add_char(branch, '}');
}

void etcd_txn_delete(struct buf *branch, const char *key, const char *end)
{
	add_comma(branch);
	buf_add_str(branch, "{\"request_delete_range\":");
	add_keys(branch, key, end);
	buf_add_str(branch, "}}");
}

/* An answer comes once. */
static struct etcd_call *begin(struct etcd *e, enum answer_kind kind, const char *path, struct buf *body,
			       unsigned timeout_ms, etcd_done *done, void *arg)
{
	struct etcd_call *c = call_new(e, kind, path, body, timeout_ms);

	if (!c)
		return NULL;
	c->done = done;
	c->arg = arg;
	c->needs_leader = true;
	return c;
}

struct etcd_call *etcd_txn_send(struct etcd *e, const struct etcd_txn *t, unsigned timeout_ms,
				etcd_done *done, void *arg)
{
	struct buf body = {0};

	body.failed = t->compare.failed || t->success.failed || t->failure.failed;
	if (buf_reserve(&body, t->compare.len + t->success.len + t->failure.len + 64) == 0) {
		buf_add_str(&body, "{\"compare\":[");
		buf_add_slice(&body, buf_slice(&t->compare));
		buf_add_str(&body, "],\"success\":[");
		buf_add_slice(&body, buf_slice(&t->success));
		buf_add_str(&body, "],\"failure\":[");
		buf_add_slice(&body, buf_slice(&t->failure));
		buf_add_str(&body, "]}");
	}
	return begin(e, ANSWER_KV, "/v3/kv/txn", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_find(struct etcd *e, const struct etcd_find *find, unsigned timeout_ms,
			    etcd_done *done, void *arg)
{
	struct buf body = {0};

	add_find(&body, find);
	return begin(e, ANSWER_KV, "/v3/kv/range", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_delete(struct etcd *e, const char *key, const char *end, unsigned timeout_ms,
			      etcd_done *done, void *arg)
{
	struct buf body = {0};

	add_keys(&body, key, end);
	buf_add_char(&body, '}');
	return begin(e, ANSWER_KV, "/v3/kv/deleterange", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_lease_grant(struct etcd *e, uint64_t ttl_s, unsigned timeout_ms, etcd_done *done,
				   void *arg)
{
	struct buf body = {0};

	buf_printf(&body, "{\"TTL\":\"%llu\"}", (unsigned long long)ttl_s);
	return begin(e, ANSWER_LEASE, "/v3/lease/grant", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_lease_keep(struct etcd *e, int64_t lease, unsigned timeout_ms, etcd_done *done,
				  void *arg)
{
	struct buf body = {0};

	buf_printf(&body, "{\"ID\":\"%lld\"}", (long long)lease);
	return begin(e, ANSWER_KEPT, "/v3/lease/keepalive", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_lease_revoke(struct etcd *e, int64_t lease, unsigned timeout_ms, etcd_done *done,
				    void *arg)
{
	struct buf body = {0};

	buf_printf(&body, "{\"ID\":\"%lld\"}", (long long)lease);
	return begin(e, ANSWER_LEASE, "/v3/lease/revoke", &body, timeout_ms, done, arg);
}

struct etcd_call *etcd_status(struct etcd *e, unsigned timeout_ms, etcd_done *done, void *arg)
{
	struct buf body = {0};

	buf_add_str(&body, "{}");
	struct etcd_call *c = begin(e, ANSWER_STATUS, "/v3/maintenance/status", &body, timeout_ms, done, arg);
	if (c)
		c->needs_leader = false;
	return c;
}

struct etcd_call *etcd_alarms(struct etcd *e, unsigned timeout_ms, etcd_done *done, void *arg)
{
	struct buf body = {0};

	buf_add_str(&body, "{\"action\":\"GET\"}");
	return begin(e, ANSWER_ALARMS, "/v3/maintenance/alarm", &body, timeout_ms, done, arg);
}

/* Fragments: what has been missed would else come in one line, however much it is. */
struct etcd_call *etcd_watch(struct etcd *e, const char *key, const char *end, uint64_t from, etcd_told *news,
			     void *arg)
{
	struct buf body = {0};

	buf_add_str(&body, "{\"create_request\":");
	add_keys(&body, key, end);
	if (from > 0)
		buf_printf(&body, ",\"start_revision\":\"%llu\"", (unsigned long long)from);
	buf_add_str(&body, ",\"filters\":[\"NODELETE\"],\"progress_notify\":true,\"fragment\":true}}");
	struct etcd_call *c = begin(e, ANSWER_WATCH, "/v3/watch", &body, 0, NULL, arg);
	if (c)
		c->told = news;
	return c;
}
