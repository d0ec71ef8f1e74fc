/* A run of lines before the judge. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/judge/judge_impl.h"
#include "model/link/docket.h"

#define DOCKET_LEAST (256u << 10) /* bytes */
#define AGAIN_MS 20

struct hearing {
	struct judge *judge;
	struct judged *items;
	size_t n;
	size_t n_lines;
	size_t off; /* of its table, in the docket */
	struct message verdict;
};

/* What is written there is read by the worker as it is then. */
static int grow_docket(struct judge *j, size_t size)
{
	size_t most = DOCKET_LEAST;

	if (size <= j->docket_size)
		return 0;
	while (most < size)
		most *= 2;
	auto_close int fd = memfd_create("eventfold-docket", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)most) < 0)
		return -errno;
	void *map = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* What the worker reads is what was written here: nobody else can. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int r = -errno;
		munmap(map, most);
		return r;
	}
	if (j->docket)
		munmap(j->docket, j->docket_size);
	closep(&j->docket_fd);
	j->docket_fd = take_fd(&fd);
	j->docket = map;
	j->docket_size = most;
	j->docket_sent = false;
	return 0;
}

static size_t count_lines(const struct judged *item)
{
	size_t n = 0;

	for (size_t i = 0; i < item->n; i++)
		n += item->units[i].lines;
	return n;
}

/* The lines of one item; gives the entry behind them. */
static struct docket_line *enter(const struct judged *item, struct docket_line *entry)
{
	const struct event_layout *layout = item->layouts;
	const char *at = item->lines.data;

	for (size_t unit = 0; unit < item->n; unit++) {
		const char *end = item->lines.data + item->units[unit].end;
		for (size_t left = item->units[unit].lines; left > 0; left--, entry++) {
			const char *next =
			    left == 1 ? end : (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
			*entry = (struct docket_line){
			    .len = (uint32_t)(next - at),
			    .flags = left == 1 ? DOCKET_UNIT : 0,
			};
			if (layout)
				entry->layout = *layout++;
			at = next;
		}
	}
	entry[-1].flags |= DOCKET_ITEM;
	return entry;
}

/* Room for so many bytes: behind what is there, where that may be read still. */
static int make_room(struct judge *j, size_t bytes, bool behind, size_t *ret_off)
{
	size_t off = behind ? j->docket_end : 0;
	bool grows = off + bytes > j->docket_size;

	int r = grow_docket(j, off + bytes);
	if (r < 0)
		return r;
	*ret_off = grows ? 0 : off;
	j->docket_end = *ret_off + bytes;
	return 0;
}

static int fill_docket(struct hearing *h)
{
	size_t bytes = h->n_lines * sizeof(struct docket_line);

	for (size_t i = 0; i < h->n; i++)
		bytes += h->items[i].lines.len;
	/* The next table begins there. */
	bytes = (bytes + _Alignof(struct docket_line) - 1) & ~(_Alignof(struct docket_line) - 1);
	int r = make_room(h->judge, bytes, h->items->more, &h->off);
	if (r < 0)
		return r;
	struct docket_line *entry = (struct docket_line *)(h->judge->docket + h->off);
	char *at = (char *)(entry + h->n_lines);
	for (size_t i = 0; i < h->n; i++) {
		struct slice lines = h->items[i].lines;
		entry = enter(&h->items[i], entry);
		memcpy(at, lines.data, lines.len);
		at += lines.len;
	}
	return 0;
}

/* The item, and the unit of it, that a line belongs to. False: there is no such line. */
static bool find_line(const struct hearing *h, uint64_t line, size_t *ret_item, size_t *ret_unit)
{
	for (size_t item = 0; item < h->n; item++) {
		for (size_t unit = 0; unit < h->items[item].n; unit++) {
			if (line < h->items[item].units[unit].lines) {
				*ret_item = item;
				*ret_unit = unit;
				return true;
			}
			line -= h->items[item].units[unit].lines;
		}
	}
	return false;
}

static char *reason_of(struct judge *j, const struct packet *p)
{
	struct seat *s = judge_seat_of(j, p->message.view);
	int len = (int)min(p->text.len, (size_t)500);
	const char *name = s ? s->name : "rules";
	bool view = s && p->message.view == s->view_id;
	char *why = NULL;

	int r = view      ? asprintf(&why, "%s: its view fails on it: %.*s", name, len, p->text.data)
		: len > 0 ? asprintf(&why, "%s: %.*s", name, len, p->text.data)
			  : asprintf(&why, "%s", name);
	return r < 0 ? NULL : why;
}

static void note_refused(struct hearing *h, const struct packet *p)
{
	size_t item, unit;

	/* Only one for each. */
	if (!find_line(h, p->message.seq, &item, &unit) || h->items[item].error)
		return;
	h->items[item].let_in = min(unit, h->items[item].n - 1);
	h->items[item].error = p->message.kind == EPERM ? -EPERM : -EIO;
	h->items[item].why = reason_of(h->judge, p);
}

static bool take(void *arg, struct packet *p)
{
	struct hearing *h = arg;

	if (p->message.type == MSG_REFUSED) {
		note_refused(h, p);
		return false;
	}
	h->verdict = p->message;
	return true;
}

static int send_docket(struct hearing *h)
{
	struct judge *j = h->judge;
	struct message m = {
	    .type = MSG_JUDGE,
	    .pos = eventlog_head(j->options.log),
	    .flags = h->items->more ? MSG_FURTHER : 0,
	    .seq = h->n_lines,
	    .off = h->off,
	    .offset = j->docket_size,
	};

	/* The layout and the head first, so that it can fold what it lacks. */
	int r = 0;
	if (eventlog_generation(j->options.log) != atomic_load(&j->worker->generation))
		r = worker_handle_publish(j->worker, j->options.log);
	else
		atomic_store(&j->worker->orders->head, m.pos.off);
	if (r == 0)
		r = worker_handle_send(j->worker, &m, (struct slice){0}, &j->docket_fd,
				       j->docket_sent ? 0 : 1);
	j->docket_sent |= r == 0;
	j->asked += r == 0;
	return r;
}

/* 1: the verdict is there; 0: not yet. */
static int take_verdict(struct hearing *h, bool wait)
{
	struct judge *j = h->judge;
	struct pollfd fd = {.fd = j->worker->socket, .events = POLLIN};
	int r;

	while ((r = judge_receive(j, take, h)) == 0 && wait) {
		/* Its end shows there as well. */
		if (poll(&fd, 1, (int)worker_handle_tick(j->worker)) == 0)
			worker_handle_watch(j->worker);
	}
	if (r == 1)
		j->asked--;
	return r;
}

static enum judge_stands no_verdict(struct judge *j)
{
	if (j->worker) {
		judge_stop_worker(j);
		again_later(&j->again, AGAIN_MS);
	}
	return j->broken ? JUDGE_BROKEN : JUDGE_WAITS;
}

static bool can_be(const struct hearing *h)
{
	uint64_t line = h->verdict.seq;

	if (h->verdict.flags & (MSG_BEHIND | MSG_SPOILT))
		return true;
	if (h->verdict.flags & MSG_PART)
		return (line > 0 || h->items->more) && line < h->n_lines;
	return line == h->n_lines;
}

/* It has come so far: units behind that are not let in yet. */
static size_t count_part(struct hearing *h)
{
	size_t item, unit;

	if (!find_line(h, h->verdict.seq, &item, &unit))
		return 0;
	if (unit == 0 && !h->items[item].more)
		return item;
	h->items[item].let_in = min(h->items[item].let_in, unit);
	return item + 1;
}

/* What it has said of the items, and of how many. */
static size_t count_judged(struct hearing *h)
{
	size_t item = h->n - 1, unit;

	if (h->verdict.flags & MSG_PART)
		return count_part(h);
	if (h->verdict.flags & MSG_SPOILT) {
		if (h->verdict.seq == 0 || !find_line(h, h->verdict.seq - 1, &item, &unit))
			return 0;
	}
	return item + 1;
}

static void forget_reasons(struct hearing *h, size_t from)
{
	for (size_t i = from; i < h->n; i++) {
		free(take_ptr(h->items[i].why));
		h->items[i].error = 0;
		h->items[i].let_in = h->items[i].n;
	}
}

static struct hearing hearing_of(struct judge *j, struct judged *items, size_t n)
{
	struct hearing h = {.judge = j, .items = items, .n = n};

