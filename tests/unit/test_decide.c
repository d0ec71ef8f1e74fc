/* What of an item is appended: by a table of items and what is there, and through the commit thread where the
 * disk is full. */
#include "fs/log/decide.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>

#include "check.h"
#include "fs/log/commit.h"
#include "fs/log/prints.h"
#include "simdisk.h"

struct place {
	struct simdisk sim;
	struct eventlog *log;
	struct ids *ids;
};

static bool is_event(void *arg, struct slice line)
{
	return line.len > 0 && line.data[line.len - 1] == '}';
}

/* Events by their ids: a letter each; an upper-case one is another event with that id. Words are units, and
 * those of several letters are groups. */
static void make(const char *text, struct buf *lines, struct unit units[16], size_t *ret_n)
{
	size_t n = 0;

	for (const char *at = text; *at; n++) {
		units[n] = (struct unit){0};
		for (; *at && *at != ' '; at++, units[n].lines++)
			buf_printf(lines, "{\"type\":\"%s\",\"id\":\"%c\",\"ts\":%zu}\n",
				   *at >= 'a' ? "x" : "other", *at | 32, n + strlen(text));
		units[n].stored = units[n].given = lines->len;
		at += *at == ' ';
	}
	*ret_n = n;
}

/* The same the other way round. */
static void tell(struct slice lines, struct buf *out)
{
	const char *at = lines.data, *end = slice_end(lines);

	while (at < end) {
		const char *id = memmem(at, (size_t)(end - at), "\"id\":\"", 6);
		bool other = memcmp(at + 9, "other", 5) == 0;
		buf_add_char(out, other ? (char)(id[6] & ~32) : id[6]);
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	}
}

static void append(struct place *p, const char *text)
{
	auto_buf struct buf lines = {0};
	struct unit units[16];
	size_t n, stored;

	make(text, &lines, units, &n);
	CHECK_INT(eventlog_append(p->log, buf_slice(&lines), true, &stored), 0);
}

struct asked {
	struct ids_wait wait;
	sem_t sem;
};

static void answered(struct ids_wait *wait, int error)
{
	CHECK_INT(error, 0);
	sem_post(&container_of(wait, struct asked, wait)->sem);
}

static void open_place(struct place *p, const char *there)
{
	struct asked a = {.wait.done = answered};

	simdisk_init(&p->sim);
	CHECK_INT(
	    eventlog_open(&p->log, &p->sim.disk, -1, &(struct eventlog_options){.is_event = is_event}, NULL),
	    0);
	append(p, there);
	CHECK_INT(ids_start(&p->ids, p->log, &p->sim.disk, -1, &(struct ids_options){0}), 0);
	sem_init(&a.sem, 0, 0);
	ids_want(p->ids, &a.wait);
	CHECK(sem_wait(&a.sem) == 0);
	sem_destroy(&a.sem);
}

static void close_place(struct place *p)
{
	ids_end(p->ids);
	ids_free(p->ids);
	eventlog_close(p->log);
	simdisk_deinit(&p->sim);
}

/* In the log are a, b, c, B. */
static const struct {
	const char *before, *item;
	int result; /* of the decider */
	const char *kept;
	size_t dealt; /* units */
	int error;
	const char *text;
} table[] = {
    {"", "d", 0, "d", 1, 0, NULL},
    {"", "a", 0, "", 1, 0, NULL},
    {"", "A", 0, "", 0, -EEXIST, "another event with this id is in the log, at offset 0"},
    {"", "b", 0, "", 1, 0, NULL},
    {"", "B", 0, "", 1, 0, NULL},
    {"", "d e", 0, "de", 2, 0, NULL},
    {"", "a d b e c", 0, "de", 5, 0, NULL},
    {"", "d a e C f", 0, "de", 3, -EEXIST, "another event with this id is in the log, at offset 58"},
    {"", "C d", 0, "", 0, -EEXIST, "another event with this id is in the log, at offset 58"},
    /* an id twice in one item: the second one comes again */
    {"", "d d", 0, "d", 1, 0, NULL},
    {"", "d a D e", 0, "d", 2, 0, NULL},
    {"", "a a b", 0, "", 1, 0, NULL},
    /* groups */
    {"", "de", 0, "de", 1, 0, NULL},
    {"", "abc", 0, "", 1, 0, NULL},
    {"", "ba", 0, "", 1, 0, NULL},
    {"", "ad", 0, "", 0, -EEXIST, "a part of this group is in the log already"},
    {"", "da", 0, "", 0, -EEXIST, "a part of this group is in the log already"},
    {"", "aC", 0, "", 0, -EEXIST, "another event with this id is in the log, at offset 58"},
    {"", "ded", 0, "", 0, -EEXIST, "the group has this id twice"},
    {"", "d ab ef", 0, "def", 3, 0, NULL},
    {"", "d ab fe gf", 0, "dfe", 3, 0, NULL},
    /* what others bring into the run before it */
    {"d", "e", 0, "e", 1, 0, NULL},
    {"d", "d", 1, NULL, 0, 0, NULL},
    {"d", "e d", 1, NULL, 0, 0, NULL},
    {"d", "a ed", 1, NULL, 0, 0, NULL},
    {"d e f", "g F", 1, NULL, 0, 0, NULL},
    {"d", "A d", 0, "", 0, -EEXIST, "another event with this id is in the log, at offset 0"},
};

