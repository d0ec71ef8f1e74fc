/* All requests of a client: they start, come to an end, or start anew elsewhere. */
#include "base/clock.h"
#include "cluster/etcd/login.h"

struct etcd_call *call_new(struct etcd *e, enum answer_kind kind, const char *path, struct buf *body,
			   unsigned timeout_ms)
{
	struct etcd_call *c = body->failed ? NULL : calloc(1, sizeof(*c));

	if (!c) {
		buf_deinit(body);
		return NULL;
	}
	c->e = e;
	c->kind = kind;
	c->path = path;
	c->request = *body;
	c->until_ms = kind == ANSWER_WATCH ? CLOCK_FOREVER : clock_ms() + timeout_ms;
	c->next = e->calls;
	e->calls = c;
	return c;
}

void call_free(struct etcd_call *c)
{
	call_stop(c);
	buf_deinit(&c->request);
	buf_deinit(&c->got);
	free(c);
}

/* It is the last time that it is called back. */
static void finish(struct etcd_call *c, const struct answer *a)
{
	c->state = CALL_OVER;
	if (c->kind == ANSWER_TOKEN) {
		login_ended(c->e, a);
		return;
	}
	c->e->told = true;
	if (c->told)
		c->told(c->arg, &(struct etcd_news){.result = a->said.result, .why = a->said.why});
	else
		c->done(c->arg, &a->said);
}

static void fail(struct etcd_call *c, enum etcd_result result, const char *why)
{
	struct answer a;

	answer_missing(&a, why);
	a.said.result = result;
	finish(c, &a);
}

void calls_fail_waiting(struct etcd *e, const struct answer *a)
{
	for (struct etcd_call *c = e->calls; c; c = c->next) {
		if (c->state == CALL_TO_START)
			finish(c, a);
	}
}

/* Others, too, are better off elsewhere, unless they are there already. */
static void leave(const struct etcd_call *c)
{
	if (c->e->endpoints.now == c->endpoint)
		etcd_move(c->e);
}

/* That does not mend itself. */
static bool is_of_certificates(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
	       code == CURLE_SSL_CACERT_BADFILE;
}

/* There is no answer. What has not left this machine may be asked of the next one. */
static void lost(struct etcd_call *c, CURLcode code, bool unsent)
{
	const struct endpoints *e = &c->e->endpoints;
	struct diag why = {0};

	leave(c);
	if (unsent && ++c->tries < e->n && clock_ms() < c->until_ms) {
		c->state = CALL_TO_START;
		return;
	}
	diag_set(&why, 0, "%s: %s", e->urls[c->endpoint],
		 c->too_long   ? "its answer is too long"
		 : c->error[0] ? c->error
			       : curl_easy_strerror(code));
	fail(c, unsent && is_of_certificates(code) ? ETCD_REFUSED : ETCD_UNCERTAIN, why.text);
}

static void answered(struct etcd_call *c, long http)
{
	struct answer a;

	if (c->kind == ANSWER_WATCH && http == 200)
		answer_missing(&a, "the watch has ended");
	else
		answer_read(&a, c->kind, http, buf_slice(&c->got));
	if (a.unknown_user && login_renews(c)) {
		c->state = CALL_TO_START;
	} else {
		if (a.said.result == ETCD_UNCERTAIN)
			leave(c);
		finish(c, &a);
	}
	answer_deinit(&a);
}

static void tell_line(struct etcd_call *c, struct slice line)
{
	struct watched w;

	watched_read(&w, line);
	if (w.news.result != ETCD_OK)
		call_stop(c);
	if (w.unknown_user && login_renews(c)) {
		c->state = CALL_TO_START;
	} else {
		c->e->told = true;
		if (w.news.result != ETCD_OK)
			c->state = CALL_OVER;
		if (w.news.result == ETCD_UNCERTAIN)
			leave(c);
		c->told(c->arg, &w.news);
	}
	watched_deinit(&w);
}

/* Of a watch: those of its lines that are whole. */
static void tell_lines(struct etcd_call *c)
{
	size_t at = 0;
	char *nl;

	while (c->state == CALL_RUNS && c->got.len > at &&
	       (nl = memchr(c->got.data + at, '\n', c->got.len - at))) {
		size_t next = (size_t)(nl + 1 - c->got.data);
		tell_line(c, (struct slice){c->got.data + at, next - at});
		at = next;
	}
	buf_drop(&c->got, at);
}

static long http_status(struct etcd_call *c)
{
	long status = 0;

	return curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

static void ended(struct etcd_call *c, CURLcode code)
{
	bool unsent = code != CURLE_OK && call_was_unsent(c);
	long http = http_status(c);

	if (c->kind == ANSWER_WATCH && http == 200)
		tell_lines(c);
	if (c->state != CALL_RUNS)
		return;
	call_stop(c);
	if (code != CURLE_OK)
		lost(c, code, unsent);
	else
		answered(c, http);
}

bool calls_start(struct etcd *e)
{
	bool some = false;

	/* The first loop may ask for a token, which the second one then starts. */
	for (struct etcd_call *c = e->calls; c; c = c->next) {
		if (c->state == CALL_TO_START && login_is_awaited(e, c) && !e->authenticating)
			fail(c, ETCD_UNCERTAIN, "no memory");
	}
	for (struct etcd_call *c = e->calls; c; c = c->next) {
		if (c->state != CALL_TO_START || login_is_awaited(e, c))
			continue;
		some = true;
		if (call_run(c) < 0)
			fail(c, ETCD_UNCERTAIN, "no memory");
	}
	return some;
}

void calls_read(struct etcd *e)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(e->multi, &left))) {
		CURLcode code = m->data.result;
		char *c = NULL;
		if (m->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c) == CURLE_OK)
			ended((struct etcd_call *)(void *)c, code);
	}
	for (struct etcd_call *c = e->calls; c; c = c->next) {
		if (c->kind == ANSWER_WATCH && c->state == CALL_RUNS && c->got.len > 0 &&
		    http_status(c) == 200)
			tell_lines(c);
	}
}
