/* SPDX-License-Identifier: MIT */
/* proves: AS-80 */
/*
 * What a new image finds: argv and envp as passed (empty strings, long ones, thousands of
 * them, none at all), the auxiliary vector, an aligned stack, its arguments lying between the
 * stack and the vector's strings as /proc says; and that a successful exec keeps the pid,
 * directory and descriptors while dropping mappings, handlers and the alternate stack.
 */
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;
extern char _start[], __executable_start[], etext[], edata[], end[];

static void run(char *self, char **argv, char **envp)
{
	pid_t child = MUST(fork());
	if (child == 0) {
		execve(self, argv, envp);
		printf("execve: %s\n", errno_name(errno));
		_exit(127);
	}
	show_status("image", wait_for(child));
}

/* The new image: prints what it was given. */
static int print_vectors(int argc, char **argv)
{
	unsigned long total = 0;
	printf("argc %d", argc);
	for (int i = 0; i < argc; i++) {
		if (i < 6)
			printf(" [%.20s]", argv[i]);
		total += strlen(argv[i]) + 1;
	}
	printf(", bytes %lu, argv[argc] %s\n", total, argv[argc] ? "not NULL" : "NULL");
	int count = 0;
	total = 0;
	for (char **e = environ; *e; e++, count++) {
		if (count < 4)
			printf("  env %.30s\n", *e);
		total += strlen(*e) + 1;
	}
	printf("  %d variables, %lu bytes\n", count, total);
	/* Linux lays the strings out without gaps: argv, then envp. */
	char *expected = argv[0];
	int gaps = 0;
	for (int i = 0; i < argc; expected += strlen(argv[i]) + 1, i++)
		gaps += argv[i] != expected;
	for (char **e = environ; *e; expected += strlen(*e) + 1, e++)
		gaps += *e != expected;
	printf("  gaps between the strings: %d\n", gaps);
	return argc;
}

