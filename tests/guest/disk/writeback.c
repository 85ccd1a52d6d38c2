/* SPDX-License-Identifier: MIT */
/*
 * What goes to the disk, and when: fsync, fdatasync, syncfs, sync_file_range, posix_fadvise, drop_caches,
 * the limits for dirty pages. Seen in /proc/diskstats, /proc/meminfo and by mincore.
 *
 * Arguments: the names of what is to be checked. /mnt is /dev/vda, /other is /dev/vdb, both
 * ext2 with blocks of 4 KiB; 64 MiB of RAM. tests/host/writeback.py runs this. The numbers are
 * such that Linux would pass, too, but for what ext2 there writes beside (atime, super block).
 */
#include "../guest.h"
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("line %d: " #condition ": ", __LINE__);                             \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define SECTORS_PER_PAGE 8
#define QUIET_CENTISECS	 "360000" /* nothing is written for its age */

static unsigned char bytes[64 * PAGE];

/* ---- What can be seen -------------------------------------------------------------------------- */

struct disk {
	unsigned long reads, sectors_read, writes, sectors_written, flushes;
};

static struct disk disk_now(const char *name)
{
	struct disk d = { 0 };
	char line[256], found[32];
	FILE *file = fopen("/proc/diskstats", "r");

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*u %*u %31s %lu %*u %lu %*u %lu %*u %lu %*u %*u %*u %*u %*u %*u %*u %*u %lu",
			   found, &d.reads, &d.sectors_read, &d.writes, &d.sectors_written, &d.flushes) == 6 &&
		    strcmp(found, name) == 0)
			break;
	fclose(file);
	CHECK(strcmp(found, name) == 0, "%s", name);
	return d;
}

static unsigned long pages_written(const struct disk *before, const char *name)
{
	return (disk_now(name).sectors_written - before->sectors_written) / SECTORS_PER_PAGE;
}

static unsigned long meminfo_pages(const char *name)
{
	char line[128], format[64];
	unsigned long kb = 0;
	FILE *file = fopen("/proc/meminfo", "r");

	snprintf(format, sizeof(format), "%s: %%lu", name);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, format, &kb) == 1)
			break;
	fclose(file);
	return kb / 4;
}

static unsigned long dirty_pages(void)
{
	return meminfo_pages("Dirty");
}

/* Both numbers of one reading: between two, the flusher may take pages from the one to the other. */
static unsigned long pages_to_go(void)
{
	static char text[8192];
	unsigned long dirty = 0, writeback = 0;
	int fd = MUST(open("/proc/meminfo", O_RDONLY));
	long n = MUST(read(fd, text, sizeof(text) - 1));

	close(fd);
	text[n] = 0;
	CHECK(sscanf(strstr(text, "\nDirty:"), "\nDirty: %lu kB\nWriteback: %lu", &dirty, &writeback) == 2, "%s", text);
	return (dirty + writeback) / 4;
}

/* Which of the first n pages of the file are in memory, counted. */
static unsigned int cached_pages(int fd, unsigned int from, unsigned int n)
{
	unsigned char *vec = malloc(n);
	void *p = MUST(mmap(NULL, n * PAGE, PROT_READ, MAP_SHARED, fd, (off_t)(from * PAGE)));
	unsigned int cached = 0;

	MUST(mincore(p, n * PAGE, vec));
	for (unsigned int i = 0; i < n; i++)
		cached += vec[i] & 1;
	munmap(p, n * PAGE);
	free(vec);
	return cached;
}

static void set(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	fd = MUST(open(path, O_WRONLY));
	MUST(write(fd, value, strlen(value)));
	close(fd);
}

/* ---- Files ------------------------------------------------------------------------------------- */

static int new_file(const char *path)
{
	return MUST(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
}

static void write_pages(int fd, unsigned int from, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		memset(bytes, (int)(from + i), PAGE);
		MUST(pwrite(fd, bytes, PAGE, (off_t)((from + i) * PAGE)));
	}
}

