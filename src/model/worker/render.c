#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model/worker/impl.h"
#include "model/worker/memfd_text.h"
#include "store/memfd.h"

#define FORK_SIZE (1u << 20)       /* a state of this size is written by a child */
#define EAGER_SIZE (4u << 10)      /* a rendering of this size may be sent unasked */
#define EAGER_COUNT 64             /* so often after the last time somebody asked */
#define TELL_INTERVAL 100000000ull /* ns, while folding a long stretch */
#define TELL_BYTES (1u << 20)

void worker_want(struct worker *w, struct worker_view *v, const struct message *m)
{
	if (!list_room(v->wants, v->n_wants, v->cap_wants, 4))
		return worker_ask_again(w, v->view.id, MSG_STATE, -ENOMEM,
					"the worker has no memory for requests");
	v->wants[v->n_wants++] = (struct want){.off = m->off, .version = m->version, .flags = m->flags};
	if (m->flags & MSG_STATE)
		v->eager = EAGER_COUNT;
}

/* Its state could not be handed over. Unless it is larger than any file that the worker may write, that says
 * nothing about it. */
static void ask_again(struct worker *w, struct worker_view *v, int error)
{
	struct diag why;

	if (error == -EFBIG)
		return worker_break(w, v, 0, 0,
				    "its state is larger than what its worker may write (reduce_memory)");
	diag_set(&why, error, "its state could not be handed over: %s", strerror(-error));
	worker_ask_again(w, v->view.id, MSG_STATE, error, why.text);
}

static void send_rendering(struct worker *w, struct worker_view *v, struct message *m, struct slice text)
{
	auto_close int fd =
	    text.len > PROTO_INLINE ? memfd_fill(sandbox_memfd(&w->sandbox, "rendering"), text) : -1;
	if (fd < 0 && text.len > PROTO_INLINE)
		return ask_again(w, v, fd);
	m->type = MSG_RENDERED;
	m->size = text.len;
	v->size = text.len;
	v->told_version = m->version;
	v->told_off = m->pos.off;
	if (fd < 0)
		return worker_send(w, m, text, NULL, 0);
	worker_send(w, m, (struct slice){0}, &fd, 1);
}

/* It may be another one who has it all: then the worker ends, and finds out. */
static void want_memory(struct worker *w, struct worker_view *v)
{
	if (worker_is_short(w))
		w->exhausted = true;
	else
		ask_again(w, v, -ENOMEM);
}

static void render_here(struct worker *w, struct worker_view *v, struct message *m)
{
	buf_clear(&w->out);
	atomic_fetch_add_explicit(&w->shared->calls, 1, memory_order_relaxed);
	int r = view_write(&v->view, &w->shared->mark, &w->out);
	if (r == 0) {
		buf_add_char(&w->out, '\n');
		r = buf_error(&w->out);
	}
	if (r == -ENOMEM)
		return want_memory(w, v);
	if (r < 0)
		return worker_break(w, v, 0, 0, v->view.why.text);
	send_rendering(w, v, m, buf_slice(&w->out));
	if (w->out.cap > 4 * FORK_SIZE)
		buf_deinit(&w->out);
}

/* In the child: the mark in the shared memory belongs to the parent. `to`: it folds on to there first; NULL:
 * it does not. */
static _Noreturn void render_in_child(struct worker *w, struct worker_view *v, const struct log_pos *to,
				      int memfd)
{
	struct fold_mark mark = {0};
	struct memfd_text out;
	size_t done;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGPROF, SIG_DFL);
	sandbox_alarm(&w->sandbox, w->timeout_ms ? max(w->timeout_ms / 100, 10u) : 0);
	if (to && !worker_fold_ahead(w, v, to, &mark))
		_exit(2);
	memfd_text_begin(&out, memfd, v->size);
	int r = view_write(&v->view, &mark, &out.buf);
	buf_add_char(&out.buf, '\n');
	int written = memfd_text_end(&out);
	if (r < 0 && written == 0) {
		struct slice why = slice_of(v->view.why.text);
		_exit(ftruncate(memfd, 0) == 0 &&
			      disk_pwrite_all(&disk_posix, memfd, why.data, why.len, 0, &done) == 0
			  ? 1
			  : 2);
	}
	_exit(written == 0 ? 0 : written == -EFBIG ? 3 : 2);
}

