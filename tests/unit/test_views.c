/* The views over a real log and real worker processes. Arguments: the worker program, the directory of the
 * shipped reducers, that of the bad ones. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "model/event/event.h"
#include "model/link/handle.h"
#include "model/views/views.h"
#include "store/memfd.h"

#define PATIENCE_S 20 /* for what takes milliseconds */

static const char *worker, *shipped, *bad;

struct fixture {
	char dir[64];
	int fd;
	struct eventlog *log;
	struct views *views;
	const void *given_up; /* what nobody waits for any more */
	pthread_mutex_t lock;
	char reports[16384]; /* under the lock */
};

static void report(void *arg, const char *text)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	size_t len = strlen(f->reports);
	snprintf(f->reports + len, sizeof(f->reports) - len, "%s\n", text);
	pthread_mutex_unlock(&f->lock);
	if (getenv("VERBOSE"))
		fprintf(stderr, "  %s\n", text);
}

static bool reported(struct fixture *f, const char *what)
{
	pthread_mutex_lock(&f->lock);
	bool found = strstr(f->reports, what);
	pthread_mutex_unlock(&f->lock);
	return found;
}

static bool is_given_up(void *arg, const void *key)
{
	return key == ((struct fixture *)arg)->given_up;
}

static bool is_event(void *arg, struct slice line)
{
	return true;
}

static void start_with(struct fixture *f, const struct views_options *with)
{
	struct eventlog_options log_options = {.is_event = is_event, .arg = f};
	struct views_options options = *with;
	struct diag diag = {0};

	options.worker_path = worker;
	options.report = report;
	options.cancelled = is_given_up;
	options.arg = f;
	CHECK_INT(eventlog_open(&f->log, &disk_posix, f->fd, &log_options, &diag), 0);
	CHECK_INT(views_start(&f->views, f->log, &disk_posix, f->fd, &options, &diag), 0);
}

static void start(struct fixture *f)
{
	start_with(f, &(struct views_options){.reduce_timeout_ms = 10000, .snapshot_bytes = 1u << 30});
}

