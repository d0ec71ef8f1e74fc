#include "cli/appender.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>

#include "cli/mounts.h"

/* A plain file of that name is no log: nothing is made or written there. */
static int check_mount(const char *mnt, struct diag *diag)
{
	static const char *const names[] = {"events/app", "status.json"};
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < countof(names); i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", mnt, names[i]) >= sizeof(path))
			return diag_set(diag, -ENAMETOOLONG, "%s: %s", mnt, strerror(ENAMETOOLONG));
		if (stat(path, &st) == 0)
			continue;
		if (errno == ENOENT || errno == ENOTDIR)
			return diag_set(diag, -ENODEV, "%s is no mount of eventfold", mnt);
		return diag_set(diag, -errno, "%s: %s", mnt,
				errno == ENOTCONN ? MOUNTS_DEAD : strerror(errno));
	}
	return 0;
}

int appender_open(struct appender *a, const char *mnt, const char *conditions, struct diag *diag)
{
	char path[PATH_MAX];

	*a = (struct appender){.fd = -1, .mnt = mnt};
	if ((size_t)snprintf(path, sizeof(path), "%s/events/app%s%s", mnt, conditions ? "@" : "",
			     conditions ? conditions : "") >= sizeof(path))
		return diag_set(diag, -ENAMETOOLONG, "%s: %s", mnt, strerror(ENAMETOOLONG));
	int r = check_mount(mnt, diag);
	if (r < 0)
		return r;
	a->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (a->fd < 0 && errno == ENOENT && conditions)
		return diag_set(diag, -EINVAL, "'%s' is no head; head/app has it", conditions);
	if (a->fd < 0)
		return diag_set(diag, -errno, "cannot append to %s: %s", path, strerror(errno));
	return 0;
}

/* The daemon's reason for the line that this thread was refused last; NULL: it can't be told. The caller's to
 * free. */
static char *reason_of(const char *mnt)
{
	auto_buf struct buf text = {0};
	char *found = NULL;

	if (mounts_read(mnt, "rejected.jsonl", &text) < 0 || text.len == 0)
		return NULL;
	const char *last = memrchr(text.data, '\n', text.len - 1);
	size_t at = last ? (size_t)(last + 1 - text.data) : 0;
	cJSON *entry = cJSON_ParseWithLength(text.data + at, text.len - at);
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(entry, "pid");
	const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "reason"));
	if (reason && cJSON_IsNumber(pid) && pid->valueint == gettid())
		found = strdup(reason);
	cJSON_Delete(entry);
	return found;
}

static int explain(const struct appender *a, int error, struct diag *diag)
{
	auto_free char *reason = NULL;

	switch (error) {
	case EEXIST:
	case EINTR:
	case EINVAL:
	case EMSGSIZE:
	case EPERM:
		reason = reason_of(a->mnt);
		return diag_set(diag, -error, "%s", reason ? reason : strerror(error));
	case ESTALE:
		return diag_set(diag, -error, "the log's head has moved on");
	case ENOTCONN:
	case ECONNABORTED:
		return diag_set(diag, -error, "the mount is gone");
	case EROFS:
		return diag_set(diag, -error, "the log is read-only (eventfold status says why)");
	default:
		return diag_set(diag, -error, "%s", strerror(error));
	}
}

/* Then what was interrupted may be on its way: a second try would have it there twice. */
static bool is_shared(const struct appender *a)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/cluster", a->mnt);
	return access(path, F_OK) == 0;
}

int appender_write(struct appender *a, struct slice lines, size_t *ret_written, struct diag *diag)
{
	size_t done = 0;

	while (done < lines.len) {
		ssize_t n = write(a->fd, lines.data + done, lines.len - done);
		if (n < 0 && errno == EINTR && !is_shared(a))
			continue;
		if (n < 0) {
			*ret_written = done;
			return explain(a, errno, diag);
		}
		done += (size_t)n;
	}
	*ret_written = done;
	return 0;
}

int appender_close(struct appender *a, struct diag *diag)
{
	int fd = a->fd;

	a->fd = -1;
	return fd >= 0 && close(fd) < 0 ? explain(a, errno, diag) : 0;
}
