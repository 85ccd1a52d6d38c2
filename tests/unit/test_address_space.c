// SPDX-License-Identifier: MIT
/*
 * test_address_space.c: what the documents say of address spaces as a whole: structures by
 * their names, the trees that lead from a file to its mappings, device frames, what a file's
 * mmap operation sees, the kernel's own memory, and the entry of the fault handler.
 */
#include "address_space.h"

#include <mm/space/vma_internal.h>
#include <pagoda/rmap.h>
#include <pagoda/highmem.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmscan.h>
#include <asm/ldt.h>
#include <asm/ptrace.h>
#include <string.h>

/* ---- Structures ------------------------------------------------------------------------ */

#define HAS(type, field) static_assert(sizeof(((struct type *)0)->field) > 0, #type "." #field)

HAS(mm_struct, mmap);
HAS(mm_struct, mm_rb);
HAS(mm_struct, mmap_cache);
HAS(mm_struct, pgd);
HAS(mm_struct, mm_users);
HAS(mm_struct, mm_count);
HAS(mm_struct, map_count);
HAS(mm_struct, mmap_lock);
HAS(mm_struct, page_table_lock);
HAS(mm_struct, mmlist);
HAS(mm_struct, start_code);
HAS(mm_struct, end_code);
HAS(mm_struct, start_data);
HAS(mm_struct, end_data);
HAS(mm_struct, start_brk);
HAS(mm_struct, brk);
HAS(mm_struct, start_stack);
HAS(mm_struct, arg_start);
HAS(mm_struct, arg_end);
HAS(mm_struct, env_start);
HAS(mm_struct, env_end);
HAS(mm_struct, rss_anon);
HAS(mm_struct, total_vm);
HAS(mm_struct, locked_vm);
HAS(mm_struct, def_flags);
HAS(mm_struct, cpu_vm_mask);
HAS(mm_struct, swap_address);
HAS(mm_struct, dumpable);
HAS(mm_struct, context);
HAS(vm_area_struct, vm_mm);
HAS(vm_area_struct, vm_start);
HAS(vm_area_struct, vm_end);
HAS(vm_area_struct, vm_next);
HAS(vm_area_struct, vm_page_prot);
HAS(vm_area_struct, vm_flags);
HAS(vm_area_struct, vm_rb);
HAS(vm_area_struct, shared);
HAS(vm_area_struct, vm_ops);
HAS(vm_area_struct, vm_pgoff);
HAS(vm_area_struct, vm_file);
HAS(vm_area_struct, vm_raend);
HAS(vm_area_struct, vm_private_data);

static const unsigned long documented_flags[] = {
	VM_READ,       VM_WRITE,   VM_EXEC,	VM_SHARED,    VM_DONTCOPY,
	VM_DONTEXPAND, VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC,   VM_MAYSHARE,
	VM_GROWSDOWN,  VM_GROWSUP, VM_SHM,	VM_DENYWRITE, VM_EXECUTABLE,
	VM_LOCKED,     VM_IO,	   VM_RESERVED, VM_SEQ_READ,  VM_RAND_READ,
};

/* A file whose mmap operation and pages come from here. */
static struct {
	struct vm_file file; /* first */
	unsigned int mmaps;
	unsigned long vm_flags; /* or'ed into the VMA */
	const struct vm_operations_struct *ops;
	unsigned long pfn;
	bool saw_itself; /* the VMA was linked when the operation ran */
	struct vm_area_struct seen;
} device;

static vm_fault_t device_nopage(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf, device.pfn + vmf->pgoff);
}
static const struct vm_operations_struct device_ops = {.nopage = device_nopage};

static int device_mmap(struct vm_file *file, struct vm_area_struct *vma)
{
	(void)file;
	device.mmaps++;
	device.seen = *vma;
	device.saw_itself = find_vma_intersection(current_vm->mm, vma->vm_start, vma->vm_end);
	vma->vm_flags |= device.vm_flags;
	vma->vm_ops = device.ops;
	return 0;
}
static void device_release(struct vm_file *file)
{
	(void)file;
}
static const struct vm_file_operations device_file_ops = {.mmap = device_mmap,
							  .release = device_release};

static struct vm_file *new_device(unsigned long pfn)
{
	memset(&device, 0, sizeof(device));
	atomic_set(&device.file.f_count, 1);
	device.file.f_vmops = &device_file_ops;
	device.file.f_may_read = device.file.f_may_write = true;
	device.vm_flags = VM_PFNMAP_FLAGS;
	device.ops = &device_ops;
	device.pfn = pfn;
	return &device.file;
}