static void stop(struct fixture *f)
{
	views_stop(f->views);
	eventlog_close(f->log);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	strcpy(f->dir, "/tmp/test_views_XXXXXX");
	CHECK(mkdtemp(f->dir));
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(f->fd >= 0);
	CHECK_INT(mkdirat(f->fd, "reducers", 0777), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void tear_down(struct fixture *f)
{
	close(f->fd);
	CHECK_INT(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	pthread_mutex_destroy(&f->lock);
}

static void append_n(struct fixture *f, unsigned n, const char *line)
{
	auto_buf struct buf b = {0};
	size_t len;

	for (unsigned i = 0; i < n; i++) {
		buf_add_str(&b, line);
		buf_add_char(&b, '\n');
	}
	CHECK_INT(eventlog_append(f->log, buf_slice(&b), false, &len), 0);
	views_head_moved(f->views, true);
}

#define EVENT "{\"type\":\"a\",\"data\":null,\"ts\":1}"

static void put(struct fixture *f, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/reducers/%s", f->dir, name);
	FILE *file = fopen(path, "w");
	CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void copy(struct fixture *f, const char *from_dir, const char *from, const char *to)
{
	char path[4096];
	static char content[1 << 20];

	snprintf(path, sizeof(path), "%s/%s.so", from_dir, from);
	FILE *file = fopen(path, "r");
	CHECK(file);
	size_t n = fread(content, 1, sizeof(content), file);
	CHECK(n > 0 && n < sizeof(content));
	fclose(file);
	snprintf(path, sizeof(path), "%s/reducers/%s", f->dir, to);
	file = fopen(path, "w");
	CHECK(file && fwrite(content, 1, n, file) == n && fclose(file) == 0);
	CHECK_INT(chmod(path, 0644), 0);
}

static void drop(struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/reducers/%s", f->dir, name);
	CHECK_INT(unlink(path), 0);
}

/* One request, and its answer once it is there. */
struct call {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct views_answer answer;
};

static void call_done(void *arg, const struct views_answer *answer)
{
	struct call *c = arg;

	pthread_mutex_lock(&c->lock);
	CHECK(!c->done);
	c->done = true;
	c->answer = *answer;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

struct look {
	struct catalog_wait wait;
	_Atomic bool done;
};

static void looked(struct catalog_wait *w)
{
	container_of(w, struct look, wait)->done = true;
}

/* As the requests of a mount do it. */
static void refresh_view(struct fixture *f, const char *name)
{
	struct look look = {.wait.done = looked};

	if (views_are_current(f->views, name, 0))
		return;
	snprintf(look.wait.name, sizeof(look.wait.name), "%s", name ? name : "");
	views_look(f->views, &look.wait);
	for (unsigned i = 0; !look.done && i < PATIENCE_S * 1000; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	CHECK(look.done);
}

static void refresh(struct fixture *f)
{
	refresh_view(f, NULL);
}

static void call_begin(struct call *c, struct fixture *f, const char *name, enum views_what what)
{
	*c = (struct call){.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	refresh_view(f, name);
	views_want(f->views, name, what, c, call_done, c);
}

static void call_wait(struct call *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&c->lock);
	while (!c->done)
		CHECK_INT(pthread_cond_timedwait(&c->cond, &c->lock, &until), 0);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->cond);
}

static bool call_is_done(struct call *c)
{
	pthread_mutex_lock(&c->lock);
	bool done = c->done;
	pthread_mutex_unlock(&c->lock);
	return done;
}

static struct views_answer want(struct fixture *f, const char *name, enum views_what what)
{
	struct call c;

	call_begin(&c, f, name, what);
	call_wait(&c);
	return c.answer;
}

static void check_state(struct fixture *f, const char *name, const char *json)
{
	uint64_t head = eventlog_head(f->log).off;
	struct views_answer a = want(f, name, VIEWS_STATE);

	CHECK_INT(a.error, 0);
	CHECK_INT(a.pos.off, head);
	CHECK_MEM(a.rendering->json.data, a.rendering->json.len, json, strlen(json));
	rendering_unref(a.rendering);
}

static void check_error(struct fixture *f, const char *name, int error)
{
	struct views_answer a = want(f, name, VIEWS_STATE);

	rendering_unref(a.rendering);
	CHECK_INT(a.error, error);
	CHECK(!a.rendering);
}

static void check_count(struct fixture *f, const char *name, unsigned count)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"count\":%u}\n", count);
	check_state(f, name, json);
}

static struct view_status status_of(struct fixture *f, const char *name)
{
	struct view_status s;

	CHECK_INT(views_status(f->views, name, &s), 0);
	return s;
}

static pid_t worker_pid(struct fixture *f)
{
	struct views_worker_status s;

	views_worker_status(f->views, &s);
	return s.pid;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void test_states(struct fixture *f)
{
	copy(f, shipped, "count", "count.so");
	copy(f, shipped, "todos", "todos.so");
	copy(f, shipped, "types", "types.so");
	start(f);
	check_count(f, "count", 0);
	CHECK_INT(want(f, "count", VIEWS_POSITION).pos.off, 0);
	for (unsigned i = 1; i <= 200; i++) {
		append_n(f, 1, EVENT);
		if (i % 3)
			check_count(f, "count", i);
		struct views_answer a = want(f, "types", VIEWS_POSITION);
		CHECK(a.error == 0 && !a.rendering && a.pos.off == i * (sizeof(EVENT)) && a.pos.seq == i);
		CHECK(a.pos.hash == log_hash(SLICE(EVENT)));
	}
	/* Versions: the same state is the same version, and is not rendered again. */
	struct views_answer one = want(f, "todos", VIEWS_STATE);
	append_n(f, 1, EVENT);
	struct views_answer two = want(f, "todos", VIEWS_STATE);
	CHECK(one.error == 0 && two.error == 0 && one.version == two.version &&
	      one.rendering == two.rendering);
	CHECK(two.pos.off > one.pos.off);
	append_n(f, 1, "{\"type\":\"todo_added\",\"data\":{\"text\":\"buy milk\"}}");
	struct views_answer three = want(f, "todos", VIEWS_STATE);
	CHECK(three.version > two.version);
	CHECK(slice_eq(one.rendering->json, two.rendering->json));
	rendering_unref(one.rendering);
	rendering_unref(two.rendering);
	rendering_unref(three.rendering);
	check_state(f, "todos",
		    "{\"items\":[{\"id\":0,\"text\":\"buy milk\",\"done\":false}],\"next_id\":1}\n");
	check_state(f, "types", "{\"a\":201,\"todo_added\":1}\n");
	/* A long fold, and renderings of all sizes. */
	for (unsigned i = 0; i < 40; i++) {
		append_n(f, 1000,
			 "{\"type\":\"todo_added\",\"data\":{\"text\":"
			 "\"0123456789012345678901234567890123456789\"}}");
		struct views_answer a = want(f, "todos", VIEWS_STATE);
		CHECK_INT(a.error, 0);
		CHECK(a.rendering->json.len > (i + 1) * 60000);
		rendering_unref(a.rendering);
	}
	check_error(f, "nothing", -ENOENT);
	append_n(f, 1, "{\"type\":\"todo_added\",\"data\":{\"text\":\"x\"}}");
	append_n(f, 5, "no event");
	check_state(f, "types", "{\"a\":201,\"todo_added\":40002}\n");
	CHECK(reported(f, "is no event"));
	stop(f);
}

static void test_live(struct fixture *f)
{
	start(f);
	append_n(f, 10, EVENT);
	check_error(f, "n", -ENOENT);
	put(f, "n.jq", ".[$event.type] += 1");
	check_state(f, "n", "{\"a\":10}\n");
	put(f, "n.jq", ". + 1");
	check_state(f, "n", "10\n");
	uint64_t version = status_of(f, "n").version;
	put(f, "n.jq", ". + 1"); /* the same content: nothing happens */
	check_state(f, "n", "10\n");
	CHECK_INT(status_of(f, "n").version, version);
	put(f, "n.jq", ". + ");
	check_error(f, "n", -EIO);
	CHECK(status_of(f, "n").broken && status_of(f, "n").why.text[0]);
	put(f, "n.jq.new", ". + 2"); /* as editors do */
	char from[128], to[128];
	snprintf(from, sizeof(from), "%s/reducers/n.jq.new", f->dir);
	snprintf(to, sizeof(to), "%s/reducers/n.jq", f->dir);
	CHECK_INT(rename(from, to), 0);
	check_state(f, "n", "20\n");
	copy(f, shipped, "count", "n.so");
	check_error(f, "n", -EIO);
	CHECK(strstr(status_of(f, "n").why.text, "both n.jq and n.so"));
	drop(f, "n.jq");
	check_count(f, "n", 10);
	copy(f, shipped, "types", "n.so"); /* in place: the worker runs a copy */
	check_state(f, "n", "{\"a\":10}\n");
	to[strlen(to) - 2] = 's';
	to[strlen(to) - 1] = 'o';
	CHECK_INT(chmod(to, 0666), 0);
	check_error(f, "n", -EIO);
	CHECK(strstr(status_of(f, "n").why.text, "writable"));
	drop(f, "n.so");
	check_error(f, "n", -ENOENT);
	/* A symbolic link whose target changes. */
	CHECK_INT(symlinkat("../target", f->fd, "reducers/link.jq"), 0);
	check_error(f, "link", -EIO);
	put(f, "../target", ". + 3");
	check_state(f, "link", "30\n");
	put(f, "../target", ". + 30");
	check_state(f, "link", "300\n");
	/* The directory itself goes and comes. */
	drop(f, "link.jq");
	CHECK_INT(unlinkat(f->fd, "reducers", AT_REMOVEDIR), 0);
	check_error(f, "link", -ENOENT);
	CHECK_INT(mkdirat(f->fd, "reducers", 0777), 0);
	put(f, "n.jq", ". + 1");
	check_state(f, "n", "10\n");
	CHECK_INT(views_rebuild(f->views, "n"), 0);
	check_state(f, "n", "10\n");
	CHECK_INT(views_rebuild(f->views, "m"), -ENOENT);
	struct views_worker_status s;
	views_worker_status(f->views, &s);
	CHECK_INT(s.restarts, 0);
	stop(f);
}

/* One that goes wrong at its 500th event harms no other. */
static void go_wrong_with(struct fixture *f, const char *name, const char *why,
			  const struct views_options *options)
{
	struct call c;
	char file[64];

	copy(f, shipped, "count", "count.so");
	snprintf(file, sizeof(file), "%s.so", name);
	char module[64];
	snprintf(module, sizeof(module), "bad_%s", name);
	copy(f, bad, module, file);
	start_with(f, options);
	append_n(f, 499, EVENT);
	check_state(f, name, "499\n");
	check_count(f, "count", 499);
	append_n(f, 1, EVENT);
	append_n(f, 100, EVENT);
	call_begin(&c, f, name, VIEWS_STATE);
	check_count(f, "count", 600);
	call_wait(&c);
	CHECK_INT(c.answer.error, -EIO);
	struct view_status s = status_of(f, name);
	CHECK(s.broken);
	if (!strstr(s.why.text, why) || !strstr(s.why.text, "event 500 at offset 15968")) {
		fprintf(stderr, "%s: %s\n", name, s.why.text);
		CHECK(!"the right reason");
	}
	CHECK_INT(status_of(f, "count").folded >= 600, 1);
	struct views_worker_status w;
	views_worker_status(f->views, &w);
	CHECK(w.restarts >= 1 && w.restarts <= 3); /* both have it while it is being handed over */
	append_n(f, 1, EVENT);
	check_count(f, "count", 601);
	check_error(f, name, -EIO);
	/* Once mended it comes back. */
	copy(f, shipped, "count", file);
	check_count(f, name, 601);
	stop(f);
}

static void go_wrong(struct fixture *f, const char *name, const char *why, unsigned timeout_ms)
{
	go_wrong_with(f, name, why,
		      &(struct views_options){.reduce_timeout_ms = timeout_ms, .reduce_memory = 256u << 20});
}

static void test_crash(struct fixture *f)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	go_wrong(f, "crash", "exited with status", 10000); /* the sanitizer's doing */
#else
	go_wrong(f, "crash", "killed by signal 11 (Segmentation fault)", 10000);
#endif
}

static void test_abort(struct fixture *f)
{
	go_wrong(f, "abort", "killed by signal 6 (Aborted)", 10000);
}

static void test_loop(struct fixture *f)
{
	go_wrong(f, "loop", "took longer than 300 ms", 300);
}

static void test_flood(struct fixture *f)
{
	go_wrong(f, "flood", "took longer than 300 ms", 300);
}

/* One that does harm to all the others in its worker: they are right and fresh in the end, whatever becomes
 * of itself. */
static void do_harm_once(struct fixture *f, const char *what)
{
	char module[64];
	unsigned n = 499;

	snprintf(module, sizeof(module), "bad_%s", what);
	copy(f, shipped, "count", "count.so");
	copy(f, shipped, "types", "types.so");
	put(f, "n.jq", ". + 1");
	copy(f, bad, module, "m.so");
	copy(f, shipped, "count", "zcount.so"); /* some stand before it, some behind it */
	start_with(f, &(struct views_options){.reduce_timeout_ms = 2000, .snapshot_bytes = 1u << 30});
	append_n(f, n, EVENT);
	check_state(f, "m", "499\n");
	for (unsigned i = 0; i < 20; i++) {
		char json[64];
		append_n(f, 1, EVENT);
		n++;
		check_count(f, "count", n);
		check_count(f, "zcount", n);
		snprintf(json, sizeof(json), "{\"a\":%u}\n", n);
		check_state(f, "types", json);
		snprintf(json, sizeof(json), "%u\n", n);
		check_state(f, "n", json);
	}
	struct views_answer a = want(f, "m", VIEWS_STATE);
	rendering_unref(a.rendering);
	CHECK(a.error == 0 || a.error == -EIO);
	CHECK(!status_of(f, "count").broken && !status_of(f, "types").broken && !status_of(f, "n").broken);
	struct views_worker_status w;
	views_worker_status(f->views, &w);
	CHECK(w.restarts < 20);
	stop(f);
}

static void do_harm(struct fixture *f, const char *what)
{
	const unsigned rounds = check_wants("1") ? 50 : 5;

	for (unsigned round = 0; round < rounds; round++) {
		struct fixture g;
		uint64_t begin = now_ms();
		set_up(&g);
		do_harm_once(&g, what);
		tear_down(&g);
		CHECK(now_ms() - begin < PATIENCE_S * 1000);
	}
}

static void test_heap(struct fixture *f)
{
	do_harm(f, "heap");
}

static void test_stray(struct fixture *f)
{
	do_harm(f, "stray");
}

static void test_descriptors(struct fixture *f)
{
	do_harm(f, "descriptors");
}

static void test_scribble(struct fixture *f)
{
	do_harm(f, "scribble");
}

static void test_sleep(struct fixture *f)
{
	go_wrong_with(f, "sleep", "did nothing for 500 ms",
		      &(struct views_options){.reduce_timeout_ms = 300, .reduce_blocked_ms = 500});
}

/* A worker that somebody stops is not a reducer that loops; and it is not waited for without end. */
static void test_stopped(struct fixture *f)
{
	struct call c;

	copy(f, shipped, "count", "count.so");
	copy(f, bad, "bad_slow", "slow.so");
	start_with(f, &(struct views_options){.reduce_timeout_ms = 1000, .snapshot_bytes = 1u << 30});
	append_n(f, 499, EVENT);
	check_state(f, "slow", "499\n");
	append_n(f, 1, EVENT);
	call_begin(&c, f, "slow", VIEWS_STATE);
	usleep(100000); /* into the event, or not yet, or no more: it is to be right in any case */
	pid_t pid = worker_pid(f);
	CHECK_INT(kill(pid, SIGSTOP), 0);
	usleep(1500000);
	kill(pid, SIGCONT);
	call_wait(&c);
	CHECK_INT(c.answer.error, 0);
	rendering_unref(c.answer.rendering);
	check_state(f, "slow", "500\n");
	CHECK(!status_of(f, "slow").broken);
	/* While it had nothing to do. */
	check_count(f, "count", 500);
	usleep(300000);
	CHECK_INT(kill(worker_pid(f), SIGSTOP), 0);
	append_n(f, 1, EVENT);
	check_count(f, "count", 501);
	CHECK(!status_of(f, "slow").broken && !status_of(f, "count").broken);
	stop(f);
}

static void test_hog(struct fixture *f)
{
	go_wrong(f, "hog", "memory", 10000);
}

static void test_leave(struct fixture *f)
{
	go_wrong(f, "leave", "exited with status 0", 10000);
}

/* What it says of others on its way out is not believed: the kernel would have to say so, too. */
static void test_slander(struct fixture *f)
{
	go_wrong(f, "slander", "exited with status 0", 10000);
}

static void test_escape(struct fixture *f)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep their workers open */
	copy(f, bad, "bad_escape", "escape.so");
	start(f);
	append_n(f, 1, EVENT);
	check_state(f, "escape", "[]\n");
	CHECK(!reported(f, "runs no reducer"));
	stop(f);
#endif
}

/* Whoever starts it may have set limits that can't be raised: they are no reason to leave the doors open. */
static void test_hard_limit(struct fixture *f)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	const struct rlimit limit = {1u << 30, 1u << 30};
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
		copy(f, bad, "bad_escape", "escape.so");
		start_with(f, &(struct views_options){.reduce_memory = 2u << 30});
		append_n(f, 1, EVENT);
		check_state(f, "escape", "[]\n");
		stop(f);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
#endif
}

/* Processes that run the worker's program. */
static unsigned count_workers(void)
{
	DIR *proc = opendir("/proc");
	unsigned n = 0;

	CHECK(proc);
	for (struct dirent *d; (d = readdir(proc));) {
		char path[300], target[4096];
		snprintf(path, sizeof(path), "/proc/%s/exe", d->d_name);
		ssize_t len = readlink(path, target, sizeof(target));
		n += len > 0 && (size_t)len == strlen(worker) && memcmp(target, worker, (size_t)len) == 0;
	}
	closedir(proc);
	return n;
}

/* Whatever it has started, nothing is left when the views are gone. */
static void test_children(struct fixture *f)
{
	copy(f, bad, "bad_children", "children.so");
	start(f);
	append_n(f, 1, EVENT);
	check_state(f, "children", "true\n");
	stop(f);
	uint64_t begin = now_ms();
	while (count_workers() > 0 && now_ms() - begin < PATIENCE_S * 1000)
		usleep(1000);
	CHECK_INT(count_workers(), 0);
}

/* The child that writes a state is gone before the worker has heard of its end: the state is asked for again.
 */
static void test_reaper(struct fixture *f)
{
	copy(f, bad, "bad_reaper", "reaper.so");
	start(f);
	append_n(f, 1, EVENT);
	struct views_answer a = want(f, "reaper", VIEWS_STATE); /* from now on its size is known */
	rendering_unref(a.rendering);
	for (unsigned i = 0; i < 20; i++) {
		struct call c;
		append_n(f, 1, EVENT);
		call_begin(&c, f, "reaper", VIEWS_STATE);
		usleep(i * 100);
		append_n(f, 1, EVENT);
		call_wait(&c);
		CHECK_INT(c.answer.error, 0);
		rendering_unref(c.answer.rendering);
	}
	stop(f);
}

/* More that could have done it than can be tried alone: the last of them has its turn, too. */
static void test_crowd(struct fixture *f)
{
	const unsigned n = 40;
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "c%u.so", i);
		copy(f, shipped, "count", name);
	}
	copy(f, bad, "bad_descriptors", "z.so");
	start_with(f, &(struct views_options){.reduce_timeout_ms = 2000, .snapshot_bytes = 1u << 30});
	append_n(f, 499, EVENT);
	check_state(f, "z", "499\n");
	for (unsigned events = 500; events < 505; events++) {
		append_n(f, 1, EVENT);
		for (unsigned i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "c%u", i);
			check_count(f, name, events);
			CHECK(!status_of(f, name).broken);
		}
	}
	uint64_t begin = now_ms();
	for (struct view_status z = {0}; !z.broken && !z.alone; z = status_of(f, "z")) {
		struct views_answer a = want(f, "z", VIEWS_STATE);
		rendering_unref(a.rendering);
		CHECK(now_ms() - begin < PATIENCE_S * 1000);
		append_n(f, 1, EVENT);
	}
	stop(f);
}

