/* SPDX-License-Identifier: MIT */
/*
 * sigframe.c: the frame a handler runs on, and the way back from it (x86-64).
 *
 *	higher addresses
 *	  the interrupted stack		(or the top of the alternate stack)
 *	  128 bytes red zone		(not on a fresh alternate stack)
 *	  fpstate, 512 bytes		64-byte aligned, as FXSAVE writes it
 *	  siginfo, 128 bytes
 *	  ucontext			flags, stack, registers, mask
 *	  return address		= sa_restorer; rsp here, (rsp + 8) % 16 == 0
 *
 * rt_sigreturn finds the frame at rsp - 8 (the restorer's `ret` address is gone by then) and
 * believes nothing in it: selectors get privilege level 3, and only the arithmetic flags are taken.
 * What the CPU then refuses to return to (a segment that is none, a non-canonical rip) is a fault
 * of the program, with the frame's registers, as on Linux (trap_bad_iret). A frame that cannot be
 * read is a SIGSEGV, and so are reserved MXCSR bits, which would fault in the kernel.
 *
 * Locking: works on the current task only. May sleep (user memory).
 */
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ptrace.h>
#include <asm/segment.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

#define RED_ZONE_BYTES 128
#define FPSTATE_BYTES  MACHINE_FPU_BYTES
#define FPSTATE_ALIGN  64

#define FLAG_TF 0x100ul
#define FLAG_DF 0x400ul
#define FLAG_RF 0x10000ul
#define FLAG_AC 0x40000ul
/* CF PF AF ZF SF TF DF OF RF AC: what a program may set in a frame. */
#define FLAGS_FROM_FRAME \
	(0x1ul | 0x4 | 0x10 | 0x40 | 0x80 | FLAG_TF | FLAG_DF | 0x800 | FLAG_RF | FLAG_AC)

#define UC_SIGCONTEXT_SS     0x2
#define UC_STRICT_RESTORE_SS 0x4

#define FXSAVE_MXCSR	   24 /* byte offsets in the FXSAVE image */
#define FXSAVE_MXCSR_MASK  28
#define MXCSR_MASK_DEFAULT 0xffbfu /* of a CPU that reports 0 */

struct sigcontext {
	unsigned long r8, r9, r10, r11, r12, r13, r14, r15;
	unsigned long di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	u16 cs, gs, fs, ss;
	unsigned long err, trapno, oldmask, cr2;
	unsigned long fpstate; /* user address */
	unsigned long reserved[8];
};
static_assert(sizeof(struct sigcontext) == 256, "sigcontext's layout");

struct ucontext {
	unsigned long flags, link;
	stack_t stack;
	struct sigcontext mcontext;
	sigset_t sigmask;
};

struct rt_sigframe {
	unsigned long pretcode;
	struct ucontext uc;
	struct siginfo info;
};
static_assert(offsetof(struct rt_sigframe, uc) == 8, "rt_sigframe's layout");
static_assert(offsetof(struct rt_sigframe, info) == 312, "rt_sigframe's layout");

/* ---- Where the frame goes -------------------------------------------------------------------- */

bool on_altstack(const struct task_struct *t, unsigned long sp)
{
	if ((unsigned int)t->altstack.flags & SS_AUTODISARM)
		return false; /* disarmed while in use */
	return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}

/*
 * Address of the frame (*fpstate: of the FPU image), or 0 if the alternate stack is too small for
 * it.
 */
static unsigned long choose_frame(unsigned long sp, bool want_alt, unsigned long *fpstate)
{
	struct task_struct *me = current;
	bool was_on = on_altstack(me, sp), entering = false;

	sp -= RED_ZONE_BYTES;
	if (want_alt && me->altstack.size && !was_on) {
		sp = me->altstack.sp + me->altstack.size;
		entering = true;
	}
	*fpstate = ALIGN_DOWN(sp - FPSTATE_BYTES, FPSTATE_ALIGN);
	sp = ALIGN_DOWN(*fpstate - sizeof(struct rt_sigframe), 16ul) - 8;
	if (was_on && !on_altstack(me, sp))
		return 0;
	if (entering && sp < me->altstack.sp)
		return 0;
	return sp;
}

static void fill_context(struct sigcontext *sc, const struct pt_regs *regs, sigset_t mask,
			 unsigned long fpstate)
{
	const struct machine_trap_info *trap = machine_last_trap(&current->thread);

	*sc = (struct sigcontext){
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.di = regs->di,
		.si = regs->si,
		.bp = regs->bp,
		.bx = regs->bx,
		.dx = regs->dx,
		.ax = regs->ax,
		.cx = regs->cx,
		.sp = regs->sp,
		.ip = regs->ip,
		.flags = regs->flags,
		.cs = (u16)regs->cs,
		.ss = (u16)regs->ss,
		.err = trap->error_code,
		.trapno = trap->nr,
		.cr2 = trap->address,
		.oldmask = (unsigned long)mask,
		.fpstate = fpstate,
	};
}

