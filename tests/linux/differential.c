/* SPDX-License-Identifier: MIT */
/*
 * differential.c: random calls on address spaces, whose every result is told.
 *
 *	differential FIRST COUNT CALLS		one line a seed, with a checksum of all that was told
 *	differential -v FIRST COUNT CALLS	all that was told, a line a call
 *	differential -m ...			and all mappings of the window after each call
 *
 * tests/host/differential.py runs the same binary in Pagoda and in Linux 6.1 and compares.
 *
 * Each seed is a process of its own with limits, rights and a window of address space, all
 * empty at first. What is told of a call depends on nothing but the kernel's behaviour:
 * addresses are page numbers in the window, and whatever the kernel places elsewhere is
 * brought into the window or unmapped at once. After some calls the pages are read (a fault's
 * signal and code count as contents), after others the window's lines of smaps are told.
 *
 * Children are forked with a copy of the window, do calls of their own and wait; the parent
 * does some, too; then the child looks at what is left to it and ends. One of a family runs
 * at a time, so all tell into one checksum in memory that they share.
 *
 * The stack pointer lies right above the accessed byte, so that each access below a
 * MAP_GROWSDOWN mapping looks like a stack that grows.
 */
#include "../guest/guest.h"
#include <sys/uio.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define WINDOW	     0x300000000000UL
#define APRON	     1024 /* pages on both sides that are looked at as well */
#define MCL_ONFAULT_ 4

enum { PAGES = 96, FILE_PAGES = 32, CHECK_EVERY = 40, DEPTH_MAX = 2, NOBODY = 65534 };

/* What a family shares. */
static struct shared {
	uint64_t hash;
	unsigned long calls;
	long file_pages;	/* the file's size */
} *shared;

static unsigned long state; /* of the random numbers; each process its own */
static int verbose, maps_always, depth;
static int file_rw, file_ro, file_wo, directory, zero, pipe_out, pipe_in;
static char text[1 << 16], scratch_text[1 << 16];
static struct iovec vector[4];

/* ---- Telling ------------------------------------------------------------------------- */

static void tell_text(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		shared->hash = (shared->hash ^ (unsigned char)line[i]) * 1099511628211UL;
	if (verbose && write(1, line, length) != (ssize_t)length)
		_exit(98);
}

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	static char line[1024];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	tell_text(line, length);
}

/* An address as a page number in the window, with what is beyond a page's start. */
static const char *place(unsigned long address)
{
	static char names[4][48];
	static int turn;
	char *name = names[turn++ % 4];
	long offset = (long)(address - WINDOW);
	if (offset < -APRON * (long)PAGE || offset >= (PAGES + APRON) * (long)PAGE)
		return address < 65536 ? "low" : (long)address < 0 ? "kernel" : "elsewhere";
	if (offset % (long)PAGE)
		snprintf(name, 48, "%ld.%ld", offset >> 12, offset & 4095);
	else
		snprintf(name, 48, "%ld", offset >> 12);
	return name;
}

static const char *outcome(long result)
{
	return result == -1 ? errno_name(errno) : "ok";
}

/* ---- Random numbers ------------------------------------------------------------------- */

static unsigned below(unsigned limit)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % limit;
}

static int one_in(unsigned n)
{
	return below(n) == 0;
}

#define PICK(array) (array)[below(ARRAY_LEN(array))]

static unsigned long any_page(void)
{
	return WINDOW + below(PAGES) * PAGE;
}

/* Now and then an address that no call should take. */
static unsigned long any_address(void)
{
	static const unsigned long strange[] = { 0, 4096, 0x7ffffffff000, 0x600000000000, 0x0000900000000000,
						 0xffff888000000000, 0xffffffffff600000, -4096UL, 1 };
	if (one_in(60))
		return PICK(strange);
	return any_page() + (one_in(40) ? 1 + below(4095) : 0);
}

static unsigned long any_length(void)
{
	static const unsigned long strange[] = { 0, 1, 4095, -1UL, -4096UL, 1UL << 47, 1UL << 63, -4095UL };
	if (one_in(50))
		return PICK(strange);
	unsigned pages = 1 + below(one_in(6) ? PAGES : 8);
	return pages * PAGE - (one_in(30) ? below(4096) : 0);
}

