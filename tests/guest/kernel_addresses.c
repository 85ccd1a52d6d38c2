/* SPDX-License-Identifier: MIT */
/* proves: AS-04 */
/*
 * The kernel's half of the address space is closed: user mode reads and writes at every
 * 2^k-th address of it fault, and no system call copies anything from or to it, so that a
 * program can neither learn nor change a byte of the kernel.
 */
#include "guest.h"

static int pipe_fds[2], zero;

static long served, faulted, strange;

static void touch_everywhere(unsigned long address)
{
	TRY(touch_read((void *)address));
	faulted += last_fault.sig == SIGSEGV;
	strange += last_fault.sig != SIGSEGV;
	TRY(touch_write((void *)address, 1));
	faulted += last_fault.sig == SIGSEGV;
	strange += last_fault.sig != SIGSEGV;
}

static void ask_the_kernel(unsigned long address)
{
	served += write(pipe_fds[1], (void *)address, 16) != -1 || errno != EFAULT;
	served += read(zero, (void *)address, 16) != -1 || errno != EFAULT;
	served += open((char *)address, O_RDONLY) != -1 || errno != EFAULT;
}

int main(void)
{
	static const unsigned long places[] = {
		0xffff800000000000, 0xffff808000000000, 0xffff880000000000, 0xffff888000000000,
		0xffffc90000000000, 0xffffea0000000000, 0xffffffff80000000, 0xffffffff80100000,
		0xffffffff81000000, 0xffffffff82000000, 0xffffffffa0000000, 0xffffffffff600000,
	};
	catch_faults(0);
	MUST(pipe(pipe_fds));
	zero = MUST(open("/dev/zero", O_RDONLY));
	for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
		if (places[i] != 0xffffffffff600000) /* Linux's vsyscall page may be readable */
			touch_everywhere(places[i]);
		ask_the_kernel(places[i]);
	}
	for (int bit = 12; bit < 47; bit++) {
		unsigned long address = 0xffff800000000000 | 1UL << bit;
		touch_everywhere(address);
		ask_the_kernel(address);
		touch_everywhere(-(1UL << bit) == 0xffffffffff600000 ? 0xffff800000000000 : -(1UL << bit));
		ask_the_kernel(-(1UL << bit));
	}
	printf("faulted %ld, anything else %ld, copies served %ld\n", faulted, strange, served);
	/* The kernel's own structures handed to it as if they were ours. */
	errno = 0;
	SHOW(munmap((void *)0xffff888000000000, PAGE));
	SHOW(mprotect((void *)0xffffffff81000000, PAGE, PROT_READ | PROT_WRITE));
	SHOW(madvise((void *)0xffffffff81000000, PAGE, MADV_DONTNEED));
	SHOW_OK(mremap((void *)0xffffffff81000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	SHOW_OK(mmap((void *)0xffffffff81000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	return 0;
}
