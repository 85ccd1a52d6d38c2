/* SPDX-License-Identifier: MIT */
/*
 * test_fault_retry.c: whoever waits for a disk on behalf of an address space does not hold its
 * mmap_lock, and a task that is killed waits no longer. The disk is held, so that "while it waits"
 * is a state and not a time.
 */
#include "address_space.h"
#include "block_file.h"

#include <pagoda/mempolicy.h>
#include <pagoda/mm.h>
#include <pagoda/swap.h>

#define FILE_PAGES 8
#define MLOCK_LEN  PG(2)

static struct block_file *file;

static u8 contents(unsigned long page)
{
	return (u8)(page * 3 + 1);
}

/* The file is on the disk and not in the cache; it is mapped at BASE. */
static void map_uncached_file(unsigned long flags)
{
	static u8 bytes[FILE_PAGES * PAGE_SIZE];

	for (unsigned long i = 0; i < sizeof(bytes); i++)
		bytes[i] = contents(i / PAGE_SIZE);
	file = block_file_create(PAGE_SIZE, 0);
	new_process();
	CHECK_EQ(block_file_write(&file->file, bytes, sizeof(bytes), 0), (long)sizeof(bytes));
	CHECK_EQ(block_file_fsync(&file->file, 0, ~0ull >> 1, false), 0);
	CHECK_EQ(invalidate_mapping_pages(&file->mapping, 0, ~0ul), FILE_PAGES);
	CHECK_EQ(do_mmap(current_vm->mm, &file->file, BASE, PG(FILE_PAGES), RW, flags | MAP_FIXED,
			 0),
		 BASE);
	file->disk.held = true;
}

static void unmap_file(void)
{
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(FILE_PAGES)), 0);
	put_vm_file(&file->file);
	check_mm();
}

static bool disk_is_waited_for(void)
{
	return memory_disk_has_waiting(&file->disk);
}

/* Writers get mmap_lock while fn waits for the disk. */
static struct hosted_task *start_waiting(void (*fn)(void *unused))
{
	struct hosted_task *task = hosted_clone(1, fn, NULL);

	while (!disk_is_waited_for())
		port_yield();
	for (int i = 0; i < 100; i++) /* it goes on to the end of what it does before it sleeps */
		port_yield();
	while (!down_write_trylock(&current_vm->mm->mmap_lock))
		port_yield();
	up_write(&current_vm->mm->mmap_lock);
	return task;
}

static void check_wait(void (*fn)(void *unused))
{
	struct hosted_task *task = start_waiting(fn);

	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(64), PG(1), RW, FIXED, 0), BASE + PG(64));
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(64), PG(1)), 0);
	memory_disk_release(&file->disk);
	hosted_wait(task);
}

static void read_page(void *unused)
{
	unsigned long maj_flt = current_vm->maj_flt, min_flt = current_vm->min_flt;

	(void)unused;
	CHECK_EQ(hosted_read8(BASE + PG(3)), contents(3));
	CHECK_EQ(current_vm->maj_flt - maj_flt, 1);
	CHECK_EQ(current_vm->min_flt - min_flt, 0);
}

static void write_page(void *unused)
{
	(void)unused;
	hosted_write8(BASE + PG(5), 77);
	CHECK_EQ(hosted_read8(BASE + PG(5) + 1), contents(5));
}

static void lock_pages(void *unused)
{
	(void)unused;
	CHECK_EQ(do_mlock(current_vm->mm, BASE, MLOCK_LEN, 0), 0);
	CHECK(frame_at(BASE) && frame_at(BASE + PG(1)));
}

static void populate_pages(void *unused)
{
	(void)unused;
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(4), MADV_POPULATE_READ), 0);
	CHECK(frame_at(BASE) && frame_at(BASE + PG(3)));
}

static void peek(void *unused)
{
	u8 byte;

	(void)unused;
	CHECK_EQ(access_process_vm(current_vm->mm, BASE + PG(2), &byte, 1, false, false), 1);
	CHECK_EQ(byte, contents(2));
}

static void direct_read_in(void *unused)
{
	u64 pos = 0;

	(void)unused;
	CHECK_EQ(generic_direct_read(&file->file, (struct iov_user){.addr = BASE + PG(32)}, PG(4),
				     &pos),
		 PG(4));
	CHECK_EQ(hosted_read8(BASE + PG(35)), contents(3));
}

static void direct_write_out(void *unused)
{
	u64 pos = PG(1);

	(void)unused;
	CHECK_EQ(generic_direct_write(&file->file, (struct iov_user){.addr = BASE + PG(32)}, PG(1),
				      &pos),
		 PG(1));
}

