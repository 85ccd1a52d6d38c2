/* SPDX-License-Identifier: MIT */
/*
 * What a file knows about itself: stat of each kind, chmod and its bits, utimensat with given
 * times, UTIME_NOW and UTIME_OMIT, how reading and writing move the times, access by the
 * real user, statfs of the file systems, device numbers, the special devices' behaviour.
 */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFCHR: return 'c';
	case S_IFIFO: return 'p';
	}
	return '?';
}

static void show_stat(const char *path)
{
	struct stat st;
	if (lstat(path, &st)) {
		printf("%s: %s\n", path, errno_name(errno));
		return;
	}
	printf("%s: %c %04o", path, type_letter(st.st_mode), st.st_mode & 07777);
	if (S_ISREG(st.st_mode))
		printf(" size %ld blocks %ld", (long)st.st_size, (long)st.st_blocks);
	if (S_ISCHR(st.st_mode))
		printf(" device %u:%u", major(st.st_rdev), minor(st.st_rdev));
	printf(" block size %ld\n", (long)st.st_blksize);
}

static void kinds(void)
{
	close(make_file("file", 5000));
	close(make_file("empty", 0));
	MUST(mkdir("dir", 0750));
	MUST(symlink("some target", "link"));
	show_stat("file");
	show_stat("empty");
	show_stat("dir");
	show_stat("link");
	show_stat("/dev/null");
	show_stat("/dev/zero");
	show_stat("/dev/full");
	show_stat("/dev/random");
	show_stat("/dev/urandom");
	show_stat("missing");
	struct stat st;
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, "file", BAD_POINTER, 0));
	SHOW(syscall(SYS_newfstatat, -1, "file", &st, 0));
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, "", &st, 0));
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, "file", &st, 0x40000));
	int fd = MUST(open("file", O_RDONLY));
	SHOW(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH));
	SHOW(syscall(SYS_newfstatat, fd, "x", &st, 0));
	SHOW((long)st.st_size);
	close(fd);
}

static void modes(void)
{
	static const mode_t modes[] = { 0, 0444, 0644, 04755, 01777, 0170777 };
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		struct stat st;
		int result = chmod("empty", modes[i]);
		MUST(stat("empty", &st));
		printf("chmod %07o: %d, now %06o\n", modes[i], result, st.st_mode);
	}
	SHOW(chmod("missing", 0600));
	SHOW(chmod("link", 0600));
	MUST(chmod("empty", 0644));
	SHOW(access("file", R_OK | W_OK));
	SHOW(access("file", X_OK));
	SHOW(access("dir", X_OK));
	SHOW(access("file", 8));
	SHOW(access("missing", F_OK));
	SHOW(access("file/x", F_OK));
	SHOW(access(BAD_POINTER, F_OK));
}

