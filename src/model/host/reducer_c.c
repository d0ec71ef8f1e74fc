/* Reducers in C: a shared object that exports one struct eventfold_reducer. */
#include "model/host/reducer.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "model/host/reducer_api.h"

#define OBJECT_PATH 192
#define STATE_DEPTH 1000 /* as deep as cJSON reads it back */

struct reducer_c {
	struct reducer base;
	void *object;
	const struct eventfold_reducer *code;
	void *state; /* of the full level */
	cJSON *tree; /* of the plain one */
	struct buf saved;
};

static struct reducer_c *reducer_c(struct reducer *r)
{
	return container_of(r, struct reducer_c, base);
}

/* Why a call failed, where the reducer has not said so itself. */
static int failed(struct diag *diag, int result)
{
	if (diag && diag->text[0])
		return result;
	if (result > -4096 && strerrorname_np(-result))
		return diag_set(diag, result, "the reducer returned %d (%s)", result, strerror(-result));
	return diag_set(diag, result, "the reducer returned %d", result);
}

static int fold_plain(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	int result = r->code->reduce(&r->tree, &ev->pub);

	/* A state of null is no state, as it is when it comes back from a snapshot. */
	if (cJSON_IsNull(r->tree)) {
		cJSON_Delete(r->tree);
		r->tree = NULL;
	}
	return result < 0 ? failed(diag, result) : result;
}

/* What has been written from `begin` on is served to readers line by line, and read back from snapshots: so
 * it is one line of strict JSON, or an error. A tree can hold what is none, too: raw text, strings that are
 * no UTF-8. */
static int check_written(const struct buf *out, size_t begin, struct diag *diag)
{
	struct json_error error;

	if (buf_error(out) < 0)
		return buf_error(out);
	struct slice text = slice_skip(buf_slice(out), begin);
	if (!json_check(text, STATE_DEPTH, &error))
		return diag_set(diag, -EINVAL, "what it wrote is not JSON: %s (at its byte %zu)",
				error.why == json_too_deep ? "it is nested too deep" : error.why, error.at);
	const char *newline = memchr(text.data, '\n', text.len);
	if (newline)
		return diag_set(diag, -EINVAL, "what it wrote has a newline in it (at its byte %zu)",
				(size_t)(newline - text.data));
	return 0;
}

static int write_plain(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	size_t begin = out->len;

	if (!r->tree) {
		buf_add_str(out, "null");
		return buf_error(out);
	}
	char *text = cJSON_PrintUnformatted(r->tree);
	if (!text)
		return diag_set(diag, -ENOMEM,
				"the state could not be written: out of memory, or no valid tree");
	buf_add_str(out, text);
	cJSON_free(text);
	return check_written(out, begin, diag);
}

static int read_plain(struct reducer *base, struct slice json, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	cJSON *tree = cJSON_ParseWithLength(json.data, json.len);

	if (!tree)
		return diag_set(diag, -EINVAL, "the state could not be read");
	if (cJSON_IsNull(tree)) {
		cJSON_Delete(tree);
		tree = NULL;
	}
	cJSON_Delete(r->tree);
	r->tree = tree;
	return 0;
}

static int fold_full(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	int result = r->code->fold(r->state, &ev->pub);

	return unlikely(result < 0) ? failed(diag, result) : result;
}

static int write_full(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	struct eventfold_writer writer = {out};
	size_t begin = out->len;
	int result = r->code->write_json(r->state, &writer);

	return result < 0 ? failed(diag, result) : check_written(out, begin, diag);
}

static int read_full(struct reducer *base, struct slice json, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);
	void *state = r->code->read_json((struct eventfold_slice){json.data, json.len});

	if (!state)
		return diag_set(diag, -EINVAL, "the reducer does not understand the state");
	r->code->destroy(r->state);
	r->state = state;
	return 0;
}

static int save(struct reducer *base, struct diag *diag)
{
	struct reducer_c *r = reducer_c(base);

	buf_clear(&r->saved);
	int result = base->class->write(base, &r->saved, diag);
	return result < 0 ? result : buf_error(&r->saved);
}

