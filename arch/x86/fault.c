// SPDX-License-Identifier: MIT
/*
 * fault.c: the page-fault handler, from the trap to the answer.
 *
 * Three questions, in this order (Kernel Architecture 4.10): is the address one the
 * interrupted code may use at all; does a region (or the kernel's reference table)
 * promise something there; which mechanism supplies it. The third is mm/space/memory.c's.
 *
 *	do_page_fault
 *	  kernel half  do_kernel_addr_fault
 *			 missing copy of a PGD entry	-> copied, done
 *			 stale translation (spurious)	-> done
 *			 else				-> bad
 *	  user half    do_user_addr_fault
 *			 the kernel had no business there (SMEP, SMAP, reserved bit) -> die
 *			 user mode's access as a supervisor, under SMAP -> bad
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
 * Locking: mmap_lock is taken for read over the region checks and the service. A
 * kernel fault at an instruction without a fixup only tries it: the code may be
 * holding it for write, and is broken anyway (FT-17).
 *
 * Failure: running out of memory kills the task (init waits and retries); nothing
 * here allocates by itself.
 *
 * Seen in: vm events pgfault (every fault on a user address), pgmajfault, fault_*;
 * min_flt and maj_flt of the task.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/fault_trace.h>
#include <pagoda/mm.h>
#include <pagoda/vmstat.h>
#include <asm/cpufeature.h>
#include <asm/fault.h>
#include <asm/pgtable.h>
#include <asm/ptrace.h>

#define SIGBUS	    7
#define SIGKILL	    9
#define SIGSEGV	    11
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRERR  2

#define X86_EFLAGS_AC 0x40000ul

/*
 * How far below the stack pointer an access may lie and still mean the stack (FT-22):
 * "enter" and "pusha" write before they move it.
 */
#define STACK_SLACK_BYTES (65536 + 32 * (PGTABLE_LEVELS <= 3 ? 4ul : 8ul))

void (*fault_hook)(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
		   unsigned long address);

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
 * A fault that no region serves: what the three answers are. Others are traced by
 * handle_mm_fault().
 */
static void trace_fault(unsigned long error_code, unsigned long address,
			const struct vm_area_struct *vma, enum fault_mechanism by)
{
	struct fault_answers answers = {.address = address,
					.write = error_code & PF_WRITE,
					.kernel_area = address >= TASK_SIZE,
					.by = by};

	if (likely(!fault_trace))
		return;
	if (vma && vma->vm_start <= address) {
		answers.start = vma->vm_start;
		answers.end = vma->vm_end;
	}
	fault_trace(&answers);
}

/* ---- Endings ------------------------------------------------------------------------ */

/* The kernel faulted where nothing can be served: its fixup, or the end of the task (FT-61). */
static noinline void no_context(struct pt_regs *regs, unsigned long error_code,
				unsigned long address)
{
	if (fixup_exception(regs)) {
		count_vm_event(fault_kernel_fixup);
		return;
	}
	port_die(regs, address < SZ_4K ? "kernel NULL pointer dereference" : "kernel page fault",
		 address, error_code);
}

static noinline void bad_area_nosemaphore(struct pt_regs *regs, unsigned long error_code,
					  unsigned long address, int si_code)
{
	if (!user_mode(regs)) {
		no_context(regs, error_code, address);
		return;
	}
	count_vm_event(fault_segv);
	if (address >= TASK_SIZE)
		error_code |= PF_PROT; /* says nothing about the kernel's mappings */
	port_fault_signal(regs, SIGSEGV, si_code, address, error_code | PF_USER);
}

static void bad_area(struct user_fault *f, int si_code)
{
	up_read(&f->mm->mmap_lock);
	bad_area_nosemaphore(f->regs, f->error_code, f->address, si_code);
}

/* No memory: init, which must live, waits for better times (FT-30). */
static void fault_out_of_memory(struct user_fault *f)
{
	if (!user_mode(f->regs)) {
		no_context(f->regs, f->error_code, f->address);
		return;
	}
	if (port_fatal_signal_pending())
		return; /* it was chosen already, and dies on the way back */
	if (current_vm->pid == 1) {
		port_yield();
		return;
	}
	count_vm_event(oom_kill);
	port_send_signal(current_vm, SIGKILL);
}

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

