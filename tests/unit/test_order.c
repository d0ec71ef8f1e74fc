/* The order of batches as an agent finds it out, as a table: what the engine, the daemon and the clock say,
 * and what is delivered and wanted then.
 *
 * 4b: a head, at 4, with a SHA-256 that is all b. 0a4b=m1: a batch that leads from 0a to 4b, number 1 of this
 * machine and boot; e: of another boot of this machine; x: another's. What the engine says is complete but
 * for what is left out of the text. */
#include "check.h"

#include <errno.h>

#include "cluster/agent/order.h"
#include "cluster/link/proto.h"

#define ME "1111111111111111"

struct world {
	struct order order;
	struct keys keys;
	struct buf out;
	struct order_look look;
	struct order_commit commit;
	/* What the engine is said to have said. */
	struct etcd_kv head, config, holder, member, batches[8];
	char texts[16][2400];
	size_t n_batches, n_texts;
	bool has_head, has_config, has_holder, has_member;
	uint64_t position;
};

static void fill(char *out, char c, size_t n)
{
	memset(out, c, n);
	out[n] = '\0';
}

/* 4b */
static const char *read_head(const char *at, struct batch_head *ret)
{
	char *end;

	ret->off = strtoull(at, &end, 10);
	fill(ret->sha, *end, BATCH_SHA);
	return end + 1;
}

static struct slice keep(struct world *w, const char *fmt, ...) printf_like(2, 3);
static struct slice keep(struct world *w, const char *fmt, ...)
{
	char *text = w->texts[w->n_texts++];
	va_list args;

	CHECK(w->n_texts <= countof(w->texts));
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(w->texts[0]), fmt, args);
	va_end(args);
	CHECK(n < (int)sizeof(w->texts[0]));
	return (struct slice){text, (size_t)n};
}

static struct slice keep_head(struct world *w, const char *at)
{
	struct batch_head head;

	read_head(at, &head);
	return keep(w, "%llu:%s", (unsigned long long)head.off, head.sha);
}

/* 0a4b=m1 */
static struct slice keep_batch(struct world *w, const char *at, uint64_t *ret_key)
{
	struct cluster_batch b = {.time = 1};
	struct buf text auto_buf = {0}, lines auto_buf = {0};

	at = read_head(read_head(at, &b.before), &b.after);
	CHECK(*at == '=' && b.after.off > b.before.off);
	strcpy(b.machine, at[1] == 'x' ? "2222222222222222" : ME);
	fill(b.boot, at[1] == 'm' ? 'b' : 'c', BATCH_BOOT);
	b.n = strtoull(at + 2, NULL, 10);
	while (lines.len < b.after.off - b.before.off)
		buf_add_char(&lines, lines.len + 1 < b.after.off - b.before.off ? 'x' : '\n');
	b.lines = buf_slice(&lines);
	batch_write(&b, &text);
	*ret_key = b.before.off;
	return text.len < 2000 ? keep(w, "%.*s", (int)text.len, text.data) : (struct slice){0};
}

static void add_batch(struct world *w, const char *at)
{
	struct etcd_kv *kv = &w->batches[w->n_batches++];
	uint64_t key;

	kv->value = keep_batch(w, at, &key);
	kv->key = keep(w, "/eventfold/log/batch/%020llu", (unsigned long long)key);
}

/* One word of what the engine says. */
static void add_word(struct world *w, const char *word)
{
	const char *value = strchr(word, '=');

	if (strncmp(word, "config=", 7) == 0) {
		w->has_config = value[1] != '-';
		w->config = (struct etcd_kv){slice_of(w->keys.config), keep(w, "%s", ""), .version = 1};
		fill(w->texts[w->n_texts - 1], value[1], BATCH_SHA);
		w->config.value.len = BATCH_SHA;
	} else if (strncmp(word, "holder=", 7) == 0) {
		w->has_holder = value[1] != '-';
		w->holder.modified = strtoull(value + 1, NULL, 10);
	} else if (strcmp(word, "member=-") == 0) {
		w->has_member = false;
	} else if (strncmp(word, "position=", 9) == 0) {
		w->position = strtoull(value + 1, NULL, 10);
	} else if (strncmp(word, "broken=", 7) == 0) {
		w->batches[w->n_batches++] = (struct etcd_kv){
		    .key = keep(w, "/eventfold/log/batch/%020d", atoi(value + 1)), .value = SLICE("{}\n")};
	} else if (value) {
		add_batch(w, word);
	} else {
		w->has_head = *word != '-';
		w->head = (struct etcd_kv){.key = slice_of(w->keys.head),
					   .value = w->has_head ? keep_head(w, word) : SLICE("")};
	}
}

