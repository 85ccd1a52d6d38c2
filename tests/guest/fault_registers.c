/* SPDX-License-Identifier: MIT */
/* proves: FT-70 */
/*
 * Page faults that the kernel serves are invisible: an instruction that faults (read, write,
 * read-modify-write, push, call into a page not present, string instructions crossing into
 * an absent page at every offset, in both directions) restarts with all registers, flags and
 * XMM registers as they were. The same while a handler maps the missing page itself.
 */
#include "guest.h"

struct state {
	unsigned long rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, flags;
};

static unsigned long arithmetic_flags(unsigned long flags)
{
	return flags & 0x8d5; /* OF SF ZF AF PF CF */
}

/*
 * Loads ten registers and the carry flag, runs "mov (%%rdi), %%rax"-like text and stores
 * them. rdi holds the address.
 */
#define WITH_STATE(s, text)                                                                        \
	__asm__ volatile("mov 8(%0), %%rbx\n\tmov 16(%0), %%rcx\n\tmov 24(%0), %%rdx\n\t"          \
			 "mov 32(%0), %%rsi\n\tmov 40(%0), %%rdi\n\tmov 48(%0), %%r8\n\t"          \
			 "mov 56(%0), %%r9\n\tmov 64(%0), %%r10\n\tmov 72(%0), %%r11\n\t"          \
			 "mov 0(%0), %%rax\n\t"                                                    \
			 "push 80(%0)\n\tpopf\n\t" text "\n\t"                                     \
			 "pushf\n\tpop 80(%0)\n\tcld\n\t"                                          \
			 "mov %%rax, 0(%0)\n\tmov %%rbx, 8(%0)\n\tmov %%rcx, 16(%0)\n\t"           \
			 "mov %%rdx, 24(%0)\n\tmov %%rsi, 32(%0)\n\tmov %%rdi, 40(%0)\n\t"         \
			 "mov %%r8, 48(%0)\n\tmov %%r9, 56(%0)\n\tmov %%r10, 64(%0)\n\t"           \
			 "mov %%r11, 72(%0)"                                                       \
			 ::"r"(s)                                                                  \
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",     \
			   "memory", "cc")

static struct state fresh_state(void *address)
{
	return (struct state){ 0x1010, 0x2020, 0x3030, 0x4040, 0x5050, (unsigned long)address,
			       0x8080, 0x9090, 0xa0a0, 0xb0b0, 0x8d7 };
}

static void show_state(const char *what, const struct state *s, const void *base)
{
	printf("%s: rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi base+%ld r8 %lx r9 %lx r10 %lx "
	       "r11 %lx flags %lx\n",
	       what, s->rax, s->rbx, s->rcx, s->rdx, s->rsi, (long)(s->rdi - (long)base), s->r8,
	       s->r9, s->r10, s->r11, arithmetic_flags(s->flags));
}

static void single_accesses(void)
{
	struct state s, *volatile p = &s;
	char *area = map_anon(8 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);

	s = fresh_state(area);
	WITH_STATE(p, "mov (%%rdi), %%rbx");
	show_state("read", &s, area);
	s = fresh_state(area + PAGE);
	WITH_STATE(p, "mov %%rcx, 8(%%rdi)");
	show_state("write", &s, area + PAGE);
	s = fresh_state(area);
	WITH_STATE(p, "adc %%rcx, (%%rdi)");
	show_state("read-modify-write of a zero page", &s, area);
	s = fresh_state(area + 2 * PAGE);
	WITH_STATE(p, "lock xadd %%rdx, (%%rdi)");
	show_state("locked exchange and add", &s, area + 2 * PAGE);
	s = fresh_state(area + 3 * PAGE - 4);
	WITH_STATE(p, "movq %%r8, (%%rdi)\n\tmov (%%rdi), %%r9");
	show_state("write across two pages", &s, area + 3 * PAGE - 4);
	s = fresh_state(area + 5 * PAGE);
	WITH_STATE(p, "xchg %%rsp, %%rdi\n\tpush %%rcx\n\tpush %%rdx\n\tpop %%r10\n\txchg %%rsp, %%rdi");
	show_state("push on an absent page", &s, area + 5 * PAGE);
	printf("memory: %08x\n", checksum(area, 8 * PAGE));
}

/* XMM registers survive the faults taken between loading and storing them. */
static void xmm_over_faults(void)
{
	unsigned char out[16][16];
	long differ = 0;
	char *area = map_anon(64 * PAGE, PROT_READ | PROT_WRITE);
	void *in = out;
	char *at = area;
	for (int i = 0; i < 16; i++)
		memset(out[i], 0xa0 + i, 16);
	__asm__ volatile("movdqu 0(%0), %%xmm0\n\tmovdqu 112(%0), %%xmm7\n\t"
			 "movdqu 240(%0), %%xmm15\n\tmov $64, %%ecx\n"
			 "1:\tmovdqu %%xmm7, 100(%1)\n\tadd $4096, %1\n\tdec %%ecx\n\tjnz 1b\n\t"
			 "movdqu %%xmm15, 0(%0)\n\tmovdqu %%xmm0, 112(%0)\n\tmovdqu %%xmm7, 240(%0)"
			 : "+r"(in), "+r"(at)::"rcx", "xmm0", "xmm7", "xmm15", "memory", "cc");
	for (int i = 0; i < 64; i++)
		differ += (unsigned char)area[i * PAGE + 107] != 0xa7;
	printf("xmm over 64 faults: %x %x %x, wrong pages %ld\n", out[0][3], out[7][3], out[15][3],
	       differ);
}

/* A rep movs that runs into an absent page after k bytes, for every k up to 64. */
static void string_instructions(void)
{
	char *from = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	long differ = 0, registers = 0;
	for (int k = 0; k <= 64; k++) {
		char *to = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
		char *source = from + 2 * PAGE - 64 - k;
		unsigned long count = 128, flags;
		char *s = source, *d = to + PAGE - k;
		for (int i = 0; i < 128; i++)
			source[i] = i + k;
		MUST(madvise(to, 2 * PAGE, MADV_DONTNEED));
		__asm__ volatile("stc\n\trep movsb\n\tpushf\n\tpop %3"
				 : "+c"(count), "+S"(s), "+D"(d), "=r"(flags)::"memory", "cc");
		registers += count != 0 || s != source + 128 || d != to + PAGE - k + 128 ||
			     !(flags & 1);
		differ += memcmp(source, to + PAGE - k, 128) != 0;
		MUST(munmap(to, 2 * PAGE));
	}
	printf("rep movsb into absent pages: %ld wrong copies, %ld wrong registers\n", differ,
	       registers);
	differ = registers = 0;
	for (int k = 0; k <= 64; k++) {
		char *to = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
		unsigned long count = 16;
		char *d = to + PAGE + k;
		__asm__ volatile("std\n\trep stosq\n\tcld"
				 : "+c"(count), "+D"(d)
				 : "a"(0x4242424242424242)
				 : "memory", "cc");
		registers += count != 0 || d != to + PAGE + k - 128;
		for (int i = -120; i < 8; i++)
			differ += to[PAGE + k + i] != 0x42;
		MUST(munmap(to, 2 * PAGE));
	}
	printf("rep stosq downwards: %ld wrong bytes, %ld wrong registers\n", differ, registers);
	char *zeros = map_anon(3 * PAGE, PROT_READ);
	unsigned long count = 3 * PAGE;
	char *d = zeros;
	__asm__ volatile("repe scasb" : "+c"(count), "+D"(d) : "a"(0) : "memory", "cc");
	printf("repe scasb over three absent pages: %lu left, at base+%ld\n", count, d - zeros);
}

static char *hole;
static int handled;

static void map_the_page(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((unsigned long)info->si_addr & -PAGE);
	(void)sig;
	(void)context;
	handled++;
	if (page < hole || page >= hole + 4 * PAGE)
		_exit(98);
	MUST(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
}

/* The program is its own pager: the handler makes the page good and the copy goes on. */
static void user_pager(void)
{
	char text[64] = "copied across pages that a signal handler made accessible";
	hole = map_anon(4 * PAGE, PROT_NONE);
	MUST(set_handler(SIGSEGV, map_the_page, 0));
	for (int page = 1; page < 4; page++) {
		unsigned long count = sizeof(text);
		char *s = text, *d = hole + page * PAGE - 20;
		__asm__ volatile("rep movsb" : "+c"(count), "+S"(s), "+D"(d)::"memory", "cc");
		printf("page %d: %s, left %lu, handled %d\n", page, hole + page * PAGE - 20, count,
		       handled);
	}
	signal(SIGSEGV, SIG_DFL);
}

int main(void)
{
	single_accesses();
	xmm_over_faults();
	string_instructions();
	user_pager();
	return 0;
}
