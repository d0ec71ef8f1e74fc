#include "cluster/etcd/etcd.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cluster/etcd/call.h"
#include "cluster/etcd/login.h"

#define MORE 8 /* descriptors of a caller at most */
#define FOREVER_MS (3600 * 1000)

/* NULL stays NULL. */
static bool copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return *to || !text;
}

static int set_up(struct etcd *e, const struct etcd_options *options, struct diag *diag)
{
	int r = urls_read(options->urls, &e->endpoints, diag);

	if (r == 0 && options->user && !options->password_file)
		r = diag_set(diag, -EINVAL, "a user of the engine needs a file with a password");
	if (r == 0 && options->user)
		r = login_password(options->password_file, &e->password, diag);
	if (r < 0)
		return r;
	e->multi = curl_multi_init();
	if (!e->multi || !copy(&e->ca, options->ca) || !copy(&e->cert, options->cert) ||
	    !copy(&e->key, options->key) || !copy(&e->user, options->user))
		return diag_set(diag, -ENOMEM, "%s", strerror(ENOMEM));
	return 0;
}

int etcd_new(struct etcd **ret, const struct etcd_options *options, struct diag *diag)
{
	struct etcd *e;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return diag_set(diag, -ENOMEM, "libcurl can't be used");
	e = calloc(1, sizeof(*e));
	int r = e ? set_up(e, options, diag) : -ENOMEM;
	if (r == 0)
		*ret = e;
	else if (e)
		etcd_free(e);
	else
		curl_global_cleanup();
	return r;
}

void etcd_free(struct etcd *e)
{
	struct etcd_call *c;

	if (!e)
		return;
	while ((c = e->calls)) {
		e->calls = c->next;
		call_free(c);
	}
	while (e->n_idle > 0)
		curl_easy_cleanup(e->idle[--e->n_idle]);
	curl_multi_cleanup(e->multi);
	urls_deinit(&e->endpoints);
	free(e->ca);
	free(e->cert);
	free(e->key);
	free(e->user);
	free(e->password);
	free(e->token);
	free(e);
	curl_global_cleanup();
}

const char *etcd_endpoint(const struct etcd *e)
{
	return e->endpoints.urls[e->endpoints.now];
}

void etcd_move(struct etcd *e)
{
	e->endpoints.now = (e->endpoints.now + 1) % e->endpoints.n;
}

/* Those that are over, and no more on anybody's way. */
static void sweep(struct etcd *e)
{
	for (struct etcd_call **at = &e->calls, *c; (c = *at);) {
		if (c->state != CALL_OVER) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		call_free(c);
	}
}

void etcd_cancel(struct etcd_call *c)
{
	if (!c)
		return;
	c->state = CALL_OVER;
	call_stop(c);
	if (!c->e->waiting)
		sweep(c->e);
}

static void nobody(void *arg, const struct etcd_answer *answer)
{
}

void etcd_let_go(struct etcd_call *c)
{
	bool may = c->state == CALL_RUNS;

	for (const struct etcd_call *other = c->e->calls; other; other = other->next)
		may &= other->done != nobody || other->state == CALL_OVER;
	if (may)
		c->done = nobody;
	else
		etcd_cancel(c);
}

/* True: somebody was called back, so there may be something else to do than wait. */
static bool step(struct etcd *e)
{
	int running;

	e->told = false;
	do {
		curl_multi_perform(e->multi, &running);
		calls_read(e);
	} while (calls_start(e));
	return e->told;
}

_Static_assert(CURL_WAIT_POLLIN == POLLIN && CURL_WAIT_POLLOUT == POLLOUT, "curl means the same");

static int wait_for(struct etcd *e, const struct pollfd *more, size_t n, int timeout_ms)
{
	struct curl_waitfd fds[MORE];

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct curl_waitfd){.fd = more[i].fd, .events = more[i].events};
	CURLMcode r =
	    curl_multi_poll(e->multi, fds, (unsigned)n, timeout_ms < 0 ? FOREVER_MS : timeout_ms, NULL);
	if (r == CURLM_OUT_OF_MEMORY)
		return -ENOMEM;
	return r == CURLM_OK || errno == EINTR ? 0 : -EIO;
}

int etcd_wait(struct etcd *e, struct pollfd *more, size_t n, int timeout_ms)
{
	int r = 0;

	assert(n <= MORE && !e->waiting);
	e->waiting = true;
	if (!step(e)) {
		r = wait_for(e, more, n, timeout_ms);
		step(e);
	}
	e->waiting = false;
	sweep(e);
	/* curl does not tell all of it. */
	return r == 0 && n > 0 && poll(more, n, 0) < 0 && errno != EINTR ? -errno : r;
}
