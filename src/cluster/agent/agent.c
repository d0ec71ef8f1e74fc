#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cluster/agent/agent.h"
#include "cluster/agent/agent_impl.h"

#define LAST_WORD_MS 2000
#define SOCKET_BYTES (4 << 20)

bool agent_heard(struct agent *a, const struct etcd_answer *answer)
{
	struct state *s = &a->state;

	order_time(&a->order, clock_ms());
	if (answer->result != ETCD_UNCERTAIN && answer->result != ETCD_REFUSED)
		s->asked_ms = 0;
	if (answer->result == ETCD_FULL)
		s->full_ms = a->order.now_ms;
	if (answer->result != ETCD_OK)
		snprintf(s->why, sizeof(s->why), "%s", answer->why ? answer->why : "");
	return answer->result == ETCD_OK;
}

struct etcd_call *agent_called(struct agent *a, struct etcd_call *call)
{
	if (!call)
		a->error = -ENOMEM;
	return call;
}

void agent_say(struct agent *a, enum frame_type type, struct buf *text)
{
	a->out.failed |= text->failed;
	if (a->order.stage != ORDER_OVER)
		frame_add(&a->out, type, buf_slice(text));
}

static bool is_over(const struct agent *a)
{
	return a->ended || a->error < 0 || a->out.failed || (a->begun && a->order.stage == ORDER_OVER);
}

/* What each part begins may be what another one waits for: the order comes last but one. */
static void work(struct agent *a)
{
	order_time(&a->order, clock_ms());
	lease_turn(a);
	members_turn(a);
	trim_turn(a);
	asks_turn(a);
	engine_turn(a);
	state_turn(a);
}

static int wait_ms(const struct agent *a)
{
	uint64_t due = min(engine_due_ms(a), state_due_ms(a));

	task_due_ms(&a->lease.task, &due);
	members_due_ms(a, &due);
	trim_due_ms(a, &due);
	asks_due_ms(a, &due);
	return clock_poll_ms(due);
}

static void wait(struct agent *a)
{
	struct pollfd fd = {.fd = a->fd, .events = POLLIN};
	int r = 0;

	if (a->out_done < a->out.len)
		fd.events |= POLLOUT;
	if (a->begun)
		r = etcd_wait(a->etcd, &fd, 1, wait_ms(a));
	else if (poll(&fd, 1, -1) < 0 && errno != EINTR)
		r = -errno;
	if (r < 0 && r != -EINTR)
		a->error = r;
	else if (fd.revents)
		socket_read(a);
}

/* The last word is worth a moment. */
static void say_last(struct agent *a)
{
	uint64_t until = clock_ms() + LAST_WORD_MS;
	struct pollfd fd = {.fd = a->fd, .events = POLLOUT};

	socket_write(a);
	while (!a->ended && a->out_done < a->out.len && clock_ms() < until) {
		(void)!poll(&fd, 1, clock_poll_ms(until));
		socket_write(a);
	}
}

static void end(struct agent *a)
{
	if (a->etcd)
		lease_end(a);
	etcd_free(a->etcd);
	asks_end(a);
	order_deinit(&a->order);
	agent_options_deinit(&a->options);
	buf_deinit(&a->members.told);
	buf_deinit(&a->state.told);
	buf_deinit(&a->in);
	buf_deinit(&a->out);
}

int agent_run(int socket)
{
	const int bytes = SOCKET_BYTES;
	struct agent a = {.fd = socket, .trim = {.members_off = UINT64_MAX, .window_off = UINT64_MAX}};

	a.trim.old_limit = 1;
	signal(SIGPIPE, SIG_IGN); /* the engine's connections */
	/* Where that is not allowed it takes a few turns more. */
	(void)!setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	while (!is_over(&a)) {
		if (a.begun)
			work(&a);
		socket_write(&a);
		if (!is_over(&a))
			wait(&a);
	}
	if (a.begun && a.order.stage == ORDER_OVER)
		say_last(&a);
	bool well = a.error == 0 && !a.out.failed;
	if (a.error < 0)
		fprintf(stderr, "eventfold-cluster: %s\n",
			a.error == -EPROTO ? "the daemon says what makes no sense here" : strerror(-a.error));
	end(&a);
	return well ? 0 : 1;
}
