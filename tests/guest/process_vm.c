/* SPDX-License-Identifier: MIT */
/*
 * process_vm_readv and process_vm_writev: own and a child's memory, vectors of odd pieces,
 * what is missing on either side in the middle, the errors; remap_file_pages on shared
 * mappings; membarrier's commands.
 */
#include "guest.h"
/* linux/membarrier.h, which musl-gcc does not see */
enum {
	MEMBARRIER_CMD_QUERY = 0, MEMBARRIER_CMD_GLOBAL = 1, MEMBARRIER_CMD_GLOBAL_EXPEDITED = 2,
	MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 4, MEMBARRIER_CMD_PRIVATE_EXPEDITED = 8,
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 16, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 32,
};
#include <sys/uio.h>

static long transfer(int call, pid_t pid, const struct iovec *l, unsigned long nl, const struct iovec *r,
		     unsigned long nr, unsigned long flags)
{
	return syscall(call, pid, l, nl, r, nr, flags);
}

static void odd_pieces(pid_t pid, char *remote, char *local, int call)
{
	struct iovec l[3] = { { local, 100 }, { local + 300, 5000 }, { local + 9000, 3000 } };
	struct iovec r[4] = { { remote + 50, 4000 }, { remote + 5000, 1 }, { NULL, 0 }, { remote + 6000, 9000 } };
	unsigned long sum = 0;

	SHOW(transfer(call, pid, l, 3, r, 4, 0));
	for (int i = 0; i < 16384; i++)
		sum = sum * 31 + (unsigned char)local[i];
	printf("local sum %lx\n", sum);
}

static void with_child(void)
{
	char *shared = map_anon(4 * PAGE, PROT_READ | PROT_WRITE), *local = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	int ready[2], done[2];
	char byte = 0;
	pid_t pid;

	for (unsigned i = 0; i < 4 * PAGE; i++)
		shared[i] = (char)(i * 7 + i / 256);
	MUST(pipe(ready));
	MUST(pipe(done));
	fflush(stdout);
	pid = MUST(fork());
	if (!pid) {
		unsigned long sum = 0;

		for (unsigned i = 0; i < 4 * PAGE; i++)
			shared[i] ^= 0x55; /* its own copies */
		MUST(write(ready[1], "r", 1));
		MUST(read(done[0], &byte, 1));
		for (unsigned i = 0; i < 4 * PAGE; i++)
			sum = sum * 31 + (unsigned char)shared[i];
		printf("child's sum %lx\n", sum);
		fflush(stdout);
		_exit(0);
	}
	MUST(read(ready[0], &byte, 1));
	odd_pieces(pid, shared, local, SYS_process_vm_readv);
	printf("parent's own is %s\n", shared[1] == (char)7 ? "untouched" : "changed");
	memset(local, 'w', 4 * PAGE);
	odd_pieces(pid, shared, local, SYS_process_vm_writev);
	MUST(write(done[1], "d", 1));
	MUST(waitpid(pid, NULL, 0));
	SHOW(transfer(SYS_process_vm_readv, pid, &(struct iovec){ local, 10 }, 1, &(struct iovec){ shared, 10 }, 1, 0));
}

static void missing_in_the_middle(void)
{
	char *a = map_anon(6 * PAGE, PROT_READ | PROT_WRITE), *b = map_anon(6 * PAGE, PROT_READ | PROT_WRITE);
	pid_t me = getpid();
	struct iovec l = { a, 6 * PAGE }, r = { b, 6 * PAGE };

	memset(b, 'b', 6 * PAGE);
	MUST(mprotect(b + 3 * PAGE, PAGE, PROT_NONE));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &(struct iovec){ b + 3 * PAGE, 10 }, 1, 0));
	MUST(mprotect(b + 3 * PAGE, PAGE, PROT_READ));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_writev, me, &l, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &(struct iovec){ (void *)0x7ffffffff000, 10 }, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &(struct iovec){ (void *)0xffffffff81000000, 10 }, 1, 0));
}

static void errors(void)
{
	char a[16] = "0123456789", b[16];
	struct iovec l = { b, 10 }, r = { a, 10 }, bad = { b, (size_t)-1 };
	pid_t me = getpid();

	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 1, 1));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1025, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 1025, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 0, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 0, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &bad, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &bad, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, BAD_POINTER, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, BAD_POINTER, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, -1, &l, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, 0x3fffff, &l, 1, &r, 1, 0));
	SHOW(transfer(SYS_process_vm_readv, me, &l, 1, &r, 1, 0));
	printf("%.10s\n", b);
}

static long remap(void *p, size_t size, int prot, size_t pgoff, int flags)
{
	return syscall(SYS_remap_file_pages, p, size, prot, pgoff, flags);
}

static void remapping(void)
{
	int fd = MUST(memfd_create("pages", 0));
	char *p, *private;

	MUST(ftruncate(fd, 8 * PAGE));
	p = MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	private = MUST(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	for (int i = 0; i < 8; i++)
		p[i * PAGE] = (char)('a' + i);
	for (int i = 0; i < 8; i++)
		SHOW(remap(p + i * PAGE, PAGE, 0, 7 - i, 0));
	for (int i = 0; i < 8; i++)
		putchar(p[i * PAGE]);
	p[0] = 'H'; /* page 7 of the file */
	MUST(pread(fd, private, 1, 7 * PAGE));
	printf(" %c\n", private[0]);
	SHOW(remap(p, 2 * PAGE, PROT_READ, 0, 0));
	SHOW(remap(p, 0, 0, 0, 0));
	SHOW(remap(private, PAGE, 0, 1, 0));
	SHOW(remap(p - PAGE * 1000, PAGE, 0, 1, 0));
	SHOW(remap(p, 16 * PAGE, 0, 1, 0));
	SHOW(remap(p + 1, PAGE, 0, 3, 0));
	printf("%c\n", p[0]);
	SHOW(remap(p, PAGE, 0, 100, 0));
	TRY(printf("%c\n", p[0]));
	printf("behind the end: signal %d\n", last_fault.sig);
}

static void barriers(void)
{
	long have = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	printf("global and private: %s\n", (have & 0x7f) == 0x7f ? "yes" : "no");
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, 3, 0, 0));
	SHOW(syscall(SYS_membarrier, 0x10000, 0, 0));
}

int main(void)
{
	catch_faults(0);
	with_child();
	missing_in_the_middle();
	errors();
	remapping();
	barriers();
	return 0;
}
