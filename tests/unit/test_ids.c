/* The index of ids against a list of all events: whatever has become of its files, what it finds is what is
 * there, and what it does not find is not. */
#include "model/ids/ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive_all.h"
#include "check.h"
#include "simdisk.h"

#define NAMES 3000 /* ids that there may be */

/* What is in the log: the oracle. */
struct told {
	struct {
		unsigned name;
		uint64_t off;
	} * list;
	size_t n, cap;
};

struct bench {
	struct disk *disk;
	int dirfd;
	char path[64];
	struct eventlog *log;
	struct told told;
	struct ids *ids;
	struct ids_look *look;
	uint64_t random;
};

static uint64_t pick(struct bench *b, uint64_t below)
{
	return sim_random(&b->random) % below;
}

static bool is_event(void *arg, struct slice line)
{
	struct json_error why;
	struct event ev = {0};
	bool is = event_scan(&ev, line, &why);

	event_deinit(&ev);
	return is;
}

static void open_log(struct bench *b)
{
	struct eventlog_options options = {.is_event = is_event, .frame_bytes = 3000};

	CHECK_INT(eventlog_open(&b->log, b->disk, b->dirfd, &options, NULL), 0);
}

static void rotate(struct bench *b)
{
	CHECK(eventlog_seal(b->log) >= 0);
	CHECK(archive_all(b->log, NULL) >= 0);
}

/* The id as one may write it. */
static void id_of(unsigned name, bool escaped, char *out, size_t size)
{
	snprintf(out, size, escaped ? "\\u0069d-%u\\/" : "id-%u/", name);
}

/* Lines that have ids, the same ones too, in several ways of writing, or none. */
static int append(struct bench *b, unsigned n, bool fresh)
{
	struct buf lines = {0};
	size_t stored, had = b->told.n;

	for (unsigned i = 0; i < n; i++) {
		char id[64];
		unsigned name = fresh ? (unsigned)had + i : (unsigned)pick(b, NAMES);
		uint64_t off = eventlog_head(b->log).off + lines.len;
		id_of(name, pick(b, 4) == 0, id, sizeof(id));
		bool named = fresh || pick(b, 5) > 0;
		if (named)
			buf_printf(&lines, "{\"type\":\"x\",\"data\":%u,\"%s\":\"%s\",\"ts\":1}\n", i,
				   pick(b, 3) ? "id" : "\\u0069d", id);
		else
			buf_printf(&lines, "{\"type\":\"x\",\"data\":{\"id\":\"%s\"},\"id\":null,\"ts\":1}\n",
				   id);
		CHECK(list_room(b->told.list, b->told.n, b->told.cap, 1024));
		if (named) {
			b->told.list[b->told.n].name = name;
			b->told.list[b->told.n++].off = off;
		}
	}
	int r = eventlog_append(b->log, buf_slice(&lines), true, &stored);
	buf_deinit(&lines);
	return r;
}

struct asked {
	struct ids_wait wait;
	sem_t sem;
	int error;
};

static void answered(struct ids_wait *wait, int error)
{
	struct asked *a = container_of(wait, struct asked, wait);

	a->error = error;
	sem_post(&a->sem);
}

static int want(struct bench *b)
{
	struct asked a = {.wait.done = answered};

	sem_init(&a.sem, 0, 0);
	ids_want(b->ids, &a.wait);
	while (sem_wait(&a.sem) < 0)
		;
	sem_destroy(&a.sem);
	return a.error;
}

static void start(struct bench *b, size_t recent)
{
	CHECK_INT(ids_start(&b->ids, b->log, b->disk, b->dirfd, &(struct ids_options){.recent = recent}), 0);
	CHECK_INT(ids_look_new(&b->look, b->ids), 0);
}

static void stop(struct bench *b)
{
	ids_look_free(b->look);
	ids_end(b->ids);
	ids_free(b->ids);
	b->ids = NULL;
	b->look = NULL;
}

struct seen {
	struct bench *bench;
	unsigned name;
	size_t next; /* of what was told, where to go on */
	unsigned n;
};

static int note_seen(void *arg, const struct ids_found *found)
{
	struct seen *s = arg;
	const struct told *t = &s->bench->told;

	while (s->next < t->n && t->list[s->next].name != s->name)
		s->next++;
	CHECK(s->next < t->n);
	CHECK_INT(found->off, t->list[s->next].off);
	s->next++;
	s->n++;
	return 0;
}

/* Whoever is told that there is no index just now asks for it. */
static int find(struct bench *b, unsigned name, struct seen *s)
{
	char id[64];
	int r;

	id_of(name, false, id, sizeof(id));
	do {
		*s = (struct seen){b, name, 0, 0};
		r = ids_follow(b->ids, b->look, eventlog_head(b->log).off);
		if (r == 0)
			r = ids_find(b->ids, b->look, slice_of(id), note_seen, s);
	} while (r == -EAGAIN && want(b) == 0);
	return r;
}

