// SPDX-License-Identifier: MIT
/*
 * test_fault.c: what becomes of each kind of page fault: which mechanism serves it, what is
 * counted, which signal a bad one leaves, and what happens to faults of the kernel itself.
 */
#include "address_space.h"

#include <pagoda/fault_trace.h>

#include <asm/cpufeature.h>
#include <asm/ptrace.h>
#include <string.h>

/* ---- Counting what happened -------------------------------------------------------------- */

static unsigned long before[NR_VM_EVENTS];

static void mark(void)
{
	for (int i = 0; i < NR_VM_EVENTS; i++)
		before[i] = vm_event_sum((enum vm_event)i);
}
#define CHECK_EVENT(name, n) CHECK_EQ(vm_event(name) - before[VM_EVENT_##name], n)

/* ---- A file whose pages come from here ------------------------------------------------------ */

static struct {
	struct vm_file file; /* first */
	int opens, closes, nopages, released;
	vm_fault_t answer; /* given in place of a page, if not 0 */
	unsigned int last_flags;
} object;

static void object_open(struct vm_area_struct *vma)
{
	(void)vma;
	object.opens++;
}
static void object_close(struct vm_area_struct *vma)
{
	(void)vma;
	object.closes++;
}
static vm_fault_t object_nopage(struct vm_fault *vmf)
{
	object.nopages++;
	object.last_flags = vmf->flags;
	if (object.answer & VM_FAULT_RETRY)
		up_read(&vmf->vma->vm_mm->mmap_lock);
	if (object.answer)
		return object.answer;
	vmf->page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);
	if (!vmf->page)
		return VM_FAULT_OOM;
	/* What a page shows is its offset. */
	*(u32 *)hosted_phys(PFN_PHYS(page_to_pfn(vmf->page))) = (u32)vmf->pgoff;
	return VM_FAULT_MAJOR;
}
static const struct vm_operations_struct object_vm_ops = {
	.open = object_open, .close = object_close, .nopage = object_nopage};

static int object_mmap(struct vm_file *file, struct vm_area_struct *vma)
{
	(void)file;
	vma->vm_ops = &object_vm_ops;
	object.opens++;
	return 0;
}
static void object_release(struct vm_file *file)
{
	(void)file;
	object.released++;
}
static const struct vm_file_operations object_file_ops = {.mmap = object_mmap,
							  .release = object_release};

static struct vm_file *new_object(void)
{
	memset(&object, 0, sizeof(object));
	atomic_set(&object.file.f_count, 1);
	object.file.f_vmops = &object_file_ops;
	object.file.f_may_read = object.file.f_may_write = true;
	return &object.file;
}

/* ---- Who serves what ------------------------------------------------------------------------- */

PAGODA_TEST(first_read_maps_the_zero_page, "CT-38 FT-31 FT-39 FT-40 FT-42 FT-43")
{
	struct mm_struct *mm;
	unsigned long zero, free;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 100, RW);
	CHECK_EQ(hosted_read32(BASE), 0); /* the tables */
	free = nr_free_pages();
	mark();
	for (int i = 1; i < 100; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), 0);
	CHECK_EVENT(fault_zero_map, 99);
	CHECK_EVENT(pgfault, 99);
	CHECK_EQ(nr_free_pages(), free);
	zero = frame_at(BASE);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(frame_at(BASE + PG(i)), zero);
	CHECK(!hosted_lookup_user(mm, BASE).write);
	CHECK_EQ(get_mm_rss(mm), 0);
	hosted_write32(BASE + PG(5), 42);
	CHECK_NE(frame_at(BASE + PG(5)), zero);
	CHECK_EQ(get_mm_rss(mm), 1);
	CHECK_EQ(hosted_read32(BASE + PG(6)), 0);
	for (unsigned int i = 0; i < PAGE_SIZE / 4; i++)
		CHECK_EQ(((u32 *)hosted_phys(PFN_PHYS(zero)))[i], 0);
	check_mm();
}

