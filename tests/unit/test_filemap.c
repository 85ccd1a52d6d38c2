/* SPDX-License-Identifier: MIT */
/*
 * test_filemap.c: the page cache, on a file system of the test's own that records what the
 * cache asks of it ("disk"), and on memory that is its own store.
 */
#include "address_space.h"

#include <pagoda/highmem.h>
#include <pagoda/lru.h>

#include <string.h>

#define DISK_PAGES 64u

/* ---- A file that records --------------------------------------------------------------- */

struct test_file {
	struct vm_file file; /* first */
	struct address_space mapping;
	u64 size;
	unsigned int reads[DISK_PAGES], prepared, committed, released;
	bool read_error;
};

static u64 file_size(struct address_space *mapping)
{
	return container_of(mapping, struct test_file, mapping)->size;
}

/* Byte at a position of the "disk". */
static u8 disk_byte(u64 pos)
{
	return (u8)(pos * 7 + pos / PAGE_SIZE);
}

static void read_disk(struct test_file *f, struct page *page)
{
	u8 *addr = kmap(page);

	f->reads[page->index]++;
	for (unsigned long i = 0; i < PAGE_SIZE; i++)
		addr[i] = disk_byte(page->index * PAGE_SIZE + i);
	kunmap(page);
	if (f->read_error)
		SetPageError(page);
	else
		SetPageUptodate(page);
}

static int disk_readpage(struct vm_file *file, struct page *page)
{
	struct test_file *f = container_of(file, struct test_file, file);

	read_disk(f, page);
	unlock_page(page);
	return f->read_error ? -EIO : 0;
}

static int disk_prepare_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	CHECK(PageLocked(page));
	CHECK(from < to && to <= PAGE_SIZE);
	container_of(file, struct test_file, file)->prepared++;
	if (!PageUptodate(page) && to - from < PAGE_SIZE)
		read_disk(container_of(file, struct test_file, file), page);
	return 0;
}

static int disk_commit_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	CHECK(PageLocked(page));
	CHECK(from < to && to <= PAGE_SIZE);
	container_of(file, struct test_file, file)->committed++;
	SetPageUptodate(page);
	return 0;
}

static const struct address_space_operations disk_a_ops = {
	.readpage = disk_readpage,
	.prepare_write = disk_prepare_write,
	.commit_write = disk_commit_write,
};
static const struct address_space_operations memory_a_ops;

static void release_file(struct vm_file *file)
{
	struct test_file *f = container_of(file, struct test_file, file);

	f->released++;
	truncate_inode_pages(&f->mapping, 0);
	CHECK_EQ(f->mapping.nrpages, 0);
}

static const struct vm_file_operations file_ops = {.mmap = generic_file_mmap,
						   .release = release_file};

static void open_file(struct test_file *f, const struct address_space_operations *a_ops, u64 size)
{
	memset(f, 0, sizeof(*f));
	address_space_init(&f->mapping, f, a_ops, file_size);
	f->mapping.shmem = a_ops == &memory_a_ops;
	atomic_set(&f->file.f_count, 1);
	f->file.f_mapping = &f->mapping;
	f->file.f_vmops = &file_ops;
	f->file.f_may_read = f->file.f_may_write = true;
	f->file.f_ra.mode = RA_RANDOM; /* each page is read when it is asked for */
	f->size = size;
}

static void close_file(struct test_file *f)
{
	put_vm_file(&f->file);
	CHECK_EQ(f->released, 1);
}

static long read_at(struct test_file *f, void *buf, size_t n, u64 pos)
{
	return generic_file_read(&f->file, iov_kernel_buf(buf), n, &pos);
}

static long write_at(struct test_file *f, const void *buf, size_t n, u64 pos)
{
	return generic_file_write(&f->file, iov_kernel_buf(buf), n, &pos);
}

/* ---- The index ------------------------------------------------------------------------------ */

