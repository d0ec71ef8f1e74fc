/* The fold engine with reducers that are part of the test. Hashes were computed by another implementation of
 * xxh64. */
#include "check.h"

#include <errno.h>

#include "model/engine/fold.h"

#define A "{\"type\":\"a\",\"data\":1,\"ts\":1}"
#define B "{\"type\":\"b\",\"data\":{\"n\":2},\"ts\":2}"
#define BAD "oops"
#define C "{\"type\":\"c\",\"data\":[3],\"ts\":3}"
#define D "{\"type\":\"d\",\"ts\":4}"

#define HASH_A 0x4753c63df87e95b6
#define HASH_B 0x814f76b8da29c9d0
#define HASH_BAD 0x0f3fc5193c26545b
#define HASH_EMPTY 0xef46db3751d8e999
#define HASH_C 0x60637b5529ea35a0
#define HASH_D 0x05400fe0d7003e1c

/* Where each line of this log ends: 29, 64, 69, 70, 101, 121. */
static const char log_text[] = A "\n" B "\n" BAD "\n"
				 "\n" C "\n" D "\n";

/* Linked with --wrap=malloc: from now on there is no memory for the program's own code. */
static bool no_memory;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

/* Writes down what it is given: "type@seq:off ". */
struct recorder {
	struct reducer base;
	struct buf seen;
	struct fold_mark *mark; /* to look at while it runs */
	uint32_t id;
	char fails_on; /* the type's first letter; 0: none */
	int error;
	const char *why;   /* said before it fails */
	char same_on;      /* does not count as a change */
	const char *reads; /* a string it looks up */
	bool parses;       /* looks at the data's tree */
	const cJSON *tree;
	int write_error;
	bool *freed;
};

static int record(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct recorder *r = container_of(base, struct recorder, base);
	struct eventfold_slice string;
	char type = ev->pub.type.data[0];

	CHECK_INT(r->mark->view, r->id);
	CHECK_INT(r->mark->phase, FOLD_FOLDING);
	CHECK_INT(r->mark->seq, ev->pub.seq);
	CHECK_INT(r->mark->off, ev->pub.off);
	CHECK_STR(diag->text, "");
	buf_printf(&r->seen, "%c@%d:%d ", type, (int)ev->pub.seq, (int)ev->pub.off);
	if (r->reads)
		eventfold_get_string(&ev->pub, r->reads, &string);
	if (r->parses)
		r->tree = eventfold_data(&ev->pub);
	if (type == r->fails_on && r->why)
		return r->error == -1 ? eventfold_fail(&ev->pub, "%s", r->why)
				      : diag_set(diag, r->error, "%s", r->why);
	if (type == r->fails_on)
		return r->error;
	return type == r->same_on ? EVENTFOLD_SAME : EVENTFOLD_CHANGED;
}

static int record_write(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct recorder *r = container_of(base, struct recorder, base);

	CHECK_INT(r->mark->view, r->id);
	CHECK_INT(r->mark->phase, FOLD_WRITING);
	buf_add_str(out, "[]");
	return r->write_error;
}

static void record_free(struct reducer *base)
{
	struct recorder *r = container_of(base, struct recorder, base);

	if (r->freed)
		*r->freed = true;
	buf_deinit(&r->seen);
}

static const struct reducer_class recorder_class = {
    .kind = "test", .fold = record, .write = record_write, .free = record_free};

/* Some views and what they are folded with. */
struct fixture {
	struct fold_mark mark;
	struct fold fold;
	struct recorder recorder[3];
	struct view view[3], *views[3];
	struct buf damaged;
	struct log_pos pos;
};

static void note_damage(void *arg, const struct log_pos *before, struct slice line,
			const struct json_error *error)
{
	struct fixture *f = arg;

	buf_printf(&f->damaged, "%d:%d:%zu %.*s;", (int)before->seq, (int)before->off, error->at,
		   (int)line.len, line.data);
	CHECK(error->why != NULL);
}

static void setup_at(struct fixture *f, const struct log_pos *start)
{
	*f = (struct fixture){.pos = *start};
	fold_init(&f->fold, &f->mark);
	f->fold.damaged = note_damage;
	f->fold.arg = f;
	for (unsigned i = 0; i < 3; i++) {
		f->recorder[i] = (struct recorder){
		    .base.class = &recorder_class, .mark = &f->mark, .id = 7 + i, .error = -EINVAL};
		view_init(&f->view[i], 7 + i, &f->recorder[i].base, start);
		f->views[i] = &f->view[i];
	}
}

static void setup(struct fixture *f)
{
	setup_at(f, &(struct log_pos){0});
}

static void teardown(struct fixture *f)
{
	bool freed[3] = {false, false, false};

	for (unsigned i = 0; i < 3; i++) {
		f->recorder[i].freed = &freed[i];
		view_deinit(&f->view[i]);
		CHECK(freed[i] && !f->view[i].reducer);
	}
	fold_deinit(&f->fold);
	buf_deinit(&f->damaged);
}

