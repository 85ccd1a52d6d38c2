/* SPDX-License-Identifier: MIT */
/* proves: CS-01 */
/*
 * Processes do not see each other: eight of them keep different contents at one address and
 * different values in every register, XMM and x87 register, preempted many times while they
 * compute; each checks itself all the time, and the sums come out right. Every one makes
 * progress though none ever sleeps.
 */
#include "guest.h"

enum { PROCESSES = 8, PAGES = 16, ROUNDS = 60 };

static unsigned *page_at_one_address;

struct registers {
	unsigned long gpr[10];
	unsigned char xmm[4][16];
	double x87;
};

/* Fills registers from a seed, spins, and checks them: the number that changed. */
static NOINLINE long spin_with_registers(unsigned long seed, long loops)
{
	struct registers s[2]; /* before and after */
	long changed = 0;
	void *at = s;
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 10; i++)
		s[0].gpr[i] = seed * 0x9e3779b97f4a7c15UL + i;
	for (int i = 0; i < 4; i++)
		memset(s[0].xmm[i], (int)(seed * 16 + i), 16);
	s[0].x87 = (double)seed * 1.5;
	/* rbp points to the registers, rcx counts. */
	__asm__ volatile("push %%rbp\n\tmov %1, %%rbp\n\t"
			 "fldl 144(%%rbp)\n\t"
			 "movdqu 80(%%rbp), %%xmm0\n\tmovdqu 96(%%rbp), %%xmm6\n\t"
			 "movdqu 112(%%rbp), %%xmm9\n\tmovdqu 128(%%rbp), %%xmm15\n\t"
			 "mov (%%rbp), %%rax\n\tmov 8(%%rbp), %%rbx\n\tmov 16(%%rbp), %%rdx\n\t"
			 "mov 24(%%rbp), %%rsi\n\tmov 32(%%rbp), %%rdi\n\tmov 40(%%rbp), %%r8\n\t"
			 "mov 48(%%rbp), %%r9\n\tmov 56(%%rbp), %%r10\n\tmov 64(%%rbp), %%r11\n\t"
			 "mov 72(%%rbp), %%r12\n"
			 "1:\tdec %%rcx\n\tjnz 1b\n\t"
			 "add $152, %%rbp\n\t"
			 "mov %%rax, (%%rbp)\n\tmov %%rbx, 8(%%rbp)\n\tmov %%rdx, 16(%%rbp)\n\t"
			 "mov %%rsi, 24(%%rbp)\n\tmov %%rdi, 32(%%rbp)\n\tmov %%r8, 40(%%rbp)\n\t"
			 "mov %%r9, 48(%%rbp)\n\tmov %%r10, 56(%%rbp)\n\tmov %%r11, 64(%%rbp)\n\t"
			 "mov %%r12, 72(%%rbp)\n\t"
			 "movdqu %%xmm0, 80(%%rbp)\n\tmovdqu %%xmm6, 96(%%rbp)\n\t"
			 "movdqu %%xmm9, 112(%%rbp)\n\tmovdqu %%xmm15, 128(%%rbp)\n\t"
			 "fstpl 144(%%rbp)\n\tpop %%rbp"
			 : "+c"(loops), "+a"(at)
			 :
			 : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "xmm0", "xmm6",
			   "xmm9", "xmm15", "memory", "cc");
	for (int i = 0; i < 10; i++)
		changed += s[0].gpr[i] != s[1].gpr[i];
	changed += memcmp(s[0].xmm, s[1].xmm, sizeof(s[0].xmm)) != 0;
	changed += s[0].x87 != s[1].x87;
	return changed;
}

static int live(void *number)
{
	unsigned mine = *(unsigned *)number, wrong = 0;
	unsigned sum = 0;
	for (int i = 0; i < PAGES; i++)
		page_at_one_address[i * 1024] = mine * 1000 + i;
	for (int round = 0; round < ROUNDS; round++) {
		wrong += spin_with_registers(mine + round, 100000);
		for (int i = 0; i < PAGES; i++) {
			wrong += page_at_one_address[i * 1024] != mine * 1000 + i + (unsigned)round;
			sum += page_at_one_address[i * 1024]++;
		}
	}
	printf("process %u: wrong %u, sum %u\n", mine, wrong, sum);
	return wrong ? 1 : 0;
}

static volatile long *counters;

static int count_for_ever(void *number)
{
	for (;;)
		counters[*(int *)number]++;
	return 0;
}

static void all_make_progress(void)
{
	pid_t children[4];
	int progressed = 0;
	counters = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (int i = 0; i < 4; i++)
		children[i] = start_child(count_for_ever, &i);
	for (int tries = 0; tries < 300 && progressed < 4; tries++) {
		sleep_ms(10);
		progressed = 0;
		for (int i = 0; i < 4; i++)
			progressed += counters[i] > 0;
	}
	printf("busy processes that made progress: %d\n", progressed);
	for (int i = 0; i < 4; i++) {
		MUST(kill(children[i], SIGKILL));
		wait_for(children[i]);
	}
}

/* One after the other, so that the order of the lines is known; they run at once. */
static void at_once(void)
{
	int gates[PROCESSES][2];
	pid_t children[PROCESSES];
	for (unsigned i = 0; i < PROCESSES; i++) {
		MUST(pipe(gates[i]));
		children[i] = MUST(fork());
		if (children[i] == 0) {
			/* What it has to say goes into a pipe, printed by the parent in order. */
			MUST(dup2(gates[i][1], 1));
			int status = live(&i);
			fflush(stdout);
			_exit(status);
		}
		close(gates[i][1]);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		char text[128];
		ssize_t length = read(gates[i][0], text, sizeof(text) - 1);
		text[length > 0 ? length : 0] = 0;
		printf("%s", text);
		show_status("  it", wait_for(children[i]));
		close(gates[i][0]);
	}
}

enum { ROUND_TRIPS = 50000 };

/* Waits for its turn, checks what is its own, changes it, and passes the turn on. */
static long play(unsigned mine, int in, int out)
{
	long wrong = 0;
	char ball = 0;
	unsigned long marker = 0x1111111111111111UL * (mine + 1);
	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		unsigned long kept = marker, sse = 0;
		long got;
		__asm__ volatile("movq %4, %%xmm11\n\tsyscall\n\tmovq %%xmm11, %1"
				 : "=a"(got), "=r"(sse), "+r"(kept)
				 : "0"(SYS_read), "r"(marker + i), "D"(in), "S"(&ball), "d"(1)
				 : "rcx", "r11", "xmm11", "memory");
		wrong += got != 1 || sse != marker + i || kept != marker;
		wrong += page_at_one_address[0] != mine * 1000000 + i;
		page_at_one_address[0]++;
		wrong += write(out, &ball, 1) != 1;
	}
	return wrong;
}

/* Two processes that hand a byte to and fro: 10^5 switches between them. */
static void ping_pong(void)
{
	int there[2], back[2];
	MUST(pipe(there));
	MUST(pipe(back));
	pid_t child = MUST(fork());
	page_at_one_address[0] = child == 0 ? 2000000 : 1000000;
	if (child == 0)
		_exit(play(2, there[0], back[1]) ? 1 : 0);
	MUST(write(back[1], "x", 1)); /* the parent begins */
	long wrong = play(1, back[0], there[1]);
	printf("100000 switches: wrong %ld\n", wrong);
	show_status("the other side", wait_for(child));
}

int main(void)
{
	page_at_one_address = MUST(mmap((void *)0x200000000000, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	at_once();
	printf("the parent's own page: %u\n", page_at_one_address[0]);
	all_make_progress();
	ping_pong();
	return 0;
}
