// SPDX-License-Identifier: MIT
/*
 * fault.c: the page-fault handler, from the trap to the answer.
 *
 * Three questions are asked in this order (Kernel Architecture 4.10): may the interrupted code use
 * the address at all; does a region (or the kernel's reference table) cover it; which mechanism
 * supplies the data. mm/space/memory.c answers the third.
 *
 *	do_page_fault
 *	  kernel half  do_kernel_addr_fault
 *			 missing copy of a PGD entry	-> copied, done
 *			 stale translation (spurious)	-> done
 *			 else				-> bad
 *	  user half    do_user_addr_fault
 *			 an access that is always a kernel bug (SMEP, SMAP, reserved bit) -> die
 *			 an access for user mode with supervisor rights, under SMAP -> bad
 *			 must not sleep, or no mm	-> fixup or die
 *			 mmap_lock; find_vma; expand_stack; access_error
 *			 handle_mm_fault, once more if it dropped the lock
 *
 *	bad: from user mode a signal; from the kernel the exception table, else die
 *
 * Whether user mode or the kernel caused a fault is read from the saved CS (user_mode()), never
 * from
 * PF_USER: that bit says with which rights the CPU made the access, and the CPU makes some accesses
 * of user mode with a supervisor's rights:
 *
 *	descriptors, when user mode loads a segment		every CPU
 *	the stack in far calls, far returns and IRET		QEMU before 9.1, without KVM
 *
 * SMAP refuses those stack accesses to user memory, whatever is mapped there. So the program gets
 * SIGSEGV at once: a fault that was served would only be repeated for ever.
 *
 * Locking: mmap_lock is taken for read over the region checks and the service. For a kernel fault
 * at an instruction without a fixup the lock is only tried: such a fault is a bug, and the code may
 * be holding the lock for write, so that waiting for it would never end (FT-17).
 *
 * Failure: without memory the task is killed (init waits and retries instead). This file itself
 * allocates nothing.
 *
 * Seen in: vm events pgfault (every fault on a user address), pgmajfault, fault_*;
 * min_flt and maj_flt of the task.
 */
#include <pagoda/abi/signal.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/fault_trace.h>
#include <pagoda/mm.h>
#include <pagoda/vmstat.h>
#include <asm/cpufeature.h>
#include <asm/fault.h>
#include <asm/pgtable.h>
#include <asm/ptrace.h>

#define X86_EFLAGS_AC 0x40000ul

/*
 * How far below the stack pointer an access may lie and still mean the stack (FT-22):
 * "enter" and "pusha" write before they move it.
 */
#define STACK_SLACK_BYTES (65536 + 32 * (PGTABLE_LEVELS <= 3 ? 4ul : 8ul))

void (*fault_hook)(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
		   unsigned long address);

/* Tell the hook of the tests, if there is one, that a fault passes this place. */
static inline void fault_at(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
			    unsigned long address)
{
	if (unlikely(fault_hook))
		fault_hook(place, regs, error_code, address);
}

/* One fault on a user address. */
struct user_fault {
	struct pt_regs *regs;
	struct mm_struct *mm;
	unsigned long error_code, address;
	unsigned int flags; /* FAULT_FLAG_ */
};

/*
 * Tell fault_trace the answers to the three questions, for a fault that no region serves. The
 * others are traced in handle_mm_fault().
 */
static void trace_fault(unsigned long error_code, unsigned long address,
			const struct vm_area_struct *vma, enum fault_mechanism by)
{
	struct fault_answers answers = {.address = address,
					.write = error_code & PF_WRITE,
					.kernel_area = address >= TASK_SIZE,
					.by = by};

	VM_BUG_ON(by >= NR_FAULT_MECHANISMS);
	if (likely(!fault_trace))
		return;
	if (vma && vma->vm_start <= address) {
		answers.start = vma->vm_start;
		answers.end = vma->vm_end;
	}
	fault_trace(&answers);
}

/* ---- Endings ------------------------------------------------------------------------ */

/*
 * The kernel faulted, and the fault cannot be served. If the instruction has a fixup, the copy
 * routine returns an error; else this is a bug, and the task dies (FT-61).
 */
static noinline void no_context(struct pt_regs *regs, unsigned long error_code,
				unsigned long address)
{
	VM_BUG_ON(user_mode(regs));
	if (fixup_exception(regs)) {
		count_vm_event(fault_kernel_fixup);
		return;
	}
	port_die(regs, address < SZ_4K ? "kernel NULL pointer dereference" : "kernel page fault",
		 address, error_code);
}