static void check_name(struct bench *b, unsigned name, int miss)
{
	struct seen s;
	unsigned there = 0;
	int r = find(b, name, &s);

	for (size_t i = 0; i < b->told.n; i++)
		there += b->told.list[i].name == name;
	CHECK_INT(s.n, there);
	CHECK_INT(r, miss);
}

static void check_some(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		check_name(b, (unsigned)pick(b, NAMES + 500), 0);
	if (b->told.n > 0) {
		check_name(b, b->told.list[0].name, 0);
		check_name(b, b->told.list[b->told.n - 1].name, 0);
	}
}

static void bench_init(struct bench *b, uint64_t seed)
{
	*b = (struct bench){.disk = &disk_posix, .random = seed, .path = "/tmp/test_ids.XXXXXX"};
	CHECK(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(b->dirfd >= 0);
}

static void bench_deinit(struct bench *b)
{
	char command[128];

	free(b->told.list);
	close(b->dirfd);
	snprintf(command, sizeof(command), "rm -rf %s", b->path);
	CHECK_INT(system(command), 0);
}

/* While it grows, through rotations and remounts. */
static void test_growing(void)
{
	struct bench b;

	bench_init(&b, 1);
	for (unsigned mount = 0; mount < 6; mount++) {
		open_log(&b);
		start(&b, 150);
		for (unsigned i = 0; i < 8; i++) {
			CHECK_INT(append(&b, (unsigned)pick(&b, 400), false), 0);
			if (i % 4 == 1)
				rotate(&b);
			check_some(&b, 60);
		}
		for (unsigned name = 0; mount == 5 && name < NAMES; name++)
			check_name(&b, name, 0);
		stop(&b);
		eventlog_close(b.log);
	}
	bench_deinit(&b);
}

/* One id a thousand times over costs no more than any. */
static void test_one_id(void)
{
	struct bench b;
	struct buf lines = {0};
	size_t stored;

	bench_init(&b, 2);
	open_log(&b);
	for (unsigned i = 0; i < 3000; i++) {
		CHECK(list_room(b.told.list, b.told.n, b.told.cap, 1024));
		b.told.list[b.told.n].name = 7;
		b.told.list[b.told.n++].off = lines.len;
		buf_add_str(&lines, "{\"type\":\"x\",\"id\":\"id-7/\"}\n");
	}
	CHECK_INT(eventlog_append(b.log, buf_slice(&lines), true, &stored), 0);
	start(&b, 1000);
	check_name(&b, 7, 0);
	check_name(&b, 8, 0);
	stop(&b);
	start(&b, 1000);
	check_name(&b, 7, 0);
	check_name(&b, 8, 0);
	stop(&b);
	eventlog_close(b.log);
	buf_deinit(&lines);
	bench_deinit(&b);
}

/* Calls `each` for the files of the index. */
static unsigned each_file(struct bench *b, void (*each)(struct bench *b, int dir, const char *name))
{
	unsigned n = 0;
	int fd = openat(b->dirfd, "ids", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	DIR *d = fdopendir(fd);
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (each)
			each(b, fd, e->d_name);
	}
	closedir(d);
	return n;
}

/* Under a mount one that was listed may have been merged with others meanwhile. */
static void remove_file(struct bench *b, int dir, const char *name)
{
	CHECK(unlinkat(dir, name, 0) == 0 || errno == ENOENT);
}

static void maybe_remove(struct bench *b, int dir, const char *name)
{
	if (pick(b, 2))
		remove_file(b, dir, name);
}

static void cut_file(struct bench *b, int dir, const char *name)
{
	struct stat st;
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return;
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_INT(ftruncate(fd, (off_t)pick(b, (uint64_t)st.st_size)), 0);
	close(fd);
}

static void garble_file(struct bench *b, int dir, const char *name)
{
	struct stat st;
	char byte;
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return;
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	off_t at = (off_t)pick(b, (uint64_t)st.st_size);
	CHECK_INT(pread(fd, &byte, 1, at), 1);
	byte = (char)(byte ^ 1 << pick(b, 8));
	CHECK_INT(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void command(struct bench *b, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "cd %s && %s", b->path, what);
	CHECK_INT(system(text), 0);
}

/* Before a mount, something happens to the files; or under it. */
static void test_damaged(void)
{
	static void (*const harm[])(struct bench *, int, const char *) = {remove_file, maybe_remove, cut_file,
									  garble_file};
	unsigned rounds = check_wants("1") ? 200 : 40;
	struct bench b;

	bench_init(&b, 3);
	open_log(&b);
	start(&b, 300);
	for (unsigned round = 0; round < rounds; round++) {
		bool mounted = pick(&b, 2);
		CHECK_INT(append(&b, (unsigned)pick(&b, 300), false), 0);
		if (round % 8 == 1)
			rotate(&b);
		CHECK_INT(want(&b), 0);
		if (!mounted)
			stop(&b);
		each_file(&b, harm[round % countof(harm)]);
		if (!mounted)
			start(&b, 300);
		check_some(&b, 20);
		for (unsigned name = 0; harm[round % countof(harm)] == garble_file && name < NAMES; name++)
			check_name(&b, name, 0);
	}
	stop(&b);
	/* The files hold what was written once more, and are not made again. */
	CHECK(each_file(&b, NULL) > 0);
	eventlog_close(b.log);
	bench_deinit(&b);
}

/* The files are from an older copy, the log goes on from an older copy, or they are of another log. */
static void test_other_copies(void)
{
	unsigned rounds = check_wants("1") ? 50 : 10;

	for (unsigned round = 0; round < rounds; round++) {
		struct bench b;
		bench_init(&b, 100 + round);
		open_log(&b);
		start(&b, 100);
		CHECK_INT(append(&b, 200 + (unsigned)pick(&b, 500), false), 0);
		CHECK_INT(want(&b), 0);
		stop(&b);
		eventlog_close(b.log);
		command(&b, "mkdir old && cp -r ids app.jsonl old");
		size_t had = b.told.n;
		open_log(&b);
		CHECK_INT(append(&b, 200 + (unsigned)pick(&b, 500), false), 0);
		start(&b, 100);
		check_some(&b, 10);
		stop(&b);
		if (round % 3 == 0) { /* the index is older */
			command(&b, "rm -r ids && mv old/ids .");
		} else { /* the log is, and goes on otherwise */
			eventlog_close(b.log);
			command(&b, "mv old/app.jsonl .");
			b.told.n = had;
			open_log(&b);
			CHECK_INT(append(&b, 600 + (unsigned)pick(&b, 500), false), 0);
		}
		start(&b, 100);
		check_some(&b, 100);
		stop(&b);
		eventlog_close(b.log);
		bench_deinit(&b);
	}
}

/* As long as there is something in the log that is no event, nobody knows that an id is new. */
static void test_unknown(void)
{
	struct bench b;
	struct seen s;

	bench_init(&b, 4);
	open_log(&b);
	CHECK_INT(append(&b, 400, true), 0);
	eventlog_close(b.log);
	command(&b, "echo 'no event' >> app.jsonl; echo >> app.jsonl; cp app.jsonl damaged");
	open_log(&b);
	CHECK_INT(append(&b, 400, true), 0);
	start(&b, 50);
	check_name(&b, b.told.list[0].name, -EIO); /* it is seen, and there may be more */
	check_name(&b, b.told.list[700].name, -EIO);
	CHECK_INT(find(&b, NAMES + 5000, &s), -EIO);
	stop(&b);
	start(&b, 50);
	CHECK_INT(find(&b, NAMES + 5000, &s), -EIO);
	/* Mended, and told so. */
	command(&b, "sed -i.bak 's/no event/        /' app.jsonl && cat app.jsonl > app.jsonl.bak && mv "
		    "app.jsonl.bak "
		    "app.jsonl");
	eventlog_close(b.log);
	ids_look_free(b.look);
	b.look = NULL;
	ids_end(b.ids);
	ids_free(b.ids);
	open_log(&b);
	start(&b, 50);
	CHECK_INT(find(&b, NAMES + 5000, &s), 0);
	check_name(&b, b.told.list[700].name, 0);
	stop(&b);
	eventlog_close(b.log);
	bench_deinit(&b);
}

/* Somebody who no longer wants it does not wait for it, and at the end all are answered. */
static bool is_given_up(const struct ids_wait *wait)
{
	return true;
}

static void test_given_up(void)
{
	struct bench b;
	struct asked a = {.wait = {.done = answered, .given_up = is_given_up}};

	bench_init(&b, 5);
	open_log(&b);
	CHECK_INT(append(&b, 100, false), 0);
	start(&b, 50);
	sem_init(&a.sem, 0, 0);
	ids_want(b.ids, &a.wait);
	while (sem_wait(&a.sem) < 0)
		;
	CHECK(a.error == -EINTR || a.error == 0);
	sem_destroy(&a.sem);
	check_some(&b, 10);
	stop(&b);
	eventlog_close(b.log);
	bench_deinit(&b);
}

/* The power goes at every change: what is in the log then is what is found. */
static void one_powercut(uint64_t stop_at, bool *ret_met)
{
	struct simdisk s;
	struct bench b = {.dirfd = -1, .random = stop_at};

	simdisk_init(&s);
	b.disk = &s.disk;
	open_log(&b);
	CHECK_INT(append(&b, 40, true), 0);
	s.stop_at = stop_at;
	size_t sure = b.told.n;
	for (unsigned i = 0; i < 6 && !s.dead; i++) {
		bool synced = append(&b, 20, true) == 0;
		start(&b, 30); /* the disk is one thread's at a time */
		bool there = want(&b) == 0;
		stop(&b);
		if (there && synced && !s.dead)
			sure = b.told.n;
	}
	*ret_met = s.dead;
	eventlog_close(b.log);
	simdisk_reboot(&s, stop_at);
	open_log(&b);
	uint64_t end = eventlog_head(b.log).off;
	while (b.told.n > 0 && b.told.list[b.told.n - 1].off >= end)
		b.told.n--;
	CHECK(b.told.n >= sure);
	/* It may go on with other events from there. */
	CHECK_INT(append(&b, 30, false), 0);
	start(&b, 1000);
	check_some(&b, 40);
	stop(&b);
	eventlog_close(b.log);
	free(b.told.list);
	simdisk_deinit(&s);
}

static void test_powercuts(void)
{
	bool met = true;

	for (uint64_t at = 1; met; at++)
		one_powercut(at, &met);
}

/* A disk on which something happens to the index's own thread. */
struct hooked {
	struct disk disk;
	pthread_t me; /* to whom nothing happens */
	struct bench *bench;
	unsigned reads, renew_at; /* so many reads; at which it begins anew */
	bool held;                /* its syncs wait */
	sem_t goes_on;
};

static ssize_t hooked_pread(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	struct hooked *h = container_of(d, struct hooked, disk);

	if (!pthread_equal(pthread_self(), h->me) && ++h->reads == h->renew_at)
		ids_renew(h->bench->ids);
	return disk_posix.pread(&disk_posix, fd, data, len, off);
}

static int hooked_sync(struct disk *d, int fd)
{
	struct hooked *h = container_of(d, struct hooked, disk);

	while (h->held && !pthread_equal(pthread_self(), h->me) && sem_wait(&h->goes_on) < 0)
		;
	return disk_posix.sync(&disk_posix, fd);
}

static void hook(struct hooked *h, struct bench *b)
{
	*h = (struct hooked){.disk = disk_posix, .me = pthread_self(), .bench = b};
	h->disk.pread = hooked_pread;
	h->disk.sync = hooked_sync;
	sem_init(&h->goes_on, 0, 0);
	b->disk = &h->disk;
}

/* It begins anew at each moment of its coming up. */
static void test_renewed(void)
{
	struct bench b;
	struct hooked h;

	bench_init(&b, 6);
	hook(&h, &b);
	open_log(&b);
	start(&b, 100);
	/* The first is too large for the second to be merged with it. */
	CHECK_INT(append(&b, 8000, true), 0);
	CHECK_INT(want(&b), 0);
	CHECK_INT(append(&b, 200, true), 0);
	CHECK_INT(want(&b), 0);
	stop(&b);
	CHECK(each_file(&b, NULL) > 1);
	command(&b, "mv ids made");
	for (unsigned at = 1; at == 1 || h.reads >= at - 1; at++) {
		command(&b, "rm -rf ids && cp -r made ids");
		h.reads = 0;
		h.renew_at = at;
		start(&b, 100);
		CHECK_INT(want(&b), 0);
		check_name(&b, 0, 0);
		check_name(&b, b.told.list[b.told.n - 1].name, 0);
		stop(&b);
		h.renew_at = 0;
	}
	eventlog_close(b.log);
	sem_destroy(&h.goes_on);
	bench_deinit(&b);
}

/* Who follows does not wait for the disk of the index's files. */
static void test_slow_disk(void)
{
	struct bench b;
	struct hooked h;
	int r = 0;

	bench_init(&b, 7);
	hook(&h, &b);
	open_log(&b);
	start(&b, 20);
	CHECK_INT(want(&b), 0);
	h.held = true;
	for (unsigned i = 0; r == 0 && i < 10; i++) {
		CHECK_INT(append(&b, 30, true), 0);
		r = ids_follow(b.ids, b.look, eventlog_head(b.log).off);
	}
	CHECK_INT(r, -EAGAIN);
	for (unsigned i = 0; i < 20; i++)
		sem_post(&h.goes_on);
	check_some(&b, 20);
	stop(&b);
	eventlog_close(b.log);
	sem_destroy(&h.goes_on);
	bench_deinit(&b);
}

int main(void)
{
	test_renewed();
	test_slow_disk();
	test_growing();
	test_one_id();
	test_damaged();
	test_other_copies();
	test_unknown();
	test_given_up();
	test_powercuts();
	return 0;
}
