/* SPDX-License-Identifier: MIT */
/*
 * test_direct_io.c: O_DIRECT, and each address_space operation in its place, on a file that records
 * what is asked of it, on a disk that fails and waits as the test says.
 */
#include "address_space.h"
#include "block_file.h"

#include <pagoda/rmap.h>
#include <pagoda/slab.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>

#define SECTOR	  ((u64)SECTOR_SIZE)
#define BUF	  BASE
#define BUF_PAGES 80ul
#define MAP	  (BASE + PG(128))

/* ---- A file that records --------------------------------------------------------------------- */

/*
 * One letter an operation: Read, Sync, Write, Prepare, Commit, Bmap, Flush, reLease, Direct. Each
 * checks what it is promised.
 */
static char record[256];

static void note(char letter)
{
	size_t n = strlen(record);

	if (n < sizeof(record) - 1)
		record[n] = letter;
}
/* What was asked since the last look. */
#define CHECK_RECORD(text)                         \
	do {                                       \
		CHECK_STR(record, text);           \
		memset(record, 0, sizeof(record)); \
	} while (0)

static int rec_readpage(struct vm_file *file, struct page *page)
{
	note('R');
	CHECK(PageLocked(page) && !PageUptodate(page));
	CHECK(!PageDirty(page) || page_has_buffers(page)); /* written in part, or not at all */
	return block_file_readpage(file, page);
}
static void rec_sync_page(struct page *page)
{
	note('S');
	CHECK(PageLocked(page));
	run_disk_queue();
	memory_disk_release(&the_file->disk);
}
static int rec_writepage(struct page *page)
{
	note('W');
	CHECK(PageLocked(page) && !PageDirty(page) && !PageWriteback(page));
	return block_file_writepage(page);
}
static int rec_prepare_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	note('P');
	CHECK(PageLocked(page));
	CHECK_EQ(the_file->prepared, the_file->committed);
	return block_file_prepare_write(file, page, from, to);
}
static int rec_commit_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	int err;

	note('C');
	CHECK_EQ(the_file->prepared, the_file->committed + 1);
	CHECK(PageLocked(page));
	err = block_file_commit_write(file, page, from, to);
	CHECK(PageDirty(page));
	return err;
}
static u64 rec_bmap(struct address_space *mapping, u64 block)
{
	note('B');
	CHECK_EQ(mapping->nr_dirty, 0);
	return block_file_of(mapping)->place[block];
}
static void rec_flushpage(struct page *page, unsigned int offset)
{
	note('F');
	CHECK(PageLocked(page) && !PageWriteback(page));
	CHECK_EQ(offset, 0);
	block_invalidatepage(page, offset);
}
static int rec_releasepage(struct page *page, gfp_t gfp)
{
	note('L');
	(void)gfp;
	CHECK(PageLocked(page) && !PageDirty(page) && !PageWriteback(page));
	return !try_to_free_buffers(page);
}

/* As ext2's: the size grows with what was written. */
static long rec_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			  u64 pos)
{
	struct block_file *f = block_file_of(file->f_mapping);
	long ret;

	note('D');
	for (u64 at = pos; at < pos + count; at += PAGE_SIZE) {
		struct page *page = find_get_page(&f->mapping, (pgoff_t)(at >> PAGE_SHIFT));

		CHECK(!page || (!write && !PageDirty(page)));
		if (page)
			put_page(page);
	}
	ret = blockdev_direct_IO(file, write, buf, count, pos, f->block_size, block_file_get_block);
	if (write && ret > 0 && pos + (u64)ret > f->size)
		f->size = pos + (u64)ret;
	return ret;
}

static const struct address_space_operations rec_a_ops = {
	.readpage = rec_readpage,
	.sync_page = rec_sync_page,
	.writepage = rec_writepage,
	.prepare_write = rec_prepare_write,
	.commit_write = rec_commit_write,
	.bmap = rec_bmap,
	.flushpage = rec_flushpage,
	.releasepage = rec_releasepage,
	.direct_IO = rec_direct_IO,
};

static struct block_file *new_file(unsigned int block_size, u32 gap_every)
{
	struct block_file *f = block_file_create(block_size, gap_every);

