#include "cluster/etcd/urls.h"

#include <curl/curl.h>
#include <errno.h>

static bool is_missing(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool missing = curl_url_get(url, part, &text, 0) != CURLUE_OK;

	curl_free(text);
	return missing;
}

static bool is(CURLU *url, CURLUPart part, const char *one, const char *other)
{
	char *text = NULL;
	bool same = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
		    (strcmp(text, one) == 0 || strcmp(text, other) == 0);

	curl_free(text);
	return same;
}

/* http://HOST:PORT and no more: a password has no business in it. */
static bool is_endpoint(const char *text)
{
	CURLU *url = curl_url();
	bool well = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
		    is(url, CURLUPART_SCHEME, "http", "https") && is(url, CURLUPART_PATH, "/", "") &&
		    is_missing(url, CURLUPART_USER) && is_missing(url, CURLUPART_PASSWORD) &&
		    is_missing(url, CURLUPART_QUERY) && is_missing(url, CURLUPART_FRAGMENT);

	curl_url_cleanup(url);
	return well;
}

/* Takes it. */
static int add(struct endpoints *e, char *url, struct diag *diag)
{
	size_t len = strlen(url);

	if (e->n == URLS_MAX || !is_endpoint(url)) {
		int r = e->n == URLS_MAX
			    ? diag_set(diag, -EINVAL, "more than %d endpoints of the engine", URLS_MAX)
			    : diag_set(diag, -EINVAL, "no endpoint of the engine, as http://HOST:PORT is: %s",
				       url);
		free(url);
		return r;
	}
	if (url[len - 1] == '/')
		url[len - 1] = '\0';
	e->urls[e->n++] = url;
	return 0;
}

int urls_read(const char *text, struct endpoints *ret, struct diag *diag)
{
	struct endpoints e = {.urls = calloc(URLS_MAX, sizeof(*e.urls))};
	int r = e.urls ? 0 : -ENOMEM;

	while (r == 0 && text) {
		const char *plus = strchr(text, '+');
		char *url = plus ? strndup(text, (size_t)(plus - text)) : strdup(text);
		r = url ? add(&e, url, diag) : -ENOMEM;
		text = plus ? plus + 1 : NULL;
	}
	if (r < 0)
		urls_deinit(&e);
	else
		*ret = e;
	return r;
}

void urls_deinit(struct endpoints *e)
{
	while (e->n > 0)
		free(e->urls[--e->n]);
	free(take_ptr(e->urls));
}
