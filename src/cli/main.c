#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "cli/commands.h"
#include "model/worker.h"
#include "version.h"

static const char usage[] =
    "usage: eventfold COMMAND [ARGUMENT…]\n"
    "\n"
    "State is a fold over an event log, and every noun of that is a file.\n"
    "\n"
    "  mount DATA MNT          mount the log in the directory DATA at MNT\n"
    "  fold REDUCER [FILE…]    fold events with a reducer and print the state; no mount needed\n"
    "  log DATA                print the whole history of a log; no mount needed\n"
    "  verify DATA             check a log and its snapshots; no mount needed\n"
    "\n"
    "eventfold COMMAND --help tells more; eventfold --version names the version.\n";

/* Started by the daemon with its socket as descriptor 3. */
static int cmd_worker(int argc, char **argv)
{
	return worker_main(3);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"mount", cmd_mount},   {"fold", cmd_fold},     {"log", cmd_log},
    {"verify", cmd_verify}, {"worker", cmd_worker},
};

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	if (strcmp(base ? base + 1 : argv[0], "mount.eventfold") == 0)
		return cmd_mount_helper(argc, argv);
	if (argc < 2) {
		fputs(usage, stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("eventfold " EVENTFOLD_VERSION);
		return 0;
	}
	for (size_t i = 0; i < countof(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "eventfold: no command '%s'; eventfold --help lists them\n", argv[1]);
	return 2;
}
