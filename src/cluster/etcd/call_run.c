/* One request to one endpoint, by libcurl. */
#include <errno.h>

#include "base/clock.h"
#include "cluster/etcd/call.h"

#define CONNECT_MS 2000
#define IDLE_S 10 /* until a connection is asked whether it still is one */
#define IN_BYTES (256l << 10)
#define OUT_BYTES (512l << 10)
/* Longer ones are not believed. A watch's lines are fragments of a batch or two. */
#define ANSWER_MAX (128u << 20)

static size_t take_bytes(char *data, size_t size, size_t n, void *arg)
{
	struct etcd_call *c = arg;

	c->too_long = n > ANSWER_MAX - c->got.len;
	if (c->too_long)
		return CURL_WRITEFUNC_ERROR;
	buf_add(&c->got, data, n);
	return c->got.failed ? CURL_WRITEFUNC_ERROR : n;
}

/* What holds for all requests. No environment, no other protocol, nowhere else than asked. */
static CURL *new_easy(const struct etcd *e)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)IDLE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)IDLE_S);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, IN_BYTES);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, OUT_BYTES);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, e->ca); /* NULL: the system's */
	curl_easy_setopt(easy, CURLOPT_SSLCERT, e->cert);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, e->key);
	return easy;
}

static bool add_header(struct etcd_call *c, const char *text)
{
	struct curl_slist *list = curl_slist_append(c->headers, text);

	if (list)
		c->headers = list;
	return list;
}

/* Without Expect no large body waits for a leave to come. */
static bool add_headers(struct etcd_call *c)
{
	auto_buf struct buf token = {0};

	if (!add_header(c, "Content-Type: application/json") || !add_header(c, "Expect:") ||
	    (c->needs_leader && !add_header(c, "Grpc-Metadata-hasleader: true")))
		return false;
	if (c->kind == ANSWER_TOKEN || !c->e->token || !*c->e->token)
		return true;
	buf_printf(&token, "Authorization: %s", c->e->token);
	buf_add_char(&token, '\0');
	return !token.failed && add_header(c, token.data);
}

/* 0 is no timeout for curl. */
static long left_ms(const struct etcd_call *c)
{
	uint64_t now = clock_ms();

	if (c->until_ms == CLOCK_FOREVER)
		return 0;
	return c->until_ms > now ? (long)(c->until_ms - now) : 1;
}

static int set_up(struct etcd_call *c)
{
	const struct endpoints *to = &c->e->endpoints;
	auto_buf struct buf url = {0};

	c->endpoint = to->now;
	c->token = c->e->n_tokens;
	buf_printf(&url, "%s%s", to->urls[to->now], c->path);
	buf_add_char(&url, '\0');
	if (url.failed || !add_headers(c) || curl_easy_setopt(c->easy, CURLOPT_URL, url.data) != CURLE_OK)
		return -ENOMEM;
	c->error[0] = '\0';
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, left_ms(c));
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->request.len);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->request.data);
	return curl_multi_add_handle(c->e->multi, c->easy) == CURLM_OK ? 0 : -ENOMEM;
}

int call_run(struct etcd_call *c)
{
	struct etcd *e = c->e;

	buf_clear(&c->got);
	c->too_long = false;
	c->easy = e->n_idle > 0 ? e->idle[--e->n_idle] : new_easy(e);
	int r = c->easy ? set_up(c) : -ENOMEM;
	if (r < 0)
		call_stop(c);
	else
		c->state = CALL_RUNS;
	return r;
}

void call_stop(struct etcd_call *c)
{
	struct etcd *e = c->e;

	if (c->easy) {
		curl_multi_remove_handle(e->multi, c->easy);
		curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
		if (e->n_idle < countof(e->idle))
			e->idle[e->n_idle++] = c->easy;
		else
			curl_easy_cleanup(c->easy);
		c->easy = NULL;
	}
	curl_slist_free_all(take_ptr(c->headers));
}

bool call_was_unsent(struct etcd_call *c)
{
	long sent = 0;

	return curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0;
}
