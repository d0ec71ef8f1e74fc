/* What the engine's errors mean. Pure. */
#pragma once

#include "cluster/etcd/etcd.h"

#define FAULT_NO_CODE (-1)

struct fault {
	enum etcd_result result;
	bool unknown_user; /* the token is none, or none any more */
	bool no_users;     /* nobody needs a token there */
};
/* `code` is gRPC's. */
struct fault fault_of(int code, const char *text);
/* Without a code: by HTTP's. */
struct fault fault_of_http(long http);
