/* SPDX-License-Identifier: MIT */
/*
 * elf.c: ELF64 programs for x86-64: checking, mapping, and the interpreter.
 *
 *	ET_EXEC			at its own addresses
 *	ET_DYN (PIE)		at ELF_DYN_BASE, two thirds up the address space
 *	PT_INTERP's file	wherever mmap finds room, from the top
 *
 * Each PT_LOAD is a private mapping of the file's pages; the rest of the last file page is
 * cleared and what lies beyond (bss) is anonymous:
 *
 *	| file page | file page | file page|000 | anonymous | anonymous |
 *	p_vaddr			  +p_filesz ^		+p_memsz ^
 *
 * elf_parse() does all that can be refused before the old program is given up; elf_load()
 * runs after the point of no return, and any error there kills.
 *
 * Failure: -ENOEXEC for what is not ours, -ENOMEM, -EINVAL, I/O errors.
 */
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/errno.h>
#include <pagoda/uaccess.h>
#include <fs/task.h>
#include <kernel/exec.h>

#define ELF_DYN_BASE	0x555555554000ul
#define BRK_GAP		PAGE_SIZE /* keeps the heap apart from bss in /proc/PID/maps */
#define ELF_PHDRS_MAX	(SZ_64K / sizeof(struct elf_phdr))
#define INTERP_PATH_MAX 4096

#define ET_EXEC	     2
#define ET_DYN	     3
#define EM_X86_64    62
#define PT_LOAD	     1
#define PT_INTERP    3
#define PT_PHDR	     6
#define PT_GNU_STACK 0x6474e551u
#define PF_X	     1
#define PF_W	     2
#define PF_R	     4

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");

struct elf_phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf_phdr) == 56, "Elf64_Phdr");

/* One ELF file, checked. */
struct elf_file {
	struct file *file;
	struct elf_header head;
	struct elf_phdr *phdrs;
	unsigned long start, end; /* the span of its PT_LOADs, page aligned */
};

struct exec_image {
	struct elf_file program, interp; /* interp.file NULL: static */
	bool stack_exec;
};

/* ---- Parsing --------------------------------------------------------------------------------- */

bool elf_is_elf(const u8 *head)
{
	return memcmp(head, "\177ELF", 4) == 0;
}

/*
 * The PT_LOADs must be in order, in user space, and not smaller in memory than in the file.
 * As in Linux this is found out when it is too late to go back.
 */
static int check_segments(struct elf_file *ef)
{
	unsigned long end = 0;
	bool any = false;

	for (unsigned int i = 0; i < ef->head.phnum; i++) {
		const struct elf_phdr *ph = &ef->phdrs[i];

		if (ph->type != PT_LOAD)
			continue;
		if (ph->memsz > TASK_SIZE || ph->vaddr > TASK_SIZE - ph->memsz ||
		    ph->filesz > ph->memsz)
			return -EINVAL;
		if ((ph->vaddr ^ ph->offset) & (PAGE_SIZE - 1))
			return -EINVAL;
		if (!any)
			ef->start = ph->vaddr & PAGE_MASK;
		else if (ph->vaddr < end)
			return -EINVAL;
		end = ph->vaddr + ph->memsz;
		any = true;
	}
	ef->end = PAGE_ALIGN(end);
	return any ? 0 : -EINVAL;
}

static int read_phdrs(struct elf_file *ef)
{
	size_t size = ef->head.phnum * sizeof(struct elf_phdr);
	long n;

	ef->phdrs = kmalloc(size, GFP_KERNEL);
	if (!ef->phdrs)
		return -ENOMEM;
	n = fs_read_kernel(ef->file, ef->phdrs, size, ef->head.phoff);
	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -ENOEXEC;
}