/* What the daemon maps, nobody may change or shorten, whatever a worker says. */
static void test_rendering(struct fixture *f)
{
	struct packet p = {.message = {.size = 2}, .n_fds = 1};
	struct rendering *r;

	put(f, "plain", "1\n");
	p.fds[0] = openat(f->fd, "reducers/plain", O_RDONLY | O_CLOEXEC);
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	packet_deinit(&p);
	p.n_fds = 1;
	p.fds[0] = memfd_new("test");
	CHECK(p.fds[0] >= 0 && write(p.fds[0], "1\n", 2) == 2);
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	CHECK_INT(memfd_seal(p.fds[0]), 0);
	p.message.size = 3;
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	p.message.size = 1;
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	p.message.size = 2;
	CHECK_INT(rendering_of_packet(&p, &r), 0);
	CHECK(r && slice_eq(r->json, SLICE("1\n")));
	rendering_unref(r);
	packet_deinit(&p);
	p.text = SLICE("1");
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	p.text = SLICE("\n");
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	p.text = SLICE("");
	CHECK_INT(rendering_of_packet(&p, &r), -EBADMSG);
	p.text = SLICE("1\n");
	CHECK_INT(rendering_of_packet(&p, &r), 0);
	CHECK(r && slice_eq(r->json, SLICE("1\n")));
	rendering_unref(r);
	/* One whose descriptor did not fit says nothing about the state. */
	p.lost_fds = true;
	CHECK_INT(rendering_of_packet(&p, &r), -EMFILE);
}