PAGODA_TEST(first_write_gets_a_zeroed_frame, "FT-26 FT-31 FT-41 FT-44 FT-68 AS-02")
{
	unsigned long min_flt;
	struct hosted_pte_info info;

	new_process();
	map_at(BASE, 10, RW);
	CHECK(!find_vma(current_vm->mm, BASE)->anon_vma);
	min_flt = current_vm->min_flt;
	mark();
	hosted_write32(BASE + 8, 1);
	CHECK_EVENT(fault_anon, 1);
	CHECK_EVENT(pgfault, 1);
	CHECK_EVENT(pgmajfault, 0);
	CHECK_EQ(current_vm->min_flt - min_flt, 1);
	CHECK(find_vma(current_vm->mm, BASE)->anon_vma);
	info = hosted_lookup_user(current_vm->mm, BASE);
	CHECK(info.present && info.write && info.user && info.accessed && info.dirty);
	CHECK_EQ(hosted_read32(BASE), 0);
	CHECK_EQ(hosted_read32(BASE + 8), 1);
	CHECK_EVENT(pgfault, 1); /* no further fault on the page */
	check_mm();
}

PAGODA_TEST(object_pages_are_major_and_private_writes_copy_at_once, "FT-28 FT-45 FT-46 AS-31 AS-48")
{
	unsigned long maj_flt;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, new_object(), BASE, PG(4), RW, MAP_PRIVATE | MAP_FIXED,
			 PG(7)),
		 BASE);
	maj_flt = current_vm->maj_flt;
	mark();
	CHECK_EQ(hosted_read32(BASE + PG(1)), 8);
	CHECK_EVENT(fault_file, 1);
	CHECK_EVENT(pgmajfault, 1);
	CHECK_EQ(current_vm->maj_flt - maj_flt, 1);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_file), 1);
	hosted_write32(BASE + 4, 99); /* write first: one fault */
	CHECK_EVENT(fault_cow_early, 1);
	CHECK_EVENT(pgfault, 2);
	CHECK_EQ(hosted_read32(BASE), 7);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 1);
	hosted_write32(BASE + PG(1) + 4, 98); /* after a read: copy */
	CHECK_EVENT(fault_cow_copy, 1);
	CHECK_EQ(hosted_read32(BASE + PG(1)), 8);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 2);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_file), 0);
	check_mm();
}

PAGODA_TEST(file_references_and_operations_balance, "AS-29 AS-43 AS-44")
{
	struct mm_struct *copy;
	struct vm_file *file = new_object();

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(10), PROT_READ, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	CHECK_EQ(atomic_read(&file->f_count), 2);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE + PG(4), PG(2), PROT_NONE), 0);
	CHECK_EQ(object.opens, 3);
	CHECK_EQ(atomic_read(&file->f_count), 4);
	CHECK_EQ(hosted_read32(BASE + PG(7)), 7); /* offsets survive splits */
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	CHECK_EQ(object.opens, 6);
	mmput(copy);
	CHECK_EQ(object.closes, 3);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(2), PG(1)), 0);
	check_mm();
	hosted_process_exit();
	CHECK_EQ(object.opens, object.closes);
	CHECK_EQ(atomic_read(&file->f_count), 1);
	CHECK_EQ(object.released, 0);
}

PAGODA_TEST(nopage_errors_become_signals, "FT-28 FT-48 FT-30")
{
	u32 value;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, new_object(), BASE, PG(4), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	object.answer = VM_FAULT_SIGBUS;
	CHECK(!user_read32(BASE, &value));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE);
	CHECK(!user_write32(BASE + PG(1), 1));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(1));
	object.answer = VM_FAULT_OOM;
	CHECK(!user_read32(BASE, &value));
	CHECK_SIGNAL(SIGKILL, 0, 0);
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	check_mm();
}

