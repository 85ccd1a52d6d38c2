/* SPDX-License-Identifier: MIT */
/* address_space.h: what the tests of address spaces share. */
#pragma once

#include "harness.h"

#include <pagoda/abi/signal.h>
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/pagemap.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>
#include <asm/fault.h>
#include <asm/pgalloc.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

#define PG(n) ((unsigned long)(n)*PAGE_SIZE)

/* A place for mappings that lies in one table, with room on both sides. */
#define BASE 0x10000000ul

#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define FIXED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
#define RW    (PROT_READ | PROT_WRITE)

/* The current task as a fresh process with the usual layout and no limits. */
static inline void new_process(void)
{
	CHECK_EQ(hosted_process_create(), 0);
	arch_pick_mmap_layout(current_vm->mm, 8 * SZ_1M);
	set_brk_start(current_vm->mm, 0x8000000);
}

static inline struct mm_struct *mm_of_current(void)
{
	return current_vm->mm;
}

static inline unsigned long map_at(unsigned long addr, unsigned long pages, unsigned long prot)
{
	unsigned long ret = do_mmap(current_vm->mm, NULL, addr, PG(pages), prot, FIXED, 0);

	CHECK_EQ(ret, addr);
	return ret;
}

static inline void check_mm(void)
{
	struct mm_struct *mm = current_vm->mm;

	down_read(&mm->mmap_lock);
	validate_mm(mm);
	up_read(&mm->mmap_lock);
}

/* Frame behind a user address, 0 if none is mapped. */
static inline unsigned long frame_at(unsigned long addr)
{
	struct hosted_pte_info info = hosted_lookup_user(current_vm->mm, addr);

	return info.present ? PHYS_PFN(info.pa) : 0;
}

/*
 * The VMAs between start and end as a drawing, a character a page, '|' between VMAs:
 * '.' nothing, '-' no access, 'r', 'w' (read and write), 'x' (read and exec), 'W' (write,
 * exec too); upper case letters S for shared are not drawn: check flags apart.
 */
static inline const char *draw(unsigned long start, unsigned long pages)
{
	static char text[4][512];
	static int turn;
	char *out = text[turn++ % 4], *p = out;
	struct vm_area_struct *vma = NULL, *last = NULL;

	for (unsigned long i = 0; i < pages; i++) {
		unsigned long addr = start + PG(i);

		vma = find_vma(current_vm->mm, addr);
		if (vma && vma->vm_start > addr)
			vma = NULL;
		if (vma && last && vma != last)
			*p++ = '|';
		last = vma;
		*p++ = !vma						   ? '.'
		       : !(vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) ? '-'
		       : vma->vm_flags & VM_WRITE ? (vma->vm_flags & VM_EXEC ? 'W' : 'w')
		       : vma->vm_flags & VM_EXEC  ? 'x'
						  : 'r';
	}
	*p = 0;
	return out;
}
#define CHECK_LAYOUT(pages, text) CHECK_STR(draw(BASE, pages), text)

static inline bool user_write32(unsigned long addr, u32 value)
{
	return hosted_user_write(addr, &value, sizeof(value));
}
static inline bool user_read32(unsigned long addr, u32 *value)
{
	return hosted_user_read(addr, value, sizeof(*value));
}