/* A file of that many pages, all on the disk. */
static int synced_file(const char *path, unsigned int pages)
{
	int fd = new_file(path);

	write_pages(fd, 0, pages);
	MUST(fsync(fd));
	return fd;
}

/* Nothing is dirty, and nothing is written by itself. */
static void calm(void)
{
	set("dirty_writeback_centisecs", "0");
	set("dirty_expire_centisecs", QUIET_CENTISECS);
	set("dirty_background_ratio", "90");
	set("dirty_ratio", "95");
	sync();
	CHECK(pages_to_go() == 0, "%lu", pages_to_go());
}

/* ---- fsync, fdatasync, syncfs, sync_file_range -------------------------------------------------- */

static void fdatasync_writes_no_inode_that_only_has_new_times(void)
{
	int fd = synced_file("/mnt/data", 8);
	struct disk before = disk_now("vda");

	MUST(fdatasync(fd));
	CHECK(pages_written(&before, "vda") == 0, "%lu", pages_written(&before, "vda"));

	before = disk_now("vda");
	write_pages(fd, 3, 1);
	MUST(fdatasync(fd));
	CHECK(pages_written(&before, "vda") == 1, "%lu", pages_written(&before, "vda"));
	CHECK(disk_now("vda").flushes > before.flushes, "no flush");
	MUST(fsync(fd)); /* and now the times */
	CHECK(pages_written(&before, "vda") >= 2, "%lu", pages_written(&before, "vda"));

	before = disk_now("vda");
	MUST(fsync(fd));
	CHECK(pages_written(&before, "vda") == 0, "%lu", pages_written(&before, "vda"));

	before = disk_now("vda");
	write_pages(fd, 8, 1); /* grows: the inode is needed to find it */
	MUST(fdatasync(fd));
	CHECK(pages_written(&before, "vda") >= 2, "%lu", pages_written(&before, "vda"));
	close(fd);
}

static void syncfs_writes_its_own_file_system(void)
{
	int one = synced_file("/mnt/one", 1), other = synced_file("/other/one", 1);
	struct disk vda = disk_now("vda"), vdb = disk_now("vdb");

	write_pages(one, 0, 20);
	write_pages(other, 0, 30);
	MUST(syscall(SYS_syncfs, one));
	CHECK(pages_written(&vda, "vda") >= 20, "%lu", pages_written(&vda, "vda"));
	CHECK(pages_written(&vdb, "vdb") == 0, "%lu", pages_written(&vdb, "vdb"));
	CHECK(dirty_pages() >= 30, "%lu", dirty_pages());
	MUST(syscall(SYS_syncfs, other));
	CHECK(pages_written(&vdb, "vdb") >= 30, "%lu", pages_written(&vdb, "vdb"));
	CHECK(pages_to_go() == 0, "%lu", pages_to_go());
	close(one);
	close(other);
}

static void sync_file_range_writes_its_range(void)
{
	const unsigned int wait_write_wait =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int fd = synced_file("/mnt/range", 64);
	struct disk before = disk_now("vda");

	write_pages(fd, 0, 64);
	MUST(sync_file_range(fd, 16 * PAGE, 8 * PAGE, wait_write_wait));
	CHECK(pages_written(&before, "vda") == 8, "%lu", pages_written(&before, "vda"));
	MUST(sync_file_range(fd, 40 * PAGE - 1, 2, wait_write_wait)); /* two pages */
	CHECK(pages_written(&before, "vda") == 10, "%lu", pages_written(&before, "vda"));
	MUST(sync_file_range(fd, 0, PAGE, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER));
	CHECK(pages_written(&before, "vda") == 10, "%lu", pages_written(&before, "vda"));
	MUST(sync_file_range(fd, 50 * PAGE, 0, wait_write_wait)); /* to the end */
	CHECK(pages_written(&before, "vda") == 24, "%lu", pages_written(&before, "vda"));
	CHECK(disk_now("vda").flushes == before.flushes, "a flush");
	close(fd);
}