PAGODA_TEST(an_added_page_is_found_counted_and_inactive, "RC-30 AS-68")
{
	unsigned long inactive = nr_inactive_pages();
	struct test_file f;
	struct page *page = alloc_page(GFP_HIGHUSER), *again = alloc_page(GFP_HIGHUSER);

	open_file(&f, &memory_a_ops, PG(4));
	CHECK(page && again);
	LockPage(page);
	CHECK_EQ(add_to_page_cache(page, &f.mapping, 2), 0);
	CHECK_EQ(page_count(page), 2);
	CHECK_EQ(page->mapping, &f.mapping);
	CHECK_EQ(page->index, 2);
	CHECK_EQ(f.mapping.nrpages, 1);
	CHECK_EQ(find_get_page(&f.mapping, 2), page);
	CHECK_EQ(find_get_page(&f.mapping, 1), NULL);
	CHECK(PageLRU(page) && !PageActive(page));
	CHECK_EQ(nr_inactive_pages(), inactive + 1);
	put_page(page);

	/* One page a place. (RC-33) */
	LockPage(again);
	CHECK_EQ(add_to_page_cache(again, &f.mapping, 2), -EEXIST);
	CHECK_EQ(page_count(again), 1);
	unlock_page(again);
	put_page(again);

	remove_from_page_cache(page);
	unlock_page(page);
	CHECK_EQ(f.mapping.nrpages, 0);
	CHECK_EQ(page->mapping, NULL);
	put_page(page);
	CHECK_EQ(nr_inactive_pages(), inactive);
	close_file(&f);
}

/* Both lists' lengths, and where the page is. */
static void check_place(struct page *page, bool on_list, bool active, bool referenced)
{
	CHECK_EQ(!!PageLRU(page), on_list);
	CHECK_EQ(!!PageActive(page), active);
	CHECK_EQ(!!PageReferenced(page), referenced);
	CHECK_EQ(nr_active_pages(), on_list && active);
	CHECK_EQ(nr_inactive_pages(), on_list && !active);
}

/* Table 11.1; page_cache_get and page_cache_release are get_page and put_page. */
PAGODA_TEST(the_tabled_calls_move_a_page_as_documented, "RC-29")
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	struct test_file f;

	CHECK(page);
	CHECK_EQ(nr_active_pages() + nr_inactive_pages(), 0);
	open_file(&f, &memory_a_ops, PG(1));
	LockPage(page);
	CHECK_EQ(add_to_page_cache(page, &f.mapping, 0), 0);
	unlock_page(page);
	check_place(page, true, false, false);
	get_page(page);
	CHECK_EQ(page_count(page), 3);
	put_page(page);
	CHECK_EQ(page_count(page), 2);

	mark_page_accessed(page); /* (inactive, unreferenced) -> referenced */
	check_place(page, true, false, true);
	mark_page_accessed(page); /* (inactive, referenced) -> active, unreferenced */
	check_place(page, true, true, false);
	mark_page_accessed(page); /* (active) -> referenced */
	check_place(page, true, true, true);
	mark_page_accessed(page);
	check_place(page, true, true, true);

	deactivate_page(page);
	ClearPageReferenced(page);
	check_place(page, true, false, false);
	activate_page(page);
	check_place(page, true, true, false);
	activate_page(page); /* it is */
	check_place(page, true, true, false);
	lru_cache_del(page);
	check_place(page, false, false, false);
	lru_cache_add(page);
	check_place(page, true, false, false);
	put_page(page);
	close_file(&f);
	CHECK_EQ(nr_active_pages() + nr_inactive_pages(), 0);
}

static bool write_scattered(void *arg)
{
	static const u64 places[] = {0, 70, 5000, 1ul << 20};
	struct test_file f;
	bool ok = true;

	(void)arg;
	open_file(&f, &memory_a_ops, PG(2ul << 20));
	for (unsigned int i = 0; ok && i < ARRAY_SIZE(places); i++) {
		long n = write_at(&f, "x", 1, PG(places[i]));

		CHECK(n == 1 || n == -ENOMEM);
		ok = n == 1;
	}
	CHECK_GE(radix_tree_validate(&f.mapping.i_pages), 0);
	CHECK_EQ(radix_tree_validate(&f.mapping.i_pages), f.mapping.nrpages);
	close_file(&f);
	return ok;
}

PAGODA_TEST(a_write_survives_each_allocation_failing, "")
{
	test_fail_every_allocation(write_scattered, NULL);
}

