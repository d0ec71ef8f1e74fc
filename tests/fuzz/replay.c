/* Runs a fuzz target on the files of the directories given, where no fuzzer is built in. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	if (!file) {
		perror(path);
		exit(1);
	}
	/* Of exactly its size, so that a sanitizer sees a step beyond. */
	uint8_t *room = malloc(1 << 20);
	size_t size = fread(room, 1, 1 << 20, file);
	uint8_t *data = malloc(size ? size : 1);
	for (size_t i = 0; i < size; i++)
		data[i] = room[i];
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	free(room);
	fclose(file);
}

int main(int argc, char **argv)
{
	size_t files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;
		if (!dir) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			run_file(argv[i], entry->d_name);
			files++;
		}
		closedir(dir);
	}
	printf("%zu files\n", files);
	return files ? 0 : 1;
}