PAGODA_TEST(structures_and_flags_as_documented, "AS-05 AS-18 AS-21 CT-40")
{
	struct vm_file *file = new_device(max_mapnr);
	struct vm_area_struct *vma;
	unsigned long all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(documented_flags); i++) {
		CHECK_EQ(documented_flags[i] & (documented_flags[i] - 1), 0);
		CHECK_EQ(all & documented_flags[i], 0);
		all |= documented_flags[i];
	}
	new_process();
	/* Names that mmap accepts and that mean nothing any more. */
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(3), PROT_READ,
			 MAP_SHARED | MAP_FIXED | MAP_DENYWRITE | MAP_EXECUTABLE, PG(7)),
		 BASE);
	vma = find_vma(current_vm->mm, BASE);
	CHECK(vma->vm_mm == current_vm->mm && vma->vm_file == file && vma->vm_ops == &device_ops);
	CHECK_EQ(vma->vm_start, BASE);
	CHECK_EQ(vma->vm_end, BASE + PG(3));
	CHECK_EQ(vma->vm_pgoff, 7);
	CHECK_EQ(pgprot_val(vma->vm_page_prot), pgprot_val(vm_get_page_prot(vma->vm_flags)));
	CHECK_EQ(vma->vm_flags & all, VM_READ | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC |
					      VM_MAYSHARE | VM_IO | VM_RESERVED | VM_DONTEXPAND);
	CHECK(file->f_may_write); /* DENYWRITE denies nobody */
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(3)), 0);
	CHECK_EQ(atomic_read(&file->f_count), 1);
}

PAGODA_TEST(device_memory_is_never_locked, "AS-59")
{
	struct vm_file *file = new_device(max_mapnr);
	unsigned long flags = MAP_SHARED | MAP_FIXED | MAP_LOCKED;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(3), PROT_READ, flags, 0), BASE);
	CHECK_EQ(do_mlockall(current_vm->mm, 3), 0);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(4), PG(3), PROT_READ,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(4));
	CHECK_EQ(current_vm->mm->locked_vm, 0);
	CHECK(!(find_vma(current_vm->mm, BASE)->vm_flags & VM_LOCKED));
	CHECK_EQ(do_munlockall(current_vm->mm), 0);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(7)), 0);
	check_mm();
}

PAGODA_TEST(files_mmap_comes_after_the_checks_and_before_the_link, "CT-35 AS-47")
{
	struct vm_file *file = new_device(max_mapnr);

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, 0, PROT_READ, MAP_SHARED, 0), -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + 1, PG(1), PROT_READ, MAP_SHARED | MAP_FIXED,
			 0),
		 -EINVAL);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(1), PROT_READ, 0, 0), -EINVAL);
	file->f_may_write = false;
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(1), RW, MAP_SHARED, 0), -EACCES);
	file->f_may_write = true;
	CHECK_EQ(device.mmaps, 0);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(2), PROT_READ, MAP_SHARED | MAP_FIXED,
			 PG(3)),
		 BASE);
	CHECK_EQ(device.mmaps, 1);
	CHECK(!device.saw_itself);
	CHECK_EQ(device.seen.vm_start, BASE);
	CHECK_EQ(device.seen.vm_end, BASE + PG(2));
	CHECK_EQ(device.seen.vm_pgoff, 3);
	CHECK(device.seen.vm_file == file && device.seen.vm_flags & VM_READ);
}

/* ---- Device frames --------------------------------------------------------------------- */

PAGODA_TEST(device_frames_are_never_taken_for_pages, "AS-26 PT-38 AS-22")
{
	struct vm_file *file = new_device(max_mapnr + 4);
	struct mm_struct *child;

	CHECK(!pfn_valid(max_mapnr + 4));
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(8), RW,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, 0),
		 BASE);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(frame_at(BASE + PG(i)), max_mapnr + 4 + (unsigned long)i);
		CHECK(!follow_page(current_vm->mm, BASE + PG(i), false));
	}
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	CHECK(!get_user_page(current_vm->mm, BASE, false, true));
	check_mm();
	child = dup_mm(current_vm->mm);
	CHECK(child);
	CHECK_EQ(get_mm_rss(child), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(4), PROT_READ), 0);
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(4), PG(2), PG(2),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(16)),
		 BASE + PG(16));
	CHECK_EQ(frame_at(BASE + PG(16)), max_mapnr + 8);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), 4 /* DONTNEED */), -EINVAL);
	/* does not grow */
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(16), PG(2), PG(3), MREMAP_MAYMOVE, 0),
		 -EFAULT);
	CHECK(find_vma(current_vm->mm, BASE)->vm_flags & VM_DONTDUMP);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(3)), 0);
	check_mm();
	mmput(child);
}

PAGODA_TEST(memory_shown_as_a_device_keeps_its_owner, "AS-26")
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct vm_file *file;

	CHECK(page);
	file = new_device(page_to_pfn(page));
	memset(page_address(page), 0, PAGE_SIZE);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(1), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	hosted_write32(BASE + 8, 42);
	CHECK_EQ(((u32 *)page_address(page))[2], 42);
	CHECK_EQ(page_count(page), 1);
	CHECK_EQ(page_mapcount(page), 0);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(4), PG(1), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE + PG(4));
	CHECK(!user_write32(BASE + PG(4), 1)); /* no copy of a device */
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(4));
	hosted_process_exit();
	CHECK_EQ(page_count(page), 1);
	__free_page(page);
}

