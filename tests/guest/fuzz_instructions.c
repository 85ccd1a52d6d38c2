/* SPDX-License-Identifier: MIT */
/* proves: AS-04 */
/* compare: none */
/* guest: --ram 32M --swap 64M */
/* libc: glibc */
/* timeout: 600 */
/*
 * Instructions of every kind, executed in user mode by an unprivileged process with all registers, the stack pointer
 * among them, on present, absent, read-only, kernel and non-canonical addresses. Whatever they do, they end in
 * signals or in the process's end, and the machine goes on; the runner sees kernel warnings and lost frames.
 *
 *	shot	one piece of code with its registers, a function of seed and number
 *	batch	shots that one child fires, one after the other; if it dies, the next child goes on behind the shot
 *
 * A shot is fired by returning from a signal handler: the handler writes the registers into its frame, and
 * rt_sigreturn loads them. The code's end (a fault, INT 3, the trap flag, or a timer) is the next signal. So the
 * handler runs with whatever the shot left in FS and the FPU, and uses neither.
 *
 * Even shots go through all opcodes of one byte, 0F, 0F 38 and 0F 3A with all prefixes, one instruction by the trap
 * flag; odd ones are random bytes, half of them without the trap flag.
 *
 * No instruction of user mode may change the interrupt flag or the I/O privilege level: both are looked at after each
 * shot, in the handler and in the frame.
 *
 * QEMU before 9.1 lets a far call push as a supervisor (docs/CAVEATS.md): with the stack in the kernel's half no far
 * pointer gets a selector that is valid, or the emulator would write into the kernel.
 *
 *	fuzz_instructions [SEED [FIRST [COUNT]]]	prints the seed, and a shot by which a child died
 *	fuzz_instructions SEED SHOT 0			prints the shot's code and registers
 */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/time.h>

enum { SHOTS = 60000, BATCH = 4096, NOBODY = 65534, PATIENCE_MS = 60000, STEPS = 6, CODE_BYTES = 64, TICK_US = 20000 };
#define CODE	  0x300080000000UL /* far from everything that a displacement of 32 bits or a cut address could reach */
#define DATA	  0x300180000000UL
#define DATA_PAGES 16UL
#define EFL_TF	  0x100UL
#define EFL_IF	  0x200UL
#define EFL_IOPL  0x3000UL
#define NO_SYSCALL 0x7fff0000UL

/* What parent and children share. */
struct progress {
	volatile unsigned long next; /* shot */
	volatile unsigned long signals[65], exits, kills, deaths;
	volatile unsigned long flags_changed, changed_by; /* shots after which IF or IOPL differ; the first of them */
};

static struct progress *progress;
static unsigned char *code_alias; /* the code page, writable, elsewhere */
static unsigned long seed, last_shot;
static unsigned steps_left;

