/* SPDX-License-Identifier: MIT */
/*
 * sysctl.c: /proc/sys: numbers and strings by which the system is looked at and tuned.
 *
 * An empty write, and one that is not at the start, changes nothing (proc.c).
 *
 * A file is either a number that lives somewhere (read and written in decimal, within
 * bounds, EINVAL outside) or prints a fixed text. What is accepted without effect is
 * marked so: programs write it and expect to read it back.
 */
#include <fs/pipe.h>
#include <fs/proc/proc.h>
#include <fs/shm.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <pagoda/string.h>
#include <pagoda/meminfo.h>
#include <pagoda/slab.h>
#include <pagoda/vmscan.h>

#define INT_MAX 0x7fffffff

#define SYSCTL(n, var, lo, hi)                                                               \
	{                                                                                    \
		.name = n, .mode = S_IFREG | 0644, .sysctl = true, .value = &var, .min = lo, \
		.max = hi                                                                    \
	}
/* A limit of writeback: the flusher looks at once. */
#define SYSCTL_DIRTY(var, hi)                                                                   \
	{                                                                                       \
		.name = #var, .mode = S_IFREG | 0644, .sysctl = true, .value = &var, .max = hi, \
		.changed = writeback_wake                                                       \
	}
#define SYSCTL_RO(n, var)                                        \
	{                                                        \
		.name = n, .mode = S_IFREG | 0444, .value = &var \
	}

/* Text, and what writing it does. */
#define SYSCTL_TEXT(n, m, f, w)                                                         \
	{                                                                               \
		.name = n, .mode = S_IFREG | (m), .sysctl = true, .show = f, .write = w \
	}

/* A function that prints a fixed text. */
#define TEXT(fn, ...)                                                    \
	static int fn(struct proc_text *t, const struct proc_node *node) \
	{                                                                \
		(void)node;                                              \
		proc_printf(t, __VA_ARGS__);                             \
		return 0;                                                \
	}

/* ---- kernel ---------------------------------------------------------------------------------- */

static int pid_max = 32768, threads_max = 32768, tainted, ngroups_max = FS_NGROUPS_MAX,
	   panic_timeout, randomize_va_space, cap_last_cap = 40, overflow_id = 65534, kptr_restrict,
	   perf_paranoid = 2, core_uses_pid;

TEXT(show_ostype, "Linux\n")
TEXT(show_osrelease, "6.1.0-pagoda\n")
TEXT(show_version, "#1 Pagoda\n")
TEXT(show_domainname, "(none)\n")
TEXT(show_core_pattern, "core\n")
TEXT(show_shmmax, "%lu\n", (unsigned long)shm_ctlmax)
TEXT(show_shmall, "%lu\n", (unsigned long)shm_ctlall)
TEXT(show_printk, "4\t4\t1\t7\n")
TEXT(show_entropy, "256\n")
TEXT(show_hostname, "%s\n", fs_hook_hostname())

static long write_hostname(const struct proc_node *node, const char *text, size_t len)
{
	size_t n = len;

	(void)node;
	while (n && text[n - 1] == '\n')
		n--;
	fs_hook_set_hostname(text, n);
	return (long)len;
}

static long accept(const struct proc_node *node, const char *text, size_t len)
{
	(void)node, (void)text;
	return (long)len;
}

/* A limit of shared memory: any number that is not negative. */
static long write_limit(const char *text, size_t len, u64 *limit)
{
	long value;
	int err = proc_parse_long(text, &value);

	if (err || value < 0)
		return -EINVAL;
	*limit = (u64)value;
	return (long)len;
}

static long write_shmmax(const struct proc_node *node, const char *text, size_t len)
{
	(void)node;
	return write_limit(text, len, &shm_ctlmax);
}

static long write_shmall(const struct proc_node *node, const char *text, size_t len)
{
	(void)node;
	return write_limit(text, len, &shm_ctlall);
}