static int parse_file(struct elf_file *ef, const u8 *head)
{
	memcpy(&ef->head, head, sizeof(ef->head));
	if (!elf_is_elf(head) || head[4] != 2 /* 64 bit */ || head[5] != 1 /* little-endian */)
		return -ENOEXEC;
	if ((ef->head.type != ET_EXEC && ef->head.type != ET_DYN) || ef->head.machine != EM_X86_64)
		return -ENOEXEC;
	if (ef->head.phentsize != sizeof(struct elf_phdr) || ef->head.phnum == 0 ||
	    ef->head.phnum > ELF_PHDRS_MAX)
		return -ENOEXEC;
	return read_phdrs(ef);
}

static int open_interpreter(struct exec_program *prog, struct exec_image *image,
			    const struct elf_phdr *ph)
{
	u8 head[sizeof(struct elf_header)];
	struct file *file;
	char *path;
	long n;
	int error;

	if (ph->filesz < 2 || ph->filesz > INTERP_PATH_MAX)
		return -ENOEXEC;
	path = kmalloc(ph->filesz, GFP_KERNEL);
	if (!path)
		return -ENOMEM;
	n = fs_read_kernel(image->program.file, path, ph->filesz, ph->offset);
	error = n < 0 ? (int)n : (size_t)n != ph->filesz || path[n - 1] ? -ENOEXEC : 0;
	file = error ? ERR_PTR(error) : fs_open_exec(AT_FDCWD, path, 0);
	kfree(path);
	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	fs_exec_allow_write(file);
	image->interp.file = file;
	prog->unreadable |= fs_exec_unreadable(file);
	n = fs_read_kernel(file, head, sizeof(head), 0);
	if (n < 0)
		return (int)n;
	error = (size_t)n == sizeof(head) ? parse_file(&image->interp, head) : -ENOEXEC;
	return error == -ENOEXEC ? -ELIBBAD : error;
}

int elf_parse(struct exec_program *prog)
{
	struct exec_image *image = kzalloc(sizeof(*image), GFP_KERNEL);
	int error;

	if (!image)
		return -ENOMEM;
	prog->image = image;
	image->program.file = prog->file;
	image->stack_exec = true; /* unless the program says it does not need it */
	error = parse_file(&image->program, prog->head);
	for (unsigned int i = 0; !error && i < image->program.head.phnum; i++) {
		const struct elf_phdr *ph = &image->program.phdrs[i];

		if (ph->type == PT_GNU_STACK)
			image->stack_exec = ph->flags & PF_X;
		else if (ph->type == PT_INTERP && !image->interp.file)
			error = open_interpreter(prog, image, ph);
	}
	return error;
}

void elf_image_free(struct exec_image *image)
{
	if (!image)
		return;
	kfree(image->program.phdrs);
	kfree(image->interp.phdrs);
	if (image->interp.file)
		fs_put_file(image->interp.file);
	kfree(image);
}

unsigned long elf_stack_flags(const struct exec_image *image)
{
	return VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN |
	       VM_ACCOUNT | (image->stack_exec ? VM_EXEC : 0);
}

/* ---- Loading --------------------------------------------------------------------------------- */

static unsigned long segment_prot(const struct elf_phdr *ph)
{
	return (ph->flags & PF_R ? PROT_READ : 0ul) | (ph->flags & PF_W ? PROT_WRITE : 0ul) |
	       (ph->flags & PF_X ? PROT_EXEC : 0ul);
}

static unsigned long vm_flags_of(unsigned long prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE | VM_ACCOUNT : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
}

/* The part of a segment that the file does not have: zeroes. */
static int map_bss(const struct elf_phdr *ph, unsigned long bias)
{
	unsigned long file_end = bias + ph->vaddr + ph->filesz;
	unsigned long end = PAGE_ALIGN(bias + ph->vaddr + ph->memsz);
	unsigned long page_end = PAGE_ALIGN(file_end);

	if (ph->memsz == ph->filesz)
		return 0;
	if (page_end != file_end && ph->filesz && (ph->flags & PF_W) &&
	    clear_user(file_end, page_end - file_end))
		return -EFAULT;
	if (end <= page_end)
		return 0;
	return vm_brk_range(current_vm->mm, page_end, end - page_end,
			    vm_flags_of(segment_prot(ph)));
}

