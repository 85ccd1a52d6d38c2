/* SPDX-License-Identifier: MIT */
/* proves: AS-68 AS-74 */
/*
 * What is in files: sparse ones, truncation to every side of a page, holes punched and
 * sought, append, vectors, copies from file to file, sealed memfds, files without names,
 * and every error of these calls.
 */
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>

static char buffer[4 * PAGE];

/* Where the bytes of a file are not zero, as ranges. */
static void show_contents(int fd)
{
	struct stat st;
	long start = -1, at = 0, n;
	MUST(fstat(fd, &st));
	printf("  %ld bytes:", (long)st.st_size);
	while ((n = pread(fd, buffer, PAGE, at)) > 0) {
		for (long i = 0; i < n; i++) {
			if (buffer[i] && start < 0)
				start = at + i;
			if (!buffer[i] && start >= 0) {
				printf(" %ld-%ld", start, at + i);
				start = -1;
			}
		}
		at += n;
	}
	if (start >= 0)
		printf(" %ld-%ld", start, at);
	printf("\n");
}

static int new_file(const char *name)
{
	return MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
}

static void sparse(void)
{
	int fd = new_file("sparse");
	memset(buffer, 'x', sizeof(buffer));
	SHOW(pwrite(fd, buffer, 10, 3 * PAGE + 5));
	show_contents(fd);
	SHOW(lseek(fd, 100, SEEK_END));
	SHOW(write(fd, buffer, 1));
	show_contents(fd);
	SHOW(ftruncate(fd, 3 * PAGE + 8));
	show_contents(fd);
	SHOW(ftruncate(fd, 5 * PAGE));
	show_contents(fd);
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 4 * PAGE, SEEK_DATA));
	SHOW(lseek(fd, 3 * PAGE, SEEK_HOLE));
	SHOW(lseek(fd, 5 * PAGE, SEEK_HOLE));
	SHOW(ftruncate(fd, 1L << 43));
	SHOW(lseek(fd, 5 * PAGE, SEEK_DATA)); /* at once, though so much is hole */
	SHOW(pwrite(fd, buffer, 1, (1L << 43) - PAGE));
	SHOW(lseek(fd, 5 * PAGE, SEEK_DATA) == (1L << 43) - (long)PAGE);
	SHOW(lseek(fd, LONG_MAX, SEEK_CUR));
	SHOW(ftruncate(fd, 5 * PAGE));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, -1, SEEK_DATA));
	SHOW(lseek(fd, 0, 9));
	SHOW(ftruncate(fd, -1));
	SHOW(truncate("sparse", 10));
	SHOW(truncate("missing", 10));
	SHOW(truncate(".", 10));
	SHOW(pwrite(fd, buffer, 1, -1));
	SHOW(pread(fd, buffer, 1, -1));
	close(fd);
	fd = MUST(open("sparse", O_RDONLY));
	SHOW(ftruncate(fd, 1));
	SHOW(write(fd, buffer, 1));
	close(fd);
}

static void punching(void)
{
	int fd = new_file("punched");
	memset(buffer, 'p', sizeof(buffer));
	MUST(write(fd, buffer, sizeof(buffer)));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 2 * PAGE));
	show_contents(fd);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 20, 10));
	show_contents(fd);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	SHOW(fallocate(fd, 0, 3 * PAGE, 2 * PAGE));
	show_contents(fd);
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * PAGE, PAGE));
	show_contents(fd);
	SHOW(fallocate(fd, 0, -1, 10));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(99, 0, 0, 1));
	close(fd);
	fd = MUST(open("punched", O_RDONLY));
	SHOW(fallocate(fd, 0, 0, 1));
	close(fd);
}

static void appending(void)
{
	int fd = MUST(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600)), other;
	SHOW(write(fd, "one", 3));
	other = MUST(open("log", O_RDWR));
	SHOW(pwrite(other, "two", 3, 3));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "three", 5));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(read(other, buffer, 100));
	printf("  %.11s\n", buffer);
	SHOW(fcntl(other, F_SETFL, O_APPEND));
	SHOW(lseek(other, 2, SEEK_SET));
	SHOW(write(other, "!", 1));
	SHOW(lseek(other, 0, SEEK_CUR));
	close(other);
	close(fd);
}

