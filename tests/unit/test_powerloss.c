/* Loses the power at every change that a workload of appends and rotations makes, and again while recovering
 * from that, or kills the process first and loses the power later, and wants every acknowledged line back:
 * once, in order, at its place. What comes back is read without the code under test: plain files, and the
 * archive by zstd's simple interface. */
#include <errno.h>
#include <zstd.h>

#include "archive_all.h"
#include "check.h"
#include "read_by_cursor.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/sha.h"
#include "summed_lines.h"

#define FRAME 300

/* What a writer was told. */
struct told {
	char acked[16384]; /* acknowledged lines, one after the other */
	size_t acked_len;
	char flying[1024]; /* what it has not heard of */
	size_t flying_len;
	unsigned next; /* number of the next line */
};

/* Now and then lines that are all the same: a rotation must not be known by its content. */
static size_t make_line(unsigned number, char *out)
{
	bool same = number % 50 >= 25;

	return summed_line(same ? 7 : number, same ? 40 : number * 7 % 90, out);
}

/* The journal's size; 0: without. */
static uint64_t ring;

static const struct eventlog_options options = {.is_event = is_summed, .frame_bytes = FRAME};

static size_t unpack_archive(const char *data, size_t len, char *out, size_t room)
{
	size_t at = 0, n = 0;

	while (at < len) {
		size_t size = ZSTD_findFrameCompressedSize(data + at, len - at);
		CHECK(!ZSTD_isError(size));
		size_t r = ZSTD_decompress(out + n, room - n, data + at, size);
		CHECK(!ZSTD_isError(r));
		n += r;
		at += size;
	}
	return n;
}

static size_t add_file(struct simdisk *s, const char *name, char *out, size_t room)
{
	char *data;
	size_t len;

	if (!simdisk_content(s, name, &data, &len))
		return 0;
	if (strcmp(name, "archive.jsonl.zst") == 0) {
		len = unpack_archive(data, len, out, room);
	} else {
		CHECK(len <= room);
		memcpy(out, data, len);
	}
	free(data);
	return len;
}

/* The whole history by plain means. To be called when no rotation is unfinished. */
static size_t read_plainly(struct simdisk *s, char *out, size_t room)
{
	size_t n = add_file(s, "archive.jsonl.zst", out, room);
	char *sealed;
	size_t len;

	CHECK(!simdisk_content(s, "app.jsonl.sealed", &sealed, &len));
	return n + add_file(s, "app.jsonl", out + n, room - n);
}

/* What comes behind the acknowledged lines must be of those in flight, in order; or garbage that is no event.
 */
static void check_rest(const struct told *t, const char *rest, size_t len)
{
	const char *flying = t->flying, *flying_end = t->flying + t->flying_len;

	while (len) {
		const char *nl = memchr(rest, '\n', len);
		CHECK(nl);
		size_t n = (size_t)(nl - rest);
		if (is_summed(NULL, (struct slice){rest, n})) {
			const char *end =
			    flying < flying_end ? memchr(flying, '\n', (size_t)(flying_end - flying)) : NULL;
			while (end && !slice_eq((struct slice){flying, (size_t)(end - flying)},
						(struct slice){rest, n})) {
				flying = end + 1;
				end = memchr(flying, '\n', (size_t)(flying_end - flying));
			}
			CHECK(end);
			flying = end + 1;
		}
		rest = nl + 1;
		len -= n + 1;
	}
}

static int append(struct eventlog *log, struct told *t, unsigned n)
{
	size_t done;

	t->flying_len = 0;
	for (unsigned i = 0; i < n; i++)
		t->flying_len += make_line(t->next++, t->flying + t->flying_len);
	/* Also straight into the log, and by a sync of its own. */
	bool sync = t->next % 5 != 0;
	int r = eventlog_append(log, (struct slice){t->flying, t->flying_len}, sync, &done);
	if (r == 0 && !sync)
		r = eventlog_sync(log);
	if (r < 0)
		return r;
	memcpy(t->acked + t->acked_len, t->flying, t->flying_len);
	t->acked_len += t->flying_len;
	t->flying_len = 0;
	return 0;
}

static void workload(struct simdisk *s, struct told *t)
{
	struct eventlog *log;

	if (eventlog_open(&log, &s->disk, -1, &options, NULL))
		return;
	if (ring)
		(void)!eventlog_journal(log, ring);
	for (unsigned round = 0; round < 3 && !s->dead; round++) {
		for (unsigned i = 0; i < 3 && !s->dead; i++)
			if (append(log, t, 1 + (t->next + i) % 4) < 0)
				break;
		if (t->next % 3 == 0 && eventlog_settle(log) < 0)
			break;
		if (s->dead || eventlog_seal(log) != 0)
			break;
		if (append(log, t, 2) < 0)
			break;
		if (archive_all(log, NULL) != 0)
			break;
	}
	if (t->next % 2 == 0)
		(void)!eventlog_finish(log);
	eventlog_close(log);
}

/* All that is in the archive is proven by its last record. */
static void check_sha(struct simdisk *s, struct eventlog *log, const char *history)
{
	char want[SHA_TEXT + 1], got[SHA_TEXT + 1];
	struct eventlog_stats stats;
	struct log_files files;
	struct sha256_ctx sha;
	uint64_t off;

	eventlog_stats(log, &stats);
	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(sha_seek(&s->disk, files.archive_fd, files.archive_size, &sha, &off), 0);
	log_files_deinit(&files);
	CHECK_INT(off, stats.archived_bytes);
	sha_text(&sha, got);
	sha256_init(&sha);
	sha256_update(&sha, off, (const uint8_t *)history);
	sha_text(&sha, want);
	CHECK_STR(got, want);
}