/* A worker that talks without end fills no log. */
static void test_reports(struct fixture *f)
{
	static struct worker_handle h;
	unsigned passed = 0;

	for (uint64_t ms = 100000; ms < 200000; ms++)
		passed += worker_handle_may_report(&h, ms);
	CHECK(passed >= 1000 && passed <= 3000);
}

static void test_killed(struct fixture *f)
{
	copy(f, shipped, "count", "count.so");
	start(f);
	unsigned n = 0;
	pid_t last = 0;
	for (unsigned i = 0; i < 5; i++) {
		append_n(f, 1000, EVENT);
		n += 1000;
		pid_t pid = worker_pid(f);
		if (pid && pid != last)
			CHECK_INT(kill(pid, SIGKILL), 0);
		last = pid;
		check_count(f, "count", n);
	}
	CHECK(!status_of(f, "count").broken);
	stop(f);
}

static void snapshot_path(struct fixture *f, char *path, size_t size)
{
	snprintf(path, size, "%s/views/count.snapshot.json", f->dir);
}

static void test_snapshots(struct fixture *f)
{
	char path[128];

	copy(f, shipped, "count", "count.so");
	put(f, "n.jq", ". + 1");
	start(f);
	append_n(f, 1000, EVENT);
	check_count(f, "count", 1000);
	stop(f);

	start(f);
	check_count(f, "count", 1000);
	check_state(f, "n", "1000\n");
	CHECK_INT(status_of(f, "count").folded, 0);
	CHECK_INT(status_of(f, "count").snapshot_off, 1000 * sizeof(EVENT));
	append_n(f, 10, EVENT);
	check_count(f, "count", 1010);
	check_state(f, "n", "1010\n");
	CHECK_INT(status_of(f, "count").folded, 10);
	CHECK_INT(status_of(f, "n").folded, 10);
	stop(f);

	/* A damaged one is ignored. */
	snapshot_path(f, path, sizeof(path));
	FILE *file = fopen(path, "r+");
	CHECK(file && fseek(file, 20, SEEK_SET) == 0 && fputc('9', file) == '9' && fclose(file) == 0);
	start(f);
	check_count(f, "count", 1010);
	check_state(f, "n", "1010\n");
	CHECK_INT(status_of(f, "count").folded, 1010);
	CHECK_INT(status_of(f, "n").folded, 0);
	CHECK(reported(f, "snapshot of count is not used"));
	stop(f);

	/* So is one of another reducer. */
	copy(f, shipped, "types", "count.so");
	start(f);
	check_state(f, "count", "{\"a\":1010}\n");
	CHECK_INT(status_of(f, "count").folded, 1010);
	CHECK_INT(views_rebuild(f->views, NULL), 0);
	check_state(f, "count", "{\"a\":1010}\n");
	CHECK_INT(status_of(f, "count").folded, 2020);
	stop(f);

	/* One on the way, and what a worker's death costs then. */
	start_with(f, &(struct views_options){.snapshot_bytes = 1000 * sizeof(EVENT)});
	append_n(f, 2000, EVENT);
	check_state(f, "n", "3010\n");
	uint64_t begin = now_ms();
	/* Where all of it was not folded in one turn, that may be somewhere in it. */
	while (status_of(f, "n").snapshot_off < 2010 * sizeof(EVENT) && now_ms() - begin < PATIENCE_S * 1000)
		usleep(1000);
	uint64_t saved = status_of(f, "n").snapshot_off / sizeof(EVENT);
	CHECK(saved >= 2010 && saved <= 3010);
	kill(worker_pid(f), SIGKILL);
	append_n(f, 1, EVENT);
	check_state(f, "n", "3011\n");
	CHECK_INT(status_of(f, "n").folded, 2001 + 3010 - saved);
	stop(f);
}

