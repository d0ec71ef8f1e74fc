#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "cli/commands.h"
#include "model/looker.h"
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

/* A file that is opened must not come to stand where messages are printed. What is closed stays of no use: it is opened the wrong way
 * round. */
static bool fill_standard_descriptors(void)
{
	int fd;

	do {
		bool is_input = fcntl(STDIN_FILENO, F_GETFD) < 0;
		fd = open("/dev/null", is_input ? O_WRONLY : O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	closep(&fd);
	return fd >= 0;
}

/* A reducer gives the same in every time zone. */
static int cmd_worker(int argc, char **argv)
{
	/* Started by the daemon with its socket as descriptor 3. */
	setenv("TZ", "UTC", 1);
	return worker_main(3);
}

static int cmd_looker(int argc, char **argv)
{
	return looker_main(3);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"mount", cmd_mount},   {"fold", cmd_fold},     {"log", cmd_log},
    {"verify", cmd_verify}, {"worker", cmd_worker}, {"looker", cmd_looker},
};

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	if (!fill_standard_descriptors())
		return 1;
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