static struct order_found found(struct world *w)
{
	return (struct order_found){
	    .head = w->has_head ? &w->head : NULL,
	    .config = w->has_config ? &w->config : NULL,
	    .holder = w->has_holder ? &w->holder : NULL,
	    .member = w->has_member ? &w->member : NULL,
	    .batches = w->batches,
	    .n = w->n_batches,
	    .position = w->position,
	};
}

/* All in one, as a watch has it. */
static void watched(struct world *w)
{
	struct etcd_kv kvs[10];
	size_t n = 0;

	for (size_t i = 0; i < w->n_batches; i++)
		kvs[n++] = w->batches[i];
	if (w->has_head)
		kvs[n++] = w->head;
	if (w->has_config)
		kvs[n++] = w->config;
	order_watched(&w->order, kvs, n);
}

static void begin(struct world *w, const char *rest, bool bare)
{
	char config[BATCH_SHA + 1], boot[BATCH_BOOT + 1];
	const char *proposed = strstr(rest, "proposed=");
	struct order_begin b = {.machine = ME, .boot = boot, .config = config, .proposed = proposed ? 1 : 0};

	fill(config, 'a', BATCH_SHA);
	fill(boot, 'b', BATCH_BOOT);
	read_head(rest, &b.head);
	order_init(&w->order, &b, &w->keys, &w->out);
	order_time(&w->order, 1000000);
	if (!bare) {
		order_hold(&w->order, 7);
		order_registered(&w->order, true);
	}
}

static void daemon_says(struct world *w, const char *verb, const char *rest)
{
	char config[BATCH_SHA + 1];
	struct batch_head head;
	uint64_t key;

	if (strcmp(verb, "propose") == 0) {
		CHECK_INT(order_propose(&w->order, keep_batch(w, rest, &key)), 0);
	} else if (strcmp(verb, "misproposes") == 0) {
		CHECK_INT(order_propose(&w->order, keep_batch(w, rest, &key)), -EPROTO);
	} else if (strcmp(verb, "appended") == 0) {
		read_head(rest, &head);
		CHECK_INT(order_appended(&w->order, &head), 0);
	} else {
		CHECK_STR(verb, "rules");
		fill(config, *rest, BATCH_SHA);
		order_set_config(&w->order, config);
		order_look_soon(&w->order);
	}
}

static void engine_says(struct world *w, const char *verb)
{
	static const struct {
		const char *verb;
		enum order_outcome outcome;
	} outcomes[] = {
	    {"entered", ORDER_ENTERED}, {"failed", ORDER_FAILED},   {"silent", ORDER_UNCERTAIN},
	    {"full", ORDER_FULL},       {"large", ORDER_TOO_LARGE},
	};
	struct order_found f = found(w);

	for (size_t i = 0; i < countof(outcomes); i++)
		if (strcmp(verb, outcomes[i].verb) == 0)
			return order_committed(&w->order, &w->commit, outcomes[i].outcome, &f);
	if (strcmp(verb, "looked") == 0)
		order_looked(&w->order, &w->look, &f);
	else if (strcmp(verb, "unseen") == 0)
		order_look_failed(&w->order);
	else if (strcmp(verb, "watched") == 0)
		watched(w);
	else
		CHECK(!"a verb");
}

/* What is complete but for what is said. */
static void reset(struct world *w)
{
	w->n_batches = w->n_texts = 0;
	w->position = 0;
	w->has_head = false;
	w->has_config = w->has_holder = w->has_member = true;
	w->holder.modified = 7;
	add_word(w, "config=a");
}

static void act(struct world *w, char *step)
{
	char *at = step, *verb = strsep(&at, " "), *word;

	reset(w);
	if (strcmp(verb, "begin") == 0 || strcmp(verb, "bare") == 0)
		return begin(w, at, *verb == 'b' && verb[1] == 'a');
	if (strcmp(verb, "hold") == 0)
		return order_hold(&w->order, strtoull(at, NULL, 10));
	if (strcmp(verb, "back") == 0)
		return order_back(&w->order);
	if (strcmp(verb, "registered") == 0)
		return order_registered(&w->order, true);
	if (strcmp(verb, "after") == 0)
		return order_time(&w->order, w->order.now_ms + strtoull(at, NULL, 10));
	if (strchr("pamr", *verb))
		return daemon_says(w, verb, at);
	if (strcmp(verb, "watched") == 0)
		w->has_config = false;
	while ((word = strsep(&at, " ")))
		add_word(w, word);
	engine_says(w, verb);
}