/* False where there can be no child now. `to` as above. */
static bool render_apart(struct worker *w, struct worker_view *v, const struct message *m,
			 const struct log_pos *to)
{
	struct render_job *job = NULL;

	for (unsigned i = 0; i < WORKER_JOBS && !job; i++)
		if (w->jobs[i].pid == 0)
			job = &w->jobs[i];
	if (!job)
		return false;
	auto_close int memfd = sandbox_memfd(&w->sandbox, "rendering");
	if (memfd < 0)
		return false;
	pid_t pid = sandbox_fork(&w->sandbox);
	if (pid == 0)
		render_in_child(w, v, to, memfd);
	if (pid < 0)
		return false;
	*job = (struct render_job){
	    .pid = pid,
	    .pidfd = pidfd_open(pid, 0),
	    .memfd = take_fd(&memfd),
	    .view = v,
	    .answer = *m,
	    .peeks = to,
	};
	v->job = job;
	return true;
}

/* Whoever else runs code of his own in this process may have been the reason. */
static bool is_in_company(const struct worker *w, const struct worker_view *v)
{
	for (const struct worker_view *other = w->views; other; other = other->next)
		if (other != v && other->view.reducer && reducer_is_native(other->view.reducer))
			return true;
	return false;
}

static void break_by_child(struct worker *w, struct worker_view *v, int status, int memfd)
{
	char why[256] = "";

	if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);
		if (sig == SIGKILL) /* somebody else's doing */
			return worker_ask_again(w, v->view.id, MSG_STATE, -EAGAIN,
						"the process that wrote its state is gone");
		if (sig == SIGALRM || sig == SIGPROF)
			snprintf(why, sizeof(why), "writing its state took too long");
		else
			snprintf(why, sizeof(why), "killed by signal %d (%s) while its state was written",
				 sig, strsignal(sig));
		if (is_in_company(w, v))
			return worker_lost(w, v->view.id, why);
	} else if (WEXITSTATUS(status) == 1) {
		ssize_t n = pread(memfd, why, sizeof(why) - 1, 0);
		why[max(n, (ssize_t)0)] = '\0';
	} else if (WEXITSTATUS(status) == 3) {
		return ask_again(w, v, -EFBIG);
	} else {
		return want_memory(w, v);
	}
	worker_break(w, v, 0, 0, why);
}

/* `memfd`: what the child has written, whole. */
static void send_job(struct worker *w, struct worker_view *v, struct message *m, int memfd)
{
	off_t size = lseek(memfd, 0, SEEK_END);

	if (size < 0 || memfd_seal(memfd) < 0)
		return worker_break(w, v, 0, 0, "its state could not be handed over");
	m->type = MSG_RENDERED;
	m->size = v->size = (size_t)size;
	v->told_version = m->version;
	v->told_off = m->pos.off;
	worker_send(w, m, (struct slice){0}, &memfd, 1);
}

static void send_unseen(struct worker *w, const struct worker_view *v)
{
	worker_send(w, &(struct message){.type = MSG_UNSEEN, .view = v->view.id}, (struct slice){0}, NULL, 0);
}

/* The same of a child that has gone on: the view itself is where it was. */
static void send_peek(struct worker *w, const struct worker_view *v, struct message *m, bool is_good,
		      int memfd)
{
	off_t size = is_good ? lseek(memfd, 0, SEEK_END) : -1;

	if (size < 0 || memfd_seal(memfd) < 0)
		return send_unseen(w, v);
	m->type = MSG_RENDERED;
	m->size = (size_t)size;
	worker_send(w, m, (struct slice){0}, &memfd, 1);
}

void worker_peek(struct worker *w, struct worker_view *v, const struct log_pos *to)
{
	struct message m = worker_view_message(v, MSG_RENDERED);

	m.pos = *to;
	if (v->job || !render_apart(w, v, &m, to))
		send_unseen(w, v);
}

