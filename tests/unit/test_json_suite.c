/* The published JSONTestSuite: its y_ cases are accepted as data, its n_ cases refused; the i_ cases as
 * decided here. */
#include <dirent.h>
#include <errno.h>

#include "check.h"
#include "model/event/event.h"

/* The i_ cases that are accepted; all others are refused. docs/EVENTS.md says why. */
static const char *const accepted[] = {
    "i_number_double_huge_neg_exp.json",                                  /* reads as 0 */
    "i_number_real_underflow.json",      "i_number_too_big_neg_int.json", /* inside a double's range */
    "i_number_too_big_pos_int.json",     "i_number_very_big_negative_int.json",
};

static bool is_accepted(const char *name)
{
	for (size_t i = 0; i < countof(accepted); i++)
		if (strcmp(name, accepted[i]) == 0)
			return true;
	return false;
}

static void read_file(const char *dir, const char *name, struct buf *ret)
{
	char path[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	CHECK(file);
	do {
		CHECK_INT(buf_reserve(ret, 4096), 0);
		n = fread(ret->data + ret->len, 1, 4096, file);
		ret->len += n;
	} while (n > 0);
	fclose(file);
}

/* As data in one line: line breaks between tokens become blanks, which mean the same to JSON. */
static bool is_event(struct event *ev, const struct buf *text)
{
	auto_buf struct buf line = {0};
	struct json_error error;
	bool inside = false;

	buf_add_str(&line, "{\"type\":\"t\",\"data\":");
	for (size_t i = 0; i < text->len; i++) {
		char c = text->data[i];
		inside ^= c == '"' && (i == 0 || text->data[i - 1] != '\\');
		buf_add_char(&line, c == '\n' && !inside ? ' ' : c);
	}
	buf_add_str(&line, ",\"ts\":1}");
	return event_scan(ev, buf_slice(&line), &error);
}

int main(void)
{
	const char *dir = getenv("JSON_TEST_SUITE");
	DIR *d = dir ? opendir(dir) : NULL;
	struct event ev = {0};
	size_t cases = 0, wrong = 0;
	struct dirent *entry;

	if (!d) {
		printf("skipped: JSONTestSuite is not at %s\n", dir ? dir : "$JSON_TEST_SUITE");
		return 77;
	}
	while ((entry = readdir(d))) {
		auto_buf struct buf text = {0};
		const char *name = entry->d_name;
		if (!strchr("yni", name[0]) || name[1] != '_')
			continue;
		read_file(dir, name, &text);
		bool want = name[0] == 'y' || (name[0] == 'i' && is_accepted(name));
		if (is_event(&ev, &text) != want) {
			fprintf(stderr, "%s: %s\n", name, want ? "refused" : "accepted");
			wrong++;
		}
		cases++;
	}
	closedir(d);
	event_deinit(&ev);
	printf("%zu cases\n", cases);
	CHECK(cases > 300);
	CHECK_INT(wrong, 0);
	return 0;
}
