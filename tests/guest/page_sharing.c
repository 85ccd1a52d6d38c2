/* SPDX-License-Identifier: MIT */
/* guest: --swap 32M */
/*
 * What is private stays so: nobody sees what another process writes after a fork, and nothing is written to
 * what was opened for reading, whoever holds the page in between: pipes (vmsplice, splice, tee), the swap
 * cache, forced writes through /proc/self/mem, process_vm_writev, moved mappings. What CVEs of Linux taught:
 * CVE-2016-5195 (Dirty COW), 2020-29374 (vmsplice), 2022-0847 (Dirty Pipe), 2017-1000405, 2018-18281 (mremap),
 * 2019-5489 (mincore). Without swap, as perhaps on Linux, MADV_PAGEOUT does nothing and the output is the same.
 */
#include "guest.h"
#include <pthread.h>
#include <sys/uio.h>

#define SECRET "PARENT'S SECRET"
#define BEFORE "before the fork"
#define TEXT_SIZE sizeof(SECRET)

/* ---- Copy-on-write with references ------------------------------------------------------------- */

enum { PAGEOUT_BEFORE = 1, READ_BACK = 2, PAGEOUT_SHARED = 4, CHILD_READS = 8, MOVE = 16, PROTECT = 32, FREE_LAZILY = 64 };

struct pipes {
	int data[2], to_parent[2], to_child[2];
};

static void tell(int *ends)
{
	MUST(write(ends[1], "x", 1));
}

static void hear(int *ends)
{
	char c;
	MUST(read(ends[0], &c, 1));
}

/* The child keeps the page by a pipe alone, and looks into it after the parent has written. */
static int keep_by_pipe(struct pipes *pipes, char *p, int how)
{
	struct iovec iov = { p, TEXT_SIZE };
	char out[TEXT_SIZE] = "";
	if (how & CHILD_READS)
		(void)*(volatile char *)p;
	MUST(vmsplice(pipes->data[1], &iov, 1, 0));
	MUST(munmap(p, PAGE));
	tell(pipes->to_parent);
	hear(pipes->to_child);
	MUST(read(pipes->data[0], out, TEXT_SIZE));
	printf("the child reads \"%s\"\n", out);
	return 0;
}

