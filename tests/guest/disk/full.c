/* SPDX-License-Identifier: MIT */
/*
 * A disk that becomes full, by write and through a shared mapping: what had room is whole, what
 * had none is told at once (ENOSPC, SIGBUS), and what is freed can be used.
 *
 * Argument: the device, an ext2 file system with nothing in it, mounted at /mnt. Each page that
 * was accepted is compared after unmounting and mounting. tests/host/writeback.py runs this.
 */
#include "../guest.h"
#include <sys/mount.h>
#include <sys/statfs.h>

#define MAPPED_PAGES 256u
#define KEPT	     64u /* pages of the file from which room is taken back */

static const char *device;
static unsigned char page[PAGE];
static sigjmp_buf on_bus;

static unsigned long free_bytes(void)
{
	struct statfs st;

	MUST(statfs("/mnt", &st));
	return (unsigned long)st.f_bfree * (unsigned long)st.f_bsize;
}

static void fill_page(unsigned int number, unsigned char tag)
{
	memset(page, (int)(number * 7 + tag), PAGE);
	memcpy(page, &number, sizeof(number));
}

/* Pages that the file took until there was no room. */
static unsigned int fill_disk(int fd)
{
	unsigned int pages = 0;
	ssize_t n;

	for (;; pages++) {
		fill_page(pages, 1);
		n = pwrite(fd, page, PAGE, (off_t)(pages * PAGE));
		if (n != PAGE)
			break;
	}
	if (n == -1 && errno == ENOSPC)
		return pages;
	if (n > 0 && pwrite(fd, page, PAGE, (off_t)(pages * PAGE + (size_t)n)) == -1 && errno == ENOSPC)
		return pages; /* blocks that are smaller than pages: a part of one */
	die(__FILE__, __LINE__, "fill");
}

/* The block that may be left where the file also needed one for its block map. */
static void fill_rest(void)
{
	int fd = MUST(open("/mnt/rest", O_RDWR | O_CREAT, 0644));

	while (write(fd, page, 512) > 0)
		;
	close(fd);
}

static void bus(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

/* Stores to the pages of a hole from number first on, until SIGBUS; how many it took. */
static unsigned int store_until_full(unsigned char *p, unsigned int first, unsigned char tag)
{
	volatile unsigned int i = first;

	signal(SIGBUS, bus);
	if (sigsetjmp(on_bus, 1) == 0)
		for (; i < MAPPED_PAGES; i++) {
			fill_page(i, tag);
			memcpy(p + i * PAGE, page, PAGE);
		}
	return i;
}

static void compare(const char *path, unsigned int pages, unsigned char tag)
{
	static unsigned char found[PAGE];
	int fd = MUST(open(path, O_RDONLY));

	for (unsigned int i = 0; i < pages; i++) {
		fill_page(i, tag);
		if (pread(fd, found, PAGE, (off_t)(i * PAGE)) != PAGE || memcmp(found, page, PAGE)) {
			printf("%s: page %u of %u differs\n", path, i, pages);
			exit(1);
		}
	}
	close(fd);
}

static void mount_again(void)
{
	MUST(umount2("/mnt", 0));
	MUST(mount(device, "/mnt", "ext2", 0, NULL));
}

static void expect(int good, const char *what)
{
	if (good)
		return;
	printf("not so: %s\n", what);
	exit(1);
}

int main(int argc, char **argv)
{
	unsigned int written, stored, more;
	unsigned char *p;
	int fd, hole;

	device = argc > 1 ? argv[1] : "/dev/vda";
	hole = MUST(open("/mnt/hole", O_RDWR | O_CREAT, 0644));
	MUST(ftruncate(hole, MAPPED_PAGES * PAGE));
	p = MUST(mmap(NULL, MAPPED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, hole, 0));
	expect(store_until_full(p, 0, 2) == MAPPED_PAGES, "there is room at first");
	MUST(ftruncate(hole, 0)); /* and it is given back */
	MUST(ftruncate(hole, MAPPED_PAGES * PAGE));

	fd = MUST(open("/mnt/file", O_RDWR | O_CREAT, 0644));
	written = fill_disk(fd);
	fill_rest();
	expect(free_bytes() == 0, "the last block is used");
	expect(store_until_full(p, 0, 2) == 0, "a store to a full disk is SIGBUS");
	expect(pwrite(hole, page, PAGE, 0) == -1 && errno == ENOSPC, "a write to its hole is ENOSPC");
	expect(p[PAGE] == 0, "a hole reads as zeroes");
	fill_page(3, 1);
	expect(pwrite(fd, page, PAGE, 3 * PAGE) == PAGE, "what has its place can be written");

	MUST(ftruncate(fd, (off_t)((written - KEPT) * PAGE)));
	stored = store_until_full(p, 0, 3);
	expect(stored > 0 && stored <= KEPT + 1 && free_bytes() < PAGE, "what was freed is used by stores");
	MUST(msync(p, MAPPED_PAGES * PAGE, MS_SYNC));
	munmap(p, MAPPED_PAGES * PAGE);
	close(hole);
	close(fd);

	mount_again();
	compare("/mnt/file", written - KEPT, 1);
	compare("/mnt/hole", stored, 3);
	MUST(unlink("/mnt/file"));
	hole = MUST(open("/mnt/hole", O_RDWR));
	p = MUST(mmap(NULL, MAPPED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, hole, 0));
	more = store_until_full(p, stored, 3);
	expect(more == MAPPED_PAGES, "and the rest, when there is room again");
	munmap(p, MAPPED_PAGES * PAGE);
	close(hole);
	mount_again();
	compare("/mnt/hole", more, 3);
	printf("nothing is lost\n");
	return 0;
}
