/* SPDX-License-Identifier: MIT */
/*
 * residency.c: which of the measured program's pages are in memory, as time goes by.
 *
 * A kernel thread looks at the program's address space every period and tells the host in one
 * line of JSON on STREAM_CONTROL; the host draws (lab/run/residency.py). The program takes no part
 * in it: looking changes no entry, raises no fault and touches no page of it. A last look is taken
 * when the program's address space goes.
 *
 *	{"type":"pages","ms":20,"areas":[{"start":4194304,"rights":"r-xp","name":"/bin/true",
 *	 "pages":"3r5.2s"},...],"left_out":0}
 *
 * "pages" are runs: r present, z the shared page of zeroes, s in swap, . nothing. The period is
 * doubled after LOOKS_A_PERIOD looks, so that a long run does not drown its host.
 *
 * Locking: look_mutex (sleeps, outermost) for the line under construction; inside it the program's
 * mmap_lock for reading, so a look is of one moment but for faults, which a moment has, too.
 * The line is sent after that lock is let go.
 * Failure: areas that do not fit into the line are counted in left_out; without memory for the
 * line or the thread the option does nothing, and the log says so.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/spinlock.h>
#include <pagoda/string.h>
#include <pagoda/vmalloc.h>
#include <asm/pgtable.h>
#include <fs/task.h>
#include <fs/vfs.h>
#include <kernel/report.h>
#include <kernel/residency.h>
#include <kernel/sched.h>

#define LINE_BYTES     SZ_64K
#define LINE_END_BYTES 64 /* kept free for what closes the line */
#define NAME_BYTES     128
#define LOOKS_A_PERIOD 256

static struct {
	struct vm_task *thread; /* (C) NULL: not asked for */
	u64 period_ns;		/* (S) the thread */
	unsigned int looks;	/* (look_mutex) */
	int pid;		/* (A) of the program; 0: not yet */
	u64 start_ns;		/* (C) once pid is set */
	struct path root;	/* (C) likewise: what paths are seen from */
	int stopped;		/* (A) */
	char *line;		/* (look_mutex) */
	size_t len;		/* (look_mutex) */
	unsigned int left_out;	/* (look_mutex) */
} res;
static struct mutex look_mutex;

/* ---- The line ---------------------------------------------------------------------------- */

static void __printf(1, 2) put(const char *fmt, ...)
{
	size_t room = LINE_BYTES - res.len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = pagoda_vsnprintf(res.line + res.len, room, fmt, args);
	va_end(args);
	res.len += min((size_t)n, room - 1);
}

static bool is_full(void)
{
	return res.len >= LINE_BYTES - LINE_END_BYTES;
}

static void send_line(void)
{
	stream_write_all(STREAM_CONTROL, res.line, res.len);
}

/* What would need an escape in JSON becomes a question mark. */
static void put_name(const char *name)
{
	for (; *name; name++)
		put("%c", *name < ' ' || *name == '"' || *name == '\\' ? '?' : *name);
}

static void put_area_name(struct vm_area_struct *vma)
{
	const struct mm_struct *mm = vma->vm_mm;
	char buf[NAME_BYTES];
	const char *name = "";
	bool reachable;

	if (vma->vm_ops && vma->vm_ops->name)
		name = vma->vm_ops->name(vma);
	else if (vma->vm_file && file_of(vma->vm_file)->f_path.dentry)
		name = d_path(&file_of(vma->vm_file)->f_path, &res.root, buf, sizeof(buf),
			      &reachable);
	else if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
		name = "[heap]";
	else if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		name = "[stack]";
	put_name(!name || IS_ERR(name) ? "?" : name);
}

/* ---- One look ------------------------------------------------------------------------------- */

/* Of the page at addr; *next: up to where it is the same without a further look. */
static char state_at(struct mm_struct *mm, unsigned long addr, unsigned long *next)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);
	pte_t pte;

	VM_BUG_ON(addr >= TASK_SIZE);
	*next = addr + PAGE_SIZE;
	if (!pmd || !pmd_present(pmdp_get(pmd)) || pmd_large(pmdp_get(pmd))) {
		*next = (addr & PMD_MASK) + PMD_SIZE;
		return '.';
	}
	pte = ptep_get(pte_offset(pmd, addr));
	if (!pte_present(pte))
		return pte_none(pte) ? '.' : 's';
	return test_bit(PG_zeropage, &pte_page(pte)->flags) ? 'z' : 'r';
}

