/* SPDX-License-Identifier: MIT */
/* proves: AS-43 AS-48 AS-49 AS-65 FT-24 FT-36 FT-42 */
/* timeout: 180 */
/*
 * Thousands of random memory calls on 64 pages of address space, held against a naive model
 * that knows for each page what is mapped there, with which rights and which contents:
 * mappings private and shared, anonymous and of a file, placed over each other; munmap,
 * mprotect and madvise with their effects up to holes; mremap of pages; writes by the program
 * and by read(2); forks, after which private pages go separate ways and shared ones do not.
 * Every disagreement is printed with its seed and step.
 */
#include "guest.h"

enum { PAGES = 64, OBJECTS = 4, STEPS = 2500, SEEDS = 6 };

enum kind { HOLE, PRIVATE_ANON, PRIVATE_FILE, SHARED };

/* An object that mappings share: object 0 is the file, the others shared anonymous memory. */
static unsigned char object[OBJECTS][PAGES];
static int object_seen[OBJECTS];	/* made in this run */
static char *object_home[OBJECTS];	/* where all of a shared anonymous object is mapped */

static struct page_model {
	enum kind kind;
	int prot;
	int object, index;	/* SHARED and PRIVATE_FILE: what it shows */
	int copied;		/* PRIVATE_FILE: has contents of its own */
	unsigned char value;	/* contents of its own */
} model[PAGES];

static char *arena;
static int file;
static unsigned long state;
static int disagreements, step;
static unsigned long seed;

static unsigned random_below(unsigned limit)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % limit;
}

static void disagree(const char *what, int page)
{
	if (disagreements++ < 10)
		printf("seed %lu step %d page %d: %s\n", seed, step, page, what);
}

static unsigned char expected_value(const struct page_model *m)
{
	if (m->kind == SHARED || (m->kind == PRIVATE_FILE && !m->copied))
		return object[m->object][m->index];
	return m->value;
}

static void store(struct page_model *m, unsigned char value)
{
	if (m->kind == SHARED) {
		object[m->object][m->index] = value;
	} else {
		m->copied = 1;
		m->value = value;
	}
}

/* On x86 what may be written or executed may also be read. */
static int may_read(const struct page_model *m)
{
	return m->kind != HOLE && m->prot != PROT_NONE;
}

static int may_write(const struct page_model *m)
{
	return m->kind != HOLE && (m->prot & PROT_WRITE) != 0;
}

/* Where in a page its value stands: not always at the beginning. */
static char *spot(int page)
{
	return arena + page * PAGE + page * 61 % PAGE;
}

static void check_page(int page)
{
	const struct page_model *m = &model[page];
	volatile unsigned char seen = 0;
	TRY(seen = *(volatile unsigned char *)spot(page));
	if ((last_fault.sig == 0) != may_read(m))
		disagree(last_fault.sig ? "fault at a readable page" : "no fault at a page not readable", page);
	else if (!last_fault.sig && seen != expected_value(m))
		disagree("wrong contents", page);
	else if (last_fault.sig && (last_fault.code == SEGV_MAPERR) != (m->kind == HOLE))
		disagree("wrong si_code", page);
}

static void check_all(void)
{
	for (int page = 0; page < PAGES; page++)
		check_page(page);
}

static void write_page(int page)
{
	struct page_model *m = &model[page];
	unsigned char value = 1 + random_below(255);
	TRY(*(volatile unsigned char *)spot(page) = value);
	if ((last_fault.sig == 0) != may_write(m))
		disagree(last_fault.sig ? "fault at a writable page" : "no fault at a page not writable", page);
	else if (!last_fault.sig)
		store(m, value);
}