static void feed(struct fixture *f, struct slice block)
{
	fold_block(&f->fold, f->views, 3, &f->pos, block);
	CHECK_INT(f->mark.phase, FOLD_IDLE);
}

static void check_pos(const struct log_pos *pos, uint64_t off, uint64_t seq, uint64_t hash)
{
	CHECK_INT(pos->off, off);
	CHECK_INT(pos->seq, seq);
	CHECK(pos->hash == hash);
}

static void check_seen(struct fixture *f, unsigned i, const char *want)
{
	CHECK_MEM(f->recorder[i].seen.data, f->recorder[i].seen.len, want, strlen(want));
}

static void check_broken(struct fixture *f, unsigned i, int error, const char *why, uint64_t seq,
			 uint64_t off)
{
	CHECK_INT(f->view[i].error, error);
	CHECK_STR(f->view[i].why.text, why);
	CHECK_INT(f->view[i].error_seq, seq);
	CHECK_INT(f->view[i].error_off, off);
}

#define ALL "a@1:0 b@2:29 c@5:70 d@6:101 "

static void test_whole(void)
{
	struct fixture f;

	setup(&f);
	f.recorder[1].same_on = 'b';
	feed(&f, SLICE(log_text));
	check_pos(&f.pos, 121, 6, HASH_D);
	for (unsigned i = 0; i < 3; i++) {
		check_seen(&f, i, ALL);
		check_pos(&f.view[i].pos, 121, 6, HASH_D);
		check_broken(&f, i, 0, "", 0, 0);
	}
	CHECK_INT(f.view[0].version, 4);
	CHECK_INT(f.view[1].version, 3);
	CHECK_INT(f.fold.events, 4);
	CHECK_MEM(f.damaged.data, f.damaged.len, "2:64:0 oops;", 12);
	/* An empty block is no step. */
	feed(&f, (struct slice){0});
	check_pos(&f.pos, 121, 6, HASH_D);
	check_pos(&f.view[0].pos, 121, 6, HASH_D);
	teardown(&f);
}

/* The place after each line, wherever the blocks end: each of the 32 ways to cut six lines. */
static void test_blocks(void)
{
	static const size_t ends[] = {29, 64, 69, 70, 101, 121};
	static const uint64_t hashes[] = {HASH_A, HASH_B, HASH_BAD, HASH_EMPTY, HASH_C, HASH_D};
	struct fixture f;

	for (unsigned cuts = 0; cuts < 32; cuts++) {
		size_t from = 0;

		setup(&f);
		f.recorder[2].fails_on = 'c';
		for (unsigned i = 0; i < 6; i++) {
			if (i < 5 && !(cuts & 1u << i))
				continue;
			feed(&f, (struct slice){log_text + from, ends[i] - from});
			from = ends[i];
			check_pos(&f.pos, ends[i], i + 1, hashes[i]);
			check_pos(&f.view[0].pos, ends[i], i + 1, hashes[i]);
			if (i < 4)
				check_pos(&f.view[2].pos, ends[i], i + 1, hashes[i]);
		}
		check_seen(&f, 1, ALL);
		check_seen(&f, 2, "a@1:0 b@2:29 c@5:70 ");
		check_pos(&f.view[2].pos, 70, 4, HASH_EMPTY);
		check_broken(&f, 2, -EINVAL, "the reducer returned -22", 5, 70);
		teardown(&f);
	}
}

/* A block in the middle of a log. */
static void test_middle(void)
{
	const struct log_pos start = {1000, 40, 0x1234};
	struct fixture f;

	setup_at(&f, &start);
	f.recorder[0].fails_on = 'a';
	feed(&f, SLICE(A "\n" B "\n"));
	check_pos(&f.pos, 1064, 42, HASH_B);
	/* Nothing of this block has reached it: its place is the one it had. */
	check_pos(&f.view[0].pos, 1000, 40, 0x1234);
	check_broken(&f, 0, -EINVAL, "the reducer returned -22", 41, 1000);
	check_seen(&f, 1, "a@41:1000 b@42:1029 ");
	teardown(&f);
}

static void test_broken(void)
{
	struct fixture f;

	setup(&f);
	f.recorder[0].fails_on = 'a';
	f.recorder[0].error = -1;
	f.recorder[0].why = "it says\nwhy";
	f.recorder[1].fails_on = 'b';
	f.recorder[1].error = -ENOENT;
	f.recorder[1].why = "because";
	feed(&f, SLICE(log_text));
	/* The first event ever: there is no line before it. */
	check_pos(&f.view[0].pos, 0, 0, 0);
	check_broken(&f, 0, -1, "it says why", 1, 0);
	CHECK_INT(f.view[0].version, 0);
	check_pos(&f.view[1].pos, 29, 1, HASH_A);
	check_broken(&f, 1, -ENOENT, "because", 2, 29);
	CHECK_INT(f.view[1].version, 1);
	check_seen(&f, 2, ALL);
	check_pos(&f.view[2].pos, 121, 6, HASH_D);
	check_broken(&f, 2, 0, "", 0, 0);
	/* Nothing reaches them any more, and they stay where they are. */
	feed(&f, SLICE(A "\n"));
	check_seen(&f, 0, "a@1:0 ");
	check_seen(&f, 1, "a@1:0 b@2:29 ");
	check_seen(&f, 2, ALL "a@7:121 ");
	check_pos(&f.view[1].pos, 29, 1, HASH_A);
	check_broken(&f, 1, -ENOENT, "because", 2, 29);
	check_pos(&f.pos, 150, 7, HASH_A);
	teardown(&f);
}