static void set_times(const char *what, long access_s, long access_ns, long modify_s, long modify_ns)
{
	struct timespec times[2] = { { access_s, access_ns }, { modify_s, modify_ns } };
	struct stat st, before;
	MUST(stat("file", &before));
	int result = utimensat(AT_FDCWD, "file", times, 0);
	printf("%s: %s", what, result ? errno_name(errno) : "0");
	MUST(stat("file", &st));
	if (access_ns < 1000000000)
		printf(" atime %ld.%09ld", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec);
	else
		printf(" atime %s", memcmp(&st.st_atim, &before.st_atim, sizeof(st.st_atim)) ? "changed" : "kept");
	if (modify_ns < 1000000000)
		printf(" mtime %ld.%09ld\n", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	else
		printf(" mtime %s\n", memcmp(&st.st_mtim, &before.st_mtim, sizeof(st.st_mtim)) ? "changed" : "kept");
}

static long long mtime(const char *path)
{
	struct stat st;
	MUST(stat(path, &st));
	return st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
}

static void times(void)
{
	set_times("given times", 1000000000, 5, 1234567890, 123456789);
	set_times("UTIME_OMIT", 0, UTIME_OMIT, 7, 8);
	set_times("UTIME_NOW", 9, 9, 0, UTIME_NOW);
	set_times("before 1970", -5, 1, -1, 0);
	set_times("bad nanoseconds", 1, 999999999, 1, -1);
	SHOW(utimensat(AT_FDCWD, "missing", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "file", NULL, 0));
	set_times("old", 1, 0, 1, 0);
	int fd = MUST(open("file", O_RDWR));
	long long old = mtime("file");
	char c;
	MUST(read(fd, &c, 1));
	printf("read moves mtime: %s\n", mtime("file") == old ? "no" : "yes");
	MUST(write(fd, "x", 1));
	printf("write moves mtime: %s\n", mtime("file") == old ? "no" : "yes");
	set_times("old again", 1, 0, 1, 0);
	MUST(ftruncate(fd, 100));
	printf("ftruncate moves mtime: %s\n", mtime("file") == old ? "no" : "yes");
	set_times("old again", 1, 0, 1, 0);
	MUST(chmod("file", 0600));
	printf("chmod moves mtime: %s\n", mtime("file") == old ? "no" : "yes");
	close(fd);
	struct timespec ancient[2] = { { 1, 0 }, { 1, 0 } };
	MUST(utimensat(AT_FDCWD, "dir", ancient, 0));
	old = mtime("dir");
	close(MUST(open("dir/new", O_CREAT | O_WRONLY, 0600)));
	printf("a new entry moves the directory's mtime: %s\n", mtime("dir") == old ? "no" : "yes");
	MUST(utimensat(AT_FDCWD, "dir", ancient, 0));
	MUST(unlink("dir/new"));
	printf("a removed one: %s\n", mtime("dir") == old ? "no" : "yes");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	printf("its time is the clock's: %s\n", labs((long)(mtime("dir") / 1000000000 - now.tv_sec)) <= 2 ? "yes" : "no");
}

static void file_systems(void)
{
	struct statfs fs;
	SHOW(statfs(".", &fs));
	printf("  type %#lx block size %ld name length %ld\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
	SHOW(statfs("/proc", &fs));
	printf("  type %#lx block size %ld name length %ld\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
	SHOW(statfs("missing", &fs));
	SHOW(syscall(SYS_statfs, ".", BAD_POINTER));
	struct stat here, proc, dev;
	MUST(stat(".", &here));
	MUST(stat("/proc", &proc));
	MUST(stat("/dev", &dev));
	printf("device numbers differ: %s\n", here.st_dev != proc.st_dev && proc.st_dev != dev.st_dev ? "yes" : "no");
	SHOW(rename("file", "/proc/file"));
	SHOW(open("/proc/version", O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static void devices(void)
{
	char block[64];
	int fd = MUST(open("/dev/null", O_RDWR));
	SHOW(read(fd, block, 10));
	SHOW(write(fd, block, 10));
	SHOW(write(fd, BAD_POINTER, 10)); /* not even looked at */
	SHOW(lseek(fd, 100, SEEK_SET));
	SHOW(ioctl(fd, TIOCGWINSZ, block));
	SHOW(ftruncate(fd, 0));
	close(fd);
	fd = MUST(open("/dev/zero", O_RDWR));
	memset(block, 1, sizeof(block));
	SHOW(read(fd, block, 64));
	printf("  %d %d\n", block[0], block[63]);
	SHOW(read(fd, BAD_POINTER, 10));
	SHOW(write(fd, block, 10));
	close(fd);
	fd = MUST(open("/dev/full", O_RDWR));
	SHOW(write(fd, block, 10));
	SHOW(read(fd, block, 10));
	close(fd);
	fd = MUST(open("/dev/urandom", O_RDWR));
	SHOW(read(fd, block, 64));
	char other[64];
	SHOW(read(fd, other, 64));
	printf("  two reads are %s\n", memcmp(block, other, 64) ? "different" : "equal");
	close(fd);
}

int main(void)
{
	umask(022);
	scratch_enter();
	kinds();
	modes();
	times();
	file_systems();
	devices();
	MUST(unlink("file"));
	MUST(unlink("empty"));
	MUST(unlink("link"));
	MUST(rmdir("dir"));
	scratch_leave();
	return 0;
}
