/* What a command says where it is called in a wrong way. */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The word of `list` that was perhaps meant; NULL: it is like none of them. */
const char *usage_suggest(const char *word, const char *const *list, size_t n);

/* Says what is wrong, and where help is: gives the exit status, 2. `command` as in eventfold COMMAND. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, of what getopt_long() has given as `c` ('?' or, with a ':' at the beginning of its short options,
 * ':'): names the option. */
int usage_bad_option(const char *command, int c, char **argv, const struct option *longs);

/* An option's value that is a number: digits, and nothing else; one that is too large is UINT64_MAX. False:
 * it is none. */
bool usage_number(const char *text, uint64_t *ret);