	f->mapping.a_ops = &rec_a_ops;
	f->file.f_ra.mode = RA_RANDOM; /* each page is read when it is asked for */
	if (!current_vm->mm)
		new_process();
	map_at(BUF, BUF_PAGES, RW);
	memset(record, 0, sizeof(record));
	return f;
}

static void close_file(struct block_file *f)
{
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(256)), 0);
	put_vm_file(&f->file);
}

static u8 pattern(u64 pos, u8 tag)
{
	return (u8)(pos / 64 * 31 + pos + tag);
}

static u8 bytes[BUF_PAGES * PAGE_SIZE];

static void fill(u64 pos, size_t n, u8 tag)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(pos + i, tag);
}

/* As ext2: the page in which the cache stopped may have grown the file too far. */
static long direct_write(struct block_file *f, unsigned long addr, size_t n, u64 pos)
{
	u64 at = pos, old_size = f->size;
	long ret = generic_direct_write(&f->file, iov_user_buf(addr), n, &at);

	CHECK_EQ(at, pos + (ret > 0 ? (u64)ret : 0));
	if (f->size > max(old_size, at)) {
		f->size = max(old_size, at);
		truncate_inode_pages(&f->mapping, f->size);
	}
	return ret;
}
static long direct_read(struct block_file *f, unsigned long addr, size_t n, u64 pos)
{
	u64 at = pos;
	long ret = generic_direct_read(&f->file, iov_user_buf(addr), n, &at);

	CHECK_EQ(at, pos + (ret > 0 ? (u64)ret : 0));
	return ret;
}
/* The pattern to the file, past the cache. */
static long direct_fill(struct block_file *f, size_t n, u64 pos, u8 tag)
{
	fill(pos, n, tag);
	CHECK(hosted_user_write(BUF, bytes, n));
	return direct_write(f, BUF, n, pos);
}
static void check_user(unsigned long addr, u64 pos, size_t n, u8 tag)
{
	static u8 seen[sizeof(bytes)];

	fill(pos, n, tag);
	CHECK(hosted_user_read(addr, seen, n));
	CHECK_MEM(seen, bytes, n);
}

/* ---- Who is called when (AS-71) -------------------------------------------------------------- */

static void swap_to(struct block_file *f)
{
	u32 header[3] = {1, 7, 0};
	struct swap_file swap = {&f->disk.bdev, &f->mapping, f->block_size, f->size};

	CHECK_EQ(block_file_write(&f->file, header, sizeof(header), 1024), (long)sizeof(header));
	CHECK_EQ(block_file_write(&f->file, "SWAPSPACE2", 10, PAGE_SIZE - 10), 10);
	memset(record, 0, sizeof(record));
	CHECK_EQ(sys_swapon_file(&swap, "file", 0), 0);
	/* where each page of it is, and from then on past the file */
	CHECK(strstr(record, "BBBBBBBB"));
	CHECK_EQ(sys_swapoff_file(&f->mapping), 0);
	memset(record, 0, sizeof(record));
}