/* A length that ends in the window or soon behind. */
static unsigned long length_at(unsigned long address)
{
	unsigned long length = any_length(), room = WINDOW + (PAGES + 8) * PAGE - address;
	if (length > PAGES * PAGE || address < WINDOW || room > (PAGES + 8) * PAGE)
		return length;
	return length < room ? length : room;
}

static int any_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_WRITE,
				     PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC };
	return PICK(prots);
}

/* ---- Accesses --------------------------------------------------------------------------- */

/* One byte, with the stack pointer just above it in the same page; signals come on a stack of their own. */
static unsigned char load_byte(unsigned long address)
{
	unsigned long value, stack = (address | 4095) - 15 - 64;
	__asm__ volatile("mov %%rsp, %%r12\n\tmov %2, %%rsp\n\tmovzbl (%1), %k0\n\tmov %%r12, %%rsp"
			 : "=&r"(value) : "r"(address), "r"(stack) : "r12", "memory");
	return (unsigned char)value;
}

static void store_byte(unsigned long address, unsigned char value)
{
	unsigned long stack = (address | 4095) - 15 - 64;
	__asm__ volatile("mov %%rsp, %%r12\n\tmov %2, %%rsp\n\tmovb %b0, (%1)\n\tmov %%r12, %%rsp"
			 : : "q"(value), "r"(address), "r"(stack) : "r12", "memory");
}

/* Where in its page a page's value stands. */
static unsigned long spot(unsigned long page_address)
{
	return page_address + ((page_address >> 12) * 61 & 4032);
}

/* What was caught, as one character class. */
static const char *fault_word(void)
{
	static char word[96];
	if (!last_fault.sig)
		return "ok";
	snprintf(word, sizeof(word), "%s/%s@%s", signal_name(last_fault.sig),
		 fault_code_name(last_fault.sig, last_fault.code), place((unsigned long)last_fault.addr));
	return word;
}

static void look_at(unsigned long address)
{
	volatile unsigned char value = 0;
	TRY(value = load_byte(address));
	tell("load %s: %s %d\n", place(address), fault_word(), value);
}

/* All pages of the window in one checksum and a drawing of what faulted. */
static void look_at_all(void)
{
	char drawing[PAGES + 1];
	volatile unsigned hash = 1;
	for (int i = 0; i < PAGES; i++) {
		volatile unsigned char first = 0, second = 0;
		unsigned long page = WINDOW + i * PAGE;
		TRY(first = load_byte(page + 128); second = load_byte(spot(page)));
		drawing[i] = last_fault.sig == 0 ? first || second ? 'x' : '0' :
			     last_fault.sig == SIGBUS ? 'b' : last_fault.code == SEGV_MAPERR ? '.' : '-';
		hash = hash * 31 + first * 257 + second;
	}
	drawing[PAGES] = 0;
	tell("contents %08x %s\n", hash, drawing);
}

/* ---- The mappings of the window ----------------------------------------------------------- */

/*
 * Neighbours that continue each other are told as one: where Linux has two of them, it is because
 * their pages came at different times (each got an anon_vma of its own), which Pagoda avoids.
 */
static const char *const flags_told[] = { "rd", "wr", "ex", "sh", "gd", "lo", "sr", "rr", "dc", "dd", "nr", "ac", "wf" };

static struct region {
	unsigned long start, end, offset, anon;
	char perms[8], name[40], flags[48];
} regions[2 * APRON];
static int region_count;

static int continues(const struct region *a, const struct region *b)
{
	return a->end == b->start && !strcmp(a->perms, b->perms) && !strcmp(a->name, b->name) &&
	       !strcmp(a->flags, b->flags) && (!*a->name || a->offset + ((a->end - a->start) >> 12) == b->offset);
}

static void keep_flags(char *flags, const char *line)
{
	for (unsigned i = 0; i < ARRAY_LEN(flags_told); i++) {
		char word[4] = { ' ', flags_told[i][0], flags_told[i][1], 0 };
		if (strstr(line, word))
			strcat(flags, word);
	}
}

static void region_is_complete(void)
{
	struct region *last = &regions[region_count - 1];
	if (region_count < 2 || !continues(last - 1, last))
		return;
	last[-1].end = last->end;
	last[-1].anon += last->anon;
	region_count--;
}

