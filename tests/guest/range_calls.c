/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M --swap 64M */
/*
 * Every call that takes a range of addresses, with ranges that are the kernel's, lie around the end of user space or
 * wrap around: each is refused with Linux's error, and nothing is done to what lies there. Before, reclaim has met
 * locked pages, so that munlock has pages to look for.
 */
#include "guest.h"
#include <sys/shm.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)
#define END_OF_USER 0x7ffffffff000UL
#define MPOL_BIND 2
#define MPOL_MF_MOVE 2
#define MPOL_F_ADDR 2

struct range {
	const char *name;
	unsigned long start, length;
};

static const struct range ranges[] = {
	{ "direct map", 0xffff888000000000UL, 64UL << 20 },
	{ "start of the kernel's half", 0xffff800000000000UL, 64UL << 20 },
	{ "kernel image", 0xffffffff81000000UL, 2UL << 20 },
	{ "last page", -PAGE, PAGE },
	{ "not canonical", 0x800000000000UL, 64 * PAGE },
	{ "behind the end", END_OF_USER, PAGE },
	{ "across the end", END_OF_USER - 2 * PAGE, 4 * PAGE },
	{ "all of the kernel's half", 0xffff800000000000UL, 0x7ffffffff000UL },
	{ "to the end of everything", END_OF_USER - PAGE, -END_OF_USER },
	{ "around everything", END_OF_USER - PAGE, -PAGE },
};

static const int advices[] = {
	MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
	MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
	22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */, 24 /* DONTNEED_LOCKED */,
};

static void locked_pages_meet_reclaim(void)
{
	char *locked = map_anon(16 * PAGE, RW);
	size_t size = 64 << 20;

	mlock(locked, 16 * PAGE);
	for (int round = 0; round < 2; round++) {
		char *filler = map_anon(size, RW);

		for (size_t at = 0; at < size; at += PAGE)
			filler[at] = 1;
		MUST(munmap(filler, size));
	}
}

static void locking(void *p, size_t n)
{
	SHOW(munlock(p, n));
	SHOW(mlock(p, n));
	SHOW(syscall(SYS_mlock2, p, n, 1));
	SHOW(munlock(p, n));
}

static void changing(void *p, size_t n, char *ours)
{
	SHOW(mprotect(p, n, RW));
	SHOW(mprotect(p, n, PROT_NONE));
	SHOW(mprotect(p, n, RW | PROT_GROWSDOWN));
	SHOW(mprotect(p, n, RW | PROT_GROWSUP));
	SHOW(munmap(p, n));
	SHOW_OK(mremap(p, n, PAGE, 0));
	SHOW_OK(mremap(p, n, 2 * PAGE, MREMAP_MAYMOVE));
	SHOW_OK(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	SHOW_OK(mremap(ours, PAGE, n, MREMAP_MAYMOVE | MREMAP_FIXED, p));
	SHOW(remap_file_pages(p, n, 0, 0, 0));
	SHOW_OK(mmap(p, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	SHOW_OK(mmap(p, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	SHOW(brk(p));
}

static void looking(void *p, size_t n)
{
	static unsigned char vector[64 << 10];
	unsigned long nodes = 1;
	int status = 99, mode = 99;

	SHOW(mincore(p, n, vector));
	SHOW(msync(p, n, MS_SYNC));
	SHOW(msync(p, n, MS_ASYNC | MS_INVALIDATE));
	SHOW(syscall(SYS_mbind, p, n, MPOL_BIND, &nodes, 8, 0));
	SHOW(syscall(SYS_mbind, p, n, MPOL_BIND, &nodes, 8, MPOL_MF_MOVE));
	SHOW(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, MPOL_F_ADDR));
	SHOW(syscall(SYS_move_pages, 0, 1, &p, NULL, &status, MPOL_MF_MOVE));
	printf("  status %d\n", status);
}

static void advising(void *p, size_t n)
{
	for (unsigned i = 0; i < ARRAY_LEN(advices); i++) {
		printf("%d ", advices[i]);
		SHOW(madvise(p, n, advices[i]));
	}
}

static void copying(void *p, size_t n, char *ours)
{
	struct iovec here = { ours, PAGE }, there = { p, n };
	int memory = MUST(open("/proc/self/mem", O_RDWR));

	SHOW(process_vm_readv(getpid(), &here, 1, &there, 1, 0));
	SHOW(process_vm_writev(getpid(), &here, 1, &there, 1, 0));
	SHOW(pread(memory, ours, PAGE, (off_t)(unsigned long)p));
	SHOW(pwrite(memory, ours, PAGE, (off_t)(unsigned long)p));
	close(memory);
}

static void try_range(const struct range *r, char *ours)
{
	void *p = opaque((void *)r->start);

	printf("--- %s\n", r->name);
	locking(p, r->length);
	changing(p, r->length, ours);
	looking(p, r->length);
	advising(p, r->length);
	copying(p, r->length, ours);
}

/* munlock over a hole: what lies before it is unlocked, and the error given. */
static void part_of_a_range(void)
{
	char *p = map_anon(8 * PAGE, RW);

	MUST(munmap(p + 4 * PAGE, PAGE));
	SHOW(mlock(p, 4 * PAGE));
	SHOW(mlock(p + 5 * PAGE, 3 * PAGE));
	SHOW(munlock(p, 8 * PAGE));
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED)); /* EINVAL if it were still locked */
	SHOW(madvise(p + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));
}

int main(void)
{
	char *ours = map_anon(4 * PAGE, RW);

	memset(ours, 'o', 4 * PAGE);
	locked_pages_meet_reclaim();
	for (unsigned i = 0; i < ARRAY_LEN(ranges); i++)
		try_range(&ranges[i], ours);
	part_of_a_range();
	printf("ours: %08x\n", checksum(ours, 4 * PAGE));
	return 0;
}
