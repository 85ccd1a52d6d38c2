/* SPDX-License-Identifier: MIT */
/*
 * system.c: /proc files about the machine as a whole, in Linux's formats.
 *
 * Times are printed in USER_HZ ticks of 10 ms. What the core does not have shows as zero, so that programs find every line that they look for.
 */
#include <fs/proc/proc.h>
#include <fs/shm.h>
#include <pagoda/buffer_head.h>
#include <pagoda/swap.h>
#include <pagoda/lru.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vmstat.h>

#define NSEC_PER_TICK	10000000ull
#define NSEC_PER_SEC	1000000000ull
#define KB_PER_PAGE	(PAGE_SIZE / SZ_1K)
#define LOAD_SCALE	2048ul

static const char *boot_cmdline = "";

void proc_set_cmdline(const char *cmdline)
{
	boot_cmdline = cmdline;
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void kb(struct proc_text *text, const char *name, unsigned long pages)
{
	size_t start = text->len;

	proc_printf(text, "%s:", name);
	proc_pad(text, start, 16);
	proc_printf(text, "%8lu kB\n", pages * KB_PER_PAGE);
}

static unsigned long zone_pages(unsigned long (*of)(const zone_t *zone))
{
	unsigned long sum = 0;
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		for (int i = 0; i < pgdat->nr_zones; i++)
			sum += of(&pgdat->node_zones[i]);
	return sum;
}

static unsigned long zone_high_mark(const zone_t *zone)
{
	return zone->pages_high;
}

/* The sum of what each process's address space has. */
static unsigned long sum_of_processes(unsigned long (*of)(struct mm_struct *mm))
{
	unsigned long sum = 0;
	int pid = 0;

	while ((pid = fs_hook_next_process(pid))) {
		struct mm_struct *mm = fs_hook_task_mm(pid);

		if (!mm)
			continue;
		sum += of(mm);
		mmput(mm);
	}
	return sum;
}

static unsigned long anon_rss(struct mm_struct *mm)
{
	return (unsigned long)max(atomic_long_read(&mm->rss_anon), 0l);
}
static unsigned long data_pages(struct mm_struct *mm)
{
	return READ_ONCE(mm->data_vm);
}

static const char *const lru_names[NR_LRU_LISTS] = {
	[LRU_INACTIVE_ANON] = "nr_inactive_anon",
	[LRU_ACTIVE_ANON] = "nr_active_anon",
	[LRU_INACTIVE_FILE] = "nr_inactive_file",
	[LRU_ACTIVE_FILE] = "nr_active_file",
};

static int show_meminfo(struct proc_text *t, const struct proc_node *node)
{
	unsigned long cached = (unsigned long)atomic_long_read(&nr_pagecache_pages);
	unsigned long shmem = (unsigned long)atomic_long_read(&nr_shmem_pages);
	unsigned long buffers = nr_blkdev_pages();
	unsigned long free = nr_free_pages(), high = zone_pages(zone_high_mark);
	unsigned long tables = vm_event(pgtable_alloc) - vm_event(pgtable_free);
	unsigned long anon = sum_of_processes(anon_rss), total = totalram_pages();

	(void)node;
	kb(t, "MemTotal", total);
	kb(t, "MemFree", free);
	kb(t, "MemAvailable", free + cached - shmem > high ? free + cached - shmem - high : 0);
	kb(t, "Buffers", buffers);
	kb(t, "Cached", cached - min(cached, buffers));
	kb(t, "SwapCached", nr_swap_cache_pages());
	kb(t, "Active", nr_active_pages());
	kb(t, "Inactive", nr_inactive_pages());
	kb(t, "Active(anon)", lru_pages(LRU_ACTIVE_ANON));
	kb(t, "Inactive(anon)", lru_pages(LRU_INACTIVE_ANON));
	kb(t, "Active(file)", lru_pages(LRU_ACTIVE_FILE));
	kb(t, "Inactive(file)", lru_pages(LRU_INACTIVE_FILE));
	kb(t, "Unevictable", nr_mlocked_pages());
	kb(t, "Mlocked", nr_mlocked_pages());
	kb(t, "SwapTotal", (unsigned long)total_swap_pages);
	kb(t, "SwapFree", (unsigned long)atomic_long_read(&nr_swap_pages));
	kb(t, "Dirty", (unsigned long)atomic_long_read(&nr_dirty_pages));
	kb(t, "Writeback", (unsigned long)atomic_long_read(&nr_writeback_pages));
	kb(t, "AnonPages", anon);
	kb(t, "Mapped", cached);
	kb(t, "Shmem", shmem);
	kb(t, "PageTables", tables);
	kb(t, "CommitLimit", vm_commit_limit());
	kb(t, "Committed_AS", sum_of_processes(data_pages) + shmem);
	kb(t, "VmallocTotal", (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT);
	kb(t, "VmallocUsed", 0);
	kb(t, "VmallocChunk", 0);
	proc_printf(t, "HugePages_Total:       0\nHugePages_Free:        0\n"
		       "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
		       "Hugepagesize:       2048 kB\n");
	return 0;
}

static int show_vmstat(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "nr_free_pages %lu\n", nr_free_pages());
	proc_printf(t, "nr_file_pages %ld\n", atomic_long_read(&nr_pagecache_pages));
	proc_printf(t, "nr_shmem %ld\n", atomic_long_read(&nr_shmem_pages));
	proc_printf(t, "nr_dirty %ld\n", atomic_long_read(&nr_dirty_pages));
	proc_printf(t, "nr_writeback %ld\n", atomic_long_read(&nr_writeback_pages));
	proc_printf(t, "nr_anon_pages %lu\n", sum_of_processes(anon_rss));
	for (int i = 0; i < NR_LRU_LISTS; i++)
		proc_printf(t, "%s %lu\n", lru_names[i], lru_pages((enum lru_list)i));
	proc_printf(t, "nr_mlock %lu\n", nr_mlocked_pages());
	proc_printf(t, "nr_page_table_pages %lu\n",
		    vm_event(pgtable_alloc) - vm_event(pgtable_free));
	for (int i = 0; i < NR_VM_EVENTS; i++)
		proc_printf(t, "%s %lu\n", vm_event_names[i], vm_event_sum((enum vm_event)i));
	return 0;
}

static int show_buddyinfo(struct proc_text *t, const struct proc_node *node)
{
	pg_data_t *pgdat;

	(void)node;
	for_each_pgdat(pgdat)
		for (int i = 0; i < pgdat->nr_zones; i++) {
			const zone_t *zone = &pgdat->node_zones[i];

			if (!zone->present_pages)
				continue;
			proc_printf(t, "Node %d, zone %8s ", pgdat->node_id, zone->name);
			for (int order = 0; order < MAX_ORDER; order++)
				proc_printf(t, "%6lu ", zone->free_area[order].nr_free);
			proc_printf(t, "\n");
		}
	return 0;
}

static void show_zone_lists(struct proc_text *t, const zone_t *zone)
{
	for (int i = 0; i < NR_LRU_LISTS; i++)
		proc_printf(t, "    %-12s %lu\n", lru_names[i], zone->lruvec.nr[i]);
	proc_printf(t, "    %-12s %lu\n", "nr_mlock", zone->lruvec.nr_mlocked);
}

static void show_zone(struct proc_text *t, const pg_data_t *pgdat, const zone_t *zone)
{
	proc_printf(t, "Node %d, zone %8s\n  pages free     %lu\n", pgdat->node_id, zone->name,
		    zone->free_pages);
	proc_printf(t, "        min      %lu\n        low      %lu\n        high     %lu\n",
		    zone->pages_min, zone->pages_low, zone->pages_high);
	proc_printf(t, "        spanned  %lu\n        present  %lu\n        managed  %lu\n",
		    zone->size, zone->present_pages, zone->present_pages);
	show_zone_lists(t, zone);
	proc_printf(t, "      numa_local   %lu\n      numa_other   %lu\n", zone_allocations(zone).local,
		    zone_allocations(zone).other);
	proc_printf(t, "  pagesets\n");
	for (unsigned int cpu = 0; cpu < port_nr_cpus(); cpu++)
		proc_printf(t, "    cpu: %u\n              count: %u\n              high:  %u\n"
			       "              batch: %u\n",
			    cpu, zone->pcp[cpu].count, zone->pcp[cpu].high, zone->pcp[cpu].batch);
	proc_printf(t, "  start_pfn:           %lu\n", zone->zone_start_pfn);
}

static int show_zoneinfo(struct proc_text *t, const struct proc_node *node)
{
	pg_data_t *pgdat;

	(void)node;
	for_each_pgdat(pgdat)
		for (int i = 0; i < pgdat->nr_zones; i++)
			if (pgdat->node_zones[i].present_pages)
				show_zone(t, pgdat, &pgdat->node_zones[i]);
	return 0;
}

static int show_slabinfo(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	slabinfo(proc_emit, t);
	return 0;
}

static int show_swaps(struct proc_text *t, const struct proc_node *node)
{
	struct swap_area_info info;

	(void)node;
	proc_printf(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (unsigned int n = 0; swap_area_info(n, &info); n++)
		proc_printf(t, "%-40s%s\t%llu\t\t%llu\t\t%d\n", info.name,
			    info.file ? "file\t" : "partition", (unsigned long long)info.size_pages * (PAGE_SIZE / 1024),
			    (unsigned long long)info.used_pages * (PAGE_SIZE / 1024), info.priority);
	return 0;
}

/* ---- Time and tasks ------------------------------------------------------------------------------ */

static struct fs_system_info *system_info(void)
{
	struct fs_system_info *info = kmalloc(sizeof(*info), GFP_KERNEL);

	if (info)
		fs_hook_system_info(info);
	return info;
}

static void stat_line(struct proc_text *t, const char *name, u64 user, u64 nice, u64 system,
		      u64 idle)
{
	proc_printf(t, "%s %llu %llu %llu %llu 0 0 0 0 0 0\n", name,
		    (unsigned long long)(user / NSEC_PER_TICK),
		    (unsigned long long)(nice / NSEC_PER_TICK),
		    (unsigned long long)(system / NSEC_PER_TICK),
		    (unsigned long long)(idle / NSEC_PER_TICK));
}

static void stat_cpus(struct proc_text *t, const struct fs_system_info *info)
{
	u64 user = 0, nice = 0, system = 0, idle = 0;
	char name[16];

	for (unsigned int i = 0; i < info->nr_cpus; i++) {
		user += info->cpu[i].user;
		nice += info->cpu[i].nice;
		system += info->cpu[i].system;
		idle += info->cpu[i].idle;
	}
	stat_line(t, "cpu ", user, nice, system, idle);
	for (unsigned int i = 0; i < info->nr_cpus; i++) {
		pagoda_snprintf(name, sizeof(name), "cpu%u", i);
		stat_line(t, name, info->cpu[i].user, info->cpu[i].nice, info->cpu[i].system,
			  info->cpu[i].idle);
	}
}

static int show_stat(struct proc_text *t, const struct proc_node *node)
{
	struct fs_system_info *info = system_info();

	(void)node;
	if (!info)
		return -ENOMEM;
	stat_cpus(t, info);
	proc_printf(t, "intr %llu\n", (unsigned long long)info->interrupts);
	proc_printf(t, "ctxt %llu\n", (unsigned long long)info->context_switches);
	proc_printf(t, "btime %llu\n", (unsigned long long)(info->boot_realtime_ns / NSEC_PER_SEC));
	proc_printf(t, "processes %llu\n", (unsigned long long)info->forks);
	proc_printf(t, "procs_running %u\n", info->nr_running);
	proc_printf(t, "procs_blocked %u\n", info->nr_blocked);
	proc_printf(t, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	kfree(info);
	return 0;
}

static int show_uptime(struct proc_text *t, const struct proc_node *node)
{
	struct fs_system_info *info = system_info();
	u64 up = port_clock_ns(), idle = 0;

	(void)node;
	if (!info)
		return -ENOMEM;
	for (unsigned int i = 0; i < info->nr_cpus; i++)
		idle += info->cpu[i].idle;
	proc_printf(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / NSEC_PER_SEC),
		    (unsigned long long)(up / NSEC_PER_TICK % 100),
		    (unsigned long long)(idle / NSEC_PER_SEC),
		    (unsigned long long)(idle / NSEC_PER_TICK % 100));
	kfree(info);
	return 0;
}

static int show_loadavg(struct proc_text *t, const struct proc_node *node)
{
	struct fs_system_info *info = system_info();

	(void)node;
	if (!info)
		return -ENOMEM;
	for (int i = 0; i < 3; i++) {
		unsigned long load = info->load_fixed[i] + LOAD_SCALE / 200; /* rounded */

		proc_printf(t, "%lu.%02lu ", load / LOAD_SCALE, load % LOAD_SCALE * 100 / LOAD_SCALE);
	}
	proc_printf(t, "%u/%u %d\n", info->nr_running, info->nr_threads, info->last_pid);
	kfree(info);
	return 0;
}

/* ---- What kind of system it is -------------------------------------------------------------------- */

static int show_version(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "Linux version 6.1.0-pagoda (pagoda@pagoda) (%s) #1 Pagoda\n", __VERSION__);
	return 0;
}

static int show_cmdline(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "%s\n", boot_cmdline);
	return 0;
}