PAGODA_TEST(a_mappings_mask_decides_where_its_pages_come_from, "AS-70")
{
	struct test_file f;
	struct page *page;

	open_file(&f, &memory_a_ops, PG(4));
	f.mapping.gfp_mask = GFP_KERNEL | __GFP_DMA;
	for (pgoff_t i = 0; i < 4; i++) {
		page = grab_cache_page(&f.mapping, i);
		CHECK(page);
		CHECK_LT(PFN_PHYS(page_to_pfn(page)), MAX_DMA_ADDRESS);
		unlock_page(page);
		put_page(page);
	}
	close_file(&f);
}

/* ---- Reading and writing -------------------------------------------------------------------- */

PAGODA_TEST(a_page_is_read_from_the_disk_once, "FT-45")
{
	struct test_file f;
	u8 buf[3 * 4096];

	open_file(&f, &disk_a_ops, PG(8) + 100);
	CHECK_EQ(read_at(&f, buf, sizeof(buf), 1000), sizeof(buf));
	for (unsigned int i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], disk_byte(1000 + i));
	CHECK_EQ(read_at(&f, buf, sizeof(buf), 1000), sizeof(buf));
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(f.reads[i], 1);
	CHECK_EQ(f.reads[4], 0);
	/* Short at the end, nothing behind it. */
	CHECK_EQ(read_at(&f, buf, sizeof(buf), PG(8)), 100);
	CHECK_EQ(read_at(&f, buf, sizeof(buf), PG(8) + 100), 0);
	close_file(&f);
}

PAGODA_TEST(an_unreadable_page_is_an_error_and_can_be_tried_again, "")
{
	struct test_file f;
	u8 buf[16];

	open_file(&f, &disk_a_ops, PG(2));
	f.read_error = true;
	CHECK_EQ(read_at(&f, buf, sizeof(buf), 0), -EIO);
	f.read_error = false;
	CHECK_EQ(read_at(&f, buf, sizeof(buf), 0), sizeof(buf));
	CHECK_EQ(f.reads[0], 2);
	close_file(&f);
}

PAGODA_TEST(holes_of_memory_read_as_zero_without_pages, "")
{
	struct test_file f;
	u8 buf[4096], zero[4096] = {0};

	open_file(&f, &memory_a_ops, PG(100));
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(read_at(&f, buf, sizeof(buf), PG(50) + 5), sizeof(buf));
	CHECK_MEM(buf, zero, sizeof(buf));
	CHECK_EQ(f.mapping.nrpages, 0);
	/* A byte in the middle of a page: the rest of it is zero. */
	CHECK_EQ(write_at(&f, "x", 1, PG(50) + 100), 1);
	CHECK_EQ(f.mapping.nrpages, 1);
	CHECK_EQ(read_at(&f, buf, sizeof(buf), PG(50)), sizeof(buf));
	CHECK_EQ(buf[100], 'x');
	buf[100] = 0;
	CHECK_MEM(buf, zero, sizeof(buf));
	close_file(&f);
}

PAGODA_TEST(a_partial_write_keeps_what_the_disk_has_around_it, "AS-72")
{
	struct test_file f;
	u8 buf[4096];

	open_file(&f, &disk_a_ops, PG(8));
	CHECK_EQ(write_at(&f, "hello", 5, PG(1) - 2), 5);
	CHECK_EQ(f.reads[0], 1);
	CHECK_EQ(f.reads[1], 1);
	CHECK_EQ(read_at(&f, buf, sizeof(buf), PG(1) - 10), sizeof(buf));
	for (unsigned int i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i],
			 i >= 8 && i < 13 ? (u8) "hello"[i - 8] : disk_byte(PG(1) - 10 + i));
	/* A whole page is not read first. */
	CHECK_EQ(write_at(&f, buf, PAGE_SIZE, PG(3)), PAGE_SIZE);
	CHECK_EQ(f.reads[3], 0);
	CHECK_EQ(f.prepared, 3);
	CHECK_EQ(f.committed, 3);
	close_file(&f);
}