/* As the kernel gave it: glibc's getauxval(AT_HWCAP) says something else. */
static unsigned long raw_auxv(unsigned long type)
{
	char **e = environ;
	while (*e)
		e++;
	for (Elf64_auxv_t *a = (Elf64_auxv_t *)(e + 1); a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

static int show_auxv(char **argv)
{
	unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long number = getauxval(AT_PHNUM), loads = 0, stacks = 0;
	printf("AT_PAGESZ %lu AT_PHENT %lu AT_CLKTCK %lu AT_SECURE %lu AT_FLAGS %lu AT_BASE %lu\n",
	       getauxval(AT_PAGESZ), getauxval(AT_PHENT), getauxval(AT_CLKTCK),
	       getauxval(AT_SECURE), getauxval(AT_FLAGS), getauxval(AT_BASE));
	printf("AT_PLATFORM %s\n", (char *)getauxval(AT_PLATFORM));
	printf("AT_ENTRY is _start: %s\n", getauxval(AT_ENTRY) == (unsigned long)_start ? "yes" : "no");
	printf("AT_EXECFN is the path: %s\n",
	       strcmp((char *)getauxval(AT_EXECFN), argv[2]) ? "no" : "yes");
	printf("AT_UID %s AT_EUID %s AT_GID %s AT_EGID %s\n",
	       getauxval(AT_UID) == getuid() ? "ok" : "wrong",
	       getauxval(AT_EUID) == geteuid() ? "ok" : "wrong",
	       getauxval(AT_GID) == getgid() ? "ok" : "wrong",
	       getauxval(AT_EGID) == getegid() ? "ok" : "wrong");
	for (unsigned long i = 0; i < number; i++) {
		loads += phdr[i].p_type == PT_LOAD;
		stacks += phdr[i].p_type == PT_GNU_STACK;
	}
	printf("AT_PHDR: has loads %s, PT_GNU_STACK %lu\n", loads ? "yes" : "no", stacks);
	int zero = 1;
	for (int i = 0; i < 16; i++)
		zero &= random[i] == 0;
	printf("AT_RANDOM: %s\n", zero ? "zeros" : "16 bytes");
	printf("AT_MINSIGSTKSZ covers a frame: %s\n",
	       getauxval(51) >= 1000 && getauxval(51) < 16384 ? "yes" : "no");
	printf("AT_HWCAP has the FPU, TSC and SSE2: %s\n",
	       (raw_auxv(AT_HWCAP) & 0x4000011) == 0x4000011 ? "yes" : "no");
	return 0;
}

/* Compares the addresses of this program's own symbols with /proc/self/maps. */
static void print_place(const char *what, const void *address)
{
	static struct maps_line lines[64];
	int count = read_maps(lines, ARRAY_LEN(lines));
	for (int i = 0; i < count; i++) {
		if ((unsigned long)address < lines[i].start || (unsigned long)address >= lines[i].end)
			continue;
		const char *slash = strrchr(lines[i].name, '/');
		printf("%s lies in %s %s\n", what, lines[i].perms,
		       /* Where nothing is random the heap begins right behind bss, in one mapping. */
		       !strncmp(what, "bss", 3) && !slash ? "memory without a file" :
		       slash ? "the program" : lines[i].name[0] ? lines[i].name : "anonymous memory");
		return;
	}
	printf("%s lies in no mapping\n", what);
}

static int show_layout_of_image(char **argv)
{
	static char bss[64 * PAGE];
	static int data = 1;
	int local;
	char *heap = (char *)syscall(SYS_brk, syscall(SYS_brk, 0) + PAGE) - 1;
	touch_write(heap, 1);
	print_place("code", (void *)(unsigned long)show_layout_of_image);
	print_place("a string constant", "constant");
	print_place("data", &data);
	print_place("bss, its last page", bss + sizeof(bss) - 1);
	print_place("the heap", heap);
	print_place("a local variable", &local);
	print_place("an argument", argv[0]);
	print_place("an environment string", environ[0]);
	print_place("a fresh mapping", map_anon(PAGE, PROT_READ));
	printf("order code < data < bss < heap < mapping < stack: %s\n",
	       (char *)show_layout_of_image < (char *)&data && (char *)&data < bss + sizeof(bss) &&
			       bss < heap && heap < map_anon(PAGE, PROT_READ) &&
			       map_anon(PAGE, PROT_READ) < (char *)&local
		       ? "yes"
		       : "no");
	return 0;
}

static int show_survivors(char **argv)
{
	struct sigaction action;
	stack_t stack;
	int fd = atoi(argv[3]);
	char text[8] = "";
	MUST(sigaction(SIGUSR1, NULL, &action));
	MUST(sigaltstack(NULL, &stack));
	printf("same pid: %s, handler: %s, alternate stack: %s\n",
	       atoi(argv[2]) == getpid() ? "yes" : "no",
	       action.sa_handler == SIG_DFL ? "default" : "kept",
	       stack.ss_flags == SS_DISABLE ? "none" : "kept");
	MUST(read(fd, text, 4));
	printf("descriptor still open, at its place: %s\n", text);
	char *where = getcwd(NULL, 0);
	printf("directory: %s\n", where);
	free(where);
	catch_faults(0);
	TRY(touch_read((char *)strtoul(argv[4], NULL, 16)));
	printf("old mapping: %s\n", last_fault.sig ? "gone" : "still there");
	return 0;
}

static void ignore(int sig)
{
	(void)sig;
}

static void exec_keeps_and_drops(char *self)
{
	char pid[16], number[16], address[32];
	stack_t stack = { .ss_sp = map_anon(65536, PROT_READ | PROT_WRITE), .ss_size = 65536 };
	pid_t child = MUST(fork());
	if (child == 0) {
		int fds[2];
		char *map = MUST(mmap((void *)0x123450000000, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		MUST(pipe(fds));
		MUST(write(fds[1], "01234567", 8));
		MUST(read(fds[0], pid, 4));
		signal(SIGUSR1, ignore);
		MUST(sigaltstack(&stack, NULL));
		MUST(chdir("/proc"));
		snprintf(pid, sizeof(pid), "%d", getpid());
		snprintf(number, sizeof(number), "%d", fds[0]);
		snprintf(address, sizeof(address), "%lx", (unsigned long)map);
		execl(self, self, "survivors", pid, number, address, (char *)NULL);
		_exit(127);
	}
	show_status("image", wait_for(child));
}

static char **many_strings(int count, const char *text)
{
	char **vector = calloc(count + 1, sizeof(char *));
	for (int i = 0; i < count; i++)
		vector[i] = (char *)text;
	return vector;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "auxv"))
		return show_auxv(argv);
	if (argc > 1 && !strcmp(argv[1], "layout"))
		return show_layout_of_image(argv);
	if (argc > 4 && !strcmp(argv[1], "survivors"))
		return show_survivors(argv);
	if (argc != 1 || getenv("CHILD") || !environ[0])
		return print_vectors(argc, argv);

	char *self = argv[0];
	static char long_string[100001];
	memset(long_string, 'L', sizeof(long_string) - 1);
	run(self, (char *[]){ "name", "one", "", "three words here", NULL }, (char *[]){ "A=1", "B=", "CHILD", NULL });
	run(self, (char *[]){ "no environment", NULL }, (char *[]){ NULL });
	run(self, (char *[]){ "long", long_string, "end", NULL }, (char *[]){ "CHILD=1", NULL });
	char **many = many_strings(5000, "argument");
	run(self, many, (char *[]){ "CHILD=1", NULL });
	many[0] = "CHILD=2";
	run(self, (char *[]){ "many variables", "x", NULL }, many);
	run(self, (char *[]){ NULL }, (char *[]){ "CHILD=no arguments", NULL });
	run(self, NULL, (char *[]){ "CHILD=argv NULL", NULL });
	run(self, (char *[]){ "envp NULL", "x", NULL }, NULL);
	run(self, (char *[]){ self, "auxv", self, NULL }, environ);
	run(self, (char *[]){ self, "layout", NULL }, environ);
	exec_keeps_and_drops(self);
	return 0;
}
