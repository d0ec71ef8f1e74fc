/* Are the log's files still what they were? Others can move them away, replace them or write to them
 * while the log is open, and what is written then goes where nobody finds it, or over what is theirs. So
 * before something is written it is looked at what has the file's name now: one system call. Where that
 * is not what it was the log fails (eventlog_fail()), with the reason.
 *
 * Private to the event log; who may call is said with the fields of struct eventlog. */
#pragma once

#include "store/archive.h"
#include "store/eventlog_impl.h"

/* Takes down what has that name now; nothing: inode 0. */
int must_check identity_take(struct eventlog *log, const char *name, struct disk_file *ret);

/* 0. -EROFS: it is not what it was, and the log has failed. -EIO: it can't be looked at, and the log has
 * failed. -ENOMEM: not now. */
int must_check identity_check_active(struct eventlog *log);
/* 0; -EROFS as above; another error: it can't be looked at now. The archive goes up to `mark`; a copy
 * may have taken its place, so who goes on opens it anew. */
int must_check identity_check_archive(struct eventlog *log, const struct archive_mark *mark);
/* 1: the sealed file is gone. */
int must_check identity_check_sealed(struct eventlog *log);
