/* SPDX-License-Identifier: MIT */
/* proves: AS-56 */
/*
 * execve's errors, after each of which the caller goes on unharmed: ENOENT, EACCES, ENOTDIR,
 * ELOOP, ENAMETOOLONG, EFAULT, ENOEXEC for every kind of broken ELF file, ETXTBSY (both
 * ways), E2BIG by one string, by all together and by RLIMIT_STACK (ABI.md, section 2).
 */
#include "guest.h"
#include <elf.h>

static char *self;
static char *const no_env[] = { NULL };
static char *const plain_argv[] = { "x", NULL };

/* In a child, so that an exec that succeeds against expectation shows, too. */
static void attempt(const char *what, const char *path, char *const *argv, char *const *envp)
{
	char *still_here = map_anon(PAGE, PROT_READ | PROT_WRITE);
	pid_t child = MUST(fork());
	if (child == 0) {
		strcpy(still_here, "unharmed");
		execve(path, argv, envp);
		printf("%s: %s, caller %s\n", what, errno_name(errno), still_here);
		_exit(0);
	}
	int status = wait_for(child);
	if (status)
		show_status(what, status);
	munmap(still_here, PAGE);
}

static void paths(void)
{
	static char long_name[5000];
	close(make_file("plain", 100));
	close(make_file("empty", 0));
	MUST(mkdir("dir", 0777));
	MUST(symlink("loop", "loop"));
	MUST(symlink("nowhere", "dangling"));
	attempt("no such file", "missing", plain_argv, no_env);
	attempt("no such directory", "missing/x", plain_argv, no_env);
	attempt("empty path", "", plain_argv, no_env);
	attempt("no x bit", "plain", plain_argv, no_env);
	attempt("a directory", "dir", plain_argv, no_env);
	attempt("file as directory", "plain/x", plain_argv, no_env);
	attempt("symlink to itself", "loop", plain_argv, no_env);
	attempt("dangling symlink", "dangling", plain_argv, no_env);
	memset(long_name, 'n', 300);
	attempt("long name", long_name, plain_argv, no_env);
	memset(long_name, 'n', 4500);
	attempt("long path", long_name, plain_argv, no_env);
	attempt("device", "/dev/null", plain_argv, no_env);
	MUST(chmod("plain", 0755));
	MUST(chmod("empty", 0755));
	attempt("text without #!", "plain", plain_argv, no_env);
	attempt("empty file", "empty", plain_argv, no_env);
}

static void pointers(void)
{
	char *page = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
	MUST(mprotect(page + PAGE, PAGE, PROT_NONE));
	attempt("path NULL", NULL, plain_argv, no_env);
	attempt("path in the kernel", (char *)0xffff888000000000, plain_argv, no_env);
	attempt("argv unmapped", self, (char **)8, no_env);
	attempt("envp unmapped", self, plain_argv, (char **)8);
	attempt("argv in the kernel", self, (char **)0xffff888000000000, no_env);
	char **vector = (char **)(page + PAGE) - 2;
	vector[0] = vector[1] = "x";
	attempt("argv runs into PROT_NONE", self, vector, no_env);
	attempt("a bad string", self, (char *[]){ "x", (char *)8, NULL }, no_env);
	memset(page, 's', PAGE);
	attempt("a string without end", self, (char *[]){ "x", page + PAGE - 10, NULL }, no_env);
	attempt("path without end", page + PAGE - 10, plain_argv, no_env);
}

static void too_big(void)
{
	enum { LIMIT = 128 * 1024 };
	char *big = calloc(1, LIMIT + 1);
	/* A missing file is found out first: the errors below are about a file that is there. */
	memset(big, 'B', LIMIT);
	attempt("a string of 128 KiB", self, (char *[]){ "x", big, NULL }, no_env);
	attempt("a variable of 128 KiB", self, plain_argv, (char *[]){ big, NULL });
	big[LIMIT - 1] = 0;
	attempt("one byte less", self, (char *[]){ "end", big, NULL }, no_env);
	char **many = calloc(100000, sizeof(char *));
	for (int i = 0; i < 64; i++)
		many[i] = big;
	attempt("64 of them", self, many, no_env);
	/* A quarter of RLIMIT_STACK, but at least 128 KiB. */
	struct rlimit limit, old;
	MUST(getrlimit(RLIMIT_STACK, &old));
	limit = old;
	limit.rlim_cur = 1 << 20;
	MUST(setrlimit(RLIMIT_STACK, &limit));
	big[LIMIT / 2] = 0;
	memset(many, 0, 100000 * sizeof(char *));
	for (int i = 0; i < 5; i++)
		many[i] = big;
	attempt("320 KiB with a stack of 1 MiB", self, many, no_env);
	many[3] = NULL;
	many[0] = "end";
	attempt("192 KiB with a stack of 1 MiB", self, many, no_env);
	MUST(setrlimit(RLIMIT_STACK, &old));
}

/* A small valid program: exit(0) in code placed behind the headers. */
struct small_elf {
	Elf64_Ehdr header;
	Elf64_Phdr load;
	unsigned char code[16];
};

static struct small_elf small_program(void)
{
	static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 };
	struct small_elf file = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_entry = 0x400000 + offsetof(struct small_elf, code),
			    .e_phoff = offsetof(struct small_elf, load),
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 1 },
		.load = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
			  .p_filesz = sizeof(file), .p_memsz = sizeof(file), .p_align = PAGE },
	};
	memcpy(file.code, code, sizeof(code));
	return file;
}

