/* SPDX-License-Identifier: MIT */
/*
 * Pipes of one user: above pipe-user-pages-soft new ones have two pages and none can be enlarged, above
 * pipe-user-pages-hard there are none; closing, also of fifos, gives the account back. pipe-max-size bounds what
 * may be asked for, and is rounded up. Root is exempt. What is expected is what Linux printed; it
 * is not run there each time, as it changes what all users of the machine may have.
 */
#include "guest.h"

#define PIPES 300

static uid_t uid;
static int fds[PIPES][2];

static void set(const char *name, const char *value)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	int fd = MUST(open(path, O_WRONLY));
	if (write(fd, value, strlen(value)) < 0)
		printf("%s = %s: %s\n", name, value, errno_name(errno));
	close(fd);
}

static const char *get(const char *name)
{
	static char text[32];
	char path[64];
	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	if (read_file(path, text, sizeof(text)) < 0)
		return "missing";
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* How many pipes of which size there are now, made until there is an error. */
static int make_pipes(int most)
{
	int made = 0, full = 0, small = 0;
	for (; made < most && !pipe(fds[made]); made++)
		if (fcntl(fds[made][0], F_GETPIPE_SZ) == 65536)
			full++;
		else if (fcntl(fds[made][0], F_GETPIPE_SZ) == 8192)
			small++;
	printf("  %d pipes, %d of 64 KiB, %d of 8 KiB; then %s\n", made, full, small, made < most ? errno_name(errno) : "enough");
	return made;
}

static void drop_pipes(int from, int to)
{
	for (; from < to; from++)
		close(fds[from][0]), close(fds[from][1]);
}

static int user(void *unused)
{
	(void)unused;
	MUST(setresuid(uid, uid, uid));
	int made = make_pipes(PIPES);
	SHOW(fcntl(fds[0][0], F_SETPIPE_SZ, 131072));
	SHOW(fcntl(fds[made - 1][0], F_SETPIPE_SZ, 12288));
	SHOW(fcntl(fds[made - 1][0], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(fds[0][0], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(fds[0][0], F_SETPIPE_SZ, 65536));
	drop_pipes(0, made);
	printf("after closing all:\n");
	made = make_pipes(PIPES);
	drop_pipes(0, made);
	printf("after others have them:\n");
	pid_t pid = fork();
	if (!pid) {
		make_pipes(3);
		_exit(0);
	}
	wait_for(pid);
	for (int i = 0; i < 40; i++) { /* fifos are counted while they are open */
		char name[64];
		snprintf(name, sizeof(name), "/tmp/fifo%d", (int)getpid());
		MUST(mkfifo(name, 0600));
		int fd = MUST(open(name, O_RDWR));
		if (i == 0 || i == 39)
			SHOW(fcntl(fd, F_GETPIPE_SZ));
		close(fd);
		unlink(name);
	}
	return 0;
}

static int sizes(void *unused)
{
	int p[2];
	(void)unused;
	MUST(setresuid(uid, uid, uid));
	MUST(pipe(p));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 1 << 20));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, (1 << 20) + 1));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 0));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 0x80000001u));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 70000));
	return 0;
}

static int small_max(void *unused)
{
	int p[2];
	(void)unused;
	MUST(setresuid(uid, uid, uid));
	MUST(pipe(p));
	SHOW(fcntl(p[0], F_GETPIPE_SZ));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 65536));
	return 0;
}

int main(void)
{
	char soft[32], hard[32], max[32];
	uid = 200000 + (uid_t)getpid();
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 1024 }));
	snprintf(soft, sizeof(soft), "%s", get("pipe-user-pages-soft"));
	snprintf(hard, sizeof(hard), "%s", get("pipe-user-pages-hard"));
	snprintf(max, sizeof(max), "%s", get("pipe-max-size"));
	printf("soft %s, hard %s, max %s\n", soft, hard, max);
	run_child(sizes, NULL);
	set("pipe-user-pages-soft", "320");
	run_child(user, NULL);
	set("pipe-user-pages-hard", "400");
	run_child(user, NULL);
	set("pipe-user-pages-soft", "0");
	run_child(user, NULL);
	printf("root:\n");
	drop_pipes(0, make_pipes(60));
	set("pipe-user-pages-soft", soft);
	set("pipe-user-pages-hard", hard);
	set("pipe-max-size", "9000");
	printf("max %s\n", get("pipe-max-size"));
	run_child(small_max, NULL);
	set("pipe-max-size", "0");
	set("pipe-max-size", max);
	return 0;
}