static void check_row(struct place *p, struct decider *d, size_t row)
{
	auto_buf struct buf before = {0}, item = {0}, kept = {0};
	struct unit units[16];
	struct verdict v;
	size_t n;

	make(table[row].before, &before, units, &n);
	make(table[row].item, &item, units, &n);
	verdict_init(&v, buf_slice(&item), units, n);
	decider_begin(d);
	CHECK_INT(decider_judge(d, buf_slice(&before), eventlog_head(p->log).off, &v), table[row].result);
	if (table[row].result == 0) {
		size_t dealt = table[row].dealt;
		tell(v.lines, &kept);
		CHECK_MEM(kept.data, kept.len, table[row].kept, strlen(table[row].kept));
		CHECK_INT(v.dealt, unit_begin(units, dealt));
		CHECK_INT(v.error, table[row].error);
		if (v.error)
			CHECK_STR(v.text, table[row].text);
		/* A full disk stores some of what is kept: all before what is not stored counts. */
		size_t begin = 0;
		for (size_t i = 0; i < v.n_kept; begin = v.kept[i++].stored) {
			size_t counts = verdict_counts(&v, begin), u = 0;
			while (unit_begin(units, u) < counts)
				u++;
			CHECK_INT(unit_begin(units, u), counts);
			CHECK(memcmp(item.data + counts, v.lines.data + begin, v.kept[i].stored - begin) ==
			      0);
		}
		CHECK_INT(begin, v.lines.len);
		CHECK_INT(verdict_counts(&v, v.lines.len), v.dealt);
	}
	verdict_deinit(&v);
}

static void test_table(void)
{
	struct decider *d;
	struct place p;

	open_place(&p, "a b c B");
	CHECK_INT(decider_new(&d, p.ids), 0);
	for (size_t i = 0; i < countof(table); i++)
		check_row(&p, d, i);
	decider_free(d);
	close_place(&p);
}

/* One with the id is not equal, and what is behind it is not found in its place: nothing is known yet. */
static void test_other_and_unsure(void)
{
	auto_buf struct buf item = {0};
	struct unit units[16];
	struct verdict v;
	struct decider *d;
	struct place p;
	size_t n, done;

	open_place(&p, "a B b");
	struct disk *disk = &p.sim.disk;
	int fd = disk->open(disk, -1, "app.jsonl", O_RDWR, 0);
	CHECK(fd >= 0);
	auto_buf struct buf is = {0};
	CHECK_INT(disk_slurp(disk, fd, DISK_ANY_SIZE, &is), 0);
	const char *last = memrchr(is.data, 'b', is.len);
	CHECK_INT(disk_pwrite_all(disk, fd, "z", 1, last - is.data, &done), 0);
	disk->close(disk, fd);
	CHECK_INT(decider_new(&d, p.ids), 0);
	make("b", &item, units, &n);
	verdict_init(&v, buf_slice(&item), units, n);
	decider_begin(d);
	CHECK_INT(decider_judge(d, (struct slice){0}, eventlog_head(p.log).off, &v), 0);
	CHECK_INT(v.error, -EAGAIN);
	CHECK_INT(v.dealt, 0);
	verdict_deinit(&v);
	decider_free(d);
	close_place(&p);
}

