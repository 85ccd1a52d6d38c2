/* SPDX-License-Identifier: MIT */
/*
 * Whose rights a program runs with. Set-user-ID and set-group-ID programs, and what must take their
 * power away: a shared fs_struct (CLONE_FS), no_new_privs, a nosuid mount; what a program is told of it
 * (AT_SECURE) and what it is spared (parent-death and exit signals of its caller's choice, a stack limit);
 * whose memory may be looked into (unreadable programs); capabilities over changes of user, keepcaps,
 * securebits; RLIMIT_NPROC; an empty argument list; files that lose their set-id bits. Run as root.
 * What CVEs of Linux taught: CVE-2000-0506 (capabilities over setuid), 2009-2692 (page 0), 2010-3858 and
 * 2018-14634 (long arguments), 2010-3847 (AT_SECURE), 2013-1858 (CLONE_FS), 2017-1000253 and 1000365 (stack limit),
 * 2019-5736 (running programs overwritten), 2021-4034 (argc 0), and of RLIMIT_NPROC, which setuid() told too late.
 */
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define USER 1000
#define GROUP 1000

static char dir[] = "/tmp/privXXXXXX";
static const char secret[] = "a constant of the program";

/* ---- The program that the others execute: it tells what it became ------------------------------ */

static unsigned long long status_word(const char *name)
{
	char text[4096], *at;
	if (read_file("/proc/self/status", text, sizeof(text)) < 0 || !(at = strstr(text, name)))
		return ~0ull;
	return strtoull(at + strlen(name), NULL, 16);
}

static const char *how_many(unsigned long long caps, unsigned long long all)
{
	return !caps ? "none" : caps == all ? "all" : "some";
}

static int report(const char *what)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;
	int death = 0;
	struct rlimit stack;
	unsigned long long all = status_word("CapBnd:");
	getresuid(&r, &e, &s);
	getresgid(&gr, &ge, &gs);
	prctl(PR_GET_PDEATHSIG, &death);
	getrlimit(RLIMIT_STACK, &stack);
	printf("%s: uid %d %d %d, gid %d %d %d, secure %lu, dumpable %d, death signal %d, permitted %s, effective %s, "
	       "keepcaps %d, stack limit %s\n", what, r, e, s, gr, ge, gs, getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE) == 1,
	       death, how_many(status_word("CapPrm:"), all), how_many(status_word("CapEff:"), all), prctl(PR_GET_KEEPCAPS),
	       stack.rlim_cur > 8 << 20 ? "large" : "usual");
	return 0;
}

static void copy_self(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	static char buf[65536];
	ssize_t n;
	int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		MUST(write(out, buf, n));
	close(in);
	close(out);
	MUST(chown(name, uid, gid));
	MUST(chmod(name, mode));
}

/* ---- Ways to execute it ------------------------------------------------------------------------- */

struct run {
	const char *name, *what;
	uid_t uid, euid;
	int share, no_new_privs, big_stack;
	unsigned keepcaps, securebits;
};

#define RUN(program, text, real, effective, ...)                                                            \
	(struct run) { .name = program, .what = text, .uid = real, .euid = effective, __VA_ARGS__ }

static int hold_still(void *unused)
{
	while (pause())
		;
	return unused != NULL;
}

static int become_and_execute(void *argument)
{
	static char stack[16384];
	struct run *run = argument;
	pid_t sharer = 0;
	if (run->keepcaps)
		SHOW(prctl(PR_SET_KEEPCAPS, 1));
	if (run->securebits)
		SHOW(prctl(PR_SET_SECUREBITS, run->securebits));
	if (run->uid) {
		MUST(setgroups(0, NULL));
		MUST(setresgid(GROUP, GROUP, GROUP));
	}
	MUST(setresuid(run->uid, run->euid, run->euid));
	if (run->no_new_privs)
		MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (run->big_stack)
		MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){ 64 << 20, RLIM_INFINITY }));
	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	if (run->share)
		sharer = MUST(clone(hold_still, stack + sizeof(stack), CLONE_FS | SIGCHLD, NULL));
	if (sharer) { /* the sharer is to end, too */
		pid_t child = MUST(syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0));
		if (child) {
			int status = wait_for(child);
			kill(sharer, SIGKILL);
			wait_for(sharer);
			return WEXITSTATUS(status);
		}
		MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	}
	execl(run->name, "program", "report", run->what, NULL);
	printf("%s: exec: %s\n", run->what, errno_name(errno));
	return 1;
}

