/* A random walk over the board, beside a model of it: views come, go, and begin other lives; workers get
 * them, go on, answer, and are lost; people ask, and give up. After each step the board's invariants hold,
 * and each answer is right.
 *
 * The model knows what the state is at any place of the log: a letter for the reducer, and a number that
 * changes with every third event. So it needs none of the board's numbers to tell whether an answer is the
 * state of the place that it names. */
#include <errno.h>
#include <sys/mman.h>

#include "check.h"

#include "base/clock.h"
#include "base/defs.h"
#include "model/views/board.h"

#define STEPS 100000
#define NAMES 4
#define WORKERS 2
#define WAITS 64
#define BYTES 10 /* of an event */

struct wait {
	bool pending, cancelled;
	unsigned name;
	enum views_what what;
	uint64_t need;
};

/* A view as the model has it, and its life as a keeper would. */
struct model {
	bool there, trouble, broken;
	char letter;
	uint64_t lives; /* of the name */
	/* The keeper's. */
	struct board_life life; /* .view NULL: none taken */
	struct worker_handle *worker;
	uint64_t at;       /* events that the worker has folded */
	uint64_t version;  /* of the state, there */
	uint64_t rendered; /* the state that was handed over last, + 1; 0: none */
};

static struct board board;
static struct model models[NAMES];
static struct worker_handle *workers[WORKERS];
static struct wait waits[WAITS];
static uint64_t head; /* events */
static bool stopping;
static uint64_t n_answers, n_states, n_wants, n_woken, n_let_go;

static uint64_t random_number(uint64_t below)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % below;
}

static const char *name_of(unsigned i)
{
	static const char *const names[NAMES] = {"b", "a", "d", "c"};

	return names[i];
}

static struct log_pos pos_of(uint64_t events)
{
	return (struct log_pos){.off = BYTES * events, .seq = events};
}

static uint64_t state_at(uint64_t events)
{
	return events / 3;
}

static struct worker_handle *new_worker(void)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	struct worker_handle *h = calloc(1, sizeof(*h));

	h->refs = 1;
	h->socket = h->pidfd = h->statm = h->stat = -1;
	h->shared = mmap(NULL, sizeof(*h->shared), prot, flags, -1, 0);
	h->orders = mmap(NULL, sizeof(*h->orders), prot, flags, -1, 0);
	CHECK(h->shared != MAP_FAILED && h->orders != MAP_FAILED);
	return h;
}

static struct definition *new_definition(char letter)
{
	struct definition *def = definition_broken("x.jq", letter == 'X' ? "it is of no use" : "");

	def->kind = REDUCER_JQ;
	def->identity = (uint64_t)letter;
	return def;
}

static void woken(void *arg)
{
	(void)arg;
	n_woken++;
}

static bool is_cancelled(void *arg, const void *key)
{
	(void)arg;
	return ((const struct wait *)key)->cancelled;
}

/* Right is: the state of the place that is named, which is not before the one that was asked for; and errors
 * only with their reason. */
static void answered(void *arg, const struct views_answer *a)
{
	struct wait *w = arg;
	const struct model *m = &models[w->name];
	char text[32];

	CHECK(w->pending);
	w->pending = false;
	n_answers++;
	if (a->error == -EINTR)
		CHECK(w->cancelled);
	else if (a->error == -ENOENT)
		CHECK(!m->there);
	else if (a->error == -EIO)
		CHECK(m->there && m->trouble);
	else if (a->error == -ESHUTDOWN)
		CHECK(stopping);
	else
		CHECK_INT(a->error, 0);
	if (a->error < 0)
		return;
	CHECK(a->pos.off >= w->need && a->pos.off <= BYTES * head);
	CHECK_INT(a->rendering != NULL, w->what == VIEWS_STATE);
	if (!a->rendering)
		return;
	int len = snprintf(text, sizeof(text), "%c%llu\n", m->letter,
			   (unsigned long long)state_at(a->pos.off / BYTES));
	CHECK_MEM(a->rendering->json.data, a->rendering->json.len, text, (size_t)len);
	n_states++;
	rendering_unref(a->rendering);
}

/* The life that the keeper has taken is the present one. */
static bool lives(const struct model *m)
{
	return m->life.view && !board_is_over(&board, m->life.view, m->life.id);
}

static void drop_worker(struct model *m)
{
	m->worker = NULL;
	m->rendered = 0;
}

