#include "web/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/defs.h"
#include "base/slice.h"

#define SHORTEST 16 /* of a token in a file */

static int read_token(struct access *a, const char *path, struct diag *diag)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
	if (st.st_mode & S_IRWXO)
		return diag_set(diag, -EINVAL, "%s: others may read the token; chmod o= it", path);
	n = read(fd, a->token, sizeof(a->token) - 1);
	if (n < 0)
		return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
	while (n > 0 && (a->token[n - 1] == '\n' || a->token[n - 1] == '\r' || a->token[n - 1] == ' '))
		n--;
	a->token[n] = 0;
	if (n < SHORTEST ||
	    strspn(a->token, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") != (size_t)n)
		return diag_set(diag, -EINVAL, "%s: a token is %d to 127 letters, digits, '_' and '-'", path,
				SHORTEST);
	return 0;
}

int access_init(struct access *a, const struct options *options, bool is_unix, uint16_t port,
		struct diag *diag)
{
	unsigned char random[16];

	*a = (struct access){.hosts = options->hosts, .n_hosts = options->n_hosts};
	/* Cookies are a host's, not a port's: two servers must not forget each other's. */
	snprintf(a->cookie, sizeof(a->cookie), "eventfold-%u", port);
	if (options->token_file)
		return read_token(a, options->token_file, diag);
	if (options->no_token || is_unix)
		return 0;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return diag_set(diag, -EIO, "no random bytes for a token");
	for (size_t i = 0; i < sizeof(random); i++)
		sprintf(a->token + 2 * i, "%02x", random[i]);
	return 0;
}

/* Takes as long wherever the difference is. */
static bool is_token(const struct access *a, const char *given)
{
	size_t len = strlen(a->token);
	unsigned difference;

	if (!given || strlen(given) != len)
		return false;
	difference = 0;
	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char)(a->token[i] ^ given[i]);
	return difference == 0;
}

static bool is_address(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[sizeof(struct in6_addr)];
	bool is_v6 = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';

	if (is_v6)
		host = (struct slice){host.data + 1, host.len - 2};
	if (host.len >= sizeof(text))
		return false;
	memcpy(text, host.data, host.len);
	text[host.len] = 0;
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}

/* A page of elsewhere whose name's owner points it at this machine calls the server by that name.
 * Addresses can't be pointed. */
static bool is_our_name(const struct access *a, const char *header)
{
	struct slice host = slice_of(header);
	const char *end = memrchr(host.data, ':', host.len);

	if (end && !memchr(end, ']', (size_t)(host.data + host.len - end)))
		host.len = (size_t)(end - host.data);
	if (is_address(host) || (host.len == 9 && strncasecmp(host.data, "localhost", 9) == 0))
		return true;
	for (unsigned i = 0; i < a->n_hosts; i++)
		if (strlen(a->hosts[i]) == host.len && strncasecmp(a->hosts[i], host.data, host.len) == 0)
			return true;
	return false;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Whoever has sent the browser here by a link may, the pages' own requests may; nobody else's. */
static bool is_from_here(struct MHD_Connection *connection, const char *host)
{
	const char *origin = header(connection, "Origin"), *site = header(connection, "Sec-Fetch-Site");
	const char *mode = header(connection, "Sec-Fetch-Mode"), *dest = header(connection, "Sec-Fetch-Dest");

	if (origin) {
		const char *name = strstr(origin, "://");

		if (!name || (strncmp(origin, "http:", 5) != 0 && strncmp(origin, "https:", 6) != 0) ||
		    strcasecmp(name + 3, host) != 0)
			return false;
	}
	if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
		return true;
	return !origin && mode && strcmp(mode, "navigate") == 0 && dest && strcmp(dest, "document") == 0;
}

enum access_answer access_check(const struct access *a, struct MHD_Connection *connection)
{
	const char *host = header(connection, "Host"), *bearer = header(connection, "Authorization");

	if (!host || !is_our_name(a, host))
		return ACCESS_HOST;
	if (!is_from_here(connection, host))
		return ACCESS_ORIGIN;
	if (!a->token[0])
		return ACCESS_OK;
	if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0 && is_token(a, bearer + 7))
		return ACCESS_OK;
	if (is_token(a, MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token")))
		return ACCESS_INTRODUCED;
	return is_token(a, MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, a->cookie))
		   ? ACCESS_OK
		   : ACCESS_TOKEN;
}