static void execute(struct run run)
{
	show_status("  it", run_child(become_and_execute, &run));
}

static void set_id_programs(void)
{
	copy_self("plain", 0, 0, 0755);
	copy_self("suid", 0, 0, 04755);
	copy_self("sgid", 0, 7, 02755);
	copy_self("sgid-no-x", 0, 7, 02745);
	copy_self("suid-user", 2000, 2000, 06755);
	execute(RUN("plain", "root", 0, 0));
	execute(RUN("plain", "user", USER, USER));
	execute(RUN("suid", "user, set-uid root", USER, USER));
	execute(RUN("sgid", "user, set-gid", USER, USER));
	execute(RUN("sgid-no-x", "user, set-gid without x for the group", USER, USER));
	execute(RUN("suid-user", "user, set-uid of another", USER, USER));
	execute(RUN("suid-user", "root, set-uid of a user", 0, 0));
	execute(RUN("plain", "real root, effective user", 0, USER));
	execute(RUN("plain", "real user, effective root", USER, 0));
	execute(RUN("suid", "set-uid root, directories shared", USER, USER, .share = 1));
	execute(RUN("sgid", "set-gid, directories shared", USER, USER, .share = 1));
	execute(RUN("suid-user", "root, set-uid of a user, directories shared", 0, 0, .share = 1));
	execute(RUN("plain", "user, directories shared", USER, USER, .share = 1));
	execute(RUN("suid", "set-uid root, no new privileges", USER, USER, .no_new_privs = 1));
	execute(RUN("suid", "set-uid root, large stack", USER, USER, .big_stack = 1));
	execute(RUN("plain", "user, large stack", USER, USER, .big_stack = 1));
}

static void nosuid_mount(void)
{
	MUST(mkdir("m", 0755));
	MUST(mount("x", "m", "tmpfs", MS_NOSUID, NULL));
	copy_self("m/suid", 0, 0, 04755);
	execute(RUN("m/suid", "set-uid root on a nosuid mount", USER, USER));
	MUST(umount("m"));
}

/* ---- Capabilities ---------------------------------------------------------------------------------- */

static void show_caps(const char *what)
{
	unsigned long long all = status_word("CapBnd:");
	printf("%s: permitted %s, effective %s\n", what, how_many(status_word("CapPrm:"), all),
	       how_many(status_word("CapEff:"), all));
}

static int change_user(void *keep)
{
	if (keep)
		MUST(prctl(PR_SET_KEEPCAPS, 1));
	MUST(setresuid(0, USER, 0));
	show_caps("effective user");
	MUST(setresuid(0, 0, 0));
	show_caps("root again");
	setfsuid(USER);
	SHOW(chown("plain", 0, 0));
	setfsuid(0);
	SHOW(chown("plain", 0, 0));
	MUST(setresuid(USER, USER, USER));
	show_caps(keep ? "user for good, kept" : "user for good");
	SHOW(setresuid(0, 0, 0));
	SHOW(chroot("."));
	execl("plain", "program", "report", "after that", NULL);
	return 1;
}

#define LOCKED(bits) ((bits) << 1)
enum { NOROOT = 1, NO_FIXUP = 4, KEEP = 16 };