/* Another life, or none: its worker has nothing to say any more. */
static void end_life(struct model *m)
{
	drop_worker(m);
	m->trouble = m->broken = false;
	m->lives++;
}

static void do_put(unsigned i)
{
	struct model *m = &models[i];
	char letter = "ABX"[random_number(8) ? random_number(2) : 2];
	bool same = m->there && m->letter == letter;

	if (!same)
		end_life(m);
	m->there = true;
	m->letter = letter;
	m->broken = m->trouble = same ? m->trouble : letter == 'X';
	if (same)
		m->broken = letter == 'X' || m->broken;
	CHECK_INT(board_put(&board, name_of(i), new_definition(letter)), 0);
}

static void do_remove(unsigned i)
{
	models[i].there = false;
	end_life(&models[i]);
	board_remove(&board, name_of(i));
}

static void do_renew(unsigned i)
{
	struct model *m = &models[i];

	if (m->there)
		end_life(m);
	m->broken = m->trouble = m->there && m->letter == 'X';
	CHECK_INT(board_renew(&board, name_of(i)), m->there ? 0 : -ENOENT);
}

/* The keeper looks which lives there are. */
static void do_take(void)
{
	struct board_life life;

	for (unsigned i = 0; i < NAMES; i++) {
		struct model *m = &models[i];
		if (!m->life.view || lives(m))
			continue;
		board_drop(&board, m->life.view);
		definition_unref(m->life.def);
		m->life = (struct board_life){0};
	}
	while (board_next_life(&board, &life)) {
		unsigned i = 0;
		while (strcmp(name_of(i), board_name(life.view)) != 0)
			i++;
		CHECK(models[i].there && !models[i].life.view);
		CHECK_INT(life.def->identity, models[i].letter);
		models[i].life = life;
		if (random_number(10) == 0)
			board_give_back(&board, &models[i].life);
	}
}

static void write_slot(unsigned i)
{
	struct model *m = &models[i];
	const struct slot_value value = {
	    .view = m->life.id, .pos = pos_of(m->at), .version = m->version, .folded = m->at};

	slot_write(&m->worker->shared->slots[i], &value);
}

static void do_lose(unsigned i)
{
	struct model *m = &models[i];

	if (!lives(m) || !m->worker)
		return;
	drop_worker(m);
	board_lose(&board, m->life.view, m->life.id, true);
}

/* Whoever can be answered now has been. */
static void check_nobody_waits(unsigned i)
{
	const struct model *m = &models[i];

	board_call_finished(&board);
	for (unsigned w = 0; w < WAITS; w++) {
		if (!waits[w].pending || waits[w].name != i || m->trouble)
			continue;
		bool there = waits[w].need <= BYTES * m->at;
		CHECK(!there || (waits[w].what == VIEWS_STATE && m->rendered != state_at(m->at) + 1));
	}
}

static void do_source(unsigned i)
{
	struct model *m = &models[i];
	struct board_facts facts;

	if (!lives(m) || m->worker || m->broken || !board_look(&board, m->life.view, m->life.id, &facts))
		return;
	m->worker = workers[random_number(WORKERS)];
	m->at = random_number(2) ? random_number(head + 1) : 0;
	m->version = facts.version;
	struct board_source source = {m->worker, i, m->version};
	/* What is left there of an earlier time counts for nothing, nor against the worker, until that says
	 * that it has the view. */
	const struct slot_value left = {
	    .view = m->life.id, .pos = pos_of(head), .version = m->version ? m->version - 1 : 0};
	slot_write(&m->worker->shared->slots[i], &left);
	board_source(&board, m->life.view, m->life.id, &source);
	CHECK(board_look(&board, m->life.view, m->life.id, &facts));
	CHECK_INT(facts.version, m->version);
	CHECK(!atomic_load(&m->worker->unsound));
	write_slot(i);
	const struct packet added = {
	    .message = {.type = MSG_ADDED, .view = m->life.id, .pos = pos_of(m->at), .version = m->version}};
	board_take_added(&board, m->life.view, m->life.id, &added);
	check_nobody_waits(i);
}

/* The worker goes on, and lets that be known. */
static void do_fold(unsigned i)
{
	struct model *m = &models[i];

	if (!lives(m) || !m->worker)
		return;
	uint64_t to = m->at + random_number(head - m->at + 1);
	m->version += state_at(to) - state_at(m->at);
	m->at = to;
	write_slot(i);
	if (random_number(2)) {
		board_take_changes(&board, m->worker);
		check_nobody_waits(i);
	}
}