static char *read_smaps(void)
{
	size_t length = 0;
	ssize_t got;
	int fd = MUST(open("/proc/self/smaps", O_RDONLY));
	while (length < sizeof(text) - 1 && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = 0;
	return text;
}

/* The window's regions, of smaps. */
static void read_regions(void)
{
	struct region r = { 0 }, *ours = NULL;
	region_count = 0;
	for (char *line = read_smaps(), *next; *line && (next = strchr(line, '\n')); line = next) {
		char name[128] = "";
		*next++ = 0;
		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %127[^\n]", &r.start, &r.end, r.perms, &r.offset, name) >= 4) {
			ours = r.start < WINDOW - APRON * PAGE || r.start >= WINDOW + (PAGES + APRON) * PAGE ?
				NULL : &regions[region_count++];
			if (!ours)
				continue;
			*ours = r;
			snprintf(ours->name, sizeof(ours->name), "%.39s", strrchr(name, '/') ? strrchr(name, '/') : name);
			ours->offset = *name ? r.offset >> 12 : 0;
		} else if (ours && !strncmp(line, "Anonymous:", 10)) {
			ours->anon = strtoul(line + 10, NULL, 10) / 4;
		} else if (ours && !strncmp(line, "VmFlags:", 8)) {
			keep_flags(ours->flags, line);
			region_is_complete();
		}
	}
}

/* Which pages the file has in memory. */
static void tell_file(void)
{
	unsigned char found[FILE_PAGES] = { 0 };
	char drawing[FILE_PAGES + 1] = "";
	void *view = mmap(NULL, FILE_PAGES * PAGE, PROT_NONE, MAP_SHARED, file_ro, 0);
	if (view != MAP_FAILED && mincore(view, FILE_PAGES * PAGE, found) == 0)
		for (int i = 0; i < FILE_PAGES; i++)
			drawing[i] = '0' + (found[i] & 1);
	munmap(view, FILE_PAGES * PAGE);
	tell("  file %s\n", drawing);
}

static void tell_maps(void)
{
	read_regions();
	for (const struct region *r = regions; r < regions + region_count; r++)
		tell("  %s-%s %s %lx %s anon %lu%s\n", place(r->start), place(r->end), r->perms, r->offset, r->name,
		     r->anon, r->flags);
	tell_file();
}

/* Could Linux have more than one mapping in this range, of which Pagoda has one? */
static int may_be_split(unsigned long start, unsigned long end)
{
	read_regions();
	for (const struct region *r = regions; r < regions + region_count; r++)
		if (r->start < end && r->end > start && r->perms[3] == 'p' &&
		    (r->perms[1] == 'w' || strstr(r->flags, "ac") || strstr(r->flags, "nr") || strstr(r->flags, "gd")))
			return 1;
	return 0;
}

/* ---- Calls: mapping ----------------------------------------------------------------------- */

/* What the kernel has put somewhere of its own choice comes into the window, or goes away. */
static void bring_home(unsigned long address, unsigned long length)
{
	unsigned long target = any_page();
	long result;
	length = (length + PAGE - 1) & -PAGE;
	if (length == 0 || length > PAGES * PAGE) {
		tell("  away: %s\n", outcome(munmap((void *)address, length)));
		return;
	}
	if (target + length > WINDOW + PAGES * PAGE)
		target = WINDOW + PAGES * PAGE - length;
	result = (long)mremap((void *)address, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)target);
	tell("  home: to %s %s\n", place(target), outcome(result));
	if (result == -1) {
		munmap((void *)address, length);
		munmap((void *)target, length);
	}
}

static void settle_result(unsigned long result, unsigned long length)
{
	if (result != -1UL && (result < WINDOW - APRON * PAGE || result >= WINDOW + (PAGES + APRON) * PAGE))
		bring_home(result, length);
}

