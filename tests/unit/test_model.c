// SPDX-License-Identifier: MIT
/*
 * test_model.c: random calls on address spaces beside a model that is too simple to be wrong.
 *
 * The model is an array with a record for each page of a small arena: mapped or not, its
 * rights, and the cell that holds its first word. Private pages have a cell of their own,
 * shared ones have the object's. After each call the VMAs must say what the model says, and
 * reads and writes must end as it says: with the right value, or the right signal.
 *
 * In a second test every allocation that a call asks for fails in turn: the first, the second,
 * and so on until the call gets by with fewer. A call that fails so must have changed nothing
 * (mprotect, madvise: nothing behind some page, and before it all; a fault: a page or no
 * page), and then succeeds as the model says.
 *
 * A failure prints the seed; --seed runs it again.
 */
#include "address_space.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_PAGES 96
/* Astride the border of two tables, so that calls split and free tables. */
#define ARENA (ALIGN(0x20000000ul, PMD_SIZE) - PG(40))

struct cell {
	u32 value;
	int refs;
};

struct model_page {
	bool mapped, shared, dontfork, wipeonfork;
	unsigned int prot;
	struct cell *cell;
};

/* Private memory at a place of its own: the heap grows upwards, a stack downwards. */
#define HEAP	  0x8000000ul /* where new_process() puts it */
#define STACK_TOP 0x30000000ul
#define EDGE_MAX  16

struct model_edge {
	unsigned int pages;
	u32 value[EDGE_MAX]; /* by distance from where it begins */
};

struct model {
	struct model_page page[ARENA_PAGES];
	struct model_edge heap, stack;
	int depth; /* forks above */
};

static bool failing;	      /* allocations fail in turn */
static unsigned int failures; /* calls that failed for it */

/*
 * Evaluates call for n = 1, 2 ... with its n-th allocation failing, until it gets by with fewer
 * or succeeds without it. unchanged is checked after each failure.
 */
#define IN_TURN(call, is_error, unchanged)                           \
	({                                                           \
		__typeof__(call) result_;                            \
		for (unsigned long n_ = failing;; n_++) {            \
			hosted_fail_nth(n_);                         \
			result_ = (call);                            \
			bool hit_ = n_ && hosted_fail_count() >= n_; \
			hosted_fail_nth(0);                          \
			if (!hit_ || !(is_error))                    \
				break;                               \
			failures++;                                  \
			unchanged;                                   \
		}                                                    \
		result_;                                             \
	})

static struct cell *new_cell(void)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	cell->refs = 1;
	return cell;
}
static void put_cell(struct cell *cell)
{
	if (cell && --cell->refs == 0)
		free(cell);
}
static void forget(struct model_page *p)
{
	put_cell(p->cell);
	memset(p, 0, sizeof(*p));
}

/* ---- Comparing ------------------------------------------------------------------------ */

static void check_page(struct model *m, unsigned int i)
{
	const struct model_page *p = &m->page[i];
	unsigned long addr = ARENA + PG(i);
	struct vm_area_struct *vma = find_vma(current_vm->mm, addr);
	u32 value;

	if (vma && vma->vm_start > addr)
		vma = NULL;
	if (!p->mapped) {
		if (vma)
			FAIL("page %u is mapped, in the model it is not", i);
		return;
	}
	if (!vma)
		FAIL("page %u is not mapped, in the model it is", i);
	CHECK_EQ(vma->vm_flags & 7, p->prot);
	if (!p->prot)
		return;
	if (!user_read32(addr, &value))
		FAIL("page %u cannot be read", i);
	if (value != p->cell->value)
		FAIL("page %u reads %#x, not %#x", i, value, p->cell->value);
}

static unsigned long heap_page(unsigned int i)
{
	return HEAP + PG(i);
}

static unsigned long stack_page(unsigned int i)
{
	return STACK_TOP - PG(i + 1);
}

static void check_edge(const struct model_edge *edge, unsigned long (*page)(unsigned int i))
{
	struct vm_area_struct *vma = find_vma(current_vm->mm, page(edge->pages));
	u32 value;

	if (vma && vma->vm_start <= page(edge->pages))
		FAIL("mapped beyond its %u pages: %#lx", edge->pages, page(edge->pages));
	for (unsigned int i = 0; i < edge->pages; i++) {
		CHECK(user_read32(page(i), &value));
		CHECK_EQ(value, edge->value[i]);
	}
}

static void check_all(struct model *m)
{
	check_edge(&m->heap, heap_page);
	check_edge(&m->stack, stack_page);
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		check_page(m, i);
	check_mm();
}