static void add_frame(const struct frame *f, struct buf *got)
{
	static const char *const names[] = {[FRAME_BATCH] = "BATCH",
					    [FRAME_MINE] = "MINE",
					    [FRAME_MOVED] = "MOVED",
					    [FRAME_REFUSED] = "REFUSED",
					    [FRAME_FATAL] = "FATAL"};
	struct cluster_batch b = {0};

	CHECK(f->type < countof(names) && names[f->type]);
	buf_add_str(got, names[f->type]);
	if (f->type == FRAME_BATCH) {
		CHECK_INT(batch_read(f->text, &b, NULL), 0);
		buf_printf(got, "%llu-%llu", (unsigned long long)b.before.off,
			   (unsigned long long)b.after.off);
	} else if (f->type == FRAME_FATAL) {
		buf_printf(got, "(%.*s)", (int)f->text.len, f->text.data);
	} else {
		CHECK(f->text.len > 5);
		buf_add_char(got, f->text.data[5]);
	}
	buf_add_char(got, ' ');
}

/* What comes out, and is wanted then. */
static void drain(struct world *w, struct buf *got)
{
	struct frame f;
	size_t at = 0;

	while (frame_next(buf_slice(&w->out), &at, &f) > 0)
		add_frame(&f, got);
	buf_clear(&w->out);
	if (order_wants_look(&w->order, &w->look))
		buf_add_str(got, w->look.inside ? "inside " : w->look.limit ? "look " : "glance ");
	if (order_wants_commit(&w->order, &w->commit))
		buf_printf(got, "commit%llu ", (unsigned long long)w->commit.n);
	if (w->order.again_hold)
		buf_add_str(got, "anew ");
}

struct row {
	const char *what;
	const char *steps[24]; /* what is said, and what comes of it; of FATAL a part of its reason */
};