/* The memory for a transfer is the same file's: the fault that pins it reads from the disk. */
static void direct_from_mapping(void *unused)
{
	u64 pos = PG(6);

	(void)unused;
	CHECK_EQ(generic_direct_write(&file->file, (struct iov_user){.addr = BASE}, PG(1), &pos),
		 PG(1));
}

static void store(void *unused)
{
	(void)unused;
	hosted_write8(BASE + PG(5), 77);
	CHECK_EQ(hosted_read8(BASE + PG(5) + 1), contents(5));
}

static void store_after_read(void *unused)
{
	(void)unused;
	file->disk.held = false;
	CHECK_EQ(hosted_read8(BASE + PG(5)), contents(5));
	file->disk.held = true;
	store(NULL);
}

static void waits_without_lock(void (*fn)(void *unused), unsigned long flags)
{
	map_uncached_file(flags);
	check_wait(fn);
	unmap_file();
}

PAGODA_TEST_CONFIG(a_read_fault_waits_for_the_disk_without_mmap_lock, "FT-29", .nr_cpus = 2)
{
	waits_without_lock(read_page, MAP_SHARED);
}

PAGODA_TEST_CONFIG(a_private_write_waits_for_the_disk_without_mmap_lock, "FT-29", .nr_cpus = 2)
{
	waits_without_lock(write_page, MAP_PRIVATE);
}

PAGODA_TEST_CONFIG(mlock_waits_for_the_disk_without_mmap_lock, "", .nr_cpus = 2)
{
	waits_without_lock(lock_pages, MAP_SHARED);
}

PAGODA_TEST_CONFIG(populate_waits_for_the_disk_without_mmap_lock, "", .nr_cpus = 2)
{
	waits_without_lock(populate_pages, MAP_PRIVATE);
}

PAGODA_TEST_CONFIG(a_look_into_a_process_waits_for_the_disk_without_its_mmap_lock, "", .nr_cpus = 2)
{
	waits_without_lock(peek, MAP_SHARED);
}

static long direct_IO(struct vm_file *f, bool write, struct iov_user buf, size_t count, u64 pos)
{
	return blockdev_direct_IO(f, write, buf, count, pos, PAGE_SIZE, block_file_get_block);
}

static void transfers_without_lock(void (*fn)(void *unused))
{
	static struct address_space_operations a_ops;

	map_uncached_file(MAP_SHARED);
	a_ops = block_file_a_ops;
	a_ops.direct_IO = direct_IO;
	file->mapping.a_ops = &a_ops;
	map_at(BASE + PG(32), 4, RW);
	check_wait(fn);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(32), PG(4)), 0);
	unmap_file();
}

PAGODA_TEST_CONFIG(a_direct_read_waits_for_the_disk_without_mmap_lock, "", .nr_cpus = 2)
{
	transfers_without_lock(direct_read_in);
}

PAGODA_TEST_CONFIG(a_direct_write_waits_for_the_disk_without_mmap_lock, "", .nr_cpus = 2)
{
	transfers_without_lock(direct_write_out);
}

PAGODA_TEST_CONFIG(pinning_pages_waits_for_the_disk_without_mmap_lock, "", .nr_cpus = 2)
{
	transfers_without_lock(direct_from_mapping);
}

static void read_own_block(void)
{
	struct buffer_head *bh = bread(&file->disk.bdev, 4000, PAGE_SIZE);

	CHECK(bh);
	brelse(bh);
}

static void forget_own_block(void)
{
	CHECK_EQ(invalidate_mapping_pages(file->disk.bdev.bd_mapping, 0, ~0ul), 1);
}

/* The device has a cache from its first block on, and keeps it. */
static void make_device_cache(void)
{
	read_own_block();
	forget_own_block();
}

static void map_file_with_own_block(void)
{
	map_uncached_file(MAP_SHARED);
	file->disk.held = false;
	test_lasting(make_device_cache);
	file->disk.held = true;
}

/*
 * A file system that reads a block of its own before it knows where a page's place is; waits only
 * if it must.
 */
static int prepare_after_read(struct vm_file *f, struct page *page, unsigned from, unsigned to)
{
	if (!page_has_buffers(page))
		read_own_block();
	return block_file_prepare_write(f, page, from, to);
}

