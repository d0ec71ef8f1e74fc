#include "cluster/agent/options.h"

#include <errno.h>
#include <string.h>

static int read_urls(struct agent_options *o)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o->json, "endpoints"), *url;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
		return -EPROTO;
	cJSON_ArrayForEach(url, list)
	{
		if (!cJSON_IsString(url))
			return -EPROTO;
		if (o->urls.len > 0)
			buf_add_char(&o->urls, '+');
		buf_add_str(&o->urls, url->valuestring);
	}
	buf_add_char(&o->urls, '\0');
	return buf_error(&o->urls);
}

static int read_all(struct agent_options *o)
{
	const char *head = json_text(o->json, "head");
	const struct {
		const char *name, **ret;
		bool must;
	} texts[] = {
	    {"log", &o->log, true},
	    {"machine", &o->machine, true},
	    {"host", &o->host, true},
	    {"path", &o->path, true},
	    {"boot", &o->boot, true},
	    {"kernel", &o->kernel, true},
	    {"config", &o->config, true},
	    {"version", &o->version, true},
	    {"ca", &o->ca, false},
	    {"cert", &o->cert, false},
	    {"key", &o->key, false},
	    {"user", &o->user, false},
	    {"password_file", &o->password_file, false},
	};

	for (size_t i = 0; i < countof(texts); i++) {
		*texts[i].ret = json_text(o->json, texts[i].name);
		if (texts[i].must && !*texts[i].ret)
			return -EPROTO;
	}
	if (!head || !batch_head_read(slice_of(head), &o->head) || !is_digits(o->machine, BATCH_MACHINE) ||
	    !is_digits(o->boot, BATCH_BOOT) || !is_digits(o->config, BATCH_SHA) ||
	    !json_number(o->json, "window_bytes", &o->window_bytes) ||
	    !json_number(o->json, "window_ms", &o->window_ms))
		return -EPROTO;
	if (!json_number(o->json, "proposed", &o->proposed))
		o->proposed = 0;
	return read_urls(o);
}

int agent_options_read(struct agent_options *o, struct slice text)
{
	*o = (struct agent_options){.json = cJSON_ParseWithLength(text.data, text.len)};
	int r = o->json ? read_all(o) : -EPROTO;

	if (r < 0)
		agent_options_deinit(o);
	return r;
}

void agent_options_deinit(struct agent_options *o)
{
	cJSON_Delete(take_ptr(o->json));
	buf_deinit(&o->urls);
}
