#include "cli/fold_rules.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/whole_lines.h"
#include "model/catalog/definition.h"
#include "model/engine/trial.h"
#include "model/event/event_group.h"
#include "store/disk.h"

/* A rule's file, and its reducer's. */
struct source {
	char name[LIMIT_NAME + 1];
	int rule_fd, reducer_fd; /* the second -1: there is none */
	enum reducer_kind kind;
};

struct judging {
	struct confined *confined;
	struct source *sources;
	size_t n, cap;

	struct fold fold;
	struct view *views;
	struct view **pass;
	struct trial_rule *rules;
	struct trial trial;
	struct event scanner;
	struct buf stored;
	const char *file;
	uint64_t line; /* its number in the file */
	int status;
};

static int fail(const char *what, const char *name, int error)
{
	fprintf(stderr, "eventfold: %s %s: %s\n", what, name, strerror(-error));
	return 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->name, ((const struct source *)b)->name);
}

/* The reducer of that name; there need be none. */
static int find_reducer(struct source *s, const char *dir)
{
	const struct reducer_host *host;

	for (size_t i = 0; s->reducer_fd < 0 && (host = reducer_host_at(i)); i++) {
		auto_free char *path = NULL;
		if (asprintf(&path, "%s/%s%s", dir, s->name, host->suffix) < 0)
			return fail("reading", s->name, -ENOMEM);
		s->reducer_fd = confined_copy(path);
		s->kind = host->kind;
		if (s->reducer_fd < 0 && s->reducer_fd != -ENOENT)
			return fail("cannot open", path, s->reducer_fd);
	}
	return 0;
}

static int add_source(struct judging *j, const char *rules, const char *reducers, const char *file)
{
	auto_free char *path = NULL;
	enum reducer_kind kind;
	struct slice stem;

	if (!definition_kind_of(DEFINES_RULES, file, &kind, &stem) || stem.len > LIMIT_NAME)
		return 0;
	if (!list_room(j->sources, j->n, j->cap, 8) || asprintf(&path, "%s/%s", rules, file) < 0)
		return fail("reading", file, -ENOMEM);
	struct source *s = &j->sources[j->n];
	*s = (struct source){.rule_fd = confined_copy(path), .reducer_fd = -1};
	if (s->rule_fd < 0)
		return fail("cannot open", path, s->rule_fd);
	j->n++;
	memcpy(s->name, stem.data, stem.len);
	return find_reducer(s, reducers);
}

static int find_sources(struct judging *j, const char *rules, const char *reducers)
{
	DIR *dir = opendir(rules);
	int status = 0;

	if (!dir)
		return fail("cannot open", rules, -errno);
	for (struct dirent *d; status == 0 && (d = readdir(dir));)
		status = add_source(j, rules, reducers, d->d_name);
	closedir(dir);
	if (status == 0 && j->n == 0) {
		fprintf(stderr, "eventfold: there is no rule in %s: their files end in .jq\n", rules);
		return 1;
	}
	qsort(j->sources, j->n, sizeof(*j->sources), by_name);
	return status;
}

static int broken(const struct source *s, const char *what, const struct diag *why)
{
	fprintf(stderr, "eventfold: %s: %s%s\n", s->name, what, why->text[0] ? why->text : "out of memory");
	return 1;
}

static int load(struct judging *j, size_t i)
{
	struct source *s = &j->sources[i];
	auto_buf struct buf program = {0};
	struct reducer *reducer;
	struct diag why = {0};

	j->rules[i].id = 2 * (uint32_t)i + 1;
	if (s->reducer_fd >= 0) {
		if (reducer_load(&reducer, s->kind, s->reducer_fd, &why) < 0)
			return broken(s, "its reducer: ", &why);
		j->rules[i].view = j->pass[j->trial.n_views] = &j->views[j->trial.n_views];
		view_init(j->rules[i].view, 2 * (uint32_t)i + 2, reducer, &(struct log_pos){0});
		j->trial.n_views++;
	}
	if (disk_slurp(&disk_posix, s->rule_fd, DISK_ANY_SIZE, &program) < 0 ||
	    rule_load(&j->rules[i].rule, buf_slice(&program), &why) < 0)
		return broken(s, "", &why);
	j->trial.n_rules++;
	return 0;
}

static int load_all(struct judging *j)
{
	j->views = calloc(j->n, sizeof(*j->views));
	j->pass = calloc(j->n, sizeof(*j->pass));
	j->rules = calloc(j->n, sizeof(*j->rules));
	if (!j->views || !j->pass || !j->rules)
		return fail("loading", "the rules", -ENOMEM);
	fold_init(&j->fold, &j->confined->place->mark);
	j->trial.fold = &j->fold;
	j->trial.views = j->pass;
	j->trial.rules = j->rules;
	j->fold.mark->phase = FOLD_LOADING;
	for (size_t i = 0; i < j->n; i++)
		if (load(j, i) != 0)
			return 1;
	j->fold.mark->phase = FOLD_IDLE;
	return 0;
}

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!memchr(" \t\r", s.data[i], 3))
			return false;
	return true;
}