static void write_after_fork(int how, const char *what)
{
	struct pipes pipes;
	char *p = map_anon(PAGE, PROT_READ | PROT_WRITE);
	printf("%s: ", what);
	fflush(stdout);
	strcpy(p, BEFORE);
	MUST(pipe(pipes.data));
	MUST(pipe(pipes.to_parent));
	MUST(pipe(pipes.to_child));
	if (how & PAGEOUT_BEFORE)
		madvise(p, PAGE, MADV_PAGEOUT);
	if (how & READ_BACK)
		(void)*(volatile char *)p;
	pid_t pid = MUST(fork());
	if (!pid) {
		if (how & PAGEOUT_SHARED)
			madvise(p, PAGE, MADV_PAGEOUT);
		int status = keep_by_pipe(&pipes, p, how);
		fflush(stdout);
		_exit(status);
	}
	hear(pipes.to_parent);
	if (how & MOVE) {
		char *to = map_anon(PAGE, PROT_NONE);
		p = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	}
	if (how & PROTECT) {
		MUST(mprotect(p, PAGE, PROT_READ));
		MUST(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	}
	if (how & FREE_LAZILY)
		MUST(madvise(p, PAGE, MADV_FREE));
	strcpy(p, SECRET);
	tell(pipes.to_child);
	wait_for(pid);
	for (int i = 0; i < 2; i++)
		close(pipes.data[i]), close(pipes.to_parent[i]), close(pipes.to_child[i]);
	munmap(p, PAGE);
}

static void kept_pages(void)
{
	write_after_fork(0, "plain");
	write_after_fork(PAGEOUT_BEFORE, "swapped before");
	write_after_fork(PAGEOUT_BEFORE | READ_BACK, "swapped and read back");
	write_after_fork(PAGEOUT_BEFORE | CHILD_READS, "swapped, read by the child first");
	write_after_fork(PAGEOUT_SHARED, "swapped by the child");
	write_after_fork(PAGEOUT_SHARED | CHILD_READS, "swapped by the child and read");
	write_after_fork(MOVE, "moved");
	write_after_fork(PAGEOUT_BEFORE | READ_BACK | MOVE, "swapped, read back and moved");
	write_after_fork(PROTECT, "protected and not");
	write_after_fork(PAGEOUT_BEFORE | READ_BACK | PROTECT, "swapped, read back, protected and not");
	write_after_fork(PAGEOUT_BEFORE | READ_BACK | FREE_LAZILY, "swapped, read back, freed lazily");
}

/* Writes that come from outside: into whose page do they go? */
static void written_from_outside(void)
{
	char *p = map_anon(PAGE, PROT_READ | PROT_WRITE), text[TEXT_SIZE] = SECRET;
	int to_child[2], mem = MUST(open("/proc/self/mem", O_RDWR));
	struct iovec local = { text, TEXT_SIZE }, remote = { p, TEXT_SIZE };
	for (int way = 0; way < 3; way++) {
		strcpy(p, BEFORE);
		MUST(pipe(to_child));
		pid_t pid = MUST(fork());
		if (!pid) {
			hear(to_child);
			printf("written from outside, way %d: the child has \"%s\"\n", way, p);
			_exit(0);
		}
		if (way == 0)
			MUST(syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0));
		else if (way == 1)
			MUST(pwrite(mem, text, TEXT_SIZE, (off_t)(uintptr_t)p));
		else {
			MUST(mprotect(p, PAGE, PROT_READ));
			MUST(pwrite(mem, text, TEXT_SIZE, (off_t)(uintptr_t)p));
			MUST(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
		}
		printf("the parent has \"%s\"\n", p);
		tell(to_child);
		wait_for(pid);
		close(to_child[0]), close(to_child[1]);
	}
	close(mem);
	munmap(p, PAGE);
}

/* ---- Files opened for reading -------------------------------------------------------------------- */

static char name[] = "/tmp/sharedXXXXXX";
static int writer;

static int read_only_file(void)
{
	char page[PAGE];
	memset(page, 'f', PAGE);
	writer = MUST(mkstemp(name));
	MUST(write(writer, page, PAGE));
	return MUST(open(name, O_RDONLY));
}

static const char *contents(void)
{
	char page[PAGE];
	MUST(pread(writer, page, PAGE, 0));
	for (unsigned i = 0; i < PAGE; i++)
		if (page[i] != 'f')
			return "CHANGED";
	return "unchanged";
}

static volatile int stop;
static char *raced;

static void *drop_it(void *unused)
{
	while (!stop)
		madvise(raced, PAGE, MADV_DONTNEED);
	return unused;
}

/* Dirty COW: forced writes to a private mapping, which another thread drops all the time. */
static void forced_writes(int fd)
{
	pthread_t thread;
	int mem = MUST(open("/proc/self/mem", O_RDWR));
	raced = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	MUST(pthread_create(&thread, NULL, drop_it, NULL) ? -1 : 0);
	for (int i = 0; i < 3000; i++) {
		MUST(pwrite(mem, "x", 1, (off_t)(uintptr_t)raced));
		if (i % 100 == 0)
			sched_yield();
	}
	stop = 1;
	pthread_join(thread, NULL);
	close(mem);
	munmap(raced, PAGE);
	printf("a file after forced writes to a private mapping: %s\n", contents());
}

/* The mapping of a file opened for reading: shared, it cannot be written to, by force neither. */
static void shared_mapping(int fd)
{
	int mem = MUST(open("/proc/self/mem", O_RDWR));
	char *p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	struct iovec local = { SECRET, 4 }, remote = { p, 4 };
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	SHOW(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	SHOW(pwrite(mem, "x", 1, (off_t)(uintptr_t)p));
	SHOW(syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0));
	SHOW(read(open("/dev/zero", O_RDONLY), p, 1));
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	munmap(p, PAGE);
	close(mem);
	printf("a file after attempts on a shared mapping: %s\n", contents());
}

/* Dirty Pipe: what is written to a pipe behind a file's page does not go into the page. */
static void behind_spliced_page(int fd)
{
	int fds[2], copy[2];
	char buf[3 * PAGE];
	loff_t zero = 0;
	MUST(pipe(fds));
	MUST(pipe(copy));
	for (int i = 0; i < 16; i++) /* every slot has been one that can be appended to */
		MUST(write(fds[1], buf, PAGE));
	for (int i = 0; i < 16; i++)
		MUST(read(fds[0], buf, PAGE));
	MUST(splice(fd, &zero, fds[1], NULL, 1, 0));
	MUST(write(fds[1], "dirty", 5));
	SHOW(tee(fds[0], copy[1], PAGE, 0));
	MUST(write(fds[1], "more", 4));
	MUST(write(copy[1], "other", 5));
	SHOW(read(fds[0], buf, sizeof(buf)));
	printf("  the pipe had \"%.10s\"\n", buf);
	memset(buf, 0, sizeof(buf));
	SHOW(read(copy[0], buf, sizeof(buf)));
	printf("  the copy had \"%.11s\"\n", buf);
	printf("a file after splice and write to the pipe: %s\n", contents());
	for (int i = 0; i < 2; i++)
		close(fds[i]), close(copy[i]);
}

/* Nor does it go into a user's page that was put there, nor into a buffer that tee() shared. */
static void behind_other_pages(void)
{
	int fds[2], copy[2];
	char *p = map_anon(PAGE, PROT_READ | PROT_WRITE), buf[64] = "";
	struct iovec iov = { p, 4 };
	MUST(pipe(fds));
	MUST(pipe(copy));
	strcpy(p, "user's page");
	MUST(vmsplice(fds[1], &iov, 1, 0));
	MUST(write(fds[1], "XXXX", 4));
	printf("the user's page: %s\n", p);
	MUST(read(fds[0], buf, 8));
	MUST(write(fds[1], "first", 5));
	SHOW(tee(fds[0], copy[1], 5, 0));
	MUST(write(copy[1], "SECOND", 6));
	MUST(write(fds[1], "third", 5));
	memset(buf, 0, sizeof(buf));
	MUST(read(fds[0], buf, sizeof(buf)));
	printf("the pipe: %s\n", buf);
	memset(buf, 0, sizeof(buf));
	MUST(read(copy[0], buf, sizeof(buf)));
	printf("its copy: %s\n", buf);
}

/* mincore() tells whoever has nothing to do with a file that all of it is in memory. */
static int others_file(void *argument)
{
	int fd = *(int *)argument;
	unsigned char mine[4] = { 9, 9, 9, 9 }, vec[4] = { 9, 9, 9, 9 };
	MUST(setresgid(4000, 4000, 4000));
	MUST(setresuid(4000, 4000, 4000));
	char *p = MUST(mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0)), *a = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	a[PAGE] = 1;
	SHOW(mincore(p, 4 * PAGE, vec));
	SHOW(mincore(a, 4 * PAGE, mine));
	printf("another user's file: %d%d%d%d, own memory: %d%d%d%d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1,
	       mine[0] & 1, mine[1] & 1, mine[2] & 1, mine[3] & 1);
	return 0;
}

static void residency(int fd)
{
	unsigned char vec[4];
	MUST(ftruncate(writer, 4 * PAGE)); /* holes: nobody has read them */
	MUST(fchmod(writer, 0644));
	char *p = MUST(mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	MUST(mincore(p, 4 * PAGE, vec));
	printf("root's file, to root: %d%d%d%d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1);
	run_child(others_file, &fd);
}

int main(void)
{
	mkdir("/tmp", 01777);
	kept_pages();
	written_from_outside();
	int fd = read_only_file();
	forced_writes(fd);
	shared_mapping(fd);
	behind_spliced_page(fd);
	behind_other_pages();
	residency(fd);
	unlink(name);
	return 0;
}
