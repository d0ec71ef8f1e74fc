/* Groups enter whole or not at all: the power goes at every change that appends of them make, and again while
 * that is mended; or the process dies in the middle of a write; or a call fails, or the disk is full. Each
 * line says of which unit it is, which one of how many: so what comes back tells by itself whether it is
 * whole. */
#include <errno.h>

#include "archive_all.h"
#include "check.h"
#include "read_by_cursor.h"
#include "simdisk.h"
#include "store/eventlog.h"

/* ThreadSanitizer takes a minute for each, of what has one thread. */
#ifdef __SANITIZE_THREAD__
#define FEWEST 1
#else
#define FEWEST 4
#endif
#define ROOM (1u << 20)

static uint64_t ring; /* the journal's size; 0: without */

static unsigned sum_of(const char *text, size_t len)
{
	unsigned sum = 7;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)text[i];
	return sum;
}

static size_t make_line(char *out, unsigned unit, unsigned i, unsigned n)
{
	char body[48];
	int len = snprintf(body, sizeof(body), "unit %u line %u of %u", unit, i, n);

	return (size_t)sprintf(out, "%08x %s\n", sum_of(body, (size_t)len), body);
}

static bool is_event(void *arg, struct slice line)
{
	char sum[9];

	if (line.len < 15)
		return false;
	snprintf(sum, sizeof(sum), "%08x", sum_of(line.data + 9, line.len - 9));
	return memcmp(sum, line.data, 8) == 0 && line.data[8] == ' ';
}

static bool ends_in_brace(void *arg, struct slice line)
{
	return line.len > 2 && line.data[0] == '{' && line.data[line.len - 1] == '}';
}

static const struct eventlog_options options = {.is_event = is_event, .frame_bytes = 4000};
static const struct eventlog_options reading = {.is_event = is_event, .read_only = true};

/* What a writer was told: of units up to `acked` that they are there. */
struct told {
	bool acked[4096];
	unsigned next;
};

/* All units are whole, in order, each once; those that were acknowledged are there. */
static void check_whole(const char *text, size_t len, const struct told *t)
{
	unsigned unit, i, n, left = 0, of = 0, next_unit = 0, next_i = 0;
	static bool there[countof(t->acked)];

	memset(there, 0, sizeof(there));
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(text + at, '\n', len - at);
		CHECK(nl);
		struct slice line = {text + at, (size_t)(nl - text) - at};
		at += line.len + 1;
		if (!is_event(NULL, line)) { /* of lines that were on their way, what a power cut has made */
			CHECK_INT(left, 0);
			continue;
		}
		CHECK(sscanf(line.data + 9, "unit %u line %u of %u", &unit, &i, &n) == 3);
		if (left > 0) {
			CHECK(unit == of && i == next_i);
		} else {
			CHECK(unit >= next_unit && i == 0);
			of = unit;
			left = n;
		}
		next_i = i + 1;
		left--;
		next_unit = unit + 1;
		there[unit] = left == 0;
	}
	CHECK_INT(left, 0);
	for (unsigned u = 0; t && u < t->next; u++)
		CHECK(there[u] || !t->acked[u]);
}

static char got[ROOM];

/* By one who may write nothing, beside a writer or without one. */
static void look(struct simdisk *s, const struct told *t)
{
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &reading, NULL), 0);
	size_t len = read_by_cursor(s, log, got, ROOM);
	check_whole(got, len, t);
	eventlog_close(log);
}

static ssize_t (*sim_pwrite)(struct disk *d, int fd, const void *data, size_t len, off_t off);
static bool looks; /* somebody reads in the middle of each write */

static ssize_t pwrite_in_parts(struct disk *d, int fd, const void *data, size_t len, off_t off)
{
	struct simdisk *s = container_of(d, struct simdisk, disk);

	if (!looks || len < 2 || s->stop_at == 1)
		return sim_pwrite(d, fd, data, len, off);
	size_t part = 1 + len * (s->random % 13) / 13 % (len - 1);
	if (len % 512 == 0) /* of blocks no less than a sector */
		part = max(part / 512, (size_t)1) * 512;
	ssize_t n = sim_pwrite(d, fd, data, part, off);
	if (n != (ssize_t)part || s->dead)
		return n;
	looks = false;
	look(s, NULL);
	looks = true;
	return n;
}