PAGODA_TEST(each_operation_is_called_in_its_place, "AS-71 AS-72 AS-73")
{
	struct block_file *f = new_file(PAGE_SIZE, 0);

	/* Written by calls: prepared, copied to, committed, page by page; nothing is read. */
	fill(0, 8 * PAGE_SIZE, 1);
	CHECK_EQ(block_file_write(&f->file, bytes, 2 * PAGE_SIZE, 0), 2 * PAGE_SIZE);
	CHECK_RECORD("PCPC");
	/* fsync: each dirty page, once. */
	CHECK_EQ(generic_file_fsync(&f->file, 0, ~0ull), 0);
	CHECK_RECORD("WW");
	CHECK_EQ(generic_file_fsync(&f->file, 0, ~0ull), 0);
	CHECK_RECORD("");
	/* Nobody uses the pages: what hangs on them is let go, and so are they. */
	CHECK_EQ(invalidate_mapping_pages(&f->mapping, 0, 1), 2);
	CHECK_RECORD("LL");
	/* A reader of a missing page that is still on its way starts what it waits for. */
	f->disk.held = true;
	CHECK_EQ(block_file_read(&f->file, bytes + PAGE_SIZE, 100, 0), 100);
	CHECK_RECORD("RS");
	CHECK_EQ(block_file_read(&f->file, bytes + PAGE_SIZE, 100, 100), 100);
	CHECK_RECORD("");
	/* A store through a mapping: the same as a write. */
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, MAP, PG(2), RW, MAP_SHARED | MAP_FIXED, 0), MAP);
	hosted_write8(MAP + PG(1), 9);
	CHECK_RECORD("RPC");
	/* Past the cache: it is written back first, dropped before and after a write. */
	CHECK_EQ(direct_read(f, BUF, 2 * PAGE_SIZE, 0), 2 * PAGE_SIZE);
	CHECK_RECORD("WD");
	CHECK_EQ(direct_fill(f, 2 * PAGE_SIZE, 0, 2), 2 * PAGE_SIZE);
	CHECK_RECORD("LD"); /* page 0 had no buffers */
	CHECK_EQ(f->mapping.nrpages, 0);
	CHECK_EQ(hosted_read8(MAP + PG(1)), pattern(PAGE_SIZE, 2));
	CHECK_RECORD("R");
	CHECK_EQ(do_munmap(current_vm->mm, MAP, PG(2)), 0);
	/*
	 * Growing by it asks nothing of the cache; into a hole it is the cache's, and goes to the
	 * disk.
	 */
	CHECK_EQ(direct_fill(f, 2 * PAGE_SIZE, 6 * PAGE_SIZE, 3), 2 * PAGE_SIZE);
	CHECK_RECORD("D");
	CHECK_EQ(direct_fill(f, 4 * PAGE_SIZE, 2 * PAGE_SIZE, 3), 4 * PAGE_SIZE);
	CHECK_RECORD("DPCPCPCPCWWWWLLLL");
	CHECK_EQ(block_file_disk_byte(f, 3 * PAGE_SIZE + 5), pattern(3 * PAGE_SIZE + 5, 3));
	swap_to(f);
	/* Truncation: a dirty page goes without being written. */
	CHECK_EQ(block_file_write(&f->file, bytes, 10, PAGE_SIZE), 10);
	memset(record, 0, sizeof(record));
	f->size = PAGE_SIZE;
	truncate_inode_pages(&f->mapping, PAGE_SIZE);
	CHECK_RECORD("F");
	close_file(f);
}

/*
 * A page whose buffers are in use, or that cannot be read or written: still in the documented
 * order.
 */
