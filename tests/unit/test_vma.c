// SPDX-License-Identifier: MIT
/*
 * test_vma.c: regions: where they are put, how they split and merge, and what every wrong
 * call answers. Layouts are drawn a character a page (address_space.h), '|' between VMAs.
 */
#include "address_space.h"

#include <string.h>

static int map_count(void)
{
	return current_vm->mm->map_count;
}

/* ---- Splitting and merging ------------------------------------------------------------- */

PAGODA_TEST(adjacent_equal_maps_are_one_vma, "AS-40")
{
	new_process();
	map_at(BASE, 3, RW);
	map_at(BASE + PG(3), 3, RW);
	CHECK_LAYOUT(8, "wwwwww..");
	map_at(BASE + PG(7), 1, RW);
	CHECK_LAYOUT(8, "wwwwww.w");
	map_at(BASE + PG(6), 1, RW); /* fills the hole between equals */
	CHECK_LAYOUT(8, "wwwwwwww");
	CHECK_EQ(map_count(), 1);
	check_mm();
}

PAGODA_TEST(different_rights_do_not_merge, "AS-40")
{
	new_process();
	map_at(BASE, 2, RW);
	map_at(BASE + PG(2), 2, PROT_READ);
	map_at(BASE + PG(4), 2, PROT_NONE);
	CHECK_LAYOUT(6, "ww|rr|--");
	check_mm();
}

PAGODA_TEST(mprotect_splits_middle_and_merges_back, "AS-41 AS-43")
{
	new_process();
	map_at(BASE, 6, RW);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2), PG(2), PROT_READ), 0);
	CHECK_LAYOUT(6, "ww|rr|ww");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(3), PG(2), RW), 0);
	CHECK_LAYOUT(6, "ww|r|www");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2), PG(1), RW), 0);
	CHECK_LAYOUT(6, "wwwwww");
	CHECK_EQ(map_count(), 1);
	check_mm();
}

PAGODA_TEST(mprotect_merges_with_pages_present, "AS-41 FT-44")
{
	new_process();
	map_at(BASE, 6, RW);
	hosted_user_fill(BASE, 7, PG(6));
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2), PG(2), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2), PG(2), RW), 0);
	CHECK_LAYOUT(6, "wwwwww");
	check_mm();
	/* Both touched apart, equal later: the neighbour's record is shared. */
	map_at(BASE + PG(10), 1, RW);
	map_at(BASE + PG(11), 1, PROT_READ);
	hosted_write32(BASE + PG(10), 1);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(11), PG(1), RW), 0);
	hosted_write32(BASE + PG(11), 1);
	CHECK_STR(draw(BASE + PG(10), 2), "ww");
	check_mm();
}

PAGODA_TEST(mprotect_takes_over_part_of_a_neighbour, "AS-41")
{
	new_process();
	map_at(BASE, 6, RW);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(3), PG(3), PROT_READ), 0);
	CHECK_LAYOUT(6, "www|rrr");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(3), PG(1), RW), 0);
	CHECK_LAYOUT(6, "wwww|rr");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2), PG(2), PROT_READ), 0);
	CHECK_LAYOUT(6, "ww|rrrr");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(2), PROT_READ), 0);
	CHECK_LAYOUT(6, "rrrrrr");
	check_mm();
}

PAGODA_TEST(munmap_start_end_middle_several, "CT-13 AS-43 AS-49")
{
	new_process();
	map_at(BASE, 8, RW);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	CHECK_LAYOUT(8, ".wwwwwww");
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(7), 1), 0); /* length rounds up */
	CHECK_LAYOUT(8, ".wwwwww.");
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(3), PG(2)), 0);
	CHECK_LAYOUT(8, ".ww..ww.");
	CHECK_EQ(map_count(), 2);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(2), PG(4)), 0); /* over a hole, ends of two */
	CHECK_LAYOUT(8, ".w....w.");
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(8)), 0);
	CHECK_LAYOUT(8, "........");
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(8)), 0); /* nothing there is no error */
	CHECK_EQ(current_vm->mm->total_vm, 0);
	check_mm();
}

PAGODA_TEST(map_fixed_replaces_what_is_there, "AS-47 AS-43")
{
	new_process();
	map_at(BASE, 6, RW);
	hosted_write32(BASE + PG(2), 77);
	map_at(BASE + PG(2), 2, PROT_READ);
	CHECK_LAYOUT(6, "ww|rr|ww");
	CHECK_EQ(hosted_read32(BASE + PG(2)), 0);
	map_at(BASE + PG(1), 4, RW);
	CHECK_LAYOUT(6, "wwwwww");
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, PG(1), RW, FIXED | MAP_FIXED_NOREPLACE, 0),
		 -EEXIST);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(6), PG(1), RW, ANON | MAP_FIXED_NOREPLACE,
			 0),
		 BASE + PG(6));
	check_mm();
}

PAGODA_TEST(child_maps_do_not_join_inherited_pages, "AS-40 AS-44")
{
	void child(void *arg);

	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 1);
	map_at(BASE + PG(4), 2, RW); /* untouched */
	hosted_wait(hosted_fork(HOSTED_ANY_CPU, child, NULL));
	map_at(BASE + PG(2), 1, RW);
	CHECK_LAYOUT(6, "www.ww"); /* in the parent it does join */
	check_mm();
}
void child(void *arg);
void child(void *arg)
{
	(void)arg;
	map_at(BASE + PG(2), 1, RW);
	CHECK_LAYOUT(6, "ww|w.ww");
	map_at(BASE + PG(3), 1, RW);
	CHECK_LAYOUT(6, "ww|wwww");
	check_mm();
}

PAGODA_TEST(shared_anonymous_maps_never_merge, "AS-40")
{
	new_process();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(i), PG(1), RW,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0),
			 BASE + PG(i));
	CHECK_LAYOUT(3, "w|w|w");
	check_mm();
}