static void write_program(const char *name, const void *data, size_t length)
{
	int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755));
	MUST(write(fd, data, length));
	MUST(close(fd));
}

static void broken(const char *what, struct small_elf file, size_t length)
{
	write_program("elf", &file, length);
	attempt(what, "elf", plain_argv, no_env);
}

static void broken_elf_files(void)
{
	struct small_elf f = small_program();
	broken("a good small program (says nothing)", f, sizeof(f));
	broken("cut after the magic", f, 4);
	broken("cut within the header", f, 40);
	broken("cut within the program headers", f, sizeof(f.header) + 20);
	f.header.e_ident[0] = 0x7e;
	broken("bad magic", f, sizeof(f));
	f = small_program();
	f.header.e_machine = EM_AARCH64;
	broken("another machine", f, sizeof(f));
	f = small_program();
	f.header.e_type = ET_REL;
	broken("an object file", f, sizeof(f));
	f = small_program();
	f.header.e_type = ET_CORE;
	broken("a core file", f, sizeof(f));
	f = small_program();
	f.header.e_phentsize = 32;
	broken("bad size of program headers", f, sizeof(f));
	f = small_program();
	f.header.e_phnum = 0;
	broken("no program headers", f, sizeof(f));
	f = small_program();
	f.header.e_phoff = 1UL << 40;
	broken("program headers far outside", f, sizeof(f));
	f = small_program();
	f.header.e_phnum = 0xffff;
	broken("too many program headers", f, sizeof(f));
}

/*
 * What Linux finds out beyond the point of no return, where it can only kill; who looks first
 * may refuse. In no case does the program run, and the machine is unharmed.
 */
static void hopeless(const char *what, struct small_elf file, size_t length)
{
	write_program("elf", &file, length);
	pid_t child = MUST(fork());
	if (child == 0) {
		execve("elf", plain_argv, no_env);
		_exit(77);
	}
	int status = wait_for(child);
	printf("%s: %s\n", what,
	       WIFSIGNALED(status) || WEXITSTATUS(status) == 77 ? "does not run" : "runs");
}

static void hopeless_elf_files(void)
{
	struct small_elf f = small_program();
	f.load.p_vaddr = 0xffffffff80000000;
	f.header.e_entry = f.load.p_vaddr + offsetof(struct small_elf, code);
	hopeless("a segment in the kernel", f, sizeof(f));
	f = small_program();
	f.load.p_vaddr = 0x7ffffffff000;
	hopeless("a segment at the end of user space", f, sizeof(f));
	f = small_program();
	f.load.p_memsz = 1UL << 47;
	hopeless("a segment as large as user space", f, sizeof(f));
	f = small_program();
	f.load.p_filesz = f.load.p_memsz + PAGE;
	hopeless("more in the file than in memory", f, sizeof(f));
	f = small_program();
	f.load.p_offset = 1;
	hopeless("offset and address do not fit", f, sizeof(f));
	f = small_program();
	f.header.e_entry = 0xffff800000000000;
	broken("entry in the kernel", f, sizeof(f));
	f = small_program();
	f.header.e_entry = 0x800000000000;
	broken("entry not canonical", f, sizeof(f));
	f = small_program();
	f.header.e_entry = 0x500000;
	broken("entry unmapped", f, sizeof(f));
	f = small_program();
	f.load.p_flags = PF_R | PF_W;
	broken("code not executable", f, sizeof(f));
}

static void text_busy(void)
{
	struct small_elf f = small_program();
	/* Waits for ever: pause in a loop. */
	static const unsigned char wait_code[] = { 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7 };
	write_program("busy", &f, sizeof(f));
	int fd = MUST(open("busy", O_RDWR));
	attempt("open for writing", "busy", plain_argv, no_env);
	MUST(close(fd));
	attempt("closed again (says nothing)", "busy", plain_argv, no_env);
	memcpy(f.code, wait_code, sizeof(wait_code));
	write_program("busy", &f, sizeof(f));
	pid_t child = MUST(fork());
	if (child == 0) {
		execve("busy", plain_argv, no_env);
		_exit(127);
	}
	wait_state(child, 'S');
	sleep_ms(50);
	wait_state(child, 'S');
	SHOW(open("busy", O_WRONLY));
	SHOW(open("busy", O_RDWR | O_TRUNC));
	SHOW(truncate("busy", 0));
	SHOW_OK(open("busy", O_RDONLY));
	MUST(kill(child, SIGKILL));
	show_status("running program", wait_for(child));
	SHOW_OK(open("busy", O_WRONLY));
}

int main(int argc, char **argv)
{
	static const char *const files[] = { "plain", "empty", "loop", "dangling", "elf", "busy" };
	if (argc != 1 || !strcmp(argv[0], "end")) {
		printf("started with %d arguments\n", argc);
		return 0;
	}
	self = argv[0];
	scratch_enter();
	paths();
	pointers();
	too_big();
	broken_elf_files();
	hopeless_elf_files();
	text_busy();
	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		MUST(unlink(files[i]));
	MUST(rmdir("dir"));
	scratch_leave();
	return 0;
}
