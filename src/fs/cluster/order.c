/* The commit thread's part: what it proposes, and what comes in the order. */
#include <errno.h>
#include <stdio.h>

#include "fs/cluster/impl.h"
#include "store/history_sha.h"
#include "store/sha.h"

void cluster_arrival_deinit(struct cluster_arrival *a)
{
	cluster_batch_deinit(&a->batch);
	free(take_ptr(a->text));
}

/* Under the lock. */
static bool is_over(struct cluster *c)
{
	return c->failed || (c->ending && clock_us() >= c->over_us);
}

static void say_over(struct cluster *c, struct cluster_arrival *ret)
{
	*ret = (struct cluster_arrival){.news = CLUSTER_OVER, .error = c->failed ? -EROFS : -EIO};
	snprintf(ret->why, sizeof(ret->why), "%.255s",
		 c->failed ? c->status.why : "it was unmounted before the engine had answered");
}

/* The proposal has come to its place. */
static void take_mine(struct cluster *c)
{
	c->sha = c->sha_proposed;
	c->head.off += c->lines.len;
	sha_text(&c->sha, c->head.sha);
}

/* Under the lock. False: the time has come. */
static bool wait_for_news(struct cluster *c, uint64_t until_us)
{
	while (!c->first && !is_over(c)) {
		if (until_us == MAILBOX_NOW || clock_us() >= until_us)
			return false;
		clock_cond_wait(&c->arrived, &c->lock, c->ending ? min(until_us, c->over_us) : until_us);
	}
	return true;
}

bool cluster_has_begun(struct cluster *c, uint64_t until_us)
{
	pthread_mutex_lock(&c->lock);
	while (!c->begun && !is_over(c) && clock_us() < until_us)
		clock_cond_wait(&c->arrived, &c->lock, until_us);
	bool begun = c->begun || is_over(c);
	pthread_mutex_unlock(&c->lock);
	return begun;
}

/* Under the lock. */
static struct arrival *take_first(struct cluster *c)
{
	struct arrival *a = c->first;

	if (!a)
		return NULL;
	c->first = a->next;
	if (!c->first)
		c->last = &c->first;
	c->status.batches_in += a->is.news == CLUSTER_BATCH;
	c->status.batches_out += a->is.news == CLUSTER_MINE;
	c->status.moved += a->is.news == CLUSTER_MOVED;
	return a;
}

int cluster_next(struct cluster *c, uint64_t until_us, struct cluster_arrival *ret)
{
	pthread_mutex_lock(&c->lock);
	bool some = wait_for_news(c, until_us);
	struct arrival *a = some ? take_first(c) : NULL;
	if (a)
		*ret = a->is;
	else if (some)
		say_over(c, ret);
	pthread_mutex_unlock(&c->lock);
	free(a);
	if (some && ret->news == CLUSTER_MINE)
		take_mine(c);
	return some;
}

/* The proposal as the engine is to have it. */
static int write_proposal(struct cluster *c, const struct log_group *groups, size_t n, struct buf *out)
{
	auto_free struct batch_group *list = calloc(max(n, (size_t)1), sizeof(*list));
	struct cluster_batch b = {
	    .before = c->head,
	    .after.off = c->head.off + c->lines.len,
	    .n = c->n,
	    .time = clock_unix(),
	    .groups = list,
	    .n_groups = n,
	    .lines = buf_slice(&c->lines),
	};

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct batch_group){groups[i].at, groups[i].len};
	memcpy(b.machine, c->machine, sizeof(b.machine));
	memcpy(b.boot, c->boot, sizeof(b.boot));
	sha_text(&c->sha_proposed, b.after.sha);
	batch_write(&b, out);
	return buf_error(out);
}

int cluster_propose(struct cluster *c, struct slice lines, const struct log_group *groups, size_t n)
{
	struct buf text = {0};

	buf_clear(&c->lines);
	buf_add_slice(&c->lines, lines);
	int r = buf_error(&c->lines);
	if (r < 0)
		return r;
	c->sha_proposed = c->sha;
	sha256_update(&c->sha_proposed, lines.len, (const uint8_t *)lines.data);
	c->n++;
	r = write_proposal(c, groups, n, &text);
	if (r < 0) {
		buf_deinit(&text);
		return r;
	}
	pthread_mutex_lock(&c->lock);
	buf_deinit(&c->proposal);
	c->proposal = text;
	c->proposed = c->n;
	cluster_post(c, FRAME_PROPOSE, buf_slice(&c->proposal));
	pthread_mutex_unlock(&c->lock);
	cluster_poke(c);
	return 0;
}