/* ---- Calls ------------------------------------------------------------------------------- */

static unsigned int random_range(unsigned int *first)
{
	unsigned int n =
		1 + (unsigned int)test_random_below(test_random_below(4) ? 8 : ARENA_PAGES);

	*first = (unsigned int)test_random_below(ARENA_PAGES);
	return min(n, ARENA_PAGES - *first);
}

static unsigned int random_prot(void)
{
	static const unsigned int prots[] = {PROT_NONE, PROT_READ, RW, RW, RW};

	return prots[test_random_below(ARRAY_SIZE(prots))];
}

static void op_mmap(struct model *m)
{
	unsigned int first, n = random_range(&first), prot = random_prot();
	bool shared = test_random_below(4) == 0;
	unsigned long flags = MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
	unsigned long ret =
		IN_TURN(do_mmap(current_vm->mm, NULL, ARENA + PG(first), PG(n), prot, flags, 0),
			(long)result_ == -ENOMEM, check_all(m));

	CHECK_EQ(ret, ARENA + PG(first));
	for (unsigned int i = first; i < first + n; i++) {
		forget(&m->page[i]);
		m->page[i] = (struct model_page){
			.mapped = true, .shared = shared, .prot = prot, .cell = new_cell()};
	}
}

static void op_munmap(struct model *m)
{
	unsigned int first, n = random_range(&first);

	CHECK_EQ(IN_TURN(do_munmap(current_vm->mm, ARENA + PG(first), PG(n)),
			 (long)result_ == -ENOMEM, check_all(m)),
		 0);
	for (unsigned int i = first; i < first + n; i++)
		forget(&m->page[i]);
}

/* mprotect ran out of memory: pages up to some point have the new rights, no others. */
static void check_mprotect_prefix(struct model *m, unsigned int first, unsigned int n,
				  unsigned int prot)
{
	struct model trial = *m;
	unsigned int i = first;

	for (; i < first + n && m->page[i].mapped; i++) {
		struct vm_area_struct *vma = find_vma(current_vm->mm, ARENA + PG(i));

		if (!vma || vma->vm_start > ARENA + PG(i) || (vma->vm_flags & 7) != prot)
			break;
		trial.page[i].prot = prot;
	}
	check_all(&trial);
}

static void op_mprotect(struct model *m)
{
	unsigned int first, n = random_range(&first), prot = random_prot(), i;
	int expected = 0;

	for (i = first; i < first + n && m->page[i].mapped; i++)
		;
	if (i < first + n)
		expected = -ENOMEM;
	CHECK_EQ(IN_TURN(do_mprotect(current_vm->mm, ARENA + PG(first), PG(n), prot),
			 (long)result_ == -ENOMEM, check_mprotect_prefix(m, first, n, prot)),
		 expected);
	for (i = first; i < first + n && m->page[i].mapped; i++)
		m->page[i].prot = prot;
}

static void op_dontneed(struct model *m)
{
	unsigned int first, n = random_range(&first);
	int expected = 0;

	for (unsigned int i = first; i < first + n; i++) {
		if (!m->page[i].mapped)
			expected = -ENOMEM;
		else if (!m->page[i].shared)
			m->page[i].cell->value = 0;
	}
	CHECK_EQ(do_madvise(current_vm->mm, ARENA + PG(first), PG(n), 4), expected);
}

/* DONTFORK, DOFORK, WIPEONFORK, KEEPONFORK: hints, which split and merge. */
static void op_fork_advice(struct model *m)
{
	static const int advices[] = {10, 11, 18, 19};
	unsigned int first, n = random_range(&first), i;
	int advice = advices[test_random_below(ARRAY_SIZE(advices))], expected = 0;

	for (i = first; i < first + n && (advice != 18 || !m->page[i].shared); i++)
		if (!m->page[i].mapped)
			expected = -ENOMEM;
	if (i < first + n)
		expected = -EINVAL;
	CHECK_EQ(IN_TURN(do_madvise(current_vm->mm, ARENA + PG(first), PG(n), advice),
			 (long)result_ == -EAGAIN, check_all(m)),
		 expected);
	for (i = first; i < first + n && (advice != 18 || !m->page[i].shared); i++) {
		if (!m->page[i].mapped)
			continue;
		if (advice < 18)
			m->page[i].dontfork = advice == 10;
		else
			m->page[i].wipeonfork = advice == 18;
	}
}

/* A fault found no memory: the task would die. */
static void check_killed(void)
{
	CHECK_EQ(hosted_signal().signo, SIGKILL);
	check_mm();
}

