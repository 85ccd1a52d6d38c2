/* SPDX-License-Identifier: MIT */
/*
 * The ELF loader and the first instruction. Small programs are written byte by byte and
 * executed; one reports every register as the kernel set it (all zero but rsp and rip, flags
 * 0x202, x87 and SSE at their defaults, flat user segments), others show that the rest of
 * the last file page of a writable segment is zero though the file goes on, that bss beyond
 * it is zero, that two segments may share a page of the file, and that a position-independent
 * one runs anywhere.
 */
#include "guest.h"
#include <elf.h>

/*
 * The program that reports: stores its registers in its data segment's page (at 0x600000
 * or relative), writes them to descriptor 1 and exits.
 */
extern char report_start[], report_end[];
__asm__(".pushsection .rodata\nreport_start:\n"
	"	mov %rsp, %gs:0x600000\n" /* the base of gs is 0 */
	"	mov $0x600008, %rsp\n"
	"	mov %rax, (%rsp)\n	mov %rbx, 8(%rsp)\n	mov %rcx, 16(%rsp)\n"
	"	mov %rdx, 24(%rsp)\n	mov %rsi, 32(%rsp)\n	mov %rdi, 40(%rsp)\n"
	"	mov %rbp, 48(%rsp)\n	mov %r8, 56(%rsp)\n	mov %r9, 64(%rsp)\n"
	"	mov %r10, 72(%rsp)\n	mov %r11, 80(%rsp)\n	mov %r12, 88(%rsp)\n"
	"	mov %r13, 96(%rsp)\n	mov %r14, 104(%rsp)\n	mov %r15, 112(%rsp)\n"
	"	mov $0x600200, %rsp\n"
	"	pushf\n	pop %rax\n	mov %rax, 0x600080\n"
	"	mov %cs, %eax\n	mov %rax, 0x600088\n	mov %ss, %eax\n	mov %rax, 0x600090\n"
	"	fnstcw 0x600098\n	stmxcsr 0x6000a0\n"
	"	movdqu %xmm0, 0x6000b0\n	movdqu %xmm15, 0x6000c0\n"
	"	mov 0x600000, %rax\n	mov (%rax), %rax\n	mov %rax, 0x6000d0\n" /* argc */
	"	mov $1, %eax\n	mov $1, %edi\n	mov $0x600000, %esi\n	mov $0xe0, %edx\n	syscall\n"
	"	mov $231, %eax\n	mov $7, %edi\n	syscall\n"
	"report_end:\n.popsection\n");

/* Writes a range of its own memory, whose address and length it finds behind its code. */
extern char dump_start[], dump_end[];
__asm__(".pushsection .rodata\ndump_start:\n"
	"	mov $1, %eax\n	mov $1, %edi\n"
	"	lea dump_end(%rip), %rbx\n"
	"	mov (%rbx), %rsi\n	mov 8(%rbx), %rdx\n"
	"	cmpq $0, 16(%rbx)\n	je 1f\n	lea dump_start(%rip), %rcx\n	add %rcx, %rsi\n"
	"1:	syscall\n"
	"	mov $60, %eax\n	mov $8, %edi\n	syscall\n"
	"dump_end:\n.popsection\n");

static unsigned char file[4 * PAGE];
static size_t file_size;

static void begin_file(int type, unsigned long entry, int segments)
{
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			      .e_type = type, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			      .e_entry = entry, .e_phoff = sizeof(header),
			      .e_ehsize = sizeof(header), .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = segments };
	memset(file, 0, sizeof(file));
	memcpy(file, &header, sizeof(header));
	file_size = sizeof(header) + segments * sizeof(Elf64_Phdr);
}

static void set_segment(int i, unsigned flags, size_t offset, unsigned long address, size_t in_file,
			size_t in_memory)
{
	Elf64_Phdr load = { .p_type = PT_LOAD, .p_flags = flags, .p_offset = offset,
			    .p_vaddr = address, .p_filesz = in_file, .p_memsz = in_memory,
			    .p_align = PAGE };
	memcpy(file + sizeof(Elf64_Ehdr) + i * sizeof(load), &load, sizeof(load));
	if (offset + in_file > file_size)
		file_size = offset + in_file;
}

/* Runs the file with its output in a pipe. Return: bytes of output. */
static ssize_t run_file(void *output, size_t size)
{
	int fds[2], fd = MUST(open("image", O_WRONLY | O_CREAT | O_TRUNC, 0755));
	MUST(write(fd, file, file_size));
	MUST(close(fd));
	MUST(pipe(fds));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(dup2(fds[1], 1));
		/* Rubbish in the registers, to see that none of it gets through. */
		__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm15, %%xmm15\n\tfldz" :::
				 "xmm0", "xmm15");
		execl("image", "image", "b", "c", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	ssize_t length = 0, got;
	while ((got = read(fds[0], (char *)output + length, size - length)) > 0)
		length += got;
	close(fds[0]);
	show_status("image", wait_for(child));
	return length;
}

