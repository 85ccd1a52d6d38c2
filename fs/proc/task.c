/* SPDX-License-Identifier: MIT */
/*
 * task.c: /proc/PID: a process (or, in task/TID, a thread) as files.
 *
 * All comes from one picture of the task (fs_task_info, one moment) and from its address
 * space, which is held while it is looked at. Zombies and kernel threads have none: their
 * sizes are zero and maps empty, as on Linux.
 *
 * Who may look follows Linux 6.1: each entry's mode and owner first (proc.c); files of memory ask
 * ptrace's question when they are opened; links, io, fdinfo and personality when they are used;
 * stat and wchan show others zeros where addresses would be.
 */
#include <fs/proc/proc.h>
#include <fs/tty/tty.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define NSEC_PER_TICK 10000000ull

struct fs_task_info *proc_task_info(const struct proc_node *node)
{
	struct fs_task_info *info = kmalloc(sizeof(*info), GFP_KERNEL);

	if (!info)
		return ERR_PTR(-ENOMEM);
	if (fs_hook_task_info(node->pid, node->thread, info))
		return info;
	kfree(info);
	return ERR_PTR(-ESRCH);
}

/* May the caller look into this process? */
static bool may_look(const struct proc_node *node)
{
	return !fs_hook_may_access(node->pid);
}

/* Linux's encoding of device numbers in stat's field 7. */
static unsigned int encode_dev(u64 dev)
{
	unsigned int major = MAJOR(dev), minor = MINOR(dev);

	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

/* ---- stat, statm, status --------------------------------------------------------------------- */

static unsigned long long ticks(u64 ns)
{
	return ns / NSEC_PER_TICK;
}

/* Sizes, and addresses, which are shown only to callers that may look into the process. */
static void stat_memory(struct proc_text *t, struct mm_struct *mm, unsigned long rss_limit,
			bool permitted)
{
	if (!mm) {
		proc_printf(t, " 0 0 %lu 0 0 0", rss_limit);
		return;
	}
	proc_printf(t, " %lu %lu %lu", mm->total_vm * PAGE_SIZE, get_mm_rss(mm), rss_limit);
	if (permitted)
		proc_printf(t, " %lu %lu %lu", mm->start_code, mm->end_code, mm->start_stack);
	else
		proc_puts(t, " 1 1 0");
}

/* kstkesp and kstkeip are zero, as Linux has them while a task has not begun to end. */
static void stat_signals(struct proc_text *t, const struct fs_task_info *info)
{
	proc_printf(t, " 0 0 %llu %llu %llu %llu",
		    (unsigned long long)(info->sig_pending & 0x7fffffff),
		    (unsigned long long)(info->sig_blocked & 0x7fffffff),
		    (unsigned long long)(info->sig_ignored & 0x7fffffff),
		    (unsigned long long)(info->sig_caught & 0x7fffffff));
}

static void stat_tail(struct proc_text *t, const struct fs_task_info *info,
		      const struct mm_struct *mm, bool permitted)
{
	proc_printf(t, " 0 0 %d %d %d %d 0 0 0", info->exit_signal, info->cpu, info->rt_priority,
		    info->policy);
	if (mm && permitted)
		proc_printf(t, " %lu %lu %lu %lu %lu %lu %lu", mm->start_data, mm->end_data,
			    mm->start_brk, mm->arg_start, mm->arg_end, mm->env_start, mm->env_end);
	else
		proc_puts(t, " 0 0 0 0 0 0 0");
	proc_printf(t, " %d\n", permitted ? info->exit_code : 0);
}

static void stat_line(struct proc_text *t, const struct fs_task_info *info, struct mm_struct *mm,
		      const struct proc_node *node)
{
	bool permitted = may_look(node);

	proc_printf(t, "%d (%s) %c %d %d %d %u %d %u", info->tid, info->comm, info->state,
		    info->ppid, info->pgrp, info->sid, encode_dev(info->tty_dev), info->tty_pgrp,
		    info->flags);
	proc_printf(t, " %lu %lu %lu %lu %llu %llu %llu %llu", info->min_flt, info->cmin_flt,
		    info->maj_flt, info->cmaj_flt, ticks(info->utime), ticks(info->stime),
		    ticks(info->cutime), ticks(info->cstime));
	proc_printf(t, " %d %d %d 0 %llu", info->prio, info->nice, info->num_threads,
		    ticks(info->start_time));
	stat_memory(t, mm, info->rlim[RLIMIT_RSS].rlim_cur, permitted);
	stat_signals(t, info);
	/* Does it wait for something? */
	proc_printf(t, " %d",
		    permitted && (node->thread || info->num_threads < 2) && info->state != 'R');
	stat_tail(t, info, mm, permitted);
}

static int show_stat(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);
	struct mm_struct *mm;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	mm = fs_hook_task_mm(node->pid);
	stat_line(t, info, mm, node);
	if (mm)
		mmput(mm);
	kfree(info);
	return 0;
}