PAGODA_TEST(a_write_stops_where_the_users_buffer_does, "AS-72 FT-60")
{
	struct test_file f;
	u64 pos = 100;
	u8 buf[8192];

	new_process();
	map_at(BASE, 2, RW);
	CHECK(hosted_user_fill(BASE, 'u', PG(2)));
	open_file(&f, &disk_a_ops, PG(8));
	/* The last 1000 bytes of the buffer are not mapped. */
	CHECK_EQ(generic_file_write(&f.file, iov_user_buf(BASE + 1000), PG(2), &pos), PG(2) - 1000);
	CHECK_EQ(pos, 100 + PG(2) - 1000);
	CHECK_EQ(f.prepared, f.committed);
	CHECK_EQ(read_at(&f, buf, PG(2) - 1000, 100), PG(2) - 1000);
	for (unsigned long i = 0; i < PG(2) - 1000; i++)
		CHECK_EQ(buf[i], 'u');
	CHECK_EQ(read_at(&f, buf, 10, 100 + PG(2) - 1000), 10);
	CHECK_EQ(buf[0], disk_byte(100 + PG(2) - 1000));
	CHECK_EQ(generic_file_write(&f.file, iov_user_buf(BASE + PG(5)), 10, &pos), -EFAULT);
	CHECK_EQ(generic_file_read(&f.file, iov_user_buf(BASE + PG(5)), 10, &pos), -EFAULT);
	close_file(&f);
}

/* write(2) from a mapping of the very page it writes: no lock may be held across the fault. */
PAGODA_TEST(a_file_can_be_written_from_its_own_mapping, "")
{
	struct test_file f;
	u64 pos = 1;
	u8 byte;

	new_process();
	open_file(&f, &disk_a_ops, PG(4));
	CHECK_EQ(
		do_mmap(current_vm->mm, &f.file, BASE, PG(4), PROT_READ, MAP_SHARED | MAP_FIXED, 0),
		BASE);
	CHECK_EQ(generic_file_write(&f.file, iov_user_buf(BASE), PG(2), &pos), PG(2));
	CHECK_EQ(read_at(&f, &byte, 1, 1), 1);
	CHECK_EQ(byte, disk_byte(0));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(4)), 0);
	close_file(&f);
}

/* ---- Mapping and truncation ------------------------------------------------------------------ */

PAGODA_TEST(mappings_and_calls_see_the_same_page, "AS-75")
{
	struct test_file f;
	u8 byte = 0;

	new_process();
	open_file(&f, &memory_a_ops, PG(4));
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE + PG(8), PG(4), PROT_READ,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(8));
	hosted_write8(BASE + PG(1), 'm');
	CHECK_EQ(hosted_read8(BASE + PG(9)), 'm');
	CHECK_EQ(frame_at(BASE + PG(1)), frame_at(BASE + PG(9)));
	CHECK_EQ(read_at(&f, &byte, 1, PG(1)), 1);
	CHECK_EQ(byte, 'm');
	CHECK_EQ(write_at(&f, "w", 1, PG(1)), 1);
	CHECK_EQ(hosted_read8(BASE + PG(9)), 'w');
	CHECK_EQ(f.mapping.nrpages, 1);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(16)), 0);
	close_file(&f);
}

PAGODA_TEST(truncation_takes_pages_and_translations, "AS-74")
{
	struct test_file f;
	u32 value;

	new_process();
	open_file(&f, &memory_a_ops, PG(4));
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	CHECK(hosted_user_fill(BASE, 't', PG(4)));
	f.size = PG(1) + 10;
	truncate_inode_pages(&f.mapping, f.size);
	CHECK_EQ(f.mapping.nrpages, 2);
	CHECK_EQ(hosted_read8(BASE), 't');
	CHECK_EQ(hosted_read8(BASE + PG(1) + 9), 't');
	CHECK_EQ(hosted_read8(BASE + PG(1) + 10), 0);
	CHECK_EQ(frame_at(BASE + PG(2)), 0);
	CHECK(!user_read32(BASE + PG(2), &value));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(2));
	/* Grown again it reads as zero. */
	f.size = PG(4);
	CHECK_EQ(hosted_read32(BASE + PG(3)), 0);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(4)), 0);
	close_file(&f);
}

