#include "fs/cluster/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/mount.h"
#include "store/sha.h"

static void add(struct sha256_ctx *sha, struct slice bytes)
{
	sha256_update(sha, bytes.len, (const uint8_t *)bytes.data);
}

static void printf_like(2, 3) add_line(struct sha256_ctx *sha, const char *format, ...)
{
	char line[160];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	add(sha, (struct slice){line, min((size_t)len, sizeof(line) - 1)});
}

/* How long it is stands before it, so that no two lists of files are the same bytes. One that can't be used
 * has none. */
static void add_file(struct sha256_ctx *sha, const char *what, const struct definition *def)
{
	add_line(sha, "%s %s %zu\n", what, def->file, def->content.len);
	add(sha, def->content);
}

static void hash(const struct mount *m, bool known, struct sha256_ctx *sha)
{
	const struct mount_options *o = &m->options;
	struct judge_basis basis;

	sha256_init(sha);
	/* The number is another where the same files decide otherwise in a later version. */
	add_line(sha, "eventfold 1\nmax_line %llu\nts %s\ntz ", (unsigned long long)o->max_line,
		 o->strict_ts ? "strict" : "any");
	add(sha, slice_of(o->tz ? o->tz : "UTC"));
	/* A machine that does not know all of its rules decides as no other. */
	add_line(sha, "\nrules %s\n", known ? "known" : "not known");
	for (size_t i = 0; judge_basis(m->judge, i, &basis); i++) {
		add_file(sha, "rule", basis.rule);
		if (basis.view)
			add_file(sha, "reducer", basis.view);
	}
}

void config_announce(struct mount *m, bool known)
{
	char text[SHA_TEXT + 1];
	struct sha256_ctx sha;

	hash(m, known, &sha);
	sha_text(&sha, text);
	cluster_set_config(m->cluster, text);
}
