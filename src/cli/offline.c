#include "cli/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/event/event.h"

bool offline_is_event(void *arg, struct slice line)
{
	struct event ev = {0};
	struct json_error error;
	bool good = event_scan(&ev, line, &error);

	event_deinit(&ev);
	return good;
}

static void report_line(void *arg, const char *text)
{
	struct offline *o = arg;

	o->report(o->arg, text);
}

static int open_log(struct offline *o, struct diag *diag)
{
	struct eventlog_options options = {
	    .is_event = offline_is_event, .report = report_line, .arg = o, .read_only = true};
	struct log_files files;

	int r = eventlog_open(&o->log, &disk_posix, o->data_fd, &options, diag);
	if (r != 0)
		return r;
	o->head = eventlog_head(o->log);
	r = eventlog_files(o->log, &files);
	if (r == 0 && files.active_fd < 0 && files.sealed_fd < 0 && files.archive_fd < 0) {
		log_files_deinit(&files);
		return diag_set(diag, -ENOENT, "there is no log: no app.jsonl, no archive");
	}
	if (r == 0)
		r = reader_new(&o->reader, &disk_posix, &files);
	return r < 0 ? diag_set(diag, r, "cannot read the log: %s", strerror(-r)) : 0;
}

/* Negative: it has been said. */
static int open_data(const char *data)
{
	int fd = disk_posix.open(&disk_posix, AT_FDCWD, data, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		fprintf(stderr, "eventfold: cannot open %s: %s\n", data, strerror(-fd));
	return fd;
}

bool offline_open(struct offline *o, const char *data, void (*report)(void *arg, const char *text), void *arg)
{
	struct diag diag = {0};

	*o = (struct offline){.report = report, .arg = arg, .data_fd = open_data(data)};
	if (o->data_fd < 0)
		return false;
	if (open_log(o, &diag) == 0)
		return true;
	fprintf(stderr, "eventfold: %s: %s\n", data, diag.text);
	offline_close(o);
	return false;
}

void offline_close(struct offline *o)
{
	reader_free(o->reader);
	if (o->log)
		eventlog_close(o->log);
	if (o->data_fd >= 0)
		close(o->data_fd);
}

static void say_line(void *arg, const char *text)
{
	fprintf(stderr, "eventfold: %s\n", text);
}

struct eventlog *offline_write(const char *data, enum offline_purpose purpose, int *ret_fd)
{
	struct eventlog_options options = {
	    .is_event = offline_is_event,
	    .report = say_line,
	    .decides = purpose == OFFLINE_DECIDE,
	    .shared = purpose == OFFLINE_SHARE,
	};
	int fd auto_close = open_data(data);
	struct diag diag = {0};
	struct eventlog *log;

	if (fd < 0)
		return NULL;
	umask(077);
	if (eventlog_open(&log, &disk_posix, fd, &options, &diag) != 0) {
		fprintf(stderr, "eventfold: %s: %s\n", data, diag.text);
		return NULL;
	}
	*ret_fd = take_fd(&fd);
	return log;
}
