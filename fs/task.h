/* SPDX-License-Identifier: MIT */
/*
 * task.h: the seam between the file systems and the kernel's tasks.
 *
 * fs/ stands below kernel/ and never includes its headers. What it must know of the
 * running task lies in two structs that the kernel embeds in its own:
 *
 *	struct fs_task		one per thread: open files, directories, credentials
 *	struct fs_process	one per process (shared by its threads): ids, terminal
 *
 * The first part of this header is what the kernel provides (hooks named fs_hook_*),
 * the second what it calls at fork, exec and exit. System calls are in fs/syscalls.h.
 */
#pragma once

#include <pagoda/types.h>
#include <pagoda/atomic.h>
#include <pagoda/task_io.h>
#include <pagoda/vm_task.h>

struct files_struct; /* open files, shared by CLONE_FILES */
struct fs_struct;    /* root, current directory, umask; shared by CLONE_FS */
struct file;
struct vm_file;
struct mm_struct;
struct pid;
struct tty;
struct user_struct;

#define FS_NGROUPS_MAX 32
#define FS_NR_OPEN     65536u /* descriptors that a process may have at most: fs.nr_open */

/* Who a task is to permission checks. fsuid and fsgid follow euid and egid. */
struct fs_cred {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 cap_effective, cap_permitted; /* as /proc shows them; fs_hook_capable() decides */
	unsigned int ngroups;
	u32 groups[FS_NGROUPS_MAX];
};

/*
 * A system call that a signal interrupted and restart_syscall(2) goes on with: it
 * stored fn and args and returned -ERESTART_RESTARTBLOCK. The kernel's
 * restart_syscall calls fn(restart); with no fn it returns -EINTR.
 */
struct fs_restart {
	long (*fn)(struct fs_restart *restart);
	unsigned long arg[4];
	u64 deadline_ns;
};

/* Written by the kernel, except tty (written here, under tty's own lock). */
struct fs_process {
	int pid;	 /* (C) tgid: getpid() */
	int pgrp, sid;	 /* (A) */
	struct tty *tty; /* controlling terminal or NULL; fork copies it by fs_process_fork() */
};

struct fs_task {
	struct files_struct *files; /* NULL: a kernel thread, or exiting */
	struct fs_struct *fs;
	struct fs_cred cred;
	/* of cred.uid, with a reference: who is counted for what the task makes (fs/user.h) */
	struct user_struct *user;
	struct fs_process *process;
	struct fs_restart restart;
	struct task_io io; /* written by the task itself */
	/* (O) copies that a poll or select keeps while it waits: for the OOM killer */
	unsigned long poll_bytes;
};

/* Capabilities that calls on files ask for, by Linux's numbers. */
#define CAP_CHOWN	    0
#define CAP_DAC_OVERRIDE    1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER	    3
#define CAP_FSETID	    4
#define CAP_SETGID	    6
#define CAP_SETUID	    7
#define CAP_NET_ADMIN	    12
#define CAP_IPC_LOCK	    14
#define CAP_IPC_OWNER	    15
#define CAP_SYS_RAWIO	    17
#define CAP_SYS_CHROOT	    18
#define CAP_SYS_ADMIN	    21
#define CAP_SYS_RESOURCE    24
#define CAP_SYS_TTY_CONFIG  26
#define CAP_MKNOD	    27

/* ---- Hooks the kernel provides ------------------------------------------------------- */

/* Has the running task the capability? */
bool fs_hook_capable(int cap);
/*
 * For access(2), which checks for the real user: fs_hook_take_real_caps() gives the running task
 * the capabilities of its real user, and returns its effective ones, which fs_hook_restore_caps()
 * gives back.
 */
u64 fs_hook_take_real_caps(void);
void fs_hook_restore_caps(u64 effective);

/* The running task's. Never NULL in a system call. */
struct fs_task *fs_hook_current(void);

/*
 * Must the running task return to user mode to look at a signal (one that is neither
 * blocked nor ignored)? Interruptible waits then end with -ERESTARTSYS. Sending a signal
 * must port_unpark() its target.
 */
bool fs_hook_signal_pending(void);

