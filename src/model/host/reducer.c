#include "model/host/reducer.h"

#include <errno.h>

#include "store/disk.h"

static int load_jq(struct reducer **ret, int fd, struct diag *diag)
{
	auto_buf struct buf program = {0};

	int r = disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, &program);
	if (r < 0)
		return diag_set(diag, r, "cannot read it: %s", strerror(-r));
	return reducer_load_jq(ret, buf_slice(&program), diag);
}

static const struct reducer_host hosts[] = {
    {
	.kind = REDUCER_C,
	.name = "c",
	.suffix = ".so",
	.most = 64 << 20,
	.native = true,
	.load = reducer_load_c,
    },
    {
	.kind = REDUCER_JQ,
	.name = "jq",
	.suffix = ".jq",
	.most = 1 << 20,
	.version = reducer_version_jq,
	.load = load_jq,
    },
};

const struct reducer_host *reducer_host_at(size_t i)
{
	return i < countof(hosts) ? &hosts[i] : NULL;
}

const struct reducer_host *reducer_host(enum reducer_kind kind)
{
	for (size_t i = 0; i < countof(hosts); i++)
		if (hosts[i].kind == kind)
			return &hosts[i];
	return NULL;
}

int reducer_load(struct reducer **ret, enum reducer_kind kind, int fd, struct diag *diag)
{
	const struct reducer_host *host = reducer_host(kind);

	return host ? host->load(ret, fd, diag) : diag_set(diag, -EINVAL, "nothing here can run it");
}

int reducer_kind_of(const char *file_name, enum reducer_kind *ret_kind, struct slice *ret_stem)
{
	size_t len = strlen(file_name);

	for (size_t i = 0; i < countof(hosts); i++) {
		size_t end = strlen(hosts[i].suffix);
		if (len <= end || strcmp(file_name + len - end, hosts[i].suffix) != 0)
			continue;
		*ret_kind = hosts[i].kind;
		*ret_stem = (struct slice){file_name, len - end};
		return 1;
	}
	return 0;
}

bool reducer_is_native(const struct reducer *r)
{
	for (size_t i = 0; i < countof(hosts); i++)
		if (strcmp(hosts[i].name, r->class->kind) == 0)
			return hosts[i].native;
	return false;
}
