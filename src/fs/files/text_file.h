/* Files whose text is made at open, and anew when it is read from its beginning again: views, head/app,
 * status.json, rejected.jsonl. A class of them says how it is made (node_class.h), and has the rest from
 * here. */
#pragma once

#include "fs/node/held.h"
#include "fs/node/node_class.h"

/* What else is to be known of a text. */
struct made {
	struct seen seen;
	struct timespec changed; /* when it became what it is, or before; as it comes, when the log did */
};

void text_file_getattr(struct mount *m, fuse_req_t req, struct node *node);
void text_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void text_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi);
/* Of texts, only the beginning is ever made anew. */
bool text_file_is_made_anew(const struct file *f, off_t off, size_t size, const struct fuse_file_info *fi);

#define TEXT_FILE                                                                                            \
	.getattr = text_file_getattr, .size_hint = held_size_hint, .open = text_file_open,                   \
	.read = text_file_read

/* What it says goes with the log's head. */
#define TEXT_FILE_OF_HEAD                                                                                    \
	TEXT_FILE, .attr_tells_head = true, .open_tells_head = true, .read_tells_head = text_file_is_made_anew