PAGODA_TEST(operations_that_fail_are_balanced, "AS-71 AS-72")
{
	struct block_file *f = new_file(PAGE_SIZE / 4, 3);

	CHECK_EQ(direct_fill(f, 2 * PAGE_SIZE, 0, 1), 2 * PAGE_SIZE);
	CHECK_RECORD("D");
	f->disk.fail_reads = true;
	CHECK_EQ(block_file_write(&f->file, "x", 1, 100), -EIO); /* prepare_write reads the block */
	CHECK_RECORD("P");
	CHECK_EQ(block_file_read(&f->file, bytes, 10, PAGE_SIZE), -EIO);
	CHECK_RECORD("R");
	CHECK_EQ(direct_read(f, BUF, PAGE_SIZE, 0), -EIO);
	CHECK_RECORD("D");
	f->disk.fail_reads = false;
	CHECK_EQ(block_file_write(&f->file, "x", 1, 100), 1);
	CHECK_RECORD("PC");
	f->disk.fail_writes = true;
	/* the dirty page's own error comes first */
	CHECK_EQ(direct_write(f, BUF, PAGE_SIZE, 0), -EIO);
	CHECK_RECORD("W");
	CHECK_EQ(direct_write(f, BUF, PAGE_SIZE, 0), -EIO);
	CHECK_RECORD("LD");
	f->disk.fail_writes = false;
	CHECK_EQ(direct_read(f, BUF, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	CHECK_RECORD("D");
	check_user(BUF, PAGE_SIZE, PAGE_SIZE, 1);
	close_file(f);
}

/* ---- What is accepted ------------------------------------------------------------------------ */

PAGODA_TEST(whole_sectors_or_nothing, "AS-71")
{
	struct block_file *f = new_file(1024, 0);

	CHECK_EQ(direct_fill(f, 8 * SECTOR, 0, 4), 8 * SECTOR);
	CHECK_EQ(direct_write(f, BUF + 1, SECTOR, 0), -EINVAL);
	CHECK_EQ(direct_write(f, BUF, SECTOR, 100), -EINVAL);
	CHECK_EQ(direct_write(f, BUF, 100, 0), -EINVAL);
	CHECK_EQ(direct_read(f, BUF, 100, 0), -EINVAL);
	CHECK_EQ(direct_read(f, BUF, 100, 8 * SECTOR), 0); /* nothing is there anyway */
	CHECK_EQ(direct_write(f, BUF, 0, 1), 0);
	/* Half a block, at any place in memory; the end is where the file ends. */
	CHECK_EQ(direct_read(f, BUF + PG(1) + SECTOR, SECTOR, 3 * SECTOR), SECTOR);
	check_user(BUF + PG(1) + SECTOR, 3 * SECTOR, SECTOR, 4);
	f->size = 7 * SECTOR - 12;
	CHECK_EQ(direct_read(f, BUF + PG(2) - SECTOR, PG(2), SECTOR), 6 * SECTOR - 12);
	check_user(BUF + PG(2) - SECTOR, SECTOR, 6 * SECTOR - 12, 4);
	/* A new block is never written in part: the cache zeroes the rest. */
	f->size = 8 * SECTOR;
	CHECK_EQ(direct_fill(f, SECTOR, 12 * SECTOR, 5), SECTOR);
	CHECK_EQ(f->size, 13 * SECTOR);
	CHECK_EQ(block_file_disk_byte(f, 13 * SECTOR), 0);
	CHECK_EQ(block_file_disk_byte(f, 13 * SECTOR - 1), pattern(13 * SECTOR - 1, 5));
	CHECK_EQ(direct_read(f, BUF, 8 * SECTOR, 8 * SECTOR), 5 * SECTOR);
	CHECK_EQ(hosted_read8(BUF), 0);
	check_user(BUF + 4 * SECTOR, 12 * SECTOR, SECTOR, 5);
	close_file(f);
}

PAGODA_TEST(bad_memory_ends_it_with_what_was_done, "AS-71")
{
	struct block_file *f = new_file(PAGE_SIZE, 0);

	CHECK_EQ(direct_fill(f, 4 * PAGE_SIZE, 0, 6), 4 * PAGE_SIZE);
	CHECK_EQ(do_munmap(current_vm->mm, BUF + PG(2), PG(1)), 0);
	CHECK_EQ(direct_write(f, BUF + PG(2), PAGE_SIZE, 0), -EFAULT);
	CHECK_EQ(direct_read(f, BUF + PG(2), PAGE_SIZE, 0), -EFAULT);
	CHECK_EQ(direct_read(f, BUF, 4 * PAGE_SIZE, 0), 2 * PAGE_SIZE);
	check_user(BUF, 0, 2 * PAGE_SIZE, 6);
	/* In the middle of a block: the whole ones directly, the rest by the cache. */
	CHECK_EQ(direct_write(f, BUF + SECTOR, 4 * PAGE_SIZE, 4 * PAGE_SIZE),
		 2 * PAGE_SIZE - SECTOR);
	CHECK_EQ(f->size, 6 * PAGE_SIZE - SECTOR);
	CHECK_EQ(block_file_disk_byte(f, f->size), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BUF, PG(1), PROT_READ), 0);
	CHECK_EQ(direct_read(f, BUF, PAGE_SIZE, 0), -EFAULT);
	CHECK_EQ(direct_write(f, BUF, PAGE_SIZE, 0), PAGE_SIZE);
	f->full = true;
	CHECK_EQ(direct_write(f, BUF, PAGE_SIZE, 8 * PAGE_SIZE), -ENOSPC);
	close_file(f);
}

/* ---- The caller's pages ---------------------------------------------------------------------- */

PAGODA_TEST(a_read_goes_to_pages_of_ones_own, "AS-71 FT-36")
{
	struct block_file *f = new_file(PAGE_SIZE, 0);
	struct mm_struct *copy;
	unsigned long shared;

	CHECK_EQ(direct_fill(f, PAGE_SIZE, 0, 7), PAGE_SIZE);
	hosted_write8(BUF, 1);
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	shared = frame_at(BUF);
	CHECK_EQ(direct_read(f, BUF, PAGE_SIZE, 0), PAGE_SIZE);
	CHECK_NE(frame_at(BUF), shared);
	CHECK_EQ(*(u8 *)hosted_phys(PFN_PHYS(shared)), 1);		 /* the child's */
	CHECK_EQ(direct_read(f, BUF + PG(70), PAGE_SIZE, 0), PAGE_SIZE); /* nothing was there */
	check_user(BUF + PG(70), 0, PAGE_SIZE, 7);
	mmput(copy);
	close_file(f);
}

static void read_half(void *arg)
{
	CHECK_EQ(direct_read(arg, BUF, PAGE_SIZE / 2, 0), PAGE_SIZE / 2);
}

static void child_has_what_was_there(void *unused)
{
	(void)unused;
	CHECK_EQ(hosted_read8(BUF + PAGE_SIZE / 2), 0x5a);
	CHECK_EQ(hosted_read8(BUF + PAGE_SIZE / 2 + 1), 0x5b);
	CHECK_EQ(do_mprotect(current_vm->mm, BUF, PG(1), RW), 0);
	hosted_write8(BUF + PAGE_SIZE / 2, 0x77); /* its own */
}

/*
 * While the disk fills a page, the page stays where it is: for stores beside, reclaim, mprotect and
 * fork.
 */
PAGODA_TEST_CONFIG(a_page_that_is_filled_stays_the_entrys_own, "AS-71", .nr_cpus = 2)
{
	struct block_file *f = new_file(PAGE_SIZE, 0);
	struct hosted_task *task;
	struct mm_struct *copy;
	unsigned long frame;
	struct page *page;

	CHECK_EQ(direct_fill(f, PAGE_SIZE, 0, 8), PAGE_SIZE);
	hosted_write8(BUF, 0);
	frame = frame_at(BUF);
	page = pfn_to_page(frame);
	f->disk.held = true;
	task = hosted_clone(1, read_half, f);
	while (!page_pinned(page))
		port_cond_resched();
	lock_page(page);
	CHECK(!try_to_unmap(page));
	unlock_page(page);
	hosted_write8(BUF + PAGE_SIZE / 2, 0x5a);
	CHECK_EQ(frame_at(BUF), frame);
	while (!memory_disk_has_waiting(&f->disk))
		port_cond_resched();
	/* forking does not wait for the disk, and takes nothing away from it */
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	hosted_write8(BUF + PAGE_SIZE / 2 + 1, 0x5b);
	CHECK_EQ(frame_at(BUF), frame);
	CHECK_EQ(page_mapcount(page), 1);
	CHECK_EQ(do_mprotect(current_vm->mm, BUF, PG(1), PROT_READ), 0); /* nor does this */
	hosted_wait(hosted_fork(1, child_has_what_was_there, NULL));
	CHECK_EQ(do_mprotect(current_vm->mm, BUF, PG(1), RW), 0);
	hosted_write8(BUF + PAGE_SIZE / 2 + 2, 0x5c);
	CHECK_EQ(frame_at(BUF), frame);
	CHECK(vm_event(fork_pinned_copy) >= 2);
	memory_disk_release(&f->disk);
	hosted_wait(task);
	CHECK(!page_pinned(page));
	CHECK(PageDirty(page));
	check_user(BUF, 0, PAGE_SIZE / 2, 8);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_EQ(hosted_read8(BUF + PAGE_SIZE / 2 + i), 0x5a + i);
	mmput(copy);
	close_file(f);
}

/* A page that is given back while the disk fills it stays the disk's until then. */
PAGODA_TEST_CONFIG(memory_may_go_while_the_disk_fills_it, "AS-71", .nr_cpus = 2)
{
	struct block_file *f = new_file(PAGE_SIZE, 0);
	struct hosted_task *task;
	struct page *page;

	CHECK_EQ(direct_fill(f, PAGE_SIZE, 0, 8), PAGE_SIZE);
	hosted_write8(BUF, 0);
	page = pfn_to_page(frame_at(BUF));
	f->disk.held = true;
	task = hosted_clone(1, read_half, f);
	while (!memory_disk_has_waiting(&f->disk))
		port_cond_resched();
	CHECK_EQ(do_munmap(current_vm->mm, BUF, PG(1)), 0);
	CHECK(page_pinned(page));
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BUF, PG(1), RW, FIXED, 0), BUF);
	CHECK_EQ(hosted_read8(BUF), 0);
	memory_disk_release(&f->disk);
	hosted_wait(task);
	CHECK_EQ(hosted_read8(BUF), 0);
	close_file(f);
}

