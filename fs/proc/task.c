/* SPDX-License-Identifier: MIT */
/*
 * task.c: /proc/PID: a process (or, in task/TID, a thread) as files.
 *
 * All comes from one picture of the task (fs_task_info, one moment) and from its address
 * space, which is held while it is looked at. Zombies and kernel threads have none: their
 * sizes are zero and maps empty, as on Linux.
 *
 * Looking at another user's environment or memory needs the same user or root (EACCES).
 */
#include <fs/proc/proc.h>
#include <fs/tty.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define NSEC_PER_TICK 10000000ull
#define KB(pages)     ((pages) * (PAGE_SIZE / SZ_1K))
#define CMDLINE_CHUNK 1024ul

static struct fs_task_info *task_info(const struct proc_node *node)
{
	struct fs_task_info *info = kmalloc(sizeof(*info), GFP_KERNEL);

	if (!info)
		return ERR_PTR(-ENOMEM);
	if (fs_hook_task_info(node->pid, info))
		return info;
	kfree(info);
	return ERR_PTR(-ESRCH);
}

/* Linux's encoding of device numbers in stat's field 7. */
static unsigned int encode_dev(u64 dev)
{
	unsigned int major = MAJOR(dev), minor = MINOR(dev);

	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

/* ---- stat, statm, status ---------------------------------------------------------------------- */

static unsigned long long ticks(u64 ns)
{
	return ns / NSEC_PER_TICK;
}

static void stat_memory(struct proc_text *t, struct mm_struct *mm)
{
	struct mm_struct none;

	if (!mm) {
		memset(&none, 0, sizeof(none));
		mm = &none;
	}
	proc_printf(t, " %lu %lu", mm->total_vm * PAGE_SIZE, get_mm_rss(mm));
}

static void stat_layout(struct proc_text *t, const struct mm_struct *mm)
{
	if (mm)
		proc_printf(t, " %lu %lu %lu", mm->start_code, mm->end_code, mm->start_stack);
	else
		proc_printf(t, " 0 0 0");
}

static void stat_tail(struct proc_text *t, const struct fs_task_info *info,
		      const struct mm_struct *mm)
{
	proc_printf(t, " %d %d %d %d 0 0 0", info->exit_signal, info->cpu, info->rt_priority,
		    info->policy);
	if (mm)
		proc_printf(t, " %lu %lu %lu %lu %lu %lu %lu", mm->start_data, mm->end_data,
			    mm->start_brk, mm->arg_start, mm->arg_end, mm->env_start, mm->env_end);
	else
		proc_printf(t, " 0 0 0 0 0 0 0");
	proc_printf(t, " %d\n", info->exit_code);
}

static int show_stat(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);
	struct mm_struct *mm;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	mm = fs_hook_task_mm(node->pid);
	proc_printf(t, "%d (%s) %c %d %d %d %u %d %u", info->tid, info->comm, info->state,
		    info->ppid, info->pgrp, info->sid, encode_dev(info->tty_dev), info->tty_pgrp, info->flags);
	proc_printf(t, " %lu %lu %lu %lu %llu %llu %llu %llu", info->min_flt, info->cmin_flt,
		    info->maj_flt, info->cmaj_flt, ticks(info->utime), ticks(info->stime),
		    ticks(info->cutime), ticks(info->cstime));
	proc_printf(t, " %d %d %d 0 %llu", info->prio, info->nice, info->num_threads,
		    ticks(info->start_time));
	stat_memory(t, mm);
	proc_printf(t, " %lu", info->rlim[RLIMIT_RSS].rlim_cur);
	stat_layout(t, mm);
	proc_printf(t, " %lu %lu %llu %llu %llu %llu 0 0 0", info->user_sp, info->user_ip,
		    (unsigned long long)(info->sig_pending & 0x7fffffff),
		    (unsigned long long)(info->sig_blocked & 0x7fffffff),
		    (unsigned long long)(info->sig_ignored & 0x7fffffff),
		    (unsigned long long)(info->sig_caught & 0x7fffffff));
	stat_tail(t, info, mm);
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
		proc_printf(t, "0 0 0 0 0 0 0\n");
		return 0;
	}
	proc_printf(t, "%lu %lu %lu %lu 0 %lu 0\n", mm->total_vm, get_mm_rss(mm),
		    (unsigned long)(atomic_long_read(&mm->rss_file) +
				    atomic_long_read(&mm->rss_shmem)),
		    text_pages(mm), mm->data_vm + mm->stack_vm);
	mmput(mm);
	return 0;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 't':
		return "tracing stop";
	case 'Z':
		return "zombie";
	case 'I':
		return "idle";
	default:
		return "dead";
	}
}