static unsigned long text_pages(const struct mm_struct *mm)
{
	return (PAGE_ALIGN(mm->end_code) - (mm->start_code & PAGE_MASK)) >> PAGE_SHIFT;
}

static int show_statm(struct proc_text *t, const struct proc_node *node)
{
	struct mm_struct *mm = fs_hook_task_mm(node->pid);

	if (!mm) {
		proc_puts(t, "0 0 0 0 0 0 0\n");
		return fs_hook_pid_alive(node->pid) ? 0 : -ESRCH;
	}
	proc_printf(
		t, "%lu %lu %lu %lu 0 %lu 0\n", mm->total_vm, get_mm_rss(mm),
		(unsigned long)(atomic_long_read(&mm->rss_file) + atomic_long_read(&mm->rss_shmem)),
		text_pages(mm), mm->data_vm + mm->stack_vm);
	mmput(mm);
	return 0;
}

/* ---- Its name -------------------------------------------------------------------------------- */

static int show_comm(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%s\n", info->comm);
	kfree(info);
	return 0;
}

static long write_comm(const struct proc_node *node, const char *text, size_t len)
{
	char name[16];
	int err;

	pagoda_strlcpy(name, text, sizeof(name));
	if (strchr(name, '\n'))
		*strchr(name, '\n') = '\0';
	err = fs_hook_set_comm(node->pid, name);
	return err ? err : (long)len;
}

/* ---- oom ------------------------------------------------------------------------------------- */

static int show_oom_score_adj(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%d\n", info->oom_score_adj);
	kfree(info);
	return 0;
}

static long write_oom_score_adj(const struct proc_node *node, const char *text, size_t len)
{
	long value;
	int err = proc_parse_long(text, &value);

	if (!err && (value < -1000 || value > 1000))
		err = -EINVAL;
	if (!err)
		err = fs_hook_set_oom_score_adj(node->pid, (int)value, false);
	return err ? err : (long)len;
}

/* The old scale: -17 .. 15. */
static int show_oom_adj(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%d\n", info->oom_score_adj == 1000 ? 15 : info->oom_score_adj * 17 / 1000);
	kfree(info);
	return 0;
}

static long write_oom_adj(const struct proc_node *node, const char *text, size_t len)
{
	long value;
	int err = proc_parse_long(text, &value);

	if (!err && (value < -17 || value > 15))
		err = -EINVAL;
	if (!err)
		err = fs_hook_set_oom_score_adj(node->pid,
						value == 15 ? 1000 : (int)value * 1000 / 17, true);
	return err ? err : (long)len;
}

/* What the killer counts, in thousandths of RAM and swap, shifted by the adjustment. */
static int show_oom_score(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);
	long points;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	points = fs_hook_oom_thousandths(node->pid);
	/*
	 * Linux 5.10 and later: between 0 and 2000, 666 for a small process unadjusted, 0 for one
	 * that is spared.
	 */
	points = points < 0 ? 0 : (1000 + points + info->oom_score_adj) * 2 / 3;
	proc_printf(t, "%ld\n", max(points, 0l));
	kfree(info);
	return 0;
}

/* ---- limits, mounts and the rest ------------------------------------------------------------- */

static void limit_value(struct proc_text *t, unsigned long value)
{
	size_t start = t->len;

	if (value == RLIM_INFINITY)
		proc_printf(t, "unlimited");
	else
		proc_printf(t, "%lu", value);
	proc_pad(t, start, 20);
	proc_printf(t, " ");
}

