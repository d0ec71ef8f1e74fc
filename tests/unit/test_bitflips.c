/* Every bit of a small data directory flipped, one at a time: the log opens and can be appended to, and what
 * is read is either what it was, or somebody is told: the opening, the reader, the line's check, or a
 * snapshot that is refused. A snapshot that is taken is the one that was saved, of the log that is there. */
#include "archive_all.h"
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <sys/wait.h>

#include "model/engine/snapshot.h"
#include "model/event/event.h"
#include "model/event/event_time.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/record.h"

#define SNAPSHOTS 2
#define FRAME_BYTES 80
#define FRAME_LINES 3

/* Sanitizers are slow: not each bit, there; nor where few of everything are wanted. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TORN_STEP 11
#else
#define TORN_STEP 1
#endif
#define QUICK_STEP 11

struct bytes {
	char data[4096];
	size_t len;
};

static size_t finished; /* bytes of the archive before the next rotation */
static struct bytes active, archive, unfinished, history, snapshots[SNAPSHOTS];
static size_t snapshot_end[SNAPSHOTS]; /* of history */
static bool archive_only; /* nothing but the archive is damaged, and all behind it is in the active log */
static const char *active_name = "app.jsonl";

static bool is_event(void *arg, struct slice line)
{
	struct event ev = {0};
	struct json_error error;
	bool good = event_scan(&ev, line, &error);

	event_deinit(&ev);
	return good;
}

static void count_report(void *arg, const char *text)
{
	++*(int *)arg;
}

static struct eventlog *open_log(struct simdisk *s, int *reports)
{
	struct eventlog_options options = {.is_event = is_event,
					   .time_of = event_time,
					   .report = count_report,
					   .arg = reports,
					   .frame_bytes = FRAME_BYTES};
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	return log;
}

static struct reader *open_reader(struct simdisk *s, struct eventlog *log)
{
	struct log_files files;
	struct reader *reader;

	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s->disk, &files), 0);
	return reader;
}

/* All that can be read; false: not all of it can. */
static bool read_all(struct reader *reader, uint64_t head, struct bytes *ret)
{
	bool whole = true;

	ret->len = 0;
	for (uint64_t off = 0; off < head;) {
		uint64_t skip = 0;
		size_t n = 0;
		CHECK(ret->len < sizeof(ret->data));
		int r = reader_read(reader, off, head, ret->data + ret->len, sizeof(ret->data) - ret->len, &n,
				    &skip);
		ret->len += n;
		off += n;
		if (r == 0 && n > 0)
			continue;
		CHECK_INT(r, 1);
		whole = false;
		if (skip <= off)
			break;
		off = skip;
	}
	return whole;
}

static void keep(struct simdisk *s, const char *name, struct bytes *ret)
{
	char *data;

	CHECK(simdisk_content(s, name, &data, &ret->len));
	CHECK(ret->len < sizeof(ret->data));
	memcpy(ret->data, data, ret->len);
	free(data);
}

static void append(struct eventlog *log, int first, int n)
{
	char line[64];
	size_t stored;

	for (int i = first; i < first + n; i++) {
		snprintf(line, sizeof(line), "{\"type\":\"t\",\"data\":%d,\"ts\":%d}\n", i, 1000 + i);
		CHECK_INT(eventlog_append(log, slice_of(line), true, &stored), 0);
	}
}

static void take_snapshot(struct simdisk *s, struct eventlog *log, unsigned i, uint64_t archived)
{
	struct snapshot snapshot = {.pos = eventlog_head(log), .reducer = 7, .state = SLICE("{\"n\":12}")};
	struct reader *reader = open_reader(s, log);
	auto_buf struct buf text = {0};

	snapshot.offset = snapshot.pos.off - archived;
	CHECK_INT(reader_checksum(reader, snapshot.pos.off, &snapshot.checksum), 0);
	CHECK_INT(snapshot_write(&snapshot, &text), 0);
	memcpy(snapshots[i].data, text.data, text.len);
	snapshots[i].len = text.len;
	snapshot_end[i] = snapshot.pos.off;
	reader_free(reader);
}

/* Five events in the archive, in two frames, five behind them, and a snapshot of each five. */
static void build(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	append(log, 0, 5);
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(archive_all(log, NULL), 0);
	uint64_t archived = eventlog_head(log).off;
	take_snapshot(&s, log, 0, archived);
	append(log, 5, 5);
	take_snapshot(&s, log, 1, archived);
	struct reader *reader = open_reader(&s, log);
	CHECK(read_all(reader, eventlog_head(log).off, &history));
	reader_free(reader);
	keep(&s, "app.jsonl", &active);
	keep(&s, "archive.jsonl.zst", &archive);
	finished = archive.len;
	/* The next rotation, but for its END. */
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(archive_all(log, NULL), 0);
	keep(&s, "archive.jsonl.zst", &unfinished);
	unfinished.len -= RECORD_SIZE;
	eventlog_close(log);
	simdisk_deinit(&s);
	CHECK_INT(reports, 0);
}

static bool all_events(const struct bytes *b)
{
	for (const char *at = b->data, *end = at + b->len, *nl; at < end; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(end - at));
		if (!nl || !is_event(NULL, (struct slice){at, (size_t)(nl - at)}))
			return false;
	}
	return true;
}