static void test_rotation(struct fixture *f)
{
	uint64_t active_begin;

	copy(f, shipped, "count", "count.so");
	start(f);
	put(f, "../views/old.snapshot.json", "{}");
	for (unsigned i = 1; i <= 5; i++) {
		append_n(f, 1000, EVENT);
		if (i % 2)
			check_count(f, "count", i * 1000 + (i - 1) * 7);
		CHECK_INT(eventlog_seal(f->log), 0);
		append_n(f, 7, EVENT);
		check_count(f, "count", i * 1007);
		CHECK_INT(eventlog_archive_write(f->log, &active_begin, NULL), 0);
		views_retire_snapshots(f->views, active_begin);
		CHECK_INT(eventlog_archive_finish(f->log, NULL), 0);
		views_head_moved(f->views, true);
	}
	check_count(f, "count", 5035);
	CHECK(status_of(f, "count").folded >= 5035);
	/* Saved at each rotation; what nobody keeps is removed before it is over. */
	CHECK(faccessat(f->fd, "views/old.snapshot.json", F_OK, 0) < 0 && errno == ENOENT);
	uint64_t begin = now_ms();
	while (faccessat(f->fd, "views/count.snapshot.json", F_OK, 0) < 0 &&
	       now_ms() - begin < PATIENCE_S * 1000)
		usleep(1000);
	CHECK_INT(faccessat(f->fd, "views/count.snapshot.json", F_OK, 0), 0);
	kill(worker_pid(f), SIGKILL);
	check_count(f, "count", 5035);
	stop(f);
	start(f);
	check_count(f, "count", 5035);
	CHECK_INT(status_of(f, "count").folded, 0);
	stop(f);
}

