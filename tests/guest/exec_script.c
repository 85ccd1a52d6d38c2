/* SPDX-License-Identifier: MIT */
/*
 * #! scripts: how the interpreter's argv is made (interpreter, at most one argument, path,
 * the rest of argv), blanks around it, an interpreter that is missing, not executable or a
 * script itself (up to a limit, then ELOOP), lines too long or without end.
 */
#include "guest.h"

static void script(const char *name, const char *text, int mode)
{
	unlink(name);
	int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
	MUST(write(fd, text, strlen(text)));
	MUST(fchmod(fd, mode));
	MUST(close(fd));
}

static void run(const char *what, const char *path)
{
	pid_t child = MUST(fork());
	if (child == 0) {
		execl(path, "argv zero", "first", "second", (char *)NULL);
		printf("%s: %s\n", what, errno_name(errno));
		_exit(0);
	}
	int status = wait_for(child);
	if (status)
		show_status(what, status);
}

static void write_and_run(const char *what, const char *text)
{
	script("script", text, 0755);
	run(what, "./script");
}

/* As the interpreter: print argv with the program's own path made anonymous. */
static int interpreter(int argc, char **argv)
{
	printf("interpreter:");
	for (int i = 1; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\n");
	return argc;
}

/* By descriptor: the interpreter is told a path in /dev/fd; it must still be open then. */
static void run_by_descriptor(const char *what, int fd, const char *path, int flags)
{
	char *argv[] = { "argv zero", "first", NULL }, *env[] = { NULL };
	pid_t child = MUST(fork());

	if (child == 0) {
		MUST(dup2(fd, 9));
		MUST(fcntl(9, F_SETFD, flags & O_CLOEXEC ? FD_CLOEXEC : 0));
		syscall(SYS_execveat, 9, path, argv, env, *path ? 0 : AT_EMPTY_PATH);
		printf("%s: %s\n", what, errno_name(errno));
		_exit(0);
	}
	int status = wait_for(child);
	if (status)
		show_status(what, status);
}

static void by_descriptor(void)
{
	int file = MUST(open("s1", O_RDONLY)), folder = MUST(open(".", O_RDONLY));

	run_by_descriptor("by descriptor", file, "", 0);
	run_by_descriptor("by a descriptor that exec closes", file, "", O_CLOEXEC);
	run_by_descriptor("relative to a descriptor", folder, "s2", 0);
	run_by_descriptor("relative to one that exec closes", folder, "s2", O_CLOEXEC);
	MUST(close(file));
	MUST(close(folder));
}

int main(int argc, char **argv)
{
	char self[PATH_MAX], text[PATH_MAX + 300], padding[300];

	if (argc > 1)
		return interpreter(argc, argv);
	if (!realpath(argv[0], self))
		die(__FILE__, __LINE__, "realpath");
	scratch_enter();
	/* A short name for the interpreter: a script's line has room for 255 bytes. */
	MUST(symlink(self, "i"));
	write_and_run("plain", "#!i\nignored\n");
	write_and_run("with an argument", "#!i -x\n");
	write_and_run("with several words", "#!i -x -y  z \n");
	write_and_run("blanks", "#!  \t i \t  -a\t \n");
	write_and_run("without a newline", "#!i");
	write_and_run("without a newline, argument", "#!i arg");
	write_and_run("only #! and newline", "#!\n");
	write_and_run("only blanks", "#!   \n");
	write_and_run("missing interpreter", "#!/no/such/interpreter\n");
	write_and_run("a directory", "#!/dev\n");
	script("noexec", "#!i\n", 0644);
	run("script without x bit", "./noexec");
	write_and_run("interpreter without x bit", "#!./noexec\n");
	memset(padding, 'a', 200);
	padding[200] = 0;
	snprintf(text, sizeof(text), "#!i %s\n", padding);
	write_and_run("an argument of 200 bytes", text);
	memset(padding, 'a', 290);
	padding[290] = 0;
	snprintf(text, sizeof(text), "#!%s\n", padding);
	write_and_run("interpreter's name cut off", text);
	/* Chains of scripts. */
	script("s1", "#!i one\n", 0755);
	script("s2", "#!./s1 two\n", 0755);
	script("s3", "#!./s2 three\n", 0755);
	script("s4", "#!./s3 four\n", 0755);
	script("s5", "#!./s4 five\n", 0755);
	script("s6", "#!./s5 six\n", 0755);
	run("chain of 2", "./s2");
	run("chain of 4", "./s4");
	run("chain of 5", "./s5");
	run("chain of 6", "./s6");
	by_descriptor();
	script("self", "#!./self\n", 0755);
	run("itself", "./self");
	static const char *const files[] = { "i", "script", "noexec", "s1", "s2", "s3", "s4", "s5", "s6", "self" };
	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		MUST(unlink(files[i]));
	scratch_leave();
	return 0;
}
