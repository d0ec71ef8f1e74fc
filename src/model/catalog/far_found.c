/* What looks far away have brought, or that they have brought nothing. */
#include <errno.h>
#include <stdio.h>

#include "model/catalog/impl.h"
#include "store/disk.h"

void far_give_up(struct catalog *c, const struct far_job *job, int error)
{
	char why[256];

	if (job->what != LOOK_FILE) {
		catalog_dir_lost(c, error);
		far_drop_jobs(c);
		return;
	}
	if (error == -ETIMEDOUT)
		snprintf(why, sizeof(why), "%s did not come in time; it is tried again", job->file);
	else
		snprintf(why, sizeof(why), "cannot read %s: %s; it is tried again", job->file,
			 strerror(-error));
	struct definition *broken = definition_broken(job->file, why);
	if (broken)
		catalog_put(c, job->name, broken);
	struct known *k = catalog_find(c, job->name);
	if (!k)
		return;
	catalog_doubt(c, k, true);
	again_later(&k->again, FAR_PAUSE_MS);
}

/* *ret is the caller's, to free(). */
static int content_of(int fd, struct slice *ret)
{
	auto_buf struct buf content = {0};

	int r = disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, &content);
	if (r == 0)
		*ret = buf_slice(&content);
	if (r == 0)
		content = (struct buf){0};
	return r;
}

static int definition_of(const struct look_answer *a, int fd, struct definition **ret)
{
	struct definition *d = malloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = a->def;
	d->refs = 1;
	d->content = (struct slice){0};
	int r = d->why.text[0] ? 0 : content_of(fd, &d->content);
	if (r < 0)
		free(d);
	else
		*ret = d;
	return r;
}

void far_found_file(struct catalog *c, const struct far_job *job, const struct look_answer *a, int fd)
{
	struct known *k = catalog_find(c, job->name);
	struct definition *def = NULL;

	if (k)
		catalog_doubt(c, k, false);
	if (a->same) {
		if (k)
			k->again.at_ms = 0;
		return;
	}
	int r = a->any ? definition_of(a, fd, &def) : 0;
	if (r < 0)
		return far_give_up(c, job, r);
	if (catalog_keeps(k, def)) {
		again_later(&k->again, FAR_PAUSE_MS);
		return definition_unref(def);
	}
	catalog_put(c, job->name, def);
	k = catalog_find(c, job->name);
	if (k && def && def->passing)
		catalog_doubt(c, k, true);
}

void far_found_names(struct catalog *c, int fd)
{
	auto_free char(*known)[LIMIT_NAME + 1] = NULL;
	struct misnamed misnamed = {0};
	struct slice files = {0};
	char name[LIMIT_NAME + 1];

	int r = content_of(fd, &files);
	if (r < 0)
		return catalog_dir_lost(c, r);
	c->missed = false;
	size_t n = catalog_names(c, &known);
	for (size_t i = 0; i < n; i++)
		catalog_look(c, known[i], true);
	for (const char *at = files.data; at < files.data + files.len; at += strlen(at) + 1) {
		misnamed_add(c, &misnamed, at);
		if (!catalog_name_of(c, at, name) || catalog_find(c, name))
			continue;
		if (c->dir)
			catalog_look(c, name, true);
		else
			far_add_file(c, name, at, true);
	}
	free((char *)files.data);
	catalog_set_misnamed(c, &misnamed);
	catalog_wait_longer(c, false);
	catalog_dir_done(c);
	catalog_listed(c);
}