PAGODA_TEST(retry_happens_at_most_once, "FT-29")
{
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, new_object(), BASE, PG(4), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	object.answer = VM_FAULT_RETRY;
	{
		struct pt_regs regs = {.cs = 0x33, .flags = X86_EFLAGS_IF};

		do_page_fault(&regs, PF_USER, BASE);
	}
	CHECK_EQ(object.nopages, 2);
	CHECK_EQ(object.last_flags & (FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED), FAULT_FLAG_TRIED);
	CHECK(down_write_trylock(&current_vm->mm->mmap_lock));
	up_write(&current_vm->mm->mmap_lock);
}

PAGODA_TEST(past_the_end_of_an_object_is_sigbus, "FT-48 AS-74")
{
	struct vm_file *file = shmem_zero_setup(PG(2), true);
	u32 value;

	CHECK(file);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(8), PG(4), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE + PG(8));
	put_vm_file(file);
	hosted_write32(BASE + PG(1), 5);
	CHECK_EQ(hosted_read32(BASE + PG(9)), 5);
	CHECK(!user_read32(BASE + PG(2), &value));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(2));
	CHECK(!user_write32(BASE + PG(10), 1));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(10));
	check_mm();
}

PAGODA_TEST(truncation_takes_pages_and_copies, "AS-74 AS-48")
{
	struct vm_file *file = shmem_zero_setup(PG(4), true);

	CHECK(file);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(8), PG(4), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE + PG(8));
	for (u32 i = 0; i < 4; i++) {
		hosted_write32(BASE + PG(i), i + 1);
		hosted_write32(BASE + PG(8 + i), i + 11);
	}
	CHECK_EQ(hosted_read32(BASE + PG(2)), 3);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_shmem), 4);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 4);
	unmap_mapping_range(file->f_mapping, 2, 0, false);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_shmem), 2);
	CHECK_EQ(hosted_read32(BASE + PG(10)), 13); /* private copies stay */
	truncate_inode_pages(file->f_mapping, PG(2));
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 2);
	CHECK_EQ(hosted_read32(BASE + PG(2)), 0); /* size unchanged: a fresh page */
	CHECK_EQ(hosted_read32(BASE + PG(1)), 2);
	put_vm_file(file);
	check_mm();
}

/* ---- Rights ---------------------------------------------------------------------------------- */

static bool access(int kind, unsigned long addr)
{
	u32 value;

	return kind == 0   ? user_read32(addr, &value)
	       : kind == 1 ? user_write32(addr, 3)
			   : hosted_user_exec(addr);
}

PAGODA_TEST(rights_decide_for_all_protections, "CT-34 FT-24 FT-25 FT-36 FT-37 AS-28")
{
	new_process();
	for (unsigned long prot = 0; prot < 8; prot++)
		for (int kind = 0; kind < 3; kind++)
			for (int present = 0; present < 2; present++) {
				bool allowed = kind == 0   ? prot != 0
					       : kind == 1 ? prot & PROT_WRITE
					       : HAVE_NX   ? prot & PROT_EXEC
							   : prot != 0;

				map_at(BASE, 1, RW);
				if (present)
					hosted_write32(BASE, 1);
				CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), prot), 0);
				if (access(kind, BASE) != allowed)
					FAIL("prot %lu access %d present %d", prot, kind, present);
				if (!allowed)
					CHECK_SIGNAL(SIGSEGV, SEGV_ACCERR, BASE);
				check_mm();
			}
}

