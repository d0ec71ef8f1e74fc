#include "cluster/etcd/fault.h"

enum grpc_code {
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_UNAUTHENTICATED = 16,
};

static enum etcd_result by_code(int code)
{
	switch (code) {
	case GRPC_INVALID_ARGUMENT:
	case GRPC_NOT_FOUND:
	case GRPC_ALREADY_EXISTS:
	case GRPC_PERMISSION_DENIED:
	case GRPC_FAILED_PRECONDITION:
	case GRPC_OUT_OF_RANGE:
	case GRPC_UNIMPLEMENTED:
	case GRPC_UNAUTHENTICATED:
		return ETCD_REFUSED;
	default:
		return ETCD_UNCERTAIN;
	}
}

struct fault fault_of(int code, const char *text)
{
	static const struct {
		const char *part;
		struct fault fault;
	} known[] = {
	    {"database space exceeded", {.result = ETCD_FULL}},
	    {"revision has been compacted", {.result = ETCD_COMPACTED}},
	    {"lease not found", {.result = ETCD_NO_LEASE}},
	    {"larger than max", {.result = ETCD_REFUSED}},
	    {"invalid auth token", {.result = ETCD_REFUSED, .unknown_user = true}},
	    {"user name is empty", {.result = ETCD_REFUSED, .unknown_user = true}},
	    {"revision of auth store is old", {.result = ETCD_REFUSED, .unknown_user = true}},
	    {"authentication is not enabled", {.result = ETCD_REFUSED, .no_users = true}},
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (strstr(text, known[i].part))
			return known[i].fault;
	}
	return (struct fault){.result = by_code(code), .unknown_user = code == GRPC_UNAUTHENTICATED};
}

struct fault fault_of_http(long http)
{
	bool later = http == 408 || http == 429; /* a proxy's, as are most from 500 on */
	bool never = (http >= 300 && http < 500 && !later) || http == 501;

	return (struct fault){.result = never ? ETCD_REFUSED : ETCD_UNCERTAIN};
}
