#include "web/answer.h"

#include <errno.h>
#include <stdio.h>

#include "web/mountpoint.h"

void answer_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (response)
		MHD_add_response_header(response, name, value);
}

struct MHD_Response *answer_empty(void)
{
	return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result answer_send(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	answer_header(response, "X-Content-Type-Options", "nosniff");
	answer_header(response, "X-Frame-Options", "DENY");
	answer_header(response, "Referrer-Policy", "no-referrer");
	answer_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	answer_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	answer_header(response, "Content-Security-Policy",
		      "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
		      "object-src 'none'");
	if (!MHD_get_response_header(response, "Cache-Control"))
		answer_header(response, "Cache-Control", "no-cache");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *type,
			    struct slice text)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(text.len, (void *)text.data, MHD_RESPMEM_MUST_COPY);

	answer_header(response, "Content-Type", type);
	return answer_send(connection, status, response);
}

enum MHD_Result answer_problem(struct MHD_Connection *connection, unsigned status, const char *title,
			       struct slice detail, const char *more)
{
	auto_buf struct buf b = {0};

	buf_printf(&b, "{\"type\":\"about:blank\",\"status\":%u,\"title\":", status);
	buf_add_json(&b, slice_of(title));
	buf_add_str(&b, ",\"detail\":");
	buf_add_json(&b, detail);
	buf_add_str(&b, more);
	buf_add_str(&b, "}\n");
	if (buf_error(&b) < 0)
		return MHD_NO;
	return answer_text(connection, status, "application/problem+json", buf_slice(&b));
}

enum MHD_Result answer_too_busy(struct MHD_Connection *connection)
{
	return answer_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Too busy",
			      SLICE("too much is being sent already"), "");
}

/* "views/count.json" is broken: what "views/count.error" says, or the error itself. */
static size_t why_broken(const char *name, const char *mnt, char *out, size_t size)
{
	const char *base = strrchr(name, '/'), *dot = strrchr(name, '.');
	char path[256];
	ssize_t n = -1;

	if (base && dot > base && strncmp(name, "views/", 6) == 0) {
		snprintf(path, sizeof(path), "%.*s.error", (int)(dot - name), name);
		n = mountpoint_read(mnt, path, out, size);
	}
	while (n > 0 && out[n - 1] == '\n')
		n--;
	return n > 0 ? (size_t)n : (size_t)snprintf(out, size, "it cannot be read");
}

enum MHD_Result answer_error(struct MHD_Connection *connection, int error, const char *name, const char *mnt)
{
	char why[1024];

	switch (-error) {
	case ENODEV:
	case ENOTCONN:
	case ECONNABORTED:
		return answer_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Nothing is mounted",
				      SLICE("the mount is gone; try again when it is back"), "");
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
	case ENAMETOOLONG:
	case EINVAL:
		return answer_problem(connection, MHD_HTTP_NOT_FOUND, "Not found",
				      SLICE("the mount has no file of this name"), "");
	case EACCES:
	case EPERM:
		return answer_problem(connection, MHD_HTTP_FORBIDDEN, "Not allowed",
				      SLICE("this file is not for the server's user"), "");
	case EIO:
		return answer_problem(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "Broken",
				      (struct slice){why, why_broken(name, mnt, why, sizeof(why))}, "");
	default:
		return answer_problem(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "Failed",
				      slice_of(strerror(-error)), "");
	}
}