/* umask and the table's size, taken while the task cannot go. */
struct shared_view {
	int umask;
	unsigned int fd_size;
};

static void view_shared(struct fs_task *task, void *arg)
{
	struct shared_view *view = arg;

	view->umask = task->fs ? (int)task->fs->umask : -1;
	view->fd_size = task->files ? files_capacity(task->files) : 0;
}

static void status_ids(struct proc_text *t, const struct fs_task_info *info)
{
	const struct fs_cred *c = &info->cred;

	proc_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid,
		    c->fsuid, c->gid, c->egid, c->sgid, c->fsgid);
}

static void status_groups(struct proc_text *t, const struct fs_task_info *info)
{
	proc_printf(t, "Groups:\t");
	for (unsigned int i = 0; i < info->cred.ngroups; i++)
		proc_printf(t, "%u ", info->cred.groups[i]);
	proc_printf(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", info->tgid, info->tid,
		    info->pgrp, info->sid);
}

static void status_memory(struct proc_text *t, struct mm_struct *mm)
{
	unsigned long anon = (unsigned long)atomic_long_read(&mm->rss_anon);
	unsigned long file = (unsigned long)atomic_long_read(&mm->rss_file);
	unsigned long shmem = (unsigned long)atomic_long_read(&mm->rss_shmem);
	unsigned long text = text_pages(mm), exec = mm->exec_vm;

	proc_printf(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8lu kB\n",
		    KB(max(mm->hiwater_vm, mm->total_vm)), KB(mm->total_vm), KB(mm->locked_vm), 0ul);
	proc_printf(t, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", KB(get_mm_hiwater_rss(mm)),
		    KB(get_mm_rss(mm)));
	proc_printf(t, "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8lu kB\n", KB(anon),
		    KB(file), KB(shmem));
	proc_printf(t, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8lu kB\n",
		    KB(mm->data_vm), KB(mm->stack_vm), KB(text), KB(exec > text ? exec - text : 0));
	proc_printf(t, "VmPTE:\t%8lu kB\nVmSwap:\t%8lu kB\nHugetlbPages:\t%8lu kB\n",
		    (unsigned long)atomic_long_read(&mm->pgtables_bytes) / SZ_1K,
		    KB((unsigned long)atomic_long_read(&mm->swap_usage)), 0ul);
	proc_printf(t, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void status_signals(struct proc_text *t, const struct fs_task_info *info)
{
	proc_printf(t, "Threads:\t%d\nSigQ:\t%u/%u\n", info->num_threads, info->sigq_used,
		    info->sigq_max);
	proc_printf(t, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\n"
		       "SigCgt:\t%016llx\n",
		    (unsigned long long)info->sig_pending, (unsigned long long)info->shd_pending,
		    (unsigned long long)info->sig_blocked, (unsigned long long)info->sig_ignored,
		    (unsigned long long)info->sig_caught);
}

static void status_tail(struct proc_text *t, const struct fs_task_info *info)
{
	proc_printf(t, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
		       "CapAmb:\t%016llx\n", info->cap_inheritable, (unsigned long long)info->cred.cap_permitted,
		    (unsigned long long)info->cred.cap_effective, info->cap_bounding, info->cap_ambient);
	proc_printf(t, "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"
		       "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunknown\n");
	proc_printf(t, "Cpus_allowed:\t%x\nCpus_allowed_list:\t0", (1u << port_nr_cpus()) - 1);
	if (port_nr_cpus() > 1)
		proc_printf(t, "-%u", port_nr_cpus() - 1);
	proc_printf(t, "\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\n"
		       "nonvoluntary_ctxt_switches:\t%lu\n", info->nvcsw, info->nivcsw);
}

static int show_status(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);
	struct shared_view view = { -1, 0 };
	struct mm_struct *mm;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	mm = fs_hook_task_mm(node->pid);
	(void)fs_hook_with_task(node->pid, view_shared, &view); /* gone: as for a zombie */
	proc_printf(t, "Name:\t%s\n", info->comm);
	if (view.umask >= 0)
		proc_printf(t, "Umask:\t%04o\n", (unsigned int)view.umask);
	proc_printf(t, "State:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		    info->state, state_name(info->state), info->tgid, info->tid, info->ppid);
	status_ids(t, info);
	proc_printf(t, "FDSize:\t%u\n", view.fd_size);
	status_groups(t, info);
	if (mm) {
		status_memory(t, mm);
		mmput(mm);
	}
	status_signals(t, info);
	status_tail(t, info);
	kfree(info);
	return 0;
}

/* ---- What it was started with -------------------------------------------------------------------- */

/* Append [start, end) of the address space. */
static void append_memory(struct proc_text *t, struct mm_struct *mm, unsigned long start,
			  unsigned long end)
{
	char *chunk = kmalloc(CMDLINE_CHUNK, GFP_KERNEL);

	while (chunk && start < end) {
		size_t n = min(end - start, CMDLINE_CHUNK);
		size_t got = access_process_vm(mm, start, chunk, n, false, true);

		proc_write_bytes(t, chunk, got);
		start += got;
		if (got < n)
			break;
	}
	kfree(chunk);
}

/*
 * A program may overwrite its arguments to show a title (setproctitle): if the last byte
 * is not 0 any more, the text goes on up to the first 0, into the environment if need be.
 */
static int show_cmdline(struct proc_text *t, const struct proc_node *node)
{
	struct mm_struct *mm = fs_hook_task_mm(node->pid);

	if (!mm)
		return 0;
	append_memory(t, mm, mm->arg_start, mm->arg_end);
	if (t->len && t->buf[t->len - 1]) {
		size_t n = strnlen(t->buf, t->len);

		if (n == t->len) {
			append_memory(t, mm, mm->arg_end, mm->env_end);
			n = strnlen(t->buf, t->len);
		}
		t->len = n;
	}
	mmput(mm);
	return 0;
}

/* May the caller look into this process? */
static int may_look(const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);
	const struct fs_cred *me = &fs_current()->cred;
	int err = 0;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	if (me->fsuid != 0 && (me->fsuid != info->cred.euid || me->fsuid != info->cred.suid ||
			       me->fsuid != info->cred.uid))
		err = -EACCES;
	kfree(info);
	return err;
}

static int show_environ(struct proc_text *t, const struct proc_node *node)
{
	struct mm_struct *mm;
	int err = may_look(node);

	if (err)
		return err;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return 0;
	append_memory(t, mm, mm->env_start, mm->env_end);
	mmput(mm);
	return 0;
}

static int show_auxv(struct proc_text *t, const struct proc_node *node)
{
	struct mm_struct *mm = fs_hook_task_mm(node->pid);
	unsigned int n = 0;

	if (!mm)
		return 0;
	while (n + 2 < ARRAY_SIZE(mm->saved_auxv) && mm->saved_auxv[n])
		n += 2;
	proc_write_bytes(t, mm->saved_auxv, (n + 2) * sizeof(mm->saved_auxv[0]));
	mmput(mm);
	return 0;
}

static int show_comm(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%s\n", info->comm);
	kfree(info);
	return 0;
}

static long write_comm(const struct proc_node *node, const char *text, size_t len)
{
	char name[16];

	pagoda_strlcpy(name, text, sizeof(name));
	if (strchr(name, '\n'))
		*strchr(name, '\n') = '\0';
	fs_hook_set_comm(node->pid, name);
	return (long)len;
}

/* ---- oom ------------------------------------------------------------------------------------------ */

static int show_oom_score_adj(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);

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
		err = fs_hook_set_oom_score_adj(node->tgid, (int)value);
	return err ? err : (long)len;
}