/* The address cannot be used like that: SIGSEGV for user mode, a fixup or death for the kernel. */
static noinline void bad_area_nosemaphore(struct pt_regs *regs, unsigned long error_code,
					  unsigned long address, int si_code)
{
	VM_BUG_ON(si_code != SEGV_MAPERR && si_code != SEGV_ACCERR);
	if (!user_mode(regs)) {
		no_context(regs, error_code, address);
		return;
	}
	count_vm_event(fault_segv);
	if (address >= TASK_SIZE)
		error_code |= PF_PROT; /* hides whether the kernel has mapped the address */
	port_fault_signal(regs, SIGSEGV, si_code, address, error_code | PF_USER);
}

/* The same, and release mmap_lock. */
static void bad_area(struct user_fault *f, int si_code) RELEASES_SHARED(&f->mm->mmap_lock)
{
	mmap_assert_locked(f->mm);
	up_read(&f->mm->mmap_lock);
	bad_area_nosemaphore(f->regs, f->error_code, f->address, si_code);
}

/*
 * There was no memory for the fault. The task is killed, but not init (FT-30): it returns, and
 * faults again after other tasks have run and perhaps freed memory.
 */
static void fault_out_of_memory(struct user_fault *f)
{
	if (!user_mode(f->regs)) {
		no_context(f->regs, f->error_code, f->address);
		return;
	}
	if (port_fatal_signal_pending())
		return; /* it is being killed already, and dies on its way back to user mode */
	if (current_vm->pid == 1) {
		port_yield();
		return;
	}
	count_vm_event(oom_kill);
	port_send_signal(current_vm, SIGKILL);
}

/*
 * handle_mm_fault() failed; mmap_lock is released. The error bit decides on the signal. A second
 * try that asks for a third one is treated like SIGBUS, so that no fault is tried for ever.
 */
static noinline void mm_fault_error(struct user_fault *f, vm_fault_t fault)
{
	if (fault & VM_FAULT_OOM) {
		fault_out_of_memory(f);
		return;
	}
	if (fault & VM_FAULT_SIGSEGV) {
		bad_area_nosemaphore(f->regs, f->error_code, f->address, SEGV_MAPERR);
		return;
	}
	if (!user_mode(f->regs)) {
		no_context(f->regs, f->error_code, f->address);
		return;
	}
	count_vm_event(fault_sigbus);
	port_fault_signal(f->regs, SIGBUS, BUS_ADRERR, f->address, f->error_code | PF_USER);
}

/* ---- The kernel half ------------------------------------------------------------------- */

/*
 * Does the reference table permit the access that was refused? Then this CPU had an old
 * translation, with fewer rights (FT-08): drop it and let the access be repeated. A fault with
 * other error bits than those of a refused access is never spurious.
 */
static bool spurious_kernel_fault(unsigned long error_code, unsigned long address)
{
	pmd_t *pmd;
	pteval_t val;

	VM_BUG_ON(address < TASK_SIZE);
	if (error_code & ~(PF_PROT | PF_WRITE | PF_INSTR) || !(error_code & PF_PROT))
		return false;
	pmd = walk_to_pmd(&init_mm, address);
	if (!pmd)
		return false;
	val = pmd_val(pmdp_get(pmd));
	if (val && !pmd_large(__pmd(val)))
		val = pte_val(ptep_get(pte_offset(pmd, address)));
	if (!(val & _PAGE_PRESENT) || (error_code & PF_WRITE && !(val & _PAGE_RW)) ||
	    (error_code & PF_INSTR && val & _PAGE_NX))
		return false;
	port_flush_tlb_page(address);
	return true;
}

/*
 * A fault on a kernel address. The one kind that is served in the kernel: a mapping made after this
 * mm's PGD was created, in a top-level slot that was empty then. Its entry is copied from the
 * reference table. User mode gets SIGSEGV, whatever is mapped there.
 */
static noinline void do_kernel_addr_fault(struct pt_regs *regs, unsigned long error_code,
					  unsigned long address)
{
	struct mm_struct *mm = current_vm->active_mm;

	VM_BUG_ON(address < TASK_SIZE);
	if (!(error_code & (PF_RSVD | PF_USER | PF_PROT)) && mm && mm != &init_mm &&
	    sync_kernel_mapping(mm, address)) {
		count_vm_event(fault_vmalloc);
		trace_fault(error_code, address, NULL, FAULT_BY_KERNEL_TABLE);
		return;
	}
	if (spurious_kernel_fault(error_code, address)) {
		count_vm_event(fault_spurious);
		trace_fault(error_code, address, NULL, FAULT_BY_ENTRY);
		return;
	}
	trace_fault(error_code, address, NULL, FAULT_BY_NOBODY);
	fault_at(FAULT_PROBE, regs, error_code, address);
	bad_area_nosemaphore(regs, error_code, address, SEGV_MAPERR);
}

/* ---- The user half ------------------------------------------------------------------------ */

/*
 * Accesses that are bugs whatever is mapped there (FT-10 to FT-12): a reserved bit in a table means
 * that the table is damaged; the kernel never executes user memory; and it touches user memory only
 * in the copy routines, which set AC.
 */