static void tell(struct judging *j)
{
	const struct trial *t = &j->trial;
	const struct source *s = t->by ? &j->sources[(t->by - 1) / 2] : NULL;
	bool view = t->by && t->by % 2 == 0;

	j->status = 1;
	printf("%s:%llu: %s%s%s%s\n", j->file, (unsigned long long)j->line, s ? s->name : "rules",
	       view ? ": its view fails on it" : "", t->why.text[0] ? ": " : "", t->why.text);
}

/* The events of a line as they would be stored, a line each. How many; or -EINVAL, and why. */
static int store(struct judging *j, struct slice line, uint64_t now, struct json_error *error)
{
	struct event_group group;
	int n = 0, r;

	buf_clear(&j->stored);
	if (!event_group_is_one(line)) {
		if (!event_scan(&j->scanner, line, error))
			return -EINVAL;
		event_store(&j->scanner, now, &j->stored);
		return 1;
	}
	event_group_begin(&group, line);
	while ((r = event_group_next(&group, &j->scanner, error)) > 0) {
		event_store(&j->scanner, now, &j->stored);
		n++;
	}
	return r < 0 ? r : n;
}

/* A line's events, which are let in or refused together. */
static void judge_unit(struct judging *j, bool several)
{
	const char *at = j->stored.data, *end = at + j->stored.len;
	bool lets_in = trial_begin(&j->trial, several);

	while (lets_in && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		lets_in = trial_line(&j->trial, (struct slice){at, (size_t)(newline - at)}, NULL);
		at = newline + 1;
	}
	if (!lets_in)
		tell(j);
	trial_end(&j->trial);
	trial_settle(&j->trial);
}

/* False: that is the end. */
static bool judge_line(struct judging *j, struct slice line)
{
	struct json_error error = {.why = "out of memory"};

	j->line++;
	if (is_blank(line))
		return true;
	int n = store(j, line, clock_unix(), &error);
	if (n < 0) {
		fprintf(stderr, "eventfold: %s:%llu: column %zu: %s\n", j->file, (unsigned long long)j->line,
			error.at + 1, error.why);
		j->status = 1;
		return true;
	}
	if (buf_error(&j->stored) < 0)
		return fail("reading", j->file, -ENOMEM) == 0;
	if (n > 0)
		judge_unit(j, n > 1);
	if (j->trial.spoilt)
		fprintf(stderr, "eventfold: what comes behind it is not judged\n");
	return !j->trial.spoilt;
}

static bool take_lines(void *arg, struct slice lines)
{
	const char *at = lines.data, *end = slice_end(lines);
	bool more = true;

	while (more && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		more = judge_line(arg, (struct slice){at, (size_t)(newline - at)});
		at = newline + 1;
	}
	return more;
}

static int judge_files(struct judging *j)
{
	for (uint32_t i = 0; j->confined->files[i] && !j->trial.spoilt; i++) {
		j->file = confined_file_name(j->confined->files[i]);
		j->line = 0;
		j->confined->place->file = i + 1;
		j->confined->place->first = j->trial.pos.seq;
		auto_close int fd = confined_open(j->confined, i);
		int r = fd < 0 ? fd : whole_lines(fd, take_lines, j);
		if (r < 0)
			return fail("cannot read", j->file, r);
	}
	if (fflush(stdout) != 0)
		return fail("cannot write to", "standard output", -errno);
	return j->status;
}

static void deinit(struct judging *j)
{
	for (size_t i = 0; i < j->trial.n_views; i++)
		view_deinit(&j->views[i]);
	for (size_t i = 0; i < j->n; i++) {
		if (j->rules)
			rule_free(j->rules[i].rule);
		closep(&j->sources[i].rule_fd);
		closep(&j->sources[i].reducer_fd);
	}
	fold_deinit(&j->fold);
	event_deinit(&j->scanner);
	buf_deinit(&j->stored);
	free(j->views);
	free(j->pass);
	free(j->rules);
	free(j->sources);
}

int fold_rules(struct confined *c, const char *rules, const char *reducers)
{
	struct judging j = {.confined = c};
	auto_free char *beside = NULL;
	int status;

	if (!reducers && asprintf(&beside, "%s/../reducers", rules) < 0)
		return fail("reading", rules, -ENOMEM);
	status = find_sources(&j, rules, reducers ? reducers : beside);
	c->reducer = rules;
	if (status == 0 && confined_start(c, &status)) {
		status = load_all(&j);
		if (status == 0)
			status = judge_files(&j);
		c->place->done = 1;
	}
	deinit(&j);
	return status;
}