/* Signal every process of a group; 0 or -ESRCH. May sleep. */
int fs_hook_signal_pgrp(int pgrp, int signo);
/*
 * Signals that a process group is to get in a moment; no user but the three hooks below looks
 * inside.
 */
struct fs_group_signals {
	struct list_head link; /* empty: none */
	int pgrp;
	u64 set;
};
/*
 * The same from an interrupt handler or under a spinlock, when that ends. s stays until
 * fs_hook_forget_signals().
 */
void fs_hook_signal_pgrp_later(struct fs_group_signals *s, int pgrp, int signo);
/* After such a spinlock: send them now. */
void fs_hook_run_deferred(void);
void fs_hook_forget_signals(struct fs_group_signals *s);
/* Signal one process (tgid); 0 or -ESRCH. Not from an interrupt handler. */
int fs_hook_signal_pid(int pid, int signo);
/* Signal the running thread (SIGPIPE, SIGXFSZ, SIGTTIN ...). */
void fs_hook_signal_self(int signo);
/* Does the running task block or ignore signo? */
bool fs_hook_signal_ignored(int signo);
/* Is this process group orphaned (nobody's parent in the same session outside it)? */
bool fs_hook_pgrp_orphaned(int pgrp);
/* The session of a group, or -ESRCH if there is none. Any context. */
int fs_hook_pgrp_session(int pgrp);

/*
 * ppoll, pselect, epoll_pwait: install the signal mask at user address sigmask (size
 * bytes, 8) for the time of this call; -EINVAL, -EFAULT. restore is called before
 * returning; interrupted: the return is by signal, so the old mask comes back only after
 * the handler's frame was built.
 */
int fs_hook_sigmask_set(unsigned long sigmask, size_t size);
void fs_hook_sigmask_restore(bool interrupted);

/* Wall clock, nanoseconds since 1970. Any context. */
u64 fs_hook_realtime_ns(void);

/* A command written to /dev/pagoda, without the newline; bytes taken or -errno. */
long kernel_report_command(const char *command, size_t len);

/* Text of uname's fields for /proc; never NULL. */
const char *fs_hook_hostname(void);
void fs_hook_set_hostname(const char *name, size_t len);

/* Number and foreground group of a terminal, or 0 and -1. tasklist_lock held, which keeps it. */
void fs_tty_numbers(const struct tty *tty, u64 *dev, int *pgrp);

/* ---- Tasks as /proc shows them ---------------------------------------------------------- */

/* A picture of one thread, and of its process in the fields marked (P). Times in ns. */
struct fs_task_info {
	int tid, tgid, ppid, pgrp, sid;
	char state; /* R S D T Z X t I, as Linux */
	char comm[16];
	u64 tty_dev;	    /* (P) 0: no terminal */
	int tty_pgrp;	    /* (P) its foreground, -1: no terminal */
	int exit_code;	    /* wait status, for zombies */
	unsigned int flags; /* 0x40: forked, not execed; 0x00200000 kernel thread */
	unsigned long min_flt, maj_flt, cmin_flt, cmaj_flt;
	u64 utime, stime, cutime, cstime; /* of the process in /proc/PID/stat, thread in task/TID */
	u64 start_time;			  /* since boot */
	int prio, nice, num_threads, exit_signal, cpu, policy, rt_priority;
	u64 sig_pending, shd_pending, sig_blocked, sig_ignored, sig_caught;
	unsigned int sigq_used, sigq_max;
	unsigned long nvcsw, nivcsw;
	int oom_score_adj;
	bool is_kthread;
	bool hidden; /* PR_SET_DUMPABLE 0, or without memory: its files are root's */
	struct fs_cred cred;
	unsigned long long cap_inheritable, cap_bounding, cap_ambient;
	struct rlimit rlim[RLIM_NLIMITS];
	struct task_io io; /* as the times: of the process, or of a thread */
	bool no_new_privs;
	unsigned int personality;
};
/*
 * The task with the number nr now, with a reference that never comes to stand for another task, or
 * NULL. Any context, as all of these but where it says otherwise.
 */