static void test_damaged(void)
{
	struct fixture f;

	setup(&f);
	feed(&f, SLICE(" \t\r\n{\"type\":1}\n" A "\n{\n"));
	CHECK_MEM(f.damaged.data, f.damaged.len, "1:4:8 {\"type\":1};3:44:1 {;", 26);
	check_seen(&f, 0, "a@3:15 ");
	CHECK_INT(f.fold.events, 1);
	CHECK_INT(f.view[0].version, 1);
	CHECK_INT(f.pos.off, 46);
	CHECK_INT(f.pos.seq, 4);
	/* Nobody has to listen. */
	f.fold.damaged = NULL;
	feed(&f, SLICE(BAD "\n"));
	check_pos(&f.pos, 51, 5, HASH_BAD);
	check_pos(&f.view[0].pos, 51, 5, HASH_BAD);
	/* Nor does there have to be a view. */
	fold_block(&f.fold, NULL, 0, &f.pos, SLICE(A "\n"));
	check_pos(&f.pos, 80, 6, HASH_A);
	teardown(&f);
}

/* The data is parsed once for all, and anew for the next event. */
static void test_shared(void)
{
	struct fixture f;

	setup(&f);
	for (unsigned i = 0; i < 3; i++)
		f.recorder[i].parses = true;
	feed(&f, SLICE(A "\n" B "\n"));
	CHECK(f.recorder[0].tree && f.recorder[0].tree == f.recorder[1].tree &&
	      f.recorder[0].tree == f.recorder[2].tree);
	CHECK(cJSON_GetNumberValue(cJSON_GetObjectItem(f.recorder[0].tree, "n")) == 2);
	teardown(&f);
}

/* For a look-up there is no memory: that view is broken, whatever its reducer makes of it; the others are
 * not. */
static void test_no_memory(void)
{
	struct fixture f;

	setup(&f);
	f.recorder[1].reads = "/data";
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(buf_reserve(&f.recorder[i].seen, 100), 0);
	no_memory = true;
	feed(&f, SLICE(A "\n{\"type\":\"b\",\"data\":\"\\t\"}\n" C "\n"));
	no_memory = false;
	check_seen(&f, 0, "a@1:0 b@2:29 c@3:54 ");
	check_broken(&f, 0, 0, "", 0, 0);
	check_seen(&f, 1, "a@1:0 b@2:29 ");
	check_broken(&f, 1, -ENOMEM, "out of memory", 2, 29);
	check_pos(&f.view[1].pos, 29, 1, HASH_A);
	check_seen(&f, 2, "a@1:0 b@2:29 c@3:54 ");
	check_broken(&f, 2, 0, "", 0, 0);
	teardown(&f);
}

/* There is none to look at the line at all: it is not damaged, and no view may go on as if it were. */
static void test_no_memory_to_scan(void)
{
	struct fixture f;

	setup(&f);
	f.recorder[0].fails_on = 'a';
	no_memory = true;
	feed(&f, SLICE(A "\n{\"type\":\"\\u0062\"}\n" C "\n"));
	no_memory = false;
	CHECK_INT(f.damaged.len, 0);
	check_broken(&f, 0, -EINVAL, "the reducer returned -22", 1, 0);
	for (unsigned i = 1; i < 3; i++) {
		check_seen(&f, i, "a@1:0 ");
		check_broken(&f, i, -ENOMEM, "out of memory", 2, 29);
		check_pos(&f.view[i].pos, 29, 1, HASH_A);
	}
	teardown(&f);
}

static void test_write(void)
{
	struct fixture f;
	auto_buf struct buf out = {0};

	setup(&f);
	feed(&f, SLICE(A "\n"));
	CHECK_INT(view_write(&f.view[0], &f.mark, &out), 0);
	CHECK_MEM(out.data, out.len, "[]", 2);
	CHECK_INT(f.mark.phase, FOLD_IDLE);
	CHECK_INT(f.view[0].error, 0);
	/* A failure breaks the view, but on no event. */
	f.recorder[1].write_error = -EDOM;
	CHECK_INT(view_write(&f.view[1], &f.mark, &out), -EDOM);
	check_broken(&f, 1, -EDOM, "the reducer returned -33", 0, 0);
	feed(&f, SLICE(A "\n"));
	check_seen(&f, 0, "a@1:0 a@2:29 ");
	check_seen(&f, 1, "a@1:0 ");
	check_pos(&f.view[1].pos, 29, 1, HASH_A);
	teardown(&f);
}

int main(void)
{
	test_whole();
	test_blocks();
	test_middle();
	test_broken();
	test_damaged();
	test_shared();
	test_no_memory();
	test_no_memory_to_scan();
	test_write();
	return 0;
}
