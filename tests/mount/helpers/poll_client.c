/* poll_client FILE...: as libfuse's example client for its poll example does: select(2) on several files that
 * do not block, reads those that are ready, from the start where a file is not a log, and selects again.
 * Prints "INDEX BYTES" for each read. Ends at the end of its standard input. Exit 1: what was ready gave
 * nothing, but for the end of a log, which is told once. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#define FILES_MAX 64

static int drain(int fd, bool log, bool *ended, int index)
{
	static char data[1 << 16];
	ssize_t n = log ? read(fd, data, sizeof(data)) : pread(fd, data, sizeof(data), 0);

	if (n == 0 && log && !*ended) {
		*ended = true;
		return 0;
	}
	if (n <= 0) {
		fprintf(stderr, "poll_client: file %d was ready, but: %s\n", index,
			n ? strerror(errno) : "nothing");
		return -1;
	}
	printf("%d %zd\n", index, n);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	int fds[FILES_MAX], nfds = 0;
	bool log[FILES_MAX], ended[FILES_MAX] = {false};

	if (argc < 2 || argc > FILES_MAX)
		return 2;
	for (int i = 0; i < argc - 1; i++) {
		fds[i] = open(argv[i + 1], O_RDONLY | O_NONBLOCK);
		if (fds[i] < 0) {
			perror(argv[i + 1]);
			return 1;
		}
		log[i] = strstr(argv[i + 1], "/events/app") || strstr(argv[i + 1], "/tail/");
		nfds = fds[i] > nfds ? fds[i] : nfds;
	}
	for (;;) {
		fd_set set;
		FD_ZERO(&set);
		FD_SET(STDIN_FILENO, &set);
		for (int i = 0; i < argc - 1; i++)
			FD_SET(fds[i], &set);
		if (select(nfds + 1, &set, NULL, NULL, NULL) < 0) {
			perror("select");
			return 1;
		}
		for (int i = 0; i < argc - 1; i++)
			if (FD_ISSET(fds[i], &set) && drain(fds[i], log[i], &ended[i], i) < 0)
				return 1;
		if (FD_ISSET(STDIN_FILENO, &set))
			return 0;
	}
}
