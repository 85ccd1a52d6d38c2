/* SPDX-License-Identifier: MIT */
/*
 * mem.c: the contents of an address space: /proc/PID/mem, environ, auxv and cmdline.
 *
 * Nothing is kept between reads: each goes to the memory itself, through one page of the kernel's.
 *
 * mem, environ and auxv show the address space that the task had when they were opened; cmdline,
 * which anybody may read, the one that it has now. One that has ended reads as empty.
 */
#include <fs/proc/proc.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

/* The address space that open is bound to, with mm_users raised; NULL: none, or it has ended. */
static struct mm_struct *use_bound_mm(const struct proc_open *open)
{
	return open->mm && atomic_inc_not_zero(&open->mm->mm_users) ? open->mm : NULL;
}

/*
 * Copy up to n bytes, within one page, between addr and buf + done; how many, or -EFAULT if buf is
 * bad.
 */
static long copy_piece(struct mm_struct *mm, unsigned long addr, char *page, struct iov_user buf,
		       size_t done, size_t n, bool write)
{
	size_t got;

	if (write && iov_get(buf, done, page, n))
		return -EFAULT;
	got = access_process_vm(mm, addr, page, n, write, true);
	if (!write && iov_put(buf, done, page, got))
		return -EFAULT;
	return (long)got;
}

/*
 * Copy up to count bytes at addr to buf, or from it, through a page of the kernel's; how many, 0 if
 * nothing can be reached there. A bad buffer is -EFAULT whatever was copied before, as in Linux.
 */
static long copy_memory(struct mm_struct *mm, unsigned long addr, struct iov_user buf, size_t count,
			bool write)
{
	char *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t done = 0;
	long got = 1;

	if (!page)
		return -ENOMEM;
	while (got > 0 && done < count && !port_fatal_signal_pending()) {
		unsigned long at = addr + done;
		size_t n = min(count - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));

		got = copy_piece(mm, at, page, buf, done, n, write);
		done += (size_t)max(got, 0l);
		port_cond_resched();
	}
	kfree(page);
	return got < 0 ? got : (long)done;
}

/* ---- mem ------------------------------------------------------------------------------------- */

static long access_mem(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos,
		       bool write)
{
	struct mm_struct *mm = use_bound_mm(open);
	long ret;

	if (!mm)
		return 0;
	ret = copy_memory(mm, (unsigned long)*pos, buf, count, write);
	if (ret > 0)
		*pos += (u64)ret;
	mmput(mm);
	return ret || !count ? ret : -EIO;
}

long proc_read_mem(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	return access_mem(open, buf, count, pos, false);
}

long proc_write_mem(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	return access_mem(open, buf, count, pos, true);
}

/* ---- What it was started with ---------------------------------------------------------------- */

/* Part of [start, end), which is the whole of a file: from *pos on. */
static long read_area(struct mm_struct *mm, unsigned long start, unsigned long end,
		      struct iov_user buf, size_t count, u64 *pos)
{
	unsigned long length = end > start ? end - start : 0;
	long ret;

	if (*pos >= length)
		return 0;
	ret = copy_memory(mm, start + (unsigned long)*pos, buf, min(count, length - (size_t)*pos),
			  false);
	if (ret > 0)
		*pos += (u64)ret;
	return ret;
}

long proc_read_environ(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	struct mm_struct *mm = use_bound_mm(open);
	long ret;

	if (!mm)
		return 0;
	ret = read_area(mm, mm->env_start, mm->env_end, buf, count, pos);
	mmput(mm);
	return ret;
}

long proc_read_auxv(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	const struct mm_struct *mm = open->mm;
	unsigned int words = 2; /* with the pair of zeros at the end */
	size_t n;

	if (!mm)
		return 0;
	while (words < ARRAY_SIZE(mm->saved_auxv) && mm->saved_auxv[words - 2])
		words += 2;
	if (*pos >= words * sizeof(mm->saved_auxv[0]))
		return 0;
	n = min(count, words * sizeof(mm->saved_auxv[0]) - (size_t)*pos);
	if (count && iov_put(buf, 0, (const char *)mm->saved_auxv + *pos, n))
		return -EFAULT;
	*pos += n;
	return (long)n;
}

/* ---- cmdline --------------------------------------------------------------------------------- */

/* The address of the first 0 in [start, end), or end; what cannot be read ends it as well. */
static unsigned long find_zero(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	char chunk[64];

	while (start < end) {
		size_t n = min(end - start, sizeof(chunk)), got;
		const char *zero;

		got = access_process_vm(mm, start, chunk, n, false, true);
		zero = memchr(chunk, 0, got);
		if (zero)
			return start + (unsigned long)(zero - chunk);
		start += got;
		if (got < n)
			break;
		port_cond_resched();
	}
	return start;
}

static bool ends_in_zero(struct mm_struct *mm)
{
	char last = 0;

	return mm->arg_end <= mm->arg_start ||
	       !access_process_vm(mm, mm->arg_end - 1, &last, 1, false, true) || !last;
}

/*
 * Where the text of cmdline ends. A program may overwrite its arguments to show a title
 * (setproctitle): if the last byte is not 0 any more, the text goes up to the first 0, into the
 * environment if need be.
 */
static unsigned long end_of_cmdline(struct mm_struct *mm)
{
	unsigned long end;

	if (ends_in_zero(mm))
		return mm->arg_end;
	end = find_zero(mm, mm->arg_start, mm->arg_end);
	if (end < mm->arg_end || mm->env_end <= mm->arg_end)
		return end;
	return find_zero(mm, mm->arg_end, mm->env_end);
}

long proc_read_cmdline(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	struct mm_struct *mm = fs_hook_task_mm(open->node->pid);
	long ret;

	if (!mm)
		return fs_hook_pid_alive(open->node->pid) ? 0 : -ESRCH;
	ret = read_area(mm, mm->arg_start, end_of_cmdline(mm), buf, count, pos);
	mmput(mm);
	return ret;
}