#define FRAME_AT_4_GIB	(1ul << 20)
#define MORE_THAN_4_GIB (MAX_PHYSMEM_BITS > 32 ? 6 : 3)

PAGODA_TEST_CONFIG(frames_above_4_gib_where_entries_can_name_them, "PT-07 FX-31",
		   .ram = MORE_THAN_4_GIB * SZ_1G)
{
	struct page *taken = NULL, *block;
	unsigned long pfn = 0;

	while ((block = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN, 9))) {
		block->private = taken;
		taken = block;
		pfn = page_to_pfn(block);
		if (pfn >= FRAME_AT_4_GIB)
			break;
	}
	if (MAX_PHYSMEM_BITS > 32) {
		CHECK_GE(pfn, FRAME_AT_4_GIB);
		new_process();
		CHECK_EQ(do_mmap(current_vm->mm, new_device(pfn), BASE, PG(1), RW,
				 MAP_SHARED | MAP_FIXED, 0),
			 BASE);
		hosted_write32(BASE + 16, 0x12345678);
		CHECK_EQ(frame_at(BASE), pfn);
		CHECK_EQ(hosted_lookup_user(current_vm->mm, BASE).entry >> 32 & 0xf, pfn >> 20);
		CHECK_EQ(((u32 *)kmap(block))[4], 0x12345678);
		kunmap(block);
	} else {
		CHECK_EQ(sizeof(pte_t), 4);
		CHECK_LT(pfn, FRAME_AT_4_GIB);
	}
	while (taken) {
		block = taken;
		taken = block->private;
		__free_pages(block, 9);
	}
}

/* ---- Pages that stay ------------------------------------------------------------------------ */

PAGODA_TEST(locked_and_reserved_pages_are_not_taken, "AS-25")
{
	struct vm_file *file = shmem_zero_setup(PG(2), true);
	unsigned long frame[4];

	CHECK(file);
	new_process();
	map_at(BASE, 2, RW);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(2), PG(2), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(2));
	put_vm_file(file);
	for (int i = 0; i < 4; i++) {
		hosted_write32(BASE + PG(i), 1);
		frame[i] = frame_at(BASE + PG(i));
	}
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(2), PG(1), 0), 0);
	find_vma(current_vm->mm, BASE + PG(1))->vm_flags |= VM_RESERVED;
	find_vma(current_vm->mm, BASE + PG(3))->vm_flags |= VM_RESERVED;
	for (int i = 0; i < 4; i++) {
		struct page *page = pfn_to_page(frame[i]);

		lock_page(page);
		CHECK(!try_to_unmap(page));
		unlock_page(page);
		CHECK_EQ(frame_at(BASE + PG(i)), frame[i]);
		CHECK_EQ(page_mapcount(page), 1);
	}
}

/* ---- From a file to its mappings --------------------------------------------------------- */

/*
 * Whether looking for its last page finds the VMA, and how many others it finds that do not show
 * that.
 */
static unsigned int found_by_page(const struct rb_root *tree, const struct vm_area_struct *vma)
{
	unsigned long page = vma->vm_pgoff + vma_pages(vma) - 1;
	struct vm_area_struct *v;
	unsigned int found = 0;

	for_each_vma_of(v, tree, page, page) {
		CHECK(v->vm_pgoff <= page && page - v->vm_pgoff < vma_pages(v));
		found += v == vma;
	}
	return found;
}

/* How many VMAs show a page of [first, last]: every one is met once, in order. */
static unsigned int count_range(const struct rb_root *tree, unsigned long first, unsigned long last)
{
	struct vm_area_struct *vma, *prev = NULL;
	unsigned int n = 0;

	for_each_vma_of(vma, tree, first, last) {
		CHECK(!prev || prev->vm_pgoff <= vma->vm_pgoff);
		CHECK(prev != vma && vma->vm_pgoff <= last &&
		      vma->vm_pgoff + vma_pages(vma) > first);
		prev = vma;
		n++;
	}
	return n;
}

static unsigned int expected_in_range(struct mm_struct *const *mms, unsigned int nr, bool shared,
				      unsigned long first, unsigned long last)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		for (struct vm_area_struct *vma = mms[i] ? mms[i]->mmap : NULL; vma;
		     vma = vma->vm_next)
			n += vma->vm_file && !!(vma->vm_flags & VM_SHARED) == shared &&
			     vma->vm_pgoff <= last && vma->vm_pgoff + vma_pages(vma) > first;
	return n;
}