static int secure_bits(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(PR_SET_SECUREBITS, 1 << 20));
	SHOW(prctl(PR_SET_SECUREBITS, NO_FIXUP | LOCKED(NO_FIXUP)));
	SHOW(prctl(PR_SET_SECUREBITS, 0));
	SHOW(prctl(PR_SET_SECUREBITS, LOCKED(NO_FIXUP)));
	SHOW(prctl(PR_SET_SECUREBITS, NO_FIXUP | LOCKED(NO_FIXUP) | NOROOT | LOCKED(KEEP)));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	MUST(setresuid(USER, USER, USER));
	show_caps("no fixup");
	SHOW(setresuid(0, 0, 0));
	execl("plain", "program", "report", "root without privilege", NULL);
	return 1;
}

static int bounding_and_ambient(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_CAPBSET_READ, 99));
	SHOW(prctl(PR_CAPBSET_DROP, 99));
	SHOW(prctl(PR_CAP_AMBIENT, 1, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 2, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 2, 99, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 9, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 4, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 4, 1, 0, 0));
	MUST(setresuid(USER, USER, USER));
	SHOW(prctl(PR_CAPBSET_DROP, 5));
	SHOW(prctl(PR_CAPBSET_DROP, 99));
	SHOW(prctl(PR_SET_SECUREBITS, NOROOT));
	return 0;
}

/* ---- Who may look in ------------------------------------------------------------------------------ */

static int wait_as_user(void *name)
{
	MUST(setresgid(GROUP, GROUP, GROUP));
	MUST(setresuid(USER, USER, USER));
	execl(name, "program", "wait", NULL);
	return 1;
}

static int look(void *argument)
{
	pid_t pid = *(pid_t *)argument;
	char buf[sizeof(secret)] = "", path[64];
	struct iovec local = { buf, sizeof(buf) }, remote = { (void *)secret, sizeof(secret) };
	MUST(setresgid(GROUP, GROUP, GROUP));
	MUST(setresuid(USER, USER, USER));
	long n = syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
	printf("  readv: %s\n", n == -1 ? errno_name(errno) : buf);
	const char *names[] = { "mem", "maps", "environ", "auxv", "status" };
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, names[i]);
		int fd = open(path, O_RDONLY);
		ssize_t got = fd < 0 ? -1 : read(fd, buf, 1);
		printf("  %s: %s\n", names[i], fd < 0 || (got < 0 && i) ? errno_name(errno) : "ok");
		if (fd >= 0)
			close(fd);
	}
	SHOW_OK(syscall(SYS_kill, pid, 0));
	return 0;
}

static void look_into(const char *name, const char *what)
{
	int fds[2];
	char c;
	MUST(pipe(fds));
	MUST(dup2(fds[1], 9));
	pid_t pid = start_child(wait_as_user, (void *)name);
	MUST(read(fds[0], &c, 1));
	close(9), close(fds[0]), close(fds[1]);
	printf("%s:\n", what);
	run_child(look, &pid);
	kill(pid, SIGKILL);
	wait_for(pid);
}

static void unreadable_programs(void)
{
	copy_self("hidden", 0, 0, 0711);
	look_into("plain", "a readable program");
	look_into("hidden", "a program of mode 0711");
	look_into("suid", "a set-uid program");
}

/* ---- Signals of a caller's choice ----------------------------------------------------------------- */

static volatile int got;

static void note(int signo)
{
	got = signo;
}

/* A child that chose SIGUSR2 for its end; the parent executes another program before it ends. */
static int exit_signal(void *unused)
{
	int fds[2];
	(void)unused;
	MUST(pipe(fds));
	MUST(dup2(fds[1], 8));
	close(fds[1]);
	pid_t child = MUST(syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0));
	if (!child) {
		char c;
		close(8);
		_exit((int)read(fds[0], &c, 1)); /* until the other program closes it */
	}
	execl("plain", "program", "wait for child", NULL);
	return 1;
}