static unsigned long mix(unsigned long x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9UL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

struct dice {
	unsigned long state;
};

static unsigned long roll(struct dice *d)
{
	d->state += 0x9e3779b97f4a7c15UL;
	return mix(d->state);
}

/* ---- Where registers point ---------------------------------------------------------------------- */

enum place { PRESENT, POINTERS, ABSENT, READ_ONLY, NO_ACCESS, UNMAPPED, KERNEL, NOT_CANONICAL, NR_PLACES };

static unsigned long data_page(enum place place)
{
	return DATA + place * 2 * PAGE;
}

static unsigned long kernel_address(struct dice *d)
{
	static const unsigned long parts[] = { 0xffff800000000000, 0xffff888000000000, 0xffff900000000000, 0xffffc90000000000,
					       0xffffffff80000000, 0xffffffff81000000, -4096UL };
	return parts[roll(d) % ARRAY_LEN(parts)] + roll(d) % 0x400000;
}

static unsigned long address_in(enum place place, struct dice *d)
{
	unsigned long offset = roll(d) % 8 ? roll(d) % PAGE & ~15UL : PAGE - roll(d) % 16; /* or across the end */
	switch (place) {
	case UNMAPPED: return (DATA - (64UL << 20)) + offset;
	case KERNEL: return kernel_address(d);
	case NOT_CANONICAL: return (0x800000000000UL << roll(d) % 16) + offset - 8;
	default: return data_page(place) + offset;
	}
}

/* A page of far pointers and frames for far returns and IRET, of several widths. */
static void fill_pointers(unsigned long *words, struct dice *d)
{
	static const unsigned char selectors[] = { 0x33, 0x23, 0x2b, 0x10, 0, 7, 0x30, 0x43 };
	for (unsigned i = 0; i + 4 <= PAGE / 8; i += 4) {
		unsigned long selector = selectors[roll(d) % ARRAY_LEN(selectors)];
		words[i] = CODE + CODE_BYTES;
		words[i + 1] = selector | selector << 32;
		words[i + 2] = roll(d) % 2 ? 0x2b0000202UL : roll(d);
		words[i + 3] = DATA + roll(d) % PAGE;
	}
}

static void make_data(void)
{
	struct dice d = { mix(seed) };
	int fd = (int)MUST(syscall(SYS_memfd_create, "code", 0));

	MUST(ftruncate(fd, PAGE));
	code_alias = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	MUST(mmap((void *)CODE, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0));
	close(fd);
	memset(code_alias, 0xcc, PAGE);
	MUST(mmap((void *)DATA, DATA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset((void *)DATA, 0xff, 2 * PAGE);
	fill_pointers((unsigned long *)data_page(POINTERS), &d);
	fill_pointers((unsigned long *)data_page(READ_ONLY), &d);
	MUST(mprotect((void *)data_page(READ_ONLY), 2 * PAGE, PROT_READ));
	MUST(mprotect((void *)data_page(NO_ACCESS), 2 * PAGE, PROT_NONE));
}

/* ---- Shots ------------------------------------------------------------------------------------- */

static const unsigned char prefixes[][2] = {
	{ 0 }, { 0x66 }, { 0xf2 }, { 0xf3 }, { 0xf0 }, { 0x64 }, { 0x65 }, { 0x67 }, { 0x66, 0xf2 }, { 0x66, 0xf3 },
	{ 0xf0, 0x66 }, { 0xf0, 0xf2 }, { 0x67, 0xf3 }, { 0x2e }, { 0x36 }, { 0x3e },
};
static const unsigned char rex_bytes[] = { 0, 0x48, 0x40, 0x45, 0x4f };

static unsigned char *put_random(unsigned char *at, unsigned count, struct dice *d)
{
	while (count--)
		*at++ = (unsigned char)roll(d);
	return at;
}

/* The n-th of 4 * 256 opcodes with the next prefixes; what follows it is random. */
static void systematic_code(unsigned char *at, unsigned long n, struct dice *d)
{
	unsigned opcode = n % 1024, turn = (unsigned)(n / 1024);
	const unsigned char *prefix = prefixes[turn % ARRAY_LEN(prefixes)];
	unsigned char rex = rex_bytes[turn / ARRAY_LEN(prefixes) % ARRAY_LEN(rex_bytes)];

	for (int i = 0; i < 2; i++)
		if (prefix[i])
			*at++ = prefix[i];
	if (rex)
		*at++ = rex;
	if (opcode >= 256)
		*at++ = 0x0f;
	if (opcode >= 512)
		*at++ = opcode < 768 ? 0x38 : 0x3a;
	*at++ = (unsigned char)opcode;
	at = put_random(at, 1, d);
	if (at[-1] < 0x40 && (at[-1] & 7) >= 4 && roll(d) % 4) /* rather a register than a displacement alone */
		at[-1] ^= 4;
	put_random(at, 10, d);
}

/* Random bytes, now and then behind VEX, EVEX or XOP. */
static void random_code(unsigned char *at, struct dice *d)
{
	static const unsigned char starts[] = { 0xc4, 0xc5, 0x62, 0x8f };
	unsigned char *end = put_random(at, 4 + roll(d) % 28, d);
	if (roll(d) % 4 == 0)
		*at = starts[roll(d) % ARRAY_LEN(starts)];
	(void)end;
}

/* BT, BTS, BTR and BTC of a register under LOCK, which are invalid, end QEMU 7.2 itself: make the operand memory. */
static void spare_the_emulator(unsigned char *bytes)
{
	int locked = 0;
	for (unsigned i = 0; i + 2 < CODE_BYTES; i++) {
		int is_bit_test = bytes[i + 1] == 0xa3 || bytes[i + 1] == 0xab || bytes[i + 1] == 0xb3 || bytes[i + 1] == 0xbb || bytes[i + 1] == 0xba;
		locked |= bytes[i] == 0xf0;
		if (locked && bytes[i] == 0x0f && is_bit_test)
			bytes[i + 2] &= 0x3f;
	}
}

static void set_registers(greg_t *regs, struct dice *d)
{
	enum place stack = roll(d) % NR_PLACES, operand = roll(d) % NR_PLACES;

	if (stack == KERNEL && operand <= READ_ONLY)
		operand = PRESENT;
	for (int i = REG_R8; i <= REG_RCX; i++)
		regs[i] = (greg_t)address_in(stack != KERNEL && roll(d) % 8 == 0 ? roll(d) % NR_PLACES : operand, d);
	regs[REG_RCX] = roll(d) % 4 ? (greg_t)(roll(d) % 8) : regs[REG_RCX];
	regs[REG_RDX] = roll(d) % 2 ? (greg_t)(roll(d) & 0xffff) : regs[REG_RDX];
	regs[REG_RAX] = NO_SYSCALL;
	regs[REG_RSP] = (greg_t)address_in(stack, d);
	regs[REG_RIP] = CODE;
}

/* Far pointers that a shot before has damaged, and pages that it made present. */
static void renew_data(struct dice *d)
{
	struct dice same = { mix(seed) };
	unsigned long absent = data_page(ABSENT);
	long ret;

	if (roll(d) % 4)
		return;
	fill_pointers((unsigned long *)data_page(POINTERS), &same);
	__asm__ volatile("syscall" : "=a"(ret) : "a"(SYS_madvise), "D"(absent), "S"(2 * PAGE), "d"(MADV_DONTNEED)
			 : "rcx", "r11", "memory");
}

static void load(unsigned long shot, greg_t *regs)
{
	struct dice d = { mix(seed ^ mix(shot + 1)) };
	int random = shot % 2;

	for (unsigned i = 0; i < CODE_BYTES; i++)
		code_alias[i] = 0xcc;
	if (random)
		random_code(code_alias, &d);
	else
		systematic_code(code_alias, shot / 2, &d);
	spare_the_emulator(code_alias);
	renew_data(&d);
	set_registers(regs, &d);
	regs[REG_EFL] = 0x202 | (greg_t)(roll(&d) & 0xcd5);
	if (!random || roll(&d) % 2)
		regs[REG_EFL] |= EFL_TF;
	steps_left = random ? STEPS : 1; /* one more, as some instructions hold the trap off until after the next */
}

/* ---- In the child -------------------------------------------------------------------------------- */

static void leave(int status)
{
	for (;;)
		__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(status) : "rcx", "r11", "memory");
}

static int are_users_flags(unsigned long flags)
{
	return (flags & (EFL_IF | EFL_IOPL)) == EFL_IF;
}

static void check_flags(unsigned long in_frame)
{
	if (are_users_flags(in_frame) && are_users_flags(__builtin_ia32_readeflags_u64()))
		return;
	if (!progress->flags_changed++)
		progress->changed_by = progress->next - 1;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	(void)info;
	progress->signals[sig]++;
	check_flags((unsigned long)regs[REG_EFL]);
	if (sig == SIGTRAP && regs[REG_EFL] & (greg_t)EFL_TF && steps_left) {
		steps_left--;
		return;
	}
	if (progress->next >= last_shot)
		leave(0);
	load(progress->next, regs);
	progress->next++; /* if it kills us, the next child goes on behind it */
	regs[REG_CSGSFS] = 0x33 | 0x2bL << 48;
}

static void become_nobody(void)
{
	struct rlimit none = { 0, 0 }, few = { 8, 8 };
	setrlimit(RLIMIT_CORE, &none);
	MUST(setresgid(NOBODY, NOBODY, NOBODY));
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	setrlimit(RLIMIT_NPROC, &few);
	for (int fd = 0; fd < 16; fd++)
		close(fd);
}

static int fire(void *unused)
{
	static char stack[65536];
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGVTALRM, SIGALRM, SIGSYS };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } }, rarely = { { 1, 0 }, { 1, 0 } };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	(void)unused;

	make_data();
	become_nobody();
	MUST(sigaltstack(&alternate, NULL));
	sigfillset(&action.sa_mask);
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
		MUST(sigaction(signals[i], &action, NULL));
	setitimer(ITIMER_VIRTUAL, &tick, NULL);
	setitimer(ITIMER_REAL, &rarely, NULL); /* a call that waits */
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	return 2; /* not reached */
}

