/* SPDX-License-Identifier: MIT */
/* process.h: the life of a process: fork, exec, exit, wait (kernel/{fork,exec,elf,exit,wait}.c). */
#pragma once

#include <kernel/task.h>

#define CLONE_VM	     0x00000100ul
#define CLONE_FS	     0x00000200ul
#define CLONE_FILES	     0x00000400ul
#define CLONE_SIGHAND	     0x00000800ul
#define CLONE_NEWTIME	     0x00000080ul /* of unshare: a bit of the exit signal in clone */
#define CLONE_PIDFD	     0x00001000ul
#define CLONE_PTRACE	     0x00002000ul
#define CLONE_VFORK	     0x00004000ul
#define CLONE_PARENT	     0x00008000ul
#define CLONE_THREAD	     0x00010000ul
#define CLONE_NEWNS	     0x00020000ul
#define CLONE_SYSVSEM	     0x00040000ul
#define CLONE_SETTLS	     0x00080000ul
#define CLONE_PARENT_SETTID  0x00100000ul
#define CLONE_CHILD_CLEARTID 0x00200000ul
#define CLONE_DETACHED	     0x00400000ul
#define CLONE_UNTRACED	     0x00800000ul
#define CLONE_CHILD_SETTID   0x01000000ul
#define CLONE_NAMESPACES     0x7e020000ul /* NEWNS, NEWCGROUP .. NEWNET */
#define CSIGNAL		     0x000000fful
#define CLONE_CLEAR_SIGHAND  0x100000000ul /* clone3 */

/* A task to be made: of the current one, or a kernel thread (fn). */
struct clone_request {
	unsigned long flags;
	unsigned long newsp, ptid, ctid, pidfd, tls;
	int exit_signal;
	int wanted_tid;	  /* 0: any */
	const char *name; /* kernel threads only, with fn */
	void (*fn)(void *arg);
	void *arg;
};

/* ---- fork.c, clone.c ------------------------------------------------------------------------- */
void fork_init(void);
/*
 * What a task keeps of the kernel's memory beside its address space, in pages: for the OOM killer
 * (oom.h).
 */
unsigned long task_kernel_pages(struct vm_task *task);
/* The parts of a task, and of a process led by leader, that are the same in every new one. */
void init_task_parts(struct task_struct *t);
void init_signal_parts(struct signal_struct *sig, struct task_struct *leader);
/* A kernel thread by name, not yet on the run queue; NULL: no memory. May sleep. */
struct task_struct *kthread_alloc(const char *name, void (*fn)(void *arg), void *arg) __must_check;
/* A new task, visible but not yet running, or ERR_PTR. May sleep. */
struct task_struct *copy_process(const struct clone_request *req) __must_check;
void put_sighand(struct sighand_struct *sighand);
struct sighand_struct *copy_sighand(const struct sighand_struct *old) __must_check;
/* The address space that a vfork parent waits for is given up: exec or exit. */
void vfork_done(struct task_struct *t);
void park_timeout(struct ktimer *timer); /* sched.c */

/* ---- exec.c, elf.c ------------------------------------------------------------------------ */
/* Strings for a program: in user memory, or the kernel's own (init). */
struct arg_list {
	bool kernel;
	unsigned long user;
	const char *const *strings;
};
/*
 * Replace the current program. path in kernel memory; dirfd and flags as execveat. 0, with
 * the new program's registers set, or -errno: with the old one intact, or, past the point
 * of no return, about to die of SIGSEGV. May sleep.
 */
long do_execve(int dirfd, const char *path, struct arg_list argv, struct arg_list envp, int flags);

/* ---- exit.c, wait.c ------------------------------------------------------------------------ */
/* code: raw wait status. */
__noreturn void do_exit(int code);
__noreturn void do_group_exit(int code);
/* Take an ended task out of every table. tasklist_lock held; put_task() it afterwards. */
void release_task_locked(struct task_struct *t);
/*
 * Every other thread of the process exits; returns when they have. -EAGAIN: we are to die
 * ourselves.
 */
int kill_other_threads(void);

/* Copy a struct rusage out. */
struct task_usage;
int put_rusage(unsigned long uaddr, const struct task_usage *u) __must_check;
/* Boot: give the core the running task's I/O counters (task_io.h). */
void task_io_init(void);
/* Add io's counts to sum. */
void add_io(struct task_io *sum, const struct task_io *io);
void add_usage(struct task_usage *sum, const struct task_usage *u);
/* What one thread / a whole process without its children used. tasklist_lock held. */
void task_usage(struct task_struct *t, struct task_usage *u);
void process_usage(struct signal_struct *sig, struct task_usage *u);

/* ---- process_vm.c -------------------------------------------------------------------------- */
/* The mm of a process that the caller may look into, with a user; ERR_PTR(-ESRCH, -EPERM). */
struct mm_struct *mm_access(int pid);
