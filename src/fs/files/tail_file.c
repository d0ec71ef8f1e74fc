/* The files of tail/: blocking reads. What a read at a file's place finds is given out at once; else it waits
 * (turn.h).
 *
 * tail(1) reads to the end before it prints a line, and a file of tail/ has none: it would print nothing
 * for ever. So for a process of that name the first read that would wait is an end. With -f it goes on
 * without blocking, whenever the size is not what it has read. */
#include <errno.h>
#include <linux/fuse.h>

#include "base/process.h"
#include "fs/following/turn.h"
#include "fs/node/classes.h"
#include "fs/node/held.h"
#include "fs/reply.h"

/* A read that has its turn: it waits for bytes of the log, for a view's rendering, or for what proves the
 * log's head. */
struct tail_read {
	struct history_read history;
	struct prover_wait proof;
	struct file *file; /* with a reference */
	struct tail_wait *wait;
};

/* As reply_open(), for a file without a position: reads on one description that several processes share
 * don't wait for each other in the kernel, where nothing could interrupt them. And there is nothing to
 * flush: a close fails on no mount that has gone. libfuse has no word for the one. */
static void reply_stream(fuse_req_t req, struct file *f)
{
	struct fuse_open_out out = {
	    .fh = (uintptr_t)f,
	    .open_flags = FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NOFLUSH,
	};

	if (fuse_reply_buf(req, (const char *)&out, sizeof(out)) == -ENOENT)
		file_unref(f);
}

/* Where that can't be told it is as any other. */
static bool is_tail_program(pid_t tid)
{
	auto_close int fd = tid ? process_open(tid, "comm") : -1;
	char name[16] = "";

	return fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && strcmp(name, "tail\n") == 0;
}

/* An open for who has the log up to there: it is looked at whether that is this one. */
struct tail_open {
	struct history_read history;
	fuse_req_t req;
	struct file *file;
	uint64_t hash;
};

static void compared(struct history_read *read, int error, struct slice none)
{
	struct tail_open *o = container_of(read, struct tail_open, history);

	if (error == 0 && read->hash != o->hash)
		error = -ESTALE;
	if (error < 0) {
		file_unref(o->file);
		reply_error(o->req, error);
	} else {
		reply_stream(o->req, o->file);
	}
	free(o);
}

static void open_after(struct file *f, fuse_req_t req, const struct log_pos *after)
{
	struct tail_open *o = malloc(sizeof(*o));

	if (!o) {
		file_unref(f);
		return reply_error(req, -ENOMEM);
	}
	*o = (struct tail_open){
	    .history = {.off = after->off, .done = compared}, .req = req, .file = f, .hash = after->hash};
	history_queue_hash(f->mount->history, &o->history);
}

static void tail_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	uint64_t head = eventlog_head(m->log).off;
	uint64_t pos = node->kind == NODE_TAIL_APP ? head : 0;
	struct log_pos after = {0};
	struct file *f;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return reply_error(req, -EACCES);
	if (node->kind == NODE_TAIL_APP_AT && !node_parse_offset(node->name, &pos) &&
	    !node_parse_head(node->name, &after))
		return reply_error(req, -ENOENT);
	f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	f->sized = is_tail_program(f->pid);
	/* Of an empty log there is nothing to tell. */
	if (class_of(node)->of_proof)
		follower_saw(f, &(struct seen){.something = true});
	turn_begin(f, after.off ? after.off : pos, f->sized);
	if (after.off)
		return open_after(f, req, &after);
	reply_stream(req, f);
}

static void tail_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct file *f;

	pthread_mutex_lock(&m->lock);
	for (f = node->files; f && !(f->sized && f->pid == tid && tid != 0); f = f->next)
		;
	if (f)
		f->refs++;
	pthread_mutex_unlock(&m->lock);
	if (!f)
		return reply_attr(req, m, node, 0, NULL);
	/* It reads as much as there is more. */
	uint64_t size = turn_given(f) + (follower_has_news(f) ? LIMIT_WRITE : 0);
	file_unref(f);
	reply_attr(req, m, node, size, NULL);
}

static void finish(struct tail_read *t)
{
	turn_pass(t->file);
	free(t->wait);
	file_unref(t->file);
	free(t);
}

/* Ends the turn and the read. */
static void answer(struct tail_read *t, int error, struct slice data)
{
	turn_end(t->file);
	if (error < 0)
		reply_error(t->wait->req, error);
	else
		reply_data(t->wait->req, data);
	finish(t);
}

static void answer_end(struct tail_read *t)
{
	answer(t, 0, (struct slice){0});
}

/* What becomes of a read that has no turn; TURN_WAITS: others answer it. */
static void reply_turn(fuse_req_t req, enum turn turn)
{
	if (turn == TURN_END)
		reply_data(req, (struct slice){0});
	else if (turn != TURN_WAITS)
		reply_error(req, turn == TURN_INTERRUPTED ? -EINTR : -EAGAIN);
}

/* Nothing new after all. */
static void wait_again(struct tail_read *t)
{
	fuse_req_t req = t->wait->req;
	enum turn turn = turn_wait(t->file, t->wait);

	if (turn == TURN_WAITS)
		t->wait = NULL;
	reply_turn(req, turn);
	finish(t);
}

