#include "check.h"
#include "fs/log/guard.h"

/* Lines are letters here: "abc" is a log or a write of three lines. */
static void log_of(struct guard_log *log, const char *letters)
{
	*log = (struct guard_log){0};
	for (; *letters; letters++)
		guard_log_add(log, (struct slice){letters, 1});
}

/* One write to a fresh handle. A small letter behind a '-' is a line without its newline. */
static bool saves(const char *log_letters, const char *write)
{
	struct guard guard;
	struct guard_log log;

	log_of(&log, log_letters);
	guard_watch(&guard, &log);
	for (bool more = true; *write && more; write++) {
		bool whole = *write != '-';
		write += !whole;
		more = guard_line(&guard, &log, (struct slice){write, 1}, whole);
	}
	return guard_is_saving(&guard);
}

static void saving(void)
{
	/* As it is, and with lines cut out, in front as well. */
	CHECK(saves("abcd", "abcd"));
	CHECK(saves("abcd", "bcd"));
	CHECK(saves("abcd", "ad"));
	CHECK(saves("abcd", "cd"));
	CHECK(saves("aaaa", "aaa"));
	/* The last newline forgotten, or yet to come. */
	CHECK(saves("abcd", "c-d"));
	CHECK(saves("abcd", "a-x"));
	/* With lines changed or added, as long as it begins as the log does. */
	CHECK(saves("abcd", "axcd"));
	CHECK(saves("ab", "abc"));
	CHECK(saves("a", "ax"));
	/* The only line. */
	CHECK(saves("a", "a"));
}

static void appending(void)
{
	CHECK(!saves("", "abc"));
	CHECK(!saves("abcd", "xyz"));
	/* An old event once more, the first or another; but two of them in another order. */
	CHECK(!saves("abcd", "a"));
	CHECK(!saves("abcd", "c"));
	CHECK(!saves("abcd", "dc"));
	CHECK(!saves("abcd", "cc"));
	CHECK(!saves("ab", "bb"));
	/* Among new ones. */
	CHECK(!saves("abcd", "xbc"));
	CHECK(!saves("abcd", "bxc"));
	/* Half a line says nothing. */
	CHECK(!saves("abcd", "b-x"));
	CHECK(!saves("a", "-x"));
}

static char letters[200]; /* all different */

static void long_logs(void)
{
	char write[200];

	/* Longer than what is known of it: what comes behind that is not looked at. */
	CHECK(saves(letters, letters));
	CHECK(saves(letters, letters + 50));
	CHECK(!saves(letters, letters + GUARD_LINES));
	CHECK(!saves(letters, letters + GUARD_LINES - 1));
	/* The last line that is known cut out: so many before it are enough. */
	memcpy(write, letters + 10, sizeof(write) - 10);
	memmove(write + 53, write + 54, sizeof(write) - 64);
	CHECK(saves(letters, write));
	/* The only line that is known is not the log's only one. */
	struct guard_log log = {0};
	struct guard guard;
	guard_log_add(&log, slice_of("a"));
	guard_log_close(&log);
	guard_log_add(&log, slice_of("b"));
	guard_watch(&guard, &log);
	CHECK_INT(log.n, 1);
	guard_line(&guard, &log, slice_of("a"), true);
	CHECK(!guard_is_saving(&guard));
}

static void white_space(void)
{
	struct guard guard;
	struct guard_log log;

	log_of(&log, "ab");
	guard_watch(&guard, &log);
	CHECK(guard_line(&guard, &log, slice_of(" \t"), true));
	CHECK(guard_line(&guard, &log, slice_of(" a\r"), true));
	CHECK(!guard_is_saving(&guard));
	guard_line(&guard, &log, slice_of("b "), true);
	CHECK(guard_is_saving(&guard));
}

static void over_several_writes(void)
{
	struct guard guard;
	struct guard_log log;

	/* One that ends inside a line goes on. */
	log_of(&log, "abcd");
	guard_watch(&guard, &log);
	guard_written(&guard, true);
	CHECK_INT(guard.state, GUARD_WATCH);
	guard_line(&guard, &log, slice_of("b"), true);
	guard_written(&guard, true);
	guard_line(&guard, &log, slice_of("c"), true);
	CHECK(guard_is_saving(&guard));
	/* One that ends with a line is over. */
	guard_watch(&guard, &log);
	guard_line(&guard, &log, slice_of("b"), true);
	guard_written(&guard, false);
	CHECK_INT(guard.state, GUARD_OFF);
	/* So is one with a line of its own. */
	guard_watch(&guard, &log);
	guard_line(&guard, &log, slice_of("x"), true);
	guard_written(&guard, true);
	CHECK_INT(guard.state, GUARD_OFF);
}

static void what_it_writes_itself(void)
{
	struct guard guard;
	struct guard_log log;

	/* The same event over and over again, in writes that end inside a line. */
	log_of(&log, "");
	guard_watch(&guard, &log);
	CHECK_INT(guard.state, GUARD_OFF);
	log_of(&log, "ab");
	guard_watch(&guard, &log);
	CHECK(guard_line(&guard, &log, slice_of("b"), true));
	guard_written(&guard, true);
	guard_log_add(&log, slice_of("b"));
	guard_line(&guard, &log, slice_of("b"), true);
	CHECK(!guard_is_saving(&guard));
	guard_written(&guard, true);
	CHECK_INT(guard.state, GUARD_OFF);
}

int main(void)
{
	for (size_t i = 0; i + 1 < sizeof(letters); i++)
		letters[i] = (char)(i + 1 >= '\t' ? i + 34 : i + 1);
	saving();
	appending();
	long_logs();
	white_space();
	over_several_writes();
	what_it_writes_itself();
	return 0;
}