static const struct row rows[] = {
    {"alone",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "entered", "MINE1",
      "propose 4b9c=m2", "commit2", "entered", "MINE2"}},
    {"no such log", {"begin 0a", "look", "looked -", "FATAL no such log"}},
    {"the head is no more",
     {"begin 0a", "look", "looked 0a", "", "after 2000", "look", "looked -", "FATAL lost"}},
    {"the engine is behind", {"begin 4b", "look", "looked 0a", "FATAL not the engine's"}},
    {"another history of that length", {"begin 4b", "look", "looked 4c", "FATAL not the engine's"}},
    {"another history that has gone on", {"begin 4b", "look", "looked 8d 4c8d=x1", "FATAL not the engine's"}},
    {"what came meanwhile",
     {"begin 0a", "look", "looked 8c 0a4b=x1 4b8c=x2", "BATCH0-4 BATCH4-8", "propose 8c9d=m1", "commit1"}},
    {"more than an answer has",
     {"begin 0a", "look", "looked 8c 0a4b=x1", "BATCH0-4 look", "looked 9d 4b8c=x2", "BATCH4-8 look",
      "looked 9d 8c9d=x3", "BATCH8-9"}},
    {"nothing else is said while it is not known what there is",
     {"begin 0a", "look", "propose 0a4b=m1", "", "looked 0a", "commit1"}},
    {"too late", {"begin 4b", "look", "looked 9d 8c9d=x1", "inside", "looked", "FATAL too late"}},
    {"all is trimmed", {"begin 4b", "look", "looked 9d", "inside", "looked", "FATAL too late"}},
    {"within a batch",
     {"begin 4b", "look", "looked 9d 8c9d=x2", "inside", "looked 0a8c=x1", "BATCH0-8 look",
      "looked 9d 8c9d=x2", "BATCH8-9"}},
    {"the one before ends too early",
     {"begin 4b", "look", "looked 9d 8c9d=x2", "inside", "looked 0a3b=x1", "FATAL too late"}},
    {"the one before ends too late",
     {"begin 4b", "look", "looked 6d", "inside", "looked 0a8c=x1", "FATAL too late"}},
    {"an older copy", {"begin 4b", "look", "looked 9d position=8 4b9d=x1", "FATAL older copy"}},

    {"by the watch",
     {"begin 0a", "look", "looked 0a", "", "watched 4b 0a4b=x1", "BATCH0-4", "watched 8c 4b8c=x2",
      "BATCH4-8"}},
    {"the watch has lost some",
     {"begin 0a", "look", "looked 0a", "", "watched 8c 4b8c=x2", "look", "looked 8c 0a4b=x1 4b8c=x2",
      "BATCH0-4 BATCH4-8"}},
    {"the watch has lost all",
     {"begin 0a", "look", "looked 0a", "", "after 2000", "look", "looked 4b 0a4b=x1", "BATCH0-4"}},
    {"the watch says it again",
     {"begin 0a", "look", "looked 4b 0a4b=x1", "BATCH0-4", "watched 4b 0a4b=x1", "", "watched 8c 4b8c=x2",
      "BATCH4-8"}},
    {"the watch is quicker than the look",
     {"begin 0a", "look", "looked 0a", "", "after 2000", "look", "watched 4b 0a4b=x1", "BATCH0-4",
      "looked 0a", ""}},
    {"what lies beyond the head",
     {"begin 0a", "look", "looked 0a", "", "watched 0a4b=x1", "", "after 2000", "look", "looked 0a 0a4b=x1",
      ""}},
    {"an end that is not the head", {"begin 0a", "look", "looked 4c 0a4b=x1", "FATAL does not lead"}},
    {"a damaged batch", {"begin 0a", "look", "looked 4b broken=0", "FATAL batch at 0 "}},
    {"a look that fails is tried again",
     {"begin 0a", "look", "unseen", "", "after 50", "look", "unseen", "", "after 50", "", "after 50",
      "look"}},

    {"another was before",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "failed 5c 0a5c=x1",
      "BATCH0-5 MOVED1"}},
    {"several were before",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "failed 8d 0a5c=x1", "BATCH0-5 look",
      "looked 9e 5c8d=x2 8d9e=x3", "BATCH5-8 BATCH8-9 MOVED1"}},
    {"another was before, and the watch says so first",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "watched 5c 0a5c=x1",
      "BATCH0-5 MOVED1", "failed 5c 0a5c=x1", "", "propose 5c9d=m2", "commit2"}},
    {"it is there, and the watch says so first",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "watched 4b 0a4b=m1", "MINE1",
      "entered", ""}},
    {"it was proposed where the log no longer ends",
     {"begin 0a", "look", "looked 5c 0a5c=x1", "BATCH0-5", "propose 0a4b=m1", "MOVED1"}},
    {"it is known that another is before",
     {"begin 0a", "look", "looked 0a", "", "watched 8d 5c8d=x2", "look", "propose 0a4b=m1", "",
      "looked 8d 0a5c=x1 5c8d=x2", "BATCH0-5 BATCH5-8 MOVED1"}},
    {"the answer is lost, and it is mine",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 4b 0a4b=m1", "MINE1"}},
    {"the answer is lost, it is mine, and others are behind it",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 9d 0a4b=m1", "MINE1 look", "looked 9d 4b9d=x1", "BATCH4-9"}},
    {"the answer is lost, and it is another's",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 5c 0a5c=x1", "BATCH0-5 MOVED1"}},
    {"no answer for long",
     {"begin 0a", "look",    "looked 0a", "",        "propose 0a4b=m1", "commit1", "silent",   "",
      "after 20", "commit1", "silent",    "",        "after 20",        "",        "after 20", "commit1",
      "silent",   "",        "after 80",  "commit1", "entered",         "MINE1"}},
    {"the engine is back",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "back", "commit1",
      "back", "", "silent", "", "after 20", "commit1"}},
    {"it was trimmed",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 9d", "FATAL is not known"}},
    {"the own batch of an earlier boot", {"begin 0a", "look", "looked 4b 0a4b=e1", "BATCH0-4"}},
    {"the own batch of this boot that nobody waits for",
     {"begin 0a", "look", "looked 4b 0a4b=m1", "BATCH0-4"}},

    {"an earlier agent's has entered",
     {"begin 0a proposed=1", "", "watched 4b 0a4b=m1", "", "propose 0a4b=m1", "look", "looked 4b 0a4b=m1",
      "MINE1"}},
    {"an earlier agent's has entered, and others are behind it",
     {"begin 0a proposed=1", "", "propose 0a4b=m1", "look", "looked 8c 0a4b=m1 4b8c=x1", "MINE1 BATCH4-8"}},
    {"an earlier agent's has not entered",
     {"begin 0a proposed=1", "", "propose 0a4b=m1", "look", "looked 0a", "commit1", "entered", "MINE1"}},
    {"an earlier agent's was moved",
     {"begin 0a proposed=1", "", "propose 0a4b=m1", "look", "looked 5c 0a5c=x1", "BATCH0-5 MOVED1"}},
    {"an earlier agent's is behind what that has delivered",
     {"begin 5c proposed=1", "", "propose 0a4b=m1", "MOVED1 look"}},
    {"an earlier agent's, and the window has gone on",
     {"begin 0a proposed=1", "", "propose 0a4b=m1", "look", "looked 9d 8c9d=x1", "inside", "looked",
      "FATAL is not known"}},

    {"not before the identity is held",
     {"bare 0a", "look", "looked 0a", "", "propose 0a4b=m1", "", "hold 7", "", "registered", "commit1"}},
    {"the holder is lost",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "failed 0a holder=-", "", "after 20",
      "", "hold 9", "commit1", "entered", "MINE1"}},
    {"the holder is another",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "failed 0a holder=8", "", "after 20",
      "", "hold 9", "commit1"}},
    {"forgotten",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "failed 0a member=-", "", "after 20",
      "", "registered", "commit1"}},
    {"the rules differ",
     {"begin 0a", "look", "looked 0a config=b", "", "propose 0a4b=m1", "commit1", "failed 0a config=b",
      "REFUSED1", "propose 0a4b=m2", "commit2"}},
    {"nobody has said the rules",
     {"begin 0a", "look", "looked 0a config=-", "", "propose 0a4b=m1", "commit1", "failed 0a config=-", "",
      "after 20", "commit1"}},
    {"the rules differ, and an answer was lost: what was sent may not enter later",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 0a config=b", "anew", "after 40", "anew", "hold 9", "commit1", "failed 0a config=b holder=9",
      "REFUSED1"}},
    {"the rules differ, and it has entered meanwhile",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "failed 0a config=b", "anew", "hold 9", "", "after 40", "commit1",
      "failed 4b config=b holder=9 0a4b=m1", "MINE1"}},
    {"the rules have changed here and there",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "rules b", "look",
      "failed 0a config=b", "MOVED1", "propose 0a4b=m2", "commit2"}},
    {"an earlier agent's, and the rules differ",
     {"begin 0a proposed=1", "", "propose 0a4b=m1", "look", "looked 0a config=b", "commit1",
      "failed 0a config=b", "REFUSED1"}},
    {"no room",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "full", "", "after 999", "",
      "after 1", "commit1", "failed 4b 0a4b=m1", "MINE1"}},
    {"too large", {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "large", "REFUSED1"}},
    {"too large for another member",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "silent", "", "after 20", "commit1",
      "large", "", "after 40", "commit1"}},
    {"the head has gone back",
     {"begin 4b", "look", "looked 4b", "", "propose 4b8c=m1", "commit1", "failed 0a",
      "FATAL not the engine's"}},
    {"the head is another",
     {"begin 4b", "look", "looked 4b", "", "propose 4b8c=m1", "commit1", "failed 4c",
      "FATAL not the engine's"}},
    {"the engine contradicts itself",
     {"begin 0a", "look", "looked 0a", "", "propose 0a4b=m1", "commit1", "watched 9d 0a5c=x1",
      "BATCH0-5 look", "entered", "FATAL two batches"}},

    {"another's as the own", {"begin 0a", "look", "misproposes 0a4b=x1", "", "misproposes 0a4b=e1", ""}},
    {"a place that nobody knows", {"begin 0a", "look", "misproposes 4b8c=m1", "", "misproposes 0b4b=m1", ""}},
    {"two at a time", {"begin 0a", "look", "propose 0a4b=m1", "", "misproposes 0a4b=m2", ""}},
    {"another than was told of", {"begin 0a proposed=1", "", "misproposes 0a4b=m2", ""}},
    {"nothing after the end",
     {"begin 0a", "look", "looked -", "FATAL no such", "watched 4b 0a4b=x1", "", "propose 0a4b=m1", ""}},
};