/* After a stop: opens (the power may go again meanwhile), finishes, and compares. Takes over what came back
 * as told. */
static void recover_and_check(struct simdisk *s, struct told *t, uint64_t seed)
{
	static char got[32768], read[32768];
	struct eventlog *log;

	simdisk_reboot(s, seed);
	for (unsigned again = (unsigned)(seed / 4 % 4); again > 0; again--) {
		s->stop_at = 1 + sim_random(&s->random) % 30;
		if (eventlog_open(&log, &s->disk, -1, &options, NULL) == 0) {
			(void)!archive_all(log, NULL);
			eventlog_close(log);
		}
		simdisk_reboot(s, sim_random(&seed));
	}
	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	size_t read_len = read_by_cursor(s, log, read, sizeof(read));
	CHECK(archive_all(log, NULL) >= 0);
	size_t len = read_plainly(s, got, sizeof(got));
	CHECK_MEM(read, read_len, got, len);
	CHECK_INT(read_by_cursor(s, log, read, sizeof(read)), len);
	CHECK(memcmp(read, got, len) == 0);
	check_sha(s, log, got);

	char *journal;
	size_t journal_len;
	CHECK(!simdisk_content(s, "app.jsonl.journal", &journal, &journal_len));
	CHECK(!simdisk_content(s, "app.jsonl.journal.1", &journal, &journal_len));
	CHECK(len >= t->acked_len);
	CHECK(memcmp(got, t->acked, t->acked_len) == 0);
	check_rest(t, got + t->acked_len, len - t->acked_len);
	memcpy(t->acked, got, len);
	t->acked_len = len;
	t->flying_len = 0;
	eventlog_close(log);
}

/* Lines that are in the log, by the code under test, have come to stay: whatever of them was in flight. */
static void take_over(struct simdisk *s, struct told *t)
{
	static char read[32768];
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	size_t len = read_by_cursor(s, log, read, sizeof(read));
	eventlog_close(log);
	CHECK(len >= t->acked_len && memcmp(read, t->acked, t->acked_len) == 0);
	check_rest(t, read + t->acked_len, len - t->acked_len);
	memcpy(t->acked, read, len);
	t->acked_len = len;
	t->flying_len = 0;
}

/* The process dies at every change, is started again, and goes on; then, at any time, the power is lost:
 * nothing that was left unsynced by the first may take with it what the second has acknowledged. */
static uint64_t die_everywhere(uint64_t seeds)
{
	uint64_t stops = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		bool stopped = true;
		for (uint64_t n = 1; stopped; n++) {
			static struct told told;
			struct simdisk s;
			uint64_t mix = seed * 1000003 + n, dice = sim_random(&mix);
			simdisk_init(&s);
			told = (struct told){.next = (unsigned)(seed * 13)};
			s.random = dice;
			s.stop_at = n;
			workload(&s, &told);
			stopped = s.dead;
			simdisk_restart(&s);
			take_over(&s, &told);
			s.stop_at = 1 + dice / 8 % 12;
			workload(&s, &told);
			recover_and_check(&s, &told, dice);
			simdisk_deinit(&s);
			stops++;
		}
	}
	return stops;
}

static uint64_t stop_everywhere(uint64_t seeds)
{
	uint64_t stops = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		for (uint64_t n = 1;; n++) {
			static struct told told;
			struct simdisk s;
			uint64_t mix = seed * 1000003 + n, dice = sim_random(&mix);
			simdisk_init(&s);
			told = (struct told){.next = (unsigned)(seed * 13)};
			s.random = dice;
			s.stop_at = n;
			workload(&s, &told);
			bool stopped = s.dead;
			if (stopped) {
				recover_and_check(&s, &told, seed + 4 * (dice % 1000));
				/* And life goes on from there. */
				s.stop_at = 1 + dice % 60;
				workload(&s, &told);
				recover_and_check(&s, &told, dice);
				stops += 2;
			}
			simdisk_deinit(&s);
			if (!stopped)
				break;
		}
	}
	return stops;
}

/* Each call fails once, with each of these; then the power goes. What is acknowledged stays, what is refused
 * is not there. */
static uint64_t fail_everywhere(void)
{
	static const int errors[] = {-EIO, -ENOSPC, 1};
	uint64_t fails = 0;

	for (size_t i = 0; i < 4 * countof(errors); i++) {
		int error = errors[i / 4];
		bool failed = true;
		for (uint64_t n = 1; failed; n++) {
			static struct told told;
			struct simdisk s;
			simdisk_init(&s);
			told = (struct told){0};
			s.fail_at = n;
			s.fail_error = error;
			workload(&s, &told);
			failed = s.fail_at == 0;
			s.fail_at = 0;
			/* A sync that only says that it has worked (1) saves nothing from a power failure. */
			recover_and_check(&s, &told, 4 * n + (error < 0 ? i % 4 : 0));
			simdisk_deinit(&s);
			fails += failed;
		}
	}
	return fails;
}

int main(void)
{
	static const uint64_t rings[] = {0, 32768};
	uint64_t seeds = check_wants("0") ? 8 : 80;

	for (size_t i = 0; i < countof(rings); i++) {
		ring = rings[i];
		uint64_t fails = fail_everywhere(), stops = stop_everywhere(seeds),
			 deaths = die_everywhere(seeds * 3 / 4);
		printf("ring of %" PRIu64 ": %" PRIu64 " stops, %" PRIu64 " deaths, %" PRIu64
		       " failed calls\n",
		       ring, stops, deaths, fails);
		CHECK(stops >= 125 * seeds);
		CHECK(fails >= 100);
	}
	return 0;
}
