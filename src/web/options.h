/* The arguments of eventfold-web. */
#pragma once

#include <stdbool.h>

#include "base/diag.h"

#define WEB_HOSTS 16

struct options {
	const char *mnt;
	const char *listen; /* ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH */
	const char *app;    /* a directory, or NULL */
	const char *page;   /* the directory of the page itself, or NULL: where it is installed */
	const char *token_file;
	const char *hosts[WEB_HOSTS]; /* names that the server may be called by */
	unsigned n_hosts;
	bool no_token, allow_remote, read_only;
	bool help, version;
};

/* 0, or -EINVAL with what is wrong in the diag. What it returns points into argv. */
int must_check options_parse(struct options *ret, int argc, char **argv, struct diag *diag);
extern const char options_usage[];