PAGODA_TEST(mlock_splits_flags_and_merges_back, "AS-59 AS-62 AS-63 AS-64 AS-15")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 10, RW);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(10), 0), 0);
	CHECK_EQ(map_count(), 1);
	CHECK_EQ(mm->locked_vm, 10);
	CHECK_EQ(get_mm_rss(mm), 10);
	CHECK_EQ(do_munlock(current_vm->mm, BASE, PG(10)), 0);
	CHECK_EQ(mm->locked_vm, 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), 0);
	CHECK_EQ(map_count(), 2);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(9), PG(1), 0), 0);
	CHECK_EQ(map_count(), 3);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(4) + 5, 1, 0), 0); /* rounds to the page */
	CHECK_EQ(map_count(), 5);
	CHECK_EQ(mm->locked_vm, 3);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(4), PG(1), 0), 0); /* nested locks count once */
	CHECK_EQ(mm->locked_vm, 3);
	check_mm();
	CHECK_EQ(do_munlockall(current_vm->mm), 0);
	CHECK_EQ(map_count(), 1);
	CHECK_EQ(mm->locked_vm, 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(8), PG(4), 0), -ENOMEM); /* hole */
	check_mm();
}

PAGODA_TEST(mlock_tells_lasting_errors_from_passing_ones, "AS-62")
{
	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 1); /* tables and VMAs are there */
	hosted_fail_nth(1);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(2), 0), -EAGAIN);
	hosted_fail_nth(0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(2), 0), 0);
	map_at(BASE + PG(4), 1, PROT_NONE);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(4), PG(1), 0), -ENOMEM);
	check_mm();
}

PAGODA_TEST(populating_ends_when_the_task_is_killed, "AS-62")
{
	new_process();
	map_at(BASE, 8, RW);
	port_send_signal(current_vm, SIGKILL);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(8), 23 /* MADV_POPULATE_WRITE */), -EINTR);
	CHECK_LT(get_mm_rss(current_vm->mm), 8);
	CHECK_EQ(hosted_signal().signo, SIGKILL);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(8), 23), 0);
	check_mm();
}

PAGODA_TEST(mlockall_current_and_future, "AS-16 AS-61")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 4, RW);
	CHECK_EQ(do_mlockall(current_vm->mm, 2), 0); /* MCL_FUTURE */
	CHECK_EQ(get_mm_rss(mm), 0);
	map_at(BASE + PG(8), 4, RW);
	CHECK_EQ(get_mm_rss(mm), 4);
	CHECK_EQ(do_mlockall(current_vm->mm, 1), 0); /* MCL_CURRENT */
	CHECK_EQ(get_mm_rss(mm), 8);
	CHECK_EQ(mm->def_flags, 0);
	CHECK_EQ(do_mlockall(current_vm->mm, 0), -EINVAL);
	CHECK_EQ(do_mlockall(current_vm->mm, 4), -EINVAL);
	CHECK_EQ(do_mlockall(current_vm->mm, 16), -EINVAL);
	check_mm();
}

PAGODA_TEST(mlock_limits, "CT-16 AS-60")
{
	static struct rlimit limits[RLIM_NLIMITS];

	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	new_process();
	current_vm->rlim = limits;
	current_vm->cap_ipc_lock = false;
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, PG(20000), RW, FIXED | MAP_NORESERVE, 0),
		 BASE);
	limits[RLIMIT_MEMLOCK].rlim_cur = 0;
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), -EPERM);
	CHECK_EQ(do_mlockall(current_vm->mm, 1), -EPERM);
	limits[RLIMIT_MEMLOCK].rlim_cur = PG(4);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(5), 0), -ENOMEM);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(4), 0), 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(4), 0), 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(4), PG(1), 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON | MAP_LOCKED, 0), -EAGAIN);
	CHECK_EQ(do_munlockall(current_vm->mm), 0);
	current_vm->cap_ipc_lock = true;
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(totalram_pages() / 2 + 1), 0), -ENOMEM);
	CHECK_EQ(current_vm->mm->locked_vm, 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, ~0ul - PG(3), 0), -EINVAL);
	current_vm->rlim = NULL;
	check_mm();
}

/* ---- Looking up and placing ----------------------------------------------------------------- */

PAGODA_TEST(find_vma_agrees_with_the_list, "CT-12 AS-32 AS-34 AS-35 AS-36")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	for (int i = 0; i < 200; i++)
		map_at(BASE + PG(test_random_below(2000)), 1 + test_random_below(3),
		       test_random_below(2) ? RW : PROT_READ);
	check_mm();
	for (int i = 0; i < 2000; i++) {
		unsigned long addr =
			BASE + PG(test_random_below(2100)) + test_random_below(PAGE_SIZE);
		struct vm_area_struct *expected = mm->mmap, *prev = NULL, *got_prev, *got;

		for (; expected && expected->vm_end <= addr; expected = expected->vm_next)
			prev = expected;
		got = find_vma(mm, addr);
		CHECK(got == expected);
		got = find_vma_prev(mm, addr, &got_prev);
		CHECK(got == expected && got_prev == prev);
		got = find_vma_intersection(mm, addr, addr + 1);
		CHECK(got == (expected && expected->vm_start <= addr ? expected : NULL));
	}
	CHECK(find_vma(mm, BASE + PG(2100)) == NULL);
	CHECK(!find_vma_intersection(mm, mm->mmap->vm_start - PG(1), mm->mmap->vm_start));
}

PAGODA_TEST(areas_are_placed_top_down, "AS-37")
{
	unsigned long a, b, c;

	new_process();
	a = do_mmap(current_vm->mm, NULL, 0, PG(4), RW, ANON, 0);
	CHECK_EQ(a + PG(4), current_vm->mm->mmap_base);
	b = do_mmap(current_vm->mm, NULL, 0, PG(4), PROT_READ, ANON, 0);
	CHECK_EQ(b + PG(4), a);
	c = do_mmap(current_vm->mm, NULL, 0, PG(4), PROT_NONE, ANON, 0);
	CHECK_EQ(c + PG(4), b);
	CHECK_EQ(do_munmap(current_vm->mm, b, PG(4)), 0);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(5), RW, ANON, 0), c - PG(5));
	/* the hole is used again */
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(2), PROT_READ, ANON, 0), b + PG(2));
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(2), PROT_READ, ANON, 0), b);
	check_mm();
}

