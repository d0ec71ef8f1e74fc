#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"

#include "check.h"
#include "simdisk.h"

static void check_replaced(struct simdisk *s, const char *want, const char * or)
{
	char *got;
	size_t len;

	CHECK(simdisk_content(s, "file", &got, &len));
	CHECK((len == strlen(want) && memcmp(got, want, len) == 0) ||
	      (len == strlen(or) && memcmp(got, or, len) == 0));
	free(got);
}

/* Whatever call fails, and wherever the power goes: the old content or the new one. */
static void test_replace(void)
{
	for (uint64_t n = 1; n < 12; n++) {
		for (uint64_t seed = 0; seed < 32; seed++) {
			struct simdisk s;
			simdisk_init(&s);
			simdisk_put(&s, "file", "old", 3);
			if (seed & 1) {
				s.fail_at = n;
				s.fail_error = -EIO;
			} else {
				s.stop_at = n;
			}
			bool done = disk_replace(&s.disk, -1, "file", "newer", 5, 0644) == 0;
			simdisk_reboot(&s, seed / 2);
			check_replaced(&s, "newer", done ? "newer" : "old");
			simdisk_deinit(&s);
		}
	}
}

static void test_short(void)
{
	struct simdisk s;
	size_t done;
	char got[8];

	simdisk_init(&s);
	int fd = s.disk.open(&s.disk, -1, "f", O_RDWR | O_CREAT, 0644);
	CHECK(fd >= 0);
	s.fail_at = 1;
	s.fail_error = 1;
	CHECK_INT(disk_pwrite_all(&s.disk, fd, "abcdef", 6, 0, &done), 0);
	CHECK_INT(done, 6);
	CHECK_INT(disk_pread_all(&s.disk, fd, got, 6, 0), 0);
	CHECK_MEM(got, 6, "abcdef", 6);
	CHECK_INT(disk_pread_all(&s.disk, fd, got, 7, 0), 1);
	s.room = 2;
	CHECK_INT(disk_pwrite_all(&s.disk, fd, "123456", 6, 6, &done), -ENOSPC);
	CHECK_INT(done, 2);
	s.disk.close(&s.disk, fd);
	simdisk_deinit(&s);
}

/* Longer than what is copied at a time, and onto another disk. */
static void test_copy(void)
{
	size_t len = (1u << 20) + 3;
	char *data auto_free = malloc(len), *got;
	struct simdisk a, b;

	CHECK(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i % 251);
	simdisk_init(&a);
	simdisk_init(&b);
	simdisk_put(&a, "f", data, len);
	int from = a.disk.open(&a.disk, -1, "f", O_RDONLY, 0);
	int to = b.disk.open(&b.disk, -1, "g", O_RDWR | O_CREAT, 0644);
	CHECK_INT(disk_copy(&a.disk, from, 1, len - 1, &b.disk, to, 0), 0);
	CHECK_INT(disk_copy(&a.disk, from, 0, 0, &b.disk, to, 0), 0);
	CHECK(simdisk_content(&b, "g", &got, &len));
	CHECK_MEM(got, len, data + 1, (1u << 20) + 2);
	free(got);
	CHECK_INT(disk_copy(&a.disk, from, 0, len + 2, &b.disk, to, 0), -EIO);
	a.disk.close(&a.disk, from);
	b.disk.close(&b.disk, to);
	simdisk_deinit(&a);
	simdisk_deinit(&b);
}

/* A name that leads to somebody else's file: that is neither cut nor given away. */
static void test_create(void)
{
	char dir[] = "/tmp/eventfold-disk-XXXXXX";
	struct disk *d = &disk_posix;
	struct stat st;

	CHECK(mkdtemp(dir));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK_INT(disk_replace(d, dirfd, "f", "one", 3, 0640), 0);
	int f = d->open(d, dirfd, "f", O_RDWR, 0);
	CHECK(fchmod(f, 0640) == 0 && linkat(dirfd, "f", dirfd, "new", 0) == 0);
	int fd = disk_create(d, dirfd, "new", 0600);
	CHECK(fd >= 0);
	CHECK_INT(d->size(d, f), 3);
	disk_resemble(fd, f);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0640 && st.st_nlink == 1);
	CHECK_INT(d->unlink(d, dirfd, "f"), 0);
	CHECK_INT(d->unlink(d, dirfd, "new"), 0);
	d->close(d, f);
	d->close(d, fd);
	close(dirfd);
	CHECK(rmdir(dir) == 0);
}

