/* SPDX-License-Identifier: MIT */
/* exec.h: between exec.c, which collects the arguments, and elf.c, which loads the program. */
#pragma once

#include <kernel/exec_cred.h>
#include <pagoda/abi/fcntl.h>
#include <pagoda/types.h>

struct file;
struct mm_struct;

#define EXEC_HEAD_BYTES 256 /* of the file are looked at to tell its format */
/*
 * The last pages of user space stay free, as they do on Linux, whose stacks begin at random below
 * them.
 */
#define STACK_TOP_GAP SZ_16M
#define STACK_TOP     (TASK_SIZE - STACK_TOP_GAP)

#define ELIBBAD 80 /* no interpreter for us */

struct exec_image;

/* A program being prepared. */
struct exec_program {
	/* the file, and what it says it is */
	struct file *file;
	u8 head[EXEC_HEAD_BYTES];
	struct exec_image *image; /* elf.c's, once parsed */
	const char *path;	  /* as the caller named it: AT_EXECFN */
	char *fd_path;		  /* kmalloc'ed: path, if the name was relative to a descriptor */
	bool path_vanishes;	  /* exec closes that descriptor */
	char *script_path;	  /* kmalloc'ed: the interpreter's path after a #! line */
	int script_depth;
	/* strings, packed downwards from the end of a space of `space` bytes */
	void **pages;		  /* [space / PAGE_SIZE], filled on demand */
	unsigned long space, pos; /* strings lie in [pos, space) */
	unsigned long min_pos;	  /* -E2BIG below */
	int argc, envc;
	/* what it may do, and may be done to it */
	/* the program, or its interpreter: its process is not to be looked into */
	bool unreadable;
	struct exec_cred cred; /* decided once nobody else can interfere */
};

/* ---- elf.c ---------------------------------------------------------------------------------- */

/*
 * Check the headers of prog->file and open its interpreter; prog->image holds the result.
 * 0, -ENOEXEC, -ENOMEM, -ELIBBAD, or what opening or reading gave. Changes nothing else.
 */
int elf_parse(struct exec_program *prog);
void elf_image_free(struct exec_image *image);
bool elf_is_elf(const u8 *head);
unsigned long elf_stack_flags(const struct exec_image *image);

/* Where the program starts and what its auxiliary vector says. */
struct elf_start {
	unsigned long entry; /* first instruction: the interpreter's, if there is one */
	unsigned long program_entry, phdr, phnum, interpreter_base;
};
/* Map program and interpreter into the current, empty address space. 0 or -errno. May sleep. */
int elf_load(struct exec_program *prog, struct elf_start *start);