/* A reducer that never comes back is found out apart: those that are at work do not notice. */
static void test_apart(struct fixture *f)
{
	struct views_worker_status before, after;
	struct call c;

	copy(f, shipped, "count", "count.so");
	start_with(f, &(struct views_options){.reduce_timeout_ms = 1000, .snapshot_bytes = 1u << 30});
	check_count(f, "count", 0);
	append_n(f, 600, EVENT);
	check_count(f, "count", 600);
	views_worker_status(f->views, &before);
	CHECK_INT(before.rebuild_pid, 0); /* there was nothing to rebuild */
	put(f, "n.jq", ". + 1");
	check_state(f, "n", "600\n");
	uint64_t begin = now_ms();
	/* It is handed to the main worker. */
	while (status_of(f, "n").apart && now_ms() - begin < PATIENCE_S * 1000)
		usleep(1000);
	CHECK(!status_of(f, "count").apart && !status_of(f, "n").apart);
	views_worker_status(f->views, &before);
	CHECK(before.pid > 0 && before.rebuild_pid > 0);
	copy(f, bad, "bad_loop", "loop.so");
	call_begin(&c, f, "loop", VIEWS_STATE);
	/* While that one runs on, the others are fresh. */
	unsigned n = 0;
	while (!call_is_done(&c)) {
		append_n(f, 1, EVENT);
		check_count(f, "count", 601 + n++);
	}
	CHECK(n > 1);
	call_wait(&c);
	CHECK_INT(c.answer.error, -EIO);
	views_worker_status(f->views, &after);
	CHECK_INT(after.pid, before.pid);
	CHECK_INT(after.restarts, before.restarts + 1);
	check_count(f, "count", 600 + n);
	CHECK_INT(status_of(f, "count").folded, 600 + n);
	/* The rebuild worker dies in the middle: no harm done. */
	for (unsigned i = 0; i < 20; i++) {
		char program[64];
		snprintf(program, sizeof(program), ". + %u", i + 1);
		put(f, "m.jq", program);
		call_begin(&c, f, "m", VIEWS_STATE);
		views_worker_status(f->views, &after);
		if (i % 8 == 3 && after.rebuild_pid > 0)
			kill(after.rebuild_pid, SIGKILL);
		else if (i % 8 == 6 && after.pid > 0)
			kill(after.pid, SIGKILL);
		call_wait(&c);
		CHECK_INT(c.answer.error, 0);
		snprintf(program, sizeof(program), "%u\n", (600 + n) * (i + 1));
		CHECK_MEM(c.answer.rendering->json.data, c.answer.rendering->json.len, program,
			  strlen(program));
		rendering_unref(c.answer.rendering);
	}
	check_count(f, "count", 600 + n);
	stop(f);
}

