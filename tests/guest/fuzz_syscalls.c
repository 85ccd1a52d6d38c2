/* SPDX-License-Identifier: MIT */
/* proves: AS-04 */
/* compare: none */
/* guest: --ram 32M --swap 64M */
/* libc: glibc */
/* timeout: 900 */
/*
 * Random system calls with random arguments, from a seed, in children that may die of it:
 * whatever they do, the kernel lives on, this parent is unharmed, and (the runner checks) no
 * frame is lost. fuzz_calls.h says what a call's arguments are; three of four are drawn as that, the
 * others from all that has meaning anywhere: small numbers, descriptors of all kinds, addresses of good, bad and
 * half-good memory, around the end of user space and in the kernel, paths, sizes around a page, sign bits.
 *
 * The children are nobody, with (nearly) all calls open to them, also fork and kill; every fourth is root. Memory is
 * small and pressed, so that all of it happens to pages that come and go. What waits is interrupted by a timer; a
 * child that waits for something that never comes all the same is killed after a while.
 *
 *	fuzz_syscalls [FIRST [COUNT [CALLS]]]	seeds, and how many calls each
 */
#include "guest.h"
#include "fuzz_calls.h"
#include <ftw.h>
#include <grp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

enum { CHILDREN = 100, CALLS = 1000, LIVES = 8, HIGHEST = 470, NOBODY = 65534, PATIENCE_MS = 3000, TICK_US = 20000 };
enum { AREA_PAGES = 16, SCRATCH_WORDS = 64, RENEWAL = 64 /* calls */ };
#define AREA ((char *)0x300000000000UL)

struct call {
	short number;
	const char *arguments;
};
static const struct call calls[] = {
#define X(number, name, arguments) { number, arguments },
	FUZZ_CALLS(X)
#undef X
};

static unsigned long state;

static unsigned long random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned long one_of(const unsigned long *list, size_t count)
{
	return list[random_word() % count];
}
#define ONE_OF(list) one_of(list, ARRAY_LEN(list))

/* ---- Arguments --------------------------------------------------------------------------------- */

static char *area; /* some pages writable, read-only, none, unmapped, of a file */
static unsigned long scratch[SCRATCH_WORDS];
static struct iovec vectors[4];
static struct timespec when;

static unsigned long random_argument(void);

static const unsigned long hostile_addresses[] = {
	0, 8, 0x1000, 0x7fffffffe000, 0x7fffffffefff, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0x8000000000000000,
	0xffff7ffffffff000, 0xffff800000000000, 0xffff888000000000, 0xffff888000100000, 0xffffc90000000000,
	0xffffffff80000000, 0xffffffff81000000, 0xffffffffff600000, -1UL, -8UL, -4096UL, -8192UL,
};

static unsigned long random_address(void)
{
	switch (random_word() % 8) {
	case 0: return ONE_OF(hostile_addresses);
	case 1: return ONE_OF(hostile_addresses) - random_word() % 4 * PAGE;
	case 2:
	case 3: return (unsigned long)area + random_word() % (AREA_PAGES + 1) * PAGE - random_word() % 40;
	default: return (unsigned long)area + random_word() % AREA_PAGES * PAGE;
	}
}

static unsigned long random_length(void)
{
	static const unsigned long lengths[] = { 0, 1, 8, 100, 4095, 4096, 4097, 8192, 65536, 1 << 20, 64 << 20, 1UL << 32,
						 0x7ffffffff000, 0x7fffffffffff, 1UL << 47, 1UL << 62, 1UL << 63, -1UL, -4096UL };
	switch (random_word() % 4) {
	case 0: return ONE_OF(lengths);
	case 1: return -(random_address() & ~(PAGE - 1)) + random_word() % 3 * PAGE; /* wraps around, or nearly */
	case 2: return random_word() % (2 * PAGE);
	default: return random_word() % AREA_PAGES * PAGE;
	}
}

static unsigned long random_number(void)
{
	static const unsigned long numbers[] = { 7, 8, 15, 16, 63, 64, 100, 255, 256, 4096, 65535, 65536, 0x7fffffff, 0x80000000,
						 0xffffffff, 0x100000000, -1UL, -2UL, -100UL /* AT_FDCWD */, 1UL << 63 };
	switch (random_word() % 8) {
	case 0: return ONE_OF(numbers);
	case 1: return random_word() >> random_word() % 64;
	case 2:
	case 3: return 1UL << random_word() % 32;
	case 4: return 1UL << random_word() % 32 | 1UL << random_word() % 32 | random_word() % 8;
	default: return random_word() % 8;
	}
}

