/* What etcd's gateway says, as it was seen, and what it never should. */
#include "cluster/etcd/answer.h"

#include "check.h"

#define HEADER "\"header\":{\"cluster_id\":\"15480701751264703554\",\"member_id\":\"7\",\"revision\":\"3\"}"
#define KV                                                                                                   \
	"{\"key\":\"YQ==\",\"create_revision\":\"2\",\"mod_revision\":\"3\",\"version\":\"4\","              \
	"\"value\":\"eA==\",\"lease\":\"7576358732831698699\"}"

/* To the caller, who deinits it. */
static void read_text(struct answer *a, enum answer_kind kind, long http, const char *text)
{
	answer_read(a, kind, http, slice_of(text));
	CHECK((a->said.result == ETCD_OK) == !a->said.why);
}

static void is_kv(const struct etcd_kv *kv)
{
	CHECK_MEM(kv->key.data, kv->key.len, "a", 1);
	CHECK_MEM(kv->value.data, kv->value.len, "x", 1);
	CHECK_INT(kv->created, 2);
	CHECK_INT(kv->modified, 3);
	CHECK_INT(kv->version, 4);
	CHECK_INT(kv->lease, 7576358732831698699);
}

static void test_range(void)
{
	struct answer a;

	read_text(&a, ANSWER_KV, 200, "{" HEADER ",\"kvs\":[" KV "],\"more\":true,\"count\":\"2\"}");
	CHECK_INT(a.said.result, ETCD_OK);
	CHECK_INT(a.said.revision, 3);
	CHECK_INT(a.said.n_ranges, 1);
	CHECK_INT(a.said.ranges[0].n, 1);
	CHECK(a.said.ranges[0].more);
	CHECK_INT(a.said.ranges[0].count, 2);
	is_kv(&a.said.ranges[0].kvs[0]);
	answer_deinit(&a);
	/* Nothing is found. */
	read_text(&a, ANSWER_KV, 200, "{" HEADER "}");
	CHECK_INT(a.said.n_ranges, 1);
	CHECK_INT(a.said.ranges[0].n, 0);
	answer_deinit(&a);
}

static void test_txn(void)
{
	struct answer a;

	read_text(&a, ANSWER_KV, 200,
		  "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{" HEADER "}},"
		  "{\"response_range\":{" HEADER ",\"kvs\":[" KV "," KV "],\"count\":\"2\"}},"
		  "{\"response_delete_range\":{\"deleted\":\"5\"}},{\"response_delete_range\":{}},"
		  "{\"response_range\":{" HEADER "}},{\"response_range\":{\"kvs\":[" KV "]}}]}");
	CHECK_INT(a.said.result, ETCD_OK);
	CHECK(a.said.succeeded);
	CHECK_INT(a.said.n_ranges, 3);
	CHECK_INT(a.said.ranges[0].n, 2);
	CHECK_INT(a.said.ranges[1].n, 0);
	CHECK_INT(a.said.ranges[2].n, 1);
	is_kv(&a.said.ranges[0].kvs[1]);
	is_kv(&a.said.ranges[2].kvs[0]);
	CHECK_INT(a.said.deleted, 5);
	answer_deinit(&a);
	read_text(&a, ANSWER_KV, 200, "{" HEADER ",\"responses\":[]}");
	CHECK_INT(a.said.result, ETCD_OK);
	CHECK(!a.said.succeeded);
	CHECK_INT(a.said.n_ranges, 0);
	answer_deinit(&a);
}

