#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "web/first_look.h"
#include "web/limits.h"
#include "web/listen.h"
#include "web/paths.h"
#include "web/route.h"

#define SPARE 64      /* descriptors beside those of connections */
#define PATIENCE_S 10 /* for requests that wait for the mount, at the end */

/* How many connections there are descriptors for: one for the socket, and one for the file that it reads. */
static unsigned make_room(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 256;
	if (files.rlim_cur < 2 * WEB_CONNECTIONS + SPARE) {
		files.rlim_cur = min(files.rlim_max, (rlim_t)(2 * WEB_CONNECTIONS + SPARE));
		setrlimit(RLIMIT_NOFILE, &files);
		getrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < 2 * SPARE)
		return 16;
	return (unsigned)min((rlim_t)WEB_CONNECTIONS, (files.rlim_cur - SPARE) / 2);
}

static int open_dir(const char *path, struct diag *diag)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : diag_set(diag, -errno, "%s: %s", path, strerror(errno));
}

/* A unit may start the server before its mount, so this is no reason to end. */
static void doubt(const char *mnt)
{
	struct diag diag = {0};

	if (first_look(mnt, &diag) < 0)
		fprintf(stderr, "eventfold-web: %s; waiting for a mount there\n", diag.text);
}

static void announce(const struct web *w, const struct listener *l)
{
	if (l->is_unix)
		printf("unix:%s\n", l->path);
	else if (w->access.token[0] && !w->options->token_file)
		printf("http://%s/?token=%s\n", l->address, w->access.token);
	else
		printf("http://%s/\n", l->address);
	fflush(stdout);
}

/* Until SIGTERM or SIGINT comes. */
static void serve(struct web *w, const sigset_t *ends)
{
	const struct timespec second = {1, 0}, soon = {0, 50000000};
	bool somebody_waits = false;

	while (sigtimedwait(ends, NULL, somebody_waits ? &soon : &second) < 0)
		somebody_waits = gate_sweep(&w->gate);
}

static void interrupt(int signal)
{
}

static void set_up_signals(sigset_t *ends)
{
	const struct sigaction interruption = {.sa_handler = interrupt};

	/* Every thread leaves them to the main one. */
	sigemptyset(ends);
	sigaddset(ends, SIGTERM);
	sigaddset(ends, SIGINT);
	sigprocmask(SIG_BLOCK, ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(GATE_SIGNAL, &interruption, NULL);
}

static int run(struct web *w, const struct options *o, struct listener *l, struct diag *diag)
{
	unsigned connections = make_room();
	struct MHD_Daemon *daemon;
	sigset_t ends;
	int r;

	r = access_init(&w->access, o, l->is_unix, l->port, diag);
	if (r < 0)
		return r;
	set_up_signals(&ends);
	gate_init(&w->gate);
	r = hub_start(&w->hub, o->mnt, diag);
	daemon = r == 0 ? route_start(w, l->fd, connections) : NULL;
	if (daemon) {
		announce(w, l);
		serve(w, &ends);
		alarm(PATIENCE_S);
		hub_stop(&w->hub);
		gate_shut(&w->gate);
		MHD_stop_daemon(daemon);
		l->fd = -1;
	} else if (r == 0) {
		r = diag_set(diag, -EIO, "the HTTP server does not start");
		hub_stop(&w->hub);
	}
	hub_deinit(&w->hub);
	gate_deinit(&w->gate);
	return r;
}

static int prepare_and_run(const struct options *o, struct diag *diag)
{
	auto_close int page = open_dir(o->page ? o->page : WEB_PAGE, diag), app = -1;
	struct listener l = {.fd = -1};
	struct web w = {.options = o};
	int r = 0;

	/* The files are served all the same where only the page is not installed. */
	if (page < 0 && o->page)
		r = page;
	if (r >= 0 && o->app)
		r = app = open_dir(o->app, diag);
	if (r >= 0)
		r = listener_open(&l, o->listen, o->allow_remote, diag);
	w.page = page;
	w.app = app;
	if (r >= 0) {
		doubt(o->mnt);
		r = run(&w, o, &l, diag);
	}
	listener_close(&l);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	struct diag diag = {0};

	if (options_parse(&o, argc, argv, &diag) < 0) {
		fprintf(stderr, "eventfold-web: %s\nTry: eventfold-web --help\n", diag.text);
		return 2;
	}
	if (o.help || o.version) {
		fputs(o.help ? options_usage : "eventfold-web " WEB_VERSION "\n", stdout);
		return 0;
	}
	if (prepare_and_run(&o, &diag) < 0) {
		fprintf(stderr, "eventfold-web: %s\n", diag.text);
		return 1;
	}
	return 0;
}