static void test_prints(void)
{
	struct prints p = {0};
	struct print_owner owner;

	CHECK(!prints_find(&p, 0, &owner));
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 10000; i++) {
			CHECK(!prints_find(&p, i * UINT64_C(0x100000000), &owner));
			CHECK_INT(prints_add(&p, i * UINT64_C(0x100000000), (struct print_owner){i, round}),
				  0);
			CHECK_INT(prints_add(&p, i * UINT64_C(0x100000000), (struct print_owner){7, 7}), 0);
		}
		for (uint32_t i = 0; i < 10000; i++)
			CHECK(prints_find(&p, i * UINT64_C(0x100000000), &owner) && owner.item == i &&
			      owner.unit == round);
		prints_clear(&p);
	}
	prints_deinit(&p);
}

/* Several who ask at once, while the commit thread is held up. */
struct asker {
	struct commit commit;
	struct verdict verdict;
	struct buf lines;
	struct unit units[16];
	struct simdisk *sim;
	uint64_t room; /* that there is from its answer on */
	int error;
	size_t stored, appended;
	sem_t done;
};

static void asker_done(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct asker *a = container_of(commit, struct asker, commit);

	a->error = error;
	a->stored = stored;
	a->appended = a->verdict.stored;
	if (a->room)
		a->sim->room = a->room;
	sem_post(&a->done);
}

static void asker_init(struct asker *a, struct place *p, const char *text)
{
	size_t n;

	*a = (struct asker){.sim = &p->sim};
	make(text, &a->lines, a->units, &n);
	a->commit = (struct commit){.lines = buf_slice(&a->lines),
				    .units = a->units,
				    .n_units = n,
				    .durable = true,
				    .done = asker_done};
	verdict_init(&a->verdict, a->commit.lines, a->units, n);
	a->commit.verdict = &a->verdict;
	a->commit.once = true;
	sem_init(&a->done, 0, 0);
}

static void asker_end(struct asker *a, int error, size_t stored, size_t appended)
{
	CHECK(sem_wait(&a->done) == 0);
	CHECK_INT(a->error, error);
	CHECK_INT(a->stored, stored);
	CHECK_INT(a->appended, appended);
	sem_destroy(&a->done);
	verdict_deinit(&a->verdict);
	buf_deinit(&a->lines);
}

struct gate {
	struct commit commit;
	sem_t reached, open;
};

static void hold(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct gate *g = container_of(commit, struct gate, commit);

	sem_post(&g->reached);
	CHECK(sem_wait(&g->open) == 0);
}

static void nothing(void *arg)
{
}

/* Two bring the same id at the same time. There is room for the first, or none: then the second is judged
 * anew. */
static void test_same_at_once(bool room)
{
	struct committer_options options = {.sync = SYNC_WRITE, .moved = nothing, .sealed = nothing};
	struct gate gate = {.commit.done = hold};
	struct asker first, second, other;
	auto_buf struct buf is = {0};
	struct committer *c;
	struct place p;
	char *data;
	size_t len;

	open_place(&p, "a");
	options.ids = p.ids;
	CHECK_INT(committer_start(&c, p.log, &options), 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	commit_queue(c, &gate.commit);
	CHECK(sem_wait(&gate.reached) == 0);
	asker_init(&first, &p, "a d");
	asker_init(&second, &p, "d e");
	asker_init(&other, &p, "D");
	size_t all = first.lines.len, half = first.units[0].stored, line = all - half;
	p.sim.room = room ? 1u << 20 : 1;
	first.room = 1u << 20;
	commit_queue(c, &first.commit);
	commit_queue(c, &second.commit);
	commit_queue(c, &other.commit);
	sem_post(&gate.open);
	if (room)
		asker_end(&first, 0, all, line);
	else
		asker_end(&first, -ENOSPC, half, 0);
	asker_end(&second, 0, all, room ? line : all);
	asker_end(&other, -EEXIST, 0, 0);
	committer_stop(c);
	sem_destroy(&gate.reached);
	sem_destroy(&gate.open);
	CHECK(simdisk_content(&p.sim, "app.jsonl", &data, &len));
	tell((struct slice){data, len}, &is);
	CHECK_MEM(is.data, is.len, "ade", 3);
	free(data);
	close_place(&p);
}

int main(void)
{
	test_prints();
	test_table();
	test_other_and_unsure();
	test_same_at_once(true);
	test_same_at_once(false);
	return 0;
}