static void check_kernel_access(struct pt_regs *regs, unsigned long error_code,
				unsigned long address)
{
	if (unlikely(error_code & PF_RSVD))
		port_die(regs, "reserved bit set in a page table", address, error_code);
	if (user_mode(regs))
		return;
	if (unlikely(error_code & PF_INSTR))
		port_die(regs, "kernel tried to execute user memory", address, error_code);
	if (unlikely(x86_features.smap && !(regs->flags & X86_EFLAGS_AC)))
		port_die(regs, "kernel touched user memory outside a copy routine", address,
			 error_code);
}

/*
 * Did the CPU make the access for user mode, but with supervisor rights, so that SMAP refused it?
 * (See the table at the top.)
 */
static bool refused_by_smap(const struct pt_regs *regs, unsigned long error_code)
{
	return x86_features.smap && user_mode(regs) && !(error_code & PF_USER);
}

/*
 * Can the fault not be served because it must not sleep: interrupts were off in the kernel, or
 * faults are disabled? Or because the task has no user half? (FT-13)
 */
static bool fault_is_atomic(const struct pt_regs *regs)
{
	const struct vm_task *task = current_vm;

	return !task->mm || task->pagefault_disabled ||
	       (!user_mode(regs) && !(regs->flags & X86_EFLAGS_IF));
}

/*
 * Does the region forbid the access? (FT-24) A read that faulted on a present page (PF_PROT) was
 * refused by the entry itself, for instance PROT_NONE's. Any right permits reading what is not
 * present, as x86 cannot tell execution and writing from reading apart in all cases.
 */
static bool access_error(unsigned long error_code, const struct vm_area_struct *vma)
{
	if (error_code & PF_WRITE)
		return !(vma->vm_flags & VM_WRITE);
	if (error_code & PF_INSTR && HAVE_NX)
		return !(vma->vm_flags & VM_EXEC);
	if (error_code & PF_PROT) /* a read of what is there */
		return true;
	return !(vma->vm_flags & (VM_READ | VM_EXEC | VM_WRITE));
}

/*
 * A fatal signal ended the wait for mmap_lock. Nothing needs to be done after a fault from user
 * mode: the task dies on its way back there. A copy routine must return an error.
 */
static void fault_was_killed(struct user_fault *f)
{
	if (!user_mode(f->regs))
		no_context(f->regs, f->error_code, f->address);
}

/* Take mmap_lock for read. False: it is not held, and the fault was answered. */
static bool lock_for_fault(struct user_fault *f) TRY_ACQUIRES_SHARED(true, &f->mm->mmap_lock)
{
	VM_BUG_ON(!f->mm);
	if (likely(down_read_trylock(&f->mm->mmap_lock)))
		return true;
	/* A kernel bug (no fixup): do not wait, the code may hold the lock itself (FT-17). */
	if (!user_mode(f->regs) && !search_exception_table(f->regs->ip)) {
		bad_area_nosemaphore(f->regs, f->error_code, f->address, SEGV_MAPERR);
		return false;
	}
	if (likely(!down_read_killable(&f->mm->mmap_lock)))
		return true;
	fault_was_killed(f);
	return false;
}

/*
 * Is the region above the address a stack, and is the address close enough to the stack pointer to
 * be a stack access? (FT-21, FT-22) The kernel's accesses for user mode are not checked: its stack
 * pointer is another one.
 */
static bool may_grow(const struct user_fault *f, const struct vm_area_struct *vma)
{
	VM_BUG_ON(f->address >= vma->vm_start);
	if (!(vma->vm_flags & VM_GROWSDOWN))
		return false;
	return !user_mode(f->regs) || f->address + STACK_SLACK_BYTES >= f->regs->sp;
}

/*
 * Grow the region above the address down to it. That changes the tree of regions, so mmap_lock is
 * taken for write instead of for read. In between, the region may have changed: it is looked up and
 * checked again. NULL: it may not grow. ERR_PTR(-EINTR): a fatal signal came, and mmap_lock is not
 * held.
 */
static noinline struct vm_area_struct *grow_to_address(struct user_fault *f,
						       struct vm_area_struct *vma)
	NO_LOCK_ANALYSIS("an error: without mmap_lock")
{
	mmap_assert_locked(f->mm);
	if (!may_grow(f, vma))
		return NULL;
	up_read(&f->mm->mmap_lock);
	if (down_write_killable(&f->mm->mmap_lock))
		return ERR_PTR(-EINTR);
	vma = find_vma(f->mm, f->address);
	if (vma && vma->vm_start > f->address &&
	    (!may_grow(f, vma) || expand_stack(vma, f->address)))
		vma = NULL;
	downgrade_write(&f->mm->mmap_lock);
	return vma;
}

