/* SPDX-License-Identifier: MIT */
/*
 * core_stubs.c: weak stand-ins for core functions that have not landed yet, so that the
 * hosted machine and the first unit tests link. Goes away with the last of them.
 */
#include "hosted_internal.h"

#include <asm/cpufeature.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>
#include <pagoda/bug.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

#define STUB(declaration, ...)                                                                     \
	__attribute__((weak)) declaration                                                          \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

__attribute__((weak)) struct mm_struct init_mm;
__attribute__((weak)) unsigned int nr_warnings;
__attribute__((weak)) struct x86_features x86_features;

STUB(void mm_boot(const struct mm_boot_info *info), (void)info)
STUB(void mm_start_threads(void), )
STUB(void mm_validate_all(void), )
STUB(unsigned long nr_free_pages(void), return 0)
STUB(void drain_all_pages(void), )
STUB(unsigned long kmem_cache_shrink_all(void), return 0)
STUB(unsigned long vmalloc_purge(void), return 0)
STUB(struct mm_struct *context_switch_mm(struct vm_task *prev, struct vm_task *next),
     (void)prev; (void)next; return NULL)
STUB(void mmdrop(struct mm_struct *mm), (void)mm)
STUB(void mmget(struct mm_struct *mm), (void)mm)
STUB(struct mm_struct *mm_alloc(void), return NULL)
STUB(struct mm_struct *dup_mm(struct mm_struct *mm), (void)mm; return NULL)
STUB(void activate_mm(struct mm_struct *mm), (void)mm)
STUB(void exit_mm(void), )
STUB(void switch_mm(struct mm_struct *prev, struct mm_struct *next), (void)prev; (void)next)
STUB(void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address),
     (void)regs;
     hosted_fatal("no do_page_fault() yet: %#lx %#lx", error_code, address))
STUB(unsigned long do_mmap(struct vm_file *file, unsigned long addr, unsigned long len,
			   unsigned long prot, unsigned long flags, unsigned long offset),
     (void)file; (void)addr; (void)len; (void)prot; (void)flags; (void)offset; return (unsigned long)-12)
STUB(int do_munmap(unsigned long addr, size_t len), (void)addr; (void)len; return -12)
STUB(void flush_tlb_kernel_range(unsigned long start, unsigned long end),
     (void)start; (void)end; port_flush_tlb_all())
STUB(void machine_map_kernel_image(void), )
