// SPDX-License-Identifier: MIT
/*
 * ldt.c: the local descriptor table: segments that a process has defined with modify_ldt.
 *
 *	mm->context -> struct ldt { nr, entries[nr] }	NULL: none, as nearly always
 *
 * A table is never changed. modify_ldt makes a new one, lets all CPUs that run the process load it,
 * and frees the old one. Each CPU records which table it has loaded (tlb_state.ldt), and loads
 * another only if that is a different one: switches between processes without a table cost one
 * comparison.
 *
 * Only 32-bit data segments can be defined; others are refused with EINVAL. 64-bit programs use
 * them as FS and GS with a base. Code segments would let a program switch to 32-bit mode, which
 * signals and system calls here do not support. With 16-bit stacks IRET leaks bits of the kernel's
 * stack pointer.
 *
 * Invariants: (L1) an entry that is not 0 has DPL 3 and is of the code/data kind: no entry lets
 * user mode into the kernel; (L2) the CPU's table lies in memory until the CPU has another.
 *
 * Locking: mmap_lock, for write to replace. A CPU that switches to the mm reads mm->context with
 * interrupts off, after it has set its bit in cpu_vm_mask. replace_ldt() stores the new table first
 * and reads the mask then. So one of the two sees the other:
 *
 *	replace_ldt			switch_mm on another CPU
 *	context = new			set bit in mask
 *	read mask: bit set?		read context: new?
 *	yes: tell that CPU		yes: load it
 *
 * Failure: -ENOMEM, -EINTR (a fatal signal) before anything changes.
 * Seen in: vm event ldt_load.
 */
#include <asm/ldt.h>
#include <asm/tlb.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>

#define DEFAULT_LDT_BYTES 128

/* What modify_ldt(2) takes. */
struct user_desc {
	u32 entry_number, base_addr, limit;
	u32 seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1,
		seg_not_present : 1, useable : 1, lm : 1;
};
static_assert(sizeof(struct user_desc) == 16, "modify_ldt(2) fixes its layout");
enum { CONTENTS_DATA, CONTENTS_STACK }; /* grows down: below the limit is out of bounds */

struct ldt {
	unsigned int nr;
	u64 entries[];
};

/* mm->context, ordered after the CPU's bit in cpu_vm_mask was set (see "Locking"). */
static struct ldt *read_ldt_of(struct mm_struct *mm)
{
	return smp_load_mb((struct ldt **)&mm->context);
}

/* A table of nr empty entries. NULL: no memory. May sleep. */
static struct ldt *alloc_ldt(unsigned int nr)
{
	struct ldt *ldt = kmalloc(sizeof(*ldt) + nr * sizeof(u64), GFP_KERNEL | __GFP_ZERO);

	VM_BUG_ON(!nr || nr > LDT_ENTRIES);
	if (ldt)
		ldt->nr = nr;
	return ldt;
}

/* A copy of mm's table in *copy, NULL if mm has none. 0, -ENOMEM or -EINTR. */
static int copy_ldt(struct mm_struct *mm, struct ldt **copy)
{
	const struct ldt *ldt;

	*copy = NULL;
	if (likely(!read_ldt_of(mm)))
		return 0;
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	/* A table never goes away once there is one, it is only replaced. */
	ldt = mm->context;
	*copy = alloc_ldt(ldt->nr);
	if (*copy)
		memcpy((*copy)->entries, ldt->entries, ldt->nr * sizeof(u64));
	up_read(&mm->mmap_lock);
	return *copy ? 0 : -ENOMEM;
}

/* No one else uses the child's mm yet: its fields are set without its lock. */
int ldt_dup(struct mm_struct *mm, struct mm_struct *oldmm)
{
	struct ldt *copy;
	int err = copy_ldt(oldmm, &copy);

	mm->context = copy;
	mm->context_bytes = copy ? ksize(copy) : 0;
	return err;
}

void ldt_free(struct mm_struct *mm)
{
	VM_BUG_ON(atomic_read(&mm->mm_count)); /* (L2) no CPU has it loaded */
	kfree(mm->context);
	mm->context = NULL;
	mm->context_bytes = 0;
}

/* ---- Loading --------------------------------------------------------------------------------- */

void ldt_switch(struct tlb_state *state, struct mm_struct *mm)
{
	struct ldt *ldt = mm ? read_ldt_of(mm) : NULL;

	VM_BUG_ON(port_irqs_enabled());
	if (likely(state->ldt == ldt))
		return;
	state->ldt = ldt;
	port_load_ldt(ldt ? ldt->entries : NULL, ldt ? ldt->nr : 0);
	count_vm_event(ldt_load);
}

/*
 * Runs on each CPU that had mm loaded when the mask was read. If the CPU has left mm since (tlb.c),
 * it has no table of mm's loaded either.
 */
static void reload_ldt(void *arg)
{
	unsigned long here = 1ul << port_cpu_id();
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];
	struct mm_struct *mm = arg;

	if (state->active_mm == mm && READ_ONCE(mm->cpu_vm_mask) & here)
		ldt_switch(state, mm);
}