static void msync_writes_its_range(void)
{
	int fd = synced_file("/mnt/mapped", 32);
	struct disk before;
	char *p = MUST(mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

	for (unsigned int i = 0; i < 32; i++)
		p[i * PAGE] = 'm';
	before = disk_now("vda");
	MUST(msync(p + 4 * PAGE, 3 * PAGE, MS_SYNC));
	CHECK(pages_written(&before, "vda") == 3, "%lu", pages_written(&before, "vda"));
	munmap(p, 32 * PAGE);
	close(fd);
}

static void pwritev2_dsync_writes_what_it_wrote(void)
{
	int fd = synced_file("/mnt/dsync", 32);
	struct iovec iov = { bytes, 2 * PAGE };
	struct disk before;

	MUST(pwrite(fd, bytes, PAGE, 20 * PAGE));
	before = disk_now("vda");
	CHECK(pwritev2(fd, &iov, 1, 4 * PAGE, RWF_DSYNC) == 2 * PAGE, "%s", errno_name(errno));
	CHECK(pages_written(&before, "vda") == 2, "%lu", pages_written(&before, "vda"));
	MUST(lseek(fd, 8 * PAGE, SEEK_SET));
	before = disk_now("vda");
	CHECK(pwritev2(fd, &iov, 1, -1, RWF_DSYNC) == 2 * PAGE, "%s", errno_name(errno));
	CHECK(pages_written(&before, "vda") == 2, "%lu", pages_written(&before, "vda"));
	close(fd);
}

/* The block that FIBMAP names holds what the file does; a hole has none. */
static void fibmap_names_the_block_on_the_disk(void)
{
	int fd = synced_file("/mnt/blocks", 20), disk = MUST(open("/dev/vda", O_RDONLY)), block;
	static unsigned char found[PAGE];

	MUST(pwrite(fd, bytes, 1, 40 * PAGE));
	for (int i = 0; i <= 40; i++) {
		block = i;
		MUST(ioctl(fd, 1 /* FIBMAP */, &block));
		CHECK((block != 0) == (i < 20 || i == 40), "page %d: block %d", i, block);
		if (i >= 20)
			continue;
		MUST(pread(disk, found, PAGE, (off_t)block * (off_t)PAGE));
		MUST(pread(fd, bytes, PAGE, (off_t)((unsigned int)i * PAGE)));
		CHECK(memcmp(found, bytes, PAGE) == 0, "page %d is not in block %d", i, block);
	}
	close(disk);
	close(fd);
}

/* ---- posix_fadvise, drop_caches ---------------------------------------------------------------- */

#define ADVISED 256u

static int cold_file(const char *path)
{
	int fd = synced_file(path, ADVISED);

	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "DONTNEED");
	CHECK(cached_pages(fd, 0, ADVISED) == 0, "%u", cached_pages(fd, 0, ADVISED));
	return fd;
}

/* Reading ahead does not wait for the disk, and mincore() tells of a page once it was read. */
static void wait_for_pages(int fd, unsigned int first, unsigned int nr)
{
	for (int ms = 0; ms < 10000 && cached_pages(fd, first, nr) < nr; ms++)
		sleep_ms(1);
}

/* The pages that are cached when reading ahead has come to its end. */
static unsigned int settled_pages(int fd)
{
	unsigned int nr = cached_pages(fd, 0, ADVISED), before;

	do {
		before = nr;
		sleep_ms(50);
		nr = cached_pages(fd, 0, ADVISED);
	} while (nr != before);
	return nr;
}

static void read_page(int fd, unsigned int page)
{
	MUST(pread(fd, bytes, PAGE, (off_t)(page * PAGE)));
	CHECK(bytes[17] == (unsigned char)page, "page %u holds %u", page, bytes[17]);
}