static void cpuid(u32 leaf, u32 regs[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
			 : "a"(leaf), "c"(0));
}

static const char *const cpu_flags_1_edx[32] = {
	"fpu", "vme", "de",   "pse", "tsc", "msr", "pae",   "mce", "cx8", "apic", NULL,
	"sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "pn", "clflush", NULL, "dts",
	"acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe",
};

static void cpu_names(char vendor[13], char model[49])
{
	u32 r[4];

	cpuid(0, r);
	memcpy(vendor, &r[1], 4);
	memcpy(vendor + 4, &r[3], 4);
	memcpy(vendor + 8, &r[2], 4);
	vendor[12] = '\0';
	for (u32 i = 0; i < 3; i++) {
		cpuid(0x80000002 + i, r);
		memcpy(model + 16 * i, r, 16);
	}
	model[48] = '\0';
}

static void show_cpu(struct proc_text *t, unsigned int cpu, const char *vendor, const char *model)
{
	u32 r[4];

	cpuid(1, r);
	proc_printf(t, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", cpu,
		    vendor, (r[0] >> 8 & 15) + (r[0] >> 20 & 255),
		    (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0));
	proc_printf(t, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n", model,
		    r[0] & 15, port_nr_cpus());
	proc_printf(t, "core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n", cpu,
		    port_nr_cpus(), cpu);
	proc_printf(t, "fpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t:");
	for (int bit = 0; bit < 32; bit++)
		if ((r[3] >> bit & 1) && cpu_flags_1_edx[bit])
			proc_printf(t, " %s", cpu_flags_1_edx[bit]);
	proc_printf(t, " syscall nx lm\nclflush size\t: 64\ncache_alignment\t: 64\n"
		       "address sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n");
}

