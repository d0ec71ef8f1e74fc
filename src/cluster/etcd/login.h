/* Who the engine's user is: a token that every request brings, where there is one. */
#pragma once

#include "cluster/etcd/call.h"

/* The file's first line. */
int must_check login_password(const char *path, char **ret, struct diag *diag);

/* Is the call to wait until there is a token? Then one is asked for, unless it is already. */
bool login_is_awaited(struct etcd *e, const struct etcd_call *c);
/* One was asked for. */
void login_ended(struct etcd *e, const struct answer *a);
/* The engine does not know the call's token: is it to be tried again, once, with another? */
bool login_renews(struct etcd_call *c);
