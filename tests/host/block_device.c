/* SPDX-License-Identifier: MIT */
/*
 * block_device.c: what disks.py wants done to a disk, in the guest; prints results.
 *
 *	share DEVICE		the disk read, written and mapped at once; stays as written at byte 8192
 *	excl DEVICE [COMMAND]	open with O_EXCL; run the command meanwhile
 *	flush DEVICE		BLKFLSBUF
 *	tell FILE N		write one byte at each of N descriptors, fsync each one twice
 *	sync FILE		write a byte through O_SYNC and O_DSYNC, and one before syncfs
 *	touch FILE PAGE...	read a byte of each page through a mapping: the byte, or SIGBUS
 *	hog MIB			a working set, read by a child and by the parent, who lives with SIGBUS
 *	run COMMAND...		one after the other, those with a + until they fail; it and the shell stay in memory
 *	late FILE		write a byte, wait until the flusher has tried, fsync twice
 *	store FILE		store to all pages through a mapping, msync twice
 */
#include "../guest/guest.h"

#include <sys/ioctl.h>

#define BLKFLSBUF_CMD 0x1261
#define O_DIRECT_FLAG 040000

static sigjmp_buf back;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static char *map(int fd, size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? (perror("mmap"), exit(1), NULL) : p;
}

static int share(const char *device)
{
	int fd = MUST(open(device, O_RDWR)), direct = MUST(open(device, O_RDWR | O_DIRECT_FLAG));
	char *p = map(fd, 4 * PAGE), *aligned = map(fd, 4 * PAGE), text[8] = "";

	MUST(pwrite(fd, "call", 4, 2 * PAGE));
	printf("mapping shows %.4s\n", p + 2 * PAGE);
	memcpy(p + 2 * PAGE, "STORE", 5);
	MUST(pread(fd, text, 5, 2 * PAGE));
	printf("call reads %s\n", text);
	SHOW(pread(direct, text, 5, 0));
	SHOW(pwrite(direct, aligned, 512, 1));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(pread(direct, p, 512, 2 * PAGE));
	printf("direct reads %.5s\n", p);
	memcpy(p, "direct", 6);
	SHOW(pwrite(direct, p, 512, 2 * PAGE));
	printf("mapping shows %.6s\n", aligned + 2 * PAGE);
	SHOW(msync(aligned, 4 * PAGE, MS_SYNC));
	SHOW(fsync(fd));
	return 0;
}

static int exclusive(const char *device, const char *command)
{
	int fd = open(device, O_RDONLY | O_EXCL);

	printf("O_EXCL: %s\n", fd < 0 ? errno_name(errno) : "ok");
	fflush(stdout);
	return command ? system(command) : 0;
}

static int tell(const char *file, int nr)
{
	int fd[16];

	for (int i = 0; i < nr; i++)
		fd[i] = MUST(open(file, O_RDWR));
	MUST(pwrite(fd[0], "x", 1, 0));
	for (int i = 0; i < nr; i++) {
		SHOW(fsync(fd[i]));
		SHOW(fsync(fd[i]));
	}
	return 0;
}

static int written_at_once(const char *file)
{
	SHOW(pwrite(MUST(open(file, O_WRONLY | O_SYNC)), "x", 1, 0));
	SHOW(pwrite(MUST(open(file, O_WRONLY | O_DSYNC)), "x", 1, 0));
	int fd = MUST(open(file, O_WRONLY));
	MUST(pwrite(fd, "x", 1, 0));
	SHOW(syncfs(fd));
	SHOW(syncfs(fd));
	return 0;
}

/* In a page that cannot be written: it stays as it was changed. */
static int late(const char *file)
{
	int fd = MUST(open(file, O_RDWR));
	char byte;

	MUST(pwrite(fd, "y", 1, 1));
	sleep(1);
	MUST(pread(fd, &byte, 1, 1));
	printf("read back %c\n", byte);
	SHOW(fsync(fd));
	SHOW(fsync(fd));
	return 0;
}