static void put_pages(const struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start, run = 0, next;
	char state = 0;

	for (; addr < vma->vm_end && !is_full(); addr = next) {
		char now = state_at(vma->vm_mm, addr, &next);

		next = min(next, vma->vm_end);
		if (state && now != state) {
			put("%lu%c", run, state);
			run = 0;
		}
		state = now;
		run += (next - addr) / PAGE_SIZE;
	}
	put("%lu%c", run, state);
}

static void put_area(struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;
	size_t len = res.len;
	bool first = res.line[len - 1] == '[';

	put("%s{\"start\":%lu,\"rights\":\"%c%c%c%c\",\"name\":\"", first ? "" : ",", vma->vm_start,
	    flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-', flags & VM_EXEC ? 'x' : '-',
	    flags & VM_SHARED ? 's' : 'p');
	put_area_name(vma);
	put("\",\"pages\":\"");
	put_pages(vma);
	put("\"}");
	if (!is_full())
		return;
	res.len = len;
	res.left_out++;
}

static void look(struct mm_struct *mm) MUST_HOLD(&look_mutex)
{
	lockdep_assert_held(&look_mutex);
	res.len = res.left_out = 0;
	put("{\"type\":\"pages\",\"ms\":%llu,\"areas\":[",
	    (unsigned long long)((port_clock_ns() - res.start_ns) / 1000000));
	down_read(&mm->mmap_lock);
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next)
		put_area(vma);
	up_read(&mm->mmap_lock);
	put("],\"left_out\":%u}\n", res.left_out);
	send_line();
	if (++res.looks % LOOKS_A_PERIOD == 0)
		WRITE_ONCE(res.period_ns, res.period_ns * 2);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static bool may_look(void)
{
	return smp_load_acquire(&res.pid) && !READ_ONCE(res.stopped);
}

/* The program's address space with mm_users raised, or NULL. */
static struct mm_struct *program_mm(void)
{
	struct pid *pid = fs_hook_find_pid(res.pid);
	struct mm_struct *mm = pid ? fs_hook_task_mm(pid) : NULL;

	fs_hook_put_pid(pid);
	return mm;
}

static void look_at_program(void)
{
	struct mm_struct *mm;

	mutex_lock(&look_mutex);
	mm = may_look() ? program_mm() : NULL;
	if (mm) {
		look(mm);
		mmput(mm);
	}
	mutex_unlock(&look_mutex);
}

static void residency_thread(void *arg)
{
	(void)arg;
	for (;;) {
		u64 until = port_clock_ns() + READ_ONCE(res.period_ns);

		while (may_look() && port_clock_ns() < until)
			port_park(until);
		while (!may_look())
			port_park(UINT64_MAX);
		look_at_program();
	}
}

/* ---- From outside ---------------------------------------------------------------------------- */

void residency_init(unsigned int period_ms)
{
	if (!period_ms || !machine_stream_present(STREAM_CONTROL))
		return;
	mutex_init(&look_mutex, RANK_NONE);
	res.period_ns = period_ms * 1000000ull;
	res.line = vmalloc(LINE_BYTES);
	if (res.line)
		res.thread = port_thread_create("residency", residency_thread, NULL);
	if (!res.thread)
		pr_err("residency: no memory\n");
}

void residency_watch(void)
{
	if (!res.thread)
		return;
	get_fs_root(&res.root);
	res.start_ns = port_clock_ns();
	smp_store_release(&res.pid, current->tgid);
	port_unpark(res.thread);
}

void residency_mm_exit(struct mm_struct *mm)
{
	if (!may_look() || current->tgid != res.pid || atomic_read(&mm->mm_users) != 1)
		return;
	mutex_lock(&look_mutex);
	look(mm);
	mutex_unlock(&look_mutex);
}

void residency_stop(void)
{
	if (!may_look())
		return;
	WRITE_ONCE(res.stopped, 1);
	mutex_lock(&look_mutex);
	mutex_unlock(&look_mutex);
	path_put(&res.root);
}
