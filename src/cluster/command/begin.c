#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/command/command.h"
#include "cluster/command/loss.h"
#include "store/history_sha.h"

/* Who was mounted until a moment ago is held to be so for as long as the lease of his identity lasts. */
#define HOLDERS_MS 15000
#define PAUSE_MS 500

static int fail(const char *data, int error, const char *what)
{
	fprintf(stderr, "eventfold: %s: %s: %s\n", data, what, strerror(-error));
	return -1;
}

/* The log as it is now: whoever has called this holds it. */
static int open_log(struct begin *b, const char *data)
{
	static const struct eventlog_options options = {.read_only = true};
	struct diag diag = {0};

	b->data_fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->data_fd < 0)
		return fail(data, -errno, "cannot be opened");
	if (eventlog_open(&b->log, &disk_posix, b->data_fd, &options, &diag) == 0)
		return 0;
	fprintf(stderr, "eventfold: %s: %s\n", data, diag.text);
	return -1;
}

static int find_head(struct begin *b, const char *data)
{
	struct sha256_ctx sha;

	b->head.off = eventlog_head(b->log).off;
	int r = history_sha(b->log, &disk_posix, b->head.off, &sha);
	if (r < 0)
		return fail(data, r, "its history cannot be read to its end");
	sha_text(&sha, b->head.sha);
	return 0;
}

/* Those who have the log mounted would go on in an order that is none any more. */
static int wait_for_holders(struct begin *b)
{
	uint64_t end = clock_ms() + HOLDERS_MS;
	struct seen *s = &b->seen;

	while (s->n_mounted > 0 && clock_ms() < end) {
		seen_deinit(s);
		poll(NULL, 0, PAUSE_MS);
		if (!seen_get(&b->talk, b->head.off, s))
			return -1;
	}
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i].mounted)
			fprintf(stderr, "eventfold: machine %s, %s, has it mounted: unmount it first\n",
				s->members[i].machine, s->members[i].where);
	return s->n_mounted > 0 ? -1 : 0;
}

/* Is there nothing in the way, or may it go? */
static int check_place(struct begin *b, bool anew)
{
	const struct seen *s = &b->seen;
	const char *log = b->talk.options.log;

	if (anew)
		return wait_for_holders(b);
	if (s->has_head)
		fprintf(stderr,
			"eventfold: the engine has a log %s already, of %llu bytes; --anew begins it anew "
			"from DATA\n",
			log, (unsigned long long)s->head.off);
	else if (s->head_revision > 0 || s->n_members > 0 || s->n_batches > 0)
		fprintf(stderr,
			"eventfold: the engine has remains of a log %s (machines: %zu, batches: %llu); "
			"--anew removes them\n",
			log, s->n_members, (unsigned long long)s->n_batches);
	else
		return 0;
	return -1;
}

struct outcome {
	struct slice wanted;
	bool done, is_there;
};

static void read_outcome(void *arg, const struct etcd_answer *a)
{
	struct outcome *o = arg;

	o->done = a->succeeded;
	o->is_there = !a->succeeded && a->n_ranges == 1 && a->ranges[0].n > 0 &&
		      slice_eq(a->ranges[0].kvs[0].value, o->wanted);
}

/* All at once, if the engine's head is still what it was. */
static int enter(struct begin *b, bool anew)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	auto_buf struct buf text = {0};
	const struct keys *k = &b->talk.keys;

	batch_head_write(&b->head, &text);
	struct outcome o = {.wanted = buf_slice(&text)};
	etcd_txn_if_modified(&txn, k->head, b->seen.head_revision);
	etcd_txn_put(&txn.success, k->head, o.wanted, 0);
	if (anew) {
		etcd_txn_delete(&txn.success, k->config, NULL);
		etcd_txn_delete(&txn.success, k->batches, k->batches_end);
		etcd_txn_delete(&txn.success, k->members, k->members_end);
		etcd_txn_delete(&txn.success, k->holders, k->holders_end);
	}
	etcd_txn_range(&txn.failure, k->head, NULL, 0);
	if (!talk_txn(&b->talk, &txn, read_outcome, &o))
		return -1;
	/* It may have been an earlier try that has done it. */
	if (o.done || (o.is_there && b->talk.repeated))
		return 0;
	fprintf(stderr, "eventfold: somebody else has begun the log %s meanwhile\n", b->talk.options.log);
	return -1;
}

static void say_begun(const struct begin *b, bool anew)
{
	printf("%s begins%s in the engine: %llu bytes of history, SHA-256 %s\n", b->talk.options.log,
	       anew ? " anew" : "", (unsigned long long)b->head.off, b->head.sha);
	if (anew)
		loss_say(b);
}

static int begin(struct begin *b, const char *data, bool anew, bool looks)
{
	if (open_log(b, data) < 0 || find_head(b, data) < 0 || !seen_get(&b->talk, b->head.off, &b->seen) ||
	    check_place(b, anew) < 0)
		return 1;
	if (looks)
		return 0;
	if (enter(b, anew) < 0)
		return 1;
	say_begun(b, anew);
	return 0;
}

int command_begin(char **args, bool anew, bool looks)
{
	struct begin b = {.data_fd = -1};

	if (!talk_begin(&b.talk, args[0]))
		return 1;
	int r = begin(&b, args[1], anew, looks);
	seen_deinit(&b.seen);
	if (b.log)
		eventlog_close(b.log);
	closep(&b.data_fd);
	talk_end(&b.talk);
	return r;
}