static void check_step(struct world *w, const struct row *row, const char *step, const char *want)
{
	char text[256], *fatal;
	struct buf got auto_buf = {0};

	CHECK(snprintf(text, sizeof(text), "%s", step) < (int)sizeof(text));
	act(w, text);
	drain(w, &got);
	if (got.len > 0)
		got.len--;
	buf_add_char(&got, '\0');
	fatal = strstr(got.data, "FATAL(");
	bool well =
	    strncmp(want, "FATAL ", 6) == 0 ? fatal && strstr(fatal, want + 6) : strcmp(got.data, want) == 0;
	if (!well) {
		fprintf(stderr, "%s: %s: \"%s\", not \"%s\"\n", row->what, step, got.data, want);
		abort();
	}
}

static void check_row(const struct row *row)
{
	static struct world w;

	w = (struct world){0};
	CHECK(keys_init(&w.keys, "log"));
	for (size_t i = 0; row->steps[i]; i += 2)
		check_step(&w, row, row->steps[i], row->steps[i + 1]);
	order_deinit(&w.order);
	buf_deinit(&w.out);
}

static void test_keys(void)
{
	struct keys k;
	char key[KEY_MAX], machine[17];
	uint64_t off;

	CHECK(!keys_init(&k, "") && !keys_init(&k, "a/b") && keys_init(&k, "log"));
	keys_batch(&k, UINT64_MAX, key);
	CHECK_STR(key, "/eventfold/log/batch/18446744073709551615");
	CHECK(keys_batch_read(&k, slice_of(key), &off) && off == UINT64_MAX);
	CHECK(!keys_batch_read(&k, SLICE("/eventfold/log/batch/18446744073709551616"), &off));
	CHECK(!keys_batch_read(&k, SLICE("/eventfold/log/batch/0000000000000000000x"), &off));
	CHECK(!keys_batch_read(&k, SLICE("/eventfold/log/batch/0"), &off));
	CHECK(!keys_batch_read(&k, SLICE("/eventfold/lo"), &off));
	CHECK(strcmp(k.batches, k.config) < 0 && strcmp(k.config, k.head) < 0 &&
	      strcmp(k.head, k.watched_end) < 0 && strcmp(k.watched_end, k.holders) < 0);
	CHECK(keys_machine(k.members, SLICE("/eventfold/log/member/" ME), machine) &&
	      strcmp(machine, ME) == 0);
	CHECK(!keys_machine(k.members, SLICE("/eventfold/log/member/" ME "1"), machine));
	CHECK(!keys_machine(k.members, SLICE("/eventfold/log/member/ZZZZZZZZZZZZZZZZ"), machine));
}