static void first_instruction(void)
{
	unsigned long r[28];
	static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					     "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	size_t length = report_end - report_start;
	begin_file(ET_EXEC, 0x400000 + 1024, 2);
	memcpy(file + 1024, report_start, length);
	set_segment(0, PF_R | PF_X, 0, 0x400000, 1024 + length, 1024 + length);
	set_segment(1, PF_R | PF_W, 0, 0x600000, 0, PAGE);
	printf("output %ld bytes\n", (long)run_file(r, sizeof(r)));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		printf("%s%s %lx", i ? " " : "", names[i], r[1 + i]);
	printf("\nrsp %% 16 = %lu, argc %lu, flags %lx, cs %lx, ss %lx\n", r[0] % 16, r[26],
	       r[16], r[17] & 0xffff, r[18] & 0xffff);
	printf("x87 control %lx, mxcsr %lx, xmm0 %lx xmm15 %lx\n", r[19] & 0xffff,
	       r[20] & 0xffffffff, r[22] | r[23], r[24] | r[25]);
}

static void set_dump(size_t offset, unsigned long address, unsigned long length, long relative)
{
	unsigned long arguments[3] = { address, length, relative };
	size_t size = dump_end - dump_start;
	memcpy(file + offset, dump_start, size);
	memcpy(file + offset + size, arguments, sizeof(arguments));
}

static void count_bytes(const char *what, const unsigned char *bytes, ssize_t length)
{
	long zero = 0, marks = 0;
	for (ssize_t i = 0; i < length; i++) {
		zero += bytes[i] == 0;
		marks += bytes[i] == 0xee;
	}
	printf("%s: %ld bytes, %ld zero, %ld of the file\n", what, (long)length, zero, marks);
}

/*
 * The data segment has 100 bytes in the file, which goes on with other bytes; in memory it
 * has three pages: all after the 100 bytes must be zero.
 */
static void tail_is_zero(void)
{
	static unsigned char output[3 * PAGE];
	begin_file(ET_EXEC, 0x400000 + 1024, 2);
	set_dump(1024, 0x600000, 3 * PAGE, 0);
	memset(file + PAGE, 0xee, 2 * PAGE);
	set_segment(0, PF_R | PF_X, 0, 0x400000, 2048, 2048);
	set_segment(1, PF_R | PF_W, PAGE, 0x600000, 100, 3 * PAGE);
	file_size = 3 * PAGE;
	count_bytes("data and bss", output, run_file(output, sizeof(output)));
}

/* Code and data in one page of the file, mapped twice with different rights. */
static void shared_file_page(void)
{
	static unsigned char output[PAGE];
	begin_file(ET_EXEC, 0x400000 + 1024, 2);
	set_dump(1024, 0x601000 + 2048, 2048 + 200, 0);
	memset(file + 2048, 0xee, 50);
	set_segment(0, PF_R | PF_X, 0, 0x400000, 2048, 2048);
	set_segment(1, PF_R | PF_W, 2048, 0x601000 + 2048, 50, 2048 + 200);
	file_size = PAGE;
	count_bytes("data sharing its page with code", output, run_file(output, sizeof(output)));
}

/* Position-independent: the loader chooses the place, and the entry moves along. */
static void position_independent(void)
{
	static unsigned char output[PAGE];
	begin_file(ET_DYN, 1024, 1);
	set_dump(1024, 1024, 512, 1);
	memset(file + 2048, 0xee, 512);
	set_segment(0, PF_R | PF_X, 0, 0, PAGE, PAGE);
	ssize_t length = run_file(output, sizeof(output));
	count_bytes("position-independent, reading itself", output, length);
}

static void large_bss(void)
{
	static unsigned char output[PAGE];
	begin_file(ET_EXEC, 0x400000 + 1024, 2);
	set_segment(0, PF_R | PF_X, 0, 0x400000, 2048, 2048);
	set_segment(1, PF_R | PF_W, 0, 0x600000, 0, 16UL << 20);
	set_dump(1024, 0x600000 + (16UL << 20) - PAGE, PAGE, 0);
	count_bytes("the last page of a bss of 16 MiB", output, run_file(output, sizeof(output)));
}

int main(void)
{
	scratch_enter();
	first_instruction();
	tail_is_zero();
	shared_file_page();
	position_independent();
	large_bss();
	MUST(unlink("image"));
	scratch_leave();
	return 0;
}