void worker_jobs_done(struct worker *w)
{
	int status;

	for (unsigned i = 0; i < WORKER_JOBS; i++) {
		struct render_job *job = &w->jobs[i], done = *job;
		pid_t ended = job->pid ? waitpid(job->pid, &status, WNOHANG) : 0;
		if (ended == 0 || (ended < 0 && errno == EINTR))
			continue;
		if (ended < 0) /* a reducer has waited for it: nobody knows how it ended */
			status = SIGKILL;
		*job = (struct render_job){0};
		closep(&done.pidfd);
		auto_close int memfd = done.memfd;
		if (!done.view)
			continue;
		done.view->job = NULL;
		bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (done.peeks)
			send_peek(w, done.view, &done.answer, is_good, memfd);
		else if (!is_good)
			break_by_child(w, done.view, status, memfd);
		else
			send_job(w, done.view, &done.answer, memfd);
	}
}

/* The child ends by itself (it can't be signalled: no process here may signal another), and has its place
 * until then; what it writes goes nowhere. */
void worker_job_cancel(struct worker_view *v)
{
	struct render_job *job = take_ptr(v->job);

	if (!job)
		return;
	close(take_fd(&job->memfd));
	job->view = NULL;
}

/* Takes out the wants that are satisfied, but for those of the kind that has to wait. */
static unsigned take_wants(const struct worker *w, struct worker_view *v, bool *ret_any, bool *ret_known)
{
	uint64_t version = worker_view_version(v);
	unsigned flags = 0;
	size_t kept = 0;

	*ret_any = *ret_known = false;
	if (!worker_view_is_whole(w, v))
		return 0;
	for (size_t i = 0; i < v->n_wants; i++) {
		struct want *want = &v->wants[i];
		if (want->off > v->view.pos.off || (v->job && want->flags)) {
			v->wants[kept++] = *want;
			continue;
		}
		*ret_any = true;
		flags |= want->flags;
		if (want->flags && want->version == version)
			*ret_known = true;
	}
	v->n_wants = kept;
	return flags;
}

void worker_answer(struct worker *w, struct worker_view *v)
{
	struct message m = worker_view_message(v, MSG_AT);
	bool any, known;

	unsigned flags = take_wants(w, v, &any, &known);
	if (!any)
		return;
	m.flags |= flags & MSG_STATE;
	/* Without a checksum (it stands in the archive, or the log can't be read) there is no snapshot now.
	 */
	if (flags & MSG_SNAPSHOT) {
		worker_mark_disk(w, true);
		bool can = v->view.pos.off >= w->active_begin &&
			   reader_checksum(w->reader, v->view.pos.off, &m.checksum) == 0;
		worker_mark_disk(w, false);
		m.flags |= can ? MSG_SNAPSHOT : MSG_NO_SNAPSHOT;
		m.offset = v->view.pos.off - w->active_begin;
	}
	if (known || !(m.flags & (MSG_STATE | MSG_SNAPSHOT)))
		return worker_send(w, &m, (struct slice){0}, NULL, 0);
	if (v->size < FORK_SIZE || !render_apart(w, v, &m, NULL))
		render_here(w, v, &m);
}

void worker_tell(struct worker *w, bool idle)
{
	bool changed = false;

	if (!idle && w->now - w->told_time < TELL_INTERVAL)
		return;
	w->told_time = w->now;
	for (struct worker_view *v = w->views; v; v = v->next) {
		uint64_t version = worker_view_version(v);
		if (v->broken || (version == v->told_version && v->view.pos.off - v->told_off < TELL_BYTES))
			continue;
		if (!worker_view_is_whole(w, v))
			continue;
		if (idle && v->eager > 0 && v->size <= EAGER_SIZE && version != v->told_version && !v->job) {
			struct message m = worker_view_message(v, MSG_RENDERED);
			m.flags |= MSG_STATE;
			v->eager--;
			render_here(w, v, &m);
			continue;
		}
		v->told_version = version;
		v->told_off = v->view.pos.off;
		changed = true;
	}
	if (changed && atomic_exchange(&w->shared->changed_sent, 1) == 0)
		worker_send(w, &(struct message){.type = MSG_CHANGED}, (struct slice){0}, NULL, 0);
}