static int map_flags(int *fd)
{
	static const int placements[] = { MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE,
					  MAP_FIXED_NOREPLACE, 0, 0 };
	static const int extras[] = { MAP_NORESERVE, MAP_POPULATE, MAP_POPULATE, MAP_LOCKED, MAP_GROWSDOWN, MAP_STACK,
				      MAP_DENYWRITE, MAP_POPULATE | MAP_NONBLOCK, 0x8000000, 0x80000 };
	int *files[] = { &file_rw, &file_rw, &file_rw, &file_rw, &file_ro, &file_wo, &zero };
	int *wrong[] = { &directory, &pipe_in, &fd[0] };
	int flags = PICK(placements);
	*fd = -1;
	if (one_in(2))
		*fd = one_in(30) ? *PICK(wrong) : *PICK(files);
	else
		flags |= MAP_ANONYMOUS;
	flags |= one_in(40) ? (int)below(4) : one_in(3) ? MAP_SHARED : MAP_PRIVATE;
	if ((flags & MAP_TYPE) != 3) /* MAP_SYNC keeps neighbours apart in Linux, whatever the file */
		flags &= ~0x80000;
	if (*fd == zero) /* privately, it is the one file that Pagoda shows as no file (CAVEATS) */
		flags = (flags & ~MAP_TYPE) | MAP_SHARED;
	if (one_in(5))
		flags |= PICK(extras);
	if (!one_in(3) && flags & MAP_ANONYMOUS && flags & MAP_PRIVATE && one_in(6))
		flags |= MAP_GROWSDOWN;
	return flags;
}

