#include "fs/files/status_cluster.h"

static void add_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, ",\"%s\":", key);
	if (*text)
		buf_add_json(b, slice_of(text));
	else
		buf_add_str(b, "null");
}

static void add_u64(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)value);
}

/* Where the engine stands, as far as that is known, and how much of it is not here yet. */
static void add_head(struct buf *b, const struct cluster_status *s, uint64_t here)
{
	if (!s->head.sha[0]) {
		buf_add_str(b, ",\"head\":null,\"lag\":null");
		return;
	}
	uint64_t head = max(s->head.off, here);
	add_u64(b, "head", head);
	add_u64(b, "lag", head - here);
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
	add_text(b, "why", s.why);
	add_text(b, "log", m->options.cluster.log);
	add_text(b, "machine", s.machine);
	add_text(b, "engine", s.engine);
	add_head(b, &s, eventlog_head(m->log).off);
	add_u64(b, "db_bytes", s.db_bytes);
	add_u64(b, "window_bytes", s.window_bytes);
	add_u64(b, "batches_in", s.batches_in);
	add_u64(b, "batches_out", s.batches_out);
	add_u64(b, "moved", s.moved);
	add_u64(b, "agent", (uint64_t)s.agent);
	buf_add_char(b, '}');
}