struct pid *fs_hook_find_pid(int nr);
/* The thread tid of the process of that task, or NULL. */
struct pid *fs_hook_find_thread(struct pid *process, int tid);
/* Take and drop a reference to pid, which may be NULL. */
void fs_hook_get_pid(struct pid *pid);
void fs_hook_put_pid(struct pid *pid);
/* Is the task still there (a zombie is)? */
bool fs_hook_pid_alive(struct pid *pid);
/* Is it a thread of the caller's process? */
bool fs_hook_pid_is_mine(struct pid *pid);
/* Is there a task of that number? */
bool fs_hook_task_exists(int tid);
/* Fill *info; thread: times and faults of the thread alone. false: the task is gone. */
bool fs_hook_task_info(struct pid *pid, bool thread, struct fs_task_info *info);
/* May the caller look into the task (ptrace's rule, by its file-system ids)? 0, -EACCES, -ESRCH. */
int fs_hook_may_access(struct pid *pid);
/*
 * Its mm for an open file: mm_count raised (mmdrop it); NULL: it has none; ERR_PTR: ESRCH, EACCES
 * (may not look).
 */
struct mm_struct *fs_hook_open_mm(struct pid *pid) __must_check;
/* The process with the smallest tgid above pid (0: the first), or 0 at the end. */
int fs_hook_next_process(int pid);
/* The thread of that process with the smallest tid above tid, or 0. */
int fs_hook_next_thread(struct pid *process, int tid);
/* Its mm with mm_users raised (mmput it, which may sleep), or NULL. */
struct mm_struct *fs_hook_task_mm(struct pid *pid);
/*
 * Call fn(task, arg) on the fs_task while it cannot go away; false if the task is gone. fn must not
 * sleep; it takes counted references to what it needs.
 */
bool fs_hook_with_task(struct pid *pid, void (*fn)(struct fs_task *task, void *arg), void *arg);
/* Call fn for every process until it returns false; fn must not sleep. Any context. */
void fs_hook_for_each_process(bool (*fn)(struct fs_process *process, void *arg), void *arg);
/*
 * Thousandths of RAM and swap that the end of a process would give back, by what the OOM killer
 * counts; -1: it is not to be killed.
 */
long fs_hook_oom_thousandths(struct pid *pid);
/*
 * -1000 .. 1000, by oom_score_adj or oom_adj (old_file); 0, -ESRCH, -EACCES (lower than allowed
 * without privilege).
 */
int fs_hook_set_oom_score_adj(struct pid *pid, int value, bool old_file);
/* 0, -ESRCH, -EINVAL (not a thread of the caller's process). */
int fs_hook_set_comm(struct pid *pid, const char *name);

/* Bytes of the kernel stacks of all tasks. */
unsigned long fs_hook_stack_bytes(void);

/* System-wide counts for /proc/{stat,uptime,loadavg}; times in ns per CPU. */
struct fs_system_info {
	unsigned int nr_cpus;
	struct {
		u64 user, nice, system, idle;
	} cpu[8];
	u64 interrupts, context_switches, forks;
	u64 boot_realtime_ns;
	unsigned int nr_running, nr_blocked, nr_threads;
	int last_pid;
	unsigned long load_fixed[3]; /* 1, 5, 15 minutes, scaled by 2048 as Linux */
};
void fs_hook_system_info(struct fs_system_info *info);

/* ---- What the kernel calls ----------------------------------------------------------------- */

/* What fs_init() starts from, and where it got stuck. */
struct fs_boot {
	const char *cmdline; /* the kernel's command line */
	const void *archive; /* the initramfs, cpio of format "newc" */
	size_t size;	     /* its bytes; 0: there is none */
	/* The first bytes of the archive are not looked at any more. NULL: nobody wants to know. */
	void (*consumed)(size_t bytes);
	const char *failed; /* out: what could not be done ("mount the disk") */
};

/*
 * Boot, in a task that may sleep, after mm_boot() and machine_init(): mounts tmpfs on /,
 * devtmpfs on /dev, proc on /proc, unpacks the archive, mounts the disk that root= names, and
 * gives task its files and directories. 0, or -errno with boot->failed set. The archive's
 * memory is not needed afterwards.
 */
int fs_init(struct fs_task *task, struct fs_boot *boot);

