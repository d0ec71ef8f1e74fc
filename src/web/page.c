#include "web/page.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "web/answer.h"
#include "web/condition.h"

static const struct {
	const char *end, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".woff2", "font/woff2"},
};

static const char *type_of(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < countof(types); i++) {
		size_t n = strlen(types[i].end);

		if (len > n && strcmp(name + len - n, types[i].end) == 0)
			return types[i].type;
	}
	return "text/plain; charset=utf-8";
}

static int open_in(int dir, const char *name)
{
	struct open_how how = {
	    .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, *name ? name : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static enum MHD_Result not_found(struct MHD_Connection *connection)
{
	return answer_problem(connection, MHD_HTTP_NOT_FOUND, "Not found",
			      SLICE("there is nothing of this name"), "");
}

static enum MHD_Result send_on(struct MHD_Connection *connection, const char *url)
{
	struct MHD_Response *response = answer_empty();
	char to[2048];

	snprintf(to, sizeof(to), "%s/", url);
	answer_header(response, "Location", to);
	return answer_send(connection, MHD_HTTP_PERMANENT_REDIRECT, response);
}

static enum MHD_Result send_file(struct MHD_Connection *connection, int fd, const struct stat *st,
				 const char *name)
{
	const char *known = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match");
	struct MHD_Response *response;
	char etag[96];

	snprintf(etag, sizeof(etag), "\"%llx-%llx-%lx\"", (unsigned long long)st->st_size,
		 (unsigned long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (condition_has(known, etag)) {
		close(fd);
		response = answer_empty();
		answer_header(response, "ETag", etag);
		return answer_send(connection, MHD_HTTP_NOT_MODIFIED, response);
	}
	response = MHD_create_response_from_fd64((uint64_t)st->st_size, fd);
	if (!response) {
		close(fd);
		return MHD_NO;
	}
	answer_header(response, "Content-Type", type_of(name));
	answer_header(response, "ETag", etag);
	return answer_send(connection, MHD_HTTP_OK, response);
}

enum MHD_Result page_get(struct MHD_Connection *connection, int dir, const char *name, const char *url)
{
	auto_close int fd = open_in(dir, name);
	struct stat st;
	char index[2048];

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (url[strlen(url) - 1] != '/')
			return send_on(connection, url);
		snprintf(index, sizeof(index), "%s%sindex.html", name, *name ? "/" : "");
		name = index;
		close(fd);
		fd = open_in(dir, name);
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return not_found(connection);
	return send_file(connection, take_fd(&fd), &st, name);
}
