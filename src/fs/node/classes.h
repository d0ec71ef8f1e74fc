/* Every class of node, for the table in node_class.c. What each is for is said where it is made. */
#pragma once

#include "fs/node/node_class.h"

/* dirs.c */
extern const struct node_class plain_dir, events_dir, views_dir, tail_dir, at_dir, past_dir, ids_dir,
    reducers_link, rules_link;
/* id_file.c */
extern const struct node_class id_file;
/* at_link.c */
extern const struct node_class at_link;
/* log_file.c */
extern const struct node_class log_file, conditional_log_file;
/* text_files.c, view_file.c */
extern const struct node_class head_file, head_sha_file, rejected_file, status_file;
extern const struct node_class view_json_file, view_offset_file, view_hash_file, view_snapshot_file,
    view_error_file;
/* metrics.c */
extern const struct node_class metrics_file;
/* tail_file.c */
extern const struct node_class tail_log_file, tail_view_file, tail_head_file;
/* past_file.c */
extern const struct node_class past_log_file, past_view_file;
/* member_file.c */
extern const struct node_class cluster_dir, member_file;
/* ctl_file.c */
extern const struct node_class ctl_file;
