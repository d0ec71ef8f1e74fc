#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "base/plain.h"
#include "cli/commands.h"
#include "cli/mounts.h"
#include "cli/plural.h"
#include "cli/usage.h"

static const char usage[] =
    "usage: eventfold status [--json] [MNT…]\n"
    "\n"
    "Says how the logs at MNT are, or all that are mounted. The exit status is 1 where something is wrong:\n"
    "nothing is mounted there, the log is read-only, a view is broken or lacks events, a rule is broken, or\n"
    "nothing can be appended to a log that machines share.\n"
    "\n"
    "  --json   print the status.json of each, a line each\n";

static const cJSON *item(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static uint64_t number(const cJSON *object, const char *key)
{
	double value = cJSON_GetNumberValue(item(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static const char *string(const cJSON *object, const char *key)
{
	const char *value = cJSON_GetStringValue(item(object, key));

	return value ? value : "";
}

/* Texts that name files and reducers' words are made fit for a terminal. */
static void print_plain(const char *text)
{
	char line[1024];

	plain_text(line, sizeof(line), slice_of(text), false);
	fputs(line, stdout);
}

static const char *size_text(uint64_t bytes, char *out, size_t room)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < countof(units); i++)
		value /= 1024;
	snprintf(out, room, i ? "%.1f %s" : "%.0f %s", value, units[i]);
	return out;
}

static void print_log(const cJSON *status)
{
	const cJSON *log = item(status, "log");
	time_t since = (time_t)number(status, "since");
	char total[32], archived[32], when[32] = "?";
	struct tm tm;

	if (localtime_r(&since, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	printf("  %" PRIu64 " event%s, %s (%s of them archived); mounted since %s\n", number(log, "events"),
	       plural(number(log, "events")), size_text(number(log, "offset"), total, sizeof(total)),
	       size_text(number(log, "archived_bytes"), archived, sizeof(archived)), when);
}

/* One line where it is not simply at the head. True: something is wrong with it. */
static bool print_view(const cJSON *view, uint64_t events)
{
	const char *error = string(view, "error");
	bool broken = cJSON_IsTrue(item(view, "broken"));

	if (!*error && number(view, "events") >= events)
		return false;
	printf("  view ");
	print_plain(view->string);
	if (*error) {
		printf(broken ? ": broken: " : ": ");
		print_plain(error);
	} else {
		printf(": at event %" PRIu64 " of %" PRIu64, number(view, "events"), events);
	}
	putchar('\n');
	return *error;
}

/* One line where it is not simply asked. True: it is broken. */
static bool print_rule(const cJSON *rule)
{
	const char *error = string(rule, "error"), *state = string(rule, "state");

	if (strcmp(state, "ready") == 0)
		return false;
	printf("  rule ");
	print_plain(rule->string);
	printf(": ");
	print_plain(state);
	if (*error) {
		printf(", so nothing is appended: ");
		print_plain(error);
	}
	putchar('\n');
	return *error;
}

/* Of a shared log: is it so that what is appended here goes its way, or soon will? */
static bool is_shared_well(const cJSON *cluster)
{
	const char *state = string(cluster, "state");

	return !cJSON_IsObject(cluster) || strcmp(state, "ready") == 0 || strcmp(state, "joining") == 0;
}

static void print_cluster(const cJSON *cluster)
{
	char lag[32];

	if (!cJSON_IsObject(cluster))
		return;
	printf("  shared as ");
	print_plain(string(cluster, "log"));
	printf(", machine ");
	print_plain(string(cluster, "machine"));
	printf(": ");
	print_plain(string(cluster, "state"));
	if (number(cluster, "lag"))
		printf(", %s behind", size_text(number(cluster, "lag"), lag, sizeof(lag)));
	if (*string(cluster, "why")) {
		printf(": ");
		print_plain(string(cluster, "why"));
	}
	putchar('\n');
}

static void print_misnamed(const cJSON *file)
{
	const char *path = cJSON_GetStringValue(file);

	printf("  ");
	print_plain(path ? path : "");
	puts(" is not looked at: names are 1 to 64 letters, digits, _ and -");
}

static bool print_status(const struct mounts_entry *entry, const cJSON *status)
{
	const cJSON *log = item(status, "log"), *views = item(status, "views"), *view, *rule, *file;
	bool bad = cJSON_IsTrue(item(log, "read_only"));

	print_plain(entry->data);
	printf(" at ");
	print_plain(entry->mnt);
	putchar('\n');
	print_log(status);
	if (bad) {
		printf("  READ-ONLY: ");
		print_plain(string(log, "why"));
		putchar('\n');
	}
	if (*string(log, "rotation_error")) {
		printf("  cannot be archived: ");
		print_plain(string(log, "rotation_error"));
		putchar('\n');
	}
	print_cluster(item(status, "cluster"));
	bad |= !is_shared_well(item(status, "cluster"));
	printf("  %d view%s\n", cJSON_GetArraySize(views), plural((unsigned)cJSON_GetArraySize(views)));
	cJSON_ArrayForEach(view, views) bad |= print_view(view, number(log, "events"));
	cJSON_ArrayForEach(rule, item(status, "rules")) bad |= print_rule(rule);
	cJSON_ArrayForEach(file, item(status, "misnamed")) print_misnamed(file);
	if (number(status, "rejected"))
		printf("  %" PRIu64 " line%s refused; the last ones are in rejected.jsonl\n",
		       number(status, "rejected"), plural(number(status, "rejected")));
	if (number(status, "recovered"))
		printf("  %" PRIu64 " thing%s mended when it was mounted; the daemon's log says which\n",
		       number(status, "recovered"), plural(number(status, "recovered")));
	return !bad;
}

/* False: it can't be read, or something is wrong there. */
static bool show(const struct mounts_entry *entry, bool json)
{
	auto_buf struct buf text = {0};
	int r = mounts_read(entry->mnt, "status.json", &text);

	if (r < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", entry->mnt,
			r == -ENOTCONN ? MOUNTS_DEAD : strerror(-r));
		return false;
	}
	cJSON *status = cJSON_ParseWithLength(text.data, text.len);
	const cJSON *log = item(status, "log"), *view;
	bool good = cJSON_IsObject(log);
	if (json) {
		fwrite(text.data, 1, text.len, stdout);
		good &= !cJSON_IsTrue(item(log, "read_only"));
		cJSON_ArrayForEach(view, item(status, "views")) good &= !*string(view, "error");
		good &= is_shared_well(item(status, "cluster"));
		cJSON_ArrayForEach(view, item(status, "rules")) good &= !*string(view, "error");
	} else if (good) {
		good = print_status(entry, status);
	}
	cJSON_Delete(status);
	return good;
}

static int show_all(const struct mounts *mounts, char **paths, bool json)
{
	struct diag diag = {0};
	bool good = true;

	if (!*paths && mounts->n == 0) {
		fputs("eventfold: nothing is mounted\n", stderr);
		return 1;
	}
	for (size_t i = 0; !*paths && i < mounts->n; i++)
		good &= show(&mounts->list[i], json);
	for (; *paths; paths++) {
		const struct mounts_entry *entry = mounts_given(mounts, *paths, &diag);
		if (!entry)
			fprintf(stderr, "eventfold: %s\n", diag.text);
		good &= entry && show(entry, json);
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
		good = false;
	}
	return good ? 0 : 1;
}

int cmd_status(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct mounts mounts;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("status", c, argv, longs);
		}
	}
	if (mounts_list(&mounts) < 0) {
		fputs("eventfold: out of memory\n", stderr);
		return 1;
	}
	int status = show_all(&mounts, argv + optind, json);
	mounts_deinit(&mounts);
	return status;
}