/*
 * The region that covers the address and permits the access, with mmap_lock held for read. NULL:
 * there is none; the fault was answered, and the lock is released.
 */
static struct vm_area_struct *find_good_area(struct user_fault *f)
	NO_LOCK_ANALYSIS("NULL: mmap_lock has been released")
{
	struct vm_area_struct *vma = find_vma(f->mm, f->address);

	mmap_assert_locked(f->mm);
	if (unlikely(vma && vma->vm_start > f->address))
		vma = grow_to_address(f, vma);
	if (unlikely(IS_ERR(vma))) {
		fault_was_killed(f);
		return NULL;
	}
	if (unlikely(!vma)) {
		trace_fault(f->error_code, f->address, NULL, FAULT_BY_NOBODY);
		bad_area(f, SEGV_MAPERR);
		return NULL;
	}
	if (unlikely(access_error(f->error_code, vma))) {
		trace_fault(f->error_code, f->address, vma, FAULT_BY_NOBODY);
		bad_area(f, SEGV_ACCERR);
		return NULL;
	}
	VM_BUG_ON(f->address < vma->vm_start || f->address >= vma->vm_end);
	return vma;
}

/*
 * One try: the VM_FAULT_ bits of handle_mm_fault(). *done is set if the fault was served or
 * answered; else the caller handles the error or the retry. mmap_lock is not held afterwards.
 */
static vm_fault_t try_fault(struct user_fault *f, bool *done)
	NO_LOCK_ANALYSIS("handle_mm_fault() may have released it")
{
	struct vm_area_struct *vma;
	vm_fault_t fault;

	*done = true;
	if (!lock_for_fault(f))
		return 0;
	vma = find_good_area(f);
	if (!vma)
		return 0;
	fault = handle_mm_fault(vma, f->address, f->flags);
	if (likely(!(fault & VM_FAULT_RETRY))) {
		up_read(&f->mm->mmap_lock);
		*done = !(fault & VM_FAULT_ERROR);
		return fault;
	}
	*done = false;
	return fault;
}

/*
 * handle_mm_fault() has released mmap_lock to wait. Try the fault once more, unless that failed or
 * a fatal signal is pending.
 */
static noinline vm_fault_t retry_fault(struct user_fault *f, vm_fault_t fault, bool *done)
{
	VM_BUG_ON(!(fault & VM_FAULT_RETRY));
	/* The wait was in vain: a read error, or truncation. */
	if (fault & VM_FAULT_ERROR)
		return fault;
	if (!port_fatal_signal_pending()) {
		f->flags = fault_retry_flags(f->flags, fault);
		fault = try_fault(f, done);
	} else {
		fault_was_killed(f);
		*done = true;
	}
	fault_retry_end();
	return fault;
}

/* A fault on a user address, by user mode or by the kernel for it. */
static void do_user_addr_fault(struct pt_regs *regs, unsigned long error_code,
			       unsigned long address)
{
	struct user_fault f = {regs, current_vm->mm, error_code, address, FAULT_FLAG_ALLOW_RETRY};
	vm_fault_t fault;
	bool done;

	VM_BUG_ON(address >= TASK_SIZE);
	fault_at(FAULT_PROBE, regs, error_code, address);
	check_kernel_access(regs, error_code, address);
	if (unlikely(refused_by_smap(regs, error_code) || fault_is_atomic(regs))) {
		trace_fault(error_code, address, NULL, FAULT_BY_NOBODY);
		bad_area_nosemaphore(regs, error_code, address, SEGV_MAPERR);
		return;
	}
	VM_BUG_ON(!f.mm); /* fault_is_atomic() */
	count_vm_event(pgfault);
	if (error_code & PF_WRITE)
		f.flags |= FAULT_FLAG_WRITE;
	if (user_mode(regs))
		f.flags |= FAULT_FLAG_USER;
	if (error_code & PF_INSTR)
		f.flags |= FAULT_FLAG_INSTRUCTION;
	fault = try_fault(&f, &done);
	if (unlikely(!done && fault & VM_FAULT_RETRY))
		fault = retry_fault(&f, fault, &done);
	if (unlikely(!done))
		mm_fault_error(&f, fault);
	else if (unlikely(current_vm->nr_dirtied >= DIRTIED_BETWEEN_CHECKS) && user_mode(regs) &&
		 error_code & PF_WRITE)
		fault_throttle_writer();
}

void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address)
{
	fault_at(FAULT_ENTER, regs, error_code, address);
	fault_at(FAULT_MMIO, regs, error_code, address);
	if (unlikely(address >= TASK_SIZE))
		do_kernel_addr_fault(regs, error_code, address);
	else
		do_user_addr_fault(regs, error_code, address);
	fault_at(FAULT_EXIT, regs, error_code, address);
}
