/* The word to systemd that a service of Type=notify is up: a datagram, see sd_notify(3). */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un to;
	socklen_t len; /* 0: nobody waits for it */
};

/* Takes the socket's name out of the environment, so that no child has it. While there is one thread. */
void notify_take(struct notify *ret);
/* "READY=1" and the like. */
void notify_send(const struct notify *n, const char *state);