static unsigned long random_path(void)
{
	static const char *const paths[] = {
		"f", "d", "d/x", ".", "d/..", "l", "", "/", "/dev/null", "/dev/zero", "/proc/self/maps", "/proc/self",
		"/proc/self/mem", "/proc/self/fd/0", "/proc/self/exe", "/proc/self/environ", "/proc/1/status", "/proc/1/mem",
		"/proc/meminfo", "/proc/sys/vm/overcommit_memory", "socket", "/dev/ptmx", "/dev/tty", "d/x/y/z", "d/y",
	};
	if (random_word() % 8 == 0)
		return random_address();
	return (unsigned long)paths[random_word() % ARRAY_LEN(paths)];
}

/* Words that each might be an argument: any structure. */
static unsigned long random_struct(void)
{
	unsigned filled = random_word() % 3 ? random_word() % SCRATCH_WORDS : 0;
	for (unsigned i = 0; i < SCRATCH_WORDS; i++)
		scratch[i] = i >= filled ? 0 : random_word() % 3 ? random_word() % 16 : random_argument();
	return random_word() % 8 ? (unsigned long)scratch : random_address();
}

static unsigned long random_vectors(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++)
		vectors[i] = (struct iovec){ (void *)random_address(), random_word() % 4 ? random_word() % PAGE : random_length() };
	return random_word() % 8 ? (unsigned long)vectors : random_address();
}

static unsigned long random_time(void)
{
	when = (struct timespec){ random_word() % 16 ? 0 : (time_t)random_number(),
				  random_word() % 16 ? (long)(random_word() % 1000000) : (long)random_number() };
	return random_word() % 8 ? (unsigned long)&when : random_address();
}

static unsigned long random_pid(void)
{
	const unsigned long pids[] = { 0, 0, 1, 2, (unsigned long)getpid(), (unsigned long)getppid(), -1UL, -(unsigned long)getpid(),
				       0x7fffffff, random_word() % 300 };
	return ONE_OF(pids);
}

/* Mostly what a child lives through. */
static unsigned long random_signal(void)
{
	static const unsigned long harmless[] = { 0, SIGALRM, SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGXFSZ, SIGPIPE };
	return random_word() % 64 ? ONE_OF(harmless) : random_word() % 66;
}

static unsigned long random_offset(void)
{
	return random_word() % 2 ? random_word() % 4 * PAGE + random_word() % 3 : random_number();
}

static unsigned long argument_of_kind(char kind)
{
	switch (kind) {
	case 'a': return random_address();
	case 'n': return random_length();
	case 'f': return random_word() % 16 ? random_word() % 32 : random_number();
	case 'p': return random_path();
	case 's': return random_struct();
	case 'v': return random_vectors();
	case 't': return random_time();
	case 'P': return random_pid();
	case 'S': return random_signal();
	case 'o': return random_offset();
	default: return random_number();
	}
}

static unsigned long random_argument(void)
{
	static const char kinds[] = "anfpooiii"; /* not those that random_struct() would come back to */
	return argument_of_kind(kinds[random_word() % (sizeof(kinds) - 1)]);
}

/* ---- What is left out ------------------------------------------------------------------------------ */

/* Not even nobody may try these: they end the child at once, or the machine. */
static int never(long number)
{
	switch (number) {
	case SYS_exit: case SYS_exit_group: case SYS_reboot: case SYS_pause: case SYS_rt_sigsuspend:
	case SYS_kexec_load: case SYS_kexec_file_load:
		return 1;
	}
	return 0;
}

/* What root is kept from: killing its parent, more processes than the parent can clear away, and files outside. */
static int never_as_root(long number)
{
	switch (number) {
	case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal: case SYS_ptrace: case SYS_process_vm_writev: case SYS_process_madvise:
	case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_mount: case SYS_umount2:
	case SYS_pivot_root: case SYS_chroot: case SYS_swapon: case SYS_swapoff: case SYS_setrlimit:
	case SYS_prlimit64: case SYS_unlink: case SYS_unlinkat: case SYS_rename: case SYS_renameat: case SYS_renameat2:
	case SYS_rmdir: case SYS_execve: case SYS_execveat: case SYS_chmod: case SYS_fchmodat: case SYS_chown: case SYS_lchown: case SYS_fchownat: case SYS_chdir:
	case SYS_fchdir: case SYS_unshare: case SYS_settimeofday: case SYS_clock_settime:
		return 1;
	}
	return 0;
}

