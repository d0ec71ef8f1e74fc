#include "cluster/link/args.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/quantity.h"

#define WINDOW_BYTES (UINT64_C(256) << 20)
#define WINDOW_LEAST (UINT64_C(1) << 20)
#define DAY_MS (UINT64_C(86400) * 1000)
#define WINDOW_DAYS 7
#define WINDOW_DAYS_MOST 3650
#define LOG_NAME 64

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

void cluster_args_begin(struct cluster_options *o)
{
	o->window_bytes = WINDOW_BYTES;
	o->window_ms = WINDOW_DAYS * DAY_MS;
}

void cluster_args_deinit(struct cluster_options *o)
{
	free(take_ptr(o->ca));
	free(take_ptr(o->cert));
	free(take_ptr(o->key));
	free(take_ptr(o->password_file));
}

static const char *next_url(const char *at, struct slice *ret)
{
	*ret = (struct slice){at, strcspn(at, "+")};
	at += ret->len;
	return *at ? at + 1 : NULL;
}

/* As in http://[::1]:2379: what is in the brackets. */
static size_t address_len(const char *at)
{
	size_t len = strspn(at + 1, DIGITS "abcdefABCDEF:.");

	return len > 0 && at[1 + len] == ']' ? len + 2 : 0;
}

/* Scheme, host and port, and nothing else: the rest of a URL is the client's. */
static bool is_url(struct slice url)
{
	static const char *const schemes[] = {"http://", "https://"};
	const char *at = NULL, *end = url.data + url.len;

	for (size_t i = 0; i < countof(schemes); i++)
		if (strncmp(url.data, schemes[i], strlen(schemes[i])) == 0)
			at = url.data + strlen(schemes[i]);
	if (!at)
		return false;
	size_t host = *at == '[' ? address_len(at) : strspn(at, LETTERS DIGITS ".-_");
	if (host == 0 || at[host] != ':')
		return false;
	at += host + 1;
	size_t digits = strspn(at, DIGITS);
	long port = strtol(at, NULL, 10);
	return digits > 0 && digits <= 5 && at + digits == end && port > 0 && port < 65536;
}

static int parse_urls(struct cluster_options *o, const char *text)
{
	const char *at = text;
	struct slice url;
	size_t n = 0;

	o->urls = text;
	do
		at = next_url(at, &url);
	while (is_url(url) && ++n <= CLUSTER_URLS && at);
	return !at && n > 0 && n <= CLUSTER_URLS && is_url(url) ? 0 : -EINVAL;
}

static int parse_log(struct cluster_options *o, const char *text)
{
	size_t len = strspn(text, LETTERS DIGITS "_.-");

	o->log = text;
	return len > 0 && len <= LOG_NAME && !text[len] && *text != '.' && *text != '-' ? 0 : -EINVAL;
}

/* Days, or else bytes. */
static int parse_window(struct cluster_options *o, const char *text)
{
	size_t digits = strspn(text, DIGITS);

	if (digits > 0 && digits < 8 && strcmp(text + digits, "d") == 0) {
		uint64_t days = strtoull(text, NULL, 10);
		o->window_ms = days * DAY_MS;
		return days > 0 && days <= WINDOW_DAYS_MOST ? 0 : -EINVAL;
	}
	return parse_size(text, &o->window_bytes) && o->window_bytes >= WINDOW_LEAST ? 0 : -EINVAL;
}

static int parse_timeout(struct cluster_options *o, const char *text)
{
	return parse_duration(text, &o->timeout_ms) ? 0 : -EINVAL;
}

/* As it is seen from here: a daemon goes elsewhere. */
static int take_path(char **path, const char *text)
{
	auto_free char *here = NULL;
	char *absolute = NULL;

	if (!*text)
		return -EINVAL;
	if (*text != '/' && !(here = getcwd(NULL, 0)))
		return -errno;
	if (asprintf(&absolute, "%s%s%s", here ? here : "", here ? "/" : "", text) < 0)
		return -ENOMEM;
	free(*path);
	*path = absolute;
	return 0;
}

static int parse_ca(struct cluster_options *o, const char *text)
{
	return take_path(&o->ca, text);
}

static int parse_cert(struct cluster_options *o, const char *text)
{
	return take_path(&o->cert, text);
}