struct slice cluster_proposed(const struct cluster *c)
{
	return buf_slice(&c->lines);
}

/* The SHA-256 behind the batch, if it goes on from what `sha` is of. */
static bool leads_on(const struct cluster_batch *b, struct sha256_ctx *sha)
{
	char text[SHA_TEXT + 1];

	sha_text(sha, text);
	if (memcmp(text, b->before.sha, SHA_TEXT) != 0)
		return false;
	sha256_update(sha, b->lines.len, (const uint8_t *)b->lines.data);
	sha_text(sha, text);
	return memcmp(text, b->after.sha, SHA_TEXT) == 0;
}

/* The log ends within the batch: what it has of it must be the same. */
static int check_within(struct cluster *c, const struct cluster_batch *b, struct sha256_ctx *ret)
{
	struct sha256_ctx have;
	char text[SHA_TEXT + 1];

	int r = history_sha(c->log, c->disk, b->before.off, ret);
	if (r != 0)
		return -EBADMSG;
	have = *ret;
	sha256_update(&have, c->head.off - b->before.off, (const uint8_t *)b->lines.data);
	sha_text(&have, text);
	return memcmp(text, c->head.sha, SHA_TEXT) == 0 && leads_on(b, ret) ? 0 : -EBADMSG;
}

int cluster_check(struct cluster *c, const struct cluster_batch *b, size_t *ret_skip)
{
	struct sha256_ctx sha = c->sha;
	char why[200];
	int r = -EBADMSG;

	*ret_skip = 0;
	if (b->before.off == c->head.off) {
		r = leads_on(b, &sha) ? 0 : -EBADMSG;
	} else if (b->before.off < c->head.off && c->head.off < b->after.off) {
		*ret_skip = c->head.off - b->before.off;
		r = check_within(c, b, &sha);
	}
	if (r < 0) {
		snprintf(why, sizeof(why),
			 "the batch at %llu of the engine does not go on from this log, which ends at %llu",
			 (unsigned long long)b->before.off, (unsigned long long)c->head.off);
		cluster_fail(c, why);
		return r;
	}
	c->sha = sha;
	c->head = b->after;
	return 0;
}

void cluster_appended(struct cluster *c, uint64_t off)
{
	auto_buf struct buf text = {0};

	/* What came last may have found no way into the log. */
	if (c->head.off != off || batch_head_is(&c->appended, &c->head))
		return;
	c->appended = c->head;
	buf_add_str(&text, "{\"head\":\"");
	batch_head_write(&c->head, &text);
	buf_add_str(&text, "\"}");
	if (buf_error(&text) < 0)
		return;
	pthread_mutex_lock(&c->lock);
	cluster_post(c, FRAME_APPENDED, buf_slice(&text));
	pthread_mutex_unlock(&c->lock);
	cluster_poke(c);
}

bool cluster_pause(struct cluster *c, uint64_t until_us)
{
	pthread_mutex_lock(&c->lock);
	while (!is_over(c) && clock_us() < until_us)
		clock_cond_wait(&c->arrived, &c->lock, c->ending ? min(until_us, c->over_us) : until_us);
	bool goes_on = !is_over(c);
	pthread_mutex_unlock(&c->lock);
	return goes_on;
}

void cluster_hold(struct cluster *c, const char *why)
{
	pthread_mutex_lock(&c->lock);
	snprintf(c->held, sizeof(c->held), "%s", why ? why : "");
	pthread_mutex_unlock(&c->lock);
	c->start.changed(c->start.arg);
}

void cluster_fail(struct cluster *c, const char *why)
{
	pthread_mutex_lock(&c->lock);
	cluster_set_failed(c, why);
	pthread_mutex_unlock(&c->lock);
	cluster_poke(c);
	c->start.changed(c->start.arg);
}
