#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../unit/check.h"

/* No answer takes this long, not under a sanitizer either. */
#define PATIENCE_MS 60000
#define MESSAGE_MAX (256u << 10)

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct kernel *k = ((struct mount *)userdata)->options.arg;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
	ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	void (*replied)(struct kernel *, uint64_t) = k->replied;

	if (replied)
		replied(k, ((const struct fuse_out_header *)iov[0].iov_base)->unique);
	return n;
}

static ssize_t io_read(int fd, void *buf, size_t len, void *userdata)
{
	return read(fd, buf, len);
}

static void *loop_thread(void *arg)
{
	struct kernel *k = arg;

	CHECK_INT(session_run(k->session, k->mount, k->stop_fd[0]), 0);
	return NULL;
}

static void report(void *arg, const char *text)
{
	fprintf(stderr, "reported: %s\n", text);
}

static void handshake(struct kernel *k)
{
	struct fuse_init_in in = {
	    .major = FUSE_KERNEL_VERSION,
	    .minor = 31,
	    .max_readahead = 65536,
	    .flags = FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES,
	};
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_INIT, 0, &in, sizeof(in), NULL, 0));

	CHECK_INT(r->error, 0);
	free(r);
}

void kernel_restart(struct kernel *k, const struct mount_options *options)
{
	static const struct fuse_custom_io io = {.writev = io_writev, .read = io_read};
	struct mount_options o = options ? *options : (struct mount_options){.reduce_timeout_ms = 10000};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct diag diag = {0};
	int fds[2], size = 4 * MESSAGE_MAX;

	o.data = k->dir;
	o.worker_path = getenv("EVENTFOLD");
	o.report = report;
	o.arg = k;
	if (!o.max_line)
		o.max_line = LIMIT_LINE;
	CHECK(o.worker_path);
	int r = mount_open(&k->mount, &o, &diag);
	if (r != 0)
		fprintf(stderr, "mount_open: %s\n", diag.text);
	CHECK_INT(r, 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	CHECK_INT(pipe2(k->stop_fd, O_CLOEXEC), 0);
	k->fd = fds[0];
	CHECK_INT(fuse_opt_add_arg(&args, "wire"), 0);
	k->session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), k->mount);
	CHECK(k->session);
	fuse_opt_free_args(&args);
	CHECK_INT(fuse_session_custom_io(k->session, &io, fds[1]), 0);
	CHECK_INT(pthread_create(&k->loop, NULL, loop_thread, k), 0);
	handshake(k);
}

void kernel_start(struct kernel *k, const struct mount_options *options, const char *const *reducers)
{
	const char *from = getenv("EVENTFOLD_REDUCERS");
	char target[512], link[512];

	*k = (struct kernel){.pid = (uint32_t)getpid()};
	signal(SIGPIPE, SIG_IGN);
	strcpy(k->dir, "/tmp/eventfold-wire-XXXXXX");
	CHECK(mkdtemp(k->dir));
	snprintf(link, sizeof(link), "%s/reducers", k->dir);
	CHECK_INT(mkdir(link, 0777), 0);
	for (; reducers && *reducers; reducers++) {
		CHECK(from);
		snprintf(target, sizeof(target), "%s/%s.so", from, *reducers);
		snprintf(link, sizeof(link), "%s/reducers/%s.so", k->dir, *reducers);
		CHECK_INT(symlink(target, link), 0);
	}
	kernel_restart(k, options);
}

void kernel_end(struct kernel *k)
{
	close(k->stop_fd[1]);
	CHECK_INT(pthread_join(k->loop, NULL), 0);
	mount_close(k->mount);
	fuse_session_destroy(k->session);
	close(k->stop_fd[0]);
	k->mount = NULL;
}

void kernel_stop(struct kernel *k)
{
	if (k->mount)
		kernel_end(k);
	close(k->fd);
	while (k->early) {
		struct reply *next = k->early->next;
		free(k->early);
		k->early = next;
	}
}

void kernel_cleanup(struct kernel *k)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", k->dir);
	CHECK_INT(system(command), 0);
}

uint64_t kernel_send(struct kernel *k, uint32_t opcode, uint64_t ino, const void *arg, size_t arg_len,
		     const void *data, size_t len)
{
	struct fuse_in_header h = {
	    .len = (uint32_t)(sizeof(h) + arg_len + len),
	    .opcode = opcode,
	    .unique = k->unique += 2,
	    .nodeid = ino,
	    .pid = k->pid,
	};
	struct iovec iov[] = {
	    {&h, sizeof(h)},
	    {(void *)arg, arg_len},
	    {(void *)data, len},
	};

	CHECK_INT(writev(k->fd, iov, 3), h.len);
	return h.unique;
}

