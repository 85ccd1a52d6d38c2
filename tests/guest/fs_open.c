/* SPDX-License-Identifier: MIT */
/*
 * open and its flags, read, write, lseek, truncate: O_CREAT, O_EXCL, O_TRUNC, O_APPEND,
 * O_DIRECTORY, O_NOFOLLOW, modes and umask; positions, holes, sizes; writes beyond the end;
 * EISDIR, ENOTDIR, ENOENT, EEXIST, ELOOP, EINVAL, EFBIG where Linux has them.
 */
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static void show_mode(const char *path)
{
	struct stat st;
	MUST(lstat(path, &st));
	printf("  %s: type %o mode %04o links %ld size %ld\n", path, st.st_mode & S_IFMT,
	       st.st_mode & 07777, (long)st.st_nlink, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

/* Opens, shows and closes. */
static void try_open(const char *what, const char *path, int flags, int mode)
{
	int fd = open(path, flags, mode);
	printf("%s: %s\n", what, fd == -1 ? errno_name(errno) : "ok");
	if (fd != -1)
		close(fd);
}

static void creating(void)
{
	umask(022);
	try_open("missing", "a", O_RDONLY, 0);
	try_open("O_CREAT", "a", O_RDONLY | O_CREAT, 0666);
	show_mode("a");
	try_open("O_CREAT again, other mode", "a", O_RDWR | O_CREAT, 0777);
	show_mode("a");
	try_open("O_CREAT|O_EXCL on it", "a", O_RDWR | O_CREAT | O_EXCL, 0666);
	umask(077);
	try_open("O_CREAT|O_EXCL, umask 077", "b", O_RDWR | O_CREAT | O_EXCL, 0777);
	show_mode("b");
	umask(0);
	try_open("setuid and sticky bits", "c", O_RDWR | O_CREAT, 07777);
	show_mode("c");
	SHOW(umask(01777));
	SHOW(umask(022));
	MUST(mkdir("d", 0777));
	show_mode("d");
	MUST(symlink("a", "link"));
	MUST(symlink("target", "dangling"));
	try_open("O_CREAT through a dangling link", "dangling", O_RDWR | O_CREAT, 0600);
	show_mode("target");
	try_open("O_EXCL on a link", "link", O_RDWR | O_CREAT | O_EXCL, 0600);
	try_open("O_NOFOLLOW on a link", "link", O_RDONLY | O_NOFOLLOW, 0);
	try_open("O_NOFOLLOW on a file", "a", O_RDONLY | O_NOFOLLOW, 0);
	try_open("O_DIRECTORY on a file", "a", O_RDONLY | O_DIRECTORY, 0);
	try_open("O_DIRECTORY on a directory", "d", O_RDONLY | O_DIRECTORY, 0);
	try_open("a directory for writing", "d", O_WRONLY, 0);
	try_open("a directory with O_CREAT", "d", O_RDONLY | O_CREAT, 0);
	try_open("a directory with O_TRUNC", "d", O_RDONLY | O_TRUNC, 0);
	try_open("creating below a file", "a/x", O_RDWR | O_CREAT, 0600);
	try_open("creating in a missing directory", "no/x", O_RDWR | O_CREAT, 0600);
	try_open("a name ending in a slash", "newdir/", O_RDWR | O_CREAT, 0600);
	try_open("a file with a slash behind", "a/", O_RDONLY, 0);
	try_open("a directory with a slash behind", "d/", O_RDONLY, 0);
	try_open("the empty path", "", O_RDONLY, 0);
	SHOW(open(BAD_POINTER, O_RDONLY));
}

static void show_file(const char *path)
{
	char text[64];
	int fd = MUST(open(path, O_RDONLY));
	ssize_t length = MUST(read(fd, text, sizeof(text)));
	printf("  %s: %ld bytes: ", path, (long)length);
	for (ssize_t i = 0; i < length; i++)
		putchar(text[i] ? text[i] : '0');
	printf("\n");
	close(fd);
}

static void reading_and_writing(void)
{
	char text[32];
	int fd = MUST(open("data", O_RDWR | O_CREAT, 0644));
	SHOW(write(fd, "0123456789", 10));
	SHOW(read(fd, text, 10));
	SHOW(lseek(fd, 4, SEEK_SET));
	SHOW(write(fd, "ab", 2));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(read(fd, text, 32));
	SHOW(lseek(fd, 5, SEEK_END));
	SHOW(read(fd, text, 32));
	SHOW(write(fd, "z", 1));
	show_file("data");
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, -100, SEEK_CUR));
	SHOW(lseek(fd, 0, 77));
	SHOW(lseek(fd, 1L << 62, SEEK_SET));
	SHOW(pread(fd, text, 3, 2));
	SHOW(pread(fd, text, 3, -1));
	SHOW(pwrite(fd, "P", 1, 0));
	SHOW(lseek(fd, 0, SEEK_SET));
	struct iovec vectors[] = { { "one", 3 }, { "", 0 }, { "two", 3 } };
	SHOW(writev(fd, vectors, 3));
	SHOW(writev(fd, vectors, 0));
	SHOW(syscall(SYS_writev, fd, vectors, -1));
	SHOW(writev(fd, BAD_POINTER, 2));
	vectors[1] = (struct iovec){ BAD_POINTER, 4 };
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(writev(fd, vectors, 3));
	show_file("data");
	SHOW(write(fd, BAD_POINTER, 4));
	SHOW(read(fd, BAD_POINTER, 4));
	SHOW(write(fd, NULL, 0));
	close(fd);
	fd = MUST(open("data", O_WRONLY | O_APPEND));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "+", 1));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	show_file("data");
	try_open("O_TRUNC", "data", O_WRONLY | O_TRUNC, 0);
	show_mode("data");
}