static void call_mmap(void)
{
	int fd, prot = any_prot(), flags = map_flags(&fd);
	unsigned long address = any_address(), length = length_at(address);
	unsigned long offset = one_in(3) ? below(FILE_PAGES + 4) * PAGE : (address >> 12) % FILE_PAGES * PAGE;
	if (one_in(60))
		offset = one_in(2) ? 100 : 0x7fffffffffff000;
	if (length > 1UL << 40 && !(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		length = PAGE;
	if (fd == -1 && !(flags & MAP_ANONYMOUS))
		fd = 900;
	/* Not over what is mapped below and above by others. */
	if (flags & MAP_FIXED && !(flags & MAP_FIXED_NOREPLACE) && (address < WINDOW || address > WINDOW + PAGES * PAGE) &&
	    address + length > address && address + length <= 0x7ffffffff000)
		address = WINDOW;
	unsigned long result = (unsigned long)syscall(SYS_mmap, address, length, prot, flags, fd, offset);
	tell("mmap %s +%lx prot %d flags %x %s offset %lx: %s %s\n", place(address), length, prot, flags,
	     fd == -1 ? "anon" : fd == file_rw ? "rw" : fd == file_ro ? "ro" : fd == file_wo ? "wo" : fd == zero ? "zero" : "bad",
	     offset, outcome((long)result), place(result));
	settle_result(result, length);
}

/* The window is all that random ranges may unmap; those that fail anyhow may lie anywhere. */
static int is_harmless(unsigned long address, unsigned long length)
{
	int in_reach = address >= WINDOW - APRON * PAGE && address < WINDOW + APRON * PAGE;
	return in_reach || length == 0 || length > 1UL << 46 || address >= 0x7ffffffff000;
}

static void call_munmap(void)
{
	unsigned long address = any_address(), length = length_at(address);
	if (!is_harmless(address, length))
		return;
	tell("munmap %s +%lx: %s\n", place(address), length, outcome(munmap((void *)address, length)));
}

/* Ranges beside the window belong to the program itself; only what fails anyhow goes there. */
static int is_ours(unsigned long address)
{
	return (address >= WINDOW && address < WINDOW + PAGES * PAGE) || (long)address < 0 || address == 0x0000900000000000;
}

static void call_mprotect(void)
{
	static const int strange[] = { 0x02000000, 0x03000000, 0x10, 0x100, 8 };
	unsigned long address = any_address(), length = length_at(address);
	int prot = any_prot() | (one_in(15) ? PICK(strange) : 0);
	if (!is_ours(address))
		return;
	tell("mprotect %s +%lx %x: %s\n", place(address), length, prot, outcome(mprotect((void *)address, length, prot)));
}

/*
 * A failed MREMAP_FIXED has unmapped its target, and what old_len has over new_len, in Linux
 * 6.1; not in later ones, and not in Pagoda: all agree when both are gone.
 */
static void settle_failed_mremap(unsigned long address, unsigned long old, unsigned long new, unsigned long target)
{
	old = (old + PAGE - 1) & -PAGE;
	new = (new + PAGE - 1) & -PAGE;
	if (new == 0 || new > (PAGES + 8) * PAGE || target % PAGE || address % PAGE || (long)target < 0)
		return;
	munmap((void *)target, new);
	if (old > new && old <= (PAGES + 8) * PAGE && (long)address > 0)
		munmap((void *)(address + new), old - new);
}

static void call_mremap(void)
{
	static const int kinds[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
				     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_DONTUNMAP, 8 };
	unsigned long address = any_address(), old = length_at(address), new = one_in(2) ? old : length_at(address);
	unsigned long target = any_address();
	int flags = one_in(8) ? PICK(kinds) : kinds[below(7)];
	if (one_in(25))
		old = 0;
	if (!is_ours(address) || (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !is_ours(target)))
		return;
	if (new > PAGES * PAGE && new < 1UL << 47)
		new = PAGE;
	if (old > PAGE && old <= 2 * PAGES * PAGE && may_be_split(address, address + old)) {
		new = new == old ? PAGE : new;
		old = PAGE;
	}
	if (old > PAGES * PAGE && old < 1UL << 47) /* a range that would reach the program's own */
		old = PAGE;
	if (flags & MREMAP_FIXED && target + new > WINDOW + (PAGES + 8) * PAGE && new <= PAGES * PAGE && (long)target > 0)
		target = WINDOW;
	unsigned long result = (unsigned long)syscall(SYS_mremap, address, old, new, flags, target);
	tell("mremap %s +%lx to +%lx flags %x target %s: %s %s\n", place(address), old, new, flags, place(target),
	     outcome((long)result), place(result));
	if (result == -1UL && flags & MREMAP_FIXED)
		settle_failed_mremap(address, old, new, target);
	settle_result(result, new);
}

/* Private memory that is surely one mapping: a fresh one, filled, moves, grows or shrinks. */
static void call_move_block(void)
{
	static const int kinds[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP };
	int flags = PICK(kinds), fd = one_in(4) ? file_rw : -1;
	unsigned long pages = 1 + below(12), address = WINDOW + below(PAGES - 24) * PAGE, target = any_page();
	unsigned long new_pages = flags & MREMAP_DONTUNMAP || one_in(2) ? pages : 1 + below(20);
	unsigned long result = (unsigned long)mmap((void *)address, pages * PAGE, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_FIXED | (fd == -1 ? MAP_ANONYMOUS : 0), fd, 0);
	tell("block %s +%lu: %s\n", place(address), pages, outcome((long)result));
	if (result == -1UL)
		return;
	for (unsigned long i = 0; i < pages; i++)
		if (one_in(2))
			TRY(store_byte(spot(address + i * PAGE), 1 + below(255)));
	if (target + new_pages * PAGE > WINDOW + PAGES * PAGE)
		target = WINDOW;
	result = (unsigned long)syscall(SYS_mremap, address, pages * PAGE, new_pages * PAGE, flags, target);
	tell("  moves to +%lu flags %x target %s: %s %s\n", new_pages, flags, place(target), outcome((long)result),
	     place(result));
	if (result == -1UL && flags & MREMAP_FIXED)
		settle_failed_mremap(address, pages * PAGE, new_pages * PAGE, target);
	settle_result(result, new_pages * PAGE);
}

static void call_madvise(void)
{
	static const int advices[] = { 0, 1, 2, 3, 4, 4, 4, 4, 4, 8, 8, 9, 9, 10, 11, 16, 17, 18, 18, 19, 20, 22, 23, 23,
				       24, 24, 5, 7, 77, -1 };
	unsigned long address = any_address(), length = length_at(address);
	int advice = PICK(advices);
	/* Holes do not stop it, so a long range would reach the program's stack. */
	if (!is_ours(address) || (length >= 1UL << 46 && length < -PAGE))
		return;
	tell("madvise %s +%lx %d: %s\n", place(address), length, advice,
	     outcome(madvise((void *)address, length, advice)));
}

static void call_mlock(void)
{
	unsigned long address = any_address(), length = length_at(address);
	unsigned what = below(8), flags = one_in(20) ? below(4) : below(2);
	if (!is_ours(address) || length > 1UL << 46)
		return;
	if (what < 3)
		tell("mlock %s +%lx: %s\n", place(address), length, outcome(mlock((void *)address, length)));
	else if (what < 5)
		tell("mlock2 %s +%lx %u: %s\n", place(address), length, flags,
		     outcome(syscall(SYS_mlock2, address, length, flags)));
	else
		tell("munlock %s +%lx: %s\n", place(address), length, outcome(munlock((void *)address, length)));
}

static void call_mlockall(void)
{
	int flags = below(8);
	if (one_in(2))
		tell("munlockall: %s\n", outcome(munlockall()));
	else
		tell("mlockall %d: %s\n", flags, outcome(syscall(SYS_mlockall, flags)));
	/* What future mappings get, the program's own would get as well. */
	if (one_in(2))
		tell("munlockall: %s\n", outcome(munlockall()));
}

static void call_msync(void)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_INVALIDATE, 0, MS_SYNC | MS_ASYNC, 8, MS_SYNC | MS_INVALIDATE };
	unsigned long address = any_address(), length = length_at(address);
	int how = PICK(flags);
	if (!is_ours(address))
		return;
	tell("msync %s +%lx %d: %s\n", place(address), length, how, outcome(msync((void *)address, length, how)));
}

