/* What the daemon says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define KERNEL_MAX 64

static int open_engine(struct agent *a)
{
	const struct agent_options *o = &a->options;
	struct etcd_options engine = {
	    .urls = o->urls.data,
	    .ca = o->ca,
	    .cert = o->cert,
	    .key = o->key,
	    .user = o->user,
	    .password_file = o->password_file,
	};
	struct diag diag = {0};
	int r = etcd_new(&a->etcd, &engine, &diag);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		order_over(&a->order, "%s", diag.text);
	return 0;
}

static int begin(struct agent *a, struct slice text)
{
	struct agent_options *o = &a->options;

	int r = agent_options_read(o, text);
	if (r < 0)
		return r;
	if (!keys_init(&a->keys, o->log) || strlen(o->kernel) > KERNEL_MAX || strchr(o->kernel, ' '))
		return -EPROTO;
	keys_member(&a->keys, o->machine, a->member_key);
	keys_holder(&a->keys, o->machine, a->holder_key);
	snprintf(a->holder_value, sizeof(a->holder_value), "%s %s", o->kernel, o->boot);
	const struct order_begin from = {
	    .head = o->head,
	    .machine = o->machine,
	    .boot = o->boot,
	    .config = o->config,
	    .proposed = o->proposed,
	};
	order_init(&a->order, &from, &a->keys, &a->out);
	order_time(&a->order, clock_ms());
	a->begun = true;
	return open_engine(a);
}

static int hear_head(struct agent *a, const cJSON *json)
{
	const char *text = json_text(json, "head");
	struct batch_head head;

	if (!text || !batch_head_read(slice_of(text), &head))
		return -EPROTO;
	return order_appended(&a->order, &head);
}

static int hear_config(struct agent *a, const cJSON *json)
{
	const char *config = json_text(json, "config");

	if (!is_digits(config, BATCH_SHA))
		return -EPROTO;
	order_set_config(&a->order, config);
	order_look_soon(&a->order);
	return 0;
}

static int hear_ask(struct agent *a, const cJSON *json)
{
	const char *what = json_text(json, "do"), *machine = json_text(json, "machine");
	uint64_t id;

	if (!what || !json_number(json, "id", &id))
		return -EPROTO;
	if (strcmp(what, "agree") == 0)
		asks_add(a, id, "");
	else if (strcmp(what, "forget") == 0)
		asks_add(a, id, is_digits(machine, BATCH_MACHINE) ? machine : "?");
	else
		return -EPROTO;
	return 0;
}

int agent_hear(struct agent *a, const struct frame *frame)
{
	if (!a->begun)
		return frame->type == FRAME_BEGIN ? begin(a, frame->text) : -EPROTO;
	if (frame->type == FRAME_PROPOSE)
		return order_propose(&a->order, frame->text);
	cJSON *json = cJSON_ParseWithLength(frame->text.data, frame->text.len);
	int r = -EPROTO;
	if (frame->type == FRAME_APPENDED)
		r = hear_head(a, json);
	else if (frame->type == FRAME_CONFIG)
		r = hear_config(a, json);
	else if (frame->type == FRAME_ASK)
		r = hear_ask(a, json);
	cJSON_Delete(json);
	return r;
}