/* Reads get through, the look for a place does not. */
static int readpage_at_once(struct vm_file *f, struct page *page)
{
	int err;

	file->disk.held = false;
	err = block_file_readpage(f, page);
	run_disk_queue();
	while (PageLocked(page))
		port_cond_resched();
	file->disk.held = true;
	return err;
}

static int readpage_after_read(struct vm_file *f, struct page *page)
{
	read_own_block();
	return block_file_readpage(f, page);
}

static void will_need(void *unused)
{
	(void)unused;
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(4), MADV_WILLNEED), 0);
}

PAGODA_TEST_CONFIG(willneed_waits_for_a_page_s_place_without_mmap_lock, "", .nr_cpus = 2)
{
	static struct address_space_operations a_ops;

	map_file_with_own_block();
	a_ops = block_file_a_ops;
	a_ops.readpage = readpage_after_read;
	file->mapping.a_ops = &a_ops;
	check_wait(will_need);
	forget_own_block();
	unmap_file();
}

static void stores_without_lock(void (*fn)(void *unused))
{
	static struct address_space_operations a_ops;

	map_file_with_own_block();
	a_ops = block_file_a_ops;
	a_ops.prepare_write = prepare_after_read;
	a_ops.readpage = readpage_at_once;
	file->mapping.a_ops = &a_ops;
	file->prepared = file->committed = 0;
	check_wait(fn);
	CHECK_EQ(file->prepared, 1);
	CHECK_EQ(file->committed, 1);
	forget_own_block();
	unmap_file();
}

PAGODA_TEST_CONFIG(a_store_to_a_missing_page_waits_for_its_place_without_mmap_lock, "FT-29",
		   .nr_cpus = 2)
{
	stores_without_lock(store);
}

PAGODA_TEST_CONFIG(a_store_to_a_clean_page_waits_for_its_place_without_mmap_lock, "FT-29",
		   .nr_cpus = 2)
{
	stores_without_lock(store_after_read);
}

static int no_place(struct vm_file *f, struct page *page, unsigned from, unsigned to)
{
	(void)f;
	(void)page;
	(void)from;
	(void)to;
	return -ENOSPC;
}

/* Whether the page was missing or clean, the store fails, and no page is kept for a next try. */
PAGODA_TEST(a_store_that_finds_no_place_fails_and_keeps_no_page, "")
{
	static struct address_space_operations a_ops;
	u32 value;

	map_uncached_file(MAP_SHARED);
	file->disk.held = false;
	a_ops = block_file_a_ops;
	a_ops.prepare_write = no_place;
	file->mapping.a_ops = &a_ops;
	CHECK(!user_write32(BASE + PG(2), 1));
	CHECK(!current_vm->fault_page);
	CHECK(user_read32(BASE + PG(4), &value));
	CHECK(!user_write32(BASE + PG(4), 1));
	CHECK(!current_vm->fault_page);
	unmap_file();
}

/* The region goes while the fault waits: there is nothing to map any more. */
static void read_what_goes(void *unused)
{
	u32 value;

	(void)unused;
	CHECK(!user_read32(BASE + PG(3), &value));
}

PAGODA_TEST_CONFIG(a_region_may_go_while_a_fault_waits_for_it, "FT-29", .nr_cpus = 2)
{
	struct hosted_task *task;

	map_uncached_file(MAP_SHARED);
	task = start_waiting(read_what_goes);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(FILE_PAGES)), 0);
	memory_disk_release(&file->disk);
	hosted_wait(task);
	put_vm_file(&file->file);
	check_mm();
}

PAGODA_TEST_CONFIG(a_killed_task_waits_for_no_disk, "FT-29", .nr_cpus = 2)
{
	struct hosted_task *task;

	map_uncached_file(MAP_SHARED);
	task = start_waiting(read_what_goes);
	port_send_signal(hosted_vm_task(task), SIGKILL);
	hosted_wait(task); /* the disk has not answered */
	CHECK(disk_is_waited_for());
	memory_disk_release(&file->disk);
	unmap_file();
}

/* ---- Waits for mmap_lock end with the task --------------------------------------------------- */

