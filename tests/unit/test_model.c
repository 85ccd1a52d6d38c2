// SPDX-License-Identifier: MIT
/*
 * test_model.c: random calls on address spaces beside a model that is too simple to be wrong.
 *
 * The model is an array with a record for each page of a small arena: mapped or not, its
 * rights, and the cell that holds its first word. Private pages have a cell of their own,
 * shared ones have the object's. After each call the VMAs must say what the model says, and
 * reads and writes must end as it says: with the right value, or the right signal.
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
	bool mapped, shared;
	unsigned int prot;
	struct cell *cell;
};

struct model {
	struct model_page page[ARENA_PAGES];
	int depth; /* forks above */
};

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

static void check_all(struct model *m)
{
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		check_page(m, i);
	check_mm();
}

/* ---- Calls ------------------------------------------------------------------------------- */

static unsigned int random_range(unsigned int *first)
{
	unsigned int n = 1 + (unsigned int)test_random_below(test_random_below(4) ? 8 : ARENA_PAGES);

	*first = (unsigned int)test_random_below(ARENA_PAGES);
	return min(n, ARENA_PAGES - *first);
}

static unsigned int random_prot(void)
{
	static const unsigned int prots[] = { PROT_NONE, PROT_READ, RW, RW, RW };

	return prots[test_random_below(ARRAY_SIZE(prots))];
}

static void op_mmap(struct model *m)
{
	unsigned int first, n = random_range(&first), prot = random_prot();
	bool shared = test_random_below(4) == 0;
	unsigned long ret = do_mmap(NULL, ARENA + PG(first), PG(n), prot,
				    MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), 0);

	CHECK_EQ(ret, ARENA + PG(first));
	for (unsigned int i = first; i < first + n; i++) {
		forget(&m->page[i]);
		m->page[i] = (struct model_page){ true, shared, prot, new_cell() };
	}
}

static void op_munmap(struct model *m)
{
	unsigned int first, n = random_range(&first);

	CHECK_EQ(do_munmap(ARENA + PG(first), PG(n)), 0);
	for (unsigned int i = first; i < first + n; i++)
		forget(&m->page[i]);
}

static void op_mprotect(struct model *m)
{
	unsigned int first, n = random_range(&first), prot = random_prot(), i;
	int expected = 0;

	for (i = first; i < first + n && m->page[i].mapped; i++)
		m->page[i].prot = prot;
	if (i < first + n)
		expected = -ENOMEM;
	CHECK_EQ(do_mprotect(ARENA + PG(first), PG(n), prot), expected);
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
	CHECK_EQ(do_madvise(ARENA + PG(first), PG(n), 4), expected);
}

static void op_write(struct model *m)
{
	unsigned int i = (unsigned int)test_random_below(ARENA_PAGES);
	struct model_page *p = &m->page[i];
	unsigned long addr = ARENA + PG(i);
	u32 value = (u32)test_random() | 1;

	if (p->mapped && p->prot & PROT_WRITE) {
		CHECK(user_write32(addr, value));
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
		CHECK(user_read32(ARENA + PG(i), &value));
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

	return (unsigned int)min(ARENA_PAGES - first, (vma->vm_end - ARENA - PG(first)) >> PAGE_SHIFT);
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
	ret = do_mremap(ARENA + PG(from), PG(n), PG(new_n), MREMAP_MAYMOVE | MREMAP_FIXED,
			ARENA + PG(to));
	CHECK_EQ(ret, ARENA + PG(to));
	memcpy(moved, &m->page[from], n * sizeof(moved[0]));
	memset(&m->page[from], 0, n * sizeof(moved[0]));
	for (unsigned int i = 0; i < new_n; i++) {
		forget(&m->page[to + i]);
		m->page[to + i] = i < n ? moved[i]
					: (struct model_page){ true, false, moved[0].prot, new_cell() };
	}
}

static void op_mlock(struct model *m)
{
	unsigned int first, n = random_range(&first);
	bool whole = true, access = true;

	for (unsigned int i = first; i < first + n; i++) {
		whole &= m->page[i].mapped;
		access &= m->page[i].prot != 0;
	}
	CHECK_EQ(do_mlock(ARENA + PG(first), PG(n), 0), whole && access ? 0 : -ENOMEM);
	CHECK_EQ(do_munlockall(), 0);
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
		if (p->shared) {
			p->cell->refs++;
		} else {
			p->cell = new_cell();
			p->cell->value = m->page[i].cell->value;
		}
	}
	task = hosted_fork(HOSTED_ANY_CPU, child, copy);
	CHECK(task);
	hosted_wait(task);
	free(copy);
	check_all(m);
}

static void run_model(struct model *m, unsigned int steps)
{
	static void (*const ops[])(struct model *) = {
		op_mmap, op_mmap, op_munmap, op_mprotect, op_mprotect, op_dontneed, op_write, op_write,
		op_write, op_write, op_write, op_read, op_read, op_mremap_move, op_mlock,
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

PAGODA_TEST(random_calls_agree_with_a_model,
	    "AS-03 AS-15 AS-19 AS-20 AS-33 AS-43 AS-44 AS-49 AS-53 AS-65 FT-25 FT-36 FT-37 FT-56")
{
	static struct model m;

	new_process();
	run_model(&m, test_scale(6000));
	check_all(&m);
	CHECK_EQ(do_munmap(ARENA, PG(ARENA_PAGES)), 0);
	check_mm();
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->pgtables_bytes), PAGE_SIZE);
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		forget(&m.page[i]);
}