PAGODA_TEST(areas_are_placed_bottom_up_without_a_stack_limit, "AS-37")
{
	unsigned long base = PAGE_ALIGN(min(TASK_SIZE, 0x7ffffffff000ul) / 3);

	new_process();
	arch_pick_mmap_layout(current_vm->mm, RLIM_INFINITY);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(4), RW, ANON, 0), base);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(4), PROT_READ, ANON, 0), base + PG(4));
	CHECK_EQ(do_munmap(current_vm->mm, base + PG(1), PG(2)), 0);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(2), PROT_READ, ANON, 0), base + PG(1));
	check_mm();
}

PAGODA_TEST(hints_are_used_if_free, "AS-37")
{
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + 5, PG(2), RW, ANON, 0),
		 BASE); /* rounded down */
	CHECK_NE(do_mmap(current_vm->mm, NULL, BASE + PG(1), PG(2), RW, ANON, 0),
		 BASE + PG(1)); /* occupied */
	CHECK_EQ(do_mmap(current_vm->mm, NULL, PG(1), PG(1), PROT_READ, ANON, 0), MMAP_MIN_ADDR);
	CHECK_EQ(IS_ERR_VALUE(do_mmap(current_vm->mm, NULL, TASK_SIZE - PG(1), PG(2), RW, ANON, 0)),
		 false);
	if (TASK_SIZE > 0x80000000ul) {
		unsigned long low =
			do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON | MAP_32BIT, 0);

		CHECK_LT(low, 0x80000000ul);
		CHECK_EQ(do_mmap(current_vm->mm, NULL, 0x7f000000, PG(1), RW, ANON | MAP_32BIT, 0),
			 0x7f000000);
		CHECK_LT(do_mmap(current_vm->mm, NULL, 0x7ffff000, PG(2), RW, ANON | MAP_32BIT, 0),
			 0x80000000ul - PG(2));
	}
	check_mm();
}

PAGODA_TEST(gap_search_agrees_with_a_linear_search, "AS-37")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	mm->mmap_base = BASE + PG(3000);
	map_at(MMAP_MIN_ADDR, (BASE - MMAP_MIN_ADDR) >> PAGE_SHIFT, PROT_NONE);
	for (int i = 0; i < 150; i++)
		map_at(BASE + PG(test_random_below(2990)), 1 + test_random_below(10),
		       test_random_below(2) ? RW : PROT_READ);
	for (int i = 0; i < 300; i++) {
		unsigned long len = PG(1 + test_random_below(12)), got, best = 0;
		unsigned long below = BASE;

		for (struct vm_area_struct *vma = mm->mmap->vm_next;; vma = vma->vm_next) {
			unsigned long top = vma ? vma->vm_start : mm->mmap_base;

			if (top - below >= len && top <= mm->mmap_base)
				best = top - len;
			if (!vma)
				break;
			below = vma->vm_end;
		}
		got = do_mmap(current_vm->mm, NULL, 0, len, test_random_below(2) ? RW : PROT_READ,
			      ANON, 0);
		if (best)
			CHECK_EQ(got, best);
		if (test_random_below(2) && !IS_ERR_VALUE(got))
			CHECK_EQ(do_munmap(current_vm->mm, got, len), 0);
	}
	check_mm();
}

/* ---- Errors ---------------------------------------------------------------------------------- */

PAGODA_TEST(mmap_error_matrix, "AS-47 AS-01")
{
	struct vm_file *file = shmem_zero_setup(PG(1), true);

	new_process();
	current_vm->cap_sys_rawio = false;
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, 0, RW, ANON, 0), -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON, 5), -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, MAP_PRIVATE, 0), -EBADF);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, MAP_ANONYMOUS, 0), -EINVAL);
	CHECK_EQ(
		do_mmap(current_vm->mm, NULL, 0, PG(1), RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, 0),
		-EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, ~0ul, RW, ANON, 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, TASK_SIZE + PG(1), RW, ANON, 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + 1, PG(1), RW, FIXED, 0), -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, TASK_SIZE, PG(1), RW, FIXED, 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, TASK_SIZE - PG(1), PG(2), RW, FIXED, 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, PG(1), PG(1), RW, FIXED, 0), -EPERM);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, 0),
		 -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON | MAP_HUGETLB, 0), -ENOMEM);
	CHECK_EQ(do_mmap(current_vm->mm, file, 0, PG(1), PROT_READ, MAP_PRIVATE, 0 - PAGE_SIZE),
		 -EOVERFLOW);
	put_vm_file(file);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, PG(2), RW, FIXED, 0 - PAGE_SIZE),
		 BASE); /* no offset there */
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2)), 0);
	CHECK_EQ(map_count(), 0);
	current_vm->cap_sys_rawio = true;
	map_at(0, 1, RW);
	check_mm();
}

PAGODA_TEST(munmap_errors, "AS-49")
{
	new_process();
	CHECK_EQ(do_munmap(current_vm->mm, BASE, 0), -EINVAL);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + 1, PG(1)), -EINVAL);
	CHECK_EQ(do_munmap(current_vm->mm, TASK_SIZE, PG(1)), -EINVAL);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, TASK_SIZE), -EINVAL);
}

PAGODA_TEST(mprotect_errors, "AS-23 AS-65")
{
	new_process();
	map_at(BASE, 2, RW);
	map_at(BASE + PG(3), 1, RW);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + 1, PG(1), PROT_READ), -EINVAL);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), 0x40), -EINVAL);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_GROWSUP | PROT_READ), -EINVAL);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_GROWSDOWN | PROT_READ), -EINVAL);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_GROWSDOWN | PROT_GROWSUP), -EINVAL);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, 0, PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, ~0ul - PG(1), PROT_READ), -ENOMEM);
	CHECK_LAYOUT(4, "ww.w");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(4), PROT_READ), -ENOMEM);
	CHECK_LAYOUT(4, "rr.w"); /* what lies before the hole has changed */
	check_mm();
}