/* A page has a bounded number of pins; then transfers go by the cache. */
PAGODA_TEST(a_page_with_too_many_pins_is_filled_by_the_cache, "")
{
	struct block_file *f = new_file(PAGE_SIZE, 0);
	struct page *pages[PAGE_PINS_MAX], *one_more;

	CHECK_EQ(direct_fill(f, PAGE_SIZE, 0, 8), PAGE_SIZE);
	hosted_write8(BUF, 0);
	for (unsigned int i = 0; i < PAGE_PINS_MAX; i++)
		CHECK_EQ(pin_user_pages(current_vm->mm, BUF, 1, true, &pages[i]), 1);
	CHECK_EQ(pin_user_pages(current_vm->mm, BUF, 1, true, &one_more), 0);
	CHECK_EQ(direct_read(f, BUF, PAGE_SIZE, 0), PAGE_SIZE);
	check_user(BUF, 0, PAGE_SIZE, 8);
	for (unsigned int i = 0; i < PAGE_PINS_MAX; i++)
		unpin_user_page(pages[i], true);
	CHECK(!page_pinned(pages[0]));
	close_file(f);
}

/* Memory that is a mapping of the very file: read from its own page, and written to itself. */
PAGODA_TEST(a_file_to_a_mapping_of_itself, "AS-71")
{
	struct block_file *f = new_file(1024, 2);

	CHECK_EQ(direct_fill(f, 4 * PAGE_SIZE, 0, 9), 4 * PAGE_SIZE);
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, MAP, PG(4), RW, MAP_SHARED | MAP_FIXED, 0), MAP);
	/* page 1 becomes page 0's bytes */
	CHECK_EQ(direct_read(f, MAP + PG(1), PAGE_SIZE, 0), PAGE_SIZE);
	check_user(MAP + PG(1), 0, PAGE_SIZE, 9);
	CHECK_EQ(generic_file_fsync(&f->file, 0, ~0ull), 0);
	CHECK_EQ(block_file_disk_byte(f, PAGE_SIZE + 700), pattern(700, 9)); /* they were dirty */
	CHECK_EQ(direct_write(f, MAP, 2 * PAGE_SIZE, PAGE_SIZE), 2 * PAGE_SIZE);
	check_user(MAP + PG(2), 0, PAGE_SIZE, 9);
	CHECK_EQ(direct_read(f, BUF, 4 * PAGE_SIZE, 0), 4 * PAGE_SIZE);
	check_user(BUF + PG(1), 0, PAGE_SIZE, 9);
	check_user(BUF + PG(2), 0, PAGE_SIZE, 9);
	check_user(BUF + PG(3), 3 * PAGE_SIZE, PAGE_SIZE, 9);
	close_file(f);
}