static int restore(struct reducer *base, struct diag *diag)
{
	return base->class->read(base, buf_slice(&reducer_c(base)->saved), diag);
}

static void forget(struct reducer *base)
{
	buf_deinit(&reducer_c(base)->saved);
}

/* The loader knows an object by its path, and takes another one under the same path for the same, even one
 * that refused to go. So each has a path of its own, whatever number its descriptor has: the inode's number,
 * in slashes and dots. */
static void object_path(const struct stat *st, int fd, char path[static OBJECT_PATH])
{
	int len = snprintf(path, OBJECT_PATH, "/proc/self/fd");

	for (uint64_t bits = st->st_ino; bits; bits >>= 1)
		len += snprintf(path + len, OBJECT_PATH - (size_t)len, bits & 1 ? "/." : "/");
	snprintf(path + len, OBJECT_PATH - (size_t)len, "/%d", fd);
}

static void free_c(struct reducer *base)
{
	struct reducer_c *r = reducer_c(base);

	cJSON_Delete(r->tree);
	if (r->state)
		r->code->destroy(r->state);
	if (r->object)
		dlclose(r->object);
	buf_deinit(&r->saved);
	free(r);
}

static const struct reducer_class plain = {
    .kind = "c",
    .fold = fold_plain,
    .write = write_plain,
    .read = read_plain,
    .save = save,
    .restore = restore,
    .forget = forget,
    .free = free_c,
};
static const struct reducer_class full = {
    .kind = "c",
    .fold = fold_full,
    .write = write_full,
    .read = read_full,
    .save = save,
    .restore = restore,
    .forget = forget,
    .free = free_c,
};

static int check(const struct eventfold_reducer *code, struct diag *diag)
{
	/* Of another version nothing but the number may be looked at. */
	if (code->abi != EVENTFOLD_ABI)
		return diag_set(
		    diag, -EINVAL,
		    "it was built for version %u of the reducer interface; this program has version %d",
		    code->abi, EVENTFOLD_ABI);
	bool all = code->create && code->fold && code->write_json && code->read_json && code->destroy;
	bool any = code->create || code->fold || code->write_json || code->read_json || code->destroy;
	if (code->reduce ? any : !all)
		return diag_set(diag, -EINVAL,
				"eventfold_reducer must set either reduce, or create, fold, write_json, "
				"read_json and destroy");
	return 0;
}

/* The loader says it in words only. */
static int loader_error(const char *why)
{
	static const int passing[] = {ENOMEM, EMFILE, ENFILE, EAGAIN};

	for (size_t i = 0; i < countof(passing); i++)
		if (strstr(why, strerror(passing[i])))
			return -passing[i];
	return -EINVAL;
}

static int load(struct reducer_c *r, int fd, struct diag *diag)
{
	char path[OBJECT_PATH];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return diag_set(diag, -errno, "cannot load it: %s", strerror(errno));
	object_path(&st, fd, path);
	r->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!r->object) {
		/* The message begins with the path, which says nothing to anybody. */
		const char *why = dlerror();
		size_t len = strlen(path);
		return diag_set(diag, loader_error(why), "cannot load it: %s",
				strncmp(why, path, len) == 0 && why[len] == ':' ? why + len + 2 : why);
	}
	r->code = dlsym(r->object, "eventfold_reducer");
	if (!r->code)
		return diag_set(diag, -EINVAL, "it exports no eventfold_reducer");
	int result = check(r->code, diag);
	if (result < 0)
		return result;
	r->base.class = r->code->reduce ? &plain : &full;
	if (r->code->reduce)
		return 0;
	r->state = r->code->create();
	return r->state ? 0 : diag_set(diag, -ENOMEM, "create returned NULL");
}

int reducer_load_c(struct reducer **ret, int fd, struct diag *diag)
{
	struct reducer_c *r = calloc(1, sizeof(*r));

	if (!r)
		return diag_set(diag, -ENOMEM, "out of memory");
	int result = load(r, fd, diag);
	if (result < 0) {
		r->base.class = &plain;
		free_c(&r->base);
		return result;
	}
	*ret = &r->base;
	return 0;
}
