#include "cli/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/defs.h"

void notify_take(struct notify *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	*ret = (struct notify){.to.sun_family = AF_UNIX};
	if (len > 1 && len < sizeof(ret->to.sun_path) && (*path == '/' || *path == '@')) {
		memcpy(ret->to.sun_path, path, len);
		/* An abstract name begins with a zero. */
		if (*path == '@')
			ret->to.sun_path[0] = '\0';
		ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	unsetenv("NOTIFY_SOCKET");
}

void notify_send(const struct notify *n, const char *state)
{
	auto_close int fd = n->len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	/* Where that fails, who waits sees it in time by himself. */
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
			      n->len);
}