static void check_lists(struct address_space *mapping, struct mm_struct *const *mms,
			unsigned int nr)
{
	unsigned int private = 0, shared = 0;

	for (unsigned int i = 0; i < nr; i++)
		for (struct vm_area_struct *vma = mms[i] ? mms[i]->mmap : NULL; vma;
		     vma = vma->vm_next) {
			if (!vma->vm_file)
				continue;
			CHECK_EQ(found_by_page(&mapping->i_mmap_shared, vma),
				 !!(vma->vm_flags & VM_SHARED));
			CHECK_EQ(found_by_page(&mapping->i_mmap, vma),
				 !(vma->vm_flags & VM_SHARED));
			*(vma->vm_flags & VM_SHARED ? &shared : &private) += 1;
		}
	CHECK_EQ(vma_interval_validate(&mapping->i_mmap), private);
	CHECK_EQ(vma_interval_validate(&mapping->i_mmap_shared), shared);
	for (int i = 0; i < 4; i++) {
		unsigned long first = test_random_below(70), last = first + test_random_below(8);

		CHECK_EQ(count_range(&mapping->i_mmap, first, last),
			 expected_in_range(mms, nr, false, first, last));
		CHECK_EQ(count_range(&mapping->i_mmap_shared, first, last),
			 expected_in_range(mms, nr, true, first, last));
	}
}

#define MMS 4

static void random_step(struct vm_file *file, struct mm_struct **mms)
{
	unsigned long addr = BASE + PG(test_random_below(60)), len = PG(1 + test_random_below(4));
	unsigned int i = 1 + (unsigned int)test_random_below(MMS - 1);
	unsigned long kind = test_random_below(2) ? MAP_SHARED : MAP_PRIVATE;

	switch (test_random_below(6)) {
	case 0:
	case 1:
		CHECK_EQ(do_mmap(current_vm->mm, file, addr, len, PROT_READ, kind | MAP_FIXED,
				 PG(test_random_below(64))),
			 addr);
		break;
	case 2:
		CHECK_EQ(do_munmap(current_vm->mm, addr, len), 0);
		break;
	case 3: /* holes are an error, what lies before them is done */
		(void)!do_mprotect(current_vm->mm, addr, len,
				   test_random_below(2) ? RW : PROT_READ);
		break;
	case 4:
		(void)!do_mremap(current_vm->mm, addr, PG(1), PG(1), MREMAP_MAYMOVE | MREMAP_FIXED,
				 BASE + PG(80 + test_random_below(8)));
		break;
	default:
		if (mms[i])
			mmput(mms[i]);
		mms[i] = test_random_below(3) ? dup_mm(mms[0]) : NULL;
	}
}

PAGODA_TEST(file_trees_name_each_mapping_once, "AS-39 AS-43")
{
	struct vm_file *file = shmem_zero_setup(PG(64), true);
	struct mm_struct *mms[MMS] = {NULL};

	CHECK(file);
	new_process();
	mms[0] = current_vm->mm;
	for (unsigned int i = 0; i < test_scale(600); i++) {
		random_step(file, mms);
		if (i % 8 == 0)
			check_lists(file->f_mapping, mms, MMS);
	}
	check_lists(file->f_mapping, mms, MMS);
	for (int i = 1; i < MMS; i++)
		if (mms[i])
			mmput(mms[i]);
	hosted_process_exit();
	CHECK(!file->f_mapping->i_mmap.node && !file->f_mapping->i_mmap_shared.node);
	put_vm_file(file);
}

/* ---- The kernel's own memory ----------------------------------------------------------------- */