static void advice_has_its_effects(void)
{
	int fd = cold_file("/mnt/advised");
	unsigned int normal, sequential;

	CHECK(posix_fadvise(fd, 16 * PAGE, 32 * PAGE, POSIX_FADV_WILLNEED) == 0, "WILLNEED");
	wait_for_pages(fd, 16, 32);
	CHECK(cached_pages(fd, 16, 32) == 32 && cached_pages(fd, 0, ADVISED) == 32, "%u",
	      cached_pages(fd, 0, ADVISED));
	for (unsigned int i = 16; i < 48; i++)
		read_page(fd, i); /* it has come: what is still being read cannot be dropped */
	CHECK(posix_fadvise(fd, 16 * PAGE + 1, 8 * PAGE, POSIX_FADV_DONTNEED) == 0, "DONTNEED");
	CHECK(cached_pages(fd, 16, 32) == 25, "%u", cached_pages(fd, 16, 32)); /* whole pages only: 17 to 23 */

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	read_page(fd, 0);
	read_page(fd, 1);
	CHECK(cached_pages(fd, 0, ADVISED) == 2, "%u", cached_pages(fd, 0, ADVISED));

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
	for (unsigned int i = 0; i < 100; i++)
		read_page(fd, i);
	normal = settled_pages(fd);
	CHECK(normal > 101, "%u", normal);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (unsigned int i = 0; i < 100; i++)
		read_page(fd, i);
	sequential = settled_pages(fd);
	CHECK(sequential >= normal, "%u, without %u", sequential, normal);

	write_pages(fd, 200, 4); /* dirty pages are written, not lost */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_page(fd, 203);
	close(fd);
}

static void readahead_reads(void)
{
	int fd = cold_file("/mnt/ahead");

	MUST(readahead(fd, 100 * PAGE, 20 * PAGE));
	wait_for_pages(fd, 100, 20);
	CHECK(cached_pages(fd, 100, 20) == 20 && cached_pages(fd, 0, ADVISED) == 20, "%u",
	      cached_pages(fd, 0, ADVISED));
	close(fd);
}

static void drop_caches_drops_what_is_clean(void)
{
	int fd = synced_file("/mnt/drop", ADVISED);

	write_pages(fd, 10, 5);
	CHECK(cached_pages(fd, 0, ADVISED) == ADVISED, "%u", cached_pages(fd, 0, ADVISED));
	set("drop_caches", "1");
	CHECK(cached_pages(fd, 0, ADVISED) == 5 && cached_pages(fd, 10, 5) == 5, "%u",
	      cached_pages(fd, 0, ADVISED));
	read_page(fd, 9);
	read_page(fd, 10);
	MUST(fsync(fd));
	set("drop_caches", "3");
	CHECK(cached_pages(fd, 0, ADVISED) == 0, "%u", cached_pages(fd, 0, ADVISED));
	read_page(fd, 10);
	close(fd);
}

/* ---- Limits ------------------------------------------------------------------------------------ */

#define MANY	   3000u /* pages: 12 MB of 64 MiB */
#define BATCH	   64u
/* Pages that may be dirtied between two looks at the limit, and the disk's own metadata. */
#define SLACK	   256ul

/* What the percentages are of, as the machine shows it, and a little more: it is no constant. */
static unsigned long percent(unsigned int n)
{
	unsigned long pages = meminfo_pages("MemFree") + meminfo_pages("Active(file)") +
			      meminfo_pages("Inactive(file)");

	return pages * n / 100;
}

/* The most pages that were dirty or on their way while MANY were written. */
static unsigned long most_while(void (*some)(int fd, unsigned int from, unsigned int n), int fd)
{
	unsigned long most = 0, now;

	for (unsigned int i = 0; i < MANY; i += BATCH) {
		some(fd, i, BATCH);
		now = pages_to_go();
		most = now > most ? now : most;
	}
	return most;
}