/* ---- Failures in turn, and a model ----------------------------------------------------------- */

static bool use_directly(void *arg)
{
	struct block_file *f = arg;

	f->size = 0;
	memset(f->place, 0, sizeof(f->place));
	f->next_place = 1;
	fill(0, 10 * PAGE_SIZE, 1);
	CHECK(hosted_user_write(BUF, bytes, 10 * PAGE_SIZE));
	if (direct_write(f, BUF + PG(8), PG(2), PG(8)) != (long)PG(2) ||
	    direct_write(f, BUF, PG(8), 0) != (long)PG(8) ||
	    direct_read(f, BUF + PG(20), PG(10), 0) != (long)PG(10)) {
		truncate_inode_pages(&f->mapping, 0);
		return false;
	}
	check_user(BUF + PG(20), 0, PG(10), 1);
	CHECK_EQ(f->mapping.nrpages, 0);
	return true;
}

PAGODA_TEST(direct_io_works_or_says_no_whatever_allocation_fails, "AS-71")
{
	struct block_file *f = new_file(1024, 5);

	for (unsigned long i = 0; i < BUF_PAGES; i++)
		hosted_write8(BUF + PG(i), 0);
	CHECK(use_directly(f));
	test_fail_every_allocation(use_directly, f);
	close_file(f);
}