static void test_others(void)
{
	struct answer a;

	read_text(&a, ANSWER_LEASE, 200, "{" HEADER ",\"ID\":\"7576358732831698699\",\"TTL\":\"10\"}");
	CHECK_INT(a.said.lease, 7576358732831698699);
	CHECK_INT(a.said.ttl_s, 10);
	answer_deinit(&a);
	read_text(&a, ANSWER_KEPT, 200, "{\"result\":{" HEADER ",\"ID\":\"123\",\"TTL\":\"9\"}}\n");
	CHECK_INT(a.said.result, ETCD_OK);
	CHECK_INT(a.said.ttl_s, 9);
	answer_deinit(&a);
	read_text(&a, ANSWER_KEPT, 200, "{\"result\":{" HEADER ",\"ID\":\"123\"}}\n");
	CHECK_INT(a.said.result, ETCD_NO_LEASE);
	answer_deinit(&a);
	read_text(&a, ANSWER_STATUS, 200,
		  "{" HEADER
		  ",\"version\":\"3.4.23\",\"dbSize\":\"20480\",\"leader\":\"10171620295778036004\","
		  "\"raftIndex\":\"5\",\"dbSizeInUse\":\"16384\"}");
	CHECK_STR(a.said.version, "3.4.23");
	CHECK_INT(a.said.db_bytes, 20480);
	CHECK(a.said.leader == UINT64_C(10171620295778036004));
	answer_deinit(&a);
	read_text(&a, ANSWER_ALARMS, 200, "{}");
	CHECK_INT(a.said.result, ETCD_OK);
	CHECK(!a.said.alarm_full);
	answer_deinit(&a);
	read_text(&a, ANSWER_ALARMS, 200,
		  "{" HEADER
		  ",\"alarms\":[{\"memberID\":\"1\",\"alarm\":\"CORRUPT\"},{\"alarm\":\"NOSPACE\"}]}");
	CHECK(a.said.alarm_full);
	answer_deinit(&a);
	read_text(&a, ANSWER_TOKEN, 200, "{" HEADER ",\"token\":\"abc.9\"}");
	CHECK_STR(a.token, "abc.9");
	answer_deinit(&a);
}

/* As gRPC's gateway has them. */
static void test_errors(void)
{
	static const struct {
		int code, http;
		const char *text;
		enum etcd_result result;
		bool unknown_user;
	} errors[] = {
	    {3, 400, "etcdserver: request is too large", ETCD_REFUSED, false},
	    {3, 400, "unexpected EOF", ETCD_REFUSED, false},
	    {3, 400, "etcdserver: user name is empty", ETCD_REFUSED, true},
	    {3, 400, "etcdserver: authentication failed, invalid user ID or password", ETCD_REFUSED, false},
	    {5, 404, "etcdserver: requested lease not found", ETCD_NO_LEASE, false},
	    {7, 403, "etcdserver: permission denied", ETCD_REFUSED, false},
	    {8, 429, "etcdserver: mvcc: database space exceeded", ETCD_FULL, false},
	    {8, 429, "grpc: received message larger than max (9 vs. 8)", ETCD_REFUSED, false},
	    {8, 429, "etcdserver: too many requests", ETCD_UNCERTAIN, false},
	    {11, 400, "etcdserver: mvcc: required revision has been compacted", ETCD_COMPACTED, false},
	    {16, 401, "etcdserver: invalid auth token", ETCD_REFUSED, true},
	    {14, 503, "etcdserver: request timed out", ETCD_UNCERTAIN, false},
	    {14, 503, "etcdserver: leader changed", ETCD_UNCERTAIN, false},
	    {14, 503, "etcdserver: no leader", ETCD_UNCERTAIN, false},
	    {14, 503, "etcdserver: server stopped", ETCD_UNCERTAIN, false},
	    {4, 504, "context deadline exceeded", ETCD_UNCERTAIN, false},
	    {13, 500, "transport is closing", ETCD_UNCERTAIN, false},
	    {2, 500, "anything", ETCD_UNCERTAIN, false},
	    {99, 400, "anything", ETCD_UNCERTAIN, false},
	};
	char text[256];
	struct answer a;

	for (size_t i = 0; i < countof(errors); i++) {
		snprintf(text, sizeof(text), "{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d}",
			 errors[i].text, errors[i].text, errors[i].code);
		read_text(&a, ANSWER_KV, errors[i].http, text);
		CHECK_INT(a.said.result, errors[i].result);
		CHECK_INT(a.unknown_user, errors[i].unknown_user);
		CHECK_STR(a.said.why, errors[i].text);
		answer_deinit(&a);
	}
	read_text(&a, ANSWER_TOKEN, 412,
		  "{\"error\":\"etcdserver: authentication is not enabled\",\"code\":9}");
	CHECK(a.no_users);
	answer_deinit(&a);
	read_text(&a, ANSWER_KEPT, 200,
		  "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\"}}");
	CHECK_INT(a.said.result, ETCD_UNCERTAIN);
	CHECK_STR(a.said.why, "etcdserver: no leader");
	answer_deinit(&a);
}