static void test_cancel(struct fixture *f)
{
	struct call c, d;

	copy(f, bad, "bad_loop", "loop.so");
	start_with(f, &(struct views_options){.reduce_timeout_ms = 1500});
	append_n(f, 500, EVENT);
	call_begin(&c, f, "loop", VIEWS_STATE);
	call_begin(&d, f, "loop", VIEWS_POSITION);
	views_cancel(f->views, &c);
	call_wait(&c);
	CHECK_INT(c.answer.error, -EINTR);
	/* Cancelled before it was asked for. */
	f->given_up = &c;
	call_begin(&c, f, "loop", VIEWS_STATE);
	call_wait(&c);
	CHECK_INT(c.answer.error, -EINTR);
	f->given_up = NULL;
	drop(f, "loop.so");
	refresh(f);
	call_wait(&d);
	CHECK_INT(d.answer.error, -ENOENT);
	copy(f, shipped, "count", "count.so");
	call_begin(&c, f, "count", VIEWS_STATE);
	kill(worker_pid(f), SIGKILL);
	call_wait(&c);
	CHECK_INT(c.answer.error, 0);
	rendering_unref(c.answer.rendering);
	copy(f, bad, "bad_loop", "loop.so");
	call_begin(&c, f, "loop", VIEWS_STATE);
	stop(f);
	call_wait(&c);
	CHECK_INT(c.answer.error, -ESHUTDOWN);
}

struct load {
	struct fixture *f;
	_Atomic bool over;
	uint64_t answers;
};