static unsigned size_of(uint64_t *dice, unsigned most)
{
	uint64_t r = sim_random(dice);

	return r % 5 == 0 ? 1 : r % 16 == 1 ? 1 + (unsigned)(r >> 8) % most : 2 + (unsigned)(r >> 8) % 4;
}

/* A few units in one go: some are groups, some are lines. */
static int append(struct eventlog *log, struct told *t, uint64_t *dice, unsigned most)
{
	static char lines[ROOM];
	struct log_group groups[8];
	size_t len = 0, n = 0, done, ends[8];
	unsigned first = t->next, units = 1 + (unsigned)(sim_random(dice) % 4);

	for (unsigned u = 0; u < units; u++) {
		unsigned size = size_of(dice, most);
		size_t begin = len;
		for (unsigned i = 0; i < size; i++)
			len += make_line(lines + len, t->next, i, size);
		if (size > 1)
			groups[n++] = (struct log_group){begin, len - begin};
		ends[u] = len;
		t->next++;
	}
	bool sync = sim_random(dice) % 4 != 0;
	int r = eventlog_append_groups(log, (struct slice){lines, len}, groups, n, sync, &done);
	bool durable = sync || eventlog_is_full(r);
	if (r == 0 && !sync && sim_random(dice) % 2) {
		r = eventlog_sync(log);
		durable = r == 0;
	}
	durable &= r == 0 || eventlog_is_full(r);
	bool between = done == 0;
	for (unsigned u = 0; u < units; u++) {
		t->acked[first + u] = durable && ends[u] <= done;
		between |= ends[u] == done;
	}
	CHECK(between);
	return eventlog_is_full(r) ? 0 : r;
}

static void workload(struct simdisk *s, struct told *t, uint64_t *dice, unsigned most)
{
	struct eventlog *log;

	if (eventlog_open(&log, &s->disk, -1, &options, NULL))
		return;
	if (ring)
		(void)!eventlog_journal(log, ring);
	for (unsigned i = 0; i < 8 && !s->dead; i++) {
		if (append(log, t, dice, most) < 0)
			break;
		uint64_t r = sim_random(dice);
		if (r % 4 == 0 && eventlog_settle(log) < 0)
			break;
		if (r % 7 == 0 && (eventlog_seal(log) < 0 || (r % 2 && archive_all(log, NULL) < 0)))
			break;
	}
	if (sim_random(dice) % 2 && eventlog_finish(log) == 0) {
		char *notes;
		size_t len;
		CHECK(s->dead || !simdisk_content(s, "app.jsonl.groups", &notes, &len));
	}
	eventlog_close(log);
}

static void init(struct simdisk *s)
{
	simdisk_init(s);
	sim_pwrite = s->disk.pwrite;
	s->disk.pwrite = pwrite_in_parts;
}

/* After a stop: who only reads sees nothing of a part, nor is one there once a writer has opened it, whom the
 * power may leave again meanwhile. */
static void recover_and_check(struct simdisk *s, struct told *t, uint64_t seed)
{
	struct eventlog *log;

	look(s, t);
	for (unsigned again = (unsigned)(seed / 4 % 3); again > 0; again--) {
		s->stop_at = 1 + sim_random(&s->random) % 20;
		if (eventlog_open(&log, &s->disk, -1, &options, NULL) == 0)
			eventlog_close(log);
		simdisk_reboot(s, sim_random(&seed));
		look(s, t);
	}
	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	check_whole(got, read_by_cursor(s, log, got, ROOM), t);
	eventlog_close(log);
	look(s, t);
}

/* `dies`: only the process; what it has left unsynced may go with the power later. */
static uint64_t stop_everywhere(uint64_t seeds, unsigned most, bool dies)
{
	uint64_t stops = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		bool stopped = true;
		for (uint64_t n = 1; stopped; n++) {
			static struct told told;
			struct simdisk s;
			uint64_t dice = seed, mix = seed * 1000003 + n, other = sim_random(&mix);
			init(&s);
			told = (struct told){0};
			s.random = other;
			s.stop_at = n;
			looks = other % 4 == 0;
			workload(&s, &told, &dice, most);
			stopped = s.dead;
			looks = false;
			if (dies)
				simdisk_restart(&s);
			else
				simdisk_reboot(&s, seed + 4 * (other % 1000));
			recover_and_check(&s, &told, other);
			/* And life goes on from there. */
			s.stop_at = 1 + other % 60;
			workload(&s, &told, &dice, most);
			simdisk_reboot(&s, other);
			recover_and_check(&s, &told, other / 8);
			simdisk_deinit(&s);
			stops += 2;
		}
	}
	return stops;
}

