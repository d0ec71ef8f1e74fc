#include "model/reducer.h"

#include <errno.h>
#include <sys/stat.h>

static int load_jq(struct reducer **ret, int fd, struct diag *diag)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return diag_set(diag, -errno, "cannot read it: %s", strerror(errno));
	auto_free char *program = malloc((size_t)st.st_size + 1);
	if (!program)
		return diag_set(diag, -ENOMEM, "out of memory");
	size_t len = 0;
	while (len < (size_t)st.st_size) {
		ssize_t n = pread(fd, program + len, (size_t)st.st_size - len, (off_t)len);
		if (n < 0)
			return diag_set(diag, -errno, "cannot read it: %s", strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return reducer_load_jq(ret, (struct slice){program, len}, diag);
}

int reducer_load(struct reducer **ret, enum reducer_kind kind, int fd, struct diag *diag)
{
	return kind == REDUCER_C ? reducer_load_c(ret, fd, diag) : load_jq(ret, fd, diag);
}

int reducer_kind_of(const char *file_name, enum reducer_kind *ret_kind, struct slice *ret_stem)
{
	size_t len = strlen(file_name);

	if (len <= 3)
		return 0;
	*ret_stem = (struct slice){file_name, len - 3};
	if (strcmp(file_name + len - 3, ".so") == 0)
		*ret_kind = REDUCER_C;
	else if (strcmp(file_name + len - 3, ".jq") == 0)
		*ret_kind = REDUCER_JQ;
	else
		return 0;
	return 1;
}