/* Install a new table, and free the old one after no CPU has it loaded any more (L2). */
static void replace_ldt(struct mm_struct *mm, struct ldt *ldt)
{
	struct ldt *old = mm->context;

	mmap_assert_write_locked(mm);
	VM_BUG_ON(ldt == old || (old && ldt->nr < old->nr));
	smp_store_mb((struct ldt **)&mm->context, ldt);
	WRITE_ONCE(mm->context_bytes, ksize(ldt));
	port_on_each_cpu(smp_load_mb(&mm->cpu_vm_mask), reload_ldt, mm);
	kfree(old);
}

/* ---- modify_ldt(2) --------------------------------------------------------------------------- */

/* Does the request clear the entry? modify_ldt(2) defines this combination of fields for that. */
static bool is_empty(const struct user_desc *d)
{
	return !d->base_addr && !d->limit && !d->contents && d->read_exec_only && !d->seg_32bit &&
	       !d->limit_in_pages && d->seg_not_present && !d->useable && !d->lm;
}

/*
 * The descriptor in the CPU's format (Intel SDM volume 3, figure 3-8). It is marked as accessed, so
 * that the CPU does not write to the table.
 */
static u64 descriptor(const struct user_desc *d)
{
	u64 type = 1 | (d->read_exec_only ? 0u : 2u) | d->contents << 2;
	u64 access = type | 0x10 /* data, not system */ | 3 << 5 /* (L1) */ |
		     (d->seg_not_present ? 0u : 0x80u);
	u64 flags = d->useable | d->seg_32bit << 2 | d->limit_in_pages << 3;

	return (d->limit & 0xffff) | (u64)(d->base_addr & 0xffffff) << 16 | access << 40 |
	       (u64)(d->limit >> 16 & 0xf) << 48 | flags << 52 | (u64)(d->base_addr >> 24) << 56;
}

/* Check the request and convert it. 0, or -EINVAL for what is not supported. */
static int make_descriptor(const struct user_desc *d, bool old_mode, u64 *entry)
{
	if (d->entry_number >= LDT_ENTRIES ||
	    (d->contents == 3 && (old_mode || !d->seg_not_present)))
		return -EINVAL;
	*entry = 0;
	if ((old_mode && !d->base_addr && !d->limit) || is_empty(d))
		return 0;
	if (!d->seg_32bit || d->contents > CONTENTS_STACK)
		return -EINVAL;
	*entry = descriptor(d);
	VM_BUG_ON((*entry >> 45 & 3) != 3 || !(*entry >> 44 & 1)); /* (L1) */
	if (old_mode)
		*entry &= ~(1ull << 52); /* the old call has no such bit */
	return 0;
}

/* A new table that is like the old one but for one entry, and large enough for that. */
static int set_entry(struct mm_struct *mm, unsigned int number, u64 entry)
{
	struct ldt *old, *ldt;

	VM_BUG_ON(number >= LDT_ENTRIES);
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	old = mm->context;
	ldt = alloc_ldt(max(old ? old->nr : 0, number + 1));
	if (ldt) {
		if (old)
			memcpy(ldt->entries, old->entries, old->nr * sizeof(u64));
		ldt->entries[number] = entry;
		replace_ldt(mm, ldt);
	}
	up_write(&mm->mmap_lock);
	return ldt ? 0 : -ENOMEM;
}

static long write_ldt(struct mm_struct *mm, unsigned long ptr, unsigned long bytes, bool old_mode)
{
	struct user_desc desc;
	u64 entry;
	int err;

	if (bytes != sizeof(desc))
		return -EINVAL;
	if (copy_from_user(&desc, ptr, sizeof(desc)))
		return -EFAULT;
	err = make_descriptor(&desc, old_mode, &entry);
	return err ? err : set_entry(mm, desc.entry_number, entry);
}

/*
 * Copy the table to the user, with zeros up to the length that was asked for. A copy of the table
 * is used, since touching user memory may fault and need mmap_lock, which is held while the table
 * is read.
 */
static long read_ldt(struct mm_struct *mm, unsigned long ptr, unsigned long bytes)
{
	unsigned long size = min(bytes, (unsigned long)LDT_ENTRIES * LDT_ENTRY_BYTES), used;
	struct ldt *copy;
	long ret = (long)size;
	int err;

	err = copy_ldt(mm, &copy);
	if (err || !copy)
		return err;
	used = min(size, (unsigned long)copy->nr * LDT_ENTRY_BYTES);
	if (copy_to_user(ptr, copy->entries, used) || clear_user(ptr + used, size - used))
		ret = -EFAULT;
	kfree(copy);
	return ret;
}

long modify_ldt(int func, unsigned long ptr, unsigned long bytes)
{
	struct mm_struct *mm = current_vm->mm;
	unsigned long size = min(bytes, (unsigned long)DEFAULT_LDT_BYTES);

	switch (func) {
	case 0:
		return read_ldt(mm, ptr, bytes);
	case 1:
		return write_ldt(mm, ptr, bytes, true);
	case 2: /* the default: nothing */
		return clear_user(ptr, size) ? -EFAULT : (long)size;
	case 0x11:
		return write_ldt(mm, ptr, bytes, false);
	default:
		return -ENOSYS;
	}
}
