#include "cli/mount_args.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "cli/usage.h"

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

static bool parse_octal(const char *text, mode_t max, mode_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || value > max)
		return false;
	*ret = (mode_t)value;
	return true;
}

/* "027": the permissions that files are created without. Their user's own stay. */
static bool parse_data_umask(struct mount_options *o, const char *text)
{
	return parse_octal(text, 077, &o->data_umask);
}

static bool parse_umask(struct mount_options *o, const char *text)
{
	o->access.has_umask = true;
	return parse_octal(text, 0777, &o->access.umask);
}

/* -1 is no id: the kernel means something else by it. */
static bool parse_id(const char *text, unsigned *ret)
{
	uint64_t value;

	if (!usage_number(text, &value) || value >= UINT32_MAX)
		return false;
	*ret = (unsigned)value;
	return true;
}

static bool parse_uid(struct mount_options *o, const char *text)
{
	const struct passwd *user = parse_id(text, &o->access.uid) ? NULL : getpwnam(text);

	if (user)
		o->access.uid = user->pw_uid;
	o->access.has_uid = user || parse_id(text, &o->access.uid);
	return o->access.has_uid;
}

static bool parse_gid(struct mount_options *o, const char *text)
{
	const struct group *group = parse_id(text, &o->access.gid) ? NULL : getgrnam(text);

	if (group)
		o->access.gid = group->gr_gid;
	o->access.has_gid = group || parse_id(text, &o->access.gid);
	return o->access.has_gid;
}

static bool parse_sync(struct mount_options *o, const char *text)
{
	static const char *const names[] = {"write", "close", "none"};

	for (size_t i = 0; i < countof(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			o->sync = (enum sync_mode)i;
			return true;
		}
	}
	return false;
}

static bool parse_journal(struct mount_options *o, const char *text)
{
	static const char *const names[] = {"off", "auto", "on"}; /* as in the enum */

	for (size_t i = 0; i < countof(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			o->journal = (enum journal_mode)i;
			return true;
		}
	}
	return false;
}

static bool parse_max_line(struct mount_options *o, const char *text)
{
	return parse_size(text, &o->max_line) && o->max_line >= 64 && o->max_line <= 1u << 30;
}

static bool parse_rotate(struct mount_options *o, const char *text)
{
	o->rotate = 0;
	return strcmp(text, "off") == 0 || (parse_size(text, &o->rotate) && o->rotate >= 4096);
}

static bool parse_ts(struct mount_options *o, const char *text)
{
	o->strict_ts = strcmp(text, "strict") == 0;
	return o->strict_ts || strcmp(text, "any") == 0;
}

static bool parse_timeout(struct mount_options *o, const char *text)
{
	return parse_duration(text, &o->reduce_timeout_ms);
}

static bool parse_memory(struct mount_options *o, const char *text)
{
	return parse_size(text, &o->reduce_memory) &&
	       (o->reduce_memory == 0 || o->reduce_memory >= 32u << 20);
}

static bool parse_rules_timeout(struct mount_options *o, const char *text)
{
	return parse_duration(text, &o->rules_timeout_ms);
}

/* Whether there is such a zone is seen when it is loaded. */
static bool parse_tz(struct mount_options *o, const char *text)
{
	o->tz = text;
	return *text;
}

/* Our own, "key=value". */
static const struct {
	const char *key;
	bool (*parse)(struct mount_options *o, const char *value);
	const char *wanted;
} own[] = {
    {"sync", parse_sync, "it is write, close or none"},
    {"journal", parse_journal, "it is auto, on or off"},
    {"max_line", parse_max_line, "a size from 64 to 1G is wanted, such as 16M"},
    {"rotate", parse_rotate, "off or a size from 4K on is wanted, such as 64M"},
    {"ts", parse_ts, "it is any or strict"},
    {"tz", parse_tz, "a time zone is wanted, such as Europe/Berlin"},
    {"reduce_timeout", parse_timeout, "a time is wanted, such as 500ms or 1s (0: none)"},
    {"reduce_memory", parse_memory, "a size from 32M on is wanted (0: no limit)"},
    {"rules_timeout", parse_rules_timeout, "a time is wanted, such as 500ms or 30s"},
    {"uid", parse_uid, "a user's name or number is wanted"},
    {"gid", parse_gid, "a group's name or number is wanted"},
    {"umask", parse_umask, "an octal number from 0 to 0777 is wanted, such as 002"},
    {"data_umask", parse_data_umask, "an octal number from 0 to 077 is wanted, such as 027"},
};