static int parse_key(struct cluster_options *o, const char *text)
{
	return take_path(&o->key, text);
}

static int parse_password_file(struct cluster_options *o, const char *text)
{
	return take_path(&o->password_file, text);
}

static int parse_user(struct cluster_options *o, const char *text)
{
	o->user = text;
	return *text ? 0 : -EINVAL;
}

static const struct {
	const char *key;
	int (*parse)(struct cluster_options *o, const char *value);
	const char *wanted;
} args[CLUSTER_ARGS] = {
    {"cluster", parse_urls, "up to 16 URLs with + between them are wanted, such as http://host:2379"},
    {"log", parse_log,
     "a name of 1 to 64 letters, digits, _, . and - is wanted, which begins with neither . "
     "nor -"},
    {"cluster_window", parse_window, "a size from 1M on is wanted, such as 256M, or days, such as 7d"},
    {"cluster_timeout", parse_timeout, "a time is wanted, such as 500ms or 30s (0: none)"},
    {"cluster_ca", parse_ca, "a file is wanted"},
    {"cluster_cert", parse_cert, "a file is wanted"},
    {"cluster_key", parse_key, "a file is wanted"},
    {"cluster_user", parse_user, "a user's name is wanted"},
    {"cluster_password_file", parse_password_file, "a file is wanted"},
};

int cluster_args_parse(struct cluster_options *o, const char *word, struct diag *diag)
{
	for (size_t i = 0; i < countof(args); i++) {
		size_t len = strlen(args[i].key);
		if (strncmp(word, args[i].key, len) != 0 || word[len] != '=')
			continue;
		o->any = true;
		int r = args[i].parse(o, word + len + 1);
		if (r == -EINVAL)
			return diag_set(diag, r, "%s: %s", word, args[i].wanted);
		return r < 0 ? diag_set(diag, r, "%s: %s", word, strerror(-r)) : 1;
	}
	return 0;
}

/* Who has the password is the machine: it is refused as ssh refuses a key that others can read. */
static int check_secret(const char *key, const char *path, struct diag *diag)
{
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st) < 0)
		return diag_set(diag, -EINVAL, "%s=%s: %s", key, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return diag_set(diag, -EINVAL, "%s=%s: it is no file", key, path);
	if (st.st_mode & 077)
		return diag_set(
		    diag, -EINVAL,
		    "%s=%s: others may use it (its mode is %03o): only its owner is to (chmod 600)", key,
		    path, (unsigned)st.st_mode & 0777);
	return 0;
}

static int check_readable(const char *key, const char *path, struct diag *diag)
{
	auto_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (path && fd < 0)
		return diag_set(diag, -EINVAL, "%s=%s: %s", key, path, strerror(errno));
	return 0;
}

static int check_files(const struct cluster_options *o, struct diag *diag)
{
	int r = check_secret("cluster_password_file", o->password_file, diag);

	if (r == 0)
		r = check_readable("cluster_password_file", o->password_file, diag);
	if (r == 0)
		r = check_readable("cluster_ca", o->ca, diag);
	if (r == 0)
		r = check_readable("cluster_cert", o->cert, diag);
	if (r == 0)
		r = check_readable("cluster_key", o->key, diag);
	return r;
}

int cluster_args_check(const struct cluster_options *o, struct diag *diag)
{
	if (!o->any)
		return 0;
	if (!o->urls && o->log)
		return diag_set(diag, -EINVAL,
				"log= is for a shared log: it wants cluster=URL+URL+… with it");
	if (!o->urls)
		return diag_set(diag, -EINVAL, "the options cluster_… want cluster=URL+URL+… with them");
	if (!o->log)
		return diag_set(diag, -EINVAL, "cluster= wants log=NAME with it: which of its logs this is");
	if (!o->cert != !o->key)
		return diag_set(diag, -EINVAL,
				"cluster_cert= and cluster_key= are wanted together, or neither");
	if (!o->user != !o->password_file)
		return diag_set(diag, -EINVAL,
				"cluster_user= and cluster_password_file= are wanted together, or neither");
	return check_files(o, diag);
}

const char *cluster_args_key(size_t i)
{
	return args[i].key;
}

const char *cluster_args_wanted(size_t i)
{
	return args[i].wanted;
}