/* The lines of the history that are not there, in their order. */
static unsigned missing(const struct bytes *now)
{
	const char *from = now->data, *end = now->data + now->len;
	unsigned n = 0;

	for (const char *at = history.data, *nl; at < history.data + history.len; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(history.data + history.len - at));
		const char *found = memmem(from, (size_t)(end - from), at, (size_t)(nl + 1 - at));
		n += !found;
		from = found ? found + (nl + 1 - at) : from;
	}
	return n;
}

static bool taken(const struct bytes *text, struct reader *reader, uint64_t head, struct snapshot *ret)
{
	struct diag why = {0};

	int r = snapshot_parse((struct slice){text->data, text->len}, ret, &why);
	if (r == 0 && ret->reducer != 7)
		r = 1;
	if (r == 0)
		r = snapshot_check(ret, reader, head, &why);
	CHECK(r == 0 || (r == 1 && why.text[0]));
	return r == 0;
}

/* The log goes on, whatever has happened to it. */
static void check_append(struct simdisk *s, struct eventlog *log)
{
	int reports = 0;
	struct bytes now;

	append(log, 99, 1);
	struct log_pos head = eventlog_head(log);
	eventlog_close(log);
	log = open_log(s, &reports);
	CHECK_INT(eventlog_head(log).off, head.off);
	CHECK_INT(eventlog_head(log).seq, head.seq);
	struct reader *reader = open_reader(s, log);
	read_all(reader, head.off, &now);
	const struct slice last = SLICE("\n{\"type\":\"t\",\"data\":99,\"ts\":1099}\n");
	CHECK(now.len >= last.len && memcmp(now.data + now.len - last.len, last.data, last.len) == 0);
	reader_free(reader);
	eventlog_close(log);
}

static void check_flipped(void)
{
	struct simdisk s;
	struct bytes now;
	int reports = 0;
	bool refused = false;

	simdisk_init(&s);
	simdisk_put(&s, active_name, active.data, active.len);
	simdisk_put(&s, "archive.jsonl.zst", archive.data, archive.len);
	struct eventlog *log = open_log(&s, &reports);
	uint64_t head = eventlog_head(log).off;
	struct reader *reader = open_reader(&s, log);
	bool whole = read_all(reader, head, &now);
	for (unsigned i = 0; i < SNAPSHOTS; i++) {
		struct snapshot got;
		if (!taken(&snapshots[i], reader, head, &got)) {
			/* Damage in the archive is no reason: its lines are behind that. */
			CHECK(i == 0 || !archive_only);
			refused = true;
			continue;
		}
		CHECK_MEM(got.state.data, got.state.len, "{\"n\":12}", 8);
		CHECK_INT(got.pos.off, snapshot_end[i]);
		if (whole)
			CHECK_MEM(now.data, snapshot_end[i], history.data, snapshot_end[i]);
	}
	bool same = whole && now.len == history.len && memcmp(now.data, history.data, now.len) == 0;
	CHECK(head <= history.len + 1); /* a newline may have been put back */
	/* What is around the damage is as it was. */
	CHECK(missing(&now) <= FRAME_LINES);
	CHECK(same || reports > 0 || !whole || !all_events(&now) || refused);
	reader_free(reader);
	check_append(&s, log);
	simdisk_deinit(&s);
}

static void flip_some(struct bytes *b, const char *what, size_t first, size_t step)
{
	for (size_t bit = first; bit < 8 * b->len; bit += step) {
		b->data[bit / 8] ^= (char)(1 << bit % 8);
		fprintf(stderr, "%s: byte %zu, bit %zu\r", what, bit / 8, bit % 8);
		check_flipped();
		b->data[bit / 8] ^= (char)(1 << bit % 8);
	}
}

/* Every other one in a process of its own, for this is the longest of all unit tests. */
static void flip_each(struct bytes *b, const char *what, size_t step)
{
	int status;

	if (check_wants("0"))
		step = QUICK_STEP;
	pid_t other = fork();
	CHECK(other >= 0);
	flip_some(b, what, other == 0 ? step : 0, 2 * step);
	if (other == 0)
		_exit(0);
	CHECK_INT(waitpid(other, &status, 0), other);
	CHECK_INT(status, 0);
}

int main(void)
{
	/* Which meson asks for: each look unpacks a little with much memory. */
	mallopt(M_PERTURB, 0);
	build();
	check_flipped();
	flip_each(&active, "app.jsonl", 1);
	archive_only = true;
	flip_each(&archive, "archive.jsonl.zst", 1);
	archive_only = false;
	/* A crash has come between the renames of a rotation. */
	active_name = "app.jsonl.sealed";
	flip_each(&active, "app.jsonl.sealed", 1);
	flip_each(&archive, "archive.jsonl.zst beside app.jsonl.sealed", 1);
	active_name = "app.jsonl";
	flip_each(&snapshots[0], "older snapshot", 1);
	flip_each(&snapshots[1], "newer snapshot", 1);
	/* All is in the archive already, but for the END: the sealed file counts, and nothing twice. */
	active_name = "app.jsonl.sealed";
	archive = unfinished;
	flip_each(&active, "app.jsonl.sealed beside its frames", 1);
	flip_each(&archive, "archive.jsonl.zst beside its source", 1);
	/* The crash came in the middle of the last record, of a frame, of the BEGIN. */
	for (size_t cut = 40; cut < unfinished.len - finished; cut += 130) {
		archive.len = unfinished.len - cut;
		flip_each(&archive, "torn archive.jsonl.zst beside its source", TORN_STEP);
	}
	fprintf(stderr, "\n");
	return 0;
}
