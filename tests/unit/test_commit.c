/* What those who wait for the commit thread are told when the disk fails or is full. */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "check.h"
#include "fs/log/commit.h"
#include "fs/log/pieces.h"
#include "simdisk.h"

/* One who waits. */
struct asked {
	struct commit commit;
	int error;
	size_t stored;
	sem_t answered;
};

static void nothing(void *arg)
{
}

static void answered(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct asked *a = container_of(commit, struct asked, commit);

	a->error = error;
	a->stored = stored;
	CHECK(sem_post(&a->answered) == 0);
}

static int ask(struct committer *c, const char *lines, bool durable)
{
	struct asked a = {.commit = {.lines = slice_of(lines), .durable = durable, .done = answered}};

	CHECK(sem_init(&a.answered, 0, 0) == 0);
	commit_queue(c, &a.commit);
	CHECK(sem_wait(&a.answered) == 0);
	sem_destroy(&a.answered);
	CHECK_INT(a.stored, a.error ? 0 : strlen(lines));
	return a.error;
}

/* Whatever the failed sync is called, and whether or not one who waits for it has brought lines: it is heard
 * of. */
static void test_failed_sync(int error, const char *lines)
{
	const struct committer_options options = {.sync = SYNC_CLOSE, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct eventlog_stats stats;
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
	CHECK_INT(committer_start(&c, log, &options), 0);
	CHECK_INT(ask(c, "{a}\n", false), 0);
	s.fail_at = *lines ? 3 : 2; /* the look at the file and the write first */
	s.fail_error = error;
	CHECK_INT(ask(c, lines, true), -EIO);
	CHECK_INT(ask(c, "{c}\n", true), -EROFS);
	eventlog_stats(log, &stats);
	CHECK(stats.failed && strstr(stats.why, strerrordesc_np(-error)));
	committer_stop(c);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* A full disk is no failed one: what is stored is synced, and the rest can come again. */
static void test_full(void)
{
	const struct committer_options options = {.sync = SYNC_CLOSE, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
	CHECK_INT(committer_start(&c, log, &options), 0);
	s.room = 5;
	CHECK_INT(ask(c, "{a}\n", false), 0);
	CHECK_INT(ask(c, "{b}\n", true), -ENOSPC);
	CHECK_INT(ask(c, "", true), 0);
	s.room = 100;
	CHECK_INT(ask(c, "{b}\n", true), 0);
	CHECK_INT(eventlog_head(log).off, 8);
	committer_stop(c);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Counts go by units: of a group there is all, or nothing. */
static void test_groups(void)
{
	const struct committer_options options = {.sync = SYNC_WRITE, .moved = nothing, .sealed = nothing};
	const struct unit units[] = {{4, 4, 1, 0}, {12, 9, 2, 0}, {16, 13, 1, 0}};
	const struct eventlog_options log_options = {0};
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;

	for (size_t room = 0; room <= 16; room++) {
		struct asked a = {.commit = {.lines = slice_of("{a}\n{b}\n{c}\n{d}\n"),
					     .units = units,
					     .n_units = countof(units),
					     .groups = 1,
					     .durable = true,
					     .done = answered}};
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
		CHECK_INT(committer_start(&c, log, &options), 0);
		CHECK(sem_init(&a.answered, 0, 0) == 0);
		s.room = (256u << 10) + room; /* for the notes first */
		commit_queue(c, &a.commit);
		CHECK(sem_wait(&a.answered) == 0);
		sem_destroy(&a.answered);
		CHECK_INT(a.error, room < 16 ? -ENOSPC : 0);
		CHECK_INT(a.stored, room < 4 ? 0 : room < 12 ? 4 : room < 16 ? 12 : 16);
		committer_stop(c);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* A write that comes in pieces: so many lines, of which the last two may be a group. */
struct large {
	struct asked a;
	struct pieces *pieces;
	struct pieces_spare spare;
	struct batch batch;
	struct buf data;
	int refused; /* once it is whole */
};

static int refusal_when_whole(struct commit *commit)
{
	const struct large *l = container_of(commit, struct large, a.commit);

	return commit->pieces ? 0 : l->refused;
}

static void large_begin(struct large *l, bool half, bool group)
{
	static const char event[] = "{\"type\":\"x\",\"data\":\"0123456789\",\"ts\":1}";
	struct writer nobody = {0};

	while (l->data.len < (300u << 10)) {
		buf_add_str(&l->data, event);
		buf_add_char(&l->data, '\n');
	}
	if (group) {
		buf_add_str(&l->data, "[");
		buf_add_str(&l->data, event);
		buf_add_str(&l->data, ",");
		buf_add_str(&l->data, event);
		buf_add_str(&l->data, "]\n");
	}
	CHECK_INT(pieces_new(&l->pieces, &l->spare, &nobody, buf_slice(&l->data), half, &l->batch), 0);
	l->a = (struct asked){.commit = {.durable = true,
					 .waits = true,
					 .pieces = l->pieces,
					 .refusal = refusal_when_whole,
					 .done = answered}};
	CHECK(sem_init(&l->a.answered, 0, 0) == 0);
}

static void large_look(struct large *l)
{
	const struct writer_rules rules = {.max_line = LIMIT_WRITE};
	struct slice data = buf_slice(&l->data);
	struct writer nobody = {0};
	struct event ev = {0};
	struct batch second;
	int r;

	while ((r = pieces_feed(l->pieces, &nobody, data, &rules, &ev)) == 0)
		;
	CHECK_INT(r, 1);
	if (l->pieces->end < data.len) {
		CHECK_INT(writer_feed_second(data, l->pieces->end, &rules, &ev, &second), 0);
		CHECK_INT(pieces_join(l->pieces, &second), 0);
		batch_deinit(&second);
	}
	l->a.commit.lines = buf_slice(&l->batch.lines);
	l->a.commit.units = l->batch.units;
	l->a.commit.n_units = l->batch.n;
	l->a.commit.groups = l->batch.groups;
	event_deinit(&ev);
}

static void large_wait(struct large *l)
{
	CHECK(sem_wait(&l->a.answered) == 0);
	sem_destroy(&l->a.answered);
}

static void large_ask(struct committer *c, struct large *l, bool half, bool group)
{
	large_begin(l, half, group);
	commit_queue(c, &l->a.commit);
	large_look(l);
	commit_came(c, &l->a.commit);
	large_wait(l);
}

static void large_deinit(struct large *l)
{
	pieces_free(l->pieces, &l->spare);
	pieces_spare_deinit(&l->spare);
	buf_deinit(&l->data);
}

/* What stands in the file is what was said to be stored, and a beginning of what was brought. */
static void check_log(struct simdisk *s, const struct large *l, size_t stored)
{
	char *got;
	size_t len;

	CHECK(simdisk_content(s, "app.jsonl", &got, &len));
	CHECK_INT(len, stored);
	CHECK_MEM(got, stored, l->batch.lines.data, stored);
	free(got);
}

/* It is written ahead, and counts once it is whole: all of it, what there was room for, or nothing. */
static void test_pieces(bool half, bool group)
{
	const struct committer_options options = {.sync = SYNC_WRITE, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;

	for (size_t room = 0; room <= 360; room += 20) {
		struct large l = {.refused = room == 360 ? -ESTALE : 0};
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
		CHECK_INT(committer_start(&c, log, &options), 0);
		s.room = (room + (group ? 256 : 0)) << 10; /* the notes take some */
		large_ask(c, &l, half, group);
		size_t all = l.batch.lines.len;
		size_t most = l.refused ? 0 : min(room << 10, all);
		CHECK((l.a.error == 0) == (l.a.stored == all));
		CHECK(l.a.error == 0 || l.a.error == (l.refused ? l.refused : -ENOSPC));
		CHECK(group || (l.a.stored <= most && l.a.stored + 64 > most));
		CHECK_INT(eventlog_head(log).off, l.a.stored);
		check_log(&s, &l, l.a.stored);
		committer_stop(c);
		eventlog_close(log);
		large_deinit(&l);
		simdisk_deinit(&s);
	}
}

/* Whatever call fails: who has written is told why, and nothing is acknowledged after that. */
static void test_pieces_fail(bool half)
{
	const struct committer_options options = {.sync = SYNC_WRITE, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;
	bool failed = true;

	for (uint64_t at = 1; failed; at++) {
		struct large l = {0};
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
		CHECK_INT(committer_start(&c, log, &options), 0);
		s.fail_at = at;
		s.fail_error = -EIO;
		large_ask(c, &l, half, false);
		failed = s.fail_at == 0;
		CHECK(!failed || l.a.error == -EIO || l.a.error == -EROFS || l.a.stored == l.batch.lines.len);
		CHECK(failed || l.a.error == 0);
		if (l.a.error)
			CHECK_INT(ask(c, "{b}\n", true), -EROFS);
		committer_stop(c);
		eventlog_close(log);
		large_deinit(&l);
		simdisk_deinit(&s);
	}
}

/* Large ones that are there already share a sync, as small ones do. */
static struct crowd {
	struct committer *committer;
	struct large large[4];
	unsigned syncs;
	int (*sim_sync)(struct disk *d, int fd);
} crowd;

static int count_sync(struct disk *d, int fd)
{
	crowd.syncs++;
	return crowd.sim_sync(d, fd);
}

/* On the commit thread, which takes them all together next. */
static void crowd_comes(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	crowd.syncs = 0;
	for (size_t i = 0; i < countof(crowd.large); i++) {
		struct commit *item = &crowd.large[i].a.commit;
		struct slice lines = item->lines;
		item->lines = (struct slice){0}; /* they are still to come */
		commit_queue(crowd.committer, item);
		item->lines = lines;
		commit_came(crowd.committer, item);
	}
}

static void test_pieces_together(void)
{
	const struct committer_options options = {.sync = SYNC_WRITE, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct commit first = {.lines = SLICE("{a}\n"), .durable = true, .done = crowd_comes};
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	crowd.sim_sync = s.disk.sync;
	s.disk.sync = count_sync;
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
	CHECK_INT(committer_start(&crowd.committer, log, &options), 0);
	for (size_t i = 0; i < countof(crowd.large); i++) {
		large_begin(&crowd.large[i], i & 1, false);
		large_look(&crowd.large[i]);
	}
	commit_queue(crowd.committer, &first);
	for (size_t i = 0; i < countof(crowd.large); i++) {
		large_wait(&crowd.large[i]);
		CHECK_INT(crowd.large[i].a.error, 0);
	}
	CHECK_INT(crowd.syncs, 1);
	committer_stop(crowd.committer);
	eventlog_close(log);
	for (size_t i = 0; i < countof(crowd.large); i++)
		large_deinit(&crowd.large[i]);
	simdisk_deinit(&s);
}

static int (*sim_open)(struct disk *d, int dirfd, const char *name, int flags, mode_t mode);
static _Atomic unsigned failed, reported;
static _Atomic bool fresh_fails;

static int open_but_fresh(struct disk *d, int dirfd, const char *name, int flags, mode_t mode)
{
	if (!fresh_fails || strcmp(name, ".app.jsonl.new") != 0)
		return sim_open(d, dirfd, name, flags, mode);
	failed++;
	return -EMFILE;
}

static void count_report(void *arg, const char *text)
{
	CHECK(strstr(text, "cannot be rotated") && strstr(text, strerrordesc_np(EMFILE)));
	reported++;
}

/* A rotation that fails is not tried again with each commit, and it is told. One that somebody asks for is
 * tried at once. */
static void test_failed_rotation(void)
{
	const struct committer_options options = {
	    .sync = SYNC_WRITE, .rotate = 1, .moved = nothing, .sealed = nothing, .report = count_report};
	const struct eventlog_options log_options = {0};
	struct asked rotate = {.commit = {.done = answered}};
	struct eventlog_stats stats;
	struct committer *c;
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	sim_open = s.disk.open;
	s.disk.open = open_but_fresh;
	fresh_fails = true;
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
	CHECK_INT(committer_start(&c, log, &options), 0);
	for (unsigned i = 0; i < 100; i++)
		CHECK_INT(ask(c, "{a}\n", true), 0);
	eventlog_stats(log, &stats);
	CHECK(strstr(stats.rotation_why, strerrordesc_np(EMFILE)) && !stats.failed);
	fresh_fails = false;
	CHECK(sem_init(&rotate.answered, 0, 0) == 0);
	commit_seal(c, &rotate.commit);
	CHECK(sem_wait(&rotate.answered) == 0);
	sem_destroy(&rotate.answered);
	CHECK_INT(rotate.error, 0);
	eventlog_stats(log, &stats);
	CHECK(stats.rotating && !stats.rotation_why[0]);
	committer_stop(c);
	CHECK(failed >= 1 && failed < 20);
	CHECK_INT(reported, failed);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* A writer who does not wait for the disk: he queues a line whenever others may run, and two to begin with.
 */
enum { FLOOD = 1000 };
static struct flood {
	struct committer *committer; /* NULL: there is none */
	struct commit lines[FLOOD];
	size_t queued, answered, most;
} flood;

static void flood_answered(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	CHECK_INT(error, 0);
	flood.most = max(flood.most, flood.queued - flood.answered);
	flood.answered++;
}

static void flood_line(void)
{
	struct commit *line = &flood.lines[flood.queued++];

	*line = (struct commit){.lines = slice_of("{a}\n"), .done = flood_answered};
	commit_queue(flood.committer, line);
}

static void flood_begin(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	flood_line();
	flood_line();
	answered(commit, error, stored, head);
}

/* In place of the C library's. */
int sched_yield(void)
{
	if (flood.committer && flood.queued < FLOOD)
		flood_line();
	return 0;
}

/* It is committed while he goes on. */
static void test_flood(enum sync_mode sync)
{
	const struct committer_options options = {.sync = sync, .moved = nothing, .sealed = nothing};
	const struct eventlog_options log_options = {0};
	struct asked first = {.commit = {.lines = slice_of("{a}\n"), .done = flood_begin}};
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &log_options, NULL), 0);
	flood = (struct flood){0};
	CHECK_INT(committer_start(&flood.committer, log, &options), 0);
	CHECK(sem_init(&first.answered, 0, 0) == 0);
	commit_queue(flood.committer, &first.commit);
	CHECK(sem_wait(&first.answered) == 0);
	sem_destroy(&first.answered);
	committer_stop(flood.committer);
	flood.committer = NULL;
	CHECK_INT(flood.answered, flood.queued);
	CHECK_INT(flood.most, 2);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	static const int errors[] = {-EIO, -ENOSPC, -EDQUOT, -ENODEV};

	for (size_t i = 0; i < countof(errors); i++) {
		test_failed_sync(errors[i], "");
		test_failed_sync(errors[i], "{b}\n");
	}
	test_full();
	test_groups();
	for (unsigned i = 0; i < 4; i++)
		test_pieces(i & 1, i & 2);
	test_pieces_fail(false);
	test_pieces_fail(true);
	test_pieces_together();
	test_failed_rotation();
	test_flood(SYNC_CLOSE);
	test_flood(SYNC_NONE);
	return 0;
}