/* The machine stops: write everything and mark file systems on disks as clean. May sleep. */
void fs_shutdown(void);

/*
 * Fork: fill the child's files and fs from the parent's, shared or copied. 0 or -ENOMEM,
 * -EMFILE with nothing changed in child. cred and process are the caller's to copy.
 */
int fs_task_fork(struct fs_task *child, struct fs_task *parent, bool share_files,
		 bool share_fs) __must_check;
/* Has the current task's descriptor fd its close-on-exec flag set? */
bool fs_fd_closes_on_exec(unsigned int fd);
/* A new process inherits its parent's terminal. */
void fs_process_fork(struct fs_process *child, struct fs_process *parent);
/*
 * Pages of kernel memory that the task keeps through its descriptors and its end would give back
 * (kernel_pages.c);
 * mapped: pages of files that its address space counts already. The list of tasks held, interrupts
 * off.
 */
unsigned long fs_task_kernel_pages(struct fs_task *task, unsigned long mapped);
/* Exit: close files (last user), drop directories. May sleep. Safe to call twice. */
void fs_task_exit(struct fs_task *task);
/*
 * A process goes away: if it leads a session, its terminal is hung up for the foreground
 * group (SIGHUP, SIGCONT) and taken from the session. May sleep.
 */
void fs_process_exit(struct fs_process *process);
/* setsid(2) succeeded: the process has no terminal any more. */
void fs_process_setsid(struct fs_process *process);
/* exec, at the point of no return: a files table of its own, close-on-exec done. 0 or -ENOMEM. */
int fs_task_unshare_files(struct fs_task *task) __must_check;
/* The same for directories and umask. */
int fs_task_unshare_fs(struct fs_task *task) __must_check;
void fs_task_close_on_exec(struct fs_task *task);
/*
 * Do other processes move the task's directories and change its umask? The other threads of its own
 * have ended.
 */
bool fs_task_shares_fs(const struct fs_task *task);
/*
 * May the running task not read this program, only execute it? Then nobody shall see its memory
 * either.
 */
bool fs_exec_unreadable(struct file *file);

/*
 * A program for execve: path in kernel memory, resolved from dirfd (AT_FDCWD -100) with
 * openat's flags AT_EMPTY_PATH 0x1000 and AT_SYMLINK_NOFOLLOW 0x100. Checks x permission;
 * the file cannot be opened for writing while it is referenced (ETXTBSY), unless
 * fs_exec_allow_write(file) was called (interpreters). A reference or ERR_PTR: ENOENT EACCES
 * ENOTDIR ELOOP ENAMETOOLONG ETXTBSY ENOMEM. May sleep.
 */
struct file *fs_open_exec(int dirfd, const char *path, int flags) __must_check;
void fs_exec_allow_write(struct file *file);
/* The file as mmap takes it (vm_file is embedded; put_vm_file(file_vm(f)) drops the reference). */
struct vm_file *file_vm(struct file *file);
/* Read into kernel memory at pos; bytes, short only at the end, or -errno. May sleep. */
long fs_read_kernel(struct file *file, void *buf, size_t count, u64 pos);
/* mode, owner for set-id execution. */
struct fs_exec_attr {
	u32 mode, uid, gid;
	u64 size;
	bool nosuid;
};
void fs_exec_attributes(struct file *file, struct fs_exec_attr *attr);
/*
 * The path of an open file in buf (for AT_EXECFN of fexecve, core names). Returns its start in buf,
 * or ERR_PTR.
 */
char *fs_file_path(struct file *file, char *buf, size_t size);

/* mmap(2): the file behind an fd with a reference, -EBADF if none or O_PATH. */
struct vm_file *fs_fget_vm(int fd) __must_check;
void fs_put_file(struct file *file);
/*
 * Copy a path from user memory to a buffer freed by fs_putname(); ERR_PTR EFAULT ENAMETOOLONG
 * ENOENT(empty).
 */
char *fs_getname(unsigned long user_path, bool allow_empty) __must_check;
void fs_putname(char *name);

/* Identity of the object behind a mapping, for futex keys and /proc/PID/maps. */
u64 fs_mapping_id(struct vm_file *file);
