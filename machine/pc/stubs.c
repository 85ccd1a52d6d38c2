/* SPDX-License-Identifier: MIT */
/* stubs.c: TEMPORARY weak stand-ins for parts that have not landed yet; goes away with them. */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmalloc.h>
#include <asm/fault.h>
#include "io.h"
#include "pc.h"

#define __weak __attribute__((weak))

__weak void *memset(void *dst, int c, size_t n)
{
	__asm__ __volatile__("rep stosb" : "+D"(dst), "+c"(n) : "a"(c) : "memory");
	return dst;
}
__weak void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;

	__asm__ __volatile__("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}
__weak size_t pagoda_strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = 0;

	for (; src[n]; n++)
		if (n + 1 < size)
			dst[n] = src[n], dst[n + 1] = 0;
	return n;
}
static size_t put_num(char *buf, unsigned long v, unsigned base)
{
	char tmp[24];
	size_t n = 0, k = 0;

	do
		tmp[n++] = "0123456789abcdef"[v % base];
	while ((v /= base) != 0);
	while (n)
		buf[k++] = tmp[--n];
	return k;
}
__weak int pagoda_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	size_t n = 0;

	for (; *fmt && n + 40 < size; fmt++) {
		int l = 0;

		if (*fmt != '%') {
			buf[n++] = *fmt;
			continue;
		}
		for (fmt++; *fmt == '#' || *fmt == 'l' || *fmt == 'z' || (*fmt >= '0' && *fmt <= '9'); fmt++)
			l += *fmt == 'l' || *fmt == 'z';
		if (*fmt == 's') {
			const char *s = va_arg(args, const char *);

			while (*s && n + 40 < size)
				buf[n++] = *s++;
		} else if (*fmt == 'c') {
			buf[n++] = (char)va_arg(args, int);
		} else {
			unsigned long v = l || *fmt == 'p' ? va_arg(args, unsigned long) : va_arg(args, unsigned);

			n += put_num(buf + n, v, *fmt == 'd' || *fmt == 'u' ? 10 : 16);
		}
	}
	buf[n] = 0;
	return (int)n;
}
__weak __noreturn void panic(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	pagoda_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	port_panic(text);
}
static bool strcmp_(const char *a, const char *b)
{
	while (*b)
		if (*a++ != *b++)
			return false;
	return true;
}
static volatile unsigned long ticks, events;
__weak void kernel_tick(struct pt_regs *regs)
{
	(void)regs;
	ticks++;
}
static void on_stream(enum machine_stream s)
{
	(void)s;
	events++;
}
static void echo(void)
{
	static char buf[65536];
	unsigned long total = 0;
	u64 start = port_clock_ns();

	machine_stream_notify(on_stream);
	for (;;) {
		long n = machine_stream_read(STREAM_STDIO, buf, sizeof(buf));
		unsigned long done = 0;

		if (n < 0)
			break;
		total += (unsigned long)n;
		while (done < (unsigned long)n) {
			size_t k = machine_stream_write(STREAM_STDIO, buf + done, (size_t)n - done);

			done += k;
			if (k == 0)
				machine_idle();
		}
		if (n == 0)
			machine_idle();
	}
	machine_stream_write(STREAM_CONTROL, "{}\n", 3);
	machine_stream_write(STREAM_STDERR, "end\n", 4);
	for (int s = 0; s < NR_STREAMS; s++)
		machine_stream_flush((enum machine_stream)s);
	log_printf("echo %lu bytes, %lu us, ticks %lu events %lu\n", total, (port_clock_ns() - start) / 1000, ticks, events);
}
static noinline int overflow(int n)
{
	volatile char big[512];

	big[0] = (char)n;
	return n > 1000000 ? 0 : overflow(n + 1) + big[0];
}
static noinline void test_traps(void)
{
	struct port_mem_range *r = (void *)0x800000;
	log_printf("flags %lx\n", port_irq_flags());
	if (boot_source.rsdp & 1)
		log_printf("%d\n", overflow(1));
	(void)r;
	__asm__ __volatile__("ud2");
}
__weak __noreturn void kernel_main(struct boot_info *bi)
{
	unsigned int nr;
	const struct port_mem_range *r = port_memory_map(&nr);

	log_printf("cmdline: %s\n", bi->cmdline);
	for (unsigned int i = 0; i < nr; i++)
		log_printf("mem %#llx-%#llx %d\n", (unsigned long long)r[i].start, (unsigned long long)r[i].end, r[i].type);
	log_printf("initrd %#lx-%#lx kernel %#lx-%#lx init %#lx-%#lx\n", bi->initrd_start, bi->initrd_end, bi->kernel_start,
		   bi->kernel_end, bi->init_start, bi->init_end);
	log_printf("entry tsc %lu\n", bi->entry_tsc);
	machine_init(bi);
	log_printf("tsc %lu Hz, %lu ns since boot, wall %lu s\n", bi->tsc_hz, port_clock_ns(),
		   machine_boot_wallclock_ns() / 1000000000);
	log_printf("apic %x s5 %d %d pm %x timer %x ioapic %x cpus %d\n", acpi_info.lapic_pa, acpi_info.has_s5,
		   acpi_info.s5_type_a, acpi_info.pm1a_control, acpi_info.pm_timer, acpi_info.ioapic_pa, acpi_info.nr_cpus);
	if (strcmp_(bi->cmdline, "echo"))
		echo();
	if (strcmp_(bi->cmdline, "trap"))
		test_traps();
	machine_power_off(0);
}
__weak void kernel_cond_resched(void)
{
}

