#include "fs/file.h"

#include "base/clock.h"
#include "fs/held.h"

struct file *file_new(struct mount *m, struct node *node, fuse_req_t req, const struct fuse_file_info *fi)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->refs = 1;
	f->mount = m;
	f->node = nodes_ref(&m->nodes, node);
	f->pid = f->opener.thread = fuse_req_ctx(req)->pid;
	f->flags = fi->flags;
	f->notice = notice_is_its(m, f->pid);
	f->looked_up = looked_up_take(&m->looked_up, f->pid, node->ino, &f->size_told);
	f->told = reservations_end(&m->reservations, node, f->pid, clock_us());
	f->just_opened = (fi->flags & O_ACCMODE) != O_RDONLY;
	follower_init(f);
	pthread_mutex_lock(&m->lock);
	f->next = node->files;
	f->prevp = &node->files;
	if (f->next)
		f->next->prevp = &f->next;
	node->files = f;
	m->open_files += !f->notice;
	pthread_mutex_unlock(&m->lock);
	return f;
}

struct file *file_ref(struct file *f)
{
	pthread_mutex_lock(&f->mount->lock);
	f->refs++;
	pthread_mutex_unlock(&f->mount->lock);
	return f;
}

void file_unref(struct file *f)
{
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->lock);
	if (--f->refs > 0) {
		pthread_mutex_unlock(&m->lock);
		return;
	}
	*f->prevp = f->next;
	if (f->next)
		f->next->prevp = f->prevp;
	m->open_files -= !f->notice;
	follower_deinit(f);
	bool wake = notice_closed(f);
	if (held_closed(f))
		notice_drop(m);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
	nodes_unref(&m->nodes, f->node);
	text_unref(f->text);
	text_unref(f->cached);
	writer_deinit(&f->writer);
	buf_deinit(&f->entries);
	free(f);
}

struct file *file_just_opened(struct mount *m, struct node *node, pid_t pid, int but_flags)
{
	struct file *f;

	pthread_mutex_lock(&m->lock);
	for (f = node->files; f && (f->pid != pid || !f->just_opened || f->flags & but_flags); f = f->next)
		;
	pthread_mutex_unlock(&m->lock);
	return f;
}
