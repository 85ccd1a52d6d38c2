/* SPDX-License-Identifier: MIT */
/* tier3.c: address spaces: one task, faults that no hardware makes, and a page of anonymous memory. */
#include "host.h"

static struct pagoda_rlimit limits[pagoda_RLIM_NLIMITS];

void pagoda_port_flush_tlb(void)
{
}

/* Nothing here accesses user memory: copies move no byte. */
size_t pagoda_port_copy_from_user(void *dst, unsigned long src, size_t n)
{
	(void)dst, (void)src;
	return n;
}

size_t pagoda_port_copy_to_user(unsigned long dst, const void *src, size_t n)
{
	(void)dst, (void)src;
	return n;
}

size_t pagoda_port_clear_user(unsigned long dst, size_t n)
{
	(void)dst;
	return n;
}

size_t pagoda_port_strncpy_from_user(char *dst, unsigned long src, size_t n)
{
	(void)dst, (void)src, (void)n;
	return 0;
}

void pagoda_port_fault_signal(struct pagoda_pt_regs *regs, int signo, int si_code, unsigned long addr,
			  unsigned long error_code)
{
	(void)regs, (void)signo, (void)si_code, (void)error_code;
	fprintf(stderr, "a fault at %#lx was not served\n", addr);
	exit(1);
}

void pagoda_port_die(struct pagoda_pt_regs *regs, const char *what, unsigned long addr,
		 unsigned long error_code)
{
	(void)regs, (void)error_code;
	fprintf(stderr, "%s at %#lx\n", what, addr);
	exit(1);
}

void pagoda_port_send_signal(struct pagoda_vm_task *task, int signo)
{
	(void)task, (void)signo;
}

void pagoda_port_yield(void)
{
}

void host_write_fault(unsigned long addr)
{
	struct pagoda_pt_regs regs = { .cs = 3, .flags = pagoda_X86_EFLAGS_IF };

	pagoda_do_page_fault(&regs, pagoda_PF_USER | pagoda_PF_WRITE, addr);
}

void host_enter_process(void)
{
	struct pagoda_vm_task *task = pagoda_port_current();
	struct pagoda_mm_struct *mm = pagoda_mm_alloc();

	for (int i = 0; i < pagoda_RLIM_NLIMITS; i++)
		limits[i] = (struct pagoda_rlimit){ pagoda_RLIM_INFINITY, pagoda_RLIM_INFINITY };
	host_expect(mm, "an address space");
	task->rlim = limits;
	task->flags = 0;
	if (!task->active_mm)
		task->active_mm = &pagoda_init_mm;
	pagoda_activate_mm(mm);
}

void host_leave_process(void)
{
	pagoda_exit_mm();
	pagoda_port_current()->flags = pagoda_PF_KTHREAD;
}

void use_tier3(void)
{
	unsigned long addr;

	host_enter_process();
	addr = pagoda_do_mmap(pagoda_current_vm->mm, NULL, 0, pagoda_SZ_1M,
			      pagoda_PROT_READ | pagoda_PROT_WRITE, pagoda_MAP_PRIVATE | pagoda_MAP_ANONYMOUS, 0);
	host_expect(!pagoda_IS_ERR_VALUE(addr), "a region");
	host_write_fault(addr);
	host_expect(pagoda_get_mm_rss(pagoda_port_current()->mm) == 1, "one page of memory");
	host_expect(pagoda_vm_event(fault_anon) == 1, "one anonymous fault");
	pagoda_mm_validate_all();
	host_leave_process();
}
