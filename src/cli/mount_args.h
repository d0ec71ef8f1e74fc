/* The arguments of `eventfold mount` (and of mount.eventfold). */
#pragma once

#include "base/diag.h"
#include "fs/mount.h"

struct mount_args {
	struct mount_options options; /* data and worker_path are set by the caller */
	const char *data, *mnt;       /* as given; point into argv */
	bool foreground;
	bool help;
	bool fake;          /* mount.eventfold -f: all but the mounting */
	char *fuse_options; /* what goes to the kernel and libfuse: "allow_other,ro" */
};

/* As for `eventfold mount`, or, with `helper`, as mount(8) calls mount.eventfold. 0, or -EINVAL with what is
 * wrong in the diag. */
int must_check mount_args_parse(struct mount_args *ret, int argc, char **argv, bool helper,
				struct diag *diag);
void mount_args_deinit(struct mount_args *args);