PAGODA_TEST(mremap_errors, "CT-14 AS-52 AS-22")
{
	new_process();
	map_at(BASE, 4, RW);
	map_at(BASE + PG(4), 1, PROT_READ);
	CHECK_EQ(do_mremap(current_vm->mm, BASE + 1, PG(1), PG(1), 0, 0), -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(1), PG(1), 8, 0), -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(1), 0, 0, 0), -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(1), PG(1), MREMAP_FIXED, BASE + PG(10)),
		 -EINVAL);
	CHECK_EQ(
		do_mremap(current_vm->mm, BASE, PG(1), PG(2), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
		-EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_FIXED,
			   BASE + PG(1)),
		 -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_FIXED,
			   BASE + PG(9) + 1),
		 -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_FIXED,
			   TASK_SIZE),
		 -EINVAL);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, 0, PG(1), MREMAP_MAYMOVE, 0),
		 -EINVAL); /* private */
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(20), PG(1), PG(1), 0, 0), -EFAULT);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(5), PG(6), MREMAP_MAYMOVE, 0),
		 -EFAULT);							/* two VMAs */
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(4), PG(6), 0, 0), -ENOMEM); /* blocked */
	CHECK_LAYOUT(5, "wwww|r");
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(5), PG(5), 0, 0),
		 BASE); /* same size spans VMAs */
	find_vma(current_vm->mm, BASE)->vm_flags |= VM_DONTEXPAND;
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(4), PG(5), MREMAP_MAYMOVE, 0), -EFAULT);
	find_vma(current_vm->mm, BASE)->vm_flags &= ~VM_DONTEXPAND;
	check_mm();
}

PAGODA_TEST(address_space_limit, "AS-47 FT-23")
{
	static struct rlimit limits[RLIM_NLIMITS];

	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	new_process();
	current_vm->rlim = limits;
	limits[RLIMIT_AS].rlim_cur = PG(10);
	map_at(BASE, 10, RW);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON, 0), -ENOMEM);
	map_at(BASE, 10, PROT_READ); /* what it replaces does not count */
	limits[RLIMIT_AS].rlim_cur = RLIM_INFINITY;
	limits[RLIMIT_DATA].rlim_cur = PG(5);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(6), RW, ANON, 0), -ENOMEM);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(6), RW), -ENOMEM);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(5), RW), 0);
	current_vm->rlim = NULL;
	check_mm();
}

PAGODA_TEST(map_count_limit, "AS-47 AS-43")
{
	new_process();
	sysctl_max_map_count = 8;
	map_at(BASE, 20, RW);
	for (int i = 1; i < 8; i++)
		CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(20 + 2 * i), PG(1), RW, FIXED, 0),
			 BASE + PG(20 + 2 * i));
	CHECK_EQ(map_count(), 8);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(5), PG(1)), -ENOMEM);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(5), PG(1), PROT_READ), -ENOMEM);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(5), PG(1), 0), -ENOMEM);
	CHECK_STR(draw(BASE, 20), "wwwwwwwwwwwwwwwwwwww");
	map_at(BASE + PG(60), 1, RW);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(1), RW, ANON, 0), -ENOMEM);
	sysctl_max_map_count = 65530;
	check_mm();
}

PAGODA_TEST(overcommit_modes, "AS-02 AS-67")
{
	unsigned long ram = totalram_pages();
	long committed = atomic_long_read(&vm_committed_as);

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(ram + 1), RW, ANON, 0), -ENOMEM);
	CHECK(!IS_ERR_VALUE(
		do_mmap(current_vm->mm, NULL, 0, PG(ram + 1), RW, ANON | MAP_NORESERVE, 0)));
	CHECK(!IS_ERR_VALUE(do_mmap(current_vm->mm, NULL, 0, PG(ram + 1), PROT_READ, ANON, 0)));
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed);
	map_at(BASE, 10, RW);
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed + 10);
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(ram + 1), PROT_READ,
			 MAP_SHARED | MAP_ANONYMOUS, 0),
		 -ENOMEM);
	CHECK(!IS_ERR_VALUE(do_mmap(current_vm->mm, NULL, 0, PG(ram + 1), RW,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, 0)));
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(20), PG(5), RW,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0),
		 BASE + PG(20));
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed + 15);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(21), PG(3)), 0);
	/* the object's, not the mapping's */
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed + 15);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(20), PG(5)), 0);
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed + 10);
	sysctl_overcommit_memory = 2;
	CHECK_EQ(do_mmap(current_vm->mm, NULL, 0, PG(vm_commit_limit()), RW, ANON, 0), -ENOMEM);
	sysctl_overcommit_memory = 1;
	CHECK(!IS_ERR_VALUE(do_mmap(current_vm->mm, NULL, 0, PG(2 * ram), RW, ANON, 0)));
	sysctl_overcommit_memory = 0;
	hosted_process_exit();
	CHECK_EQ(atomic_long_read(&vm_committed_as), committed);
}

/* ---- brk ------------------------------------------------------------------------------------ */

