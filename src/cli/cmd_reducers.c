#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/usage.h"

static const char usage[] =
    "usage: eventfold reducers [NAME]\n"
    "\n"
    "Prints where the reducers are that come with eventfold, or the one called NAME. To enable one:\n"
    "\n"
    "    ln -s \"$(eventfold reducers todos)\" MNT/reducers/\n";

/* Beside a program that was built and not installed, or where they were installed. */
static void find_directory(char *out, size_t size)
{
	char self[PATH_MAX], built[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	snprintf(out, size, "%s", EVENTFOLD_REDUCERDIR);
	if (n < 0)
		return;
	self[n] = '\0';
	snprintf(built, sizeof(built), "%.*s/../../reducers", (int)(strrchr(self, '/') - self), self);
	char *found = realpath(built, NULL);
	snprintf(built, sizeof(built), "%s/count.so", found ? found : "");
	if (found && access(built, R_OK) == 0)
		snprintf(out, size, "%s", found);
	free(found);
}

static int is_reducer(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && (strcmp(dot, ".so") == 0 || strcmp(dot, ".jq") == 0);
}

static int print(const char *directory, const char *name)
{
	struct dirent **entries;
	bool found = !name;
	int n = scandir(directory, &entries, is_reducer, alphasort);

	if (n < 0) {
		fprintf(stderr, "eventfold: cannot read %s: %s\n", directory, strerror(errno));
		return 1;
	}
	for (int i = 0; i < n; i++) {
		const char *file = entries[i]->d_name;
		bool wanted = !name || (strncmp(file, name, strlen(name)) == 0 && file[strlen(name)] == '.');
		if (wanted)
			printf("%s/%s\n", directory, file);
		found |= wanted;
		free(entries[i]);
	}
	free(entries);
	if (!found)
		fprintf(stderr, "eventfold: no reducer '%s' in %s; eventfold reducers lists them\n", name,
			directory);
	return found ? 0 : 1;
}

int cmd_reducers(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	char directory[PATH_MAX];
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c != 'h')
			return usage_bad_option("reducers", c, argv, longs);
		fputs(usage, stdout);
		return 0;
	}
	if (argc - optind > 1)
		return usage_error("reducers", "one name at most");
	find_directory(directory, sizeof(directory));
	return print(directory, optind < argc ? argv[optind] : NULL);
}