static struct reply *take_early(struct kernel *k, uint64_t unique)
{
	for (struct reply **p = &k->early; *p; p = &(*p)->next) {
		struct reply *r = *p;
		if (r->unique == unique) {
			*p = r->next;
			return r;
		}
	}
	return NULL;
}

struct reply *kernel_poll(struct kernel *k, uint64_t unique, int ms)
{
	struct pollfd pfd = {.fd = k->fd, .events = POLLIN};
	struct reply *r = take_early(k, unique);

	while (!r && poll(&pfd, 1, ms) == 1) {
		struct reply *got = malloc(sizeof(*got) + MESSAGE_MAX);
		struct fuse_out_header h;
		struct iovec iov[] = {{&h, sizeof(h)}, {got->body, MESSAGE_MAX}};
		ssize_t n = readv(k->fd, iov, 2);
		CHECK(n >= (ssize_t)sizeof(h));
		CHECK_INT(h.len, n);
		*got = (struct reply){.next = k->early, .unique = h.unique, .error = h.error};
		got->data = (struct slice){got->body, h.len - sizeof(h)};
		k->early = got;
		r = take_early(k, unique);
	}
	return r;
}

struct reply *kernel_wait(struct kernel *k, uint64_t unique)
{
	struct reply *r = kernel_poll(k, unique, PATIENCE_MS);

	CHECK(r);
	return r;
}

void kernel_error_is(struct kernel *k, uint64_t unique, int want)
{
	struct reply *r = kernel_wait(k, unique);

	CHECK_INT(r->error, want);
	free(r);
}

/* The answer's error, or `ok`. */
static int end(struct reply *r, int ok)
{
	int result = r->error ? r->error : ok;

	free(r);
	return result;
}

static int64_t lookup_one(struct kernel *k, uint64_t dir, const char *name)
{
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_LOOKUP, dir, NULL, 0, name, strlen(name) + 1));
	struct fuse_entry_out out;

	if (r->error)
		return end(r, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	return (int64_t)out.nodeid;
}

int64_t kernel_lookup(struct kernel *k, const char *path)
{
	char copy[256], *save;
	int64_t ino = FUSE_ROOT_ID;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, "/", &save); name && ino > 0; name = strtok_r(NULL, "/", &save))
		ino = lookup_one(k, (uint64_t)ino, name);
	return ino;
}

int64_t kernel_size(struct kernel *k, uint64_t ino)
{
	struct fuse_getattr_in in = {0};
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_GETATTR, ino, &in, sizeof(in), NULL, 0));
	struct fuse_attr_out out;

	if (r->error)
		return end(r, 0);
	memcpy(&out, r->body, sizeof(out));
	free(r);
	return (int64_t)out.attr.size;
}

void kernel_forget(struct kernel *k, uint64_t ino, uint64_t lookups)
{
	struct fuse_forget_in in = {.nlookup = lookups};

	kernel_send(k, FUSE_FORGET, ino, &in, sizeof(in), NULL, 0);
}

uint64_t kernel_send_open(struct kernel *k, uint64_t ino, int flags)
{
	struct fuse_open_in in = {.flags = (uint32_t)flags};

	return kernel_send(k, FUSE_OPEN, ino, &in, sizeof(in), NULL, 0);
}

static int cut(struct kernel *k, uint64_t ino)
{
	struct fuse_setattr_in in = {.valid = FATTR_SIZE};

	return end(kernel_wait(k, kernel_send(k, FUSE_SETATTR, ino, &in, sizeof(in), NULL, 0)), 0);
}

int kernel_open_once(struct kernel *k, uint64_t ino, int flags, uint64_t *ret_fh)
{
	struct reply *r = kernel_wait(k, kernel_send_open(k, ino, flags));
	struct fuse_open_out out;

	if (r->error)
		return end(r, 0);
	memcpy(&out, r->body, sizeof(out));
	*ret_fh = out.fh;
	return end(r, 0);
}

