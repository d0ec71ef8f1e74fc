/* A writer, a reader and a rotating thread at once, on the real disk: nobody waits for another, and what is
 * read is what was written. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "archive_all.h"
#include "check.h"
#include "store/cursor.h"
#include "store/eventlog.h"

#define LINES 40000

struct shared {
	struct eventlog *log;
	_Atomic bool done;
	_Atomic unsigned rotations;
};

static void *rotate(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->done)) {
		if (archive_all(s->log, NULL) == 0)
			s->rotations++;
		sched_yield();
	}
	return NULL;
}

static void *read_all(void *arg)
{
	struct shared *s = arg;
	struct log_pos zero = {0};
	struct log_damage damage;
	struct log_files files;
	struct reader *reader;
	struct cursor c;
	struct slice block;
	uint64_t generation = eventlog_generation(s->log);

	CHECK_INT(eventlog_files(s->log, &files), 0);
	CHECK_INT(reader_new(&reader, &disk_posix, &files), 0);
	cursor_init(&c, reader, &zero);
	while (c.pos.seq < LINES) {
		struct log_pos head = eventlog_head(s->log);
		if (eventlog_generation(s->log) != generation) {
			CHECK_INT(eventlog_files(s->log, &files), 0);
			generation = files.generation;
			CHECK_INT(reader_update(reader, &files), 0);
		}
		CHECK_INT(cursor_fill(&c, head.off, &block, &damage), 0);
		for (const char *at = block.data, *end = slice_end(block); at < end;) {
			char want[64];
			int len = snprintf(want, sizeof(want), "line %" PRIu64 "\n", c.pos.seq);
			CHECK(end - at >= len && memcmp(at, want, (size_t)len) == 0);
			cursor_advance(&c, (size_t)len - 1);
			at += len;
		}
	}
	cursor_deinit(&c);
	reader_free(reader);
	return NULL;
}

int main(void)
{
	char dir[] = "/tmp/eventfold-rotation-XXXXXX";
	static const char *const names[] = {"app.jsonl", "app.jsonl.sealed", "archive.jsonl.zst"};
	struct eventlog_options options = {.frame_bytes = 5000};
	struct shared s = {0};
	pthread_t rotator, reader;

	CHECK(mkdtemp(dir));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK_INT(eventlog_open(&s.log, &disk_posix, dirfd, &options, NULL), 0);
	CHECK(pthread_create(&rotator, NULL, rotate, &s) == 0);
	CHECK(pthread_create(&reader, NULL, read_all, &s) == 0);
	for (unsigned i = 0; i < LINES; i++) {
		char line[64];
		size_t done;
		size_t len = (size_t)snprintf(line, sizeof(line), "line %u\n", i);
		CHECK_INT(eventlog_append(s.log, (struct slice){line, len}, false, &done), 0);
		if (i % 500 != 0)
			continue;
		int r;
		/* However the threads are scheduled, what follows has an archive of several rotations to
		 * stand on. */
		while ((r = eventlog_seal(s.log)) == 1 && i <= 1000)
			sched_yield(); /* the rotating thread is looking just now */
		CHECK(r >= 0);
		while (i <= 1000 && atomic_load(&s.rotations) <= i / 500)
			sched_yield();
	}
	CHECK(pthread_join(reader, NULL) == 0);
	atomic_store(&s.done, true);
	CHECK(pthread_join(rotator, NULL) == 0);
	CHECK(s.rotations > 1);
	eventlog_close(s.log);
	for (size_t i = 0; i < countof(names); i++)
		unlinkat(dirfd, names[i], 0);
	close(dirfd);
	CHECK(rmdir(dir) == 0);
	return 0;
}
