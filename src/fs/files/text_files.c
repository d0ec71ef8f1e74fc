/* The other files whose text is made at open: head/app, head/app.sha256, status.json, rejected.jsonl. */
#include <inttypes.h>
#include <stdio.h>

#include "fs/node/classes.h"
#include "fs/files/status.h"
#include "fs/files/text_file.h"

static int make_head(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	struct log_pos head = eventlog_head(m->log);

	ret->seen.off = head.off;
	log_pos_text(&head, b);
	buf_add_char(b, '\n');
	return 0;
}

/* As sha256sum prints it. */
static struct text *sha_of(const struct proof *proof)
{
	struct buf b = {0};

	buf_printf(&b, "%s  ", proof->sha);
	buf_add_u64(&b, proof->head.off);
	buf_add_char(&b, '\n');
	return text_of_buf(&b);
}

static uint64_t sha_size(uint64_t off)
{
	return SHA_TEXT + (uint64_t)snprintf(NULL, 0, "  %" PRIu64 "\n", off);
}

static int make_status(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	ret->seen.version = status_text(m, b, &ret->changed);
	return 0;
}

static int make_rejected(struct mount *m, const struct node *node, struct buf *b, struct made *ret)
{
	ret->changed = mtime_rejected(m);
	ret->seen.version = rejected_count(&m->rejected);
	rejected_text(&m->rejected, b);
	return 0;
}

const struct node_class head_file = {
    TEXT_FILE_OF_HEAD,  .mode = S_IFREG | 0444,      .make = make_head,
    .topic = TOPIC_LOG, .differs = seen_other_place,
};
/* head/app.sha256 */
const struct node_class head_sha_file = {
    TEXT_FILE_OF_HEAD,      .mode = S_IFREG | 0444, .of_proof = sha_of,
    .proof_size = sha_size, .topic = TOPIC_LOG,     .differs = seen_other_place,
};
const struct node_class status_file = {
    TEXT_FILE_OF_HEAD,     .mode = S_IFREG | 0444,      .make = make_status,
    .topic = TOPIC_STATUS, .differs = seen_other_state,
};
/* What was not to be in the log: only who may write can have written it. */
const struct node_class rejected_file = {
    TEXT_FILE,
    .mode = S_IFREG | 0400,
    .make = make_rejected,
    .topic = TOPIC_REJECTED,
    .differs = seen_other_state,
};
