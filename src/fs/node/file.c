#include "fs/node/file.h"

#include "base/clock.h"
#include "fs/node/held.h"

/* Under the lock: does another thread have the file open for writing, on this node (NULL: on any)? */
static bool others_write(const struct node *main, const struct node *node, pid_t pid)
{
	const struct file *f = main->writers;

	while (f && (f->pid == pid || (node && f->node != node)))
		f = f->next_writer;
	return f;
}

static void add_writer(struct node *main, struct file *f)
{
	f->next_writer = main->writers;
	f->prev_writer = &main->writers;
	if (f->next_writer)
		f->next_writer->prev_writer = &f->next_writer;
	main->writers = f;
}

static void remove_writer(struct file *f)
{
	if (!f->prev_writer)
		return;
	*f->prev_writer = f->next_writer;
	if (f->next_writer)
		f->next_writer->prev_writer = f->prev_writer;
	f->prev_writer = NULL;
}

struct file *file_new(struct mount *m, struct node *node, fuse_req_t req, const struct fuse_file_info *fi)
{
	struct node *main = node->main ? node->main : node;
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->refs = 1;
	f->mount = m;
	f->node = nodes_ref(&m->nodes, node);
	f->pid = fuse_req_ctx(req)->pid;
	f->flags = fi->flags;
	f->notice = notice_is_its(m, f->pid);
	f->looked_up = looked_up_take(&m->looked_up, f->pid, node->ino, &f->size_told);
	f->tellings = atomic_load(&node->tellings);
	f->crowded = !node->main && uses_are_others(&m->uses, f->pid, node->ino, clock_us());
	if (!f->notice)
		nodes_opened(&m->nodes, node);
	f->told = reservations_end(&m->reservations, node, f->pid, clock_us());
	f->just_opened = (fi->flags & O_ACCMODE) != O_RDONLY;
	follower_init(f);
	open_log_init(&f->log, f->pid);
	pthread_mutex_lock(&m->lock);
	f->next = node->files;
	f->prevp = &node->files;
	if (f->next)
		f->next->prevp = &f->next;
	node->files = f;
	m->open_files += !f->notice;
	f->met = main->last_writer != f->pid && others_write(main, node, f->pid);
	f->beside = others_write(main, NULL, f->pid);
	if (f->just_opened && !f->notice)
		add_writer(main, f);
	pthread_mutex_unlock(&m->lock);
	if (f->just_opened && !f->notice)
		file_wrote(f);
	return f;
}

void file_wrote(struct file *f)
{
	struct node *main = f->node->main ? f->node->main : f->node;

	main->last_writer = f->pid;
}

void file_closed(struct file *f)
{
	pthread_mutex_lock(&f->mount->lock);
	remove_writer(f);
	pthread_mutex_unlock(&f->mount->lock);
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
	remove_writer(f);
	held_closed(f);
	pthread_mutex_unlock(&m->lock);
	follow_closed(f);
	nodes_unref(&m->nodes, f->node);
	text_unref(f->text);
	text_unref(f->cached);
	open_log_deinit(&f->log);
	buf_deinit(&f->entries);
	free(f);
}

bool file_others_write(struct mount *m, const struct node *node, pid_t pid)
{
	pthread_mutex_lock(&m->lock);
	bool others = others_write(node_main(node), node, pid);
	pthread_mutex_unlock(&m->lock);
	return others;
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