PAGODA_TEST(brk_grows_shrinks_and_refuses, "AS-58 AS-30 AS-36")
{
	struct mm_struct *mm;
	unsigned long start = BASE + 100;

	new_process();
	mm = current_vm->mm;
	set_brk_start(mm, start);
	CHECK_EQ(do_brk(current_vm->mm, 0), start);
	CHECK_EQ(do_brk(current_vm->mm, start + SZ_1M), start + SZ_1M);
	CHECK_EQ(get_mm_rss(mm), 0);
	CHECK_EQ(map_count(), 1);
	CHECK_EQ(do_brk(current_vm->mm, start + 2 * SZ_1M), start + 2 * SZ_1M);
	CHECK_EQ(map_count(), 1);
	hosted_write32(ALIGN(start + SZ_1M, 8), 5);
	CHECK_EQ(get_mm_rss(mm), 1);
	CHECK_EQ(do_brk(current_vm->mm, start + 10), start + 10);
	CHECK_EQ(get_mm_rss(mm), 0);
	CHECK_EQ(do_brk(current_vm->mm, start - 1), start + 10); /* below the start: unchanged */
	map_at(BASE + PG(20), 1, RW);
	CHECK_EQ(do_brk(current_vm->mm, BASE + PG(20) + 1), start + 10); /* into a mapping */
	CHECK_EQ(do_brk(current_vm->mm, BASE + PG(19)), BASE + PG(19));
	CHECK_EQ(do_brk(current_vm->mm, TASK_SIZE + PG(1)), BASE + PG(19));
	/* Part of the heap with other rights goes all the same. */
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(3), PG(2), PROT_READ), 0);
	CHECK_EQ(do_brk(current_vm->mm, start), start);
	CHECK_EQ(find_vma(mm, BASE)->vm_start, BASE + PG(20));
	check_mm();
}

/* ---- mremap ---------------------------------------------------------------------------------- */

PAGODA_TEST(mremap_grows_in_place_and_shrinks, "AS-52")
{
	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 11);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(2), PG(5), MREMAP_MAYMOVE, 0), BASE);
	CHECK_LAYOUT(6, "wwwww.");
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(5), PG(1), 0, 0), BASE);
	CHECK_LAYOUT(6, "w.....");
	CHECK_EQ(hosted_read32(BASE), 11);
	check_mm();
}

PAGODA_TEST(mremap_moves_pages_with_their_frames, "CT-15 AS-52 AS-53 AS-31")
{
	unsigned long frames[6], to;
	u32 value;

	new_process();
	map_at(BASE, 6, RW);
	map_at(BASE + PG(6), 1, PROT_READ);
	for (int i = 0; i < 6; i++) {
		hosted_write32(BASE + PG(i), (u32)i + 1);
		frames[i] = frame_at(BASE + PG(i));
	}
	to = do_mremap(current_vm->mm, BASE, PG(6), PG(8), MREMAP_MAYMOVE, 0);
	CHECK(!IS_ERR_VALUE(to) && to != BASE);
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(frame_at(to + PG(i)), frames[i]);
		CHECK_EQ(hosted_read32(to + PG(i)), i + 1);
	}
	CHECK_EQ(hosted_read32(to + PG(7)), 0);
	CHECK(!user_read32(BASE, &value));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE);
	CHECK_LAYOUT(7, "......r");
	check_mm();
}

PAGODA_TEST(mremap_joins_its_new_neighbours, "AS-42")
{
	new_process();
	map_at(BASE, 2, RW);
	map_at(BASE + PG(4), 2, RW);
	map_at(BASE + PG(20), 2, RW);
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(20), PG(2), PG(2),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(2)),
		 BASE + PG(2));
	CHECK_LAYOUT(6, "wwwwww");
	CHECK_EQ(map_count(), 1);
	/* There and back again with its pages. */
	hosted_user_fill(BASE, 1, PG(6));
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(2), PG(2), PG(2),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(20)),
		 BASE + PG(20));
	CHECK_LAYOUT(6, "ww..ww");
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(20), PG(2), PG(2),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(2)),
		 BASE + PG(2));
	CHECK_LAYOUT(6, "wwwwww");
	check_mm();
}

PAGODA_TEST(mremap_fixed_within_one_vma, "AS-52")
{
	new_process();
	map_at(BASE, 10, RW);
	for (int i = 0; i < 10; i++)
		hosted_write32(BASE + PG(i), (u32)i);
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(1), PG(2), PG(2),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(6)),
		 BASE + PG(6));
	CHECK_EQ(hosted_read32(BASE + PG(6)), 1);
	CHECK_EQ(hosted_read32(BASE + PG(7)), 2);
	CHECK_EQ(hosted_read32(BASE + PG(8)), 8);
	CHECK_EQ(find_vma(current_vm->mm, BASE + PG(1))->vm_start, BASE + PG(3));
	check_mm();
}

PAGODA_TEST(mremap_moves_whole_tables, "AS-53")
{
	unsigned long from = ALIGN(BASE, PMD_SIZE), to = from + 4 * PMD_SIZE, frames;
	unsigned long tables;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, from, 2 * PMD_SIZE, RW, FIXED, 0), from);
	for (unsigned long off = 0; off < 2 * PMD_SIZE; off += 16 * PAGE_SIZE)
		hosted_write32(from + off, (u32)off + 1);
	frames = frame_at(from + PMD_SIZE);
	tables = pmd_val(pmdp_get(walk_to_pmd(current_vm->mm, from)));
	CHECK_EQ(do_mremap(current_vm->mm, from, 2 * PMD_SIZE, 2 * PMD_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to),
		 to);
	CHECK_EQ(frame_at(to + PMD_SIZE), frames);
	CHECK_EQ(pmd_val(pmdp_get(walk_to_pmd(current_vm->mm, to))), tables);
	for (unsigned long off = 0; off < 2 * PMD_SIZE; off += 16 * PAGE_SIZE)
		CHECK_EQ(hosted_read32(to + off), off + 1);
	check_mm();
}

