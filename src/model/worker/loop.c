#include "model/worker/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "model/host/zone.h"
#include "model/worker/impl.h"

#define APART_NICE 10
#define CHILD_NS 20000000ull

void worker_send(struct worker *w, const struct message *m, struct slice text, const int *fds, unsigned n_fds)
{
	/* The daemon always reads, so waiting for room is safe: it never waits for us. */
	if (!w->stop && proto_send(w->socket, m, text, fds, n_fds, true) < 0)
		w->stop = true;
}

void worker_report(struct worker *w, const char *fmt, ...)
{
	struct message m = {.type = MSG_REPORT};
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	worker_send(w, &m, slice_of(text), NULL, 0);
}

void worker_lost(struct worker *w, uint32_t view, const char *why)
{
	worker_send(w, &(struct message){.type = MSG_LOST, .view = view}, slice_of(why), NULL, 0);
	w->stop = true;
}

void worker_ask_again(struct worker *w, uint32_t view, uint32_t flags, int error, const char *why)
{
	const struct message m = {.type = MSG_AGAIN, .view = view, .flags = flags};

	if (worker_is_lost(error))
		return worker_lost(w, 0, "it has no descriptors left");
	worker_send(w, &m, slice_of(why), NULL, 0);
}

int worker_lost_fds(struct worker *w)
{
	auto_close int fd = fcntl(w->socket, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : -ENFILE;
}

static int hello(struct worker *w, struct packet *p)
{
	if (p->n_fds < 2 || w->shared)
		return -EPROTO;
	int r = p->n_fds > 2 ? zone_use(p->fds[2]) : 0;
	if (r < 0)
		return r;
	void *orders = mmap(NULL, sizeof(*w->orders), PROT_READ, MAP_SHARED, p->fds[1], 0);
	if (orders == MAP_FAILED)
		return -errno;
	w->orders = orders;
	void *map = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED, p->fds[0], 0);
	if (map == MAP_FAILED)
		return -errno;
	w->shared = map;
	w->timeout_ms = p->message.timeout_ms;
	worker_memory_init(w, p->message.size);
	fold_init(&w->fold, &w->shared->mark);
	w->fold.damaged = worker_damaged;
	w->fold.arg = w;
	if (p->message.flags & MSG_APART)
		setpriority(PRIO_PROCESS, 0, APART_NICE);
	w->confined = sandbox_enter(&w->sandbox, w->memory, &w->unconfined);
	if (w->confined < 0)
		worker_report(w, "a fold worker runs no reducer: %s", w->unconfined.text);
	return 0;
}

static void take_files(struct packet *p, struct log_files *ret)
{
	unsigned n = 0;

	memcpy(ret, p->text.data, sizeof(*ret));
	int *fds[] = {&ret->archive_fd, &ret->sealed_fd, &ret->active_fd};
	for (unsigned i = 0; i < countof(fds); i++)
		*fds[i] = *fds[i] >= 0 && n < p->n_fds ? take_fd(&p->fds[n++]) : -1;
}

static int new_layout(struct worker *w, struct packet *p)
{
	const struct log_pos start = {0};
	struct log_files files;

	if (p->text.len != sizeof(files) || !w->shared)
		return -EPROTO;
	take_files(p, &files);
	w->generation = files.generation;
	w->active_begin = files.active_begin.off;
	if (w->reader)
		return reader_update(w->reader, &files);
	int r = reader_new(&w->reader, &disk_posix, &files);
	if (r < 0)
		return r;
	cursor_init(&w->near, w->reader, &start);
	cursor_init(&w->far, w->reader, &start);
	return 0;
}

static int handle(struct worker *w, struct packet *p)
{
	struct worker_view *v;

	switch (p->message.type) {
	case MSG_HELLO:
		return hello(w, p);
	case MSG_LOG:
		if (!p->lost_fds)
			return new_layout(w, p);
		worker_ask_again(w, 0, 0, worker_lost_fds(w), "the worker has no descriptors for the log");
		break;
	case MSG_ADD:
		if (!w->reader)
			return -EPROTO;
		if (!worker_defer(w, p))
			worker_add(w, p);
		break;
	case MSG_REMOVE:
		if (worker_drop_late(w, p->message.view))
			break;
		worker_remove(w, p->message.view);
		break;
	case MSG_WANT:
		worker_hurry(w, p->message.view);
		v = worker_find(w, p->message.view);
		if (v && !v->broken)
			worker_want(w, v, &p->message);
		break;
	case MSG_AHEAD:
		worker_hurry(w, p->message.view);
		v = worker_find(w, p->message.view);
		if (v && !v->broken)
			worker_peek(w, v, &p->message.pos);
		break;
	case MSG_RULE:
		worker_rule(w, p);
		break;
	case MSG_JUDGE:
		if (!w->reader)
			return -EPROTO;
		return worker_judge(w, p);
	case MSG_PING:
		w->asked = true;
		w->ping = p->message.seq;
		break;
	case MSG_STOP:
		w->stop = true;
		break;
	default:
		break;
	}
	return 0;
}

