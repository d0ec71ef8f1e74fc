#include "cli/mount_args.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* What fstab may carry that is not for us, or what mount(8) deals with itself. */
static const char *const ignored[] = {
    "defaults", "rw", "auto", "noauto", "user", "users", "nouser", "owner", "group", "_netdev", "nofail",
};

/* What the kernel or libfuse understands, passed on as it is. */
static const char *const passed[] = {
    "ro",   "allow_other", "allow_root", "nosuid",  "suid",  "nodev",   "dev",        "noexec",
    "exec", "sync",        "async",      "dirsync", "atime", "noatime", "nodiratime", "relatime",
};

static bool listed(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

/* "64M": bytes, with K, M or G for powers of 1024. */
bool parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (errno || (unit && end[1]) || (*end && !unit) || value > UINT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

bool parse_duration(const char *text, unsigned *ret_ms)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0) || value > 86400)
		return false;
	if (strcmp(end, "ms") == 0)
		*ret_ms = (unsigned)value;
	else if (strcmp(end, "s") == 0 || *end == '\0')
		*ret_ms = (unsigned)(value * 1000);
	else
		return false;
	return true;
}

/* "027": the permissions that files are created without. Their user's own stay. */
static bool parse_umask(const char *text, mode_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || value > 077)
		return false;
	*ret = (mode_t)value;
	return true;
}

static bool parse_sync(const char *text, enum sync_mode *ret)
{
	static const char *const names[] = {"write", "close", "none"};

	for (size_t i = 0; i < countof(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum sync_mode)i;
			return true;
		}
	}
	return false;
}

/* One of our own "key=value" options: 1, 0 where it is none, or -EINVAL. */
static int parse_own(struct mount_options *o, const char *word, struct diag *diag)
{
	static const char *const keys[] = {
	    "sync=", "max_line=", "rotate=", "reduce_timeout=", "reduce_memory=", "data_umask="};
	size_t key = 0;
	bool good = false;

	while (key < countof(keys) && strncmp(word, keys[key], strlen(keys[key])) != 0)
		key++;
	if (key == countof(keys))
		return 0;
	const char *value = word + strlen(keys[key]);
	switch (key) {
	case 0:
		good = parse_sync(value, &o->sync);
		if (!good)
			return diag_set(diag, -EINVAL, "sync=%s: it is write, close or none", value);
		break;
	case 1:
		good = parse_size(value, &o->max_line) && o->max_line >= 64 && o->max_line <= 1u << 30;
		if (!good)
			return diag_set(diag, -EINVAL,
					"max_line=%s: a size from 64 to 1G is wanted, such as 16M", value);
		break;
	case 2:
		o->rotate = 0;
		good = strcmp(value, "off") == 0 || (parse_size(value, &o->rotate) && o->rotate >= 4096);
		if (!good)
			return diag_set(diag, -EINVAL,
					"rotate=%s: off or a size from 4K on is wanted, such as 64M", value);
		break;
	case 3:
		if (!parse_duration(value, &o->reduce_timeout_ms))
			return diag_set(diag, -EINVAL,
					"reduce_timeout=%s: a time is wanted, such as 500ms or 1s (0: none)",
					value);
		break;
	case 5:
		if (!parse_umask(value, &o->data_umask))
			return diag_set(diag, -EINVAL,
					"data_umask=%s: an octal number from 0 to 077 is wanted, such as 027",
					value);
		break;
	default:
		good = parse_size(value, &o->reduce_memory) &&
		       (o->reduce_memory == 0 || o->reduce_memory >= 32u << 20);
		if (!good)
			return diag_set(diag, -EINVAL,
					"reduce_memory=%s: a size from 32M on is wanted (0: no limit)",
					value);
	}
	return 1;
}

static int add_fuse_option(struct mount_args *args, const char *word)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", args->fuse_options ? args->fuse_options : "",
		     args->fuse_options ? "," : "", word) < 0)
		return -ENOMEM;
	free(args->fuse_options);
	args->fuse_options = joined;
	return 0;
}

static int parse_options(struct mount_args *args, char *text, struct diag *diag)
{
	char *save;

	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int r = parse_own(&args->options, word, diag);
		if (r < 0)
			return r;
		if (r > 0 || listed(word, ignored, countof(ignored)) || strncmp(word, "x-", 2) == 0 ||
		    strncmp(word, "comment=", 8) == 0)
			continue;
		if (!listed(word, passed, countof(passed)))
			return diag_set(diag, -EINVAL, "there is no option '%s'", word);
		r = add_fuse_option(args, word);
		if (r < 0)
			return r;
	}
	return 0;
}

int mount_args_parse(struct mount_args *ret, int argc, char **argv, bool helper, struct diag *diag)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c, r;

	*ret = (struct mount_args){
	    .options =
		{
		    .sync = SYNC_WRITE,
		    .max_line = LIMIT_LINE,
		    .rotate = LIMIT_ROTATE,
		    .reduce_timeout_ms = 1000,
		    .reduce_memory = 2ull << 30,
		    .data_umask = 077,
		},
	};
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, helper ? "fho:nsvN:t:" : "fho:", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			ret->foreground = !helper;
			ret->fake = helper;
			break;
		case 'h':
			ret->help = true;
			return 0;
		case 'o':
			r = parse_options(ret, optarg, diag);
			if (r < 0)
				return r;
			break;
		case 'n': /* as mount(8) passes on */
		case 's':
		case 'v':
		case 'N':
		case 't':
			break;
		default:
			return diag_set(diag, -EINVAL, "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (argc - optind != 2)
		return diag_set(diag, -EINVAL, "two directories are wanted: DATA and MNT");
	ret->data = argv[optind];
	ret->mnt = argv[optind + 1];
	return 0;
}

void mount_args_deinit(struct mount_args *args)
{
	free(args->fuse_options);
}