PAGODA_TEST_CONFIG(an_aligned_move_of_64_mib_rewrites_few_entries, "FX-21 AS-53",
		   .ram = 128 * SZ_1M)
{
	static unsigned long tables[64 * SZ_1M / SZ_2M];
	unsigned long from = ALIGN(BASE, PMD_SIZE), to = ALIGN(from + 128 * SZ_1M, PMD_SIZE),
		      allocated;
	unsigned int nr = 64 * SZ_1M / PMD_SIZE, written = 0;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, from, 64 * SZ_1M, RW, FIXED, 0), from);
	for (unsigned int i = 0; i < nr; i++) { /* a page here and there in each table */
		hosted_write32(from + i * PMD_SIZE, i + 1);
		hosted_write32(from + i * PMD_SIZE + PG(100), i + 1000);
		tables[i] = (unsigned long)pmd_val(
			pmdp_get(walk_to_pmd(current_vm->mm, from + i * PMD_SIZE)));
	}
	allocated = vm_event(pgtable_alloc);
	CHECK_EQ(do_mremap(current_vm->mm, from, 64 * SZ_1M, 64 * SZ_1M,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to),
		 to);
	for (unsigned int i = 0; i < nr; i++) {
		pmd_t *old = walk_to_pmd(current_vm->mm, from + i * PMD_SIZE);

		/*
		 * The very table, at its new place: one entry cleared, one set, none of its own
		 * touched.
		 */
		CHECK_EQ(pmd_val(pmdp_get(walk_to_pmd(current_vm->mm, to + i * PMD_SIZE))),
			 tables[i]);
		CHECK(!old || pmd_none(pmdp_get(old)));
		written += 2;
	}
	/* entries for new upper tables */
	written += (unsigned int)(vm_event(pgtable_alloc) - allocated);
	CHECK_LT(written, 100);
	for (unsigned int i = 0; i < nr; i++) {
		CHECK_EQ(hosted_read32(to + i * PMD_SIZE), i + 1);
		CHECK_EQ(hosted_read32(to + i * PMD_SIZE + PG(100)), i + 1000);
	}
	check_mm();
}

PAGODA_TEST(mremap_duplicates_and_leaves_behind, "AS-52")
{
	unsigned long a, b;

	new_process();
	a = do_mmap(current_vm->mm, NULL, BASE, PG(2), RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		    0);
	hosted_write32(a, 9);
	b = do_mremap(current_vm->mm, a, 0, PG(2), MREMAP_MAYMOVE, 0);
	CHECK(!IS_ERR_VALUE(b) && b != a);
	hosted_write32(b + 4, 10);
	CHECK_EQ(hosted_read32(a + 4), 10);
	CHECK_EQ(hosted_read32(b), 9);
	map_at(BASE + PG(8), 2, RW);
	hosted_write32(BASE + PG(8), 5);
	b = do_mremap(current_vm->mm, BASE + PG(8), PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		      0);
	CHECK(!IS_ERR_VALUE(b));
	CHECK_EQ(hosted_read32(b), 5);
	CHECK_EQ(hosted_read32(BASE + PG(8)), 0);
	check_mm();
}

PAGODA_TEST(mremap_carries_locks, "AS-52 AS-59")
{
	struct mm_struct *mm;
	unsigned long to;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 3, RW);
	map_at(BASE + PG(3), 1, PROT_READ);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(3), 0), 0);
	to = do_mremap(current_vm->mm, BASE, PG(3), PG(6), MREMAP_MAYMOVE, 0);
	CHECK(!IS_ERR_VALUE(to));
	CHECK_EQ(mm->locked_vm, 6);
	CHECK_EQ(get_mm_rss(mm), 6);
	check_mm();
}

/* ---- madvise, mincore, msync ----------------------------------------------------------------- */

PAGODA_TEST(madvise_hints_and_drops, "AS-66 AS-22")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 6, RW);
	hosted_user_fill(BASE, 1, PG(6));
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(2), PG(2), 2), 0);
	CHECK_EQ(find_vma(mm, BASE + PG(2))->vm_flags & (VM_SEQ_READ | VM_RAND_READ), VM_SEQ_READ);
	CHECK_EQ(map_count(), 3);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(2), PG(2), 1), 0);
	CHECK_EQ(find_vma(mm, BASE + PG(2))->vm_flags & (VM_SEQ_READ | VM_RAND_READ), VM_RAND_READ);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(2), PG(2), 0), 0);
	CHECK_EQ(map_count(), 1);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(1), PG(2), 4), 0);
	CHECK_EQ(get_mm_rss(mm), 4);
	CHECK_EQ(hosted_read8(BASE + PG(1)), 0);
	CHECK_EQ(hosted_read8(BASE), 1);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(8), 4), -ENOMEM);
	CHECK_EQ(hosted_read8(BASE + PG(5)), 0);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + 1, PG(1), 4), -EINVAL);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, 0, 99), -EINVAL);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, 0, 4), 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), 0);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), 4), -EINVAL);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), 9), -EINVAL); /* REMOVE on private */
	check_mm();
}

PAGODA_TEST(mincore_tells_what_is_present, "AS-66")
{
	u8 vec[8];

	new_process();
	map_at(BASE, 4, RW);
	map_at(BASE + PG(16), 1, RW);
	hosted_write32(BASE + PG(1), 1);
	hosted_write32(BASE + PG(3), 1);
	CHECK_EQ(do_mincore(current_vm->mm, BASE, PG(4), BASE + PG(16)), 0);
	CHECK(hosted_user_read(BASE + PG(16), vec, 4));
	CHECK_EQ(vec[0] | vec[1] << 1 | vec[2] << 2 | vec[3] << 3, 0xa);
	CHECK_EQ(do_mincore(current_vm->mm, BASE + 1, PG(1), BASE + PG(16)), -EINVAL);
	CHECK_EQ(do_mincore(current_vm->mm, BASE, PG(5), BASE + PG(16)), -ENOMEM);
	CHECK_EQ(do_mincore(current_vm->mm, BASE, PG(4), BASE + PG(8)), -EFAULT);
	CHECK_EQ(do_mincore(current_vm->mm, TASK_SIZE, PG(1), BASE + PG(16)), -ENOMEM);
}

PAGODA_TEST(msync_checks_its_range, "AS-51")
{
	new_process();
	map_at(BASE, 2, RW);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(2), 4), 0);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(2), 0), 0);
	CHECK_EQ(do_msync(current_vm->mm, BASE + 1, PG(2), 4), -EINVAL);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(2), 5), -EINVAL);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(2), 8), -EINVAL);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(3), 4), -ENOMEM);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), 0);
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(2), 2), -EBUSY);
}

/* ---- Lifetime -------------------------------------------------------------------------------- */

