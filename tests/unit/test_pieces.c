/* A write in pieces comes to what it comes to in one, and what is there of it stays where it is. */
#include "fs/log/pieces.h"

#include "check.h"

static const struct writer_rules rules = {.max_line = 1 << 20, .now = UINT64_MAX, .lay_out = true};

/* So many bytes of lines. */
static void fill(struct buf *data, size_t len, const char *const *lines, size_t n)
{
	uint64_t dice = len;

	while (data->len < len) {
		dice = dice * 6364136223846793005u + 1442695040888963407u;
		buf_add_str(data, lines[(dice >> 33) % n]);
	}
}

static struct pieces_spare spare;

struct reader {
	struct pieces *p;
	struct buf lines;
	size_t pieces, units, stored;
};

/* As the commit thread does. */
static void *read_pieces(void *arg)
{
	struct reader *r = arg;
	struct piece piece;

	for (; pieces_next(r->p, r->pieces, &piece); r->pieces++) {
		CHECK_INT(piece.begin, r->lines.len);
		buf_add_slice(&r->lines, piece.lines);
		r->units += piece.n;
		for (size_t i = 0; i < piece.n; i++) {
			CHECK(piece.units[i].stored > r->stored);
			r->stored = piece.units[i].stored;
		}
		CHECK_INT(r->stored, r->lines.len);
	}
	return NULL;
}

/* What the feeder does meanwhile. */
static int join_half(struct pieces *p, struct slice data)
{
	struct event ev = {0};
	struct batch second;

	CHECK_INT(writer_feed_second(data, p->end, &rules, &ev, &second), 0);
	int r = pieces_join(p, &second);
	batch_deinit(&second);
	event_deinit(&ev);
	return r;
}

static void check_by(const struct writer *w, struct slice data, bool half)
{
	struct event ev = {0};
	struct batch whole, batch = {0};
	struct reader reader = {0};
	pthread_t thread;
	int r;

	CHECK_INT(writer_feed(w, data, &rules, &ev, &whole), 0);
	CHECK_INT(pieces_new(&reader.p, &spare, w, data, half, &batch), 0);
	CHECK_INT(pthread_create(&thread, NULL, read_pieces, &reader), 0);
	while ((r = pieces_feed(reader.p, w, data, &rules, &ev)) == 0)
		;
	CHECK_INT(r, 1);
	if (half)
		CHECK_INT(join_half(reader.p, data), 0);
	pieces_end(reader.p);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_MEM(batch.lines.data, batch.lines.len, whole.lines.data, whole.lines.len);
	CHECK_MEM(reader.lines.data, reader.lines.len, whole.lines.data, whole.lines.len);
	CHECK_INT(reader.units, whole.n);
	CHECK_INT(batch.n, whole.n);
	CHECK_INT(batch.n_layouts, whole.n_layouts);
	CHECK_INT(batch.groups, whole.groups);
	CHECK_INT(batch.given, whole.given);
	CHECK_INT(batch.bad.error, whole.bad.error);
	CHECK_INT(batch.rest.len, whole.rest.len);
	CHECK(whole.bad.error || reader.pieces > 1);
	pieces_wait(reader.p);
	pieces_free(reader.p, &spare);
	CHECK(!batch.units && !batch.lines.data);
	buf_deinit(&reader.lines);
	batch_deinit(&whole);
	event_deinit(&ev);
}

static void check(const struct writer *w, struct slice data)
{
	check_by(w, data, false);
	check_by(w, data, true);
}

/* The shortest, which grow the most; groups of them; what comes to nothing. */
static void test_lines(void)
{
	static const char *const lines[] = {
	    "{\"type\":\"x\"}\n",
	    "[{\"type\":\"x\"},{\"type\":\"y\"}]\n",
	    "\n",
	    "{\"type\":\"long\",\"data\":{\"text\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"},\"ts\":1}\n",
	    "[]\n",
	    "bad\n",
	};

	for (size_t len = 2 * PIECE; len <= LIMIT_WRITE; len += 3 * PIECE + 12345) {
		for (size_t n = 1; n <= countof(lines); n++) {
			auto_buf struct buf data = {0};
			struct writer w = {0};
			fill(&data, len - 200, lines, n);
			buf_add_str(&data, "{\"type\":\"the rest\"");
			if (data.len < 2 * PIECE)
				fill(&data, 2 * PIECE, lines, 1);
			check(&w, buf_slice(&data));
			/* A part of a line came before. */
			buf_add_str(&w.partial, "{\"type\":\"z\",\"data\":");
			check(&w, buf_slice(&data));
			writer_deinit(&w);
		}
	}
}

static void test_what_is_worth_it(void)
{
	auto_buf struct buf data = {0};
	struct batch batch = {0};
	struct writer w = {0};
	struct pieces *p;

	fill(&data, 2 * PIECE, (const char *const[]){"{\"type\":\"x\"}\n"}, 1);
	CHECK_INT(pieces_new(&p, &spare, &w, (struct slice){data.data, 2 * PIECE - 1}, false, &batch), 1);
	CHECK_INT(buf_reserve(&w.partial, 2 * LIMIT_WRITE), 0);
	w.partial.len = 2 * LIMIT_WRITE;
	CHECK_INT(pieces_new(&p, &spare, &w, buf_slice(&data), true, &batch), 1);
	writer_deinit(&w);
}

int main(void)
{
	test_lines();
	test_what_is_worth_it();
	pieces_spare_deinit(&spare);
	return 0;
}