static int show_cpuinfo(struct proc_text *t, const struct proc_node *node)
{
	char vendor[13], model[49];

	(void)node;
	cpu_names(vendor, model);
	for (unsigned int cpu = 0; cpu < port_nr_cpus(); cpu++)
		show_cpu(t, cpu, vendor, model);
	return 0;
}

static int show_filesystems(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "nodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tpipefs\n"
		       "nodev\tramfs\n");
	return 0;
}

static int show_devices(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
		       "136 pts\n240 pagoda\n\nBlock devices:\n254 virtblk\n");
	return 0;
}

static int show_nothing(struct proc_text *t, const struct proc_node *node)
{
	(void)t, (void)node;
	return 0;
}

static long link_self_mounts(const struct proc_node *node, char *buf, size_t size)
{
	(void)node;
	return pagoda_snprintf(buf, size, "self/mounts");
}

static void print_segment(void *arg, const struct shm_line *s)
{
	proc_printf(arg, "%10d %10d  %4o %21llu %5d %5d  %5lu %5u %5u %5u %5u %10lld %10lld %10lld %21llu %21llu\n",
		    s->key, s->id, s->mode, (unsigned long long)s->size, s->cpid, s->lpid, s->nattch,
		    s->uid, s->gid, s->cuid, s->cgid, (long long)s->atime, (long long)s->dtime,
		    (long long)s->ctime, (unsigned long long)s->resident, (unsigned long long)s->swapped);
}

