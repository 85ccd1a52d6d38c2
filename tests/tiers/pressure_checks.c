// SPDX-License-Identifier: MIT
/*
 * pressure_checks.c: more memory than there is.
 *
 *	RAM	32 MiB
 *	process	64 MiB of it, each page with its own number: the rest is on a disk
 *	victim	asks for more than RAM and the disk together have, and is killed
 *
 * The victim's end lets the other process, which has only a little, go on: its pages, some of them
 * swapped out meanwhile, are as they were.
 */
#include "pressure_checks.h"

#include <pagoda/abi/signal.h>
#include <pagoda/init.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

#include "check.h"
#include "ram_disk.h"
#include "space_checks.h"

#define SWAP_PAGES	     20480ul /* 80 MiB */
#define SMALL_PAGES	     512ul
#define FIRST_USABLE_PAGE    1 /* page 0 of a swap area is its header */
#define SWAP_HEADER_AT	     1024
#define SWAP_SIGNATURE	     "SWAPSPACE2"
#define SWAP_SIGNATURE_BYTES 10

/* ---- A swap area ----------------------------------------------------------------------- */

/* What mkswap writes, for swapon to find. */
static void make_swap(struct ram_disk *disk)
{
	const u32 header[] = {1, SWAP_PAGES - 1, 0}; /* version, last page, bad pages */

	memcpy(disk->bytes + SWAP_HEADER_AT, header, sizeof(header));
	memcpy(disk->bytes + PAGE_SIZE - SWAP_SIGNATURE_BYTES, SWAP_SIGNATURE,
	       SWAP_SIGNATURE_BYTES);
}

static long free_slots(void)
{
	return atomic_long_read(&nr_swap_pages);
}

/* ---- Processes ------------------------------------------------------------------------- */

static unsigned long map_pages(unsigned long nr)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, nr * PAGE_SIZE,
				     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);

	CHECK(addr < TASK_SIZE);
	return addr;
}

/* Write its number, and salt, to each page. Return: how many pages that were before a signal. */
static unsigned long number_pages(unsigned long addr, unsigned long nr, unsigned long salt)
{
	for (unsigned long i = 0; i < nr; i++) {
		unsigned long *word = (unsigned long *)null_touch(addr + i * PAGE_SIZE, true);

		if (!word)
			return i;
		*word = i ^ salt;
	}
	return nr;
}

static void check_numbers(unsigned long addr, unsigned long nr, unsigned long salt)
{
	for (unsigned long i = 0; i < nr; i++) {
		unsigned long *word = (unsigned long *)null_touch(addr + i * PAGE_SIZE, false);

		CHECK(word && *word == (i ^ salt));
	}
}

static void check_running_mm(void)
{
	struct mm_struct *mm = null_task->mm;

	down_write(&mm->mmap_lock);
	validate_mm(mm);
	up_write(&mm->mmap_lock);
}

/* ---- Twice as much as RAM -------------------------------------------------------------- */

static void check_twice_as_much_as_ram(void)
{
	unsigned long nr = totalram_pages() * 2, addr;
	long slots = free_slots();

	become_user_task();
	addr = map_pages(nr);
	CHECK(number_pages(addr, nr, 0) == nr);
	/* At most all of RAM can be in memory, so half of the pages at least have a slot. */
	CHECK(slots - free_slots() >= (long)(nr / 2));
	CHECK((unsigned long)atomic_long_read(&null_task->mm->swap_usage) >= nr / 2);
	check_numbers(addr, nr, 0);
	CHECK(number_pages(addr, nr, ~0ul) == nr);
	check_numbers(addr, nr, ~0ul);
	check_running_mm();
	CHECK(vm_event(oom_kill) == 0);
	exit_mm();
	CHECK(free_slots() == slots);
}

/* ---- More than RAM and swap ------------------------------------------------------------ */

static struct victim {
	unsigned long wanted, written;
	int signal;
	bool ended;
} victim;

static void run_victim(void *unused)
{
	(void)unused;
	null_task->flags &= ~PF_KTHREAD; /* the OOM killer spares kernel threads */
	become_user_task();
	victim.written = number_pages(map_pages(victim.wanted), victim.wanted, 0);
	victim.signal = null_signal();
	exit_mm();
	victim.ended = true;
}

static void check_oom_kill(void)
{
	long slots = free_slots();
	unsigned long addr;

	become_user_task();
	addr = map_pages(SMALL_PAGES);
	CHECK(number_pages(addr, SMALL_PAGES, 7) == SMALL_PAGES);
	victim.wanted = totalram_pages() + (unsigned long)slots;
	CHECK(port_thread_create("victim", run_victim, NULL));
	while (!victim.ended)
		port_yield();
	CHECK(victim.signal == SIGKILL && victim.written < victim.wanted);
	/* All slots were in use when it was killed; what was not, in RAM. */
	CHECK(victim.written + SMALL_PAGES > (unsigned long)slots);
	CHECK(vm_event(oom_kill) == 1 && null_signal() == 0);
	CHECK(atomic_long_read(&null_task->mm->swap_usage) >
	      0); /* else the next line would show nothing */
	check_numbers(addr, SMALL_PAGES, 7);
	check_running_mm();
	exit_mm();
	CHECK(free_slots() == slots);
}

void check_pressure(void)
{
	struct ram_disk *disk = ram_disk_create("ram1", SWAP_PAGES * PAGE_SIZE);

	make_swap(disk);
	CHECK(sys_swapon_bdev(&disk->bdev, "ram1", 0) == 0);
	CHECK(free_slots() == (long)(SWAP_PAGES - FIRST_USABLE_PAGE));
	check_twice_as_much_as_ram();
	check_oom_kill();
	CHECK(sys_swapoff_bdev(&disk->bdev) == 0);
	mm_validate_all();
}