int setup_rt_frame(const struct signal_delivery *d, sigset_t saved_mask, struct pt_regs *regs)
{
	struct task_struct *me = current;
	struct rt_sigframe frame;
	unsigned long fpstate, at;

	if (!(d->action.flags & SA_RESTORER))
		return -EFAULT;
	at = choose_frame(regs->sp, d->action.flags & SA_ONSTACK, &fpstate);
	if (!at)
		return -EFAULT;
	memset(&frame, 0, sizeof(frame));
	frame.pretcode = d->action.restorer;
	frame.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	frame.uc.stack = me->altstack; /* whether it is in use shows by rsp */
	frame.uc.stack.pad_ = 0;
	fill_context(&frame.uc.mcontext, regs, saved_mask, fpstate);
	frame.uc.sigmask = saved_mask;
	frame.info = d->info;

	machine_save_user_state(&me->thread);
	if (copy_to_user(fpstate, machine_fpu_state(&me->thread), FPSTATE_BYTES) ||
	    copy_to_user(at, &frame, sizeof(frame)))
		return -EFAULT;
	if ((unsigned int)me->altstack.flags & SS_AUTODISARM)
		me->altstack = (stack_t){.flags = SS_DISABLE};

	regs->di = (unsigned long)d->signo;
	regs->si = at + offsetof(struct rt_sigframe, info);
	regs->dx = at + offsetof(struct rt_sigframe, uc);
	regs->ax = 0;
	regs->sp = at;
	regs->ip = d->action.handler;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->flags &= ~(FLAG_DF | FLAG_RF | FLAG_TF);
	return 0;
}

/* ---- The way back ---------------------------------------------------------------------------- */

static int restore_fpu(unsigned long uaddr)
{
	struct machine_thread *thread = &current->thread;
	u8 image[FPSTATE_BYTES], *fpu = machine_fpu_state(thread);
	u32 mxcsr, mask;

	machine_save_user_state(thread); /* FS and GS base stay as they are */
	memcpy(&mask, fpu + FXSAVE_MXCSR_MASK, sizeof(mask));
	if (!mask)
		mask = MXCSR_MASK_DEFAULT;
	if (copy_from_user(image, uaddr, FPSTATE_BYTES))
		return -EFAULT;
	memcpy(&mxcsr, image + FXSAVE_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~mask)
		return -EFAULT; /* the CPU would refuse to load it */
	memcpy(fpu, image, FPSTATE_BYTES);
	machine_load_user_state(thread);
	return 0;
}

/* A frame without FPU image: the FPU is as in a new program. */
static void reset_fpu(void)
{
	struct machine_thread *thread = &current->thread;

	machine_save_user_state(thread);
	machine_reset_fpu_state(thread);
	machine_load_user_state(thread);
}

/*
 * Level 3, whatever the frame says: with it the CPU accepts no segment of the kernel's. Frames
 * without UC_STRICT_RESTORE_SS may come from programs that do not know of ss.
 */
static void restore_segments(struct pt_regs *regs, const struct sigcontext *sc,
			     unsigned long uc_flags)
{
	regs->cs = sc->cs | RPL_USER;
	regs->ss = sc->ss | RPL_USER;
	if (regs->cs == USER_CS && !(uc_flags & UC_STRICT_RESTORE_SS))
		regs->ss = USER_DS;
}

static int restore_context(struct pt_regs *regs, const struct sigcontext *sc)
{
	regs->r8 = sc->r8;
	regs->r9 = sc->r9;
	regs->r10 = sc->r10;
	regs->r11 = sc->r11;
	regs->r12 = sc->r12;
	regs->r13 = sc->r13;
	regs->r14 = sc->r14;
	regs->r15 = sc->r15;
	regs->di = sc->di;
	regs->si = sc->si;
	regs->bp = sc->bp;
	regs->bx = sc->bx;
	regs->dx = sc->dx;
	regs->ax = sc->ax;
	regs->cx = sc->cx;
	regs->sp = sc->sp;
	regs->ip = sc->ip;
	regs->flags = (regs->flags & ~FLAGS_FROM_FRAME) | (sc->flags & FLAGS_FROM_FRAME);
	regs->orig_ax = ~0ul;
	if (!sc->fpstate) {
		reset_fpu();
		return 0;
	}
	return restore_fpu(sc->fpstate);
}

static void restore_altstack(const stack_t *stack)
{
	if ((unsigned int)stack->flags & ~(SS_ONSTACK | SS_DISABLE | SS_AUTODISARM))
		return;
	current->altstack = *stack;
	current->altstack.flags &= (int)~(unsigned int)SS_ONSTACK;
}

long sys_rt_sigreturn(void)
{
	struct pt_regs *regs = machine_user_regs(&current->thread);
	struct rt_sigframe frame;

	if (copy_from_user(&frame, regs->sp - 8, sizeof(frame)))
		goto bad;
	set_current_blocked(frame.uc.sigmask);
	restore_segments(regs, &frame.uc.mcontext, frame.uc.flags);
	if (restore_context(regs, &frame.uc.mcontext))
		goto bad;
	restore_altstack(&frame.uc.stack);
	return (long)regs->ax;
bad:
	force_sig(SIGSEGV);
	return 0;
}