static void bind_pages(void *unused)
{
	struct mpol_request want = {.mode = MPOL_BIND, .nodes = 1};

	(void)unused;
	CHECK_EQ(do_mbind(current_vm->mm, BASE, PG(1), &want, 0, true), -EINTR);
}
static void set_home(void *unused)
{
	(void)unused;
	CHECK_EQ(do_set_home_node(current_vm->mm, BASE, BASE + PG(1), 0), -EINTR);
}
static void migrate(void *unused)
{
	(void)unused;
	CHECK_EQ(migrate_mm(current_vm->mm, 1, 1, true), -EINTR);
}
static void forget_dirty(void *unused)
{
	(void)unused;
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_SOFT_DIRTY), -EINTR);
}
static void forget_refs(void *unused)
{
	(void)unused;
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_ALL), -EINTR);
}
static void forget_mark(void *unused)
{
	(void)unused;
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_HIWATER), -EINTR);
}
static void copy_address_space(void *unused)
{
	(void)unused;
	CHECK(!dup_mm(current_vm->mm));
}
static void drop_pages(void *unused)
{
	(void)unused;
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), MADV_PAGEOUT), -EINTR);
}
static void need_pages(void *unused)
{
	(void)unused;
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), MADV_WILLNEED), -EINTR);
}
static void sync_pages(void *unused)
{
	(void)unused;
	CHECK_EQ(do_msync(current_vm->mm, BASE, PG(1), MS_SYNC), -EINTR);
}
static void grow_stack(void *unused)
{
	u32 value;

	(void)unused;
	CHECK(!user_read32(BASE - 8, &value));
}

/* What waits while somebody else holds mmap_lock for reading: all that want it for writing. */
static void (*const writers[])(void *unused) = {
	bind_pages, set_home, migrate, forget_dirty, forget_mark, copy_address_space, grow_stack};
/* And what waits for a writer. */
static void (*const readers[])(void *unused) = {forget_refs, drop_pages, need_pages, sync_pages};

static void check_killed(void (*fn)(void *unused))
{
	struct rw_semaphore *sem = &current_vm->mm->mmap_lock;
	struct hosted_task *task = hosted_clone(1, fn, NULL);

	while (!(__atomic_load_n(&sem->count, __ATOMIC_RELAXED) & RWSEM_WAITERS))
		port_yield();
	port_send_signal(hosted_vm_task(task), SIGKILL);
	hosted_wait(task);
}

PAGODA_TEST_CONFIG(a_killed_task_waits_for_no_mmap_lock, "", .nr_cpus = 2)
{
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, PG(4), RW, FIXED | MAP_GROWSDOWN, 0), BASE);
	hosted_write8(BASE, 1);
	down_read(&current_vm->mm->mmap_lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(writers); i++)
		check_killed(writers[i]);
	up_read(&current_vm->mm->mmap_lock);
	down_write(&current_vm->mm->mmap_lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(readers); i++)
		check_killed(readers[i]);
	up_write(&current_vm->mm->mmap_lock);
	hosted_process_exit();
}

static void read_swapped(void *unused)
{
	unsigned long maj_flt = current_vm->maj_flt;

	(void)unused;
	CHECK_EQ(hosted_read8(BASE + 9), 42);
	CHECK_EQ(current_vm->maj_flt - maj_flt, 1);
}

static u64 place_of(struct address_space *mapping, u64 block)
{
	return block_file_of(mapping)->place[block];
}

/* The file becomes a swap area of a few slots. */
static void swap_to_file(void)
{
	static struct address_space_operations a_ops;
	static u8 header[PAGE_SIZE];
	u32 info[3] = {1, FILE_PAGES - 1, 0};
	struct swap_file swap;

	memcpy(header + 1024, info, sizeof(info));
	memcpy(header + PAGE_SIZE - 10, "SWAPSPACE2", 10);
	file = block_file_create(PAGE_SIZE, 0);
	a_ops = block_file_a_ops;
	a_ops.bmap = place_of;
	file->mapping.a_ops = &a_ops;
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		CHECK_EQ(block_file_write(&file->file, header, PAGE_SIZE, PG(i)), PAGE_SIZE);
	CHECK_EQ(block_file_fsync(&file->file, 0, ~0ull >> 1, false), 0);
	swap = (struct swap_file){&file->disk.bdev, &file->mapping, PAGE_SIZE, file->size};
	CHECK_EQ(sys_swapon_file(&swap, "file", 0), 0);
}

PAGODA_TEST_CONFIG(a_fault_waits_for_swap_without_mmap_lock, "FT-29 FT-49", .nr_cpus = 2)
{
	new_process();
	swap_to_file();
	map_at(BASE, 1, RW);
	hosted_write8(BASE + 9, 42);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), MADV_PAGEOUT), 0);
	CHECK(!frame_at(BASE));
	file->disk.held = true;
	check_wait(read_swapped);
	hosted_process_exit();
	CHECK_EQ(sys_swapoff_file(&file->mapping), 0);
	put_vm_file(&file->file);
}