/* Each call fails once, with each of the first so many of these. `room`: for the notes, and so many bytes. */
static uint64_t fail_everywhere(size_t n_errors, uint64_t room)
{
	static const int errors[] = {-EIO, -ENOSPC, 1};
	uint64_t fails = 0;

	for (size_t i = 0; i < 4 * n_errors; i++) {
		int error = errors[i / 4];
		bool failed = true;
		for (uint64_t n = 1; failed; n++) {
			static struct told told;
			struct simdisk s;
			uint64_t dice = i;
			init(&s);
			told = (struct told){0};
			s.fail_at = n;
			s.fail_error = error;
			s.room = min(s.room, room + (256u << 10));
			workload(&s, &told, &dice, 6);
			failed = s.fail_at == 0;
			s.fail_at = 0;
			s.room = 1u << 30; /* to mend it takes some, too */
			simdisk_reboot(&s, 4 * n + (error < 0 ? i % 4 : 0));
			recover_and_check(&s, &told, n);
			simdisk_deinit(&s);
			fails += failed;
		}
	}
	return fails;
}

/* Whatever the room that is left, what stands before the group that does not fit is there, and nothing of it.
 */
static void test_full(void)
{
	static const char lines[] = "{a}\n{b}\n{c}\n{d}\n{e}\n{f}\n{g}\n";
	static const struct log_group groups[] = {{4, 8}, {16, 12}};
	static const size_t places[] = {4, 12, 16, 28};

	for (uint64_t room = 0; room <= 28; room++) {
		struct eventlog *log;
		struct simdisk s;
		size_t n, want = 0;
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
		/* So that there is a place for notes. */
		CHECK_INT(eventlog_append_groups(log, slice_of("{x}\n{y}\n"), &(struct log_group){0, 8}, 1,
						 true, &n),
			  0);
		s.room = room;
		for (size_t i = 0; i < countof(places); i++)
			want = places[i] <= room ? places[i] : want;
		CHECK_INT(eventlog_append_groups(log, slice_of(lines), groups, 2, room % 2, &n),
			  room < 28 ? -ENOSPC : 0);
		CHECK_INT(n, want);
		CHECK_INT(eventlog_head(log).off, 8 + want);
		/* What comes to stand in its place is no part of it. */
		s.room = 100;
		CHECK_INT(eventlog_append(log, slice_of("{z}\n"), true, &n), 0);
		eventlog_close(log);
		simdisk_reboot(&s, room);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
		CHECK_INT(eventlog_head(log).off, 8 + want + 4);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* No room for the note itself: what stands before the group enters. */
static void test_no_room_for_the_note(void)
{
	struct eventlog *log;
	struct simdisk s;
	size_t n;

	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
	s.fail_at = 3; /* the look at the log first, and for another file of that name */
	s.fail_error = -ENOSPC;
	CHECK_INT(
	    eventlog_append_groups(log, slice_of("{a}\n{b}\n{c}\n"), &(struct log_group){4, 8}, 1, true, &n),
	    -ENOSPC);
	CHECK_INT(n, 4);
	s.room = 100;
	CHECK_INT(eventlog_append_groups(log, slice_of("{b}\n{c}\n"), &(struct log_group){0, 8}, 1, true, &n),
		  -ENOSPC);
	CHECK_INT(n, 0);
	s.room = 1 << 20;
	CHECK_INT(eventlog_append_groups(log, slice_of("{b}\n{c}\n"), &(struct log_group){0, 8}, 1, true, &n),
		  0);
	CHECK_INT(eventlog_grouped(log), 12);
	CHECK_INT(eventlog_append(log, slice_of("{d}\n"), true, &n), 0);
	CHECK_INT(eventlog_grouped(log), 12);
	CHECK_INT(eventlog_head(log).seq, 4);
	/* Nor where something is there already that is written over. */
	for (unsigned call = 3; call < 5; call++) {
		s.fail_at = call;
		CHECK_INT(eventlog_append_groups(log, slice_of("{e}\n{f}\n"), &(struct log_group){0, 8}, 1,
						 true, &n),
			  -ENOSPC);
		CHECK_INT(n, 0);
	}
	CHECK_INT(eventlog_append(log, slice_of("{e}\n"), true, &n), 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Another program has put whole events there since: they are left alone. So is what it has put before. */
static void test_another_program(void)
{
	char a[64], b[64], c[64], text[256], *now;
	struct log_group group;
	struct eventlog *log;
	struct simdisk s;
	size_t n, len;

	make_line(a, 1, 0, 1);
	make_line(b, 2, 0, 2);
	make_line(c, 2, 1, 2);
	for (unsigned before = 0; before < 2; before++) {
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
		CHECK_INT(eventlog_append(log, slice_of(a), true, &n), 0);
		sprintf(text, "%s%s", b, c);
		group = (struct log_group){0, strlen(text)};
		CHECK_INT(eventlog_append_groups(log, slice_of(text), &group, 1, false, &n), 0);
		eventlog_close(log);
		simdisk_restart(&s);
		make_line(before ? a : b, 3, 0, 1);
		len = (size_t)sprintf(text, "%s%s%s", a, b, before ? "" : c);
		simdisk_put(&s, "app.jsonl", text, len);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
		CHECK_INT(eventlog_head(log).off, len);
		CHECK(!simdisk_content(&s, "app.jsonl.torn", &now, &n));
		CHECK(!simdisk_content(&s, "app.jsonl.groups", &now, &n));
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* A person has changed the length of a line after the process had died: in none of the groups that a note
 * speaks of is anything missing, though all are somewhere else. */
static void test_edited(void)
{
	static const char *const texts[] = {"{a}\n{bcde}\n{f}\n{g}\n{hi}\n{j}\n",
					    "{bcde}\n{f}\n{g}\n{hi}\n{j}\n"};
	static const struct {
		unsigned text;
		const char *now;
	} edits[] = {
	    {0, "{bcde}\n{f}\n{g}\n{hi}\n{j}\n"},       /* the first line removed */
	    {0, "{aa}\n{bcde}\n{f}\n{g}\n{hi}\n{j}\n"}, /* or longer */
	    {0, "{a}\n{b}\n{f}\n{g}\n{hi}\n{j}\n"},     /* one in a group, shorter */
	    {0, "{a}\n{bcdefgh}\n{f}\n{g}\n{hi}\n{j}\n"},
	    {1, "{b}\n{f}\n{g}\n{hi}\n{j}\n"}, /* the first of all is in a group */
	    {1, "{bcdefg}\n{f}\n{g}\n{hi}\n{j}\n"},
	};
	static const struct eventlog_options braces = {.is_event = ends_in_brace};
	static const struct eventlog_options seeing = {.is_event = ends_in_brace, .read_only = true};
	struct eventlog *log;
	struct simdisk s;
	size_t n, len;
	char *now;

	for (size_t i = 0; i < countof(edits); i++) {
		const char *text = texts[edits[i].text];
		size_t first = edits[i].text == 0 ? 4 : 0;
		simdisk_init(&s);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &braces, NULL), 0);
		if (first)
			CHECK_INT(eventlog_append(log, (struct slice){text, first}, false, &n), 0);
		/* Two groups, and a line behind them. */
		CHECK_INT(eventlog_append_groups(log, (struct slice){text + first, 11},
						 &(struct log_group){0, 11}, 1, false, &n),
			  0);
		CHECK_INT(eventlog_append_groups(log, (struct slice){text + first + 11, 9},
						 &(struct log_group){0, 9}, 1, false, &n),
			  0);
		CHECK_INT(eventlog_append(log, slice_of("{j}\n"), false, &n), 0);
		eventlog_close(log);
		simdisk_restart(&s);
		simdisk_put(&s, "app.jsonl", edits[i].now, strlen(edits[i].now));
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &seeing, NULL), 0);
		CHECK_INT(eventlog_head(log).off, strlen(edits[i].now));
		eventlog_close(log);
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &braces, NULL), 0);
		CHECK_INT(eventlog_head(log).off, strlen(edits[i].now));
		eventlog_close(log);
		CHECK(simdisk_content(&s, "app.jsonl", &now, &len));
		CHECK_MEM(now, len, edits[i].now, strlen(edits[i].now));
		free(now);
		CHECK(!simdisk_content(&s, "app.jsonl.torn", &now, &len));
		simdisk_deinit(&s);
	}
}