/* The old scale: -17 .. 15. */
static int show_oom_adj(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	proc_printf(t, "%d\n",
		    info->oom_score_adj == 1000 ? 15 : info->oom_score_adj * 17 / 1000);
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
		err = fs_hook_set_oom_score_adj(node->tgid,
						value == 15 ? 1000 : (int)value * 1000 / 17);
	return err ? err : (long)len;
}

/* Resident part of RAM in thousandths, as the killer sees it, shifted by the adjustment. */
static int show_oom_score(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = task_info(node);
	struct mm_struct *mm;
	long points = 0;

	if (IS_ERR(info))
		return (int)PTR_ERR(info);
	mm = fs_hook_task_mm(node->pid);
	if (mm) {
		points = (long)(get_mm_rss(mm) * 1000 / totalram_pages()) + info->oom_score_adj;
		mmput(mm);
	}
	/* Linux 5.10 and later: between 0 and 2000, 666 for a small process unadjusted. */
	proc_printf(t, "%ld\n", max((1000 + points) * 2 / 3, 0l));
	kfree(info);
	return 0;
}

/* ---- limits, mounts and the rest ------------------------------------------------------------------------- */

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
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct fs_task_info *info = task_info(node);

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

/* What is mounted, as seen from the reader's root. */
static int show_from_root(struct proc_text *t,
			  void (*show)(void (*emit)(void *arg, const char *text), void *arg, const struct path *root))
{
	struct path root;

	get_fs_root(&root);
	show(proc_emit, t, &root);
	path_put(&root);
	return 0;
}