static void call_mincore(void)
{
	static unsigned char found[PAGES + 16];
	unsigned long address = any_address(), length = length_at(address), pages = (length + 4095) / 4096;
	if (!is_ours(address))
		return;
	if (length > (PAGES + 8) * PAGE)
		pages = 0;
	memset(found, 7, sizeof(found));
	int bad = one_in(30);
	long result = syscall(SYS_mincore, address, length, bad ? BAD_POINTER : (void *)found);
	tell("mincore %s +%lx: %s ", place(address), length, outcome(result));
	for (unsigned long i = 0; result == 0 && i < pages; i++)
		tell("%d", found[i]);
	tell("\n");
}

static void call_brk(void)
{
	static unsigned long start;
	unsigned long now = (unsigned long)syscall(SYS_brk, 0);
	if (!start)
		start = (now + PAGE - 1) & -PAGE;
	unsigned long wish = start + below(40) * PAGE + (one_in(3) ? below(4096) : 0);
	if (one_in(20))
		wish = one_in(2) ? start - (64UL << 20) : 1UL << 46;
	unsigned long result = (unsigned long)syscall(SYS_brk, wish);
	tell("brk %s%ld: %s", wish - start > 1 << 20 ? "far " : "", wish - start > 1 << 20 ? 0L : (long)(wish - start),
	     result == wish ? "ok" : "refused");
	if (result > start + PAGE && result - start < 1 << 20) {
		unsigned char *last = (unsigned char *)((result - 1) & -64);
		tell(" held %d", *last);
		*last = 1 + below(255);
	}
	tell("\n");
}

/* ---- Calls: contents ------------------------------------------------------------------------ */

static void call_store(void)
{
	unsigned long page = any_page(), address = one_in(4) ? page + 128 : spot(page);
	unsigned char value = 1 + below(255);
	if (one_in(100))
		address = any_address() | 1;
	TRY(store_byte(address, value));
	tell("store %s: %s\n", place(address), fault_word());
}

static void call_load(void)
{
	look_at(one_in(100) ? any_address() | 1 : one_in(4) ? any_page() + 128 : spot(any_page()));
}

/* A range that system calls read or write, perhaps over the edge of what is there. */
static unsigned long io_range(unsigned long *length)
{
	unsigned long address = any_page() + (one_in(2) ? below(4096) : 0);
	*length = 1 + below(one_in(2) ? 64 : 3 * PAGE);
	if (one_in(60))
		address = any_address();
	return address;
}

static void drain(void)
{
	while (read(pipe_in, scratch_text, sizeof(scratch_text)) > 0)
		;
}

