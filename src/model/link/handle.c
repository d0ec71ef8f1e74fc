#include "model/link/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/process.h"
#include "model/link/helper_process.h"

#define ATTENTION 64             /* heads that it is told of at once after its views were read */
#define UNTOLD_BYTES (64u << 10) /* more than this it is not left behind */

/* Memory that both have: the descriptor, or an error. */
static int share(size_t size, void **ret)
{
	auto_close int fd = memfd_create("eventfold-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	return take_fd(&fd);
}

/* Sealed against shrinking: the daemon reads it. And what is for reading against writing by whoever comes
 * after us. */
static int make_shared(struct worker_handle *h, int *ret_shared, int *ret_orders)
{
	const int size = F_SEAL_SHRINK | F_SEAL_GROW;

	*ret_shared = share(sizeof(*h->shared), (void **)&h->shared);
	if (*ret_shared < 0)
		return *ret_shared;
	*ret_orders = share(sizeof(*h->orders), (void **)&h->orders);
	if (*ret_orders < 0)
		return *ret_orders;
	if (fcntl(*ret_shared, F_ADD_SEALS, size) < 0 ||
	    fcntl(*ret_orders, F_ADD_SEALS, size | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static int start(struct worker_handle *h)
{
	struct message hello = {
	    .type = MSG_HELLO,
	    .flags = h->limits.apart ? MSG_APART : 0,
	    .size = h->limits.memory,
	    .timeout_ms = h->limits.timeout_ms,
	};
	auto_close int shared = -1, orders = -1;

	int r = make_shared(h, &shared, &orders);
	struct helper_options options = {.quiet = h->limits.quiet, .brief = h->limits.brief};
	if (r == 0)
		r = helper_process_start(h->limits.path, "worker", options, &h->socket, &h->pid);
	if (r < 0)
		return r;
	h->pidfd = pidfd_open(h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	h->statm = process_open(h->pid, "statm");
	if (h->statm < 0)
		return h->statm; /* it could not be watched */
	h->stat = process_open(h->pid, "stat");
	if (h->stat < 0)
		return h->stat;
	/* Anybody may read that clock, and whoever runs in the worker can't set it. */
	r = clock_getcpuclockid(h->pid, &h->clock);
	if (r != 0)
		return -r;
	const struct zone *zone = h->limits.zone;
	return worker_handle_send(h, &hello, (struct slice){0}, (int[]){shared, orders, zone ? zone->fd : -1},
				  zone ? 3 : 2);
}

int worker_handle_start(struct worker_handle **ret, const struct worker_limits *limits, struct diag *diag)
{
	struct worker_handle *h = calloc(1, sizeof(*h));

	if (!h)
		return diag_set(diag, -ENOMEM, "cannot start a fold worker: no memory");
	h->refs = 1;
	h->limits = *limits;
	h->socket = h->pidfd = h->statm = h->stat = -1;
	h->pid = -1;
	int r = start(h);
	if (r < 0) {
		if (h->pid > 0) {
			kill(h->pid, SIGKILL);
			waitpid(h->pid, NULL, 0);
		}
		worker_handle_unref(h);
		return diag_set(diag, r, "cannot start a fold worker (%s): %s", limits->path, strerror(-r));
	}
	*ret = h;
	return 0;
}

struct worker_handle *worker_handle_ref(struct worker_handle *h)
{
	if (h)
		atomic_fetch_add(&h->refs, 1);
	return h;
}

void worker_handle_unref(struct worker_handle *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	closep(&h->socket);
	closep(&h->pidfd);
	closep(&h->statm);
	closep(&h->stat);
	if (h->shared)
		munmap(h->shared, sizeof(*h->shared));
	if (h->orders)
		munmap(h->orders, sizeof(*h->orders));
	buf_deinit(&h->in);
	free(h);
}

int worker_handle_send(struct worker_handle *h, const struct message *m, struct slice text, const int *fds,
		       unsigned n_fds)
{
	/* Before it can be received: from now on the worker is not idle. */
	atomic_fetch_add(&h->sent, 1);
	int r = proto_send(h->socket, m, text, fds, n_fds, false);
	if (r < 0)
		atomic_fetch_sub(&h->sent, 1);
	return r == -ECONNRESET ? -EPIPE : r;
}

static int send_files(struct worker_handle *h, const struct log_files *files)
{
	const struct message m = {.type = MSG_LOG};
	const int all[] = {files->archive_fd, files->sealed_fd, files->active_fd};
	int fds[PROTO_FDS];
	unsigned n = 0;

	for (unsigned i = 0; i < countof(all); i++)
		if (all[i] >= 0)
			fds[n++] = all[i];
	return worker_handle_send(h, &m, (struct slice){(const char *)files, sizeof(*files)}, fds, n);
}

int worker_handle_publish(struct worker_handle *h, struct eventlog *log)
{
	struct log_pos head = eventlog_head(log); /* first: a later layout has all of it */

	worker_handle_grouped(h, eventlog_grouped(log));
	return worker_handle_publish_to(h, log, head.off);
}

int worker_handle_publish_to(struct worker_handle *h, struct eventlog *log, uint64_t head)
{
	struct log_files files;

	if (eventlog_generation(log) != atomic_load(&h->generation)) {
		int r = eventlog_files(log, &files);
		if (r < 0)
			return r;
		r = send_files(h, &files);
		uint64_t generation = files.generation, active_begin = files.active_begin.off;
		log_files_deinit(&files);
		if (r < 0)
			return r;
		h->active_begin = active_begin;
		atomic_store(&h->orders->generation, generation);
		atomic_store(&h->generation, generation);
	}
	(void)worker_handle_head(h, head, true);
	return 0;
}

void worker_handle_wake(struct worker_handle *h)
{
	static const struct message wake = {.type = MSG_WAKE};

	/* Where it is wrong about its sleep, the next look at it wakes it up. No room: then it has messages
	 * enough for that. */
	if (atomic_load(&h->shared->sleeping) && atomic_exchange(&h->shared->sleeping, 0))
		(void)!worker_handle_send(h, &wake, (struct slice){0}, NULL, 0);
}

void worker_handle_attend(struct worker_handle *h)
{
	atomic_store_explicit(&h->attention, ATTENTION, memory_order_relaxed);
}

/* Who comes at the same time may count once for two. */
static bool is_attended(struct worker_handle *h)
{
	unsigned left = atomic_load_explicit(&h->attention, memory_order_relaxed);

	if (left > 0)
		atomic_store_explicit(&h->attention, left - 1, memory_order_relaxed);
	return left > 0;
}

void worker_handle_grouped(struct worker_handle *h, uint64_t grouped)
{
	uint64_t known = atomic_load_explicit(&h->orders->grouped, memory_order_relaxed);

	while (unlikely(known < grouped) &&
	       !atomic_compare_exchange_weak(&h->orders->grouped, &known, grouped))
		;
}

enum head_told worker_handle_head(struct worker_handle *h, uint64_t head, bool at_once)
{
	uint64_t known = atomic_load_explicit(&h->orders->head, memory_order_relaxed);

	/* It never goes back, though two threads may come in the wrong order. */
	do
		if (known >= head)
			return HEAD_NOTHING;
	while (!atomic_compare_exchange_weak(&h->orders->head, &known, head));
	/* Without a view it would wake up for nothing; the message that brings it one comes after its slot
	 * was taken. */
	if (atomic_load(&h->slots_taken) == 0)
		return HEAD_NOTHING;
	bool sleeps = atomic_load(&h->shared->sleeping);
	if (sleeps && !is_attended(h) && !at_once && head - atomic_load(&h->told_head) < UNTOLD_BYTES)
		return HEAD_UNTOLD;
	atomic_store(&h->told_head, head);
	worker_handle_wake(h);
	return HEAD_TOLD;
}

void worker_handle_kill(struct worker_handle *h, enum worker_blame blame, const char *why)
{
	if (h->killed.text[0])
		return;
	diag_set(&h->killed, 0, "%s", why);
	h->blame = blame;
	kill(-h->pid, SIGKILL);
}

static void say_where(struct worker_end *end)
{
	static const char *const doing[] = {
	    [FOLD_IDLE] = "",
	    [FOLD_LOADING] = " while it was loaded",
	    [FOLD_READING] = " while it read its snapshot",
	    [FOLD_WRITING] = " while its state was written",
	    [FOLD_FREEING] = " while its state was thrown away",
	    [FOLD_DISK] = " while it read from the disk",
	};
	char text[256];

	snprintf(text, sizeof(text), "%.255s", end->why.text);
	if (end->phase == FOLD_FOLDING)
		diag_set(&end->why, 0, "%s on event %llu at offset %llu", text, (unsigned long long)end->seq,
			 (unsigned long long)end->off);
	else if (end->phase < countof(doing))
		diag_set(&end->why, 0, "%s%s", text, doing[end->phase]);
}

static void say_why(struct worker_handle *h, int status, const struct rusage *usage, struct worker_end *end)
{
	uint64_t memory = h->limits.memory, used = (uint64_t)usage->ru_maxrss << 10;

	bool memory_gone = WIFSIGNALED(status) && memory && used >= memory - memory / 8;

	if (h->killed.text[0])
		end->why = h->killed;
	else if (memory_gone)
		diag_set(&end->why, 0, "used up its memory, %llu MiB, and was killed by signal %d (%s)",
			 (unsigned long long)(memory >> 20), WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFSIGNALED(status))
		diag_set(&end->why, 0, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		diag_set(&end->why, 0, "exited with status %d", WEXITSTATUS(status));
	if (h->killed.text[0])
		end->blame = h->blame;
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		end->blame = BLAME_OUTSIDE; /* no reducer can send one */
	else if (memory_gone)
		end->blame = BLAME_MEMORY;
	else
		end->blame = end->view ? BLAME_VIEW : BLAME_UNKNOWN;
}

/* Has it ended by itself, for want of memory, and said whose that was? A reducer can say so, too, but not
 * make the kernel's count grow without taking the memory: at the least what worker_is_short() asks for. */
static bool is_spent(const struct worker_handle *h, int status, const struct rusage *usage)
{
	uint64_t memory = h->limits.memory, used = (uint64_t)usage->ru_maxrss << 10;

	return h->spent.size > 0 && memory > 0 && !h->killed.text[0] && WIFEXITED(status) &&
	       used >= memory / 2 - memory / 8;
}

/* The largest state is to blame if it explains the most of it:
 * more than what belonged to none. */
static void say_weight(struct worker_handle *h, struct worker_end *end)
{
	uint64_t limit = h->limits.memory >> 20, state = h->heaviest_size, rest = h->spent.offset;
	bool explains = state > rest && state > h->limits.memory / 8;

	end->phase = FOLD_IDLE;
	end->view = explains ? h->heaviest : 0;
	end->blame = explains ? BLAME_PROVEN : BLAME_MEMORY;
	diag_set(&end->why, 0, "used more than %llu MiB of memory; its state, the largest, had %llu MiB",
		 (unsigned long long)limit, (unsigned long long)(state >> 20));
	if (!explains)
		diag_set(&end->why, 0,
			 "used more than %llu MiB of memory, %llu MiB of which are no view's state",
			 (unsigned long long)limit, (unsigned long long)(rest >> 20));
}

void worker_handle_weight(struct worker_handle *h, const struct message *m)
{
	if (m->type == MSG_SPENT) {
		h->spent.size = m->size;
		h->spent.offset = m->offset;
	} else if (m->size > h->heaviest_size) {
		h->heaviest = m->view;
		h->heaviest_size = m->size;
	}
}

void worker_handle_reap(struct worker_handle *h, struct worker_end *ret)
{
	struct rusage usage = {0};
	int status = 0;
	pid_t pid;

	/* Its children with it; its number can't be anybody else's before it has been waited for. */
	while (waitid(P_PID, (id_t)h->pid, &(siginfo_t){0}, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill(-h->pid, SIGKILL);
	do
		pid = wait4(h->pid, &status, 0, &usage);
	while (pid < 0 && errno == EINTR);
	struct worker_sample s = worker_handle_sample(h);
	*ret = (struct worker_end){.phase = s.phase, .seq = s.seq, .off = s.off};
	/* One that has grown too large is held responsible where it was last. */
	if ((s.phase != FOLD_IDLE && s.phase != FOLD_DISK) || h->killed.text[0])
		ret->view = s.view;
	if (is_spent(h, status, &usage)) {
		say_weight(h, ret);
	} else if (h->lost_view) {
		ret->view = h->lost_view;
		ret->phase = FOLD_IDLE;
		say_why(h, status, &usage, ret);
	} else {
		say_why(h, status, &usage, ret);
		say_where(ret);
	}
	h->pid = -1;
}

int worker_handle_take_slot(struct worker_handle *h)
{
	for (unsigned i = 0; i < PROTO_SLOTS; i++) {
		if (h->slots[i])
			continue;
		h->slots[i] = true;
		atomic_fetch_add(&h->slots_taken, 1);
		return (int)i;
	}
	return -ENOSPC;
}

void worker_handle_drop_slot(struct worker_handle *h, uint32_t slot)
{
	h->slots[slot] = false;
	atomic_fetch_sub(&h->slots_taken, 1);
}