PAGODA_TEST(kernel_memory_is_there_at_once_and_stays, "AS-79 CT-03")
{
	unsigned char *object, *area;
	phys_addr_t where[3];
	unsigned long faults = vm_event(fault_vmalloc), left = 0;
	struct page *hogs = NULL, *page;

	new_process();
	object = kmalloc(2000, GFP_KERNEL);
	area = vmalloc(2 * PAGE_SIZE);
	CHECK(object && area);
	where[0] = hosted_lookup_kernel(object).pa;
	where[1] = hosted_lookup_kernel(area).pa;
	where[2] = hosted_lookup_kernel(area + PAGE_SIZE).pa;
	/* In the reference tables before anybody touches it, and no frame comes by a fault. */
	CHECK(where[1] && where[2] && where[1] != where[2]);
	memset(object, 0x5a, 2000);
	memset(area, 0xa5, 2 * PAGE_SIZE);
	CHECK_LE(vm_event(fault_vmalloc) - faults, 1);
	while ((page = alloc_page(GFP_KERNEL | __GFP_NOWARN))) { /* nothing is left */
		page->private = hogs;
		hogs = page;
		left++;
	}
	CHECK_GT(left, 1000);
	hosted_process_exit();
	CHECK_EQ(hosted_lookup_kernel(object).pa, where[0]);
	CHECK_EQ(hosted_lookup_kernel(area).pa, where[1]);
	CHECK_EQ(hosted_lookup_kernel(area + PAGE_SIZE).pa, where[2]);
	for (int i = 0; i < 2000; i++)
		CHECK_EQ(object[i], 0x5a);
	for (unsigned long i = 0; i < 2 * PAGE_SIZE; i++)
		CHECK_EQ(area[i], 0xa5);
	while (hogs) {
		page = hogs;
		hogs = page->private;
		__free_page(page);
	}
	vfree(area);
	kfree(object);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

PAGODA_TEST(low_twelve_bits_are_the_offset, "PT-35 PT-04 PT-03")
{
	CHECK_EQ(PGDIR_SIZE, 1ul << PGDIR_SHIFT);
	CHECK_EQ((unsigned long)PTRS_PER_PTE * sizeof(pte_t), PAGE_SIZE);
	new_process();
	map_at(BASE, 64, RW);
	for (unsigned int i = 0; i < test_scale(2000); i++) {
		unsigned long addr = BASE + test_random_below(PG(64));
		struct hosted_pte_info info;

		hosted_write8(addr, (u8)i);
		info = hosted_lookup_user(current_vm->mm, addr);
		CHECK(info.present && info.level == 1);
		CHECK_EQ(*(u8 *)hosted_phys((info.pa & ~(phys_addr_t)(PAGE_SIZE - 1)) |
					    (addr & (PAGE_SIZE - 1))),
			 (u8)i);
	}
}

/* ---- The entry of the fault handler ---------------------------------------------------------- */

static unsigned int depth;
static unsigned long seen_addresses[8], nr_seen;

/* Instrumentation that itself faults, on another page each time. */
static void faulting_hook(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
			  unsigned long address)
{
	u32 value;

	(void)regs, (void)error_code;
	if (place != FAULT_ENTER || depth)
		return;
	depth++;
	CHECK_EQ(copy_from_user(&value, BASE + PG(8 + nr_seen), 4), 0);
	depth--;
	seen_addresses[nr_seen++] = address & PAGE_MASK;
}

PAGODA_TEST(fault_address_survives_a_fault_of_the_tracer, "FT-02")
{
	new_process();
	map_at(BASE, 16, RW);
	fault_hook = faulting_hook;
	for (unsigned int i = 0; i < 4; i++)
		hosted_write32(BASE + PG(i) + 12, i + 1);
	fault_hook = NULL;
	CHECK_EQ(nr_seen, 4);
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(seen_addresses[i], BASE + PG(i));
		CHECK_EQ(hosted_read32(BASE + PG(i) + 12), i + 1);
		CHECK(frame_at(BASE + PG(8 + i))); /* the tracer's own */
	}
	CHECK(!frame_at(BASE + PG(4)) && !frame_at(BASE + PG(12)));
}

PAGODA_TEST(interrupts_stay_as_they_were, "FT-14 FT-13")
{
	u32 value = 1;
	unsigned long flags;

	new_process();
	map_at(BASE, 2, RW);
	CHECK(port_irqs_enabled());
	CHECK_EQ(copy_to_user(BASE, &value, 4), 0);
	CHECK(port_irqs_enabled());
	flags = port_irq_save();
	CHECK_EQ(copy_to_user(BASE + PG(1), &value, 4), 4); /* must not sleep: not served */
	CHECK(!port_irqs_enabled());
	CHECK_EQ(copy_to_user(BASE, &value, 4), 0);
	CHECK(!port_irqs_enabled());
	port_irq_restore(flags);
	CHECK(!frame_at(BASE + PG(1)));
}

PAGODA_TEST(fault_totals_add_up, "FT-16 FT-68")
{
	unsigned long total, failed, min, maj;
	struct vm_file *file;
	u32 value;

	new_process();
	file = shmem_zero_setup(PG(2), true);
	CHECK(file);
	map_at(BASE, 8, RW);
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(8), PG(4), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(8));
	put_vm_file(file);
	total = vm_event(pgfault);
	failed = vm_event(fault_segv) + vm_event(fault_sigbus);
	min = current_vm->min_flt, maj = current_vm->maj_flt;
	for (int i = 0; i < 5; i++)
		hosted_write8(BASE + PG(i), 1);	    /* 5 minor */
	CHECK(user_read32(BASE + PG(5), &value));   /* 1, zero page */
	hosted_write8(BASE + PG(5), 1);		    /* 1 more */
	hosted_write8(BASE + PG(8), 1);		    /* 1, object */
	CHECK(!user_read32(BASE + PG(10), &value)); /* past its end: SIGBUS */
	CHECK(!user_read32(BASE + PG(40), &value)); /* nothing there */
	CHECK(!user_read32(BASE - PG(1), &value));
	CHECK_EQ(current_vm->min_flt - min, 8);
	CHECK_EQ(current_vm->maj_flt - maj, 0);
	CHECK_EQ(vm_event(fault_segv) + vm_event(fault_sigbus) - failed, 3);
	CHECK_EQ(vm_event(pgfault) - total, 8 + 3);
	while (hosted_signal().signo)
		;
}