/* Of something else that stands there, or between. */
static void test_http(void)
{
	static const struct {
		long http;
		enum etcd_result result;
	} answers[] = {{302, ETCD_REFUSED},   {400, ETCD_REFUSED},   {404, ETCD_REFUSED},
		       {407, ETCD_REFUSED},   {408, ETCD_UNCERTAIN}, {429, ETCD_UNCERTAIN},
		       {500, ETCD_UNCERTAIN}, {501, ETCD_REFUSED},   {502, ETCD_UNCERTAIN},
		       {0, ETCD_UNCERTAIN},   {204, ETCD_UNCERTAIN}};
	static const char *const bodies[] = {"", "Not Found\n", "<html>", "{}", "[]", "{\"error\":7}"};
	struct answer a;

	for (size_t i = 0; i < countof(answers); i++) {
		for (size_t k = 0; k < countof(bodies); k++) {
			read_text(&a, ANSWER_KV, answers[i].http, bodies[k]);
			CHECK_INT(a.said.result, answers[i].result);
			answer_deinit(&a);
		}
	}
	read_text(&a, ANSWER_KV, 400, "CommonName of client sending a request\nagainst gateway");
	CHECK_STR(a.said.why, "it answers with HTTP 400: CommonName of client sending a request");
	answer_deinit(&a);
}

/* Nothing of that is believed: above all it is no "false". */
static void test_hostile(void)
{
	static const char *const kvs[] = {
	    "",
	    "null",
	    "7",
	    "[]",
	    "{}",
	    "{\"kvs\":[]}",
	    "{\"header\":{}}",
	    "{\"header\":{\"revision\":\"0\"}}",
	    "{\"header\":{\"revision\":\"-1\"}}",
	    "{\"header\":{\"revision\":-1}}",
	    "{\"header\":{\"revision\":1.5}}",
	    "{\"header\":{\"revision\":\"\"}}",
	    "{\"header\":{\"revision\":\"18446744073709551616\"}}",
	    "{\"header\":{\"revision\":\"99999999999999999999999999\"}}",
	    "{\"header\":{\"revision\":1e300}}",
	    "{\"header\":{\"revision\":true}}",
	    "{\"header\":[]}",
	    "{" HEADER ",\"succeeded\":\"true\"}",
	    "{" HEADER ",\"kvs\":7}",
	    "{" HEADER ",\"kvs\":[7]}",
	    "{" HEADER ",\"kvs\":[{}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":7}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"Y\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"value\":\"!\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"lease\":\"9223372036854775808\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"version\":[]}]}",
	    "{" HEADER ",\"more\":1}",
	    "{" HEADER ",\"count\":{}}",
	    "{" HEADER ",\"deleted\":\"x\"}",
	    "{" HEADER ",\"responses\":{}}",
	    "{" HEADER ",\"responses\":7}",
	    "{" HEADER ",\"responses\":[7]}",
	    "{" HEADER ",\"responses\":[{}]}",
	    "{" HEADER ",\"responses\":[{\"response_range\":7}]}",
	    "{" HEADER ",\"responses\":[{\"response_range\":{\"kvs\":[7]}}]}",
	    "{" HEADER ",\"responses\":[{\"response_delete_range\":7}]}",
	};
	struct answer a;

	for (size_t i = 0; i < countof(kvs); i++) {
		read_text(&a, ANSWER_KV, 200, kvs[i]);
		CHECK_INT(a.said.result, ETCD_UNCERTAIN);
		CHECK(!a.said.succeeded && a.said.n_ranges == 0 && a.said.revision == 0);
		answer_deinit(&a);
	}
	for (enum answer_kind kind = ANSWER_LEASE; kind < ANSWER_WATCH; kind++) {
		read_text(&a, kind, 200, "[]");
		CHECK_INT(a.said.result, ETCD_UNCERTAIN);
		answer_deinit(&a);
	}
	read_text(&a, ANSWER_KEPT, 200, "{\"result\":7}");
	CHECK_INT(a.said.result, ETCD_UNCERTAIN);
	answer_deinit(&a);
	read_text(&a, ANSWER_TOKEN, 200, "{" HEADER ",\"token\":7}");
	CHECK_INT(a.said.result, ETCD_UNCERTAIN);
	answer_deinit(&a);
}