int kernel_open(struct kernel *k, uint64_t ino, int flags, uint64_t *ret_fh)
{
	struct reply *r = kernel_wait(k, kernel_send_open(k, ino, flags & ~O_TRUNC));
	struct fuse_open_out out;

	if (r->error == -ESTALE) {
		free(r);
		r = kernel_wait(k, kernel_send_open(k, ino, flags & ~O_TRUNC));
	}
	if (r->error)
		return end(r, 0);
	memcpy(&out, r->body, sizeof(out));
	CHECK(out.open_flags & FOPEN_DIRECT_IO);
	*ret_fh = out.fh;
	free(r);
	int error = flags & O_TRUNC ? cut(k, ino) : 0;
	if (error < 0)
		kernel_release(k, ino, out.fh);
	return error;
}

static int read_as(struct kernel *k, uint64_t ino, struct fuse_read_in in, char *data)
{
	struct reply *r = kernel_wait(k, kernel_send(k, FUSE_READ, ino, &in, sizeof(in), NULL, 0));

	if (!r->error)
		memcpy(data, r->data.data, r->data.len);
	return end(r, (int)r->data.len);
}

int kernel_read(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t off, char *data, size_t size)
{
	return read_as(k, ino,
		       (struct fuse_read_in){
			   .fh = fh,
			   .offset = off,
			   .size = (uint32_t)size,
			   .read_flags = FUSE_READ_LOCKOWNER,
			   .lock_owner = k->pid,
		       },
		       data);
}

int kernel_fill(struct kernel *k, uint64_t ino, uint64_t fh, uint64_t off, char *data, size_t size)
{
	return read_as(k, ino, (struct fuse_read_in){.fh = fh, .offset = off, .size = (uint32_t)size}, data);
}

uint64_t kernel_send_write(struct kernel *k, uint64_t ino, uint64_t fh, const char *data, size_t size)
{
	struct fuse_write_in in = {.fh = fh, .size = (uint32_t)size};

	return kernel_send(k, FUSE_WRITE, ino, &in, sizeof(in), data, size);
}

int kernel_write(struct kernel *k, uint64_t ino, uint64_t fh, const char *data, size_t size)
{
	struct reply *r = kernel_wait(k, kernel_send_write(k, ino, fh, data, size));
	struct fuse_write_out out = {0};

	if (!r->error)
		memcpy(&out, r->body, sizeof(out));
	return end(r, (int)out.size);
}

int kernel_flush(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_flush_in in = {.fh = fh};

	return end(kernel_wait(k, kernel_send(k, FUSE_FLUSH, ino, &in, sizeof(in), NULL, 0)), 0);
}

void kernel_release(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	CHECK_INT(end(kernel_wait(k, kernel_send(k, FUSE_RELEASE, ino, &in, sizeof(in), NULL, 0)), 0), 0);
}

void kernel_interrupt(struct kernel *k, uint64_t unique)
{
	struct fuse_interrupt_in in = {.unique = unique};

	kernel_send(k, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
}

char *kernel_cat(struct kernel *k, const char *path, int *ret_error)
{
	size_t chunk = 64u << 10, len = 0;
	char *text = NULL;
	uint64_t fh;
	int n;

	int64_t ino = kernel_lookup(k, path);
	*ret_error = ino < 0 ? (int)ino : kernel_open(k, (uint64_t)ino, O_RDONLY, &fh);
	if (*ret_error < 0)
		return NULL;
	do {
		text = realloc(text, len + chunk + 1);
		CHECK(text);
		n = kernel_read(k, (uint64_t)ino, fh, len, text + len, chunk);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	kernel_release(k, (uint64_t)ino, fh);
	*ret_error = n;
	text[len] = '\0';
	if (n < 0) {
		free(text);
		return NULL;
	}
	return text;
}

void kernel_cat_is(struct kernel *k, const char *path, const char *want)
{
	int error;
	char *text = kernel_cat(k, path, &error);

	CHECK_INT(error, 0);
	CHECK_STR(text, want);
	free(text);
}

int kernel_append(struct kernel *k, const char *text)
{
	int64_t ino = kernel_lookup(k, "events/app");
	uint64_t fh;

	CHECK(ino > 0);
	int r = kernel_open(k, (uint64_t)ino, O_WRONLY | O_APPEND, &fh);
	CHECK_INT(r, 0);
	int n = kernel_write(k, (uint64_t)ino, fh, text, strlen(text));
	r = kernel_flush(k, (uint64_t)ino, fh);
	kernel_release(k, (uint64_t)ino, fh);
	return n < 0 ? n : r;
}
