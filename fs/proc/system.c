/* SPDX-License-Identifier: MIT */
/*
 * system.c: /proc files about the machine as a whole, in Linux's formats.
 *
 * Memory is in meminfo.c. Times are printed in USER_HZ ticks of 10 ms. What the core does not have
 * shows as zero, so that programs find every line that they look for.
 */
#include <fs/proc/proc.h>
#include <fs/shm.h>
#include <pagoda/machine.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define NSEC_PER_TICK 10000000ull
#define NSEC_PER_SEC  1000000000ull
#define LOAD_SCALE    2048ul

static const char *boot_cmdline = "";

void proc_set_cmdline(const char *cmdline)
{
	boot_cmdline = cmdline;
}

/* ---- Time and tasks -------------------------------------------------------------------------- */

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

		proc_printf(t, "%lu.%02lu ", load / LOAD_SCALE,
			    load % LOAD_SCALE * 100 / LOAD_SCALE);
	}
	proc_printf(t, "%u/%u %d\n", info->nr_running, info->nr_threads, info->last_pid);
	kfree(info);
	return 0;
}

/* ---- What kind of system it is --------------------------------------------------------------- */

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
	"fpu",	"vme",	"de",	"pse", "tsc",  "msr", "pae",   "mce", "cx8",	 "apic", NULL,
	"sep",	"mtrr", "pge",	"mca", "cmov", "pat", "pse36", "pn",  "clflush", NULL,	 "dts",
	"acpi", "mmx",	"fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",	 "pbe",
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
	proc_printf(t, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n",
		    model, r[0] & 15, port_nr_cpus());
	proc_printf(t, "core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n", cpu,
		    port_nr_cpus(), cpu);
	proc_printf(t, "fpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t:");
	for (int bit = 0; bit < 32; bit++)
		if ((r[3] >> bit & 1) && cpu_flags_1_edx[bit])
			proc_printf(t, " %s", cpu_flags_1_edx[bit]);
	proc_printf(t, " syscall nx lm\nclflush size\t: 64\ncache_alignment\t: 64\n"
		       "address sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n");
}

static int print_cpuinfo(struct proc_text *t, struct proc_open *open, u64 *index)
{
	char vendor[13], model[49];

	(void)open;
	if (*index >= port_nr_cpus())
		return 0;
	cpu_names(vendor, model);
	show_cpu(t, (unsigned int)(*index)++, vendor, model);
	return 1;
}
static const struct proc_records cpuinfo_records = {.print = print_cpuinfo};

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
	proc_printf(t,
		    "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
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

/* Record 0 is the heading, the others are segments, by index plus one. */
static int print_sysvipc_shm(struct proc_text *t, struct proc_open *open, u64 *index)
{
	u64 segment = *index - 1;
	struct shm_line s;

	(void)open;
	if (*index == 0) {
		proc_puts(t, "       key      shmid perms                  size  cpid  lpid nattch "
			     "  uid   gid"
			     "  cuid  cgid      atime      dtime      ctime                   rss"
			     "                  swap\n");
		*index = 1;
		return 1;
	}
	if (!shm_next_line(&segment, &s))
		return 0;
	*index = segment + 1;
	proc_printf(t,
		    "%10d %10d  %4o %21llu %5d %5d  %5lu %5u %5u %5u %5u %10lld %10lld %10lld "
		    "%21llu %21llu\n",
		    s.key, s.id, s.mode, (unsigned long long)s.size, s.cpid, s.lpid, s.nattch,
		    s.uid, s.gid, s.cuid, s.cgid, (long long)s.atime, (long long)s.dtime,
		    (long long)s.ctime, (unsigned long long)s.resident,
		    (unsigned long long)s.swapped);
	return 1;
}
static const struct proc_records sysvipc_shm_records = {.print = print_sysvipc_shm};

static const struct proc_entry sysvipc_entries[] = {
	PROC_RECORDS("shm", 0444, &sysvipc_shm_records),
};

const struct proc_entry proc_system_entries[] = {
	PROC_RECORDS("buddyinfo", 0444, &proc_buddyinfo_records),
	PROC_FILE("cmdline", 0444, show_cmdline),
	PROC_RECORDS("cpuinfo", 0444, &cpuinfo_records),
	PROC_FILE("devices", 0444, show_devices),
	PROC_RECORDS("diskstats", 0444, &proc_diskstats_records),
	PROC_FILE("filesystems", 0444, show_filesystems),
	PROC_FILE("loadavg", 0444, show_loadavg),
	PROC_FILE("meminfo", 0444, proc_show_meminfo),
	PROC_FILE("modules", 0444, show_nothing),
	PROC_LINK("mounts", link_self_mounts, NULL),
	PROC_RECORDS("partitions", 0444, &proc_partitions_records),
	{.name = "self", .mode = S_IFLNK | 0777, .readlink = proc_link_self},
	PROC_RECORDS("slabinfo", 0400, &proc_slabinfo_records),
	PROC_FILE("stat", 0444, show_stat),
	PROC_RECORDS("swaps", 0444, &proc_swaps_records),
	{.name = "sys",
	 .mode = S_IFDIR | 0555,
	 .children = proc_sys_entries,
	 .nr_children = PROC_NR_SYS_ENTRIES},
	PROC_DIR("sysvipc", sysvipc_entries),
	{.name = "thread-self", .mode = S_IFLNK | 0777, .readlink = proc_link_thread_self},
	PROC_FILE("uptime", 0444, show_uptime),
	PROC_FILE("version", 0444, show_version),
	PROC_RECORDS("vmstat", 0444, &proc_vmstat_records),
	PROC_RECORDS("zoneinfo", 0444, &proc_zoneinfo_records),
};
const unsigned int proc_nr_system_entries = ARRAY_SIZE(proc_system_entries);