static void call_io(void)
{
	unsigned long length, address = io_range(&length), offset = below(FILE_PAGES * PAGE);
	unsigned long length2, address2 = io_range(&length2);
	long result;
	const char *name;
	vector[0] = (struct iovec){ (void *)address, length };
	vector[1] = (struct iovec){ (void *)address2, length2 };
	memset(scratch_text, 1 + below(255), 3 * PAGE);
	switch (below(7)) {
	case 0:
		result = pread(file_rw, (void *)address, length, offset), name = "pread";
		break;
	case 1:
		result = pwrite(file_rw, (void *)address, length, offset), name = "pwrite";
		break;
	case 2:
		result = preadv(file_rw, vector, 2, offset), name = "preadv";
		break;
	case 3:
		result = pwritev(file_rw, vector, 2, offset), name = "pwritev";
		break;
	case 4:
		(void)!write(pipe_out, scratch_text, 2 * PAGE);
		result = read(pipe_in, (void *)address, length), name = "read pipe";
		break;
	case 5:
		result = write(pipe_out, (void *)address, length), name = "write pipe";
		break;
	default:
		result = readv(zero, vector, 2), name = "readv zero";
		break;
	}
	tell("%s %s +%lu, %s +%lu at %lu: %s %ld\n", name, place(address), length, place(address2), length2, offset,
	     outcome(result), result);
	if (result > 0 && name[0] == 'w') {
		memset(scratch_text, 0, 4 * PAGE);
		result = read(pipe_in, scratch_text, sizeof(scratch_text));
		tell("  came out: %ld %08x\n", result, checksum(scratch_text, result > 0 ? result : 0));
	}
	drain();
	if (shared->file_pages * (long)PAGE < lseek(file_rw, 0, SEEK_END))
		MUST(ftruncate(file_rw, shared->file_pages * PAGE));
}

static void call_truncate(void)
{
	long pages = one_in(2) ? FILE_PAGES : (long)below(FILE_PAGES + 1);
	long size = pages * PAGE - (pages && one_in(3) ? (long)below(4096) : 0);
	shared->file_pages = pages;
	tell("truncate to %ld: %s\n", size, outcome(ftruncate(file_rw, size)));
}

static void call_file(void)
{
	long offset = below(FILE_PAGES) * PAGE;
	if (one_in(3)) {
		tell("punch %ld: %s\n", offset, outcome(fallocate(file_rw, 3, offset, PAGE)));
		return;
	}
	memset(scratch_text, 0, PAGE);
	long result = pread(file_rw, scratch_text, PAGE, offset);
	tell("file page %ld: %ld %08x\n", offset / (long)PAGE, result, checksum(scratch_text, result > 0 ? result : 0));
}

/* ---- Families ---------------------------------------------------------------------------------- */

static void some_calls(unsigned long count);

static void pass(int fd)
{
	MUST(write(fd, "x", 1));
}

static void await(int fd)
{
	char c;
	if (read(fd, &c, 1) != 1)
		_exit(97);
}

static void call_fork(void)
{
	int to_child[2], to_parent[2];
	unsigned long seed = below(1 << 30), child_calls = 5 + below(30), calls = below(30);
	if (depth >= DEPTH_MAX)
		return;
	MUST(pipe(to_child));
	MUST(pipe(to_parent));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		depth++;
		state = seed;
		close(to_child[1]);
		close(to_parent[0]);
		tell("child begins\n");
		look_at_all();
		tell_maps();
		some_calls(child_calls);
		pass(to_parent[1]);
		await(to_child[0]);
		tell("child sees\n");
		look_at_all();
		tell_maps();
		_exit(depth);
	}
	close(to_child[0]);
	close(to_parent[1]);
	char c;
	if (read(to_parent[0], &c, 1) == 1) {
		tell("parent goes on\n");
		some_calls(calls);
		(void)!write(to_child[1], "x", 1);
	}
	close(to_child[1]);
	close(to_parent[0]);
	int status = wait_for(pid);
	tell("child ended: %x\n", status);
}

/* ---- Seeds ------------------------------------------------------------------------------------- */

static const struct {
	void (*call)(void);
	unsigned weight;
} calls[] = {
	{ call_mmap, 14 }, { call_munmap, 6 }, { call_mprotect, 9 }, { call_mremap, 9 }, { call_move_block, 4 }, { call_madvise, 9 },
	{ call_mlock, 5 }, { call_mlockall, 1 }, { call_msync, 2 }, { call_mincore, 3 }, { call_brk, 2 },
	{ call_store, 18 }, { call_load, 10 }, { call_io, 10 }, { call_truncate, 1 }, { call_file, 2 },
};

static void one_call(void)
{
	unsigned total = 0, chosen;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++)
		total += calls[i].weight;
	chosen = below(total);
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		if (chosen < calls[i].weight) {
			calls[i].call();
			return;
		}
		chosen -= calls[i].weight;
	}
}

