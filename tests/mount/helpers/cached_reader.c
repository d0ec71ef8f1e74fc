/* Reads a file that grows through the page cache, over and over: sendfile, splice and a private mapping, each
 * from a descriptor of its own, and each compared with what fstat(2) has told and with what read(2) says.
 *
 *     cached_reader FILE ROUNDS        exits with 1 at the first that is short, other or ends in SIGBUS */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static sigjmp_buf out;
static size_t most;

static void on_bus(int sig)
{
	siglongjmp(out, 1);
}

static void die(const char *what, size_t got, size_t want)
{
	fprintf(stderr, "%s: %zu of %zu bytes\n", what, got, want);
	exit(1);
}

static int open_file(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(1);
	}
	*ret_size = (size_t)st.st_size;
	return fd;
}

/* What read(2) says of the first `size` bytes. */
static char *reference(int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t n = 0;

	while (n < size) {
		ssize_t r = pread(fd, text + n, size - n, (off_t)n);
		if (r <= 0)
			die("pread", n, size);
		n += (size_t)r;
	}
	return text;
}

static void same(const char *what, const char *got, const char *want, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (got[i] != want[i]) {
			fprintf(stderr, "%s: byte %zu of %zu is %d, not %d\n", what, i, size, got[i],
				want[i]);
			exit(1);
		}
}

static void sent(const char *path, int to)
{
	size_t size, n = 0;
	int fd = open_file(path, &size);

	while (n < size) {
		ssize_t r = sendfile(to, fd, NULL, size - n);
		if (r <= 0)
			die("sendfile", n, size);
		n += (size_t)r;
	}
	char *got = malloc(size + 1), *want = reference(fd, size);
	if (pread(to, got, size, 0) != (ssize_t)size)
		die("pread of the copy", 0, size);
	same("sendfile", got, want, size);
	if (ftruncate(to, 0) < 0 || lseek(to, 0, SEEK_SET) < 0)
		exit(1);
	free(got);
	free(want);
	close(fd);
	most = size > most ? size : most;
}

static void spliced(const char *path)
{
	size_t size, n = 0;
	int fd = open_file(path, &size), ends[2];
	char *got = malloc(size + 1);

	if (pipe(ends) < 0)
		exit(1);
	while (n < size) {
		size_t part = size - n < 16384 ? size - n : 16384;
		ssize_t r = splice(fd, NULL, ends[1], NULL, part, 0);
		if (r <= 0 || read(ends[0], got + n, (size_t)r) != r)
			die("splice", n, size);
		n += (size_t)r;
	}
	char *want = reference(fd, size);
	same("splice", got, want, size);
	free(got);
	free(want);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void mapped(const char *path)
{
	size_t size;
	int fd = open_file(path, &size);

	if (size > 0) {
		char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED) {
			perror("mmap");
			exit(1);
		}
		char *want = reference(fd, size);
		if (sigsetjmp(out, 1))
			die("SIGBUS in a mapping", 0, size);
		same("mapping", map, want, size);
		munmap(map, size);
		free(want);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	FILE *copy = tmpfile();

	if (argc != 3 || !copy)
		return 2;
	signal(SIGBUS, on_bus);
	for (int i = 0; i < atoi(argv[2]); i++) {
		sent(argv[1], fileno(copy));
		spliced(argv[1]);
		mapped(argv[1]);
	}
	printf("%zu\n", most);
	return 0;
}
