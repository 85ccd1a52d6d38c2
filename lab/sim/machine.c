/* SPDX-License-Identifier: MIT */
/*
 * machine.c: a reference string on the real mm/: every reference is an access of a program to
 * its memory, through the hosted machine's MMU, on a machine with one CPU and a swap disk.
 *
 * What comes before counting. RAM begins above the DMA zone, so that there is one zone and one
 * set of watermarks; it is large enough for the frames and for what the machine needs itself.
 * The program's region is mapped, its page tables are built (a page is touched in each stretch that
 * one table maps, then all are discarded). Then frames are taken away until
 *
 *	free frames = frames + pages_low
 *
 * pages_low is where the allocator wakes kswapd, so `frames` is the most that the program's pages
 * can take up before reclaim starts, and with one CPU kswapd runs at the program's next return to
 * user mode: what it works with lies between frames and frames - (pages_high - pages_low) - 32.
 * What the core allocates later for its own use (swap cache nodes, bios) comes out of the frames,
 *too. How many the program's pages really took, on average and at most, is measured at each fault.
 *
 * Pages are anonymous. The first use of a page writes, whatever the string says: a page that was
 * only read would share the zero page and take no frame. The store is a disk in memory that
 * answers at once; with nothing waiting for time, the same string gives the same counts.
 *
 * Every page's first word says which page it is and when it was written last; each reference
 * checks it, so a page lost or mixed up on its way to swap and back ends the run. So does a
 * difference between what the kernel counted and what was seen from outside: faults by the MMU,
 * first uses by the string, pages read and written by the disk.
 */
#include "sim.h"

#include <machine/hosted.h>
#include <machine/hosted_disk.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmstat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGION		0x10000000ul
#define PAGES_PER_TABLE 512u
#define RAM_START	(16 * SZ_1M)
#define OWN_NEEDS	1536u /* frames: the core's tables and caches, whatever the size */
#define TLB_ENTRIES	1024u /* about a real second-level TLB's */
#define PROGRESS_STEP	(1u << 16)
#define SLACK_SLOTS	1024u

struct machine {
	const struct machine_setup *setup;
	const struct trace *trace;
	struct vm_task *task;
	uint32_t *written; /* by page: the number + 1 of the reference that wrote it last; 0: never
			      used */
	uint64_t disk_in, disk_out, first, frames_sum, peak;
	unsigned long traps; /* as of the last look */
	unsigned long before[NR_VM_EVENTS], traps_before;
};

/* ---- Setting up ------------------------------------------------------------------------- */

static void watch_disk(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	struct machine *m = arg;

	(void)sector, (void)page;
	if (op == BIO_READ)
		m->disk_in++;
	else
		m->disk_out++;
}

static void swap_on(struct machine *m)
{
	uint32_t slots =
		2 * m->trace->nr_pages + SLACK_SLOTS; /* never half full, where slots get scarce */
	struct hosted_disk_config config = {
		.name = "hda", .bytes = (u64)slots << PAGE_SHIFT, .immediate = true};
	struct block_device *disk = hosted_disk_create(&config);
	uint32_t header[3] = {1, slots - 1,
			      0}; /* what mkswap writes: version, last page, bad pages */
	unsigned char *bytes = hosted_disk_bytes(disk);

	memcpy(bytes + 1024, header, sizeof(header));
	memcpy(bytes + PAGE_SIZE - 10, "SWAPSPACE2", 10);
	if (sys_swapon_bdev(disk, "/dev/hda", 0))
		trouble("swapon failed");
	hosted_disk_watch(disk, watch_disk, m);
}

static void boot(const struct machine *m)
{
	uint64_t pages = m->trace->nr_pages;
	uint64_t needs = m->setup->frames + pages / PAGES_PER_TABLE + pages / 512 + OWN_NEEDS;
	static struct port_mem_range ram = {RAM_START, 0, PORT_MEM_USABLE, 0};
	static char options[32];
	struct hosted_config config = {.map = &ram,
				       .nr_map = 1,
				       .tlb_entries = TLB_ENTRIES,
				       .options = options,
				       .start_threads = true};

	ram.end = RAM_START + ((needs + needs / 32) << PAGE_SHIFT);
	snprintf(options, sizeof(options), "reclaim=%s", m->setup->reclaim);
	hosted_boot(&config);
	page_cluster = (int)m->setup->read_ahead;
}

static unsigned long address_of(uint32_t page)
{
	return REGION + ((unsigned long)page << PAGE_SHIFT);
}

static uint64_t *touch(uint32_t page, bool write)
{
	uint64_t *word = hosted_user_reach(address_of(page), write);

	if (!word)
		trouble("the access to page %u ended in signal %d", page, hosted_signal().signo);
	return word;
}

