#include "cli/usage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

#define WORD_MAX 32

/* How many letters have to be added, left out, changed or swapped with their neighbours to make b of a. */
static size_t distance(const char *a, const char *b)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1], n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			d[i][j] = i + j;
			if (i == 0 || j == 0)
				continue;
			size_t without = min(d[i - 1][j], d[i][j - 1]) + 1;
			d[i][j] = min(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]), without);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

const char *usage_suggest(const char *word, const char *const *list, size_t n)
{
	size_t len = strlen(word), least = len < 4 ? 2 : 3; /* it has to be nearer than this */
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, list[i]);
		if (d < least && d < strlen(list[i])) {
			least = d;
			found = list[i];
		}
	}
	return found;
}

int usage_error(const char *command, const char *format, ...)
{
	va_list args;

	fputs("eventfold: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry: eventfold %s --help\n", command);
	return 2;
}

static const char *long_name(int val, const struct option *longs)
{
	while (longs->name && longs->val != val)
		longs++;
	return longs->name;
}

/* The long option that was perhaps meant; "--at=3" is --at. */
static const char *suggest_option(const char *given, const struct option *longs)
{
	char word[WORD_MAX + 1];
	const char *names[32];
	size_t n = 0;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(given, "="), given);
	for (; longs[n].name && n < countof(names); n++)
		names[n] = longs[n].name;
	return usage_suggest(word, names, n);
}

int usage_bad_option(const char *command, int c, char **argv, const struct option *longs)
{
	const char *given = argv[optind - 1], *name = optopt ? long_name(optopt, longs) : NULL;

	if (c == ':' && name)
		return usage_error(command, "--%s needs a value", name);
	if (c == ':')
		return usage_error(command, "-%c needs a value", optopt);
	if (name)
		return usage_error(command, "--%s takes no value", name);
	if (optopt)
		return usage_error(command, "there is no option -%c", optopt);
	const char *meant = suggest_option(given + 2, longs);
	if (meant)
		return usage_error(command, "there is no option %s; perhaps --%s is meant", given, meant);
	return usage_error(command, "there is no option %s", given);
}

bool usage_number(const char *text, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end;
}
