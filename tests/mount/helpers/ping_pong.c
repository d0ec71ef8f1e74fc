/* A follower and a writer who waits for it: each event is appended when the one before has been read.
 *
 *     ping_pong TAIL APP ROUNDS SECONDS        exits with 1 where an event is not read within so long */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENT "{\"type\":\"ping\"}\n"

static void follow(int tail, int heard)
{
	char line[4096];

	while (read(tail, line, sizeof(line)) > 0)
		if (write(heard, "", 1) != 1)
			break;
	_exit(1);
}

int main(int argc, char **argv)
{
	int tail = open(argv[1], O_RDONLY), app = open(argv[2], O_WRONLY | O_APPEND), heard[2];
	int rounds = atoi(argv[3]), ms = atoi(argv[4]) * 1000;
	unsigned seed = 1;

	if (tail < 0 || app < 0 || pipe(heard) < 0)
		return 2;
	pid_t child = fork();
	if (child == 0)
		follow(tail, heard[1]);
	int i = 0, status = 0;
	for (char byte; i < rounds && status == 0; i++) {
		/* The follower may be on its way back to waiting, or there. */
		for (volatile int spin = rand_r(&seed) % 8000; spin > 0;)
			spin = spin - 1;
		struct pollfd told = {.fd = heard[0], .events = POLLIN};
		if (write(app, EVENT, sizeof(EVENT) - 1) != sizeof(EVENT) - 1)
			status = 2;
		else if (poll(&told, 1, ms) != 1 || read(heard[0], &byte, 1) != 1)
			status = 1;
	}
	if (status)
		fprintf(stderr, "event %d: %s\n", i, status == 1 ? "not read" : "not written");
	kill(child, SIGKILL);
	return status;
}