static void *read_states(void *arg)
{
	struct load *l = arg;

	while (!atomic_load(&l->over)) {
		uint64_t head = eventlog_head(l->f->log).off;
		struct views_answer a =
		    want(l->f, l->answers % 2 ? "count" : "n", l->answers % 3 ? VIEWS_STATE : VIEWS_POSITION);
		CHECK_INT(a.error, 0);
		CHECK(a.pos.off >= head);
		if (a.rendering && l->answers % 2) {
			char json[64];
			snprintf(json, sizeof(json), "{\"count\":%llu}\n", (unsigned long long)a.pos.seq);
			CHECK_MEM(a.rendering->json.data, a.rendering->json.len, json, strlen(json));
		}
		rendering_unref(a.rendering);
		l->answers++;
	}
	return NULL;
}

static void test_load(struct fixture *f)
{
	struct load loads[3] = {{.f = f}, {.f = f}, {.f = f}};
	pthread_t threads[3];

	copy(f, shipped, "count", "count.so");
	put(f, "n.jq", ". + 1");
	start(f);
	for (unsigned i = 0; i < countof(threads); i++)
		CHECK_INT(pthread_create(&threads[i], NULL, read_states, &loads[i]), 0);
	uint64_t begin = now_ms();
	unsigned n = 0;
	for (; now_ms() - begin < 1000; n++) {
		append_n(f, 1 + n % 5, EVENT);
		if (n % 4096 == 2048 && worker_pid(f) > 0)
			kill(worker_pid(f), SIGKILL);
	}
	for (unsigned i = 0; i < countof(threads); i++)
		atomic_store(&loads[i].over, true);
	for (unsigned i = 0; i < countof(threads); i++) {
		CHECK_INT(pthread_join(threads[i], NULL), 0);
		CHECK(loads[i].answers > 0);
	}
	stop(f);
}

/* No descriptor can be opened any more; returns what the limit was. What is open stays open. */
static struct rlimit exhaust(void)
{
	struct rlimit before, now;

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = before;
	now.rlim_cur = 0;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

/* After a rotation the worker needs the log's new files, and the daemon has no descriptors to hand them over:
 * who waits is told so, until there are some again. */
static void test_want_of_log(struct fixture *f)
{
	struct view_status status;
	struct views_worker_status workers;
	struct call c;

	put(f, "n.jq", "(. // 0) + 1");
	start(f);
	append_n(f, 3, EVENT);
	check_state(f, "n", "3\n");
	refresh(f);
	CHECK_INT(eventlog_seal(f->log), 0);
	const struct rlimit before = exhaust();
	append_n(f, 1, EVENT);
	call_begin(&c, f, "n", VIEWS_STATE);
	call_wait(&c);
	CHECK_INT(c.answer.error, -EIO);
	CHECK_INT(views_status(f->views, "n", &status), 0);
	CHECK(status.broken && strstr(status.why.text, "cannot be told of the log") &&
	      strstr(status.why.text, "tried again"));
	views_worker_status(f->views, &workers);
	CHECK(strstr(workers.waits_for.text, "cannot be told of the log"));
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	struct views_answer a;
	uint64_t begin = now_ms();
	while ((a = want(f, "n", VIEWS_STATE)).error == -EIO) {
		CHECK(now_ms() - begin < PATIENCE_S * 1000);
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	CHECK_INT(a.error, 0);
	CHECK_MEM(a.rendering->json.data, a.rendering->json.len, "4\n", 2);
	rendering_unref(a.rendering);
	CHECK_INT(views_status(f->views, "n", &status), 0);
	CHECK(!status.broken && !status.why.text[0]);
	stop(f);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct fixture *f);
	} tests[] = {
	    {"states", test_states},
	    {"live", test_live},
	    {"crash", test_crash},
	    {"abort", test_abort},
	    {"loop", test_loop},
	    {"hog", test_hog},
	    {"flood", test_flood},
	    {"sleep", test_sleep},
	    {"heap", test_heap},
	    {"stray", test_stray},
	    {"descriptors", test_descriptors},
	    {"scribble", test_scribble},
	    {"stopped", test_stopped},
	    {"rendering", test_rendering},
	    {"leave", test_leave},
	    {"slander", test_slander},
	    {"escape", test_escape},
	    {"hard_limit", test_hard_limit},
	    {"children", test_children},
	    {"reaper", test_reaper},
	    {"crowd", test_crowd},
	    {"reports", test_reports},
	    {"killed", test_killed},
	    {"snapshots", test_snapshots},
	    {"rotation", test_rotation},
	    {"want_of_log", test_want_of_log},
	    {"apart", test_apart},
	    {"cancel", test_cancel},
	    {"load", test_load},
	};

	CHECK(argc >= 4);
	worker = argv[1];
	shipped = argv[2];
	bad = argv[3];
	for (size_t i = 0; i < countof(tests); i++) {
		struct fixture f;
		if (argc > 4 && strcmp(argv[4], tests[i].name) != 0)
			continue;
		uint64_t begin = now_ms();
		set_up(&f);
		tests[i].run(&f);
		tear_down(&f);
		printf("%s: %llu ms\n", tests[i].name, (unsigned long long)(now_ms() - begin));
		fflush(stdout);
	}
	return 0;
}
