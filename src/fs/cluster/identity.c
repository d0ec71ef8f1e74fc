#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fs/cluster/impl.h"
#include "store/sha.h"

/* The first line of a small file. False: it can't be read, or is empty. */
static bool read_line(const char *path, char *ret, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n <= 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return ret[0];
}

/* The machine's own number is nobody else's business: what is shown is a hash of it. */
static void make_machine(struct cluster *c, const char *id)
{
	struct sha256_ctx sha;
	char text[SHA_TEXT + 1];

	sha256_init(&sha);
	sha256_update(&sha, strlen("eventfold:"), (const uint8_t *)"eventfold:");
	sha256_update(&sha, strlen(id) + 1, (const uint8_t *)id);
	sha256_update(&sha, strlen(c->data), (const uint8_t *)c->data);
	sha_text(&sha, text);
	snprintf(c->machine, sizeof(c->machine), "%.16s", text);
}

static int make_boot(struct cluster *c)
{
	uint8_t random[BATCH_BOOT / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(c->boot + 2 * i, 3, "%02x", random[i]);
	return 0;
}

int cluster_identify(struct cluster *c, struct diag *diag)
{
	char id[64], host[256];

	if (!read_line("/etc/machine-id", id, sizeof(id)))
		return diag_set(diag, -ENOENT,
				"this machine has no /etc/machine-id, by which the others could know it");
	if (!read_line("/proc/sys/kernel/random/boot_id", c->kernel, sizeof(c->kernel)))
		return diag_set(diag, -ENOENT, "/proc/sys/kernel/random/boot_id cannot be read");
	make_machine(c, id);
	if (gethostname(host, sizeof(host)) < 0)
		snprintf(host, sizeof(host), "?");
	host[sizeof(host) - 1] = '\0';
	c->host = strdup(host);
	if (!c->host)
		return diag_set(diag, -ENOMEM, "out of memory");
	return make_boot(c) < 0 ? diag_set(diag, -EIO, "no random number can be had") : 0;
}