/* Ends most of what other calls need: tried seldom. */
static int rarely(long number)
{
	switch (number) {
	case SYS_close: case SYS_close_range: case SYS_dup2: case SYS_dup3: case SYS_kill: case SYS_tkill: case SYS_tgkill:
	case SYS_execve: case SYS_execveat: case SYS_setrlimit: case SYS_prlimit64: case SYS_rt_sigreturn: case SYS_vfork:
		return random_word() % 8 != 0;
	}
	return 0;
}

/* ---- In the child ------------------------------------------------------------------------------------ */

static void limit(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };
	setrlimit(resource, &limit);
}

/* Some pages of each kind, where calls before have perhaps unmapped or remapped them. */
static void renew_area(void)
{
	int fd = open("f", O_RDWR), flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	area = AREA;
	if (mmap(area, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) != area)
		return;
	memset(area, 0, 4 * PAGE);
	strcpy(area + 100, "d/y");
	mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ);
	mprotect(area + 6 * PAGE, 2 * PAGE, PROT_NONE);
	munmap(area + 8 * PAGE, 2 * PAGE);
	ftruncate(fd, 2 * PAGE + 100);
	mmap(area + 10 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	mmap(area + 13 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	close(fd);
}

static void nothing(int sig)
{
	(void)sig;
}

/* A timer that no call of the child's has stopped for long, so that waiting ends. */
static void renew_timer(void)
{
	struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } };
	struct sigaction action = { .sa_handler = nothing };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGALRM, &action, NULL);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setitimer(ITIMER_REAL, &tick, NULL);
}

static void open_descriptors(void)
{
	static const char *const names[] = { "/dev/zero", "/dev/null", "/proc/self/status", "/proc/self/mem", "/proc/self/maps",
					     "/proc/self/pagemap", "/proc/self/fd", "/dev/ptmx", "/dev/urandom", "/proc/self/clear_refs" };
	int fds[2];

	for (int fd = 0; fd < 64; fd++)
		close(fd);
	MUST(open("f", O_RDWR));
	MUST(open("d", O_RDONLY));
	MUST(pipe2(fds, O_NONBLOCK));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (open(names[i], O_RDWR | O_NOCTTY | O_NONBLOCK) == -1)
			open(names[i], O_RDONLY | O_NOCTTY | O_NONBLOCK);
	epoll_create1(0);
	eventfd(0, EFD_NONBLOCK);
	timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	signalfd(-1, &(sigset_t){ { 0xff00 } }, SFD_NONBLOCK);
	syscall(SYS_pidfd_open, getpid(), 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds);
	socket(AF_UNIX, SOCK_STREAM, 0);
	syscall(SYS_memfd_create, "m", 2);
	open("d", O_TMPFILE | O_RDWR, 0600);
	open("f", O_PATH);
	open("f", O_RDWR | O_APPEND | O_DIRECT);
}

/* Limits that no call gets around. */
static void settle(int as_root)
{
	setsid();
	limit(RLIMIT_AS, 256 << 20);
	limit(RLIMIT_CPU, 60);
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_NPROC, 6);
	open_descriptors();
	if (!as_root) {
		MUST(setgroups(0, NULL));
		MUST(setresgid(NOBODY, NOBODY, NOBODY));
		MUST(setresuid(NOBODY, NOBODY, NOBODY));
	}
}