/* The kernel writes: its copy breaks sharing as a store does, and EFAULT replaces the signal. */
static void read_into_page(int page)
{
	struct page_model *m = &model[page];
	int fds[2];
	unsigned char value = 1 + random_below(255);
	MUST(pipe(fds));
	MUST(write(fds[1], &value, 1));
	ssize_t got = read(fds[0], spot(page), 1);
	if ((got == 1) != may_write(m) || (got != 1 && errno != EFAULT))
		disagree("read(2) into it", page);
	else if (got == 1)
		store(m, value);
	close(fds[0]);
	close(fds[1]);
}

static int random_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	return prots[random_below(ARRAY_LEN(prots))];
}

static void random_range(int *first, int *count)
{
	*first = random_below(PAGES);
	*count = 1 + random_below(random_below(3) ? 6 : PAGES);
	if (*first + *count > PAGES)
		*count = PAGES - *first;
}

/* Shared pages show an object of their own index, so that files need no offset of their own. */
static void do_mmap(void)
{
	int first, count, prot = random_prot(), what = random_below(4), flags, fd = -1;
	random_range(&first, &count);
	flags = MAP_FIXED | (what == 0 || what == 1 ? MAP_PRIVATE : MAP_SHARED);
	if (what == 0)
		flags |= MAP_ANONYMOUS;
	else
		fd = file;
	char *at = arena + first * PAGE;
	if (what == 3) { /* a view of a shared anonymous object: mremap of length 0 makes one */
		int number = 1 + random_below(OBJECTS - 1);
		if (mremap(object_home[number] + first * PAGE, 0, count * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
			disagree("second view of shared memory", first);
		MUST(mprotect(at, count * PAGE, prot));
		for (int i = first; i < first + count; i++)
			model[i] = (struct page_model){ SHARED, prot, number, i, 0, 0 };
		return;
	}
	if (mmap(at, count * PAGE, prot, flags, fd, fd == -1 ? 0 : first * PAGE) != at)
		disagree("mmap", first);
	for (int i = first; i < first + count; i++)
		model[i] = (struct page_model){ what == 0 ? PRIVATE_ANON : what == 1 ? PRIVATE_FILE : SHARED,
						prot, 0, i, 0, 0 };
}

static void do_munmap(void)
{
	int first, count;
	random_range(&first, &count);
	if (munmap(arena + first * PAGE, count * PAGE))
		disagree("munmap", first);
	for (int i = first; i < first + count; i++)
		model[i] = (struct page_model){ .kind = HOLE };
}

static void do_mprotect(void)
{
	int first, count, prot = random_prot(), end;
	random_range(&first, &count);
	for (end = first; end < first + count && model[end].kind != HOLE; end++)
		model[end].prot = prot;
	int result = mprotect(arena + first * PAGE, count * PAGE, prot);
	if ((result == 0) != (end == first + count) || (result && errno != ENOMEM))
		disagree("mprotect's result", first);
}

static void do_madvise(void)
{
	int first, count, holes = 0;
	random_range(&first, &count);
	for (int i = first; i < first + count; i++) {
		holes += model[i].kind == HOLE;
		model[i].copied = 0;
		model[i].value = 0;
	}
	int result = madvise(arena + first * PAGE, count * PAGE, MADV_DONTNEED);
	if ((result == 0) != (holes == 0) || (result && errno != ENOMEM))
		disagree("madvise's result", first);
}

static void do_mremap(void)
{
	int from = random_below(PAGES), to = random_below(PAGES);
	char *target = arena + to * PAGE;
	char *result = mremap(arena + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	if (from == to) {
		/* Of a hole Linux 6.1 says EFAULT, later ones EINVAL. */
		if (result != MAP_FAILED || (errno != EINVAL && model[from].kind != HOLE))
			disagree("mremap onto itself", from);
		return;
	}
	if (model[from].kind == HOLE) {
		if (result != MAP_FAILED || errno != EFAULT)
			disagree("mremap of a hole", from);
		/* Linux 6.1 has unmapped the target by then, later ones have not: settle it. */
		MUST(munmap(target, PAGE));
		model[to] = (struct page_model){ .kind = HOLE };
		return;
	}
	if (result != target)
		disagree("mremap", from);
	/* The contents' place within a page goes by the page's number: read and put right below. */
	struct page_model moved = model[from];
	unsigned char value = expected_value(&moved);
	model[from] = (struct page_model){ .kind = HOLE };
	model[to] = moved;
	volatile unsigned char seen = value;
	if (may_read(&moved))
		TRY(seen = *(volatile unsigned char *)(target + from * 61 % PAGE));
	/* An object's page has one place: those of other indices are given up again. */
	if (moved.kind == SHARED || moved.kind == PRIVATE_FILE) {
		MUST(munmap(target, PAGE));
		model[to] = (struct page_model){ .kind = HOLE };
		return;
	}
	if (seen != value)
		disagree("contents after mremap", to);
	MUST(mprotect(target, PAGE, PROT_READ | PROT_WRITE));
	target[from * 61 % PAGE] = 0;
	*spot(to) = value;
	MUST(mprotect(target, PAGE, moved.prot));
}

/* The child sees what the parent saw, writes everywhere; the parent sees only shared writes. */
static int child_body(void *unused)
{
	(void)unused;
	check_all();
	for (int i = 0; i < 20; i++)
		write_page(random_below(PAGES));
	check_all();
	return disagreements > 0;
}

static void do_fork(void)
{
	/* What the child will do is known: it starts from this state and draws the same numbers. */
	unsigned long before = state;
	struct page_model saved[PAGES];
	pid_t pid = start_child(child_body, NULL);
	memcpy(saved, model, sizeof(saved));
	for (int i = 0; i < 20; i++) {
		struct page_model *m = &model[random_below(PAGES)];
		unsigned char value = 1 + random_below(255);
		if (may_write(m))
			store(m, value);
	}
	memcpy(model, saved, sizeof(saved));
	state = before ^ 0x5555;
	if (wait_for(pid))
		disagree("in a child", -1);
	check_all();
}

static void start_run(void)
{
	memset(object, 0, sizeof(object));
	MUST(munmap(arena, PAGES * PAGE));
	memset(model, 0, sizeof(model));
	MUST(ftruncate(file, 0));
	MUST(ftruncate(file, PAGES * PAGE));
	for (int i = 1; i < OBJECTS; i++) {
		if (object_seen[i]++)
			MUST(munmap(object_home[i], PAGES * PAGE));
		object_home[i] = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	}
}

static void one_step(void)
{
	unsigned what = random_below(100);
	if (what < 14)
		do_mmap();
	else if (what < 20)
		do_munmap();
	else if (what < 32)
		do_mprotect();
	else if (what < 36)
		do_madvise();
	else if (what < 42)
		do_mremap();
	else if (what < 75)
		write_page(random_below(PAGES));
	else if (what < 80)
		read_into_page(random_below(PAGES));
	else if (what < 97)
		check_page(random_below(PAGES));
	else if (what < 98)
		do_fork();
	else
		check_all();
}

int main(void)
{
	catch_faults(0);
	scratch_enter();
	file = MUST(open("file", O_RDWR | O_CREAT, 0600));
	/* Far from where mmap puts things by itself. */
	arena = MUST(mmap((void *)0x300000000000, PAGES * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	for (seed = 1; seed <= SEEDS; seed++) {
		unsigned sum = 0;
		state = seed * 77777;
		start_run();
		for (step = 0; step < STEPS; step++)
			one_step();
		check_all();
		for (int i = 0; i < PAGES; i++)
			sum = sum * 31 + model[i].kind * 7 + model[i].prot + expected_value(&model[i]) * 100;
		printf("seed %lu: %d steps, disagreements %d, final state %08x\n", seed, STEPS, disagreements, sum);
	}
	MUST(unlink("file"));
	scratch_leave();
	return disagreements != 0;
}
