/* SPDX-License-Identifier: MIT */
/* proves: AS-04 */
/* compare: none */
/* guest: --ram 64M */
/* timeout: 300 */
/*
 * Random system calls with random arguments, from a seed, in children that may die of it:
 * whatever they do, the kernel lives on, this parent is unharmed, and (the runner checks) no
 * frame is lost. Arguments are drawn from what has meaning: small numbers, descriptors,
 * addresses of good, bad and half-good memory, paths, sizes around a page, sign bits.
 *
 * Every second child is root, the others nobody with (nearly) all calls open to them, also fork
 * and kill. A child that waits for something that never comes is killed after a while.
 *
 * By hand: fuzz_syscalls FIRST COUNT runs other seeds, one a child.
 */
#include "guest.h"
#include <ftw.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

enum { CHILDREN = 60, CALLS = 400, HIGHEST = 335, NOBODY = 65534, PATIENCE_MS = 1500 };
enum { NEWER = 424, NR_NEWER = 27 }; /* numbers that all architectures share */

static unsigned long state;

static unsigned long random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static char *area; /* 16 pages: some writable, read-only, none, unmapped, of a file */

static unsigned long random_argument(void)
{
	static const unsigned long odd[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 100, 255, 256, 511, 512, 4095, 4096, 4097, 8192, 65535,
		65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x7ffffffff000,
		0x800000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, -1UL, -2UL, -8UL,
		-4095UL, -4096UL, 1UL << 62, 1UL << 63,
	};
	static const char *const paths[] = { "f", "d", "d/x", ".", "d/..", "/dev/null", "/dev/zero",
					     "/proc/self/maps", "/proc/self", "l", "", "/proc/1/status" };
	switch (random_word() % 8) {
	case 0:
	case 1: return odd[random_word() % ARRAY_LEN(odd)];
	case 2: return random_word() % 12; /* a descriptor, perhaps */
	case 3:
	case 4: return (unsigned long)area + random_word() % 17 * PAGE - random_word() % 40;
	case 5: return (unsigned long)area + (random_word() % 16) * PAGE;
	case 6: return (unsigned long)paths[random_word() % ARRAY_LEN(paths)];
	}
	return random_word() >> random_word() % 64;
}

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

/* What root is kept from: killing its parent, and more processes than the parent can clear away. */
static int never_as_root(long number)
{
	switch (number) {
	case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal: case SYS_ptrace: case SYS_process_vm_writev: case SYS_process_madvise:
	case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_mount: case SYS_umount2:
	case SYS_pivot_root: case SYS_chroot: case SYS_swapon: case SYS_swapoff: case SYS_setrlimit:
	case SYS_prlimit64: case SYS_unlink: case SYS_unlinkat: case SYS_rename: case SYS_renameat: case SYS_renameat2:
	case SYS_rmdir:
		return 1;
	}
	return 0;
}

static void prepare_area(void)
{
	int fd = MUST(open("f", O_RDWR));
	area = map_anon(16 * PAGE, PROT_READ | PROT_WRITE);
	memset(area, 0, 4 * PAGE);
	strcpy(area + 100, "d/y");
	MUST(mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ));
	MUST(mprotect(area + 6 * PAGE, 2 * PAGE, PROT_NONE));
	MUST(munmap(area + 8 * PAGE, 2 * PAGE));
	MUST(ftruncate(fd, 2 * PAGE + 100));
	MUST(mmap(area + 10 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
	MUST(mmap(area + 13 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
}

static void limit(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };
	setrlimit(resource, &limit);
}

/* In the child: limits that no call of its gets around, and few, known descriptors. */
static void settle(int as_root)
{
	int fds[2];
	setsid();
	limit(RLIMIT_AS, 256 << 20);
	limit(RLIMIT_CPU, 20);
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_NPROC, 6);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int fd = 0; fd < 32; fd++)
		close(fd);
	MUST(open("f", O_RDWR));
	MUST(open("d", O_RDONLY));
	MUST(pipe2(fds, O_NONBLOCK));
	MUST(open("/dev/zero", O_RDWR));
	MUST(open("/proc/self/status", O_RDONLY));
	MUST(epoll_create1(0));
	MUST(eventfd(0, EFD_NONBLOCK));
	MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	MUST(signalfd(-1, &(sigset_t){ { 0xff00 } }, SFD_NONBLOCK));
	MUST(syscall(SYS_pidfd_open, getpid(), 0));
	if (!as_root)
		MUST(setresuid(NOBODY, NOBODY, NOBODY));
}

static long random_number(void)
{
	long number = random_word() % (HIGHEST + NR_NEWER);
	return number < HIGHEST ? number : number - HIGHEST + NEWER;
}

static int misbehave(void *seed)
{
	int as_root = *(unsigned long *)seed % 2;
	state = *(unsigned long *)seed * 0x9e3779b97f4a7c15UL + 1;
	settle(as_root);
	for (int i = 0; i < CALLS; i++) {
		long number = random_word() % 50 ? random_number() : (long)random_argument();
		unsigned long a[6];
		for (int k = 0; k < 6; k++)
			a[k] = random_argument();
		if (never((int)number) || (as_root && never_as_root((int)number)))
			continue;
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	return 0;
}

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

int main(int argc, char **argv)
{
	static char canary[PAGE];
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : CHILDREN;
	int exited = 0, killed = 0, hindered = 0, harmed;
	memset(canary, 'c', sizeof(canary));
	scratch_enter();
	remove_files();
	make_files();
	prepare_area();
	for (unsigned long seed = first; seed < first + count; seed++) {
		int status = wait_or_kill(start_child(misbehave, &seed));
		exited += WIFEXITED(status);
		killed += WIFSIGNALED(status);
		hindered += WIFEXITED(status) && WEXITSTATUS(status) == 99;
		wait_for(start_child(kill_all_of_nobody, NULL));
		remove_files();
		make_files();
	}
	harmed = harm(canary, sizeof(canary));
	MUST(munmap(area, 16 * PAGE));
	remove_files();
	remove_segments();
	printf("children: %lu, exited %d, killed %d, could not begin %d, harm to the parent %d\n", count, exited,
	       killed, hindered, harmed);
	/*
	 * A child whose calls shared its memory with a clone may lose its way before it begins; many
	 * that cannot begin would mean that the test tests nothing.
	 */
	return harmed != 0 || (unsigned long)hindered * 10 > count;
}
