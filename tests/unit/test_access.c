/* Who is let in, as a table: requests are lists of headers, which the HTTP library's one function that is
 * asked for them reads here. */
#include "check.h"

#include <microhttpd.h>
#include <strings.h>

#include "base/defs.h"
#include "web/access.h"

struct MHD_Connection {
	const char *host, *origin, *site, *mode, *dest, *bearer, *argument, *cookie;
};

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *key)
{
	const struct {
		const char *name, *value;
	} headers[] = {
	    {"Host", c->host},           {"Origin", c->origin},       {"Sec-Fetch-Site", c->site},
	    {"Sec-Fetch-Mode", c->mode}, {"Sec-Fetch-Dest", c->dest}, {"Authorization", c->bearer},
	};

	if (kind == MHD_GET_ARGUMENT_KIND)
		return strcmp(key, "token") == 0 ? c->argument : NULL;
	if (kind == MHD_COOKIE_KIND)
		return strcmp(key, "eventfold-8089") == 0 ? c->cookie : NULL;
	for (size_t i = 0; i < countof(headers); i++)
		if (strcasecmp(headers[i].name, key) == 0)
			return headers[i].value;
	return NULL;
}

#define TOKEN "0123456789abcdef"
#define HERE "127.0.0.1:8089"

static const struct {
	const char *what;
	struct MHD_Connection request;
	enum access_answer with_token, without;
} rows[] = {
    {"nothing", {0}, ACCESS_HOST, ACCESS_HOST},
    {"an address", {.host = HERE}, ACCESS_TOKEN, ACCESS_OK},
    {"its name", {.host = "localhost"}, ACCESS_TOKEN, ACCESS_OK},
    {"its name, with a port", {.host = "LocalHost:1"}, ACCESS_TOKEN, ACCESS_OK},
    {"a name it was given", {.host = "log.example:80"}, ACCESS_TOKEN, ACCESS_OK},
    {"a longer one", {.host = "log.example.org"}, ACCESS_HOST, ACCESS_HOST},
    {"a shorter one", {.host = "log.exampl"}, ACCESS_HOST, ACCESS_HOST},
    {"another name", {.host = "evil.example"}, ACCESS_HOST, ACCESS_HOST},
    {"almost an address", {.host = "127.0.0.1.evil.example"}, ACCESS_HOST, ACCESS_HOST},
    {"an address of four", {.host = "10.0.0.1"}, ACCESS_TOKEN, ACCESS_OK},
    {"an address of six", {.host = "[::1]:8089"}, ACCESS_TOKEN, ACCESS_OK},
    {"without its brackets", {.host = "::1"}, ACCESS_HOST, ACCESS_HOST},
    {"half a bracket", {.host = "[::1"}, ACCESS_HOST, ACCESS_HOST},
    {"no name", {.host = ""}, ACCESS_HOST, ACCESS_HOST},
    {"only a port", {.host = ":80"}, ACCESS_HOST, ACCESS_HOST},
    {"empty brackets", {.host = "[]"}, ACCESS_HOST, ACCESS_HOST},

    {"the token", {.host = HERE, .bearer = "Bearer " TOKEN}, ACCESS_OK, ACCESS_OK},
    {"in other letters", {.host = HERE, .bearer = "bearer " TOKEN}, ACCESS_OK, ACCESS_OK},
    {"a shorter token", {.host = HERE, .bearer = "Bearer 0123456789abcde"}, ACCESS_TOKEN, ACCESS_OK},
    {"a longer token", {.host = HERE, .bearer = "Bearer " TOKEN "0"}, ACCESS_TOKEN, ACCESS_OK},
    {"no token", {.host = HERE, .bearer = "Bearer "}, ACCESS_TOKEN, ACCESS_OK},
    {"another kind", {.host = HERE, .bearer = "Basic " TOKEN}, ACCESS_TOKEN, ACCESS_OK},
    {"in the address", {.host = HERE, .argument = TOKEN}, ACCESS_INTRODUCED, ACCESS_OK},
    {"a wrong one in the address", {.host = HERE, .argument = "x"}, ACCESS_TOKEN, ACCESS_OK},
    {"an empty one in the address", {.host = HERE, .argument = ""}, ACCESS_TOKEN, ACCESS_OK},
    {"the cookie", {.host = HERE, .cookie = TOKEN}, ACCESS_OK, ACCESS_OK},
    {"a wrong cookie", {.host = HERE, .cookie = "0123456789abcdeg"}, ACCESS_TOKEN, ACCESS_OK},
    {"a wrong one, and the cookie", {.host = HERE, .argument = "x", .cookie = TOKEN}, ACCESS_OK, ACCESS_OK},

    {"its own page", {.host = HERE, .origin = "http://" HERE, .cookie = TOKEN}, ACCESS_OK, ACCESS_OK},
    {"behind one that speaks TLS",
     {.host = "log.example", .origin = "https://log.example", .cookie = TOKEN},
     ACCESS_OK,
     ACCESS_OK},
    {"another origin",
     {.host = HERE, .origin = "http://evil.example", .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"another port",
     {.host = HERE, .origin = "http://127.0.0.1:1", .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"none that it tells", {.host = HERE, .origin = "null", .cookie = TOKEN}, ACCESS_ORIGIN, ACCESS_ORIGIN},
    {"an empty one", {.host = HERE, .origin = "", .cookie = TOKEN}, ACCESS_ORIGIN, ACCESS_ORIGIN},
    {"a file", {.host = HERE, .origin = "file://" HERE, .cookie = TOKEN}, ACCESS_ORIGIN, ACCESS_ORIGIN},
    {"of another origin, with the token",
     {.host = HERE, .origin = "http://evil.example", .bearer = "Bearer " TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"the page's own picture", {.host = HERE, .site = "same-origin", .cookie = TOKEN}, ACCESS_OK, ACCESS_OK},
    {"typed by somebody", {.host = HERE, .site = "none", .cookie = TOKEN}, ACCESS_OK, ACCESS_OK},
    {"another one's picture",
     {.host = HERE, .site = "cross-site", .mode = "no-cors", .dest = "image", .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"another port's picture",
     {.host = HERE, .site = "same-site", .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"a link that was sent",
     {.host = HERE, .site = "cross-site", .mode = "navigate", .dest = "document", .cookie = TOKEN},
     ACCESS_OK,
     ACCESS_OK},
    {"a frame",
     {.host = HERE, .site = "cross-site", .mode = "navigate", .dest = "iframe", .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
    {"a form that is sent here",
     {.host = HERE,
      .origin = "http://evil.example",
      .site = "cross-site",
      .mode = "navigate",
      .dest = "document",
      .cookie = TOKEN},
     ACCESS_ORIGIN,
     ACCESS_ORIGIN},
};

int main(void)
{
	struct options options = {.hosts = {"log.example"}, .n_hosts = 1};
	struct access with, without, another;
	struct diag diag = {0};

	CHECK_INT(access_init(&with, &options, false, 8089, &diag), 0);
	CHECK_INT(access_init(&another, &options, false, 8089, &diag), 0);
	CHECK(strlen(with.token) == 32 && strcmp(with.token, another.token) != 0);
	strcpy(with.token, TOKEN);
	options.no_token = true;
	CHECK_INT(access_init(&without, &options, false, 8089, &diag), 0);
	CHECK_STR(without.token, "");
	options.no_token = false;
	CHECK_INT(access_init(&another, &options, true, 0, &diag), 0); /* a socket's file */
	CHECK_STR(another.token, "");
	for (size_t i = 0; i < countof(rows); i++) {
		struct MHD_Connection request = rows[i].request;

		fprintf(stderr, "%s\n", rows[i].what);
		CHECK_INT(access_check(&with, &request), rows[i].with_token);
		CHECK_INT(access_check(&without, &request), rows[i].without);
	}
	return 0;
}
