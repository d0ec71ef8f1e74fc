/* Where the engine's members are. */
#pragma once

#include "base/diag.h"

#define URLS_MAX 16

struct endpoints {
	char **urls; /* without a / at the end */
	size_t n, now;
};
/* With + between them. -EINVAL, with why in the diag; -ENOMEM. */
int must_check urls_read(const char *text, struct endpoints *ret, struct diag *diag);
void urls_deinit(struct endpoints *e);