static int show_mounts(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	return show_from_root(t, mounts_show);
}

static int show_mountinfo(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	return show_from_root(t, mountinfo_show);
}

static int show_zero(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "0");
	return 0;
}

static int show_personality(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "00000000\n");
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
	(void)node;
	proc_printf(t, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
		       "cancelled_write_bytes: 0\n");
	return 0;
}

static int show_cgroup(struct proc_text *t, const struct proc_node *node)
{
	(void)node;
	proc_printf(t, "0::/\n");
	return 0;
}

/* ---- Links ---------------------------------------------------------------------------------------------------- */

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

static int jump_by(const struct proc_node *node, void (*look)(struct fs_task *, void *),
		   struct path *out)
{
	struct path_view view = { .found = false };
	int err = may_look(node);

	if (err)
		return err;
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
	int err = may_look(node);

	if (err)
		return err;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return -ENOENT;
	err = -ENOENT;
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
	return pagoda_snprintf(buf, size, "%d/task/%d", fs_current()->process->pid, current_vm->pid);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static const struct proc_entry thread_entry;

static bool lookup_thread(const struct proc_node *dir, const char *name, size_t len,
			  struct proc_node *out)
{
	int tid = proc_parse_number(name, len);
	struct fs_task_info *info;
	bool found;

	if (tid <= 0)
		return false;
	info = kmalloc(sizeof(*info), GFP_KERNEL);
	found = info && fs_hook_task_info(tid, info) && info->tgid == dir->tgid;
	kfree(info);
	if (found)
		*out = (struct proc_node){ &thread_entry, tid, dir->tgid, 0, 0 };
	return found;
}

static void iterate_threads(const struct proc_node *dir, struct dir_context *ctx)
{
	int tid = (int)(ctx->pos - PROC_POS_DYNAMIC);

	while ((tid = fs_hook_next_thread(dir->tgid, tid))) {
		struct proc_node node = { &thread_entry, tid, dir->tgid, 0, 0 };
		char name[12];
		int len = pagoda_snprintf(name, sizeof(name), "%d", tid);

		if (!ctx->emit(ctx, name, (size_t)len, PROC_POS_DYNAMIC + (u64)tid - 1,
			       proc_ino(&node), S_IFDIR >> 12))
			return;
		ctx->pos = PROC_POS_DYNAMIC + (u64)tid;
	}
}

/* ---- The tables ------------------------------------------------------------------------------------------------------ */

#define FD_ENTRIES                                                                                 \
	{ .name = "fd", .mode = S_IFDIR | 0500, .lookup = proc_lookup_fd,                          \
	  .iterate = proc_iterate_fds },                                                           \
	{ .name = "fdinfo", .mode = S_IFDIR | 0500, .lookup = proc_lookup_fdinfo,                  \
	  .iterate = proc_iterate_fdinfos }

#define COMMON_ENTRIES                                                                             \
	PROC_GUARDED("auxv", 0400, show_auxv), PROC_FILE("cgroup", 0444, show_cgroup),                \
	PROC_FILE("cmdline", 0444, show_cmdline), PROC_WRITE("comm", 0644, show_comm, write_comm), \
	PROC_LINK("cwd", NULL, jump_cwd), PROC_GUARDED("environ", 0400, show_environ),                \
	PROC_LINK("exe", NULL, jump_exe), FD_ENTRIES, PROC_FILE("io", 0400, show_io),              \
	PROC_FILE("limits", 0444, show_limits), PROC_GUARDED("maps", 0444, proc_show_maps),           \
	{ .name = "mem", .mode = S_IFREG | 0600, .guarded = true, .read = proc_read_mem,           \
	  .write_at = proc_write_mem },                                                            \
	PROC_FILE("mountinfo", 0444, show_mountinfo), PROC_FILE("mounts", 0444, show_mounts),      \
	PROC_WRITE("oom_adj", 0644, show_oom_adj, write_oom_adj),                                  \
	PROC_FILE("oom_score", 0444, show_oom_score),                                              \
	PROC_WRITE("oom_score_adj", 0644, show_oom_score_adj, write_oom_score_adj),                \
	{ .name = "pagemap", .mode = S_IFREG | 0400, .guarded = true, .read = proc_read_pagemap }, \
	PROC_FILE("personality", 0400, show_personality), PROC_LINK("root", NULL, jump_root),      \
	PROC_GUARDED("numa_maps", 0444, proc_show_numa_maps),                                         \
	PROC_GUARDED("smaps", 0444, proc_show_smaps),                                                 \
	PROC_GUARDED("smaps_rollup", 0444, proc_show_smaps_rollup),                                   \
	PROC_FILE("stat", 0444, show_stat), PROC_FILE("statm", 0444, show_statm),                  \
	PROC_FILE("status", 0444, show_status), PROC_FILE("wchan", 0444, show_zero)

static const struct proc_entry thread_entries[] = { COMMON_ENTRIES };

static const struct proc_entry thread_entry = PROC_DIR("thread", thread_entries);

static const struct proc_entry pid_entries[] = {
	COMMON_ENTRIES,
	PROC_WRITE("clear_refs", 0200, NULL, proc_write_clear_refs),
	PROC_WRITE("coredump_filter", 0644, show_coredump_filter, accept),
	{ .name = "task", .mode = S_IFDIR | 0555, .lookup = lookup_thread, .iterate = iterate_threads },
};

const struct proc_entry proc_pid_entry = PROC_DIR("pid", pid_entries);