static void vectors(void)
{
	int fd = new_file("vectors");
	char a[3], b[5];
	struct iovec out[] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
	struct iovec in[] = { { a, 3 }, { b, 5 } };
	struct iovec bad[] = { { "xyz", 3 }, { BAD_POINTER, 4 } };
	struct iovec huge[] = { { a, (size_t)-1 } };
	SHOW(writev(fd, out, 3));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(readv(fd, in, 2));
	printf("  %.3s %.5s\n", a, b);
	SHOW(preadv(fd, in, 2, 5));
	printf("  %.3s\n", a);
	SHOW(pwritev(fd, out, 3, 100));
	SHOW(writev(fd, bad, 2));
	SHOW(writev(fd, huge, 1));
	SHOW(syscall(SYS_writev, fd, out, -1));
	SHOW(syscall(SYS_writev, fd, out, 1025));
	SHOW(writev(fd, NULL, 0));
	SHOW(readv(fd, BAD_POINTER, 1));
	show_contents(fd);
	close(fd);
}

static void copies(void)
{
	int from = new_file("from"), to = new_file("to"), fds[2];
	off_t pos = 2;
	loff_t in = 1, out = 4;
	MUST(write(from, "0123456789", 10));
	SHOW(sendfile(to, from, &pos, 5));
	printf("  pos %ld, positions %ld %ld\n", (long)pos, (long)lseek(from, 0, SEEK_CUR), (long)lseek(to, 0, SEEK_CUR));
	SHOW(lseek(from, 0, SEEK_SET));
	SHOW(sendfile(to, from, NULL, 100));
	SHOW(sendfile(to, from, NULL, 100));
	MUST(lseek(to, 0, SEEK_SET));
	SHOW(read(to, buffer, 100));
	printf("  %.15s\n", buffer);
	SHOW(copy_file_range(from, &in, to, &out, 3, 0));
	printf("  in %ld out %ld\n", (long)in, (long)out);
	MUST(lseek(to, 0, SEEK_SET));
	SHOW(read(to, buffer, 100));
	printf("  %.15s\n", buffer);
	SHOW(copy_file_range(from, NULL, to, NULL, 3, 1));
	SHOW(copy_file_range(99, NULL, to, NULL, 3, 0));
	SHOW(sendfile(99, from, NULL, 1));
	SHOW(sendfile(to, 99, NULL, 1));
	MUST(pipe(fds));
	SHOW(lseek(from, 0, SEEK_SET));
	SHOW(sendfile(fds[1], from, NULL, 4));
	SHOW(read(fds[0], buffer, 100));
	SHOW(copy_file_range(fds[0], NULL, to, NULL, 3, 0));
	close(fds[0]);
	close(fds[1]);
	close(from);
	SHOW(sendfile(to, from, NULL, 1));
	close(to);
}

static void nameless(void)
{
	int fd = MUST(memfd_create("secret", MFD_ALLOW_SEALING | MFD_CLOEXEC)), again;
	char path[64], target[64] = "";
	void *map;
	SHOW(write(fd, "data", 4));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(readlink(path, target, sizeof(target) - 1));
	printf("  %s\n", target);
	again = MUST(open(path, O_RDWR));
	SHOW(read(again, buffer, 10));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(ftruncate(fd, 100));
	SHOW(pwrite(fd, "x", 1, 50));
	SHOW(ftruncate(fd, 2));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(fd, 1));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	MUST(munmap(map, PAGE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(pwrite(fd, "x", 1, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(fd, F_GET_SEALS));
	close(again);
	close(fd);
	SHOW(memfd_create("x", 0x1000));
	SHOW(memfd_create(BAD_POINTER, 0));
	fd = MUST(open(".", O_TMPFILE | O_RDWR, 0600));
	SHOW(write(fd, "tmp", 3));
	SHOW(pread(fd, buffer, 10, 0));
	struct stat st;
	MUST(fstat(fd, &st));
	printf("  links %ld mode %o\n", (long)st.st_nlink, st.st_mode);
	close(fd);
	SHOW(open(".", O_TMPFILE | O_RDONLY, 0600));
}

static void unlinked(void)
{
	int fd = new_file("gone"), other;
	MUST(write(fd, "still here", 10));
	MUST(unlink("gone"));
	SHOW(open("gone", O_RDONLY));
	SHOW(pread(fd, buffer, 100, 0));
	other = new_file("gone");
	MUST(write(other, "new", 3));
	SHOW(pread(fd, buffer, 100, 0));
	printf("  %.10s\n", buffer);
	close(other);
	close(fd);
}

int main(void)
{
	static const char *const names[] = { "sparse", "punched", "log", "vectors", "from", "to", "gone" };
	scratch_enter();
	sparse();
	punching();
	appending();
	vectors();
	copies();
	nameless();
	unlinked();
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		MUST(unlink(names[i]));
	scratch_leave();
	return 0;
}
