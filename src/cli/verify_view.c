#include "cli/verify_view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/confined.h"
#include "cli/progress.h"
#include "cli/watched.h"
#include "model/catalog/definition.h"
#include "model/engine/fold.h"
#include "model/worker/sandbox.h"
#include "store/cursor.h"
#include "store/eventlog.h"

/* Exit statuses of the folding process: none that a reducer which ends it, or runs another program in it,
 * would have by chance. */
enum { SAME = 101, DIFFERS, BROKEN, UNREADABLE, DAMAGED, UNCONFINED };

/* In memory that both processes have. */
struct told {
	struct fold_mark mark;
	struct diag why; /* the reducer is BROKEN */
};

/* What the folding process works with. */
struct comparison {
	int data_fd;
	struct definition *def;
	const char *view;
	const struct snapshot *snapshot;
	const struct verify_limits *limits;
	struct told *told;
};

static int fold_up_to(struct view *view, struct fold_mark *mark, struct reader *reader, uint64_t end,
		      struct progress *progress, bool *ret_damaged)
{
	struct view *views[] = {view};
	struct log_pos pos = {0};
	struct log_damage damage;
	struct cursor cursor;
	struct fold fold;
	struct slice block;
	int r;

	fold_init(&fold, mark);
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

/* From here on it is the reducer's process. What needs the rights comes before: nobody could tell a terminal
 * afterwards. */
static int give_up_rights(const struct verify_limits *limits)
{
	struct sandbox sandbox;

	/* As the one that made the snapshot had it. */
	zone_use_utc();
	int r = limits->zone ? zone_use(limits->zone->fd) : 0;
	if (r == 0)
		r = confined_limit_memory(limits->memory);
	return r < 0 ? r : sandbox_enter(&sandbox, 0, NULL);
}

static int fold_and_compare(const struct comparison *c, struct reader *reader, struct reducer *reducer,
			    struct progress *progress)
{
	struct slice wanted = c->snapshot->state;
	auto_buf struct buf state = {0};
	struct log_pos start = {0};
	struct view view;
	bool damaged = false;

	view_init(&view, 1, reducer, &start);
	int r = fold_up_to(&view, &c->told->mark, reader, c->snapshot->pos.off, progress, &damaged);
	progress_clear(progress);
	if (r < 0)
		return UNREADABLE;
	if (view.error || view_write(&view, &c->told->mark, &state) < 0) {
		c->told->why = view.why;
		return BROKEN;
	}
	return slice_eq(buf_slice(&state), wanted) ? SAME : damaged ? DAMAGED : DIFFERS;
}

static int compare(const struct comparison *c, struct reader *reader)
{
	struct progress progress;
	struct reducer *reducer;

	auto_close int reducer_fd = definition_memfd(c->def);
	if (reducer_fd < 0)
		return UNCONFINED;
	progress_begin(&progress, c->view, c->snapshot->pos.off);
	if (give_up_rights(c->limits) < 0)
		return UNCONFINED;
	c->told->mark.phase = FOLD_LOADING;
	if (reducer_load(&reducer, c->def->kind, reducer_fd, &c->told->why) < 0)
		return BROKEN;
	c->told->mark.phase = FOLD_IDLE;
	/* Its state goes with the process. */
	return fold_and_compare(c, reader, reducer, &progress);
}

/* In the folding process, which is nobody's without its parent. The log is opened anew, since places in open
 * files are shared. */
static int run(const struct comparison *c, pid_t parent)
{
	struct eventlog_options options = {.read_only = true};
	struct reader *reader = NULL;
	struct eventlog *log;
	struct log_files files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || eventlog_open(&log, &disk_posix, c->data_fd, &options, NULL) != 0)
		return UNREADABLE;
	int r = eventlog_files(log, &files);
	if (r == 0)
		r = reader_new(&reader, &disk_posix, &files);
	int result = r < 0 ? UNREADABLE : compare(c, reader);
	reader_free(reader);
	eventlog_close(log);
	return result;
}

static enum verify_result judge(int status, const struct told *told, struct diag *diag)
{
	char place[80];

	watched_place(&told->mark, place);
	if (WIFSIGNALED(status)) {
		diag_set(diag, 0, "its reducer was killed by signal %d (%s)%s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), place);
		return VERIFY_FAILED;
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
		diag_set(diag, 0, "its reducer failed: %.*s", (int)sizeof(told->why.text) - 1,
			 told->why.text);
		return VERIFY_FAILED;
	case UNREADABLE:
		diag_set(diag, 0, "the log cannot be read");
		return VERIFY_OTHER;
	default:
		diag_set(diag, 0, "its reducer ended its process with status %d%s", WEXITSTATUS(status),
			 place);
		return VERIFY_FAILED;
	}
}

static enum verify_result run_apart(struct comparison *c, struct diag *diag)
{
	struct diag why = {0};

	c->told = mmap(NULL, sizeof(*c->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->told == MAP_FAILED)
		return diag_set(diag, VERIFY_OTHER, "%s", strerror(errno));
	fflush(NULL);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		_exit(run(c, parent));
	sandbox_shield();
	int status = pid < 0 ? -errno : watched_wait(pid, &c->told->mark, c->limits->timeout_ms, &why);
	enum verify_result result = VERIFY_OTHER;
	if (status < 0)
		diag_set(diag, 0, "%s", strerror(-status));
	else if (why.text[0])
		result = diag_set(diag, VERIFY_FAILED, "its reducer %s", why.text);
	else
		result = judge(status, c->told, diag);
	munmap(c->told, sizeof(*c->told));
	return result;
}

enum verify_result verify_view(int data_fd, const char *view, const struct snapshot *s,
			       const struct verify_limits *limits, struct diag *diag)
{
	const struct reach reach = {.anywhere = true};
	auto_close int reducers_fd = openat(data_fd, "reducers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct comparison c = {.data_fd = data_fd, .view = view, .snapshot = s, .limits = limits};
	enum verify_result result = VERIFY_OTHER;

	if (reducers_fd < 0 ||
	    definition_look(&reach, DEFINES_VIEWS, zone_hash(limits->zone), reducers_fd, view, NULL, &c.def) <
		0 ||
	    !c.def) {
		diag_set(diag, 0, "it has no reducer");
		return VERIFY_OTHER;
	}
	if (c.def->why.text[0])
		*diag = c.def->why;
	else if (c.def->identity != s->reducer)
		diag_set(diag, 0, "its reducer has changed since, or its time zone is another one (--tz)");
	else
		result = run_apart(&c, diag);
	definition_unref(c.def);
	return result;
}