static int death_signal_without_right(void *unused)
{
	int fds[2];
	char c;
	(void)unused;
	MUST(pipe(fds));
	pid_t middle = MUST(fork());
	if (!middle) {
		if (!fork()) {
			pid_t parent = getppid();
			signal(SIGTERM, note);
			MUST(prctl(PR_SET_PDEATHSIG, SIGTERM));
			MUST(write(fds[1], "x", 1));
			while (getppid() == parent)
				sleep_ms(5);
			sleep_ms(20);
			printf("parent of another user ended: %s\n", got ? "signal" : "no signal");
			_exit(0);
		}
		MUST(read(fds[0], &c, 1));
		MUST(setresuid(USER, USER, USER));
		_exit(0);
	}
	wait_for(middle);
	close(fds[1]);
	while (read(fds[0], &c, 1) > 0) /* until the grandchild has ended */
		;
	return 0;
}

/* ---- The rest ----------------------------------------------------------------------------------------- */

static int become_other(void *uid)
{
	MUST(setresuid(*(uid_t *)uid, *(uid_t *)uid, *(uid_t *)uid));
	pause();
	return 0;
}

/* A user that nobody else is, whose second process may not execute programs. */
static int too_many_processes(void *unused)
{
	uid_t uid = 100000 + (uid_t)getpid();
	(void)unused;
	pid_t first = start_child(become_other, &uid), second;
	wait_state(first, 'S');
	second = start_child(become_other, &uid);
	wait_state(second, 'S');
	MUST(setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 }));
	SHOW(setresuid(uid, uid, uid));
	SHOW_OK(fork());
	execl("plain", "program", "ran", NULL);
	printf("exec as a user with too many processes: %s\n", errno_name(errno));
	kill(first, SIGKILL), kill(second, SIGKILL);
	wait_for(first), wait_for(second);
	execl("plain", "program", "ran", NULL);
	return 1;
}

static int no_arguments(void *unused)
{
	(void)unused;
	static char *const none[] = { NULL }, *const env[] = { "report=argc 0", NULL };
	execve("plain", none, env);
	return 1;
}

static mode_t mode_of(const char *name)
{
	struct stat st;
	MUST(stat(name, &st));
	return st.st_mode & 07777;
}

static void fresh(const char *name)
{
	unlink(name);
	close(MUST(open(name, O_RDWR | O_CREAT, 0777)));
	MUST(chown(name, USER, GROUP));
	MUST(chmod(name, 06777));
}

static int lose_set_id(void *unused)
{
	(void)unused;
	int fd;
	umask(0);
	MUST(chmod(".", 0777));
	MUST(setgroups(0, NULL));
	fresh("f"), fresh("g"), fresh("h"), fresh("i"), fresh("j");
	MUST(setresgid(2000, 2000, 2000));
	MUST(setresuid(2000, 2000, 2000));
	fd = MUST(open("f", O_WRONLY));
	MUST(write(fd, "x", 1));
	printf("written to by another user: %o\n", mode_of("f"));
	MUST(truncate("g", 100));
	printf("truncated: %o\n", mode_of("g"));
	close(MUST(open("h", O_WRONLY | O_TRUNC)));
	printf("opened with O_TRUNC: %o\n", mode_of("h"));
	fd = MUST(open("i", O_RDWR));
	MUST(ftruncate(fd, 4096));
	SHOW(chmod("j", 06755));
	fd = MUST(open("k", O_RDWR | O_CREAT, 06777));
	printf("created: %o\n", mode_of("k"));
	SHOW(fchown(fd, 2000, 2000));
	printf("given to oneself: %o\n", mode_of("k"));
	SHOW(fchown(fd, 0, 0));
	return 0;
}

