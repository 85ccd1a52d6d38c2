/* SPDX-License-Identifier: MIT */
/* proves: AS-76 */
/* compare: none */
/* guest: --ram 32M --swap 32M */
/* timeout: 300 */
/*
 * An unprivileged user does random things with every file under /proc and /dev, from a seed, while
 * other processes, of the same user and of others, fork, execute, map, start threads and end. Whatever the
 * user does, the kernel goes on, no other process is harmed, and (the runner checks) there is no warning and no
 * frame is lost.
 *
 * A round is one child of nobody's: it walks from / down through random names, opens what it finds
 * with random flags, and reads, writes, seeks, maps and controls it at hostile offsets and addresses.
 * Descriptors stay open across the end of what they are of.
 *
 * By hand: fuzz_proc FIRST COUNT runs COUNT rounds from seed FIRST on; a failing run prints its seed.
 */
#include "guest.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#ifndef ROUNDS
#define ROUNDS 60
#endif
enum { STEPS = 120, HELD = 12, ACTORS = 6, NOBODY = 65534, PATIENCE_MS = 20000 };

static unsigned long state;

static unsigned long random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned long below(unsigned long n)
{
	return random_word() % n;
}

/* ---- What is looked at: processes that come and go ------------------------------------------------ */

static void *idle_thread(void *unused)
{
	usleep(2000);
	return unused;
}

static void change_memory(char *area)
{
	char *p = area + below(32) * PAGE;
	switch (below(4)) {
	case 0: mprotect(p, PAGE, below(8)); break;
	case 1: munmap(p, PAGE); break;
	case 2: mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); break;
	case 3: madvise(p, PAGE, below(2) ? MADV_DONTNEED : MADV_PAGEOUT); break;
	}
	if (!mprotect(p, PAGE, PROT_READ | PROT_WRITE))
		*p = 1;
}

static void start_thread(void)
{
	pthread_t thread;
	if (!pthread_create(&thread, NULL, idle_thread, NULL))
		pthread_detach(thread);
}

/* Changes itself for a while; then executes this program again, which goes on, or ends. */
static int act(unsigned long seed, int generation)
{
	char words[3][24], *area = map_anon(32 * PAGE, PROT_READ | PROT_WRITE);
	state = seed * 0x9e3779b97f4a7c15UL + 7;
	for (int i = 0; i < 40; i++) {
		change_memory(area);
		if (!below(8))
			start_thread();
		if (!below(8) && !fork())
			_exit(below(2) ? 0 : usleep(3000));
		if (!below(4))
			usleep(1000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	if (generation >= 4)
		return 0;
	snprintf(words[0], sizeof(words[0]), "act");
	snprintf(words[1], sizeof(words[1]), "%lu", seed + 1);
	snprintf(words[2], sizeof(words[2]), "%d", generation + 1);
	execl("/proc/self/exe", words[0], words[1], words[2], (char *)NULL);
	return 1;
}

/* What is written to /proc/PID/fd/1 is not to be seen. */
static void close_output(void)
{
	int fd = MUST(open("/dev/null", O_RDWR));
	for (int i = 0; i < 3; i++)
		MUST(dup2(fd, i));
	close(fd);
}

static int start_acting(void *argument)
{
	unsigned long seed = *(unsigned long *)argument;
	close_output();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (seed % 3)
		MUST(setresuid(NOBODY, NOBODY, NOBODY));
	if (seed % 2) /* as a login does: a program of user nobody, which that user's other processes may look into */
		prctl(PR_SET_DUMPABLE, 1);
	return act(seed, 0);
}

/* ---- Finding a file ------------------------------------------------------------------------------------ */

/* A random entry of dir into name; 0: there is none. */
static int random_entry(const char *path, char *name, size_t size)
{
	DIR *dir = opendir(path);
	int n = 0;
	if (!dir)
		return 0;
	for (struct dirent *e; n < 400 && (e = readdir(dir));)
		if (e->d_name[0] != '.' && below(++n) == 0)
			snprintf(name, size, "%s", e->d_name);
	closedir(dir);
	return n;
}

static void random_path(char *path, size_t size)
{
	char name[256];
	snprintf(path, size, below(8) ? "/proc" : "/dev");
	for (int depth = 0; depth < 5; depth++) {
		size_t length = strlen(path);
		if (length + sizeof(name) + 2 > size)
			break;
		if (depth == 0 && !below(3))
			snprintf(name, sizeof(name), "%s", below(2) ? "self" : "thread-self");
		else if (!random_entry(path, name, sizeof(name)))
			break;
		snprintf(path + length, size - length, "/%s", name);
	}
}

/* ---- What is done with it --------------------------------------------------------------------------- */

static char *area; /* 8 pages: writable, then read-only, then none, then nothing */

static char *random_buffer(void)
{
	static const unsigned long odd[] = { 0, 8, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000,
					     0xffff800000000000, 0xffffffff81000000, -8UL };
	if (below(6))
		return area + below(3 * PAGE);
	return below(2) ? area + below(9 * PAGE) : (char *)odd[below(ARRAY_LEN(odd))];
}

static long random_offset(void)
{
	switch (below(6)) {
	case 0: return (long)random_word();
	case 1: return LONG_MAX - (long)below(9000);
	case 2: return (long)(area + below(8 * PAGE)) & (below(2) ? -1L : -8L);
	case 3: return 0x7ffffffff000 / 512 + (long)below(64) - 32; /* the end of pagemap */
	case 4: return (long)below(9) * 8;
	}
	return (long)below(20000);
}

static size_t random_size(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 100, 4095, 4096, 4097, 8192, 65536, 1 << 30, -1UL, LONG_MAX };
	return sizes[below(ARRAY_LEN(sizes))];
}

static void fill_text(void)
{
	static const char *const texts[] = { "0", "1\n", "-1000", "1000", "3", "4", "5", "99999999999999999999",
					     "0x10", "", "\n", "abc", "1 2 3", "-17", "0\0junk", "%s%n" };
	strcpy(area, texts[below(ARRAY_LEN(texts))]);
}

/* Terminals of others may wait for ever, and a write to the console is seen by people. */
static int is_left_alone(const char *path)
{
	return !strncmp(path, "/dev/", 5) &&
	       (strstr(path, "tty") || strstr(path, "console") || strstr(path, "pagoda") || strstr(path, "stdio"));
}

static int open_something(void)
{
	static const int flags[] = { O_RDONLY, O_RDONLY, O_RDONLY, O_RDWR, O_WRONLY, O_PATH, O_DIRECTORY,
				     O_RDWR | O_APPEND, O_RDONLY | O_NOFOLLOW, O_WRONLY | O_TRUNC,
				     O_RDONLY | O_DIRECT };
	char path[1200];
	random_path(path, sizeof(path));
	if (is_left_alone(path))
		return -1;
	return open(path, flags[below(ARRAY_LEN(flags))] | O_NONBLOCK | O_CLOEXEC);
}

static void try_map(int fd)
{
	char *p = mmap(NULL, 2 * PAGE, below(8), below(2) ? MAP_SHARED : MAP_PRIVATE, fd, random_offset() & -4096L);
	if (p != MAP_FAILED)
		munmap(p, 2 * PAGE);
}

static void look_around(int fd)
{
	char text[512];
	struct stat st;
	struct pollfd poll_fd = { fd, POLLIN | POLLOUT, 0 };
	fstat(fd, &st);
	poll(&poll_fd, 1, 0);
	syscall(SYS_getdents64, fd, text, sizeof(text));
	readlinkat(fd, "", text, sizeof(text));
	syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0);
	openat(fd, "status", O_RDONLY | O_CLOEXEC); /* closed with the others at the end */
}