/* ---- The parent ----------------------------------------------------------------------------------- */

/* A child hangs if its shot does not end for that long, though two timers run. */
static int wait_or_kill(pid_t child)
{
	int status;
	unsigned long shot = progress->next;
	long long deadline = now_ns() + PATIENCE_MS * 1000000LL;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (shot != progress->next) {
			shot = progress->next;
			deadline = now_ns() + PATIENCE_MS * 1000000LL;
		}
		if (now_ns() > deadline) {
			progress->kills++;
			kill(child, SIGKILL);
			return wait_for(child);
		}
		sleep_ms(2);
	}
	return status;
}

/* More than memory holds, so that the children's pages go to the swap area. */
static void press(void)
{
	size_t size = 40 << 20;
	char *memory = map_anon(size, PROT_READ | PROT_WRITE);
	for (size_t at = 0; at < size; at += PAGE)
		memory[at] = (char)at;
	MUST(munmap(memory, size));
}

/* All shots below end, whatever becomes of the children. */
static void fire_until(unsigned long end)
{
	last_shot = end;
	while (progress->next < end) {
		unsigned long before = progress->next;
		int status = wait_or_kill(start_child(fire, NULL));

		progress->exits += WIFEXITED(status);
		if (WIFSIGNALED(status)) {
			progress->deaths++;
			printf("shot %lu: killed by %s\n", progress->next - 1, signal_name(WTERMSIG(status)));
		}
		if (progress->next == before) /* it could not even begin, or its counter was hit */
			progress->next++;
	}
}