PAGODA_TEST(fault_codes_map_to_those_of_2_4, "CT-20")
{
	CHECK_EQ(vm_fault_result_24(0), 1);
	CHECK_EQ(vm_fault_result_24(VM_FAULT_MAJOR), 2);
	CHECK_EQ(vm_fault_result_24(VM_FAULT_SIGBUS), 0);
	CHECK_EQ(vm_fault_result_24(VM_FAULT_OOM), -1);
	CHECK_EQ(vm_fault_result_24(VM_FAULT_MAJOR | VM_FAULT_NOPAGE), 2);
}

/* ---- User copies ----------------------------------------------------------------------------- */

static size_t copy_in(void *to, unsigned long from, size_t n)
{
	switch (n) {
	case 1:
		return copy_from_user(to, from, 1);
	case 2:
		return copy_from_user(to, from, 2);
	case 4:
		return copy_from_user(to, from, 4);
	default:
		return copy_from_user(to, from, 8);
	}
}

static size_t copy_out(unsigned long to, const void *from, size_t n)
{
	switch (n) {
	case 1:
		return copy_to_user(to, from, 1);
	case 2:
		return copy_to_user(to, from, 2);
	case 4:
		return copy_to_user(to, from, 4);
	default:
		return copy_to_user(to, from, 8);
	}
}

/* Anywhere: mapped, at an edge, unmapped, near the end of user space, the kernel's. */
static unsigned long any_pointer(void)
{
	switch (test_random_below(5)) {
	case 0:
		return BASE + test_random_below(PG(4));
	case 1:
		return BASE + PG(4) - test_random_below(9);
	case 2:
		return BASE - test_random_below(9);
	case 3:
		return TASK_SIZE - test_random_below(9);
	default:
		return (unsigned long)test_random();
	}
}

PAGODA_TEST(copies_of_constant_size_are_like_any_other, "FT-66 FT-62 FT-63 AS-04")
{
	static const size_t sizes[] = {1, 2, 4, 8};
	volatile size_t n;

	new_process();
	map_at(BASE, 4, RW);
	hosted_user_fill(BASE, 0x77, PG(4));
	for (unsigned int i = 0; i < test_scale(10000); i++) {
		unsigned long addr = any_pointer();
		u64 a, b;

		n = sizes[test_random_below(4)];
		memset(&a, 0xee, 8);
		memset(&b, 0xee, 8);
		CHECK_EQ(copy_in(&a, addr, n), copy_from_user(&b, addr, n));
		CHECK_EQ(a, b);
		a = test_random();
		CHECK_EQ(copy_out(addr, &a, n), copy_to_user(addr, &a, n));
	}
}

/* Another CPU takes pages away while they are copied: the count is right to the byte. */
static atomic_t copying;

static void take_pages_away(void *arg)
{
	(void)arg;
	for (unsigned long page = 0; atomic_read(&copying); page = (page + 5) % 8) {

		CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(page), PG(1)), 0);
		CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(page), PG(1), RW,
				 FIXED | MAP_POPULATE, 0),
			 BASE + PG(page));
	}
}

PAGODA_TEST_CONFIG(copies_stop_where_a_page_disappears, "FT-62 FT-63", .nr_cpus = 2)
{
	static unsigned char buf[8 * 4096];
	unsigned int shorts = 0;
	struct hosted_task *thread;

	new_process();
	map_at(BASE, 8, RW);
	atomic_set(&copying, 1);
	thread = hosted_clone(1, take_pages_away, NULL);
	CHECK(thread);
	for (unsigned int i = 0; i < test_scale(2000) || shorts < 3; i++) {
		unsigned long offset = test_random_below(PG(4));
		size_t n = 1 + test_random_below(PG(4)), left;

		memset(buf, 0xff, n);
		left = copy_from_user(buf, BASE + offset, n);
		CHECK_LE(left, n);
		for (size_t k = 0; k < n; k++) /* zeros: copied, or filled */
			CHECK_EQ(buf[k], 0);
		if (left) { /* it stops at the beginning of a page, or did not begin */
			shorts++;
			CHECK(left == n || (offset + n - left) % PAGE_SIZE == 0);
		}
		left = clear_user(BASE + offset, n);
		CHECK(!left || left == n || (offset + n - left) % PAGE_SIZE == 0);
	}
	atomic_set(&copying, 0);
	hosted_wait(thread);
}

/* ---- What was used since --------------------------------------------------------------------- */

/*
 * A letter a page: '.' no entry, 'a' accessed, 'A' accessed and stored to since, '-' neither, 'D'
 * stored to.
 */
