#include "model/views/member.h"

#include <string.h>

int member_start(struct worker_handle **ret, const struct worker_limits *limits, struct eventlog *log,
		 uint64_t head, struct diag *why)
{
	struct worker_handle *h;

	int r = worker_handle_start(&h, limits, why);
	if (r < 0)
		return r;
	r = worker_handle_publish_to(h, log, head);
	if (r < 0) {
		member_end(h, "it could not be told of the log");
		return diag_set(why, r, "cannot tell a fold worker of the log: %s", strerror(-r));
	}
	*ret = h;
	return 0;
}

void member_end(struct worker_handle *h, const char *why)
{
	struct worker_end end;

	if (!h)
		return;
	worker_handle_kill(h, BLAME_OUTSIDE, why);
	worker_handle_reap(h, &end);
	worker_handle_unref(h);
}
