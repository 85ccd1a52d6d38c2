/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_memory.c: the errors of the calls about memory, in the order in which they are found.
 */
#include "table.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <linux/mempolicy.h>

#define SYNC	      0x80000
#define HUGE_SIZE(log) (MAP_HUGETLB | (unsigned)(log) << 26)
#define UNKNOWN	      0x400000 /* no flag */

static char *area; /* four pages: mapped, read-only, hole, mapped */
static char *locked, *shared, *own;
static int read_only, read_write, write_only, directory, pipe_fd, path_only, memory;

static void unmap_made(long result)
{
	if (result != -1)
		munmap((void *)result, PAGE);
}

static void make_files(void)
{
	char name[] = "/tmp/errors_memory.XXXXXX";
	int ends[2];
	read_write = MUST(mkstemp(name));
	MUST(ftruncate(read_write, 4 * PAGE));
	read_only = MUST(open(name, O_RDONLY));
	write_only = MUST(open(name, O_WRONLY));
	path_only = MUST(open(name, O_PATH));
	unlink(name);
	directory = MUST(open("/tmp", O_RDONLY));
	MUST(pipe(ends));
	pipe_fd = ends[0];
	memory = (int)MUST(syscall(SYS_memfd_create, "memory", MFD_ALLOW_SEALING));
	MUST(ftruncate(memory, 4 * PAGE));
	MUST(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE));
}

static char *map_at(char *address, long pages, int prot, int flags, int fd)
{
	return mmap(address, (size_t)pages * PAGE, prot, flags | MAP_FIXED, fd, 0);
}