PAGODA_TEST(truncation_takes_private_copies_too, "AS-74")
{
	struct test_file f;
	u32 value;

	new_process();
	open_file(&f, &memory_a_ops, PG(2));
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(2), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	hosted_write32(BASE + PG(1), 7);
	f.size = PG(1);
	truncate_inode_pages(&f.mapping, f.size);
	CHECK(!user_read32(BASE + PG(1), &value));
	CHECK_SIGNAL(SIGBUS, BUS_ADRERR, BASE + PG(1));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2)), 0);
	close_file(&f);
}

PAGODA_TEST(a_punched_range_reads_as_zero, "")
{
	struct test_file f;
	u8 buf[4 * 4096];

	open_file(&f, &memory_a_ops, PG(4));
	memset(buf, 'p', sizeof(buf));
	CHECK_EQ(write_at(&f, buf, sizeof(buf), 0), sizeof(buf));
	truncate_inode_pages_range(&f.mapping, 100, PG(3) + 50);
	CHECK_EQ(f.mapping.nrpages, 2);
	CHECK_EQ(read_at(&f, buf, sizeof(buf), 0), sizeof(buf));
	for (unsigned int i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], i < 100 || i >= PG(3) + 50 ? 'p' : 0);
	/* Inside one page. */
	truncate_inode_pages_range(&f.mapping, 10, 20);
	CHECK_EQ(read_at(&f, buf, 30, 0), 30);
	CHECK(buf[9] == 'p' && buf[10] == 0 && buf[19] == 0 && buf[20] == 'p');
	close_file(&f);
}

PAGODA_TEST(a_cold_mapping_faults_major_once_a_page_then_minor, "FT-45")
{
	struct test_file f;
	unsigned long major, minor;

	new_process();
	open_file(&f, &disk_a_ops, PG(16));
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(16), PROT_READ, MAP_SHARED | MAP_FIXED,
			 0),
		 BASE);
	major = current_vm->maj_flt;
	for (unsigned int i = 0; i < 16; i++)
		CHECK_EQ(hosted_read8(BASE + PG(i)), disk_byte(PG(i)));
	CHECK_LE(current_vm->maj_flt - major, 16);
	CHECK_GE(current_vm->maj_flt - major, 1);
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE + PG(32), PG(16), PROT_READ,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE + PG(32));
	major = current_vm->maj_flt;
	minor = current_vm->min_flt;
	for (unsigned int i = 0; i < 16; i++)
		CHECK_EQ(hosted_read8(BASE + PG(32 + i)), disk_byte(PG(i)));
	CHECK_EQ(current_vm->maj_flt, major);
	CHECK_GT(current_vm->min_flt, minor);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(48)), 0);
	close_file(&f);
}

/* Pages of the mapping at BASE that have an entry, as bits. */
static unsigned long mapped_pages(unsigned int nr)
{
	unsigned long bits = 0;

	for (unsigned int i = 0; i < nr; i++)
		bits |= (unsigned long)hosted_lookup_user(current_vm->mm, BASE + PG(i)).present
			<< i;
	return bits;
}

PAGODA_TEST(a_read_fault_maps_what_lies_ready_around_it, "")
{
	struct test_file f;
	unsigned long rss;
	u8 buf[1];

	new_process();
	open_file(&f, &disk_a_ops, PG(20) + 1);
	for (unsigned int i = 0; i <= 20; i++) /* all in the cache but page 5 */
		CHECK(i == 5 || read_at(&f, buf, 1, PG(i)) == 1);
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(24), PROT_READ, MAP_SHARED | MAP_FIXED,
			 0),
		 BASE);
	rss = get_mm_rss(current_vm->mm);
	CHECK_EQ(hosted_read8(BASE + PG(3)), disk_byte(PG(3)));
	CHECK_EQ(mapped_pages(24), 0xffdf); /* the aligned window, nothing was read for it */
	CHECK_EQ(get_mm_rss(current_vm->mm) - rss, 15);
	CHECK_EQ(f.reads[5], 0);
	CHECK(!hosted_lookup_user(current_vm->mm, BASE + PG(4)).accessed);
	CHECK_EQ(hosted_read8(BASE + PG(20)), disk_byte(PG(20)));
	CHECK_EQ(mapped_pages(24), 0x1fffdf); /* to the end of the file and no further */
	f.size = PG(2);			      /* the cut takes neighbours as it takes any page */
	truncate_inode_pages(&f.mapping, f.size);
	CHECK_EQ(mapped_pages(24), 3);
	CHECK(!hosted_user_read(BASE + PG(4), buf, 1));
	CHECK_EQ(hosted_signal().signo, SIGBUS);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(24)), 0);
	close_file(&f);
}

