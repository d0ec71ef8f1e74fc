/* Commands to the agent. Who asks is answered once it has done them; one that dies meanwhile is asked again.
 */
#include <errno.h>

#include "fs/cluster/impl.h"

/* Under the lock. */
static void post_ask(struct cluster *c, const struct cluster_ask *ask)
{
	auto_buf struct buf text = {0};

	buf_printf(&text, "{\"id\":%llu,\"do\":\"%s\"", (unsigned long long)ask->id,
		   ask->machine ? "forget" : "agree");
	if (ask->machine) {
		buf_add_str(&text, ",\"machine\":");
		buf_add_json(&text, slice_of(ask->machine));
	}
	buf_add_char(&text, '}');
	if (buf_error(&text) == 0)
		cluster_post(c, FRAME_ASK, buf_slice(&text));
}

void cluster_post_asks(struct cluster *c)
{
	for (const struct cluster_ask *ask = c->asks; ask; ask = ask->next)
		post_ask(c, ask);
}

/* Under the lock: the one with that number (0: any), which is waited for no more. */
static struct cluster_ask *take(struct cluster *c, uint64_t id)
{
	struct cluster_ask **at = &c->asks;

	while (*at && id && (*at)->id != id)
		at = &(*at)->next;
	struct cluster_ask *ask = *at;
	if (ask)
		*at = ask->next;
	return ask;
}

static bool is_closed(struct cluster *c)
{
	return c->failed || c->ending;
}

void cluster_ask(struct cluster *c, struct cluster_ask *ask)
{
	pthread_mutex_lock(&c->lock);
	bool closed = is_closed(c);
	if (!closed) {
		ask->id = ++c->last_ask;
		ask->next = c->asks;
		c->asks = ask;
		post_ask(c, ask);
	}
	pthread_mutex_unlock(&c->lock);
	if (closed)
		return ask->done(ask, -EROFS, "this machine does not take part any more");
	cluster_poke(c);
}

bool cluster_ask_cancel(struct cluster *c, struct cluster_ask *ask)
{
	pthread_mutex_lock(&c->lock);
	bool waited = ask->id && take(c, ask->id);
	pthread_mutex_unlock(&c->lock);
	return waited;
}

void cluster_hear_done(struct cluster *c, struct slice text)
{
	cJSON *json = cJSON_ParseWithLength(text.data, text.len);
	uint64_t id = cluster_number(json, "id");

	pthread_mutex_lock(&c->lock);
	struct cluster_ask *ask = id > 0 ? take(c, id) : NULL;
	pthread_mutex_unlock(&c->lock);
	if (ask)
		ask->done(ask, cluster_errno(json), json_text(json, "why"));
	cJSON_Delete(json);
}

void cluster_end_asks(struct cluster *c)
{
	struct cluster_ask *ask;

	do {
		pthread_mutex_lock(&c->lock);
		ask = take(c, 0);
		pthread_mutex_unlock(&c->lock);
		if (ask)
			ask->done(ask, -ESHUTDOWN, NULL);
	} while (ask);
}
