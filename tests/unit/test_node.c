#include "check.h"
#include "fs/node/node.h"
#include "fs/log/rejected.h"

static void parse(const char *name, enum node_kind want, const char *want_view)
{
	struct slice view = {0};

	CHECK_INT(node_parse_view(name, &view), want);
	if (want)
		CHECK_MEM(view.data, view.len, want_view, strlen(want_view));
}

static void names(void)
{
	char longest[LIMIT_NAME + 16];

	parse("todos.json", NODE_VIEW_JSON, "todos");
	parse("a-B_9.snapshot.json", NODE_VIEW_SNAPSHOT, "a-B_9");
	parse("x.offset", NODE_VIEW_OFFSET, "x");
	parse("x.hash", NODE_VIEW_HASH, "x");
	parse("x.error", NODE_VIEW_ERROR, "x");
	parse("x", 0, NULL);
	parse(".json", 0, NULL);
	parse("x.json~", 0, NULL);
	parse("a.b.json", 0, NULL);
	parse("\xc3\xa9.json", 0, NULL);
	memset(longest, 'n', sizeof(longest));
	strcpy(longest + LIMIT_NAME, ".json");
	CHECK(node_parse_view(longest, &(struct slice){0}) == NODE_VIEW_JSON);
	strcpy(longest + LIMIT_NAME + 1, ".json");
	longest[LIMIT_NAME] = 'n';
	CHECK(node_parse_view(longest, &(struct slice){0}) == 0);
}

static void counts(void)
{
	struct nodes t;

	nodes_init(&t);
	struct node *n = nodes_get(&t, NODE_VIEW_JSON, SLICE("todos"));
	uint64_t ino = n->ino;
	CHECK(nodes_get(&t, NODE_VIEW_JSON, SLICE("todos")) == n);
	CHECK(nodes_get(&t, NODE_VIEW_HASH, SLICE("todos")) != n);
	CHECK(nodes_find(&t, ino) == n);
	nodes_forget(&t, ino, 1);
	CHECK(nodes_find(&t, ino) == n);
	nodes_forget(&t, ino, 1);
	CHECK(!nodes_find(&t, ino));
	/* The same number in another life. */
	CHECK_INT(nodes_get(&t, NODE_VIEW_JSON, SLICE("todos"))->ino, ino);
	nodes_forget(&t, NODE_EVENTS_APP, 5);
	CHECK(nodes_find(&t, NODE_EVENTS_APP));
	CHECK(!nodes_find(&t, 0));
	CHECK(!nodes_find(&t, 12345));
	nodes_deinit(&t);
}

static void refused_lines(void)
{
	static struct rejected r;
	auto_buf struct buf text = {0};

	rejected_init(&r);
	for (size_t i = 0; i < LIMIT_REJECTED + 3; i++)
		rejected_add(&r, &(struct rejection){.time = i,
						     .error = 22,
						     .why = "w\"",
						     .column = 3,
						     .pid = 9,
						     .bytes = 3,
						     .line = SLICE("a\n\xff")});
	CHECK_INT(rejected_count(&r), LIMIT_REJECTED + 3);
	rejected_text(&r, &text);
	const char first[] =
	    "{\"time\":3,\"error\":\"EINVAL\",\"reason\":\"w\\\"\",\"column\":3,\"pid\":9,\"bytes\":3,"
	    "\"line\":\"a\\n\xef\xbf\xbd\"}\n{\"time\":4,";
	CHECK_MEM(text.data, sizeof(first) - 1, first, sizeof(first) - 1);
	size_t lines = 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	CHECK_INT(lines, LIMIT_REJECTED);
	rejected_deinit(&r);
}

int main(void)
{
	names();
	counts();
	refused_lines();
	return 0;
}