PAGODA_TEST(fault_around_stays_in_its_region_and_off_what_is_there, "")
{
	struct test_file f;
	u8 buf[1];

	new_process();
	open_file(&f, &disk_a_ops, PG(16));
	for (unsigned int i = 0; i < 16; i++)
		CHECK_EQ(read_at(&f, buf, 1, PG(i)), 1);
	CHECK_EQ(do_mmap(current_vm->mm, &f.file, BASE, PG(16), RW, MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	hosted_write8(BASE + PG(2), 'x'); /* a copy of one's own */
	CHECK_EQ(mapped_pages(16), 4);	  /* a write maps nothing around it */
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(8), PG(8)), 0);
	CHECK_EQ(hosted_read8(BASE), disk_byte(0));
	CHECK_EQ(mapped_pages(16), 0xff);
	CHECK_EQ(hosted_read8(BASE + PG(2)), 'x');
	hosted_write8(BASE + PG(3), 'y'); /* mapped around, and private all the same */
	CHECK_EQ(read_at(&f, buf, 1, PG(3)), 1);
	CHECK_EQ(buf[0], disk_byte(PG(3)));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(8)), 0);
	close_file(&f);
}

/* ---- Several CPUs ---------------------------------------------------------------------------- */

#define RACE_PAGES 200u

static struct test_file raced;

static void read_all(void *arg)
{
	u8 buf[64];

	(void)arg;
	for (unsigned int i = 0; i < RACE_PAGES; i++)
		CHECK_EQ(generic_file_read(&raced.file, iov_kernel_buf(buf), sizeof(buf),
					   &(u64){PG(i % DISK_PAGES)}),
			 sizeof(buf));
}

PAGODA_TEST_CONFIG(racing_readers_cache_each_page_once, "RC-33", .nr_cpus = 4)
{
	struct hosted_task *tasks[4];

	open_file(&raced, &disk_a_ops, PG(DISK_PAGES));
	for (int i = 0; i < 4; i++)
		tasks[i] = hosted_spawn("reader", i, read_all, NULL);
	for (int i = 0; i < 4; i++)
		hosted_wait(tasks[i]);
	CHECK_EQ(raced.mapping.nrpages, DISK_PAGES);
	CHECK_EQ(radix_tree_validate(&raced.mapping.i_pages), DISK_PAGES);
	for (unsigned int i = 0; i < DISK_PAGES; i++)
		CHECK_EQ(raced.reads[i], 1);
	close_file(&raced);
}

static void write_and_truncate(void *arg)
{
	unsigned long seed = (unsigned long)arg;

	for (unsigned int i = 0; i < test_scale(2000); i++) {
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		if (seed >> 60 == 0)
			truncate_inode_pages(&raced.mapping, PG(seed >> 33 & 63));
		else
			CHECK_EQ(write_at(&raced, "ab", 2, PG(seed >> 33 & 63) + 4095), 2);
	}
}

PAGODA_TEST_CONFIG(writers_race_with_truncation, "RC-33 AS-74", .nr_cpus = 4)
{
	struct hosted_task *tasks[4];

	open_file(&raced, &memory_a_ops, PG(DISK_PAGES + 1));
	for (int i = 0; i < 4; i++)
		tasks[i] = hosted_spawn("writer", i, write_and_truncate,
					(void *)(test_seed() + (u64)i));
	for (int i = 0; i < 4; i++)
		hosted_wait(tasks[i]);
	CHECK_EQ(radix_tree_validate(&raced.mapping.i_pages), raced.mapping.nrpages);
	close_file(&raced);
}
