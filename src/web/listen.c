#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/defs.h"

#define BACKLOG 1024

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value > 65535)
		return false;
	*ret = (uint16_t)value;
	return true;
}

/* The host's part of ADDRESS:PORT into `host`, and the port. */
static bool split(const char *where, char *host, size_t size, uint16_t *port)
{
	const char *colon = strrchr(where, ':');
	size_t len;

	if (!colon || !parse_port(colon + 1, port))
		return false;
	len = (size_t)(colon - where);
	if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	} else if (memchr(where, ':', len)) {
		return false;
	}
	if (len >= size)
		return false;
	memcpy(host, where, len);
	host[len] = 0;
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	return true;
}

static bool parse_address(const char *where, union address *ret)
{
	char host[INET6_ADDRSTRLEN + 1];
	uint16_t port;

	*ret = (union address){0};
	if (!split(where, host, sizeof(host), &port))
		return false;
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		return true;
	}
	return false;
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static int open_inet(struct listener *l, const char *where, bool allow_remote, struct diag *diag)
{
	char text[INET6_ADDRSTRLEN];
	union address a;
	socklen_t len;
	int one = 1;

	if (!parse_address(where, &a))
		return diag_set(diag, -EINVAL, "%s is not ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH", where);
	if (!allow_remote && !is_loopback(&a))
		return diag_set(diag, -EINVAL,
				"%s can be reached from other machines: say --allow-remote if it may", where);
	len = a.any.sa_family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
	l->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(l->fd, &a.any, len) < 0 || listen(l->fd, BACKLOG) < 0 ||
	    getsockname(l->fd, &a.any, &len) < 0)
		return diag_set(diag, -errno, "cannot listen on %s: %s", where, strerror(errno));
	if (a.any.sa_family == AF_INET) {
		l->port = ntohs(a.v4.sin_port);
		snprintf(l->address, sizeof(l->address), "%s:%u",
			 inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof(text)), l->port);
	} else {
		l->port = ntohs(a.v6.sin6_port);
		snprintf(l->address, sizeof(l->address), "[%s]:%u",
			 inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof(text)), l->port);
	}
	return 0;
}

/* Removes the socket's file of a server that is gone. */
static int clear_way(const struct sockaddr_un *a, struct diag *diag)
{
	auto_close int fd = -1;
	struct stat st;

	if (lstat(a->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return diag_set(diag, -EEXIST, "%s is there, and no socket", a->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return diag_set(diag, -errno, "no socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0)
		return diag_set(diag, -EADDRINUSE, "somebody listens on %s already", a->sun_path);
	if (errno == ECONNREFUSED && unlink(a->sun_path) < 0)
		return diag_set(diag, -errno, "cannot replace %s: %s", a->sun_path, strerror(errno));
	return 0;
}

static int open_unix(struct listener *l, const char *path, struct diag *diag)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(a.sun_path) || !*path)
		return diag_set(diag, -EINVAL, "the socket's name is empty or too long: %s", path);
	strcpy(a.sun_path, path);
	r = clear_way(&a, diag);
	if (r < 0)
		return r;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	r = l->fd < 0 || bind(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(l->fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return diag_set(diag, r, "cannot listen on %s: %s", path, strerror(-r));
	l->is_unix = true;
	strcpy(l->path, path);
	return 0;
}

int listener_open(struct listener *l, const char *where, bool allow_remote, struct diag *diag)
{
	int r;

	*l = (struct listener){.fd = -1};
	r = strncmp(where, "unix:", 5) == 0 ? open_unix(l, where + 5, diag)
					    : open_inet(l, where, allow_remote, diag);
	if (r < 0)
		listener_close(l);
	return r;
}

void listener_close(struct listener *l)
{
	if (l->is_unix)
		unlink(l->path);
	closep(&l->fd);
	*l = (struct listener){.fd = -1};
}
