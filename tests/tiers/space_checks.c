// SPDX-License-Identifier: MIT
/*
 * space_checks.c: one task, its address space, a fork, and the end of both.
 *
 *	parent	[A A A A A A A A]	written, then forked
 *	child	[A A B A A A A A]	page 2 written by the child: a copy
 *
 * A second process leaves as many frames free as the first: nothing is lost. (The first fills the
 * lists of page tables that are kept.)
 */
#include "space_checks.h"

#include <pagoda/abi/signal.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <asm/pgalloc.h>

#include "check.h"

#define NR_PAGES 8ul

static struct rlimit limits[RLIM_NLIMITS];

void become_user_task(void)
{
	struct mm_struct *mm = mm_alloc();

	CHECK(mm);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	null_task->rlim = limits;
	null_task->active_mm = &init_mm;
	activate_mm(mm);
}

static unsigned long map_pages(void)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, NR_PAGES * PAGE_SIZE,
				     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);

	CHECK(addr < TASK_SIZE && !(addr & ~PAGE_MASK));
	return addr;
}

static void check_copies(unsigned long addr)
{
	char text[32] = "";

	CHECK(*null_touch(addr + 5 * PAGE_SIZE, false) == 0);
	CHECK(copy_to_user(addr + PAGE_SIZE - 3, "pagoda", 7) == 0);
	CHECK(copy_from_user(text, addr + PAGE_SIZE - 3, 7) == 0 && strcmp(text, "pagoda") == 0);
	CHECK(copy_to_user(addr + NR_PAGES * PAGE_SIZE - 2, "pagoda", 7) == 5);
	CHECK(null_signal() == SIGSEGV);
}

static void check_protection(unsigned long addr)
{
	CHECK(do_mprotect(current_vm->mm, addr, PAGE_SIZE, PROT_READ) == 0);
	CHECK(null_touch(addr, false) && !null_touch(addr, true) && null_signal() == SIGSEGV);
	CHECK(do_mprotect(current_vm->mm, addr, PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
	CHECK(null_touch(addr, true));
}

static void check_fork(unsigned long addr)
{
	struct mm_struct *parent = null_task->mm, *child;

	for (unsigned long i = 0; i < NR_PAGES; i++)
		*null_touch(addr + i * PAGE_SIZE, true) = 'A';
	child = dup_mm(parent);
	CHECK(child);
	null_task->mm = child;
	*null_touch(addr + 2 * PAGE_SIZE, true) = 'B';
	CHECK(*null_touch(addr + 2 * PAGE_SIZE, false) == 'B' && *null_touch(addr, false) == 'A');
	null_task->mm = parent;
	CHECK(*null_touch(addr + 2 * PAGE_SIZE, false) == 'A');
	down_write(&child->mmap_lock);
	validate_mm(child);
	up_write(&child->mmap_lock);
	mmput(child);
}

/* The whole life of a process. Return: frames that are free when nothing of it is left. */
static unsigned long free_pages_after_process(void)
{
	unsigned long addr;

	become_user_task();
	addr = map_pages();
	check_copies(addr);
	check_protection(addr);
	check_fork(addr);
	CHECK(do_munmap(current_vm->mm, addr + PAGE_SIZE, PAGE_SIZE) == 0 &&
	      !null_touch(addr + PAGE_SIZE, false));
	exit_mm();
	CHECK(nr_mms() == 0);
	lru_add_drain();
	kmem_cache_shrink_all();
	return nr_free_pages();
}

void check_address_space(void)
{
	unsigned long first = free_pages_after_process(); /* the lists of page tables are filled */

	CHECK(free_pages_after_process() == first);
}