static const char *uses(struct mm_struct *mm, unsigned long addr, int pages)
{
	static char text[3][16];
	static int turn;
	char *out = text[turn++ % 3];

	for (int i = 0; i < pages; i++) {
		pte_t pte = __pte((pteval_t)hosted_lookup_user(mm, addr + PG(i)).entry);
		bool young = pte_young(pte),
		     dirty = pte_soft_dirty(pte) ||
			     find_vma(mm, addr + PG(i))->vm_flags & VM_SOFTDIRTY;

		out[i] = pte_none(pte) ? '.' : young ? (dirty ? 'A' : 'a') : dirty ? 'D' : '-';
		CHECK(dirty || !pte_write(pte));
	}
	out[pages] = 0;
	return out;
}

PAGODA_TEST(clear_refs_shows_what_is_used_afterwards, "")
{
	struct mm_struct *mm, *child;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 6, RW);
	hosted_user_fill(BASE, 1, PG(5));
	CHECK_STR(uses(mm, BASE, 6), "AAAAA.");
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_MAPPED), 0);
	CHECK_STR(uses(mm, BASE, 6), "AAAAA.");
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_ANON), 0);
	CHECK_STR(uses(mm, BASE, 6), "DDDDD.");
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_SOFT_DIRTY), 0);
	CHECK_STR(uses(mm, BASE, 6), "-----.");
	(void)hosted_read32(BASE);
	hosted_write32(BASE + PG(1), 2);
	CHECK_STR(uses(mm, BASE, 6), "aA---.");
	/* Neither a change of rights nor fork makes a page written, moving it does. */
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(3), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(3), RW), 0);
	CHECK_STR(uses(mm, BASE, 6), "aA---.");
	child = dup_mm(mm);
	CHECK(child);
	CHECK_STR(uses(child, BASE, 6), "-D---."); /* it has used nothing yet */
	mmput(child);
	CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(3), PG(1), PG(1),
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(9)),
		 BASE + PG(9));
	CHECK_STR(uses(mm, BASE + PG(9), 1), "D");
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_SOFT_DIRTY), 0);
	hosted_write32(BASE + PG(2), 3);
	hosted_write32(BASE + PG(5), 3);
	CHECK_STR(uses(mm, BASE, 6), "aaA.-A");
	CHECK_EQ(hosted_read32(BASE + PG(1)), 2);
	/* What is mapped from now on is new as a whole, also where it joins what is not. */
	map_at(BASE + PG(6), 1, RW);
	(void)hosted_read32(BASE + PG(6));
	CHECK_STR(uses(mm, BASE, 7), "aaA.DAA");
	mm->hiwater_rss = 1000;
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_HIWATER), 0);
	CHECK_EQ(mm->hiwater_rss, get_mm_rss(mm));
	check_mm();
}

PAGODA_TEST(first_store_to_shared_memory_after_clear_refs_is_seen, "")
{
	struct vm_file *file = shmem_zero_setup(PG(4), true);
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	put_vm_file(file);
	hosted_user_fill(BASE, 1, PG(2));
	CHECK_EQ(clear_refs(mm, CLEAR_REFS_SOFT_DIRTY), 0);
	(void)hosted_read32(BASE);
	(void)hosted_read32(BASE + PG(2));
	hosted_write32(BASE + PG(1), 2);
	hosted_write32(BASE + PG(3), 2);
	CHECK_STR(uses(mm, BASE, 4), "aAaA");
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(4), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(4), RW), 0);
	hosted_write32(BASE + PG(2), 2);
	CHECK_STR(uses(mm, BASE, 4), "aAAA");
	CHECK_EQ(hosted_read32(BASE + PG(1)), 2);
	check_mm();
}

/* ---- Segments of a process's own ------------------------------------------------------------- */

static void nothing(void *arg)
{
	(void)arg;
}

/* What modify_ldt(2) takes; a 32-bit data segment. */
static const u32 segment[4] = {2, 0x12345678, 0xfffff, 1 | 1 << 4};

static bool dup_with_ldt(void *arg)
{
	struct mm_struct *child = dup_mm(arg);

	if (child) {
		CHECK(child->context && child->context != ((struct mm_struct *)arg)->context);
		mmput(child);
	}
	return child;
}

PAGODA_TEST(segments_are_set_read_and_inherited, "CS-11")
{
	unsigned long loads = vm_event(ldt_load);
	u64 entries[4];

	new_process();
	map_at(BASE, 1, RW);
	CHECK_EQ(vm_event(ldt_load), loads);
	CHECK_EQ(modify_ldt(0, BASE, 32), 0);
	CHECK_EQ(copy_to_user(BASE, segment, sizeof(segment)), 0);
	CHECK_EQ(modify_ldt(0x11, BASE, sizeof(segment)), 0);
	CHECK_EQ(vm_event(ldt_load), loads + 1);
	CHECK_EQ(modify_ldt(0, BASE, 32), 32);
	CHECK_EQ(copy_from_user(entries, BASE, sizeof(entries)), 0);
	CHECK(!entries[0] && !entries[1] && !entries[3]);
	CHECK_EQ(entries[2], 0x12cff3345678ffffull);
	CHECK_EQ(modify_ldt(0x11, PAGE_OFFSET, sizeof(segment)), -EFAULT);
	test_fail_every_allocation(dup_with_ldt, current_vm->mm);
	/* a thread without an mm borrows ours */
	hosted_wait(hosted_spawn("nothing", 0, nothing, NULL));
	CHECK_EQ(vm_event(ldt_load), loads + 1);
	hosted_process_exit();
	new_process(); /* which has none */
	CHECK_EQ(vm_event(ldt_load), loads + 2);
}

