/* SPDX-License-Identifier: MIT */
/* proves: FT-01 FT-03 FT-19 FT-20 FT-21 FT-25 FX-30 */
/*
 * What a SIGSEGV says: si_code, si_addr, and trapno, err and cr2 of its context, for every
 * kind of bad access: no mapping, no permission, execution of data, kernel addresses,
 * non-canonical addresses, NULL, and accesses that straddle into a bad page (ABI.md,
 * section 4).
 */
#include "guest.h"

static const char constant[] = "read-only data";
static char data[2 * PAGE] __attribute__((aligned(4096))) = { 1 };

static void read_write_call(const char *what, char *p)
{
	char label[80];
	snprintf(label, sizeof(label), "read %s", what);
	TRY(touch_read(p));
	show_fault(label, p);
	snprintf(label, sizeof(label), "write %s", what);
	TRY(touch_write(p, 1));
	show_fault(label, p);
	snprintf(label, sizeof(label), "call %s", what);
	TRY(touch_call(p));
	show_fault(label, p);
}

static void straddling(const char *what, char *page)
{
	char label[80];
	snprintf(label, sizeof(label), "8 bytes read across into %s", what);
	TRY((void)*(volatile long *)opaque(page - 3));
	show_fault(label, page);
	snprintf(label, sizeof(label), "8 bytes written across into %s", what);
	TRY(*(volatile long *)opaque(page - 3) = -1L);
	show_fault(label, page);
	printf("bytes before it untouched: %s\n", page[-1] == 0 ? "yes" : "no");
}

/* A non-canonical address gives no cr2: print what SI_KERNEL comes with. */
static void show_general_protection(const char *what)
{
	show_fault(what, NULL);
}

static void non_canonical(void)
{
	static const unsigned long addresses[] = { 0x800000000000, 0x123456789abcdef0,
						   0xffff7fffffffffff };
	for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
		char *p = (char *)addresses[i];
		printf("non-canonical %#lx\n", addresses[i]);
		TRY(touch_read(p));
		show_general_protection("  read");
		TRY(touch_write(p, 1));
		show_general_protection("  write");
		TRY(touch_call(p));
		show_general_protection("  call");
	}
}

/* The bytes at a mapping's edges, and beyond the highest mapping of all. */
static void edges(void)
{
	static struct maps_line lines[64];
	char *area = map_anon(8 * PAGE, PROT_NONE), *p = area + 2 * PAGE;
	MUST(munmap(area, 8 * PAGE));
	MUST(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	TRY(touch_write(p, 1));
	show_fault("write the first byte", p);
	TRY(touch_read(p + 2 * PAGE - 1));
	show_fault("read the last byte", p);
	TRY(touch_read(p - 1));
	show_fault("read the byte before", p);
	TRY(touch_write(p - 1, 1));
	show_fault("write the byte before", p);
	TRY(touch_write(p + 2 * PAGE, 1));
	show_fault("write the byte after", p);
	show_layout("the mapping is as it was", area, 8 * PAGE);
	int count = read_maps(lines, ARRAY_LEN(lines));
	unsigned long highest = 0;
	for (int i = 0; i < count; i++)
		if (lines[i].end < 0xffff800000000000 && lines[i].end > highest)
			highest = lines[i].end;
	TRY(touch_read((char *)highest));
	printf("above the highest mapping: %s %s, then mmap %s\n", signal_name(last_fault.sig),
	       fault_code_name(last_fault.sig, last_fault.code),
	       map_anon(PAGE, PROT_READ) ? "works" : "fails");
	MUST(munmap(p, 2 * PAGE));
}

int main(void)
{
	catch_faults(0);
	edges();
	char *area = map_anon(8 * PAGE, PROT_READ | PROT_WRITE);
	MUST(munmap(area + 2 * PAGE, 6 * PAGE));
	char *none = map_anon(PAGE, PROT_NONE);

	read_write_call("NULL", NULL);
	read_write_call("page 0, byte 100", (char *)100);
	read_write_call("unmapped memory", area + 4 * PAGE + 17);
	read_write_call("the byte after a mapping", area + 2 * PAGE);
	read_write_call("PROT_NONE", none + 5);
	touch_read(constant);
	TRY(touch_write((char *)constant + 3, 'x'));
	show_fault("write read-only data", constant);
	TRY(touch_write((char *)(unsigned long)read_write_call, 0));
	show_fault("write code", (const void *)(unsigned long)read_write_call);
	touch_write(data, 2);
	TRY(touch_call(data));
	show_fault("call initialised data", data);
	MUST(madvise(area, PAGE, MADV_DONTNEED));
	TRY(touch_call(area));
	show_fault("call anonymous memory not yet present", area);
	area[0] = (char)0xc3;
	TRY(touch_call(area));
	show_fault("call anonymous memory, present", area);
	char on_stack[16] = { (char)0xc3 };
	TRY(touch_call(on_stack));
	show_fault("call the stack", on_stack);
	MUST(mprotect(area, PAGE, PROT_READ));
	TRY(touch_write(area + 9, 0));
	show_fault("write memory made read-only", area);
	MUST(mprotect(area, PAGE, PROT_READ | PROT_EXEC));
	TRY(touch_call(area));
	show_fault("call memory made executable", area);
	MUST(mprotect(area, PAGE, PROT_READ | PROT_WRITE));
	memset(area, 0, 2 * PAGE);
	straddling("unmapped memory", area + 2 * PAGE);
	MUST(mprotect(area + PAGE, PAGE, PROT_NONE));
	straddling("PROT_NONE", area + PAGE);
	read_write_call("the first byte beyond user space", (char *)0x7ffffffff000);
	read_write_call("the kernel half's first byte", (char *)0xffff800000000000);
	read_write_call("the kernel's image", (char *)0xffffffff81000000);
	read_write_call("the last byte of all", (char *)-1L);
	non_canonical();
	return 0;
}
