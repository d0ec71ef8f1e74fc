/* What FRAME_BEGIN says:
 *
 *     {"endpoints":[URL,…],"log":NAME,"machine":ID,"host":…,"path":…,"boot":…,"kernel":…,"config":HEX,
 *      "head":OFFSET:SHA256,"proposed":N (0: nothing is; else PROPOSE with this one follows),
 *      "window_bytes":N,"window_ms":N,"ca":FILE or null,"cert":…,"key":…,"user":…,"password_file":…,
 *      "version":…} */
#pragma once

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "cluster/link/batch.h"
#include "cluster/link/json.h"

struct agent_options {
	cJSON *json;     /* what the texts are in */
	struct buf urls; /* zero-terminated, with + between them */
	const char *log, *machine, *host, *path, *boot, *kernel, *config, *version;
	const char *ca, *cert, *key, *user, *password_file; /* NULL: none */
	struct batch_head head;
	uint64_t proposed, window_bytes, window_ms;
};
/* -EPROTO: it is no such text. -ENOMEM. */
int must_check agent_options_read(struct agent_options *o, struct slice text);
void agent_options_deinit(struct agent_options *o);