static struct rendering *render(const struct model *m)
{
	struct rendering *r = calloc(1, sizeof(*r) + 32);
	char *text = (char *)(r + 1);

	int len = snprintf(text, 32, "%c%llu\n", m->letter, (unsigned long long)state_at(m->at));
	r->refs = 1;
	r->json = (struct slice){text, (size_t)len};
	r->pos = pos_of(m->at);
	r->version = m->version;
	return r;
}

/* It says where it is, perhaps with its state. */
static void do_answer(unsigned i)
{
	struct model *m = &models[i];
	struct rendering *now = NULL, *r = NULL;
	struct message said = {.type = MSG_AT, .flags = MSG_STATE};

	if (!lives(m) || !m->worker || m->broken)
		return;
	write_slot(i);
	said.pos = pos_of(m->at);
	said.version = m->version;
	if (random_number(3))
		r = render(m);
	if (r)
		m->rendered = state_at(m->at) + 1;
	CHECK(board_take_state(&board, m->life.view, m->life.id, m->worker, &said, r, &now));
	CHECK(!r || (now && now->version == m->version));
	rendering_unref(now);
	check_nobody_waits(i);
}

/* Nobody has read it for long. */
static void do_let_go(unsigned i)
{
	struct model *m = &models[i];
	uint64_t now = clock_ms();

	if (!m->life.view)
		return;
	uint64_t again = board_let_go(&board, m->life.view, m->life.id, now);
	uint64_t version = board_rendered(&board, m->life.view, m->life.id);
	CHECK((again == CLOCK_FOREVER) == (version == 0));
	if (version == 0 || random_number(4))
		return;
	CHECK(again >= now && again <= clock_ms() + BOARD_KEEP_MS);
	CHECK_INT(board_let_go(&board, m->life.view, m->life.id, again), CLOCK_FOREVER);
	CHECK_INT(board_rendered(&board, m->life.view, m->life.id), 0);
	m->rendered = 0;
	n_let_go++;
}

/* It says what can't be: nothing changes. */
static void do_lie(unsigned i)
{
	struct model *m = &models[i];
	struct message said = {.type = MSG_AT};
	struct rendering *now = NULL;
	struct view_status before, after;

	if (!lives(m) || !m->worker || m->broken)
		return;
	said.pos = pos_of(random_number(2) ? head + 1 : m->at);
	said.version = m->version + (said.pos.seq > head ? 0 : head + 1000000);
	CHECK_INT(board_status(&board, name_of(i), &before), 0);
	CHECK(!board_take_state(&board, m->life.view, m->life.id, m->worker, &said, NULL, &now) && !now);
	CHECK_INT(board_status(&board, name_of(i), &after), 0);
	CHECK(before.pos.off == after.pos.off && before.version == after.version);
	CHECK(atomic_exchange(&m->worker->unsound, false));
	/* Nobody else's word counts either. */
	said.pos = pos_of(m->at);
	said.version = m->version;
	CHECK(!board_take_state(&board, m->life.view, m->life.id, NULL, &said, NULL, &now) && !now);
}

static void do_post(unsigned i)
{
	struct model *m = &models[i];
	struct board_post post = {0};

	if (!lives(m) || m->broken)
		return;
	post.trouble = (enum board_trouble)(random_number(4) ? 0 : random_number(4));
	post.paused = random_number(8) == 0;
	if (post.trouble == BOARD_BROKEN && m->worker)
		do_lose(i);
	m->trouble = post.trouble != BOARD_FINE;
	m->broken = post.trouble == BOARD_BROKEN;
	board_post(&board, m->life.view, m->life.id, &post);
	board_call_finished(&board);
}

static void do_want(unsigned i)
{
	struct message asked;
	unsigned w = (unsigned)random_number(WAITS);

	if (waits[w].pending)
		return;
	waits[w] = (struct wait){
	    .pending = true,
	    .cancelled = random_number(16) == 0,
	    .name = i,
	    .what = random_number(2) ? VIEWS_STATE : VIEWS_POSITION,
	    .need = BYTES * random_number(head + 1),
	};
	const struct views_request q = {waits[w].what, &waits[w], answered, &waits[w]};
	struct worker_handle *h = board_want(&board, name_of(i), &q, waits[w].need, &asked);
	if (!h)
		return;
	n_wants++;
	CHECK(waits[w].pending && h == models[i].worker && !models[i].trouble);
	CHECK_INT(asked.view, models[i].life.id);
	CHECK_INT(asked.off, waits[w].need);
	if (random_number(4) == 0)
		board_unask(&board, name_of(i));
	worker_handle_unref(h);
}

