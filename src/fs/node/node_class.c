#include "fs/node/node_class.h"

#include "fs/node/classes.h"

/* Those that are always there are listed in this order. */
const struct kind kinds[NODE_KINDS] = {
    [NODE_ROOT] = {.class = &plain_dir},
    [NODE_EVENTS] = {&events_dir, NODE_ROOT, "events"},
    [NODE_EVENTS_APP] = {&log_file, NODE_EVENTS, "app"},
    [NODE_HEAD] = {&plain_dir, NODE_ROOT, "head"},
    [NODE_HEAD_APP] = {&head_file, NODE_HEAD, "app"},
    [NODE_VIEWS] = {&views_dir, NODE_ROOT, "views"},
    [NODE_REDUCERS] = {&reducers_link, NODE_ROOT, "reducers"},
    [NODE_RULES] = {&rules_link, NODE_ROOT, "rules"},
    [NODE_STATUS] = {&status_file, NODE_ROOT, "status.json"},
    [NODE_REJECTED] = {&rejected_file, NODE_ROOT, "rejected.jsonl"},
    [NODE_CTL] = {&ctl_file, NODE_ROOT, "ctl"},
    [NODE_TAIL] = {&tail_dir, NODE_ROOT, "tail"},
    [NODE_TAIL_APP] = {&tail_log_file, NODE_TAIL, "app"},
    [NODE_AT] = {&at_dir, NODE_ROOT, "at"},
    [NODE_METRICS] = {&metrics_file, NODE_ROOT, "metrics"},
    [NODE_IDS] = {&ids_dir, NODE_ROOT, "ids"},
    [NODE_HEAD_SHA] = {&head_sha_file, NODE_HEAD, "app.sha256"},
    [NODE_TAIL_HEAD] = {&tail_head_file, NODE_TAIL, "head"},
    [NODE_CLUSTER] = {&cluster_dir, NODE_ROOT, "cluster"},

    [NODE_VIEW_JSON] = {&view_json_file, NODE_VIEWS, ".json"},
    [NODE_VIEW_OFFSET] = {&view_offset_file, NODE_VIEWS, ".offset"},
    [NODE_VIEW_HASH] = {&view_hash_file, NODE_VIEWS, ".hash"},
    [NODE_VIEW_SNAPSHOT] = {&view_snapshot_file, NODE_VIEWS, ".snapshot.json"},
    [NODE_VIEW_ERROR] = {&view_error_file, NODE_VIEWS, ".error"},

    [NODE_TAIL_VIEW] = {&tail_view_file, NODE_TAIL, NULL},
    [NODE_TAIL_APP_AT] = {&tail_log_file, NODE_TAIL, NULL},
    [NODE_EVENTS_APP_AT] = {&conditional_log_file, NODE_EVENTS, NULL},
    [NODE_AT_N] = {&past_dir, NODE_AT, NULL},
    [NODE_AT_LINK] = {&at_link, NODE_AT, NULL},
    [NODE_AT_APP] = {&past_log_file, NODE_AT_N, NULL},
    [NODE_AT_VIEW] = {&past_view_file, NODE_AT_N, NULL},
    [NODE_ID] = {&id_file, NODE_IDS, NULL},
    [NODE_MEMBER] = {&member_file, NODE_CLUSTER, NULL},
};

mode_t node_mode(enum node_kind kind)
{
	return kinds[kind].class->mode;
}

const char *node_suffix(enum node_kind kind)
{
	return kinds[kind].name;
}
