/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c: from a number to the function that serves it.
 *
 * One table of functions that take the user's registers, made from the two lists; each entry
 * unpacks as many arguments as its call has (rdi, rsi, rdx, r10, r8, r9). A result that asks
 * for a restart is kept for the way back to user mode, where it is known whether a handler
 * runs (signal.c); the program never sees it.
 */
#include <pagoda/errno.h>
#include <pagoda/machine.h>
#include <pagoda/vmstat.h>
#include <asm/ptrace.h>
#include <kernel/report.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define ARGS_0(r)
#define ARGS_1(r) (r)->di
#define ARGS_2(r) (r)->di, (r)->si
#define ARGS_3(r) (r)->di, (r)->si, (r)->dx
#define ARGS_4(r) (r)->di, (r)->si, (r)->dx, (r)->r10
#define ARGS_5(r) (r)->di, (r)->si, (r)->dx, (r)->r10, (r)->r8
#define ARGS_6(r) (r)->di, (r)->si, (r)->dx, (r)->r10, (r)->r8, (r)->r9

#define X(nr, name, args)                                \
	static long call_##name(const struct pt_regs *r) \
	{                                                \
		(void)r;                                 \
		return sys_##name(ARGS_##args(r));       \
	}
KERNEL_SYSCALLS(X)
FS_SYSCALLS(X)
#undef X

/* Linux, too, ignores the upper half of RAX. */
static unsigned long call_number(const struct pt_regs *r)
{
	return (u32)r->orig_ax;
}

static long call_unknown(const struct pt_regs *r)
{
	count_vm_event(syscall_unknown);
	report_unknown_syscall(call_number(r));
	return -ENOSYS;
}

/* Every number has a function: first all get call_unknown(), then those that exist their own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static long (*const table[NR_SYSCALLS])(const struct pt_regs *r) = {
	[0 ... NR_SYSCALLS - 1] = call_unknown,
#define X(nr, name, args) [nr] = call_##name,
	KERNEL_SYSCALLS(X) FS_SYSCALLS(X)
#undef X
};
#pragma GCC diagnostic pop

static bool is_restart(long ret)
{
	return ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK;
}

void kernel_syscall(struct pt_regs *regs)
{
	unsigned long nr = call_number(regs);
	long ret = nr < NR_SYSCALLS ? table[nr](regs) : call_unknown(regs);

	regs->ax = (unsigned long)ret;
	if (is_restart(ret) && nr != NR_rt_sigreturn) {
		current->restart_ret = ret;
		set_work(current, WORK_RESTART);
	}
}