/* All with a hole before and behind, so that nothing depends on what lies beside. */
static void make_area(void)
{
	char *room = mmap(NULL, 32 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(room, 32 * PAGE);
	locked = map_at(room + 4 * PAGE, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	mlock(locked, PAGE);
	shared = map_at(room + 8 * PAGE, 2, PROT_READ | PROT_WRITE, MAP_SHARED, read_write);
	own = map_at(room + 14 * PAGE, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	area = map_at(room + 20 * PAGE, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	mprotect(area + PAGE, PAGE, PROT_READ);
	munmap(area + 2 * PAGE, PAGE);
}

#define FILES N("-1", -1), N("read-only", read_only), N("read-write", read_write), N("write-only", write_only),           \
	N("directory", directory), N("pipe", pipe_fd), N("path", path_only), N("sealed", memory)
#define TYPES(more) N("0", more), N("SHARED", MAP_SHARED | (more)), N("PRIVATE", MAP_PRIVATE | (more)), N("VALIDATE", 3 | (more)), N("9", 9 | (more))

static void mapping(void)
{
	table_after = unmap_made;
	TABLE(mmap, ARG(V(0)), ARG(V(0), V(PAGE), V(LONG_MAX), V(-1)), ARG(V(PROT_NONE), V(PROT_READ), V(PROT_WRITE), N("unknown", 0x40)),
	      ARG(TYPES(0)), ARG(FILES), ARG(V(0), V(1), V(PAGE), N("-PAGE", -PAGE)));
	TABLE(mmap, ARG(V(0)), ARG(V(0), V(PAGE), V(LONG_MAX), V(-1)), ARG(V(PROT_READ)), ARG(TYPES(MAP_ANONYMOUS)), ARG(V(-1), N("path", path_only)), ARG(V(0), V(1), N("-PAGE", -PAGE)));
	TABLE(mmap, ARG(V(0)), ARG(V(PAGE)), ARG(V(PROT_READ), V(PROT_WRITE)), ARG(TYPES(SYNC), TYPES(UNKNOWN), TYPES(MAP_GROWSDOWN), TYPES(MAP_LOCKED), TYPES(MAP_NORESERVE), TYPES(MAP_32BIT)),
	      ARG(N("-1", -1), N("read-only", read_only), N("read-write", read_write), N("write-only", write_only), N("directory", directory), N("pipe", pipe_fd), N("sealed", memory)), ARG(V(0)));
	TABLE(mmap, ARG(V(0)), ARG(V(PAGE)), ARG(V(PROT_READ)), ARG(TYPES(MAP_ANONYMOUS | SYNC), TYPES(MAP_ANONYMOUS | UNKNOWN), TYPES(MAP_ANONYMOUS | MAP_GROWSDOWN)), ARG(V(-1)), ARG(V(0)));
	table_after = NULL;
}

static void addresses(void)
{
	TABLE(mmap, ARG(N("1", 1), N("area", area), N("area+1", area + 1), N("low", PAGE), N("last", 0x7fffffffe000), N("beyond", 0x7ffffffff000), N("kernel", -PAGE), N("non-canonical", 1ul << 52)),
	      ARG(V(0), V(2 * PAGE)), ARG(V(PROT_READ)), ARG(N("NOREPLACE", MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_PRIVATE), N("NOREPLACE 9", MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | 9), N("NOREPLACE locked 0", MAP_FIXED_NOREPLACE | MAP_ANONYMOUS)),
	      ARG(V(-1)), ARG(V(0), V(1)));
	TABLE(mmap, ARG(N("1", 1), N("area+1", area + 1), N("beyond", 0x7ffffffff000), N("kernel", -PAGE), N("non-canonical", 1ul << 52)), ARG(V(0), V(2 * PAGE)), ARG(V(PROT_READ)),
	      ARG(N("FIXED", MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE), N("FIXED 9", MAP_FIXED | MAP_ANONYMOUS | 9), N("FIXED file", MAP_FIXED | MAP_PRIVATE)), ARG(V(-1), N("directory", directory)), ARG(V(0), V(1)));
}

#define SIZES(more) N("default", MAP_HUGETLB | (more)), N("64K", HUGE_SIZE(16) | (more)), N("2M", HUGE_SIZE(21) | (more)), N("1G", HUGE_SIZE(30) | (more)), N("2^63", HUGE_SIZE(63) | (more))
#define HUGE(x) N("small " #x, MAP_HUGETLB | (x)), N("2^63 " #x, HUGE_SIZE(63) | (x))

static void huge_pages(void)
{
	table_after = unmap_made;
	TABLE(mmap, ARG(V(0)), ARG(V(0), V(PAGE), V(1 << 21), V(LONG_MAX), V(-1)), ARG(V(PROT_READ)),
	      ARG(SIZES(MAP_ANONYMOUS | MAP_PRIVATE), SIZES(MAP_ANONYMOUS | MAP_SHARED)), ARG(V(-1), N("read-only", read_only)), ARG(V(0), V(1), N("-PAGE", -PAGE)));
	TABLE(mmap, ARG(V(0)), ARG(V(0), V(PAGE), V(-1)), ARG(V(PROT_READ)), ARG(SIZES(MAP_PRIVATE), SIZES(MAP_SHARED), SIZES(3), SIZES(0)), ARG(FILES), ARG(V(0)));
	TABLE(mmap, ARG(V(0)), ARG(V(0), V(PAGE)), ARG(V(PROT_READ)), ARG(SIZES(MAP_ANONYMOUS), SIZES(MAP_ANONYMOUS | 3), SIZES(MAP_ANONYMOUS | 9)), ARG(V(-1)), ARG(V(0)));
	TABLE(mmap, ARG(V(0), N("1", 1), N("area", area)), ARG(V(PAGE)), ARG(V(PROT_READ)), ARG(SIZES(MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE), SIZES(MAP_ANONYMOUS | MAP_PRIVATE | MAP_GROWSDOWN), N("all", ~0)),
	      ARG(V(-1), N("read-only", read_only)), ARG(V(0)));
	table_after = NULL;
	static char name[256];
	memset(name, 'x', 250);
	TABLE(memfd_create, ARG(N("NULL", 0), N("bad", 8), N("250", name), N("249", name + 1)),
	      ARG(V(16), V(-1), N("HUGE|ALLOW|16", 0x4 | 2 | 16), N("size without HUGE", 21u << 26), N("HUGE 64K", 4u | 16u << 26), N("HUGE 2^63", 4u | 63u << 26), N("NOEXEC|EXEC", 0x18)));
	TABLE(memfd_create, ARG(N("NULL", 0), N("bad", 8), N("250", name)), ARG(V(0), V(1), V(2), V(3)));
	TABLE(shmget, ARG(V(0)), ARG(V(0), V(PAGE), V(-1)), ARG(N("HUGE", 04600), N("HUGE 64K", 04600 | 16 << 26), N("HUGE 2^63", 04600u | 63u << 26)));
}

static void ranges(void)
{
#define STARTS N("area", area), N("+1", area + 1), N("hole", area + 2 * PAGE), N("kernel", -(1l << 30)), N("last page", -PAGE), N("non-canonical", 1ul << 52), N("beyond", 0x7ffffffff000)
#define LENGTHS V(0), V(1), N("2 pages", 2 * PAGE), N("4 pages", 4 * PAGE), V(LONG_MAX), V(-1)
	TABLE(munmap, ARG(N("+1", area + 1), N("hole", area + 2 * PAGE), N("kernel", -(1l << 30)), N("last page", -PAGE), N("beyond", 0x7ffffffff000), N("non-canonical", 1ul << 52)), ARG(V(0), V(1), V(LONG_MAX), V(-1)));
	TABLE(mprotect, ARG(STARTS), ARG(LENGTHS), ARG(V(PROT_READ), V(PROT_READ | PROT_WRITE), N("unknown", 0x10), N("GROWSDOWN", PROT_GROWSDOWN | 1), N("GROWSUP", PROT_GROWSUP | 1), N("both", PROT_GROWSDOWN | PROT_GROWSUP)));
	TABLE(msync, ARG(STARTS), ARG(LENGTHS), ARG(V(0), V(MS_ASYNC), V(MS_SYNC), V(MS_ASYNC | MS_SYNC), V(MS_INVALIDATE), V(8), V(-1)));
	TABLE(msync, ARG(N("locked", locked)), ARG(V(PAGE)), ARG(V(MS_INVALIDATE), V(MS_INVALIDATE | MS_SYNC | MS_ASYNC), V(MS_SYNC)));
	TABLE(mincore, ARG(STARTS), ARG(LENGTHS), ARG(N("NULL", 0), N("bad", 8), N("vector", malloc(100))));
	TABLE(mlock, ARG(STARTS), ARG(LENGTHS));
	TABLE(mlock2, ARG(STARTS), ARG(LENGTHS), ARG(V(0), V(1), V(2), V(-1)));
	TABLE(munlock, ARG(STARTS), ARG(LENGTHS));
	TABLE(mlockall, ARG(V(0), V(4), V(8), V(-1), V(MCL_FUTURE | MCL_ONFAULT)));
	TABLE(munlockall, ARG(V(0)));
	mlock(locked, PAGE);
}

static void advice(void)
{
	TABLE(madvise, ARG(STARTS, N("locked", locked), N("shared", shared)), ARG(V(0), V(1), N("2 pages", 2 * PAGE), V(-1)),
	      ARG(V(-1), V(0), V(3), V(4), V(5), V(6), V(7), V(8), V(9), V(10), V(16), V(18), V(20), V(21), V(24), V(99)));
	TABLE(madvise, ARG(N("locked", locked)), ARG(V(PAGE)), ARG(V(MADV_DONTNEED), V(8), N("COLD", 20), N("PAGEOUT", 21), N("DONTNEED_LOCKED", 24)));
	TABLE(madvise, ARG(N("shared", shared)), ARG(V(PAGE)), ARG(V(MADV_REMOVE), V(8), N("WIPEONFORK", 18), N("POPULATE_READ", 22), N("POPULATE_WRITE", 23)));
	TABLE(madvise, ARG(N("PROT_NONE", own), N("area", area)), ARG(V(PAGE), V(2 * PAGE)), ARG(N("POPULATE_READ", 22), N("POPULATE_WRITE", 23), V(MADV_REMOVE)));
}

static void remapping(void)
{
#define FLAGS V(0), V(MREMAP_MAYMOVE), V(MREMAP_FIXED), V(MREMAP_MAYMOVE | MREMAP_FIXED), N("DONTUNMAP", 4), N("MAYMOVE|DONTUNMAP", 5), V(8)
	TABLE(mremap, ARG(N("+1", area + 1), N("hole", area + 2 * PAGE), N("kernel", -(1l << 30)), N("non-canonical", 1ul << 52)), ARG(V(0), V(PAGE), V(-1)), ARG(V(0), V(PAGE), V(2 * PAGE), V(-1)), ARG(FLAGS),
	      ARG(N("+1", area + 1), N("area", area), N("beyond", 0x7ffffffff000)));
	TABLE(mremap, ARG(N("area", area)), ARG(V(0), V(PAGE)), ARG(V(0), V(2 * PAGE), V(LONG_MAX), V(-1)), ARG(V(0), V(MREMAP_FIXED), N("DONTUNMAP", 4), V(8)), ARG(V(0)));
	TABLE(mremap, ARG(N("area", area)), ARG(V(PAGE), V(4 * PAGE)), ARG(V(PAGE), V(5 * PAGE)), ARG(V(MREMAP_MAYMOVE | MREMAP_FIXED)), ARG(N("+1", area + 1), N("area", area), N("beyond", 0x7ffffffff000)));
	TABLE(mremap, ARG(N("area", area)), ARG(V(0)), ARG(V(PAGE), V(5 * PAGE)), ARG(V(MREMAP_MAYMOVE | MREMAP_FIXED)), ARG(N("+1", area + 1), N("beyond", 0x7ffffffff000)));
	TABLE(remap_file_pages, ARG(N("area", area), N("shared", shared), N("hole", area + 2 * PAGE), N("kernel", -PAGE)), ARG(V(0), V(PAGE), V(-1)), ARG(V(0), V(1)), ARG(V(0), V(-1)), ARG(V(0), V(MAP_NONBLOCK)));
}

static void policies(void)
{
	static unsigned long none, zero = 1, high = 1ul << 40, many[200];
	static int mode;
#define MASKS N("NULL", 0), N("bad", 8), N("none", &none), N("0", &zero), N("40", &high)
	TABLE(set_mempolicy, ARG(N("DEFAULT", 0), N("PREFERRED", 1), N("BIND", 2), N("INTERLEAVE", 3), N("LOCAL", 4), V(6), V(-1), N("BIND|STATIC|RELATIVE", 2 | 3 << 14), N("DEFAULT|STATIC", 1 << 15), N("LOCAL|STATIC", 4 | 1 << 15)), ARG(MASKS), ARG(V(0), V(1), V(2), V(64), V(65), N("1e6", 1000000)));
	syscall(SYS_set_mempolicy, 0, NULL, 0);
	TABLE(get_mempolicy, ARG(N("-", 0), N("bad", 8), N("mode", &mode)), ARG(N("-", 0), N("bad", 8), N("mask", many)), ARG(V(0), V(1), V(64), V(1024)), ARG(V(0), N("area", area), N("hole", area + 2 * PAGE)), ARG(V(0), V(1), V(2), V(3), V(4), V(5), V(8)));
	TABLE(mbind, ARG(N("area", area), N("+1", area + 1), N("hole", area + 2 * PAGE)), ARG(V(0), V(PAGE), V(-1)), ARG(N("DEFAULT", 0), N("BIND", 2), V(7)), ARG(MASKS), ARG(V(0), V(64)), ARG(V(0), V(8), V(16)));
	TABLE(migrate_pages, ARG(V(0), N("1", 1), V(-1), N("nobody", dead_pid())), ARG(V(0), V(2), V(64), V(-1)), ARG(MASKS), ARG(MASKS));
	static void *pages[1];
	static int nodes[1], status[1];
	pages[0] = area;
	TABLE(move_pages, ARG(V(0), N("1", 1), V(-1), N("nobody", dead_pid())), ARG(V(0), V(1)), ARG(N("NULL", 0), N("bad", 8), N("pages", pages)), ARG(N("-", 0), N("bad", 8), N("nodes", nodes)), ARG(N("NULL", 0), N("bad", 8), N("status", status)), ARG(V(0), V(1), V(2), V(4), V(8)));
}

static void vectors(void)
{
	static char word[8];
	static struct iovec good = { word, 8 }, bad = { (void *)8, 8 }, negative = { word, -1 }, empty = { word, 0 };
#define VECTORS N("NULL", 0), N("bad", 8), N("good", &good), N("to bad", &bad), N("negative", &negative), N("empty", &empty)
	TABLE(process_vm_readv, ARG(N("me", getpid()), N("nobody", dead_pid()), V(0), V(-1)), ARG(VECTORS), ARG(V(0), V(1), V(1025)), ARG(VECTORS), ARG(V(0), V(1), V(1025)), ARG(V(0), V(1)));
	TABLE(process_vm_writev, ARG(N("me", getpid()), N("nobody", dead_pid())), ARG(VECTORS), ARG(V(0), V(1)), ARG(VECTORS), ARG(V(1), V(-1)), ARG(V(0), V(1)));
	TABLE(membarrier, ARG(V(-1), V(0), V(3), V(8), V(0x20), V(0x1000)), ARG(V(0), V(1), V(2)), ARG(V(0)));
}

int main(void)
{
	make_files();
	make_area();
	mapping();
	addresses();
	huge_pages();
	ranges();
	advice();
	remapping();
	vectors();
	policies();
	return 0;
}