/* Cut off anywhere. */
static void test_cut(void)
{
	static const char text[] =
	    "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[" KV
	    "],\"count\":\"1\"}}]}";
	struct answer a;

	for (size_t n = 0; n < strlen(text); n++) {
		char *copy = malloc(n + 1);
		memcpy(copy, text, n);
		answer_read(&a, ANSWER_KV, 200, (struct slice){copy, n});
		CHECK_INT(a.said.result, ETCD_UNCERTAIN);
		answer_deinit(&a);
		free(copy);
	}
}

static void watched_is(const char *text, enum etcd_result result, size_t n)
{
	struct watched w;

	watched_read(&w, slice_of(text));
	CHECK_INT(w.news.result, result);
	CHECK_INT(w.news.n, n);
	CHECK((result == ETCD_OK) == !w.news.why);
	if (n > 0)
		is_kv(&w.news.kvs[0]);
	watched_deinit(&w);
}

static void test_watch(void)
{
	watched_is("{\"result\":{" HEADER ",\"created\":true}}\n", ETCD_OK, 0);
	watched_is("{\"result\":{" HEADER "}}", ETCD_OK, 0);
	watched_is("{\"result\":{" HEADER ",\"events\":[{\"kv\":" KV "},{\"type\":\"PUT\",\"kv\":" KV "}]}}",
		   ETCD_OK, 2);
	watched_is("{\"result\":{" HEADER
		   ",\"events\":[{\"type\":\"DELETE\",\"kv\":{\"key\":\"YQ==\"}},{\"kv\":" KV "}]}}",
		   ETCD_OK, 1);
	watched_is("{\"result\":{" HEADER ",\"canceled\":true,\"compact_revision\":\"6\"}}", ETCD_COMPACTED,
		   0);
	watched_is("{\"result\":{" HEADER ",\"created\":true,\"canceled\":true,\"watch_id\":\"-1\","
		   "\"cancel_reason\":\"mvcc: watcher range is empty\"}}",
		   ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER
		   ",\"canceled\":true,\"cancel_reason\":\"rpc error: code = PermissionDenied "
		   "desc = etcdserver: permission denied\"}}",
		   ETCD_REFUSED, 0);
	watched_is("{\"result\":{" HEADER
		   ",\"canceled\":true,\"cancel_reason\":\"rpc error: code = InvalidArgument "
		   "desc = etcdserver: user name is empty\"}}",
		   ETCD_REFUSED, 0);
	watched_is("{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\","
		   "\"http_status\":\"Service Unavailable\"}}",
		   ETCD_UNCERTAIN, 0);
	watched_is("", ETCD_UNCERTAIN, 0);
	watched_is("{}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{}}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER ",\"events\":7}}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER ",\"events\":[7]}}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER ",\"events\":[{\"kv\":7}]}}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER ",\"events\":[{\"kv\":" KV "},{\"kv\":{}}]}}", ETCD_UNCERTAIN, 0);
	watched_is("{\"result\":{" HEADER ",\"canceled\":7}}", ETCD_UNCERTAIN, 0);
}

int main(void)
{
	test_range();
	test_txn();
	test_others();
	test_errors();
	test_http();
	test_hostile();
	test_cut();
	test_watch();
	return 0;
}