PAGODA_TEST(unmapped_and_kernel_addresses, "FT-06 FT-19 FT-20 FT-21 FT-25 AS-04 PT-16 PT-27")
{
	unsigned long kernel = kva_to_mmu(PAGE_OFFSET + SZ_1M);
	struct hosted_signal s;
	u32 value;

	new_process();
	map_at(BASE, 2, RW);
	CHECK(hosted_user_fill(BASE, 1, 1));
	CHECK(hosted_user_fill(BASE + PG(2) - 1, 1, 1));
	CHECK(!hosted_user_fill(BASE - 1, 1, 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE - 1);
	CHECK(!hosted_user_fill(BASE + PG(2), 1, 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE + PG(2));
	CHECK(!user_read32(0, &value));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, 0);
	CHECK(!hosted_user_read(kernel, &value, 4));
	s = hosted_signal();
	CHECK_EQ(s.signo, SIGSEGV);
	CHECK_EQ(s.code, SEGV_MAPERR);
	CHECK_EQ(s.addr, kernel);
	CHECK(s.error_code & PF_PROT && s.error_code & PF_USER);
	/* Straddling: the first byte that is not there. */
	CHECK(!hosted_user_fill(BASE + PG(2) - 2, 1, 4));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE + PG(2));
	map_at(BASE + PG(10), 1, RW); /* mmap_lock was let go */
	check_mm();
}

/* ---- The stack ------------------------------------------------------------------------------- */

#define STACK_TOP (BASE + PG(4096))
#define WORD	  (PGTABLE_LEVELS <= 3 ? 4 : 8)

static void make_stack(unsigned long pages)
{
	new_process();
	CHECK_EQ(setup_stack_vma(current_vm->mm, STACK_TOP, PG(pages), 0), 0);
}