PAGODA_TEST(each_sector_that_fails_fails_the_call, "AS-71")
{
	struct block_file *f = new_file(1024, 3);
	u64 size = 4 * PAGE_SIZE;

	CHECK_EQ(direct_fill(f, size, 0, 1), size);
	for (u64 pos = 0; pos < size; pos += 3 * SECTOR) {
		f->disk.bad_from = (u64)f->place[pos / 1024] * 2 + (pos / SECTOR) % 2;
		f->disk.bad_to = f->disk.bad_from + 1;
		f->disk.fail_reads = true;
		CHECK_EQ(direct_read(f, BUF + PG(20), size, 0), -EIO);
		f->disk.fail_reads = false;
		f->disk.fail_writes = true;
		CHECK_EQ(direct_write(f, BUF, size, 0), -EIO);
		f->disk.fail_writes = false;
		CHECK_EQ(direct_read(f, BUF + PG(20), size, 0), size);
		check_user(BUF + PG(20), 0, size, 1);
	}
	f->disk.fail_writes = true; /* growing: not a byte longer */
	f->disk.bad_from = 0;
	f->disk.bad_to = ~0ull;
	CHECK_EQ(direct_write(f, BUF, PAGE_SIZE, size), -EIO);
	CHECK_EQ(f->size, size);
	f->disk.fail_writes = false;
	close_file(f);
}

#define MODEL_BYTES (512ul * 1024)
static u8 model[MODEL_BYTES];

static void random_write(struct block_file *f, bool direct)
{
	u64 pos = test_random_below(MODEL_BYTES / 2),
	    room = min(f->size + 3 * PAGE_SIZE, (u64)MODEL_BYTES);
	size_t n = 1 + test_random_below(70 * PAGE_SIZE), offset = test_random_below(8) * SECTOR;

	if (direct) {
		pos &= ~(SECTOR - 1);
		n = ALIGN(n, SECTOR);
	}
	if (pos + n > room)
		return;
	for (size_t i = 0; i < n; i++)
		model[pos + i] = (u8)test_random();
	if (direct) {
		CHECK(hosted_user_write(BUF + offset, model + pos, n));
		CHECK_EQ(direct_write(f, BUF + offset, n, pos), n);
		for (u64 at = pos; at < pos + n; at += SECTOR / 2)
			CHECK_EQ(block_file_disk_byte(f, at), model[at]);
	} else {
		CHECK_EQ(block_file_write(&f->file, model + pos, n, pos), n);
	}
}

static void random_read(struct block_file *f, bool direct)
{
	static u8 seen[sizeof(bytes)];
	u64 pos = test_random_below(f->size + 1) & ~(SECTOR - 1);
	size_t n = (1 + test_random_below(140)) * SECTOR, offset = test_random_below(8) * SECTOR;
	long want = (long)min_t(u64, n, f->size - pos);

	if (direct) {
		CHECK_EQ(direct_read(f, BUF + offset, n, pos), want);
		CHECK(hosted_user_read(BUF + offset, seen, (size_t)want));
	} else {
		CHECK_EQ(block_file_read(&f->file, seen, n, pos), want);
	}
	CHECK_MEM(seen, model + pos, want);
}

static void random_store(struct block_file *f)
{
	u64 at = f->size ? test_random_below(f->size) : 0;

	if (at < f->size)
		hosted_write8(MAP + at, model[at] = (u8)test_random());
}

static void play(unsigned int block_size)
{
	struct block_file *f = new_file(block_size, 1 + (u32)test_random_below(9));

	memset(model, 0, sizeof(model));
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, MAP, MODEL_BYTES, RW, MAP_SHARED | MAP_FIXED, 0),
		 MAP);
	for (unsigned int i = 0; i < test_scale(300); i++) {
		switch (test_random_below(6)) {
		case 0:
		case 1:
			random_write(f, true);
			break;
		case 2:
			random_write(f, false);
			break;
		case 3:
			random_read(f, true);
			break;
		case 4:
			random_read(f, false);
			break;
		default:
			random_store(f);
		}
	}
	close_file(f);
}

PAGODA_TEST(direct_calls_calls_and_stores_agree_with_a_model, "AS-71")
{
	for (unsigned int block_size = 512; block_size <= PAGE_SIZE; block_size *= 2)
		play(block_size);
}