	for (size_t i = 0; i < n; i++)
		h.n_lines += count_lines(&items[i]);
	return h;
}

enum judge_stands judge_ask(struct judge *j, struct judged *items, size_t n)
{
	struct hearing h = hearing_of(j, items, n);

	forget_reasons(&h, 0);
	int r = fill_docket(&h);
	if (r == 0)
		r = send_docket(&h);
	/* It has died meanwhile: what of, stands in the socket. */
	j->asked += r == -EPIPE;
	return r == 0 || r == -EPIPE ? JUDGE_SITS : no_verdict(j);
}

/* It has answered. */
static enum judge_stands take_outcome(struct hearing *h, size_t *ret_n)
{
	struct judge *j = h->judge;

	if (h->verdict.flags & MSG_BEHIND) {
		j->behind = true;
		judge_publish(j);
		return JUDGE_WAITS;
	}
	*ret_n = count_judged(h);
	forget_reasons(h, *ret_n);
	j->ends = 0;
	j->again = j->heals = (struct again){0};
	/* Nothing is gone on with: the next turn begins again from snapshots. */
	if (h->verdict.flags & MSG_SPOILT)
		judge_stop_worker(j);
	return *ret_n > 0 ? JUDGE_SITS : JUDGE_WAITS;
}

bool judge_told(struct judge *j, struct judged *items, size_t n, bool wait, size_t *ret_n,
		enum judge_stands *ret)
{
	struct hearing h = hearing_of(j, items, n);

	*ret_n = 0;
	int r = take_verdict(&h, wait);
	if (r == 0)
		return false;
	if (r == 1 && !can_be(&h))
		r = -EPROTO;
	/* Meanwhile it has said what a state lacks, perhaps: nobody is let in by that. */
	if (j->broken)
		r = -EIO;
	if (r < 0)
		forget_reasons(&h, 0);
	*ret = r < 0 ? no_verdict(j) : take_outcome(&h, ret_n);
	return true;
}

enum judge_stands judge_hear(struct judge *j, struct judged *items, size_t n, size_t *ret_n)
{
	enum judge_stands stands = judge_ask(j, items, n);

	*ret_n = 0;
	if (stands == JUDGE_SITS)
		(void)!judge_told(j, items, n, true, ret_n, &stands);
	return stands;
}

void judge_drop(struct judge *j)
{
	struct judged nothing = {.more = true};
	struct hearing h = {.judge = j, .items = &nothing, .n = 1};

	while (j->asked > 0)
		if (take_verdict(&h, true) < 0)
			(void)no_verdict(j);
}