/* Does the reference table allow what was refused? Then a CPU's translation was old (FT-08). */
static bool spurious_kernel_fault(unsigned long error_code, unsigned long address)
{
	pmd_t *pmd;
	pteval_t val;

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

static noinline void do_kernel_addr_fault(struct pt_regs *regs, unsigned long error_code,
					  unsigned long address)
{
	struct mm_struct *mm = current_vm->active_mm;

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

/* Kernel accesses that are wrong whatever is mapped there (FT-10 to FT-12). */
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
 * Did the CPU access user memory for user mode, but with a supervisor's rights? SMAP refuses that.
 */
static bool refused_by_smap(const struct pt_regs *regs, unsigned long error_code)
{
	return x86_features.smap && user_mode(regs) && !(error_code & PF_USER);
}

/* Interrupts were off, faults are disabled, or there is no user half: never served (FT-13). */
static bool fault_is_atomic(const struct pt_regs *regs)
{
	const struct vm_task *task = current_vm;

	return !task->mm || task->pagefault_disabled ||
	       (!user_mode(regs) && !(regs->flags & X86_EFLAGS_IF));
}

/* May the region not be used like that? (FT-24) */
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
 * A fatal signal ended the wait for mmap_lock. After a fault from user mode the task dies on its
 * way back there.
 */
static void fault_was_killed(struct user_fault *f)
{
	if (!user_mode(f->regs))
		no_context(f->regs, f->error_code, f->address);
}

static bool lock_for_fault(struct user_fault *f)
{
	if (likely(down_read_trylock(&f->mm->mmap_lock)))
		return true;
	if (!user_mode(f->regs) && !search_exception_table(f->regs->ip)) {
		bad_area_nosemaphore(f->regs, f->error_code, f->address, SEGV_MAPERR);
		return false;
	}
	if (likely(!down_read_killable(&f->mm->mmap_lock)))
		return true;
	fault_was_killed(f);
	return false;
}

/* Is the region above the address a stack, and the address near its pointer? (FT-21, FT-22) */
static bool may_grow(const struct user_fault *f, const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_GROWSDOWN))
		return false;
	return !user_mode(f->regs) || f->address + STACK_SLACK_BYTES >= f->regs->sp;
}

/*
 * Grow the region above the address down to it. That changes the tree, so the lock is
 * changed for one to write and the region looked up again. NULL: it may not grow. ERR_PTR(-EINTR):
 * the task was killed meanwhile, mmap_lock is not held.
 */
static noinline struct vm_area_struct *grow_to_address(struct user_fault *f,
						       struct vm_area_struct *vma)
{
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

/* The region that promises address, usable as asked; NULL: the fault was answered, lock dropped. */
static struct vm_area_struct *find_good_area(struct user_fault *f)
{
	struct vm_area_struct *vma = find_vma(f->mm, f->address);

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
	return vma;
}

/* One attempt: VM_FAULT_ bits, or 0 with *done set if the answer was given. */
static vm_fault_t try_fault(struct user_fault *f, bool *done)
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
 * handle_mm_fault() dropped mmap_lock to wait: try the fault once more, unless a fatal signal is
 * pending.
 */
static noinline vm_fault_t retry_fault(struct user_fault *f, vm_fault_t fault, bool *done)
{
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

static void do_user_addr_fault(struct pt_regs *regs, unsigned long error_code,
			       unsigned long address)
{
	struct user_fault f = {regs, current_vm->mm, error_code, address, FAULT_FLAG_ALLOW_RETRY};
	vm_fault_t fault;
	bool done;

	fault_at(FAULT_PROBE, regs, error_code, address);
	check_kernel_access(regs, error_code, address);
	if (unlikely(refused_by_smap(regs, error_code) || fault_is_atomic(regs))) {
		trace_fault(error_code, address, NULL, FAULT_BY_NOBODY);
		bad_area_nosemaphore(regs, error_code, address, SEGV_MAPERR);
		return;
	}
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
