#include "web/options.h"

#include <errno.h>
#include <getopt.h>

const char options_usage[] =
    "usage: eventfold-web [OPTION…] MNT\n"
    "\n"
    "Shows the log and the views of a mount in the browser, and serves the mount's files by HTTP.\n"
    "\n"
    "  --listen ADDRESS:PORT   where (127.0.0.1:8089; port 0: any that is free)\n"
    "  --listen unix:PATH      on a socket that only its user can open\n"
    "  --app DIR               an application of your own at /; the page is then at /eventfold/\n"
    "  --read-only             refuse appends\n"
    "  --token-file FILE       the token that a visitor must know, instead of a random one\n"
    "  --no-token              let in everybody who reaches the address\n"
    "  --allow-remote          allow an address that is not this machine's own\n"
    "  --host NAME             a name that the server may be called by, besides localhost and addresses\n"
    "  --page DIR              where the page's files are\n"
    "  --help, --version\n";

static const struct option longs[] = {
    {"listen", required_argument, NULL, 'l'},
    {"app", required_argument, NULL, 'a'},
    {"read-only", no_argument, NULL, 'r'},
    {"token-file", required_argument, NULL, 't'},
    {"no-token", no_argument, NULL, 'n'},
    {"allow-remote", no_argument, NULL, 'R'},
    {"host", required_argument, NULL, 'H'},
    {"page", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static int take(struct options *o, int c, char **argv, struct diag *diag)
{
	switch (c) {
	case 'l':
		o->listen = optarg;
		return 0;
	case 'a':
		o->app = optarg;
		return 0;
	case 'p':
		o->page = optarg;
		return 0;
	case 't':
		o->token_file = optarg;
		return 0;
	case 'H':
		if (o->n_hosts == WEB_HOSTS)
			return diag_set(diag, -EINVAL, "more than %d --host", WEB_HOSTS);
		o->hosts[o->n_hosts++] = optarg;
		return 0;
	case 'r':
		o->read_only = true;
		return 0;
	case 'n':
		o->no_token = true;
		return 0;
	case 'R':
		o->allow_remote = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	default:
		return diag_set(diag, -EINVAL, "%s: no such option, or its value is missing",
				argv[optind - 1]);
	}
}

int options_parse(struct options *ret, int argc, char **argv, struct diag *diag)
{
	int c, r;

	*ret = (struct options){.listen = "127.0.0.1:8089"};
	opterr = 0;
	while ((c = getopt_long(argc, argv, "hV", longs, NULL)) != -1) {
		r = take(ret, c, argv, diag);
		if (r < 0)
			return r;
	}
	if (ret->help || ret->version)
		return 0;
	if (ret->no_token && ret->token_file)
		return diag_set(diag, -EINVAL, "--no-token and --token-file exclude each other");
	if (argc - optind != 1)
		return diag_set(diag, -EINVAL, "give one mount point");
	ret->mnt = argv[optind];
	return 0;
}