static void test_posix(void)
{
	char dir[] = "/tmp/eventfold-disk-XXXXXX", got[3];
	struct disk *d = &disk_posix;

	CHECK(mkdtemp(dir));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK_INT(disk_replace(d, dirfd, "f", "one", 3, 0600), 0);
	CHECK_INT(disk_replace(d, dirfd, "f", "two", 3, 0600), 0);
	int a = d->open(d, dirfd, "f", O_RDWR, 0), b = d->open(d, dirfd, "f", O_RDWR, 0);
	CHECK(fcntl(a, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(d->size(d, a), 3);
	CHECK_INT(disk_pread_all(d, a, got, 3, 0), 0);
	CHECK_MEM(got, 3, "two", 3);
	CHECK_INT(d->lock(d, a), 0);
	CHECK_INT(d->lock(d, b), 1);
	CHECK_INT(d->mkdir(d, dirfd, "sub", 0700), 0);
	CHECK_INT(d->mkdir(d, dirfd, "sub", 0700), 0);
	CHECK_INT(d->open(d, dirfd, "none", O_RDONLY, 0), -ENOENT);
	CHECK_INT(d->unlink(d, dirfd, "f"), 0);
	CHECK_INT(d->unlink(d, dirfd, ".f.tmp"), -ENOENT);
	d->close(d, a);
	d->close(d, b);
	CHECK(unlinkat(dirfd, "sub", AT_REMOVEDIR) == 0);
	close(dirfd);
	CHECK(rmdir(dir) == 0);
}

/* How often a file that is written to twice, and looked at in between, has an older time than that of the
 * second write. */
static unsigned count_older(int dirfd, bool looks)
{
	struct disk *d = &disk_posix;
	struct timespec before;
	struct disk_file file;
	uint64_t changed;
	unsigned older = 0;

	for (unsigned i = 0; i < 20; i++) {
		int fd = disk_create(d, dirfd, "f", 0600);
		CHECK_INT(d->pwrite(d, fd, "a", 1, 0), 1);
		if (looks) {
			CHECK_INT(d->size(d, fd), 1);
			CHECK_INT(d->look(d, dirfd, "f", &file), 0);
			CHECK_INT(file.size, 1);
		}
		clock_gettime(CLOCK_REALTIME, &before);
		CHECK_INT(d->pwrite(d, fd, "b", 1, 1), 1);
		CHECK_INT(d->changed(d, dirfd, "f", &changed), 0);
		older += changed < clock_to_ns(before);
		CHECK_INT(d->unlink(d, dirfd, "f"), 0);
		d->close(d, fd);
	}
	CHECK_INT(d->look(d, dirfd, "f", &file), -ENOENT);
	CHECK_INT(d->changed(d, dirfd, "f", &changed), -ENOENT);
	return older;
}

/* A file whose times somebody has asked for gets the very time of its next write, if the kernel can do that,
 * and else that of a tick before, or of the last time at which another file got its own. */
static void test_looking_asks_for_no_time(void)
{
	char dir[] = "/tmp/eventfold-disk-XXXXXX";

	CHECK(mkdtemp(dir));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	/* Some file systems have no others. */
	if (count_older(dirfd, false) > 10)
		CHECK(count_older(dirfd, true) > 5);
	close(dirfd);
	CHECK(rmdir(dir) == 0);
}

int main(void)
{
	test_posix();
	test_looking_asks_for_no_time();
	test_create();
	test_short();
	test_copy();
	test_replace();
	return 0;
}