static int map_segment(struct elf_file *ef, const struct elf_phdr *ph, unsigned long bias)
{
	unsigned long addr = (bias + ph->vaddr) & PAGE_MASK;
	unsigned long skip = ph->vaddr & (PAGE_SIZE - 1);
	unsigned long got;

	if (ph->filesz) {
		got = do_mmap(current_vm->mm, file_vm(ef->file), addr, ph->filesz + skip,
			      segment_prot(ph), MAP_PRIVATE | MAP_FIXED, ph->offset - skip);
		if (IS_ERR_VALUE(got))
			return (int)(long)got;
	}
	return map_bss(ph, bias);
}

static int map_file(struct elf_file *ef, unsigned long bias)
{
	int error = 0;

	for (unsigned int i = 0; !error && i < ef->head.phnum; i++)
		if (ef->phdrs[i].type == PT_LOAD)
			error = map_segment(ef, &ef->phdrs[i], bias);
	return error;
}

/* Find room for all of ef, from the top: map it as nothing, and take that away again. */
static unsigned long find_room(struct elf_file *ef)
{
	unsigned long len = ef->end - ef->start;
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	int error;

	if (IS_ERR_VALUE(addr))
		return addr;
	error = do_munmap(current_vm->mm, addr, len);
	return error ? (unsigned long)error : addr;
}

/* Where the program headers lie in memory, for AT_PHDR; 0 if nowhere. */
static unsigned long phdr_address(const struct elf_file *ef, unsigned long bias)
{
	for (unsigned int i = 0; i < ef->head.phnum; i++) {
		const struct elf_phdr *ph = &ef->phdrs[i];

		if (ph->type == PT_PHDR)
			return bias + ph->vaddr;
	}
	for (unsigned int i = 0; i < ef->head.phnum; i++) {
		const struct elf_phdr *ph = &ef->phdrs[i];

		if (ph->type == PT_LOAD && ph->offset <= ef->head.phoff &&
		    ef->head.phoff < ph->offset + ph->filesz)
			return bias + ph->vaddr + ef->head.phoff - ph->offset;
	}
	return 0;
}

/* mm's idea of where code and data lie, and where the heap begins. */
static void note_layout(struct mm_struct *mm, const struct elf_file *ef, unsigned long bias)
{
	mm->start_code = ~0ul;
	for (unsigned int i = 0; i < ef->head.phnum; i++) {
		const struct elf_phdr *ph = &ef->phdrs[i];
		unsigned long start = bias + ph->vaddr, end = start + ph->filesz;

		if (ph->type != PT_LOAD)
			continue;
		mm->start_code = min(mm->start_code, start);
		mm->start_data = max(mm->start_data, start);
		if (ph->flags & PF_X)
			mm->end_code = max(mm->end_code, end);
		mm->end_data = max(mm->end_data, end);
	}
	set_brk_start(mm, bias + ef->end + BRK_GAP);
}

static int load_interpreter(struct elf_file *ef, struct elf_start *start)
{
	unsigned long bias = 0, room;
	int error = check_segments(ef);

	if (error)
		return error;
	if (ef->head.type == ET_DYN) {
		room = find_room(ef);
		if (IS_ERR_VALUE(room))
			return (int)(long)room;
		bias = room - ef->start;
	}
	start->interpreter_base = bias;
	start->entry = bias + ef->head.entry;
	return map_file(ef, bias);
}

int elf_load(struct exec_program *prog, struct elf_start *start)
{
	struct elf_file *ef = &prog->image->program;
	unsigned long bias;
	int error = check_segments(ef);

	if (error)
		return error;
	bias = ef->head.type == ET_DYN ? ELF_DYN_BASE - ef->start : 0;
	error = map_file(ef, bias);
	if (error)
		return error;
	note_layout(current_vm->mm, ef, bias);
	start->program_entry = start->entry = bias + ef->head.entry;
	start->phdr = phdr_address(ef, bias);
	start->phnum = ef->head.phnum;
	start->interpreter_base = 0;
	if (!prog->image->interp.file)
		return 0;
	return load_interpreter(&prog->image->interp, start);
}