static void use(int fd)
{
	size_t size = random_size();
	switch (below(10)) {
	case 0: case 1: read(fd, random_buffer(), size); break;
	case 2: case 3: pread(fd, random_buffer(), size, random_offset()); break;
	case 4: fill_text(); write(fd, below(2) ? area : random_buffer(), below(3) ? below(12) : size); break;
	case 5: fill_text(); pwrite(fd, area, below(12), random_offset()); break;
	case 6: lseek(fd, random_offset(), (int)below(6)); break;
	case 7: ioctl(fd, below(2) ? 0x5401 + below(64) : random_word(), random_buffer()); break;
	case 8: try_map(fd); break;
	case 9: look_around(fd); break;
	}
}

static void prepare_area(void)
{
	area = map_anon(8 * PAGE, PROT_READ | PROT_WRITE);
	memset(area, 'a', 3 * PAGE);
	MUST(mprotect(area + 3 * PAGE, 2 * PAGE, PROT_READ));
	MUST(mprotect(area + 5 * PAGE, 2 * PAGE, PROT_NONE));
	MUST(munmap(area + 7 * PAGE, PAGE));
}

static int misbehave(void *seed)
{
	int held[HELD];
	state = *(unsigned long *)seed * 0x9e3779b97f4a7c15UL + 1;
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 200, 200 }));
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 16, 1 << 16 }));
	close_output();
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	MUST(setresgid(NOBODY, NOBODY, NOBODY));
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	prctl(PR_SET_DUMPABLE, 1);
	prepare_area();
	memset(held, -1, sizeof(held));
	for (int i = 0; i < STEPS; i++) {
		int *fd = &held[below(HELD)];
		if (*fd < 0 || !below(4)) {
			close(*fd);
			*fd = open_something();
		}
		for (int k = 0; k < 4 && *fd >= 0; k++)
			use(*fd);
	}
	return 0;
}

/* ---- Rounds ------------------------------------------------------------------------------------------- */

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

static int kill_all_of_nobody(void *unused)
{
	(void)unused;
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	kill(-1, SIGKILL);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : ROUNDS;
	int ended = 0, killed = 0, hindered = 0, harmed = 0;
	pid_t actors[ACTORS];
	static char canary[PAGE];
	if (!strcmp(argv[0], "act"))
		return act(first, (int)count);
	memset(canary, 'c', sizeof(canary));
	for (unsigned long seed = first; seed < first + count; seed++) {
		unsigned long acting = seed * ACTORS;
		for (int i = 0; i < ACTORS; i++, acting++)
			actors[i] = start_child(start_acting, &acting);
		int status = wait_or_kill(start_child(misbehave, &seed));
		ended += WIFEXITED(status);
		killed += WIFSIGNALED(status);
		hindered += WIFEXITED(status) && WEXITSTATUS(status) == 99;
		for (int i = 0; i < ACTORS; i++)
			kill(actors[i], SIGKILL);
		wait_for(start_child(kill_all_of_nobody, NULL));
		while (waitpid(-1, NULL, 0) > 0)
			;
		for (size_t i = 0; i < sizeof(canary) && !harmed; i++)
			if (canary[i] != 'c') {
				printf("harm to the parent at seed %lu\n", seed);
				harmed = 1;
			}
	}
	printf("seeds %lu to %lu: %d ended, %d killed, %d could not begin\n", first, first + count - 1, ended, killed,
	       hindered);
	return harmed || (unsigned long)hindered * 10 > count;
}