/* ---- Calls on an address space that is not current's --------------------------------------- */

/* The word at addr of an address space; ~0: it cannot be read. */
static u32 word_of(struct mm_struct *mm, unsigned long addr)
{
	u32 word;

	return access_process_vm(mm, addr, &word, sizeof(word), false, false) == sizeof(word) ? word
											      : ~0u;
}

/* Maps [BASE, BASE + PG(8)) in mm, and changes it by one call after the other. */
static void change_areas(struct mm_struct *mm)
{
	u32 word = 42;

	CHECK_EQ(do_mmap(mm, NULL, BASE, PG(8), RW, FIXED | MAP_POPULATE, 0), BASE);
	CHECK_EQ(get_mm_rss(mm), 8);
	CHECK_EQ(access_process_vm(mm, BASE, &word, sizeof(word), true, false), sizeof(word));
	CHECK_EQ(do_mprotect(mm, BASE + PG(6), PG(2), PROT_READ), 0);
	CHECK_EQ(find_vma(mm, BASE + PG(6))->vm_start, BASE + PG(6));
	CHECK_EQ(do_munmap(mm, BASE + PG(5), PG(1)), 0);
	CHECK(!find_vma_intersection(mm, BASE + PG(5), BASE + PG(6)));
	CHECK_EQ(do_mlock(mm, BASE, PG(2), 0), 0);
	CHECK_EQ(mm->locked_vm, 2);
	CHECK_EQ(do_munlock(mm, BASE, PG(2)), 0);
	CHECK_EQ(do_madvise(mm, BASE + PG(1), PG(1), MADV_DONTNEED), 0);
	CHECK_EQ(get_mm_rss(mm), 6);
	CHECK_EQ(do_mremap(mm, BASE, PG(5), PG(5), MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(16)),
		 BASE + PG(16));
	CHECK_EQ(word_of(mm, BASE + PG(16)), 42);
	CHECK_EQ(do_brk(mm, 0), 0x8000000);
	CHECK_EQ(do_brk(mm, 0x8000000 + PG(3)), 0x8000000 + PG(3));
	CHECK_EQ(do_mlockall(mm, MCL_CURRENT), 0);
	CHECK_EQ(mm->locked_vm, 5 + 2 + 3);
	CHECK_EQ(do_munlockall(mm), 0);
	CHECK_EQ(do_msync(mm, BASE + PG(16), PG(5), MS_SYNC), 0);
}

PAGODA_TEST(calls_change_the_address_space_they_are_given, "AS-47 AS-49 AS-50")
{
	struct mm_struct *mm;

	new_process();
	map_at(BASE, 8, RW);
	hosted_user_fill(BASE, 7, PG(8));
	mm = mm_alloc();
	CHECK(mm != NULL);
	arch_pick_mmap_layout(mm, 8 * SZ_1M);
	set_brk_start(mm, 0x8000000);
	change_areas(mm);
	down_read(&mm->mmap_lock);
	validate_mm(mm);
	up_read(&mm->mmap_lock);
	/* current's own areas and pages are as they were */
	CHECK_LAYOUT(8, "wwwwwwww");
	CHECK_EQ(get_mm_rss(current_vm->mm), 8);
	CHECK_EQ(current_vm->mm->locked_vm, 0);
	CHECK_EQ(hosted_read32(BASE + PG(1)), 0x07070707);
	CHECK(!find_vma_intersection(current_vm->mm, BASE + PG(16), BASE + PG(21)));
	check_mm();
	mmput(mm);
	CHECK_EQ(nr_mms(), 1);
}

/* ---- Lazy TLB on one CPU --------------------------------------------------------------------- */

PAGODA_TEST(one_cpu_knows_no_lazy_state, "CS-08 CS-03")
{
	struct mm_struct *mm;
	unsigned long flags;

	new_process();
	mm = current_vm->mm;
	CHECK_EQ(mm->cpu_vm_mask, 1);
	hosted_wait(hosted_spawn("nothing", 0, nothing, NULL));
	CHECK_EQ(mm->cpu_vm_mask, 1);
	CHECK_EQ(cpu_tlbstate[0].state, TLBSTATE_OK);
	flags = port_irq_save();
	enter_lazy_tlb(mm);
	port_irq_restore(flags);
	CHECK_EQ(cpu_tlbstate[0].state, TLBSTATE_OK);
	CHECK_EQ(mm->cpu_vm_mask, 1);
}