static struct eventlog *busy; /* it appends a group whenever somebody has looked how long a file is */
static off_t (*sim_size)(struct disk *d, int fd);

static off_t size_beside_a_writer(struct disk *d, int fd)
{
	static unsigned unit;
	char lines[128];
	size_t done, len = make_line(lines, unit, 0, 2);
	off_t size = sim_size(d, fd);

	len += make_line(lines + len, unit++, 1, 2);
	d->size = sim_size;
	/* More than there are notes, every other time. */
	for (unsigned i = 0; i < (unit % 2 ? 1 : 70); i++)
		CHECK_INT(eventlog_append_groups(busy, (struct slice){lines, len},
						 &(struct log_group){0, len}, 1, unit % 3 == 0, &done),
			  0);
	d->size = size_beside_a_writer;
	return size;
}

/* A reader comes to an end, however fast the notes change. */
static void test_beside_a_busy_writer(void)
{
	struct eventlog *log;
	struct simdisk s;

	simdisk_init(&s);
	sim_size = s.disk.size;
	CHECK_INT(eventlog_open(&busy, &s.disk, -1, &options, NULL), 0);
	for (unsigned i = 0; i < 20; i++) {
		s.disk.size = size_beside_a_writer;
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &reading, NULL), 0);
		s.disk.size = sim_size;
		CHECK_INT(eventlog_head(log).seq % 2, 0);
		eventlog_close(log);
	}
	eventlog_close(busy);
	simdisk_deinit(&s);
}

