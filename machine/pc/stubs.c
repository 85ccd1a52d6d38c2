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