static void print_uuid(struct proc_text *t, u8 id[16])
{
	id[6] = (u8)((id[6] & 0x0f) | 0x40);
	id[8] = (u8)((id[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		proc_printf(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	proc_printf(t, "\n");
}

static int show_uuid(struct proc_text *t, const struct proc_node *node)
{
	u8 id[16];

	(void)node;
	machine_random(id, sizeof(id));
	print_uuid(t, id);
	return 0;
}

static int show_boot_id(struct proc_text *t, const struct proc_node *node)
{
	static u8 boot_id[16];

	(void)node;
	if (!boot_id[6])
		machine_random(boot_id, sizeof(boot_id));
	print_uuid(t, boot_id);
	return 0;
}

static const struct proc_entry random_entries[] = {
	PROC_FILE("boot_id", 0444, show_boot_id),
	PROC_FILE("entropy_avail", 0444, show_entropy),
	PROC_FILE("poolsize", 0444, show_entropy),
	PROC_FILE("uuid", 0444, show_uuid),
};

static const struct proc_entry kernel_entries[] = {
	SYSCTL_RO("cap_last_cap", cap_last_cap),
	SYSCTL_TEXT("core_pattern", 0644, show_core_pattern, accept),
	SYSCTL("core_uses_pid", core_uses_pid, 0, 1),
	PROC_FILE("domainname", 0644, show_domainname),
	SYSCTL_TEXT("hostname", 0644, show_hostname, write_hostname),
	SYSCTL("kptr_restrict", kptr_restrict, 0, 2),
	SYSCTL_RO("ngroups_max", ngroups_max),
	PROC_FILE("osrelease", 0444, show_osrelease),
	PROC_FILE("ostype", 0444, show_ostype),
	SYSCTL_RO("overflowgid", overflow_id),
	SYSCTL_RO("overflowuid", overflow_id),
	SYSCTL("panic", panic_timeout, -INT_MAX, INT_MAX),
	SYSCTL("perf_event_paranoid", perf_paranoid, -1, 4),
	SYSCTL("pid_max", pid_max, 301, 4194304),
	SYSCTL_TEXT("printk", 0644, show_printk, accept),
	PROC_DIR("random", random_entries),
	SYSCTL("randomize_va_space", randomize_va_space, 0, 2),
	SYSCTL("shm_next_id", shm_next_id, -1, INT_MAX),
	SYSCTL_TEXT("shmall", 0644, show_shmall, write_shmall),
	SYSCTL_TEXT("shmmax", 0644, show_shmmax, write_shmmax),
	SYSCTL("shmmni", shm_ctlmni, 0, 32768),
	SYSCTL("tainted", tainted, 0, INT_MAX),
	SYSCTL("threads-max", threads_max, 1, INT_MAX),
	PROC_FILE("version", 0444, show_version),
};

/* ---- vm -------------------------------------------------------------------------------------- */

static int swappiness = 60, mmap_min_addr = 65536, nr_hugepages, drop_caches, panic_on_oom,
	   page_cluster = 3, vfs_cache_pressure = 100, overcommit_kbytes, oom_kill_allocating_task,
	   oom_dump_tasks = 1, laptop_mode, zone_reclaim_mode, watermark_scale_factor = 10;

/* 1: clean pages of files; 2: names, inodes and other things that can be made again; 3: both. */
static long write_drop_caches(const struct proc_node *node, const char *text, size_t len)
{
	long value;
	int err = proc_parse_long(text, &value);

	(void)node;
	if (err)
		return err;
	if (value < 1 || value > 4)
		return -EINVAL;
	drop_caches = (int)value;
	if (value & 1)
		(void)drop_pagecache();
	if (value & 2)
		(void)drop_shrinkable();
	if (value & 2)
		(void)kmem_cache_shrink_all();
	return (long)len;
}

static int show_drop_caches(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "%d\n", drop_caches);
	return 0;
}

static const struct proc_entry vm_entries[] = {
	{.name = "compact_memory",
	 .mode = S_IFREG | 0200,
	 .sysctl = true,
	 .show = show_drop_caches,
	 .write = accept},
	SYSCTL_DIRTY(dirty_background_ratio, 100),
	SYSCTL_DIRTY(dirty_expire_centisecs, INT_MAX),
	SYSCTL_DIRTY(dirty_ratio, 100),
	SYSCTL_DIRTY(dirty_writeback_centisecs, INT_MAX),
	SYSCTL_TEXT("drop_caches", 0200, show_drop_caches, write_drop_caches),
	SYSCTL("laptop_mode", laptop_mode, 0, INT_MAX),
	SYSCTL("max_map_count", sysctl_max_map_count, 0, INT_MAX),
	{.name = "min_free_kbytes",
	 .mode = S_IFREG | 0644,
	 .sysctl = true,
	 .value = &min_free_kbytes,
	 .max = INT_MAX,
	 .changed = apply_min_free_kbytes},
	SYSCTL("mmap_min_addr", mmap_min_addr, 0, INT_MAX),
	SYSCTL("nr_hugepages", nr_hugepages, 0, 0),
	SYSCTL("oom_dump_tasks", oom_dump_tasks, 0, 1),
	SYSCTL("oom_kill_allocating_task", oom_kill_allocating_task, 0, 1),
	SYSCTL("overcommit_kbytes", overcommit_kbytes, 0, INT_MAX),
	SYSCTL("overcommit_memory", sysctl_overcommit_memory, 0, 2),
	SYSCTL("overcommit_ratio", sysctl_overcommit_ratio, 0, INT_MAX),
	SYSCTL("page-cluster", page_cluster, 0, 31),
	SYSCTL("panic_on_oom", panic_on_oom, 0, 2),
	SYSCTL("swappiness", swappiness, 0, 200),
	SYSCTL("vfs_cache_pressure", vfs_cache_pressure, 0, INT_MAX),
	SYSCTL("watermark_scale_factor", watermark_scale_factor, 1, 3000),
	SYSCTL("zone_reclaim_mode", zone_reclaim_mode, 0, 7),
};

/* ---- fs, net --------------------------------------------------------------------------------- */

static int nr_open = FS_NR_OPEN, lease_break_time = 45, suid_dumpable, protected_links = 1,
	   somaxconn = 4096;

TEXT(show_file_nr, "%ld\t0\t%d\n", atomic_long_read(&nr_files), file_max)

static const struct proc_entry epoll_entries[] = {
	SYSCTL("max_user_watches", epoll_max_user_watches, 0, INT_MAX),
};

static const struct proc_entry fs_entries[] = {
	PROC_DIR("epoll", epoll_entries),
	SYSCTL("file-max", file_max, 0, INT_MAX),
	PROC_FILE("file-nr", 0444, show_file_nr),
	SYSCTL("lease-break-time", lease_break_time, 0, INT_MAX),
	SYSCTL_RO("nr_open", nr_open),
	{.name = "pipe-max-size",
	 .mode = S_IFREG | 0644,
	 .value = &pipe_max_size,
	 .min = 0,
	 .max = INT_MAX,
	 .changed = pipe_max_size_changed},
	SYSCTL("pipe-user-pages-hard", pipe_user_pages_hard, 0, INT_MAX),
	SYSCTL("pipe-user-pages-soft", pipe_user_pages_soft, 0, INT_MAX),
	SYSCTL("protected_hardlinks", protected_links, 0, 1),
	SYSCTL("protected_symlinks", protected_links, 0, 1),
	SYSCTL("suid_dumpable", suid_dumpable, 0, 2),
};

static const struct proc_entry core_entries[] = {
	SYSCTL("somaxconn", somaxconn, 0, INT_MAX),
};
static const struct proc_entry net_entries[] = {
	PROC_DIR("core", core_entries),
};

const struct proc_entry proc_sys_entries[PROC_NR_SYS_ENTRIES] = {
	PROC_DIR("fs", fs_entries),
	PROC_DIR("kernel", kernel_entries),
	PROC_DIR("net", net_entries),
	PROC_DIR("vm", vm_entries),
};