static void map_region(const struct machine *m)
{
	uint32_t pages = m->trace->nr_pages;
	size_t bytes = (size_t)pages << PAGE_SHIFT;

	if (hosted_process_create() ||
	    do_mmap(current_vm->mm, NULL, REGION, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, 0) != REGION)
		trouble("cannot map %u pages", pages);
	for (uint32_t page = 0; page < pages; page += PAGES_PER_TABLE)
		touch(page, true);
	touch(pages - 1, true);
	if (do_madvise(current_vm->mm, REGION, bytes, MADV_DONTNEED))
		trouble("cannot discard the pages again");
	lru_add_drain_all();
}

/* Take frames away for good until what is left is what was asked for. */
static void leave_frames(const struct machine *m)
{
	unsigned long low = 0, wanted;
	zone_t *zone;

	for_each_zone(zone, pgdat_list)
		low += zone->size ? zone->pages_low : 0;
	wanted = m->setup->frames + low - 1; /* the next one wakes kswapd */
	if (nr_free_pages() < wanted)
		trouble("%lu frames are left, too few for %u and the reserve of %lu",
			nr_free_pages(), m->setup->frames, low);
	while (nr_free_pages() > wanted)
		if (!alloc_page(GFP_KERNEL))
			trouble("a free frame cannot be taken");
}

static void begin_counting(struct machine *m)
{
	for (int e = 0; e < NR_VM_EVENTS; e++)
		m->before[e] = vm_event_sum((enum vm_event)e);
	m->traps = m->traps_before = hosted_nr_traps();
	m->disk_in = m->disk_out = 0;
}

/* ---- Running -------------------------------------------------------------------------------- */

/* The program's pages in memory: all that is on reclaim's lists, or on its way there. */
static unsigned long pages_in_memory(void)
{
	return nr_active_pages() + nr_inactive_pages() + lru_batches[port_cpu_id()].nr;
}

/* The way back to user mode: a task that the fault has woken runs. */
static void after_fault(struct machine *m)
{
	unsigned long pages = pages_in_memory();

	m->traps = hosted_nr_traps();
	m->frames_sum += pages;
	if (pages > m->peak)
		m->peak = pages;
	hosted_let_others_run();
}

static void check_word(const struct machine *m, uint32_t page, uint64_t word)
{
	if (word != ((uint64_t)page << 32 | m->written[page]))
		trouble("page %u holds %#llx, not what reference %u wrote to it", page,
			(unsigned long long)word, m->written[page] - 1);
}

static void refer(struct machine *m, size_t now)
{
	uint32_t page = ref_page(m->trace->refs[now]);
	bool first = !m->written[page], write = ref_writes(m->trace->refs[now]) || first;
	uint64_t *word = touch(page, write);

	if (!first)
		check_word(m, page, *word);
	if (write) {
		m->written[page] = (uint32_t)now + 1;
		*word = (uint64_t)page << 32 | m->written[page];
	}
	m->first += first;
	if (__builtin_expect(hosted_nr_traps() != m->traps, 0))
		after_fault(m);
}

/* ---- Results ----------------------------------------------------------------------------------
 */

static uint64_t counted(const struct machine *m, enum vm_event event)
{
	return vm_event_sum(event) - m->before[event];
}

static void must_agree(const char *what, uint64_t kernel, uint64_t seen)
{
	if (kernel != seen)
		trouble("the kernel counted %llu %s, from outside it were %llu",
			(unsigned long long)kernel, what, (unsigned long long)seen);
}

static void fill_result(const struct machine *m, struct result *r)
{
	uint64_t faults = hosted_nr_traps() - m->traps_before;

	r->first = counted(m, VM_EVENT_fault_anon);
	r->major = counted(m, VM_EVENT_pgmajfault);
	r->soft = faults - r->first - r->major;
	r->pages_in = counted(m, VM_EVENT_pswpin);
	r->pages_out = counted(m, VM_EVENT_pswpout);
	r->scanned = counted(m, VM_EVENT_pgscan) + counted(m, VM_EVENT_pgrefill) +
		     counted(m, VM_EVENT_swap_out_scan);
	r->reclaimed = counted(m, VM_EVENT_pgsteal);
	r->mean_frames = faults ? (double)m->frames_sum / (double)faults : 0;
	r->peak_frames = m->peak;
	must_agree("faults", counted(m, VM_EVENT_pgfault), faults);
	must_agree("first uses", r->first, m->first);
	must_agree("pages read", r->pages_in, m->disk_in);
	must_agree("pages written", r->pages_out, m->disk_out);
}

void machine_replay(const struct machine_setup *setup, const struct trace *trace,
		    struct result *result)
{
	struct machine m = {.setup = setup, .trace = trace};
	uint64_t start;

	m.written = allocate(trace->nr_pages, sizeof(*m.written));
	boot(&m);
	swap_on(&m);
	map_region(&m);
	leave_frames(&m);
	begin_counting(&m);
	start = cpu_ns();
	for (size_t now = 0; now < trace->nr; now++) {
		refer(&m, now);
		if (now % PROGRESS_STEP == 0)
			progress(now, trace->nr);
	}
	result->ns = cpu_ns() - start;
	fill_result(&m, result);
	free(m.written);
}
