/* power_disk IMAGE TRACE FILE: FILE becomes a disk with the content of IMAGE, for a loop device to be put on.
 * All that it is sent goes to IMAGE and, before it is answered, to TRACE, in order: what IMAGE was and any
 * part of TRACE make the disk as a power cut would have left it there.
 *
 * A record of TRACE is two numbers of eight bytes, in the machine's order, offset and length, and so many
 * bytes; a flush has the offset UINT64_MAX and none. Everything of the records before a flush is on the disk
 * for good once it is there.
 *
 * Prints "ready" once FILE is the disk, and ends with 0 when it is unmounted. */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct power_disk {
	int image, trace;
};

static struct power_disk *disk_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* A moment in the middle of a record is one before it: who waits for it has not been answered. */
static int note(struct power_disk *d, uint64_t off, const char *data, uint64_t len)
{
	struct iovec parts[] = {{&off, sizeof(off)}, {&len, sizeof(len)}, {(char *)data, len}};

	ssize_t n = writev(d->trace, parts, 3);
	return n == (ssize_t)(sizeof(off) + sizeof(len) + len) ? 0 : EIO;
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = 1 << 20;
	puts("ready");
	fflush(stdout);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (fstat(disk_of(req)->image, &st) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	st.st_ino = ino;
	st.st_nlink = 1;
	fuse_reply_attr(req, &st, 3600);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	(void)ino, (void)fi;
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = disk_of(req)->image;
	buf.buf[0].pos = off;
	fuse_reply_data(req, &buf, 0);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct power_disk *d = disk_of(req);

	(void)ino, (void)fi;
	int r = note(d, (uint64_t)off, data, size);
	if (r == 0 && pwrite(d->image, data, size, off) != (ssize_t)size)
		r = EIO;
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_write(req, size);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	fuse_reply_err(req, note(disk_of(req), UINT64_MAX, NULL, 0));
}

static const struct fuse_lowlevel_ops ops = {
    .init = on_init,
    .getattr = on_getattr,
    .read = on_read,
    .write = on_write,
    .fsync = on_fsync,
};

int main(int argc, char *argv[])
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	if (argc != 4) {
		fprintf(stderr, "usage: power_disk IMAGE TRACE FILE\n");
		return 2;
	}
	struct power_disk d = {
	    .image = open(argv[1], O_RDWR | O_CLOEXEC),
	    .trace = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600),
	};
	if (d.image < 0 || d.trace < 0) {
		perror("power_disk");
		return 1;
	}
	/* Memory that it asks for must not be got by writing to the file system above it. */
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof(ops), &d);
	if (!se || fuse_set_signal_handlers(se) < 0 || fuse_session_mount(se, argv[3]) < 0)
		return 1;
	int r = fuse_session_loop(se);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return r != 0;
}
