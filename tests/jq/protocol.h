/* What the oracle (plain.c) and the host's driver (host.c) are asked on standard input, and how they answer.
 * differential.py is at the other end.
 *
 *     LENGTH N\n           so many bytes of program (and a newline), and runs
 *     PROGRAM\n
 *     K\n STATE\n EVENT…   for each run a start state and K events, a line each
 *
 * The answer, flushed at each of its lines, so that it is known where a process ended that did:
 *     c "WHY"              it does not compile, and nothing else
 *     v STATE              the first output, which is the next state
 *     n                    no output: the state stays
 *     e "WHY"              an error, which ends the run
 *     .                    a run has ended
 *     ;                    so has the job */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

/* The processor's time that a run may take: a program that never ends is killed by SIGPROF. */
#define RUN_SECONDS 1

static inline void ask_failed(const char *what)
{
	fprintf(stderr, "a bad job: %s\n", what);
	exit(2);
}

static inline void limit_run(void)
{
	struct itimerval t = {.it_value = {.tv_sec = RUN_SECONDS}};

	setitimer(ITIMER_PROF, &t, NULL);
}

/* A sanitizer has taken more than any limit before it begins. */
static inline void limit_memory(void)
{
	struct rlimit limit = {1u << 30, 1u << 30}, none = {0, 0};
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages;

	setrlimit(RLIMIT_CORE, &none);
	if (!statm || fscanf(statm, "%lu", &pages) != 1 || pages < 1u << 18)
		setrlimit(RLIMIT_AS, &limit);
	if (statm)
		fclose(statm);
}

/* One line without its newline; the caller frees it. NULL at the end. */
static inline char *read_line(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, stdin);

	if (n <= 0) {
		free(line);
		return NULL;
	}
	if (line[n - 1] == '\n')
		line[n - 1] = 0;
	return line;
}

/* A job's program. False at the end. */
static inline bool read_job(char **ret_program, size_t *ret_len, int *ret_runs)
{
	char *line = read_line();

	if (!line)
		return false;
	if (sscanf(line, "%zu %d", ret_len, ret_runs) != 2)
		ask_failed(line);
	free(line);
	*ret_program = malloc(*ret_len + 1);
	if (!*ret_program || fread(*ret_program, 1, *ret_len, stdin) != *ret_len || getchar() != '\n')
		ask_failed("a short program");
	(*ret_program)[*ret_len] = 0;
	return true;
}

static inline int read_count(void)
{
	char *line = read_line();
	int n = line ? atoi(line) : -1;

	if (n < 0)
		ask_failed("no count of events");
	free(line);
	return n;
}