static int touch(const char *file, char **pages)
{
	int fd = MUST(open(file, O_RDONLY));
	struct stat st;

	MUST(fstat(fd, &st));
	volatile char *p = mmap(NULL, st.st_size ? st.st_size : 64 << 20, PROT_READ, MAP_SHARED, fd, 0);
	signal(SIGBUS, on_sigbus);
	for (; *pages; pages++) {
		if (sigsetjmp(back, 1))
			printf("page %s: SIGBUS\n", *pages);
		else
			printf("page %s: %c\n", *pages, p[atol(*pages) * PAGE]);
	}
	return 0;
}

static int store(const char *file)
{
	int fd = MUST(open(file, O_RDWR));
	struct stat st;
	char *p;

	MUST(fstat(fd, &st));
	p = map(fd, st.st_size);
	for (off_t at = 0; at < st.st_size; at += PAGE)
		p[at] = 's';
	SHOW(msync(p, st.st_size, MS_SYNC));
	SHOW(msync(p, st.st_size, MS_SYNC));
	SHOW(fsync(fd));
	for (off_t at = 0; at < st.st_size; at += PAGE)
		if (p[at] != 's')
			printf("lost at %ld\n", (long)at);
	return 0;
}

static unsigned long pattern(size_t page)
{
	return page * 0x9e3779b97f4a7c15ul + 1;
}

/* Read all pages; those that are SIGBUS are skipped. */
static int read_set(unsigned long *set, size_t pages)
{
	static volatile size_t page, wrong, lost;

	for (page = wrong = lost = 0; page < pages; page++) {
		if (sigsetjmp(back, 1))
			lost++;
		else
			wrong += set[page * PAGE / sizeof(*set)] != pattern(page);
	}
	signal(SIGBUS, SIG_DFL); /* where else a page is lost there is no way on: jumping back would be for ever */
	printf("wrong %zu, SIGBUS %zu\n", wrong, lost);
	return wrong || lost;
}

static int hog(size_t mib)
{
	size_t pages = (mib << 20) / PAGE;
	unsigned long *set = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int status;

	for (size_t page = 0; page < pages; page++)
		set[page * PAGE / sizeof(*set)] = pattern(page);
	pid_t child = MUST(fork());
	if (!child)
		_exit(read_set(set, pages));
	MUST(waitpid(child, &status, 0));
	show_status("child", status);
	signal(SIGBUS, on_sigbus);
	return read_set(set, pages);
}

/* A program of a tmpfs may go to swap as well. */
static void keep(const char *program)
{
	int fd = MUST(open(program, O_RDONLY));
	struct stat st;

	MUST(fstat(fd, &st));
	MUST((long)mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0)); /* locked: see run() */
	close(fd);
}

static int run(char **commands)
{
	int status = 0;

	MUST(mlockall(MCL_CURRENT | MCL_FUTURE));
	keep("/proc/self/exe");
	keep("/bin/busybox");
	for (; *commands; commands++)
		do
			status = system(*commands + (**commands == '+'));
		while (**commands == '+' && !status);
	return status != 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "share"))
		return share(argv[2]);
	if (!strcmp(what, "excl"))
		return exclusive(argv[2], argv[3]);
	if (!strcmp(what, "flush"))
		return SHOW(ioctl(open(argv[2], O_RDONLY), BLKFLSBUF_CMD)), 0;
	if (!strcmp(what, "tell"))
		return tell(argv[2], atoi(argv[3]));
	if (!strcmp(what, "touch"))
		return touch(argv[2], argv + 3);
	if (!strcmp(what, "run"))
		return run(argv + 2);
	if (!strcmp(what, "sync"))
		return written_at_once(argv[2]);
	if (!strcmp(what, "late"))
		return late(argv[2]);
	if (!strcmp(what, "hog"))
		return hog(atoi(argv[2]));
	if (!strcmp(what, "store"))
		return store(argv[2]);
	return 2;
}