static int show_limits(struct proc_text *t, const struct proc_node *node)
{
	static const char *const names[RLIM_NLIMITS][2] = {
		[RLIMIT_CPU] = {"Max cpu time", "seconds"},
		[RLIMIT_FSIZE] = {"Max file size", "bytes"},
		[RLIMIT_DATA] = {"Max data size", "bytes"},
		[RLIMIT_STACK] = {"Max stack size", "bytes"},
		[RLIMIT_CORE] = {"Max core file size", "bytes"},
		[RLIMIT_RSS] = {"Max resident set", "bytes"},
		[RLIMIT_NPROC] = {"Max processes", "processes"},
		[RLIMIT_NOFILE] = {"Max open files", "files"},
		[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
		[RLIMIT_AS] = {"Max address space", "bytes"},
		[RLIMIT_LOCKS] = {"Max file locks", "locks"},
		[RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
		[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
		[RLIMIT_NICE] = {"Max nice priority", ""},
		[RLIMIT_RTPRIO] = {"Max realtime priority", ""},
		[RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};
	struct fs_task_info *info = proc_task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		proc_printf(t, "%-25s ", names[i][0]);
		limit_value(t, info->rlim[i].rlim_cur);
		limit_value(t, info->rlim[i].rlim_max);
		if (names[i][1][0])
			proc_printf(t, "%-10s", names[i][1]);
		proc_printf(t, "\n");
	}
	kfree(info);
	return 0;
}

/* Where it sleeps in the kernel is not told. */
static int show_wchan(struct proc_text *t, const struct proc_node *node)
{
	proc_putc(t, '0');
	return fs_hook_pid_alive(node->pid) ? 0 : -ESRCH;
}

static int show_personality(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info;
	int err = fs_hook_may_access(node->pid);

	if (err)
		return err == -EACCES ? -EPERM : err;
	info = proc_task_info(node);
	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%08x\n", info->personality);
	kfree(info);
	return 0;
}

static int show_coredump_filter(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "00000033\n");
	return 0;
}

static long accept(const struct proc_node *node, const char *text, size_t len)
{
	(void)node, (void)text;
	return (long)len;
}

static int show_io(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info;
	const struct task_io *io;
	int err = fs_hook_may_access(node->pid);

	if (err)
		return err;
	info = proc_task_info(node);
	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	io = &info->io;
	proc_printf(t,
		    "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\nread_bytes: %llu\n"
		    "write_bytes: %llu\ncancelled_write_bytes: %llu\n",
		    (unsigned long long)io->rchar, (unsigned long long)io->wchar,
		    (unsigned long long)io->syscr, (unsigned long long)io->syscw,
		    (unsigned long long)io->read_bytes, (unsigned long long)io->write_bytes,
		    (unsigned long long)io->cancelled_write_bytes);
	kfree(info);
	return 0;
}

static int show_cgroup(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "0::/\n");
	return 0;
}

/* ---- Links ----------------------------------------------------------------------------------- */

struct path_view {
	struct path path;
	bool found;
};

static void view_cwd(struct fs_task *task, void *arg)
{
	struct path_view *view = arg;

	if (!task->fs)
		return;
	view->path = task->fs->pwd;
	path_get(&view->path);
	view->found = true;
}

static void view_root(struct fs_task *task, void *arg)
{
	struct path_view *view = arg;

	if (!task->fs)
		return;
	view->path = task->fs->root;
	path_get(&view->path);
	view->found = true;
}

int proc_task_root(const struct proc_node *node, struct path *out)
{
	struct path_view view = {.found = false};

	if (!fs_hook_with_task(node->pid, view_root, &view))
		return -EINVAL;
	if (!view.found)
		return -ENOENT; /* it is ending */
	*out = view.path;
	return 0;
}

static int jump_by(const struct proc_node *node, void (*look)(struct fs_task *, void *),
		   struct path *out)
{
	struct path_view view = {.found = false};

	if (!may_look(node))
		return -EACCES;
	(void)fs_hook_with_task(node->pid, look, &view); /* gone: not found */
	if (!view.found)
		return -ENOENT;
	*out = view.path;
	return 0;
}

static int jump_cwd(const struct proc_node *node, struct path *out)
{
	return jump_by(node, view_cwd, out);
}

static int jump_root(const struct proc_node *node, struct path *out)
{
	return jump_by(node, view_root, out);
}

static int jump_exe(const struct proc_node *node, struct path *out)
{
	struct mm_struct *mm;
	int err = -ENOENT;

	if (!may_look(node))
		return -EACCES;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return -ENOENT;
	if (mm->exe_file) {
		*out = file_of(mm->exe_file)->f_path;
		path_get(out);
		err = 0;
	}
	mmput(mm);
	return err;
}

long proc_link_self(const struct proc_node *node, char *buf, size_t size)
{
	(void)node;
	return pagoda_snprintf(buf, size, "%d", fs_current()->process->pid);
}

long proc_link_thread_self(const struct proc_node *node, char *buf, size_t size)
{
	(void)node;
	return pagoda_snprintf(buf, size, "%d/task/%d", fs_current()->process->pid,
			       current_vm->pid);
}

/* ---- Threads ---- */

static const struct proc_entry thread_entry;

static bool lookup_thread(const struct proc_node *dir, const char *name, size_t len,
			  struct proc_node *out)
{
	int tid = proc_parse_number(name, len);
	struct pid *pid = tid > 0 ? fs_hook_find_thread(dir->pid, tid) : NULL;

	if (pid)
		*out = (struct proc_node){
			.entry = &thread_entry, .pid = pid, .nr = tid, .thread = true};
	return pid;
}

static void iterate_threads(const struct proc_node *dir, struct dir_context *ctx)
{
	int tid = (int)(ctx->pos - PROC_POS_DYNAMIC);

	while ((tid = fs_hook_next_thread(dir->pid, tid))) {
		struct proc_node node = {.entry = &thread_entry, .nr = tid};
		char name[12];
		int len = pagoda_snprintf(name, sizeof(name), "%d", tid);

		if (!ctx->emit(ctx, name, (size_t)len, PROC_POS_DYNAMIC + (u64)tid - 1,
			       proc_ino(&node), S_IFDIR >> 12))
			return;
		ctx->pos = PROC_POS_DYNAMIC + (u64)tid;
	}
}

/* ---- The tables ---- */

static int fdinfo_may_open(const struct proc_node *node)
{
	return fs_hook_may_access(node->pid);
}

#define FD_ENTRIES                                                                     \
	{.name = "fd",                                                                 \
	 .mode = S_IFDIR | 0500,                                                       \
	 .permission = proc_fd_permission,                                             \
	 .lookup = proc_lookup_fd,                                                     \
	 .iterate = proc_iterate_fds},                                                 \
	{                                                                              \
		.name = "fdinfo", .mode = S_IFDIR | 0555, .may_open = fdinfo_may_open, \
		.lookup = proc_lookup_fdinfo, .iterate = proc_iterate_fdinfos          \
	}

/* Files of an address space: of its regions, and of its bytes. */
#define MM_RECORDS(n, m, r)                                                      \
	{                                                                        \
		.name = n, .mode = S_IFREG | (m), .binds_mm = true, .records = r \
	}
#define MM_BYTES(n, m, ...)                                                     \
	{                                                                       \
		.name = n, .mode = S_IFREG | (m), .binds_mm = true, __VA_ARGS__ \
	}
#define MOUNTS(n, r)                                                                \
	{                                                                           \
		.name = n, .mode = S_IFREG | 0444, .binds_root = true, .records = r \
	}

#define COMMON_ENTRIES                                                                             \
	MM_BYTES("auxv", 0400, .read = proc_read_auxv), PROC_FILE("cgroup", 0444, show_cgroup),    \
		{.name = "cmdline", .mode = S_IFREG | 0444, .read = proc_read_cmdline},            \
		PROC_WRITE("comm", 0644, show_comm, write_comm), PROC_LINK("cwd", NULL, jump_cwd), \
		MM_BYTES("environ", 0400, .read = proc_read_environ),                              \
		PROC_LINK("exe", NULL, jump_exe), FD_ENTRIES, PROC_FILE("io", 0400, show_io),      \
		PROC_FILE("limits", 0444, show_limits),                                            \
		MM_RECORDS("maps", 0444, &proc_maps_records),                                      \
		MM_BYTES("mem", 0600, .read = proc_read_mem, .write_at = proc_write_mem,           \
			 .any_offset = true),                                                      \
		MOUNTS("mountinfo", &proc_mountinfo_records),                                      \
		MOUNTS("mounts", &proc_mounts_records),                                            \
		PROC_WRITE("oom_adj", 0644, show_oom_adj, write_oom_adj),                          \
		PROC_FILE("oom_score", 0444, show_oom_score),                                      \
		PROC_WRITE("oom_score_adj", 0644, show_oom_score_adj, write_oom_score_adj),        \
		MM_BYTES("pagemap", 0400, .read = proc_read_pagemap, .any_offset = true),          \
		PROC_FILE("personality", 0400, show_personality),                                  \
		PROC_LINK("root", NULL, jump_root),                                                \
		MM_RECORDS("numa_maps", 0444, &proc_numa_maps_records),                            \
		MM_RECORDS("smaps", 0444, &proc_smaps_records),                                    \
		MM_RECORDS("smaps_rollup", 0444, &proc_smaps_rollup_records),                      \
		PROC_FILE("stat", 0444, show_stat), PROC_FILE("statm", 0444, show_statm),          \
		PROC_FILE("status", 0444, proc_show_status), PROC_FILE("wchan", 0444, show_wchan)

static const struct proc_entry thread_entries[] = {COMMON_ENTRIES};

static const struct proc_entry thread_entry = PROC_DIR("thread", thread_entries);

static const struct proc_entry pid_entries[] = {
	COMMON_ENTRIES,
	PROC_WRITE("clear_refs", 0200, NULL, proc_write_clear_refs),
	PROC_WRITE("coredump_filter", 0644, show_coredump_filter, accept),
	{.name = "task",
	 .mode = S_IFDIR | 0555,
	 .lookup = lookup_thread,
	 .iterate = iterate_threads},
};

static int pid_permission(struct inode *inode, const struct proc_node *node, unsigned int mask)
{
	return fs_hook_pid_alive(node->pid) ? generic_permission(inode, mask) : -ESRCH;
}

const struct proc_entry proc_pid_entry = {
	.name = "pid",
	.mode = S_IFDIR | 0555,
	.permission = pid_permission,
	.children = pid_entries,
	.nr_children = ARRAY_SIZE(pid_entries),
};