PAGODA_TEST(mm_counts_and_list, "AS-06 AS-08 AS-09 AS-10 AS-12")
{
	unsigned long before = nr_mms();
	struct mm_struct *mm;

	mm = mm_alloc();
	CHECK(mm);
	CHECK_EQ(atomic_read(&mm->mm_users), 1);
	CHECK_EQ(atomic_read(&mm->mm_count), 1);
	CHECK_EQ(nr_mms(), before + 1);
	mmget(mm);
	atomic_inc(&mm->mm_count);
	mmput(mm);
	CHECK_EQ(atomic_read(&mm->mm_users), 1);
	mmput(mm);
	CHECK_EQ(atomic_read(&mm->mm_users), 0);
	CHECK_EQ(atomic_read(&mm->mm_count), 1); /* the struct lives for its borrower */
	CHECK_EQ(nr_mms(), before + 1);
	mmdrop(mm);
	CHECK_EQ(nr_mms(), before);
}

PAGODA_TEST(exit_returns_every_frame, "AS-57")
{
	unsigned long before = 0;

	for (int i = 0; i < 30; i++) {
		new_process();
		for (int k = 0; k < 10; k++) {
			unsigned long addr = do_mmap(current_vm->mm, NULL, 0, PG(50), RW, ANON, 0);

			hosted_user_fill(addr, k, PG(25));
		}
		hosted_process_exit();
		if (!before)
			before = test_free_frames();
	}
	CHECK_EQ(test_free_frames(), before);
}

PAGODA_TEST(tables_go_with_their_last_region, "AS-50 PT-18")
{
	struct mm_struct *mm;
	unsigned long base = ALIGN(BASE, PMD_SIZE);

	new_process();
	mm = current_vm->mm;
	CHECK_EQ(do_mmap(current_vm->mm, NULL, base, 2 * PMD_SIZE, RW, FIXED, 0), base);
	hosted_write32(base, 1);
	hosted_write32(base + PMD_SIZE, 1);
	{
		long both = atomic_long_read(&mm->pgtables_bytes);

		CHECK_EQ(do_munmap(current_vm->mm, base, PMD_SIZE / 2), 0);
		CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), both);
		CHECK_EQ(do_munmap(current_vm->mm, base + PMD_SIZE / 2, PMD_SIZE / 2), 0);
		CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), both - (long)PAGE_SIZE);
	}
	check_mm();
	CHECK_EQ(do_munmap(current_vm->mm, base, 2 * PMD_SIZE), 0);
	CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), PAGE_SIZE);
}

/* ---- Growth ---------------------------------------------------------------------------------- */

PAGODA_TEST(consecutive_file_maps_are_one_vma, "FX-20 AS-31 AS-68")
{
	struct vm_file *file = shmem_zero_setup(PG(1000), true);

	CHECK(file);
	new_process();
	for (unsigned long i = 0; i < 1000; i++)
		CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(i), PG(1), PROT_READ,
				 MAP_SHARED | MAP_FIXED, PG(i)),
			 BASE + PG(i));
	CHECK_EQ(map_count(), 1);
	CHECK_EQ(atomic_read(&file->f_count), 2);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(1000), PG(1), PROT_READ,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(1000)); /* an offset that does not continue */
	CHECK_EQ(map_count(), 2);
	put_vm_file(file);
	check_mm();
}

PAGODA_TEST(scattered_pages_leave_no_tables_behind, "FX-19 AS-50")
{
	struct mm_struct *mm;
	long tables;

	new_process();
	mm = current_vm->mm;
	tables = atomic_long_read(&mm->pgtables_bytes);
	for (unsigned long i = 0; i < 64; i++) {
		unsigned long addr = ALIGN(BASE, PMD_SIZE) + i * 3 * PMD_SIZE;

		CHECK_EQ(do_mmap(current_vm->mm, NULL, addr, PG(1), RW, FIXED, 0), addr);
		hosted_write32(addr, 1);
	}
	CHECK_GE(atomic_long_read(&mm->pgtables_bytes), tables + 64 * (long)PAGE_SIZE);
	for (unsigned long i = 0; i < 64; i++)
		CHECK_EQ(do_munmap(current_vm->mm, ALIGN(BASE, PMD_SIZE) + i * 3 * PMD_SIZE, PG(1)),
			 0);
	CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), tables);
	check_mm();
}

PAGODA_TEST(lookups_stay_logarithmic, "AS-32 AS-38")
{
	unsigned int deepest = 0, nr = 10000;
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	/* In no particular order: a step that is prime to their number. */
	for (unsigned int i = 0, k = 0; i < nr; i++, k = (k + 7919) % nr)
		map_at(BASE + PG(2 * k), 1, PROT_READ);
	CHECK_EQ(map_count(), nr);
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next) {
		unsigned int depth = 0;

		for (struct rb_node *n = &vma->vm_rb; n; n = rb_parent(n))
			depth++;
		deepest = max(deepest, depth);
	}
	CHECK_LE(deepest, 27); /* 2 log2(10001) */
	CHECK(find_vma(mm, BASE + PG(400)) == mm->mmap_cache);
	check_mm();
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2 * nr)), 0);
	CHECK_EQ(map_count(), 0);
	check_mm();
}

/* With the list's links broken in the middle: whoever walked it would fall over. */
PAGODA_TEST(calls_at_the_end_walk_no_list, "FX-32")
{
	struct vm_area_struct *middle, *next, *prev;
	unsigned int nr = 10000;

	new_process();
	for (unsigned int i = 0; i < nr; i++)
		map_at(BASE + PG(2 * i), 1, PROT_READ);
	middle = find_vma(current_vm->mm, BASE + PG(nr));
	next = middle->vm_next;
	prev = middle->vm_prev;
	middle->vm_next = middle->vm_prev = (void *)16;
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(2 * (nr - 1)), PG(1)), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(2 * (nr - 2)), PG(1), RW), 0);
	map_at(BASE + PG(2 * nr), 1, RW);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	middle->vm_next = next;
	middle->vm_prev = prev;
	CHECK_EQ(map_count(), nr - 1);
	check_mm();
}