/* Up to a ping: where one message comes behind the other, its answer would never go out. */
static int handle_messages(struct worker *w)
{
	while (!w->stop && !w->asked) {
		struct packet p;
		int r = proto_receive(w->socket, &w->in, &p);
		if (r == 1)
			return 0;
		if (r == 0) {
			r = handle(w, &p);
			packet_deinit(&p);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Until the log is to be tried again, or a child is looked for whose end nothing tells of, in ms; -1: that is
 * not so. */
static int retry_timeout(const struct worker *w)
{
	uint64_t time = worker_retry_time(w), now = clock_ns();

	for (unsigned i = 0; i < WORKER_JOBS; i++)
		if (w->jobs[i].pid && w->jobs[i].pidfd < 0)
			time = min(time, now + CHILD_NS);
	if (time == CLOCK_FOREVER)
		return -1;
	return time > now ? (int)((time - now) / 1000000) + 1 : 0;
}

/* Until a message comes or a child ends; not at all where the head has moved since `seen`. */
static void wait_for_work(struct worker *w, uint64_t seen)
{
	struct pollfd fds[1 + WORKER_JOBS];
	nfds_t n = 0;

	fds[n++] = (struct pollfd){.fd = w->socket, .events = POLLIN};
	for (unsigned i = 0; i < WORKER_JOBS; i++)
		if (w->jobs[i].pid)
			fds[n++] = (struct pollfd){.fd = w->jobs[i].pidfd, .events = POLLIN};
	if (!w->shared) {
		poll(fds, n, -1);
		return;
	}
	atomic_store(&w->shared->sleeping, 1);
	if (atomic_load(&w->orders->head) == seen)
		poll(fds, n, retry_timeout(w));
	atomic_store(&w->shared->sleeping, 0);
}

static bool owes_answers(const struct worker *w)
{
	if (w->late)
		return true;
	for (const struct worker_view *v = w->views; v; v = v->next)
		if (!v->broken && (v->n_wants > 0 || v->job))
			return true;
	return false;
}

/* The sign of life: behind all that was done in this turn. */
static void answer_ping(struct worker *w, uint64_t head, bool more)
{
	struct message m = {
	    .type = MSG_PONG,
	    .seq = w->ping,
	    .off = head,
	    .flags = more || owes_answers(w) ? 0 : MSG_IDLE,
	};

	if (w->asked)
		worker_send(w, &m, (struct slice){0}, NULL, 0);
	w->asked = false;
}

static void turn(struct worker *w)
{
	uint64_t head = 0;
	bool more = false;

	if (w->reader) {
		head = atomic_load(&w->orders->head);
		/* A head of a layout that is still in the socket: first the message. */
		if (atomic_load(&w->orders->generation) == w->generation) {
			w->now = clock_ns();
			more = worker_fold_turn(w, head);
		}
		worker_memory_turn(w);
		worker_jobs_done(w);
		for (struct worker_view *v = w->views; v; v = v->next)
			if (v->n_wants > 0 && !v->broken)
				worker_answer(w, v);
		worker_tell(w, !more);
	}
	answer_ping(w, head, more);
	if (!w->stop && !worker_add_late(w, !more) && !more)
		wait_for_work(w, head);
}

static void prepare(void)
{
	/* What is sent to a terminal's or a service's whole group is the daemon's to handle. */
	static const int ignored[] = {SIGINT,  SIGTERM, SIGQUIT, SIGHUP, SIGPIPE,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ};

	for (size_t i = 0; i < countof(ignored); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void worker_deinit(struct worker *w)
{
	worker_late_free(w);
	worker_rules_free(w);
	while (w->views) {
		struct worker_view *v = w->views;
		w->views = v->next;
		worker_view_free(v);
	}
	if (w->reader) {
		cursor_deinit(&w->near);
		cursor_deinit(&w->far);
		reader_free(w->reader);
	}
	fold_deinit(&w->fold);
	free(w->pass);
	free(w->pacers);
	buf_deinit(&w->in);
	buf_deinit(&w->out);
	if (w->shared)
		munmap(w->shared, sizeof(*w->shared));
	if (w->orders)
		munmap((void *)w->orders, sizeof(*w->orders));
}

int worker_main(int socket_fd)
{
	struct worker w = {.socket = socket_fd, .statm = -1};
	int r = 0;

	prepare();
	while (!w.stop && r >= 0) {
		r = handle_messages(&w);
		if (r >= 0 && !w.stop)
			turn(&w);
	}
	worker_deinit(&w);
	return r < 0 && r != -EPIPE ? 1 : 0;
}
