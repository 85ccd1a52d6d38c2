/* SPDX-License-Identifier: MIT */
/*
 * harness.h: writing unit tests for the core on the hosted machine.
 *
 *	PAGODA_TEST(alloc_pages_returns_aligned_block, "PA-01 PA-09")
 *	{
 *		struct page *page = alloc_pages(GFP_KERNEL, 3);
 *
 *		CHECK(page);
 *		CHECK_EQ(page_to_pfn(page) % 8, 0);
 *		__free_pages(page, 3);
 *	}
 *
 * A test registers itself; its name says the behaviour, the string the requirement IDs it
 * proves ("" if it proves none). Each test runs in a process of its own with a machine freshly
 * booted, as the boot task on CPU 0, interrupts on. When it returns the harness lets go of its
 * address space and checks that no task is left, that mm_validate_all() passes, that as many frames
 * are free as before, and that nothing warned. A failed check, panic, sanitizer report, crash or
 * time-out fails the test, from whichever CPU.
 *
 *	PAGODA_TEST_CONFIG(numa_prefers_local_node, "PA-20", .nr_nodes = 2, .ram = 256 * SZ_1M)
 *
 * gives the machine (struct hosted_config). PAGODA_TEST_NODES=2 in the environment gives it
 * two nodes instead of one, PAGODA_TEST_BOOT_WORDS=slab_debug adds words to its command line
 * (XC-05's matrix: ./pagoda test --matrix). Every executable understands:
 *	--list		names and IDs		NAME...		only tests whose name contains one
 *	--seed N	the seed of the run	--no-fork	in this process, for a debugger
 *	--rounds N	that often, each time with the next seed
 *
 * Output, one line a test, then a summary:
 *	ok NAME [IDs]		not ok NAME [IDs]: reason		skip NAME [IDs]: reason
 *
 * Why not cmocka: its checks leave a test by longjmp(), which does not work from the
 * threads that are our other CPUs, and they cannot report from a forked child.
 */
#pragma once

#include <machine/hosted.h>

struct unit_test {
	const char *name, *ids;
	void (*body)(void);
	struct hosted_config config;
	struct unit_test *next;
};

void unit_test_register(struct unit_test *test);

#define PAGODA_TEST_CONFIG(name_, ids_, ...)                                          \
	static void name_(void);                                                      \
	static struct unit_test unit_test_##name_ = {                                 \
		.name = #name_, .ids = ids_, .body = name_, .config = {__VA_ARGS__}}; \
	__attribute__((constructor)) static void unit_test_register_##name_(void)     \
	{                                                                             \
		unit_test_register(&unit_test_##name_);                               \
	}                                                                             \
	static void name_(void)

#define PAGODA_TEST(name_, ids_) PAGODA_TEST_CONFIG(name_, ids_, .nr_cpus = 1)

/*
 * Not to be varied by PAGODA_TEST_NODES, PAGODA_TEST_BOOT_WORDS: exact numbers of this very
 * machine.
 */
#define PAGODA_TEST_EXACT(name_, ids_) PAGODA_TEST_CONFIG(name_, ids_, .nr_cpus = 1, .exact = true)

/* End the test as failed or skipped, from any thread. */
__noreturn void test_fail(const char *file, int line, const char *fmt, ...) __printf(3, 4);
__noreturn void test_skip(const char *fmt, ...) __printf(1, 2);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test_skip(__VA_ARGS__)

#define CHECK(cond)                        \
	do {                               \
		if (!(cond))               \
			FAIL("%s", #cond); \
	} while (0)

#define CHECK_CMP(a, op, b)                                                                      \
	do {                                                                                     \
		__auto_type a_ = (a);                                                            \
		__auto_type b_ = (b);                                                            \
		if (!(a_ op(__typeof__(a_)) b_))                                                 \
			FAIL("%s %s %s: %lld (%#llx), %lld (%#llx)", #a, #op, #b, (long long)a_, \
			     (unsigned long long)a_, (long long)b_, (unsigned long long)b_);     \
	} while (0)
/* Integers and pointers; the second is converted to the first's type. */
#define CHECK_EQ(a, b) CHECK_CMP(a, ==, b)
#define CHECK_NE(a, b) CHECK_CMP(a, !=, b)
#define CHECK_LT(a, b) CHECK_CMP(a, <, b)
#define CHECK_LE(a, b) CHECK_CMP(a, <=, b)
#define CHECK_GT(a, b) CHECK_CMP(a, >, b)
#define CHECK_GE(a, b) CHECK_CMP(a, >=, b)

#define CHECK_STR(a, b)                                               \
	do {                                                          \
		const char *a_ = (a), *b_ = (b);                      \
		if (__builtin_strcmp(a_, b_) != 0)                    \
			FAIL("%s is \"%s\", not \"%s\"", #a, a_, b_); \
	} while (0)

#define CHECK_MEM(a, b, n)                                                   \
	do {                                                                 \
		size_t diff_ = test_first_difference((a), (b), (n));         \
		if (diff_ != (size_t)(n))                                    \
			FAIL("%s and %s differ at byte %zu", #a, #b, diff_); \
	} while (0)
size_t test_first_difference(const void *a, const void *b, size_t n);

/* The current task took exactly this signal. */
#define CHECK_SIGNAL(signo_, code_, addr_)                                                 \
	do {                                                                               \
		struct hosted_signal s_ = hosted_signal();                                 \
		if (s_.signo != (signo_) || s_.code != (code_) ||                          \
		    s_.addr != (unsigned long)(addr_))                                     \
			FAIL("signal %d code %d address %#lx, not %d, %d, %#lx", s_.signo, \
			     s_.code, s_.addr, (int)(signo_), (int)(code_),                \
			     (unsigned long)(addr_));                                      \
	} while (0)

/*
 * The block panics with a message that contains text. It runs in a forked copy of the
 * process with its own copy of RAM, on the calling thread alone: what it does is undone, and
 * it must not wait for other tasks.
 *
 *	EXPECT_PANIC("double free", {
 *		__free_page(page);
 *	});
 */
#define EXPECT_PANIC(text, ...)                           \
	do {                                              \
		if (test_panic_begin()) {                 \
			__VA_ARGS__                       \
			test_panic_none();                \
		}                                         \
		test_panic_end(__FILE__, __LINE__, text); \
	} while (0)
bool test_panic_begin(void); /* true in the copy */
__noreturn void test_panic_none(void);
void test_panic_end(const char *file, int line, const char *text);

/*
 * Run body(arg) with the 1st allocation failing, then the 2nd, and so on until a run asks
 * for fewer than n. body returns false if it failed for lack of memory and undid
 * everything; frames must then be as before.
 */
void test_fail_every_allocation(bool (*body)(void *arg), void *arg);

/*
 * Frames that body takes stay taken for good (a cache of the kernel's): they are not looked for at
 * the end.
 */
void test_lasting(void (*body)(void));

/*
 * Wait until kswapd of each node, if there is one, sleeps: until then it moves pages and slots. All
 * that it did has been seen by the caller then. A kswapd that has not come to rest after two
 * minutes fails the test.
 */
void test_let_kswapd_rest(void);

/* Give back all that caches hold, then count free frames. */
unsigned long test_free_frames(void);

/* The run's seed, and numbers drawn from it. */
u64 test_seed(void);
u64 test_random(void);
/* 0 .. n-1 */
u64 test_random_below(u64 n);
/* How often to go round a long loop: n, fewer times under sanitizers, more in a --long run. */
unsigned int test_scale(unsigned int n);