static int overwrite_running(void *unused)
{
	(void)unused;
	char path[64];
	copy_self("victim", 0, 0, 0755);
	pid_t pid = MUST(fork());
	if (!pid) {
		execl("victim", "program", "pause", NULL);
		_exit(1);
	}
	wait_state(pid, 'S');
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	SHOW(open("victim", O_WRONLY));
	SHOW(open(path, O_WRONLY));
	SHOW(open(path, O_RDWR | O_TRUNC));
	SHOW(truncate("victim", 0));
	int fd = MUST(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW(open(path, O_WRONLY));
	kill(pid, SIGKILL);
	wait_for(pid);
	SHOW_OK(open(path, O_WRONLY));
	SHOW_OK(execl("victim", "program", NULL));
	return 0;
}

static int limits_of_arguments(void *unused)
{
	static char big[131072 + 1], *many[140];
	(void)unused;
	memset(big, 'x', sizeof(big) - 1);
	char *one[] = { "program", big, NULL }, *env[] = { "report=long", NULL };
	execve("plain", one, env);
	printf("one string of 128 KiB and 1: %s\n", errno_name(errno));
	big[131071] = 0;
	for (unsigned i = 0; i < 100; i++)
		many[i] = big;
	execve("plain", many, env);
	printf("12.5 MiB of arguments: %s\n", errno_name(errno));
	MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }));
	execve("plain", many, env);
	printf("the same with any stack: %s\n", errno_name(errno));
	MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){ 65536, RLIM_INFINITY }));
	many[2] = NULL;
	execve("plain", many, env);
	printf("128 KiB and a stack of 64 KiB: %s\n", errno_name(errno));
	return 0;
}

/* The low pages, where a kernel's null pointer would lead, are not for users (CVE-2009-2692). */
static int null_page(void *unused)
{
	(void)unused;
	MUST(setresuid(USER, USER, USER));
	SHOW_OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
	char *p = map_anon(PAGE, PROT_READ | PROT_WRITE);
	SHOW_OK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, NULL) == MAP_FAILED ? -1 : 0);
	return 0;
}

/* Programs that are started again by this one. */
static int restarted(int argc, char **argv)
{
	if (argc == 1 && !argv[0][0]) {
		printf("argc 0 became %d, argv[0] is empty, argv[1] %s, environment %s\n", argc, argv[1] ? argv[1] : "NULL",
		       getenv("report") ? getenv("report") : "lost");
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "report"))
		return report(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "ran"))
		return printf("ran\n") != 4;
	if (argc == 2 && !strcmp(argv[1], "wait"))
		MUST(write(9, "x", 1));
	if (argc == 2 && (!strcmp(argv[1], "wait") || !strcmp(argv[1], "pause")))
		for (;;)
			pause();
	if (argc == 2 && !strcmp(argv[1], "wait for child")) {
		signal(SIGUSR2, note);
		signal(SIGCHLD, note);
		close(8);
		while (!got)
			sleep_ms(5);
		printf("the child's end: %s\n", signal_name(got));
		return 0;
	}
	return -1;
}

static void remove_all(void)
{
	DIR *d = opendir(".");
	for (struct dirent *e; d && (e = readdir(d));)
		if (unlink(e->d_name))
			rmdir(e->d_name);
	closedir(d);
	MUST(chdir("/"));
	MUST(rmdir(dir));
}

int main(int argc, char **argv)
{
	int status = restarted(argc, argv);
	if (status >= 0)
		return status;
	MUST(setgroups(0, NULL));
	mkdir("/tmp", 01777);
	if (!mkdtemp(dir) || chdir(dir) || chmod(dir, 0755))
		die(__FILE__, __LINE__, "directory");
	set_id_programs();
	nosuid_mount();
	show_status("change of user", run_child(change_user, NULL));
	show_status("change of user, keeping", run_child(change_user, ""));
	show_status("securebits", run_child(secure_bits, NULL));
	show_status("bounding set", run_child(bounding_and_ambient, NULL));
	unreadable_programs();
	show_status("exit signal", run_child(exit_signal, NULL));
	show_status("death signal", run_child(death_signal_without_right, NULL));
	show_status("too many", run_child(too_many_processes, NULL));
	show_status("no arguments", run_child(no_arguments, NULL));
	show_status("arguments", run_child(limits_of_arguments, NULL));
	show_status("set-id bits", run_child(lose_set_id, NULL));
	show_status("running program", run_child(overwrite_running, NULL));
	show_status("null page", run_child(null_page, NULL));
	remove_all();
	return 0;
}