static void store_pages(int fd, unsigned int from, unsigned int n)
{
	char *p = MUST(mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(from * PAGE)));

	for (unsigned int i = 0; i < n; i++)
		p[i * PAGE] = 's';
	munmap(p, n * PAGE);
}

static void dirty_ratio_holds_writers_up(void)
{
	int fd = synced_file("/mnt/many", 1);
	unsigned long most;

	MUST(ftruncate(fd, (off_t)((MANY + BATCH) * PAGE)));
	most = most_while(write_pages, fd);
	CHECK(most >= MANY, "%lu", most); /* as calm() has it */
	sync();
	set("dirty_background_ratio", "3");
	set("dirty_ratio", "5");
	most = most_while(write_pages, fd);
	CHECK(most <= percent(5) + SLACK, "calls: %lu of %lu", most, percent(100));
	sync();
	most = most_while(store_pages, fd);
	CHECK(most <= percent(5) + SLACK, "stores: %lu of %lu", most, percent(100));
	close(fd);
	MUST(unlink("/mnt/many"));
}

static bool becomes_less(unsigned long limit, int tenths)
{
	while (tenths-- > 0 && dirty_pages() > limit)
		sleep_ms(100);
	return dirty_pages() <= limit;
}

static void dirty_background_ratio_starts_the_flusher(void)
{
	int fd = new_file("/mnt/background");

	write_pages(fd, 0, MANY / 2);
	sleep_ms(300);
	CHECK(dirty_pages() >= MANY / 2, "%lu", dirty_pages());
	set("dirty_background_ratio", "5");
	set("dirty_writeback_centisecs", "10");
	CHECK(becomes_less(percent(5), 100), "%lu", dirty_pages());
	CHECK(dirty_pages() > 0, "all was written, for no reason");
	close(fd);
	MUST(unlink("/mnt/background"));
}

static void dirty_expire_centisecs_writes_what_is_old(void)
{
	int fd = new_file("/mnt/expire");

	set("dirty_writeback_centisecs", "10");
	write_pages(fd, 0, 20);
	sleep_ms(500);
	CHECK(dirty_pages() >= 20, "%lu", dirty_pages());
	set("dirty_expire_centisecs", "100");
	CHECK(becomes_less(0, 100), "%lu", dirty_pages());
	write_pages(fd, 0, 20);
	sleep_ms(200);
	CHECK(dirty_pages() >= 20, "%lu: too early", dirty_pages());
	CHECK(becomes_less(0, 100), "%lu", dirty_pages());
	close(fd);
}

/* ---- The list ---------------------------------------------------------------------------------- */

#define CHECKS(X)                                                                                  \
	X(fdatasync_writes_no_inode_that_only_has_new_times)                                       \
	X(syncfs_writes_its_own_file_system)                                                       \
	X(sync_file_range_writes_its_range)                                                        \
	X(msync_writes_its_range)                                                                  \
	X(pwritev2_dsync_writes_what_it_wrote)                                                     \
	X(fibmap_names_the_block_on_the_disk)                                                      \
	X(advice_has_its_effects)                                                                  \
	X(readahead_reads)                                                                         \
	X(drop_caches_drops_what_is_clean)                                                         \
	X(dirty_ratio_holds_writers_up)                                                            \
	X(dirty_background_ratio_starts_the_flusher)                                               \
	X(dirty_expire_centisecs_writes_what_is_old)

static const struct {
	const char *name;
	void (*check)(void);
} checks[] = {
#define X(name) { #name, name },
	CHECKS(X)
#undef X
};

static void run(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (strcmp(name, "all") && strcmp(name, checks[i].name))
			continue;
		calm();
		printf("%s: ", checks[i].name);
		fflush(stdout);
		checks[i].check();
		printf("ok\n");
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	return 0;
}