static void do_cancel(void)
{
	unsigned w = (unsigned)random_number(WAITS);

	if (!waits[w].pending)
		return;
	waits[w].cancelled = true;
	board_cancel(&board, &waits[w]);
	board_call_finished(&board);
	CHECK(!waits[w].pending);
}

/* What is asked for is what somebody waits for. */
static void do_next_wants(void)
{
	const struct worker_handle *h = workers[random_number(WORKERS)];
	auto_free struct message *list = NULL;

	ssize_t n = board_next_wants(&board, h, &list);
	for (ssize_t j = 0; j < n; j++) {
		unsigned i = 0, w = 0;
		while (i < NAMES && models[i].life.id != list[j].view)
			i++;
		CHECK(i < NAMES && models[i].worker == h);
		while (w < WAITS && !(waits[w].pending && waits[w].name == i && waits[w].need == list[j].off))
			w++;
		CHECK(w < WAITS || models[i].trouble);
		n_wants++;
	}
}

static void do_idle(void)
{
	struct worker_handle *h = workers[random_number(WORKERS)];

	board_take_idle(&board, h);
	for (unsigned i = 0; i < NAMES; i++)
		if (models[i].worker == h && lives(&models[i]))
			board_ask_again(&board, models[i].life.view, models[i].life.id);
}

static void do_status(unsigned i)
{
	struct view_status s;

	CHECK_INT(board_status(&board, name_of(i), &s), models[i].there ? 0 : -ENOENT);
	if (!models[i].there)
		return;
	CHECK_INT(s.broken, models[i].trouble);
	CHECK(s.pos.off <= BYTES * head);
}

static void step(void)
{
	unsigned i = (unsigned)random_number(NAMES);

	switch (random_number(41)) {
	case 0:
		return do_put(i);
	case 1:
		return random_number(4) ? do_put(i) : do_remove(i);
	case 2:
		return random_number(4) ? do_status(i) : do_renew(i);
	case 3 ... 5:
		return do_take();
	case 6 ... 9:
		return do_source(i);
	case 10:
		return do_lose(i);
	case 11 ... 15:
		return do_fold(i);
	case 16 ... 20:
		return do_answer(i);
	case 21:
		return do_lie(i);
	case 22 ... 23:
		return do_post(i);
	case 24 ... 31:
		return do_want(i);
	case 32:
		return do_cancel();
	case 33 ... 35:
		return do_next_wants();
	case 36:
		return do_idle();
	case 37:
		return do_let_go(i);
	default:
		head += random_number(3);
		for (unsigned w = 0; w < WORKERS; w++)
			atomic_store(&workers[w]->orders->head, BYTES * head);
	}
}

static void end(void)
{
	stopping = true;
	board_stop(&board);
	board_call_finished(&board);
	for (unsigned w = 0; w < WAITS; w++)
		CHECK(!waits[w].pending);
	do_want(0); /* is answered at once */
	for (unsigned w = 0; w < WAITS; w++)
		CHECK(!waits[w].pending);
	for (unsigned i = 0; i < NAMES; i++) {
		board_drop(&board, models[i].life.view);
		definition_unref(models[i].life.def);
	}
	board_deinit(&board);
	for (unsigned w = 0; w < WORKERS; w++) {
		CHECK_INT(workers[w]->refs, 1);
		worker_handle_unref(workers[w]);
	}
}

int main(void)
{
	board_init(&board, &(struct board_options){.cancelled = is_cancelled, .wake = woken});
	for (unsigned w = 0; w < WORKERS; w++)
		workers[w] = new_worker();
	for (unsigned i = 0; i < STEPS; i++) {
		if (i == 100)
			board_start(&board);
		step();
		CHECK(board_is_sound(&board));
		board_call_finished(&board);
	}
	/* It has been somewhere. */
	CHECK(n_answers > STEPS / 20 && n_states > 1000 && n_wants > 1000 && n_woken > 1000 &&
	      n_let_go > 100);
	end();
	return 0;
}