PAGODA_TEST(stack_grows_near_its_pointer, "FT-22 FT-32 AS-24")
{
	unsigned long edge = 65536 + 32 * WORD, sp = STACK_TOP - PG(2);

	make_stack(2);
	hosted_set_user_sp(sp);
	mark();
	CHECK(!user_write32(sp - edge - 4, 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, sp - edge - 4);
	CHECK(!user_write32(sp - 70000, 1));
	(void)hosted_signal();
	CHECK(user_write32(sp - edge, 1));
	CHECK_EVENT(fault_stack_grow, 1);
	CHECK_EVENT(fault_anon, 1);
	CHECK_EQ(find_vma(current_vm->mm, STACK_TOP - 1)->vm_start, (sp - edge) & PAGE_MASK);
	CHECK_EQ(get_mm_rss(current_vm->mm), 1);
	check_mm();
}

PAGODA_TEST(stack_stops_at_its_limit_and_gap, "FT-23 AS-24")
{
	static struct rlimit limits[RLIM_NLIMITS];
	unsigned long sp;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	make_stack(2);
	current_vm->rlim = limits;
	limits[RLIMIT_STACK].rlim_cur = PG(10);
	for (sp = STACK_TOP - PG(2); sp >= STACK_TOP - PG(10); sp -= PG(1)) {
		hosted_set_user_sp(sp);
		CHECK(user_write32(sp, 1));
	}
	hosted_set_user_sp(sp);
	CHECK(!user_write32(sp, 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, sp);
	limits[RLIMIT_STACK].rlim_cur = RLIM_INFINITY;
	/* A neighbour: 256 pages must stay free. */
	map_at(STACK_TOP - PG(300), 1, RW);
	hosted_set_user_sp(STACK_TOP - PG(20));
	CHECK(user_write32(STACK_TOP - PG(300) + PG(257), 1) || 1);
	(void)hosted_signal();
	hosted_set_user_sp(STACK_TOP - PG(300) + PG(257));
	CHECK(user_write32(STACK_TOP - PG(300) + PG(257), 1));
	hosted_set_user_sp(STACK_TOP - PG(300) + PG(256));
	CHECK(!user_write32(STACK_TOP - PG(300) + PG(256), 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, STACK_TOP - PG(300) + PG(256));
	check_mm();
	/* Nothing is placed in the gap either. */
	current_vm->mm->mmap_base = STACK_TOP - PG(43);
	CHECK_LE(do_mmap(current_vm->mm, NULL, 0, PG(4), PROT_READ, ANON, 0),
		 STACK_TOP - PG(43) - STACK_GUARD_GAP - PG(4));
	current_vm->rlim = NULL;
	check_mm();
}

PAGODA_TEST(heap_does_not_grow_by_faults, "FT-21")
{
	new_process();
	map_at(BASE + PG(1), 1, RW);
	hosted_set_user_sp(BASE);
	CHECK(!user_write32(BASE + PG(1) - 4, 1));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE + PG(1) - 4);
	CHECK_EQ(find_vma(current_vm->mm, BASE)->vm_start, BASE + PG(1));
}

/* ---- Out of memory --------------------------------------------------------------------------- */

static bool touch(void *arg)
{
	bool write = *(bool *)arg, ok;
	u32 value = 1;

	if (hosted_process_create())
		return false;
	if (do_mmap(current_vm->mm, NULL, BASE, PG(1), RW, FIXED, 0) != BASE) {
		hosted_process_exit();
		return false;
	}
	ok = write ? user_write32(BASE, value) : user_read32(BASE, &value);
	if (!ok) {
		CHECK_SIGNAL(SIGKILL, 0, 0);
		CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	}
	hosted_process_exit();
	return ok;
}

PAGODA_TEST(every_allocation_of_a_fault_may_fail, "FT-26 FT-30 FT-48")
{
	bool write = false;

	drain_pgt_cache();
	test_fail_every_allocation(touch, &write);
	write = true;
	test_fail_every_allocation(touch, &write);
}

/* ---- Faults of the kernel -------------------------------------------------------------------- */

PAGODA_TEST(user_copies_stop_at_a_hole_to_the_byte, "CT-19 FT-38 FT-61 FT-62 FT-63 FT-67")
{
	static u8 buf[64], user[64];

	new_process();
	map_at(BASE, 1, RW);
	for (unsigned int i = 0; i < sizeof(user); i++)
		user[i] = (u8)(i + 1);
	for (unsigned int off = 0; off <= 32; off++) {
		unsigned long addr = BASE + PG(1) - off;

		CHECK_EQ(copy_to_user(addr, user, 32), 32 - off);
		memset(buf, 0xee, sizeof(buf));
		CHECK_EQ(copy_from_user(buf, addr, 32), 32 - off);
		CHECK_MEM(buf, user, off);
		for (unsigned int i = off; i < 32; i++)
			CHECK_EQ(buf[i], 0);
		CHECK_EQ(buf[32], 0xee);
		CHECK_EQ(clear_user(addr, 32), 32 - off);
	}
	CHECK_EQ(copy_from_user(buf, TASK_SIZE - 4, 8), 8);
	CHECK_EQ(copy_from_user(buf, ~0ul - 3, 8), 8);
	CHECK_EQ(copy_to_user(TASK_SIZE, user, 1), 1);
	CHECK_EQ(hosted_signal().signo, 0); /* EFAULT, never a signal */
	CHECK_EQ(current_vm->mm->map_count, 1);
}

PAGODA_TEST(get_and_put_user, "FT-64 FT-65")
{
	u8 b = 0;
	u16 w = 0;
	u32 l = 0;
	u64 q = 0;
	char text[16];

	new_process();
	map_at(BASE, 1, RW);
	CHECK_EQ(put_user((u64)0x1122334455667788ull, BASE), 0);
	CHECK_EQ(get_user(b, BASE), 0);
	CHECK_EQ(get_user(w, BASE), 0);
	CHECK_EQ(get_user(l, BASE), 0);
	CHECK_EQ(get_user(q, BASE), 0);
	CHECK(b == 0x88 && w == 0x7788 && l == 0x55667788 && q == 0x1122334455667788ull);
	CHECK_EQ(get_user(q, BASE + PG(1) - 4), -EFAULT);
	CHECK_EQ(get_user(l, BASE + PG(1)), -EFAULT);
	CHECK_EQ(put_user(l, TASK_SIZE), -EFAULT);
	CHECK_EQ(copy_to_user(BASE + PG(1) - 4, "abc", 4), 0);
	CHECK_EQ(strncpy_from_user(text, BASE + PG(1) - 4, sizeof(text)), 3);
	CHECK_STR(text, "abc");
	CHECK_EQ(strnlen_user(BASE + PG(1) - 4, 100), 4);
	CHECK_EQ(strnlen_user(BASE + PG(1) - 4, 2), 3);
	CHECK_EQ(strncpy_from_user(text, BASE + PG(1) - 4, 2), 2);
	CHECK_EQ(copy_to_user(BASE + PG(1) - 4, "abcd", 4), 0); /* unterminated at the end */
	CHECK_EQ(strncpy_from_user(text, BASE + PG(1) - 4, sizeof(text)), -EFAULT);
	CHECK_EQ(strnlen_user(BASE + PG(1) - 4, 100), 0);
	CHECK_EQ(strncpy_from_user(text, TASK_SIZE, 4), -EFAULT);
}

PAGODA_TEST(faults_are_not_served_in_atomic_context, "FT-13")
{
	u32 value;

	new_process();
	map_at(BASE, 1, RW);
	current_vm->pagefault_disabled++;
	mark();
	CHECK_EQ(copy_from_user(&value, BASE, 4), 4);
	current_vm->pagefault_disabled--;
	CHECK_EVENT(fault_kernel_fixup, 1);
	CHECK_EVENT(pgfault, 0);
	CHECK_EQ(copy_from_user(&value, BASE, 4), 0);
}

static struct pt_regs kernel_regs(unsigned long flags)
{
	return (struct pt_regs){.cs = 0x10, .ip = 0x1234, .flags = X86_EFLAGS_IF | flags};
}

PAGODA_TEST(wrong_kernel_accesses_are_fatal, "CT-21 FT-09 FT-38 FT-61 FT-71")
{
	struct pt_regs plain = kernel_regs(0), ac = kernel_regs(0x40000);
	struct pt_regs user = {.cs = 0x33, .flags = X86_EFLAGS_IF};

	new_process();
	map_at(BASE, 1, RW);
	EXPECT_PANIC("outside a copy routine", { do_page_fault(&plain, 0, BASE); });
	EXPECT_PANIC("execute user memory", { do_page_fault(&ac, PF_INSTR | PF_PROT, BASE); });
	EXPECT_PANIC("reserved bit", { do_page_fault(&user, PF_RSVD | PF_PROT | PF_USER, BASE); });
	EXPECT_PANIC("kernel page fault", { do_page_fault(&ac, 0, BASE + PG(5)); });
	EXPECT_PANIC("kernel page fault",
		     { do_page_fault(&plain, 0, kva_to_mmu(VMALLOC_END - PAGE_SIZE)); });
	EXPECT_PANIC("NULL pointer", { do_page_fault(&ac, PF_WRITE, 8); });
	EXPECT_PANIC("kernel page fault", {
		down_write(&current_vm->mm->mmap_lock);
		do_page_fault(&ac, 0, BASE);
	});
	do_page_fault(&ac, 0, BASE); /* a valid page is served */
	CHECK(frame_at(BASE));
}

/*
 * User mode's accesses that the CPU makes as a supervisor (PF_USER clear, CS of user mode): a
 * segment's descriptor, and in QEMU the stack of a far return. No such fault may be taken for the
 * kernel's.
 */
PAGODA_TEST(faults_of_user_mode_with_supervisor_rights_are_the_programs, "")
{
	static const unsigned long codes[] = {0, PF_PROT, PF_WRITE, PF_PROT | PF_WRITE, PF_INSTR};
	const unsigned long addrs[] = {8,
				       BASE,
				       BASE + PG(1),
				       BASE + PG(5),
				       TASK_SIZE - PAGE_SIZE,
				       kva_to_mmu(PAGE_OFFSET),
				       kva_to_mmu(VMALLOC_END - PAGE_SIZE)};
	bool smap = x86_features.smap;

	new_process();
	map_at(BASE, 1, RW);
	map_at(BASE + PG(1), 1, PROT_READ);
	hosted_write32(BASE, 1);
	x86_features.smap = true;
	for (size_t a = 0; a < ARRAY_SIZE(addrs); a++)
		for (size_t c = 0; c < ARRAY_SIZE(codes); c++) {
			struct pt_regs regs = {
				.cs = 0x33, .ip = 0x1234, .sp = addrs[a], .flags = X86_EFLAGS_IF};

			mark();
			do_page_fault(&regs, codes[c], addrs[a]);
			CHECK_EVENT(fault_kernel_fixup, 0);
			/*
			 * Only a stale translation of the kernel's is no fault: the access is
			 * repeated.
			 */
			CHECK_EQ(vm_event(fault_segv) + vm_event(fault_spurious) -
					 before[VM_EVENT_fault_segv] -
					 before[VM_EVENT_fault_spurious],
				 1);
			(void)hosted_signal(); /* there is room for a few */
		}
	x86_features.smap = smap;
	check_mm();
}

PAGODA_TEST(a_far_return_pops_from_absent_pages_where_there_is_no_smap, "")
{
	struct pt_regs regs = {.cs = 0x33, .ip = 0x1234, .sp = BASE, .flags = X86_EFLAGS_IF};
	bool smap = x86_features.smap;

	new_process();
	map_at(BASE, 2, RW);
	x86_features.smap = false;
	mark();
	do_page_fault(&regs, 0, BASE);
	do_page_fault(&regs, PF_WRITE, BASE + PG(1));
	CHECK_EVENT(pgfault, 2);
	CHECK_EVENT(fault_segv, 0);
	CHECK(frame_at(BASE) && frame_at(BASE + PG(1)));
	do_page_fault(&regs, PF_WRITE, BASE + PG(2));
	CHECK_EVENT(fault_segv, 1);
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE + PG(2));
	x86_features.smap = smap;
}

PAGODA_TEST(missing_kernel_slots_are_copied, "FT-07 FT-33 NC-13 PT-31")
{
	unsigned long addr = kva_to_mmu(PAGE_OFFSET + SZ_1M), slot = pgd_index(addr);
	struct pt_regs regs = kernel_regs(0);
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	mark();
	set_pgd(mm->pgd + slot, __pgd(0));
	do_page_fault(&regs, 0, addr);
	CHECK_EQ(pgd_val(mm->pgd[slot]), pgd_val(init_mm.pgd[slot]));
	CHECK_EVENT(fault_vmalloc, 1);
	CHECK_EVENT(pgfault, 0);
}

PAGODA_TEST(stale_kernel_translations_are_spurious, "CT-21 FT-08")
{
	struct pt_regs regs = kernel_regs(0);

	new_process();
	mark();
	do_page_fault(&regs, PF_PROT | PF_WRITE, kva_to_mmu(PAGE_OFFSET + SZ_1M));
	CHECK_EVENT(fault_spurious, 1);
	if (HAVE_NX)
		EXPECT_PANIC("kernel page fault", {
			do_page_fault(&regs, PF_PROT | PF_INSTR, kva_to_mmu(PAGE_OFFSET + SZ_1M));
		});
}

static unsigned int hook_calls[NR_FAULT_PLACES];

static void count_hook(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
		       unsigned long address)
{
	(void)regs, (void)error_code, (void)address;
	hook_calls[place]++;
}

PAGODA_TEST(instrumentation_sees_each_fault_once, "FT-18")
{
	struct pt_regs regs = kernel_regs(0);
	u32 value;

	new_process();
	map_at(BASE, 2, RW);
	fault_hook = count_hook;
	hosted_write32(BASE, 1);
	CHECK(user_read32(BASE + PG(1), &value));
	do_page_fault(&regs, PF_PROT | PF_WRITE, kva_to_mmu(PAGE_OFFSET + SZ_1M)); /* spurious */
	fault_hook = NULL;
	CHECK_EQ(hook_calls[FAULT_ENTER], 3);
	CHECK_EQ(hook_calls[FAULT_MMIO], 3);
	CHECK_EQ(hook_calls[FAULT_PROBE], 2);
	CHECK_EQ(hook_calls[FAULT_EXIT], 3);
}

static char traced[8][160];
static unsigned int nr_traced;

static void keep_line(const struct fault_answers *answers)
{
	CHECK_LT(nr_traced, ARRAY_SIZE(traced));
	format_fault_answers(traced[nr_traced++], sizeof(traced[0]), answers);
}

PAGODA_TEST(trace_lines_carry_the_three_answers, "FT-69")
{
	static const char *const expected[] = {
		"fault 0x10000000 read: user address, region 0x10000000-0x10002000, anonymous "
		"memory",
		"fault 0x10000000 write: user address, region 0x10000000-0x10002000, copy-on-write",
		"fault 0x10001000 read: user address, region 0x10000000-0x10002000, anonymous "
		"memory",
		"fault 0x10004000 read: user address, region 0x10004000-0x10005000, the object",
		"fault 0x10004008 write: user address, region 0x10004000-0x10005000, refused",
		"fault 0x10008000 read: user address, no region, refused",
	};
	struct pt_regs regs = kernel_regs(0);
	u32 value;

	new_process();
	map_at(BASE, 2, RW);
	CHECK_EQ(do_mmap(current_vm->mm, new_object(), BASE + PG(4), PG(1), PROT_READ,
			 MAP_PRIVATE | MAP_FIXED, 0),
		 BASE + PG(4));
	fault_trace = keep_line;
	CHECK(user_read32(BASE, &value));
	hosted_write32(BASE, 1);
	CHECK(user_read32(BASE + PG(1), &value));
	CHECK(user_read32(BASE + PG(4), &value));
	CHECK(!user_write32(BASE + PG(4) + 8, 1));
	CHECK(!user_read32(BASE + PG(8), &value));
	do_page_fault(&regs, PF_PROT | PF_WRITE, kva_to_mmu(PAGE_OFFSET + SZ_1M)); /* spurious */
	fault_trace = NULL;
	CHECK_EQ(nr_traced, ARRAY_SIZE(expected) + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(expected); i++)
		CHECK_STR(traced[i], expected[i]);
	CHECK(strstr(traced[6], ": kernel area, no region, there already"));
}

/* ---- Other address spaces -------------------------------------------------------------------- */

PAGODA_TEST(other_address_spaces_can_be_read_and_written, "FT-63 AS-48")
{
	struct mm_struct *mm;
	u32 value = 0, in = 77;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 2, RW);
	hosted_write32(BASE + PG(1), 5);
	CHECK_EQ(access_process_vm(mm, BASE + PG(1), &value, 4, false, false), 4);
	CHECK_EQ(value, 5);
	CHECK_EQ(access_process_vm(mm, BASE + PG(1) - 2, &in, 4, true, false), 4);
	CHECK(hosted_user_read(BASE + PG(1) - 2, &value, 4));
	CHECK_EQ(value, 77);
	CHECK_EQ(access_process_vm(mm, BASE + PG(2) - 2, &in, 4, true, false), 2);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(2), PROT_READ), 0);
	CHECK_EQ(access_process_vm(mm, BASE, &in, 4, true, false), 0);
	/* Forced: the page is private, its zero page and its file are not touched. */
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(4), PG(1), PROT_READ, FIXED, 0),
		 BASE + PG(4));
	CHECK_EQ(hosted_read32(BASE + PG(4)), 0);
	CHECK_EQ(access_process_vm(mm, BASE + PG(4), &in, 4, true, true), 4);
	CHECK_EQ(hosted_read32(BASE + PG(4)), 77);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(6), PG(1), PROT_READ, FIXED, 0),
		 BASE + PG(6));
	CHECK_EQ(hosted_read32(BASE + PG(6)), 0);
	check_mm();
}
