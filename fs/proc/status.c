/* SPDX-License-Identifier: MIT */
/*
 * status.c: /proc/PID/status: a task in lines for people, every line that Linux 6.1 has.
 *
 * What this kernel does not have is told as Linux tells it when it is switched off: no tracer, no
 * seccomp, no huge pages; what it cannot know (the CPU's speculation bugs) is "unknown".
 */
#include <fs/proc/proc.h>
#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define KB(pages) ((pages) * (PAGE_SIZE / SZ_1K))

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
	proc_printf(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", info->tgid,
		    info->tid, info->pgrp, info->sid);
}

static void status_memory(struct proc_text *t, struct mm_struct *mm)
{
	unsigned long anon = (unsigned long)atomic_long_read(&mm->rss_anon);
	unsigned long file = (unsigned long)atomic_long_read(&mm->rss_file);
	unsigned long shmem = (unsigned long)atomic_long_read(&mm->rss_shmem);
	unsigned long text =
		(PAGE_ALIGN(mm->end_code) - (mm->start_code & PAGE_MASK)) >> PAGE_SHIFT;
	unsigned long exec = mm->exec_vm;

	proc_printf(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8lu kB\n",
		    KB(max(mm->hiwater_vm, mm->total_vm)), KB(mm->total_vm), KB(mm->locked_vm),
		    0ul);
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
	proc_printf(t,
		    "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\n"
		    "SigCgt:\t%016llx\n",
		    (unsigned long long)info->sig_pending, (unsigned long long)info->shd_pending,
		    (unsigned long long)info->sig_blocked, (unsigned long long)info->sig_ignored,
		    (unsigned long long)info->sig_caught);
}

static void status_caps(struct proc_text *t, const struct fs_task_info *info)
{
	proc_printf(t,
		    "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
		    "CapAmb:\t%016llx\n",
		    info->cap_inheritable, (unsigned long long)info->cred.cap_permitted,
		    (unsigned long long)info->cred.cap_effective, info->cap_bounding,
		    info->cap_ambient);
	proc_printf(t,
		    "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n"
		    "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunknown\n",
		    info->no_new_privs);
}

/* "name:" with the mask of the first nr, and "name_list:" with their range. */
static void allowed(struct proc_text *t, const char *name, unsigned int nr)
{
	proc_printf(t, "%s:\t%llx\n%s_list:\t0", name, (1ull << nr) - 1, name);
	if (nr > 1)
		proc_printf(t, "-%u", nr - 1);
	proc_putc(t, '\n');
}

static unsigned int nr_nodes(void)
{
	pg_data_t *pgdat;
	unsigned int nr = 0;

	for_each_pgdat(pgdat)
		nr++;
	return nr;
}

static void status_tail(struct proc_text *t, const struct fs_task_info *info)
{
	allowed(t, "Cpus_allowed", port_nr_cpus());
	allowed(t, "Mems_allowed", nr_nodes());
	proc_printf(t, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		    info->nvcsw, info->nivcsw);
}

int proc_show_status(struct proc_text *t, const struct proc_node *node)
{
	struct fs_task_info *info = proc_task_info(node);
	struct shared_view view = {-1, 0};
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
	status_caps(t, info);
	status_tail(t, info);
	kfree(info);
	return 0;
}