static void truncating(void)
{
	char block[PAGE];
	int fd = make_file("t", 3 * PAGE);
	SHOW(ftruncate(fd, PAGE + 10));
	show_mode("t");
	SHOW(ftruncate(fd, 2 * PAGE));
	SHOW(pread(fd, block, PAGE, PAGE));
	long zero = 0;
	for (unsigned i = 10; i < PAGE; i++)
		zero += block[i] == 0;
	printf("  bytes cut off and brought back are zero: %ld of %ld\n", zero, (long)PAGE - 10);
	SHOW(ftruncate(fd, -1));
	SHOW(truncate("t", 5));
	show_mode("t");
	SHOW(truncate("d", 0));
	SHOW(truncate("missing", 0));
	close(fd);
	fd = MUST(open("t", O_RDONLY));
	SHOW(ftruncate(fd, 0));
	close(fd);
}

static void holes(void)
{
	char block[64];
	struct stat st;
	int fd = MUST(open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0600));
	SHOW(pwrite(fd, "end", 3, 100 << 20));
	MUST(fstat(fd, &st));
	printf("  size %ld, takes less than 64 KiB: %s\n", (long)st.st_size, st.st_blocks < 128 ? "yes" : "no");
	SHOW(pread(fd, block, sizeof(block), 50 << 20));
	printf("  the hole reads %d\n", block[13]);
	SHOW(pread(fd, block, sizeof(block), 100 << 20));
	close(fd);
}

static void send_file(void)
{
	int from = make_file("from", 3 * PAGE), to = MUST(open("to", O_RDWR | O_CREAT, 0600));
	off_t offset = PAGE - 5;
	SHOW(sendfile(to, from, &offset, 2 * PAGE));
	printf("  offset now %ld\n", (long)offset);
	SHOW(lseek(from, 0, SEEK_CUR));
	SHOW(lseek(from, 0, SEEK_SET));
	SHOW(sendfile(to, from, NULL, 1 << 20));
	SHOW(sendfile(to, from, NULL, 10));
	char text[12];
	SHOW(pread(to, text, 10, 0));
	printf("  %.10s\n", text);
	close(from);
	close(to);
}

static void size_limit(void)
{
	struct rlimit limit, old;
	int fd = MUST(open("limited", O_RDWR | O_CREAT, 0600));
	char block[3000] = { 0 };
	MUST(getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = 5000;
	MUST(setrlimit(RLIMIT_FSIZE, &limit));
	signal(SIGXFSZ, SIG_IGN);
	SHOW(write(fd, block, 3000));
	SHOW(write(fd, block, 3000));
	SHOW(write(fd, block, 3000));
	SHOW(ftruncate(fd, 6000));
	MUST(setrlimit(RLIMIT_FSIZE, &old));
	close(fd);
}

int main(void)
{
	static const char *const files[] = { "a", "b", "c", "link", "dangling", "target", "data", "t",
					     "sparse", "from", "to", "limited" };
	scratch_enter();
	creating();
	reading_and_writing();
	truncating();
	holes();
	send_file();
	size_limit();
	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		MUST(unlink(files[i]));
	MUST(rmdir("d"));
	scratch_leave();
	return 0;
}