static void log_read_done(struct history_read *read, int error, struct slice data)
{
	struct tail_read *t = container_of(read, struct tail_read, history);

	if (error == 0 && data.len == 0)
		return wait_again(t);
	turn_got(t->file, data.len);
	answer(t, error, data);
}

/* The next part of the text that the file holds; false: it has been read to the end. */
static bool give_text(struct tail_read *t)
{
	uint64_t pos;
	struct text *text = turn_text(t->file, t->wait->size, &pos);

	if (!text)
		return false;
	turn_end(t->file);
	reply_part(t->wait->req, text->body, (off_t)pos, t->wait->size);
	text_unref(text);
	finish(t);
	return true;
}

static void view_answered(void *arg, const struct views_answer *a)
{
	struct tail_read *t = arg;
	struct text *text = NULL;
	int error = a->error;

	if (error == 0) {
		text = text_of_rendering(a->rendering);
		error = text ? 0 : -ENOMEM;
	}
	bool broken = error == -EIO || error == -ENOENT;
	struct seen seen = {.off = a->pos.off, .version = a->version, .broken = broken, .something = true};
	if (error == 0 || broken)
		turn_saw(t->file, &seen, text);
	/* The end of the mount is the end of the file. */
	if (error == -ESHUTDOWN)
		return answer_end(t);
	if (error < 0)
		return answer(t, error, (struct slice){0});
	if (!give_text(t))
		wait_again(t);
}

static bool is_given_up(const struct prover_wait *wait)
{
	return fuse_req_interrupted(container_of(wait, struct tail_read, proof)->wait->req);
}

static void proven(struct prover_wait *wait, int error, const struct proof *proof)
{
	struct tail_read *t = container_of(wait, struct tail_read, proof);
	struct text *text = NULL;

	/* The end of the mount is the end of the file. */
	if (error == -ESHUTDOWN)
		return answer_end(t);
	if (error < 0)
		return answer(t, error, (struct slice){0});
	if (proof->head.off > 0) {
		text = class_of(t->file->node)->of_proof(proof);
		if (!text)
			return answer(t, -ENOMEM, (struct slice){0});
	}
	/* A place is a version of it. */
	struct seen seen = {.off = proof->head.off, .version = proof->head.off, .something = true};
	turn_saw(t->file, &seen, text);
	if (!give_text(t))
		wait_again(t);
}

static void answer_turn(struct file *f, struct tail_wait *wait)
{
	struct mount *m = f->mount;
	struct tail_read *t = malloc(sizeof(*t));
	uint64_t pos;

	if (!t) {
		turn_end(f);
		reply_error(wait->req, -ENOMEM);
		free(wait);
		turn_pass(f);
		return file_unref(f);
	}
	*t = (struct tail_read){.file = f, .wait = wait};
	if (!turn_place(f, &pos))
		return answer_end(t);
	if (class_of(f->node)->reads_on) {
		t->history = (struct history_read){.off = pos, .size = wait->size, .done = log_read_done};
		return history_queue(m->history, &t->history);
	}
	if (give_text(t))
		return;
	if (!class_of(f->node)->of_proof)
		return views_want(m->views, f->node->name, VIEWS_STATE, wait->req, view_answered, t);
	t->proof = (struct prover_wait){.given_up = is_given_up, .done = proven};
	prover_want(m->prover, &t->proof);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	follower_interrupt(m, req);
	views_cancel(m->views, req);
}

static void tail_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	bool nonblock = fi->flags & O_NONBLOCK;
	struct mount *m = f->mount;
	struct tail_wait *wait = malloc(sizeof(*wait));

	if (!wait)
		return reply_error(req, -ENOMEM);
	*wait = (struct tail_wait){.req = req, .size = size, .nonblock = nonblock};
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(req, interrupted, m);
	if (fuse_req_interrupted(req)) {
		free(wait);
		return reply_error(req, -EINTR);
	}
	enum turn turn = turn_ask(f, wait);
	if (turn == TURN_NOW)
		return answer_turn(file_ref(f), wait);
	if (turn != TURN_WAITS)
		free(wait);
	reply_turn(req, turn);
}

#define TAIL_FILE                                                                                            \
	.mode = S_IFREG | 0444, .getattr = tail_getattr, .size_hint = held_size_hint, .open = tail_open,     \
	.read = tail_read, .blocks = true, .answer = answer_turn

/* tail/app, tail/app@OFFSET, tail/app@OFFSET:HASH */
const struct node_class tail_log_file = {
    TAIL_FILE,
    .topic = TOPIC_LOG,
    .differs = seen_other_place,
    .reads_on = true,
};
/* tail/head: for who is to hold heads of the log */
static struct text *witnessed(const struct proof *proof)
{
	struct buf b = {0};

	buf_add_u64(&b, proof->head.off);
	buf_add_char(&b, ' ');
	buf_add_hex64(&b, proof->head.hash);
	buf_printf(&b, " %s\n", proof->sha);
	return text_of_buf(&b);
}

const struct node_class tail_head_file = {
    TAIL_FILE,
    .topic = TOPIC_LOG,
    .differs = seen_other_place,
    .of_proof = witnessed,
};
const struct node_class tail_view_file = {TAIL_FILE, .topic = TOPIC_VIEW, .differs = seen_other_state};
