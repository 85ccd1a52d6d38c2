/* SPDX-License-Identifier: MIT */
/*
 * What writes files back, and says what will be read: sync, syncfs, fsync, fdatasync,
 * sync_file_range, msync, posix_fadvise, readahead: results and errors, on files, pipes, directories,
 * closed descriptors. What is stored through a mapping is what read gives, before and after.
 */
#include "guest.h"

#include <sys/syscall.h>

static void on_a_file(void)
{
	int fd = MUST(open("data", O_RDWR | O_CREAT | O_TRUNC, 0600));
	char text[8] = "";

	MUST(write(fd, "hello", 5));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(syscall(SYS_syncfs, fd));
	SHOW(sync_file_range(fd, 0, 0, 7));
	SHOW(sync_file_range(fd, 1, 2, SYNC_FILE_RANGE_WRITE));
	SHOW(sync_file_range(fd, 0, 0, 8));
	SHOW(sync_file_range(fd, -1, 0, 2));
	for (int advice = 0; advice <= 6; advice++)
		printf("fadvise %d: %d\n", advice, posix_fadvise(fd, 0, 0, advice));
	printf("fadvise, negative length: %d\n", posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
	SHOW(readahead(fd, 0, 100000));
	SHOW(readahead(fd, 1 << 30, 100));
	MUST(pread(fd, text, 5, 0));
	printf("still there: %s\n", text);

	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'J';
	SHOW(msync(p, PAGE, MS_SYNC));
	p[1] = 'E';
	SHOW(msync(p, PAGE, MS_ASYNC));
	SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(p + 1, PAGE, MS_SYNC));
	SHOW(madvise(p, PAGE, MADV_WILLNEED));
	MUST(pread(fd, text, 5, 0));
	printf("through the mapping: %s\n", text);
	MUST(munmap(p, PAGE));
	SHOW(msync(p, PAGE, MS_SYNC));
	close(fd);
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(sync_file_range(fd, 0, 0, 7));
	SHOW(readahead(fd, 0, 1));
	printf("fadvise, closed: %d\n", posix_fadvise(fd, 0, 0, 0));
}

static void on_other_things(void)
{
	int ends[2], dir = MUST(open(".", O_RDONLY | O_DIRECTORY)), wo = MUST(open("data", O_WRONLY));

	MUST(pipe(ends));
	SHOW(fsync(ends[0]));
	SHOW(fdatasync(ends[1]));
	SHOW(sync_file_range(ends[0], 0, 0, 0));
	printf("fadvise, pipe: %d\n", posix_fadvise(ends[0], 0, 0, 0));
	SHOW(readahead(ends[0], 0, 1));
	SHOW(fsync(dir));
	SHOW(readahead(dir, 0, 1));
	SHOW(readahead(wo, 0, 1));
	SHOW(fsync(wo));
	sync();
	printf("synced\n");
	MUST(unlink("data"));
}

int main(void)
{
	on_a_file();
	on_other_things();
	return 0;
}
