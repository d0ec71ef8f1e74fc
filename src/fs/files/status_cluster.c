#include "fs/files/status_cluster.h"

#include "base/json_add.h"

/* Where the engine stands, as far as that is known, and how much of it is not here yet. */
static void add_head(struct buf *b, const struct cluster_status *s, uint64_t here)
{
	if (!s->head.sha[0]) {
		buf_add_str(b, ",\"head\":null,\"lag\":null");
		return;
	}
	uint64_t head = max(s->head.off, here);
	json_add_u64(b, "head", head);
	json_add_u64(b, "lag", head - here);
}

void status_cluster(struct mount *m, struct buf *b)
{
	static const char *const states[] = {
	    [CLUSTER_JOINING] = "joining", [CLUSTER_READY] = "ready",     [CLUSTER_AWAY] = "away",
	    [CLUSTER_FULL] = "full",       [CLUSTER_DIFFERS] = "differs", [CLUSTER_FAILED] = "failed",
	};
	struct cluster_status s;

	if (!m->cluster)
		return buf_add_str(b, "null");
	cluster_status(m->cluster, &s);
	buf_printf(b, "{\"state\":\"%s\"", states[s.stage]);
	json_add_str(b, "why", s.why[0] ? s.why : NULL);
	json_add_str(b, "log", m->options.cluster.log);
	json_add_str(b, "machine", s.machine);
	json_add_str(b, "engine", s.engine[0] ? s.engine : NULL);
	add_head(b, &s, eventlog_head(m->log).off);
	json_add_u64(b, "db_bytes", s.db_bytes);
	json_add_u64(b, "window_bytes", s.window_bytes);
	json_add_u64(b, "batches_in", s.batches_in);
	json_add_u64(b, "batches_out", s.batches_out);
	json_add_u64(b, "moved", s.moved);
	json_add_u64(b, "agent", (uint64_t)s.agent);
	buf_add_char(b, '}');
}