static void op_write(struct model *m)
{
	unsigned int i = (unsigned int)test_random_below(ARENA_PAGES);
	struct model_page *p = &m->page[i];
	unsigned long addr = ARENA + PG(i);
	u32 value = (u32)test_random() | 1;

	if (p->mapped && p->prot & PROT_WRITE) {
		CHECK(IN_TURN(user_write32(addr, value), !result_, check_killed()));
		p->cell->value = value;
		return;
	}
	CHECK(!user_write32(addr, value));
	CHECK_SIGNAL(SIGSEGV, p->mapped ? SEGV_ACCERR : SEGV_MAPERR, addr);
}

static void op_read(struct model *m)
{
	unsigned int i = (unsigned int)test_random_below(ARENA_PAGES);
	struct model_page *p = &m->page[i];
	u32 value;

	if (p->mapped && p->prot) {
		CHECK(IN_TURN(user_read32(ARENA + PG(i), &value), !result_, check_killed()));
		CHECK_EQ(value, p->cell->value);
		return;
	}
	CHECK(!user_read32(ARENA + PG(i), &value));
	CHECK_SIGNAL(SIGSEGV, p->mapped ? SEGV_ACCERR : SEGV_MAPERR, ARENA + PG(i));
}

/* The number of pages from first on that one VMA covers. */
static unsigned int pages_in_vma(unsigned int first)
{
	struct vm_area_struct *vma = find_vma(current_vm->mm, ARENA + PG(first));

	return (unsigned int)min(ARENA_PAGES - first,
				 (vma->vm_end - ARENA - PG(first)) >> PAGE_SHIFT);
}

static struct model_page grown_page(const struct model_page *of)
{
	struct model_page page = *of;

	page.cell = new_cell();
	return page;
}

static void op_mremap_move(struct model *m)
{
	unsigned int from, n = random_range(&from), to, room, new_n;
	struct model_page moved[ARENA_PAGES];
	unsigned long ret;

	if (!m->page[from].mapped)
		return;
	n = min(n, pages_in_vma(from));
	new_n = n + (m->page[from].shared ? 0 : (unsigned int)test_random_below(3));
	room = random_range(&to);
	if (room < new_n || to > ARENA_PAGES - new_n || (to < from + n && from < to + new_n))
		return;
	ret = IN_TURN(do_mremap(current_vm->mm, ARENA + PG(from), PG(n), PG(new_n),
				MREMAP_MAYMOVE | MREMAP_FIXED, ARENA + PG(to)),
		      (long)result_ == -ENOMEM, check_all(m));
	CHECK_EQ(ret, ARENA + PG(to));
	memcpy(moved, &m->page[from], n * sizeof(moved[0]));
	memset(&m->page[from], 0, n * sizeof(moved[0]));
	for (unsigned int i = 0; i < new_n; i++) {
		forget(&m->page[to + i]);
		m->page[to + i] = i < n ? moved[i] : grown_page(&moved[0]);
	}
}

/* Shrink, or grow where the next pages are free, in place. */
static void op_mremap_resize(struct model *m)
{
	unsigned int first, n = random_range(&first),
			    new_n = 1 + (unsigned int)test_random_below(8), i;
	unsigned long ret;

	if (!m->page[first].mapped || first + new_n > ARENA_PAGES)
		return;
	n = min(n, pages_in_vma(first));
	for (i = first + n; i < first + new_n; i++)
		if (m->page[i].mapped || m->page[first].shared || n < pages_in_vma(first))
			return;
	ret = IN_TURN(do_mremap(current_vm->mm, ARENA + PG(first), PG(n), PG(new_n), 0, 0),
		      (long)result_ == -ENOMEM, check_all(m));
	CHECK_EQ(ret, ARENA + PG(first));
	for (i = first + new_n; i < first + n; i++)
		forget(&m->page[i]);
	for (i = first + n; i < first + new_n; i++)
		m->page[i] = grown_page(&m->page[first]);
}

static void op_mlock(struct model *m)
{
	unsigned int first, n = random_range(&first);
	bool whole = true, access = true;

	for (unsigned int i = first; i < first + n; i++) {
		whole &= m->page[i].mapped;
		access &= m->page[i].prot != 0;
	}
	CHECK_EQ(IN_TURN(do_mlock(current_vm->mm, ARENA + PG(first), PG(n), 0),
			 result_ == -ENOMEM || result_ == -EAGAIN, check_all(m)),
		 whole && access ? 0 : -ENOMEM);
	CHECK_EQ(do_munlockall(current_vm->mm), 0);
}

