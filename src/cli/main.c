#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "cli/commands.h"
#include "cli/usage.h"
#include "model/catalog/looker.h"
#include "model/host/zone.h"
#include "model/worker/loop.h"
#include "version.h"

static const char usage[] =
    "usage: eventfold COMMAND [ARGUMENT…]\n"
    "\n"
    "State is a fold over an event log, and every noun of that is a file.\n"
    "\n"
    "  mount DATA MNT          mount the log in the directory DATA at MNT\n"
    "  umount MNT              unmount it, and wait until everything is saved\n"
    "  status [MNT…]           say how it is\n"
    "  append MNT TYPE [DATA]  append an event\n"
    "  import MNT FILE         append the events in a file; say which lines are none\n"
    "  fold REDUCER [FILE…]    fold events with a reducer and print the state; no mount needed\n"
    "  log DATA                print the whole history of a log; no mount needed\n"
    "  find --id ID DATA       print the event with an id; no mount needed\n"
    "  head DATA               print what proves a log: the SHA-256 of all of it; no mount needed\n"
    "  verify DATA             check a log and its snapshots, or against noted heads; no mount needed\n"
    "  copy MNT DIR            make a backup of a mounted log that can be mounted itself\n"
    "  recover DATA            append the events that only a kept journal has; see its help\n"
    "  reducers [NAME]         print where the reducers are that come with eventfold\n"
    "  cluster begin|status|forget …  share a log with other machines\n"
    "\n"
    "eventfold COMMAND --help tells more; eventfold --version names the version.\n";

/* A file that is opened must not come to stand where messages are printed. What is closed stays of no use: it
 * is opened the wrong way round. */
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

/* A reducer gives the same wherever it runs: in UTC, unless it is told a zone. */
static int cmd_worker(int argc, char **argv)
{
	/* Started by the daemon with its socket as descriptor 3. */
	zone_use_utc();
	return worker_main(3);
}

static int cmd_looker(int argc, char **argv)
{
	return looker_main(3);
}

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* Processes of the daemon's. */
static const struct command internal[] = {{"worker", cmd_worker}, {"looker", cmd_looker}};

static const struct command commands[] = {
    {"mount", cmd_mount},       {"umount", cmd_umount},   {"status", cmd_status}, {"append", cmd_append},
    {"import", cmd_import},     {"fold", cmd_fold},       {"log", cmd_log},       {"find", cmd_find},
    {"head", cmd_head},         {"verify", cmd_verify},   {"copy", cmd_copy},     {"recover", cmd_recover},
    {"reducers", cmd_reducers}, {"cluster", cmd_cluster},
};

static const struct command *find(const char *name, const struct command *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i].name) == 0)
			return &list[i];
	return NULL;
}

static int no_command(const char *word)
{
	const char *names[countof(commands)];

	for (size_t i = 0; i < countof(commands); i++)
		names[i] = commands[i].name;
	const char *meant = usage_suggest(word, names, countof(commands));
	if (meant)
		fprintf(stderr, "eventfold: there is no command '%s'; perhaps %s is meant\n", word, meant);
	else
		fprintf(stderr, "eventfold: there is no command '%s'; eventfold --help lists them\n", word);
	return 2;
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	if (!fill_standard_descriptors())
		return 1;
	base = base ? base + 1 : argv[0];
	/* The second is asked for by the type that findmnt shows. */
	if (strcmp(base, "mount.eventfold") == 0 || strcmp(base, "mount.fuse.eventfold") == 0)
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
	const struct command *command = find(argv[1], commands, countof(commands));
	if (!command)
		command = find(argv[1], internal, countof(internal));
	return command ? command->run(argc - 1, argv + 1) : no_command(argv[1]);
}