PAGODA_TEST(mmap_cache_forgets_what_is_unmapped, "AS-33")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 1, RW);
	map_at(BASE + PG(2), 1, RW);
	CHECK(find_vma(mm, BASE) == mm->mmap_cache);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	CHECK(!mm->mmap_cache || mm->mmap_cache->vm_start == BASE + PG(2));
	CHECK_EQ(find_vma(mm, BASE)->vm_start, BASE + PG(2));
	check_mm();
}

/* ---- Allocation failures --------------------------------------------------------------------- */

/* A region of eight pages, never touched, whose middle is the border between two tables. */
#define ASTRIDE (BASE + 4 * PMD_SIZE - PG(4))

struct layout_copy {
	char text[512], astride[64];
	unsigned long total_vm, locked_vm;
	long pgtables_bytes, committed;
	bool unmapped_target; /* else new tables may stay with the region that is there */
	int count;
};
static void note_layout(struct layout_copy *c)
{
	strcpy(c->text, draw(BASE, 100));
	strcpy(c->astride, draw(ASTRIDE - PG(2), 12));
	c->committed = atomic_long_read(&vm_committed_as);
	c->pgtables_bytes = atomic_long_read(&current_vm->mm->pgtables_bytes);
	c->total_vm = current_vm->mm->total_vm;
	c->locked_vm = current_vm->mm->locked_vm;
	c->count = map_count();
}

/* A call that failed for want of memory has changed nothing. */
static bool check_unchanged(const struct layout_copy *before, long ret)
{
	struct layout_copy after;

	check_mm();
	if (ret != -ENOMEM)
		return true;
	note_layout(&after);
	CHECK_STR(after.text, before->text);
	CHECK_STR(after.astride, before->astride);
	CHECK_EQ(after.committed, before->committed);
	if (before->unmapped_target)
		CHECK_EQ(after.pgtables_bytes, before->pgtables_bytes); /* no half-made tables */
	CHECK_EQ(after.total_vm, before->total_vm);
	CHECK_EQ(after.count, before->count);
	return false;
}

/* Each call of a life of an address space, with its n-th allocation failing. */
static bool one_call(void *arg)
{
	unsigned int which = *(unsigned int *)arg;
	struct layout_copy before;
	bool ok = true, prepared;
	long ret = 0;

	if (hosted_process_create())
		return false;
	arch_pick_mmap_layout(current_vm->mm, 8 * SZ_1M);
	prepared = do_mmap(current_vm->mm, NULL, BASE, PG(20), RW, FIXED, 0) == BASE &&
		   do_mmap(current_vm->mm, NULL, BASE + PG(30), PG(20), PROT_READ, FIXED, 0) ==
			   BASE + PG(30) &&
		   (which < 7 || which == 9 ||
		    do_mmap(current_vm->mm, NULL, ASTRIDE, PG(8), PROT_READ, FIXED, 0) == ASTRIDE);
	for (int i = 0; prepared && i < 20; i += 2) {
		u32 one = 1;

		prepared = hosted_user_write(BASE + PG(i), &one, sizeof(one));
	}
	if (!prepared) {
		(void)hosted_signal();
		hosted_process_exit();
		return false;
	}
	note_layout(&before);
	before.unmapped_target = which != 7 && which != 8;
	switch (which) {
	case 0:
		ret = do_munmap(current_vm->mm, BASE + PG(5), PG(5));
		break;
	case 1:
		ret = do_mprotect(current_vm->mm, BASE + PG(5), PG(5), PROT_READ);
		break;
	case 2:
		ret = (long)do_mmap(current_vm->mm, NULL, BASE + PG(5), PG(30), PROT_READ, FIXED,
				    0);
		break;
	case 3:
		ret = (long)do_mremap(current_vm->mm, BASE + PG(4), PG(8), PG(8),
				      MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(35));
		break;
	case 4:
		ret = (long)do_mremap(current_vm->mm, BASE + PG(4), PG(8), PG(8),
				      MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PMD_SIZE + PG(3));
		break;
	case 5:
		ret = (long)do_mmap(current_vm->mm, NULL, BASE + PG(60), PG(3), RW,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0);
		break;
	case 6: {
		struct mm_struct *mm = dup_mm(current_vm->mm);

		ret = mm ? 0 : -ENOMEM;
		if (mm)
			mmput(mm);
		break;
	}
	case 10:
		ret = do_mprotect(current_vm->mm, BASE + PG(35), PG(5), RW);
		break;
	case 7:
	case 9:
		drain_pgt_cache();
		ret = (long)do_mremap(current_vm->mm, BASE + PG(4), PG(8), PG(8),
				      MREMAP_MAYMOVE | MREMAP_FIXED, ASTRIDE);
		break;
	case 8:
		drain_pgt_cache();
		ret = (long)do_mremap(current_vm->mm, BASE + PG(4), PG(8), PG(8),
				      MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, ASTRIDE);
		break;
	}
	ok = check_unchanged(&before, ret);
	for (int i = 0; i < 20 && !ok; i += 2)
		CHECK_EQ(hosted_read32(BASE + PG(i)), 1);
	hosted_process_exit();
	return ok;
}

#define FAILING_TEST(which_, name)                                                     \
	PAGODA_TEST(name##_unwinds_every_failed_allocation, "AS-54 AS-10 AS-47 AS-49") \
	{                                                                              \
		unsigned int which = which_;                                           \
		test_fail_every_allocation(one_call, &which);                          \
	}
FAILING_TEST(0, munmap)
FAILING_TEST(1, mprotect)
FAILING_TEST(2, mmap_fixed)
FAILING_TEST(3, mremap_onto_region)
FAILING_TEST(4, mremap_to_new_tables)
FAILING_TEST(5, mmap_shared)
FAILING_TEST(6, fork)
FAILING_TEST(7, mremap_onto_region_without_tables)
FAILING_TEST(10, mprotect_to_write)
FAILING_TEST(9, mremap_to_several_new_tables)
FAILING_TEST(8, mremap_dontunmap_onto_region_without_tables)