static void write_edge(struct model_edge *edge, unsigned long addr, unsigned int i)
{
	u32 value = (u32)test_random() | 1;

	CHECK(IN_TURN(user_write32(addr, value), !result_, check_killed()));
	edge->value[i] = value;
}

static void op_brk(struct model *m)
{
	unsigned int pages = (unsigned int)test_random_below(EDGE_MAX);
	unsigned long end = HEAP + PG(pages);

	CHECK_EQ(IN_TURN(do_brk(current_vm->mm, end), result_ != end, check_all(m)), end);
	for (unsigned int i = pages; i < EDGE_MAX; i++)
		m->heap.value[i] = 0;
	m->heap.pages = pages;
	if (pages)
		write_edge(&m->heap, heap_page(pages - 1), pages - 1);
}

/* A write at or below the stack's end, where the stack pointer is. */
static void op_stack(struct model *m)
{
	unsigned int i = (unsigned int)test_random_below(EDGE_MAX);

	hosted_set_user_sp(stack_page(i));
	write_edge(&m->stack, stack_page(i), i);
	m->stack.pages = max(m->stack.pages, i + 1);
}

static void run_model(struct model *m, unsigned int steps);

static void child(void *arg)
{
	struct model *m = arg;

	check_all(m);
	run_model(m, 30);
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		forget(&m->page[i]);
}

/* The child goes on with a copy of its own, then the parent with what it had. */
static void op_fork(struct model *m)
{
	struct model *copy;
	struct hosted_task *task;

	if (m->depth >= 3)
		return;
	copy = calloc(1, sizeof(*copy));
	*copy = *m;
	copy->depth++;
	for (unsigned int i = 0; i < ARENA_PAGES; i++) {
		struct model_page *p = &copy->page[i];

		if (!p->cell)
			continue;
		if (p->dontfork) {
			memset(p, 0, sizeof(*p));
		} else if (p->shared) {
			p->cell->refs++;
		} else {
			p->cell = new_cell();
			p->cell->value = p->wipeonfork ? 0 : m->page[i].cell->value;
		}
	}
	task = IN_TURN(hosted_fork(HOSTED_ANY_CPU, child, copy), !result_, check_all(m));
	CHECK(task);
	hosted_wait(task);
	free(copy);
	check_all(m);
}

static void run_model(struct model *m, unsigned int steps)
{
	static void (*const ops[])(struct model *) = {
		op_mmap,     op_mmap,	     op_munmap, op_mprotect,	op_mprotect,
		op_dontneed, op_write,	     op_write,	op_write,	op_write,
		op_write,    op_read,	     op_read,	op_mremap_move, op_mremap_resize,
		op_mlock,    op_fork_advice, op_brk,	op_stack,
	};

	for (unsigned int i = 0; i < steps; i++) {
		if (test_random_below(60) == 0)
			op_fork(m);
		else
			ops[test_random_below(ARRAY_SIZE(ops))](m);
		if (test_random_below(8) == 0)
			check_all(m);
		else
			check_mm();
	}
}

static void whole_run(unsigned int steps)
{
	static struct model m;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, STACK_TOP - PAGE_SIZE, PAGE_SIZE, RW,
			 FIXED | MAP_GROWSDOWN, 0),
		 STACK_TOP - PAGE_SIZE);
	m.stack.pages = 1;
	run_model(&m, steps);
	check_all(&m);
	CHECK_EQ(do_brk(current_vm->mm, HEAP), HEAP);
	CHECK_EQ(do_munmap(current_vm->mm, STACK_TOP - PG(EDGE_MAX), PG(EDGE_MAX)), 0);
	CHECK_EQ(do_munmap(current_vm->mm, ARENA, PG(ARENA_PAGES)), 0);
	check_mm();
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->pgtables_bytes), PAGE_SIZE);
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		forget(&m.page[i]);
}

PAGODA_TEST(random_calls_agree_with_a_model,
	    "AS-03 AS-15 AS-19 AS-20 AS-33 AS-43 AS-44 AS-49 AS-53 AS-65 FT-25 FT-36 FT-37 FT-56")
{
	whole_run(test_scale(6000));
}

PAGODA_TEST(calls_whose_allocations_fail_in_turn_change_nothing, "AS-53 AS-65 FT-25")
{
	unsigned int steps = test_scale(2000);

	failing = true;
	whole_run(steps);
	CHECK_GT(failures, steps / 10); /* or it tests nothing */
}