struct pt_regs;
__weak bool fixup_exception(struct pt_regs *regs)
{
	(void)regs;
	return false;
}
__weak void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address)
{
	port_die(regs, "page fault", address, error_code);
}
__weak bool kernel_work_pending(void)
{
	return false;
}
__weak void kernel_return_to_user(struct pt_regs *regs)
{
	(void)regs;
}
__weak void kernel_syscall(struct pt_regs *regs)
{
	log_printf("syscall %lx\n", ((unsigned long *)regs)[15]);
}
__weak void kernel_user_trap(struct pt_regs *regs, int signo, int si_code, unsigned long addr)
{
	log_printf("user trap %d %d %lx\n", signo, si_code, addr);
	port_die(regs, "user", addr, 0);
}
__weak void *vmalloc(unsigned long n)
{
	(void)n;
	return NULL;
}
__weak void vfree(void *p)
{
	(void)p;
}
extern unsigned int nr_warnings;
__weak unsigned int nr_warnings;
__weak void report_warning(const char *file, int line, const char *what)
{
	log_printf("WARNING %s %d %s\n", file, line, what);
}

#include <pagoda/page_alloc.h>
__weak void *ioremap(phys_addr_t phys, unsigned long size)
{
	(void)size;
	return __va(phys);
}
static unsigned long next_page = 0x800000;
__weak unsigned long __get_free_pages(gfp_t gfp_mask, unsigned int order)
{
	unsigned long p = next_page;

	(void)gfp_mask;
	next_page += PAGE_SIZE << order;
	memset(__va(p), 0, PAGE_SIZE << order);
	return (unsigned long)__va(p);
}
__weak unsigned long get_zeroed_page(gfp_t gfp_mask)
{
	return __get_free_pages(gfp_mask, 0);
}
__weak void free_pages(unsigned long addr, unsigned int order)
{
	(void)addr, (void)order;
}
__weak int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
__weak int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a - *b;
}

#include <asm/pgtable.h>
#include <asm/tlb.h>
__weak struct mm_struct init_mm;
__weak void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	(void)start, (void)end;
	port_flush_tlb_all();
}
__weak void machine_map_kernel_image(void)
{
	panic("no machine_map_kernel_image() yet");
}
__weak void port_park(u64 deadline_ns)
{
	(void)deadline_ns;
}
__weak void port_unpark(struct vm_task *task)
{
	(void)task;
}
__weak bool port_fatal_signal_pending(void)
{
	return false;
}
__weak void port_yield(void)
{
}
__weak void port_send_signal(struct vm_task *task, int signo)
{
	(void)task, (void)signo;
}
__weak void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
			      unsigned long error_code)
{
	(void)signo, (void)si_code;
	port_die(regs, "fault", addr, error_code);
}