/* 1: it is one of them, 0 where it is none, or -EINVAL. */
static int parse_own(struct mount_options *o, const char *word, struct diag *diag)
{
	for (size_t i = 0; i < countof(own); i++) {
		size_t len = strlen(own[i].key);
		if (strncmp(word, own[i].key, len) != 0 || word[len] != '=')
			continue;
		if (own[i].parse(o, word + len + 1))
			return 1;
		return diag_set(diag, -EINVAL, "%s: %s", word, own[i].wanted);
	}
	return 0;
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

static int no_option(const char *word, struct diag *diag)
{
	const char *names[countof(own) + CLUSTER_ARGS + countof(passed)];
	const char *wanted[countof(own) + CLUSTER_ARGS];
	char key[32];
	size_t n = 0;

	for (; n < countof(own); n++) {
		names[n] = own[n].key;
		wanted[n] = own[n].wanted;
	}
	for (size_t i = 0; i < CLUSTER_ARGS; i++, n++) {
		names[n] = cluster_args_key(i);
		wanted[n] = cluster_args_wanted(i);
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return diag_set(diag, -EINVAL, "-o %s needs a value, as in %s=…: %s", word, word,
					wanted[i]);
	for (size_t i = 0; i < countof(passed); i++)
		names[n++] = passed[i];
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(word, "="), word);
	const char *meant = usage_suggest(key, names, n);
	if (meant)
		return diag_set(diag, -EINVAL, "there is no option '%s'; perhaps %s is meant", word, meant);
	return diag_set(diag, -EINVAL, "there is no option '%s'", word);
}

static int parse_options(struct mount_args *args, char *text, struct diag *diag)
{
	char *save;

	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int r = parse_own(&args->options, word, diag);
		if (r == 0)
			r = cluster_args_parse(&args->options.cluster, word, diag);
		if (r < 0)
			return r;
		if (r > 0 || listed(word, ignored, countof(ignored)) || strncmp(word, "x-", 2) == 0 ||
		    strncmp(word, "comment=", 8) == 0)
			continue;
		if (strcmp(word, "remount") == 0)
			return diag_set(
			    diag, -EINVAL,
			    "remount: a mounted log keeps its options; unmount it and mount it anew");
		if (!listed(word, passed, countof(passed)))
			return no_option(word, diag);
		r = add_fuse_option(args, word);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A line of a shared log has to go through the engine. */
static int check_together(struct mount_options *o, struct diag *diag)
{
	bool shared = o->cluster.urls;
	int r = cluster_args_check(&o->cluster, diag);

	if (r == 0 && shared && o->max_line > BATCH_LINES)
		return diag_set(diag, -EINVAL,
				"max_line=: with cluster= it is 1M at most, which the engine takes");
	if (o->max_line == 0)
		o->max_line = shared ? BATCH_LINES : LIMIT_LINE;
	return r;
}

int mount_args_parse(struct mount_args *ret, int argc, char **argv, bool helper, struct diag *diag)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c, r;

	*ret = (struct mount_args){
	    .options =
		{
		    .sync = SYNC_WRITE,
		    .journal = JOURNAL_AUTO,
		    .rotate = LIMIT_ROTATE,
		    .reduce_timeout_ms = 1000,
		    .reduce_memory = 2ull << 30,
		    .rules_timeout_ms = 30000,
		    .data_umask = 077,
		},
	};
	cluster_args_begin(&ret->options.cluster);
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
	return check_together(&ret->options, diag);
}

void mount_args_deinit(struct mount_args *args)
{
	free(args->fuse_options);
	cluster_args_deinit(&args->options.cluster);
}
