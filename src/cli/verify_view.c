#include "cli/verify_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/progress.h"
#include "model/definition.h"
#include "model/fold.h"
#include "model/sandbox.h"
#include "store/cursor.h"
#include "store/eventlog.h"

/* Exit statuses of the folding process: none that a reducer which ends it, or runs another program in it, would have by chance. */
enum { SAME = 101, DIFFERS, BROKEN, UNREADABLE, DAMAGED, UNCONFINED };

static int fold_up_to(struct view *view, struct reader *reader, uint64_t end, struct progress *progress,
		      bool *ret_damaged)
{
	struct view *views[] = {view};
	struct log_pos pos = {0};
	struct log_damage damage;
	struct fold_mark mark = {0};
	struct cursor cursor;
	struct fold fold;
	struct slice block;
	int r;

	fold_init(&fold, &mark);
	cursor_init(&cursor, reader, &pos);
	do {
		block.len = 0;
		r = cursor_fill(&cursor, end, &block, &damage);
		*ret_damaged |= r > 0;
		if (r == 0 && block.len > 0) {
			fold_block(&fold, views, 1, &cursor.pos, block);
			progress_add(progress, block.len);
		}
	} while ((r > 0 || block.len > 0) && r >= 0 && !view->error);
	cursor_deinit(&cursor);
	fold_deinit(&fold);
	return r;
}

/* From here on it is the reducer's process. What needs the rights comes before: nobody could tell a terminal afterwards. */
static int give_up_rights(void)
{
	struct sandbox sandbox;

	/* As the one that made the snapshot had it: a reducer gives the same in every time zone. */
	setenv("TZ", "UTC", 1);
	return sandbox_enter(&sandbox, 0, NULL);
}

static int compare(struct reader *reader, struct definition *def, const char *name, const struct snapshot *s)
{
	struct progress progress;
	auto_buf struct buf state = {0};
	struct log_pos start = {0};
	struct fold_mark mark = {0};
	struct reducer *reducer;
	struct view view;
	bool damaged = false;
	int result = BROKEN;

	auto_close int reducer_fd = definition_memfd(def);
	if (reducer_fd < 0)
		return BROKEN;
	progress_begin(&progress, name, s->pos.off);
	if (give_up_rights() < 0)
		return UNCONFINED;
	if (reducer_load(&reducer, def->kind, reducer_fd, NULL) < 0)
		return BROKEN;
	view_init(&view, 1, reducer, &start);
	int r = fold_up_to(&view, reader, s->pos.off, &progress, &damaged);
	progress_clear(&progress);
	if (r < 0)
		result = UNREADABLE;
	else if (!view.error && view_write(&view, &mark, &state) == 0)
		result = slice_eq(buf_slice(&state), s->state) ? SAME : damaged ? DAMAGED : DIFFERS;
	view_deinit(&view);
	return result;
}

/* In the folding process: the log is opened anew, since places in open files are shared. */
static int run(int data_fd, struct definition *def, const char *view, const struct snapshot *s)
{
	struct eventlog_options options = {.read_only = true};
	struct reader *reader = NULL;
	struct eventlog *log;
	struct log_files files;

	if (eventlog_open(&log, &disk_posix, data_fd, &options, NULL) != 0)
		return UNREADABLE;
	int r = eventlog_files(log, &files);
	if (r == 0)
		r = reader_new(&reader, &disk_posix, &files);
	int result = r < 0 ? UNREADABLE : compare(reader, def, view, s);
	reader_free(reader);
	eventlog_close(log);
	return result;
}

static enum verify_result judge(int status, struct diag *diag)
{
	if (WIFSIGNALED(status)) {
		diag_set(diag, 0, "its reducer was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
		return VERIFY_OTHER;
	}
	switch (WEXITSTATUS(status)) {
	case SAME:
		return VERIFY_SAME;
	case DIFFERS:
		return VERIFY_DIFFERS;
	case DAMAGED:
		diag_set(diag, 0, "the log before it is damaged");
		return VERIFY_OTHER;
	case UNCONFINED:
		diag_set(diag, 0, "its reducer was not run: the process could not give up its rights");
		return VERIFY_OTHER;
	case BROKEN:
		diag_set(diag, 0, "its reducer is broken");
		return VERIFY_OTHER;
	case UNREADABLE:
		diag_set(diag, 0, "the log cannot be read");
		return VERIFY_OTHER;
	default:
		diag_set(diag, 0, "its reducer ended its process with status %d", WEXITSTATUS(status));
		return VERIFY_OTHER;
	}
}

enum verify_result verify_view(int data_fd, const char *view, const struct snapshot *s, struct diag *diag)
{
	const struct reach reach = {.anywhere = true};
	auto_close int reducers_fd = openat(data_fd, "reducers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct definition *def = NULL;
	enum verify_result result = VERIFY_OTHER;
	int status;

	if (reducers_fd < 0 || definition_look(&reach, reducers_fd, view, NULL, &def) < 0 || !def) {
		diag_set(diag, 0, "it has no reducer");
		return VERIFY_OTHER;
	}
	if (def->why.text[0]) {
		*diag = def->why;
	} else if (def->identity != s->reducer) {
		diag_set(diag, 0, "its reducer has changed since");
	} else {
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0)
			_exit(run(data_fd, def, view, s));
		sandbox_shield();
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			diag_set(diag, 0, "%s", strerror(errno));
		else
			result = judge(status, diag);
	}
	definition_unref(def);
	return result;
}
