#include "model/engine/holes.h"

#include "check.h"

/* The i-th of holes that do not touch. */
static struct hole apart(uint64_t i)
{
	return (struct hole){.off = 100 * i, .end = 100 * i + 50, .seq = 10 * i, .events = 5};
}

static void check_same(const struct holes *h)
{
	auto_buf struct buf text = {0};
	struct holes again;

	holes_write(h, &text);
	CHECK_INT(buf_error(&text), 0);
	CHECK(holes_read(buf_slice(&text), &again));
	CHECK_INT(again.n, h->n);
	CHECK(again.uncounted == h->uncounted && (h->uncounted || again.events == h->events));
	CHECK(again.unreadable == h->unreadable || h->n > HOLES_MAX);
	for (size_t i = 0; i < holes_listed(h); i++) {
		const struct hole *a = &h->hole[i], *b = &again.hole[i];
		CHECK(a->off == b->off && a->end == b->end && a->seq == b->seq);
		CHECK(a->no_event == b->no_event && a->uncounted == b->uncounted);
	}
}

static void check_text(const struct holes *h, const char *begin)
{
	auto_buf struct buf text = {0};

	holes_explain(h, &text);
	CHECK(text.len > strlen(begin) && memcmp(text.data, begin, strlen(begin)) == 0);
	CHECK(memmem(text.data, text.len, "eventfold verify", 16) && !memchr(text.data, '\n', text.len));
}

static void test_few(void)
{
	struct holes h = {0};

	holes_add(&h, &(struct hole){.off = 10, .end = 20, .seq = 1, .events = 2});
	check_text(&h, "2 events are missing (events 2 to 3, offset 10 to 20: the archive is damaged)");
	check_same(&h);
	/* It goes on; and a line right behind it, which is of another sort. */
	holes_add(&h, &(struct hole){.off = 20, .end = 30, .seq = 3, .events = 1});
	CHECK(h.n == 1 && h.hole[0].end == 30 && h.hole[0].events == 3);
	holes_add(&h, &(struct hole){.off = 30, .end = 40, .seq = 4, .events = 1, .no_event = true});
	CHECK(h.n == 2 && h.events == 4 && h.unreadable);
	check_text(
	    &h, "4 events are missing (events 2 to 4, offset 10 to 30: the archive is damaged; and 1 more)");
	check_same(&h);
	struct holes first = holes_before(&h, 30);
	CHECK(first.n == 1 && first.events == 3 && holes_before(&h, 10).n == 0);
	/* Nobody knows how many. */
	holes_add(&h, &(struct hole){.off = 90, .end = 95, .seq = 9, .uncounted = true});
	CHECK(h.uncounted);
	check_text(&h, "events are missing (");
	check_same(&h);
}

static void test_one_line(void)
{
	struct holes h = {0};

	holes_add(&h, &(struct hole){.off = 10, .end = 20, .seq = 1, .events = 1, .no_event = true});
	CHECK(!h.unreadable);
	check_text(&h, "1 event is missing (event 2, offset 10 to 20: no event)");
	check_same(&h);
}

static void test_many(void)
{
	struct holes h = {0};

	for (uint64_t i = 0; i < 20; i++) {
		struct hole hole = apart(i);
		holes_add(&h, &hole);
		CHECK(h.n == i + 1 && h.events == 5 * (i + 1));
		check_same(&h);
	}
	CHECK_INT(holes_listed(&h), HOLES_MAX);
	CHECK_INT(holes_before(&h, 0).n, 20); /* rather too many than one too few */
	check_text(
	    &h,
	    "100 events are missing (events 1 to 5, offset 0 to 50: the archive is damaged; and 19 more)");
}

static void test_nonsense(void)
{
	static const char *const texts[] = {
	    "{}",
	    "null",
	    "{\"count\":1,\"missing\":1,\"holes\":[]}",
	    ("{\"count\":2,\"missing\":1,\"holes\":[{\"from\":1,\"to\":2,\"after\":0,\"events\":1,\"why\":"
	     "\"\"}]}"),
	    "{\"count\":1,\"missing\":1,\"holes\":[{\"from\":1,\"to\":2,\"after\":0,\"events\":1}]}",
	    "{\"count\":1,\"holes\":[{\"from\":1,\"to\":2,\"after\":0,\"events\":1,\"why\":\"\"}]}",
	    "{\"count\":1,\"missing\":1,\"holes\":[1]}",
	};
	struct holes h;

	for (size_t i = 0; i < countof(texts); i++)
		CHECK(!holes_read(slice_of(texts[i]), &h));
}

int main(void)
{
	test_few();
	test_one_line();
	test_many();
	test_nonsense();
	return 0;
}