static void some_calls(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		if (verbose)
			tell("%d#%lu ", depth, shared->calls);
		shared->calls++;
		if (one_in(150))
			call_fork();
		else
			one_call();
		if (shared->calls % CHECK_EVERY == 0)
			look_at_all();
		if (maps_always || shared->calls % CHECK_EVERY == 20)
			tell_maps();
	}
}

static void limit_to(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };
	MUST(setrlimit(resource, &limit));
}

/* The size of the address space and of its private writable part, in bytes. */
static void sizes(unsigned long *all, unsigned long *data)
{
	int fd = MUST(open("/proc/self/status", O_RDONLY));
	ssize_t length = read(fd, text, 4096);
	close(fd);
	text[length > 0 ? length : 0] = 0;
	char *a = strstr(text, "VmSize:"), *d = strstr(text, "VmData:");
	*all = a ? strtoul(a + 7, NULL, 10) * 1024 : 0;
	*data = d ? strtoul(d + 7, NULL, 10) * 1024 : 0;
}

/* Odd seeds belong to nobody and have little: of locked memory, of addresses, or of data. */
static void set_limits(unsigned long seed)
{
	unsigned long all, data;
	limit_to(RLIMIT_CORE, 0);
	if (seed % 2 == 0)
		return;
	limit_to(RLIMIT_MEMLOCK, seed % 8 == 7 ? 0 : 24 * PAGE);
	sizes(&all, &data);
	if (seed % 4 == 3)
		limit_to(RLIMIT_AS, all + 80 * PAGE);
	if (seed % 8 == 5)
		limit_to(RLIMIT_DATA, data + 60 * PAGE);
	MUST(setresgid(NOBODY, NOBODY, NOBODY));
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
}

static void open_files(void)
{
	int fds[2];
	file_rw = MUST(open("f", O_RDWR | O_CREAT | O_TRUNC, 0666));
	file_ro = MUST(open("f", O_RDONLY));
	file_wo = MUST(open("f", O_WRONLY));
	directory = MUST(open("/", O_RDONLY));
	zero = MUST(open("/dev/zero", O_RDWR));
	MUST(pipe2(fds, O_NONBLOCK));
	pipe_in = fds[0];
	pipe_out = fds[1];
	for (int i = 0; i < FILE_PAGES; i++) {
		memset(scratch_text, 'a' + i % 26, PAGE);
		MUST(pwrite(file_rw, scratch_text, i % 5 ? PAGE : 100, i * PAGE));
	}
	MUST(ftruncate(file_rw, FILE_PAGES * PAGE));
	shared->file_pages = FILE_PAGES;
}

static void own_signal_stack(void)
{
	static char stack[65536];
	stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) };
	memset(stack, 1, sizeof(stack));
	MUST(sigaltstack(&s, NULL));
	catch_faults(SA_ONSTACK | SA_NODEFER);
}

struct task {
	unsigned long seed, count;
};

static int run_seed(void *argument)
{
	const struct task *task = argument;
	state = task->seed * 0x9e3779b97f4a7c15UL + 12345;
	own_signal_stack();
	open_files();
	set_limits(task->seed);
	some_calls(task->count);
	tell("end\n");
	look_at_all();
	tell_maps();
	return 0;
}

int main(int argc, char **argv)
{
	while (argc > 1 && argv[1][0] == '-') {
		verbose = 1;
		maps_always |= argv[1][1] == 'm';
		argc--, argv++;
	}
	if (argc < 4) {
		printf("usage: differential [-v|-m] FIRST COUNT CALLS\n");
		return 2;
	}
	unsigned long first = strtoul(argv[1], NULL, 0), count = strtoul(argv[2], NULL, 0);
	shared = MUST(mmap((void *)0x200000000000, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	umask(0);
	scratch_enter();
	for (unsigned long seed = first; seed < first + count; seed++) {
		struct task task = { seed, strtoul(argv[3], NULL, 0) };
		*shared = (struct shared){ .hash = 14695981039346656037UL };
		int status = run_child(run_seed, &task);
		printf("seed %lu: %lu calls, checksum %016lx, status %x\n", seed, shared->calls, shared->hash, status);
		fflush(stdout);
	}
	unlink("f");
	scratch_leave();
	return 0;
}