/* Draws a call and makes it. */
static void call_something(int as_root)
{
	const struct call *call = &calls[random_word() % ARRAY_LEN(calls)];
	int as_meant = random_word() % 32 != 0;
	long number = as_meant ? call->number : (long)(random_word() % 4 ? random_word() % HIGHEST : random_number());
	unsigned long a[6];

	if (never((int)number) || (as_root && never_as_root((int)number)) || rarely((int)number))
		return;
	for (unsigned i = 0, known = (unsigned)strlen(call->arguments); i < 6; i++)
		a[i] = i < known && random_word() % 4 ? argument_of_kind(call->arguments[i]) : random_argument();
	syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static unsigned long calls_each = CALLS;
static volatile unsigned long *made; /* calls of this seed, by all its children; shared */

static int misbehave(void *seed)
{
	int as_root = *(unsigned long *)seed % 4 == 0;
	state = (*(unsigned long *)seed + *made * 1000003) * 0x9e3779b97f4a7c15UL + 1;
	settle(as_root);
	for (unsigned long i = 0; (*made)++ < calls_each; i++) {
		if (i % RENEWAL == 0)
			renew_area();
		if (i % RENEWAL == RENEWAL / 2 && fcntl(0, F_GETFD) == -1)
			open_descriptors();
		if (i % 16 == 0)
			renew_timer();
		call_something(as_root);
	}
	return 0;
}

/* ---- The parent ---------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

/* What a child made, under whatever names, goes away, and with it its frames. */
static void remove_files(void)
{
	MUST(chdir("/"));
	MUST(nftw(scratch_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

/* Every child finds the same. */
static void make_files(void)
{
	umask(0);
	MUST(mkdir(scratch_path, 0777));
	MUST(chdir(scratch_path));
	MUST(mkdir("d", 0777));
	close(MUST(open("f", O_RDWR | O_CREAT, 0666)));
}

/* Waits for a while, then kills. Return: its wait status. */
static int wait_or_kill(pid_t child)
{
	int status;
	long long deadline = now_ns() + PATIENCE_MS * 1000000LL;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ns() > deadline) {
			kill(child, SIGKILL);
			return wait_for(child);
		}
		sleep_ms(2);
	}
	return status;
}

/* Its children, if it made any: all are nobody's, and so is this one's right to kill. */
static int kill_all_of_nobody(void *unused)
{
	(void)unused;
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	kill(-1, SIGKILL);
	return 0;
}

/* Shared segments outlive their makers: they are not lost, but nobody would give them back. */
static void remove_segments(void)
{
	struct shmid_ds ds;
	int highest = shmctl(0, IPC_INFO, (struct shmid_ds *)&(struct shminfo){ 0 });

	for (int i = 0; i <= highest; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0)
			MUST(shmctl(id, IPC_RMID, NULL));
	}
}

/* Does the kernel still do its work, and is this process what it was? */
static int harm(const char *canary, size_t length)
{
	int found = 0, fd;
	char c = 0;
	for (size_t i = 0; i < length; i++)
		found += canary[i] != 'c';
	fd = make_file("after", 3 * PAGE);
	MUST(pread(fd, &c, 1, PAGE + 5));
	close(fd);
	MUST(unlink("after"));
	return found + (c != 'b');
}

/* More than memory holds, so that what children use goes to the swap area and comes back. */
static int press(void *unused)
{
	size_t size = 40 << 20;
	char *memory = map_anon(size, PROT_READ | PROT_WRITE);
	(void)unused;
	for (int round = 0; round < 2; round++)
		for (size_t at = 0; at < size; at += PAGE)
			memory[at] = (char)at;
	return 0;
}

struct tally {
	int children, exited, killed, hindered;
};

/* Children until all calls of the seed are made, or enough of them have ended before. */
static void run_seed(unsigned long seed, struct tally *t)
{
	pid_t presser = seed % 4 == 1 ? start_child(press, NULL) : 0;
	*made = 0;
	for (int life = 0; life < LIVES && *made < calls_each; life++) {
		int status = wait_or_kill(start_child(misbehave, &seed));
		t->children++;
		t->exited += WIFEXITED(status);
		t->killed += WIFSIGNALED(status);
		t->hindered += WIFEXITED(status) && WEXITSTATUS(status) == 99;
		wait_for(start_child(kill_all_of_nobody, NULL));
		remove_files();
		make_files();
	}
	if (presser)
		wait_for(presser);
}

int main(int argc, char **argv)
{
	static char canary[PAGE];
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : CHILDREN;
	struct tally t = { 0 };
	int harmed;
	if (getuid())
		return 0; /* a child has executed us */
	if (argc > 3)
		calls_each = strtoul(argv[3], NULL, 0);
	memset(canary, 'c', sizeof(canary));
	made = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	scratch_enter();
	remove_files();
	make_files();
	printf("seeds %lu to %lu, %lu calls each\n", first, first + count - 1, calls_each);
	for (unsigned long seed = first; seed < first + count; seed++)
		run_seed(seed, &t);
	harmed = harm(canary, sizeof(canary));
	remove_files();
	remove_segments();
	printf("children: %d, exited %d, killed %d, could not begin %d, harm to the parent %d\n", t.children, t.exited,
	       t.killed, t.hindered, harmed);
	/*
	 * A child whose calls shared its memory with a clone may lose its way before it begins; many
	 * that cannot begin would mean that the test tests nothing.
	 */
	return harmed != 0 || t.hindered * 10 > t.children;
}