/* Others' batches wait until the log has what was delivered. */
static void test_no_more_than_is_appended(void)
{
	static struct world w;
	struct buf got auto_buf = {0};
	char step[64] = "begin 0a", look[64];

	CHECK(keys_init(&w.keys, "log"));
	act(&w, step);
	w.order.delivered.off = ORDER_AHEAD;
	drain(&w, &got);
	CHECK_MEM(got.data, got.len, "glance ", 7);
	buf_clear(&got);
	snprintf(look, sizeof(look), "looked %ud", ORDER_AHEAD + 9);
	act(&w, look);
	drain(&w, &got);
	CHECK_INT(got.len, 0);
	snprintf(step, sizeof(step), "appended 1b");
	act(&w, step);
	drain(&w, &got);
	CHECK_MEM(got.data, got.len, "look ", 5);
	order_deinit(&w.order);
	buf_deinit(&w.out);
}

/* By a way that is slow, less is asked for, until it is one batch; and it is waited for. */
static void test_a_slow_way(void)
{
	static struct world w;
	char step[64] = "begin 0a";
	uint64_t limit = UINT64_MAX;

	CHECK(keys_init(&w.keys, "log"));
	act(&w, step);
	for (unsigned i = 0; limit > 1; i++) {
		CHECK(order_wants_look(&w.order, &w.look));
		CHECK(w.look.limit < limit && w.look.tries == i);
		limit = w.look.limit;
		order_look_failed(&w.order);
		order_time(&w.order, w.order.now_ms + 1000);
	}
	order_deinit(&w.order);
	buf_deinit(&w.out);
}

int main(void)
{
	for (size_t i = 0; i < countof(rows); i++)
		check_row(&rows[i]);
	test_keys();
	test_no_more_than_is_appended();
	test_a_slow_way();
	return 0;
}