static void show_shot(unsigned long shot)
{
	greg_t regs[NGREG] = { 0 };
	make_data();
	load(shot, regs);
	for (unsigned i = 0; i < 16; i++)
		printf("%02x ", code_alias[i]);
	printf("\nflags %#llx rsp %#llx rax %#llx rbx %#llx rcx %#llx rdx %#llx rsi %#llx rdi %#llx rbp %#llx\n", regs[REG_EFL],
	       regs[REG_RSP], regs[REG_RAX], regs[REG_RBX], regs[REG_RCX], regs[REG_RDX], regs[REG_RSI], regs[REG_RDI], regs[REG_RBP]);
}

int main(int argc, char **argv)
{
	unsigned long first, count;
	static char canary[PAGE];
	int harm = 0;

	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	first = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	count = argc > 3 ? strtoul(argv[3], NULL, 0) : SHOTS;
	memset(canary, 'c', sizeof(canary));
	progress = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	progress->next = first;
	printf("seed %lu, shots %lu to %lu\n", seed, first, first + count);
	if (!count) {
		show_shot(first);
		return 0;
	}
	for (unsigned long end = first + BATCH; progress->next < first + count; end += BATCH) {
		fire_until(end < first + count ? end : first + count);
		press();
	}
	for (unsigned i = 0; i < sizeof(canary); i++)
		harm += canary[i] != 'c';
	for (int sig = 1; sig < 65; sig++)
		if (progress->signals[sig])
			printf("%s: %lu\n", signal_name(sig), progress->signals[sig]);
	printf("children: ended %lu, killed by a shot %lu, hung %lu; harm to the parent %d\n", progress->exits,
	       progress->deaths, progress->kills, harm);
	if (progress->flags_changed)
		printf("IF or IOPL changed after %lu shots, first after %lu\n", progress->flags_changed, progress->changed_by);
	return harm || progress->kills || progress->flags_changed;
}
