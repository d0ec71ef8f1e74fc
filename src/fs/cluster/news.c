/* What the agent says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cluster/impl.h"

static const char *string_of(const cJSON *object, const char *key)
{
	const char *text = json_text(object, key);

	return text ? text : "";
}

uint64_t cluster_number(const cJSON *object, const char *key)
{
	uint64_t value;

	return json_number(object, key, &value) ? value : 0;
}

int cluster_errno(const cJSON *object)
{
	uint64_t error;

	return json_number(object, "errno", &error) && error < 4096 ? -(int)error : -EIO;
}

void cluster_set_failed(struct cluster *c, const char *why)
{
	if (c->failed)
		return;
	c->failed = true;
	c->status.stage = CLUSTER_FAILED;
	snprintf(c->status.why, sizeof(c->status.why), "%.255s", why);
	cluster_announce(c);
	pthread_cond_broadcast(&c->arrived);
}

/* For the commit thread. `behind`: the order goes on from there; NULL: nothing was delivered. */
static int enqueue(struct cluster *c, struct arrival *a, const struct batch_head *behind)
{
	pthread_mutex_lock(&c->lock);
	*c->last = a;
	c->last = &a->next;
	if (behind)
		c->delivered = *behind;
	/* What has come to an end is not said again to another agent. */
	if (a->is.news != CLUSTER_BATCH)
		c->proposed = 0;
	cluster_announce(c);
	pthread_mutex_unlock(&c->lock);
	/* Only now: who wakes wants the lock. */
	pthread_cond_broadcast(&c->arrived);
	return 0;
}

static int hear_batch(struct cluster *c, struct slice text)
{
	struct arrival *a = calloc(1, sizeof(*a));
	struct diag why = {0};

	if (!a)
		return -ENOMEM;
	a->is.news = CLUSTER_BATCH;
	a->is.text = malloc(max(text.len, (size_t)1));
	if (!a->is.text) {
		free(a);
		return -ENOMEM;
	}
	memcpy(a->is.text, text.data, text.len);
	int r = batch_read((struct slice){a->is.text, text.len}, &a->is.batch, &why);
	if (r == 0)
		return enqueue(c, a, &a->is.batch.after);
	cluster_arrival_deinit(&a->is);
	free(a);
	if (r == -EBADMSG)
		cluster_fail(c, why.text);
	return r;
}

/* MINE, MOVED, REFUSED: of the proposal that is under way, or of none that anybody knows. */
static int hear_outcome(struct cluster *c, enum frame_type type, const cJSON *text)
{
	struct cluster_batch mine;
	struct arrival *a;

	pthread_mutex_lock(&c->lock);
	bool known = c->proposed && c->proposed == cluster_number(text, "n");
	int r = known ? batch_read(buf_slice(&c->proposal), &mine, NULL) : -EPROTO;
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return r;
	struct batch_head behind = mine.after;
	cluster_batch_deinit(&mine);
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->is.news = type == FRAME_MINE    ? CLUSTER_MINE
		     : type == FRAME_MOVED ? CLUSTER_MOVED
					   : CLUSTER_REFUSED;
	if (type == FRAME_REFUSED) {
		int error = cluster_errno(text);
		a->is.error = error ? error : -EIO;
		snprintf(a->is.why, sizeof(a->is.why), "%.255s", string_of(text, "why"));
	}
	return enqueue(c, a, type == FRAME_MINE ? &behind : NULL);
}

static void hear_state(struct cluster *c, const cJSON *text)
{
	static const char *const names[] = {
	    [CLUSTER_JOINING] = "joining", [CLUSTER_READY] = "ready",     [CLUSTER_AWAY] = "away",
	    [CLUSTER_FULL] = "full",       [CLUSTER_DIFFERS] = "differs",
	};
	const char *state = string_of(text, "state"), *head = string_of(text, "head");
	struct batch_head at;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; !c->failed && i < countof(names); i++)
		if (strcmp(names[i], state) == 0)
			c->status.stage = (enum cluster_stage)i;
	if (!c->failed)
		snprintf(c->status.why, sizeof(c->status.why), "%.255s", string_of(text, "why"));
	snprintf(c->status.engine, sizeof(c->status.engine), "%.255s", string_of(text, "engine"));
	if (batch_head_read(slice_of(head), &at))
		c->status.head = at;
	c->status.db_bytes = cluster_number(text, "db_bytes");
	c->status.window_bytes = cluster_number(text, "window_bytes");
	pthread_mutex_unlock(&c->lock);
	/* It can be reached: the next time is no further try. */
	if (strcmp(state, "ready") == 0)
		c->again = (struct again){0};
	c->start.changed(c->start.arg);
}

static int hear_json(struct cluster *c, const struct frame *frame)
{
	cJSON *text = cJSON_ParseWithLength(frame->text.data, frame->text.len);
	int r = text ? 0 : -EPROTO;

	if (r == 0 && frame->type == FRAME_STATE)
		hear_state(c, text);
	else if (r == 0 && frame->type == FRAME_FATAL)
		cluster_fail(c, string_of(text, "why"));
	else if (r == 0)
		r = hear_outcome(c, frame->type, text);
	cJSON_Delete(text);
	return r;
}

int cluster_hear(struct cluster *c, const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_BATCH:
		return hear_batch(c, frame->text);
	case FRAME_MEMBERS:
		cluster_hear_members(c, frame->text);
		return 0;
	case FRAME_DONE:
		cluster_hear_done(c, frame->text);
		return 0;
	case FRAME_MINE:
	case FRAME_MOVED:
	case FRAME_REFUSED:
	case FRAME_STATE:
	case FRAME_FATAL:
		return hear_json(c, frame);
	default:
		return -EPROTO;
	}
}