static int show_sysvipc_shm(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
		       "  cuid  cgid      atime      dtime      ctime                   rss"
		       "                  swap\n");
	shm_for_each(print_segment, t);
	return 0;
}

static const struct proc_entry sysvipc_entries[] = {
	PROC_FILE("shm", 0444, show_sysvipc_shm),
};

const struct proc_entry proc_system_entries[] = {
	PROC_FILE("buddyinfo", 0444, show_buddyinfo),
	PROC_FILE("cmdline", 0444, show_cmdline),
	PROC_FILE("cpuinfo", 0444, show_cpuinfo),
	PROC_FILE("devices", 0444, show_devices),
	PROC_FILE("diskstats", 0444, proc_show_diskstats),
	PROC_FILE("filesystems", 0444, show_filesystems),
	PROC_FILE("loadavg", 0444, show_loadavg),
	PROC_FILE("meminfo", 0444, show_meminfo),
	PROC_FILE("modules", 0444, show_nothing),
	PROC_LINK("mounts", link_self_mounts, NULL),
	PROC_FILE("partitions", 0444, proc_show_partitions),
	{ .name = "self", .mode = S_IFLNK | 0777, .readlink = proc_link_self },
	PROC_FILE("slabinfo", 0400, show_slabinfo),
	PROC_FILE("stat", 0444, show_stat),
	PROC_FILE("swaps", 0444, show_swaps),
	{ .name = "sys",
	  .mode = S_IFDIR | 0555,
	  .children = proc_sys_entries,
	  .nr_children = PROC_NR_SYS_ENTRIES },
	PROC_DIR("sysvipc", sysvipc_entries),
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .readlink = proc_link_thread_self },
	PROC_FILE("uptime", 0444, show_uptime),
	PROC_FILE("version", 0444, show_version),
	PROC_FILE("vmstat", 0444, show_vmstat),
	PROC_FILE("zoneinfo", 0444, show_zoneinfo),
};
const unsigned int proc_nr_system_entries = ARRAY_SIZE(proc_system_entries);