/* Somebody has removed the notes: they are made anew, and what they spoke of is durable by then. */
static void test_removed_notes(void)
{
	char lines[128];
	size_t n, len = make_line(lines, 0, 0, 2);
	struct log_group group;
	struct eventlog *log;
	struct simdisk s;

	len += make_line(lines + len, 0, 1, 2);
	group = (struct log_group){0, len};
	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_INT(eventlog_append_groups(log, (struct slice){lines, len}, &group, 1, false, &n), 0);
		simdisk_remove(&s, "app.jsonl.groups");
	}
	eventlog_close(log);
	simdisk_reboot(&s, 1);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
	CHECK(eventlog_head(log).off >= 2 * len);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* More than there is a place for at a time, none of them synced: the log is, so that places are free again.
 */
static void test_many(void)
{
	static char lines[ROOM];
	static struct told told;
	struct log_group group;
	struct eventlog *log;
	uint64_t durable = 0;
	struct simdisk s;
	size_t n;

	simdisk_init(&s);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
	for (unsigned i = 0; i < 150; i++) {
		size_t len = make_line(lines, i, 0, 2);
		len += make_line(lines + len, i, 1, 2);
		group = (struct log_group){0, len};
		if (i == 128)
			durable = eventlog_head(log).off;
		CHECK_INT(eventlog_append_groups(log, (struct slice){lines, len}, &group, 1, false, &n), 0);
	}
	eventlog_close(log);
	simdisk_reboot(&s, 1);
	look(&s, &told);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, NULL), 0);
	CHECK(eventlog_head(log).off >= durable);
	check_whole(got, read_by_cursor(&s, log, got, ROOM), NULL);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	static const uint64_t rings[] = {0, 65536};
	uint64_t seeds = check_wants("1") ? 40 : check_wants("0") ? FEWEST : 6;

	test_full();
	test_no_room_for_the_note();
	test_another_program();
	test_edited();
	test_beside_a_busy_writer();
	test_removed_notes();
	test_many();
	for (size_t i = 0; i < countof(rings); i++) {
		ring = rings[i];
		uint64_t fails = fail_everywhere(3, 1u << 30), stops = stop_everywhere(seeds, 6, false);
		uint64_t deaths = stop_everywhere(seeds, 6, true), large = stop_everywhere(seeds / 4, 500, i);
		/* A cut that only says that it was made is no failure of any disk. */
		fails += fail_everywhere(2, 900);
		printf("ring of %" PRIu64 ": %" PRIu64 " stops, %" PRIu64 " deaths, %" PRIu64
		       " of large groups, %" PRIu64 " failed calls\n",
		       ring, stops, deaths, large, fails);
		CHECK(stops >= 100 * seeds);
		CHECK(fails >= 100);
	}
	return 0;
}
