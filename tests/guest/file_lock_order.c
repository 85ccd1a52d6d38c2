/* SPDX-License-Identifier: MIT */
/*
 * file_lock_order.c: which of several conflicting locks F_GETLK tells of (of the process that locked first, the one
 * at the lowest offset), also after locks were split, joined and changed; and the order of checks of lock requests.
 * Debian's Linux 6.1 printed the expected output: later kernels let F_OFD_GETLK ask with any type.
 */
#include "guest.h"

static int fd;

static void show_lock(const char *what, int cmd, int type, long start, long len)
{
	struct flock lock = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int ret = fcntl(fd, cmd, &lock);
	if (ret == -1)
		printf("%s: %s\n", what, errno_name(errno));
	else if (lock.l_type == F_UNLCK)
		printf("%s: free\n", what);
	else
		printf("%s: %s at %ld, %ld byte(s), %s\n", what, lock.l_type == F_RDLCK ? "read" : "write", (long)lock.l_start,
		       (long)lock.l_len, lock.l_pid == -1 ? "a file's" : "a process's");
}

static int set(int type, long start, long len)
{
	struct flock lock = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, F_SETLK, &lock);
}

struct step {
	int type;
	long start, len;
};

/* A process takes these locks one after the other and keeps them while the parent looks. */
static pid_t locker(const struct step *steps, int count)
{
	int ready[2];
	char c;
	MUST(pipe(ready));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < count; i++)
			MUST(set(steps[i].type, steps[i].start, steps[i].len));
		MUST(write(ready[1], "x", 1));
		pause();
		_exit(0);
	}
	MUST(read(ready[0], &c, 1));
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	MUST(kill(pid, SIGKILL));
	wait_for(pid);
}

static void look(const char *what)
{
	printf("%s\n", what);
	show_lock("  all, to write", F_GETLK, F_WRLCK, 0, 0);
	show_lock("  all, to read", F_GETLK, F_RDLCK, 0, 0);
	show_lock("  from 25", F_GETLK, F_WRLCK, 25, 0);
	show_lock("  5 to 14", F_GETLK, F_WRLCK, 5, 10);
	show_lock("  from 60", F_GETLK, F_WRLCK, 60, 0);
}

#define LOCKER(...) locker((const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void conflicts(void)
{
	pid_t a = LOCKER({ F_WRLCK, 30, 5 }, { F_WRLCK, 10, 5 }, { F_RDLCK, 50, 5 });
	look("one process: high, low, higher");
	pid_t b = LOCKER({ F_WRLCK, 0, 5 }, { F_RDLCK, 70, 5 });
	look("and a later one, lower");
	end(a);
	look("the later one alone");
	a = LOCKER({ F_RDLCK, 50, 5 });
	look("a third");
	end(b);
	end(a);

	a = LOCKER({ F_WRLCK, 0, 100 }, { F_UNLCK, 10, 10 }, { F_RDLCK, 40, 10 });
	look("split by unlocking and by another type");
	end(a);
	a = LOCKER({ F_WRLCK, 0, 10 }, { F_WRLCK, 20, 10 }, { F_WRLCK, 10, 10 });
	look("joined");
	b = LOCKER({ F_RDLCK, 40, 10 });
	look("joined, and another's behind");
	end(a);
	end(b);
	a = LOCKER({ F_RDLCK, 0, 10 });
	b = LOCKER({ F_RDLCK, 0, 10 });
	look("two readers");
	end(a);
	a = LOCKER({ F_RDLCK, 0, 0 }, { F_UNLCK, 0, 5 });
	look("to the end of all");
	end(a);
	end(b);
	/* The first one's place stays his when he changes all he has. */
	a = LOCKER({ F_RDLCK, 20, 10 }, { F_WRLCK, 20, 10 });
	b = LOCKER({ F_WRLCK, 0, 10 });
	look("changed whole");
	end(a);
	end(b);
}

static void of_files(void)
{
	int other = MUST(open("/dev/shm/lock_order", O_RDWR));
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 40, .l_len = 10 };
	MUST(fcntl(other, F_OFD_SETLK, &lock));
	look("a lock of an open file");
	MUST(set(F_WRLCK, 10, 10));
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET };
	SHOW(fcntl(other, F_OFD_GETLK, &lock));
	printf("  type %d at %ld\n", lock.l_type, (long)lock.l_start);
	lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10 };
	SHOW(fcntl(other, F_OFD_SETLK, &lock));
	close(other);
	look("its file is closed");
	MUST(set(F_UNLCK, 0, 0));
}

static void checks(void)
{
	int ro = MUST(open("/dev/shm/lock_order", O_RDONLY)), wo = MUST(open("/dev/shm/lock_order", O_WRONLY));
	int path = MUST(open("/dev/shm/lock_order", O_PATH));
	static const int cmds[] = { F_GETLK, F_SETLK, F_OFD_GETLK, F_OFD_SETLK };
	static const char *const names[] = { "GETLK", "SETLK", "OFD_GETLK", "OFD_SETLK" };
	const struct {
		const char *name;
		struct flock lock;
	} locks[] = {
		{ "fine", { .l_type = F_RDLCK } },
		{ "write", { .l_type = F_WRLCK } },
		{ "type", { .l_type = 7 } },
		{ "type, whence", { .l_type = 7, .l_whence = 5 } },
		{ "whence", { .l_type = F_WRLCK, .l_whence = 5 } },
		{ "before 0", { .l_type = F_WRLCK, .l_start = -5 } },
		{ "before 0, type", { .l_type = 7, .l_start = -5 } },
		{ "length before 0", { .l_type = F_WRLCK, .l_start = 5, .l_len = -6 } },
		{ "length back", { .l_type = F_RDLCK, .l_start = 5, .l_len = -5 } },
		{ "far", { .l_type = F_WRLCK, .l_start = 5, .l_len = INT64_MAX } },
		{ "very far", { .l_type = 7, .l_start = INT64_MAX, .l_len = 5 } },
		{ "pid", { .l_type = F_RDLCK, .l_pid = 5 } },
		{ "pid, write", { .l_type = F_WRLCK, .l_pid = 5 } },
		{ "pid, type", { .l_type = 7, .l_pid = 5 } },
	};
	for (size_t c = 0; c < ARRAY_LEN(cmds); c++)
		for (size_t l = 0; l < ARRAY_LEN(locks); l++) {
			const int fds[] = { fd, ro, wo, path, 999 };
			printf("%s %s:", names[c], locks[l].name);
			for (size_t f = 0; f < ARRAY_LEN(fds); f++) {
				struct flock lock = locks[l].lock;
				int ret = fcntl(fds[f], cmds[c], &lock);
				printf(" %s", ret == -1 ? errno_name(errno) : "ok");
			}
			printf("\n");
		}
	SHOW(fcntl(fd, F_SETLK, (void *)8));
	SHOW(fcntl(999, F_SETLK, (void *)8));
	SHOW(fcntl(ro, F_OFD_GETLK, (void *)8));
	close(ro);
	close(wo);
	close(path);
}

int main(void)
{
	unlink("/dev/shm/lock_order");
	fd = MUST(open("/dev/shm/lock_order", O_CREAT | O_RDWR, 0600));
	conflicts();
	of_files();
	checks();
	unlink("/dev/shm/lock_order");
	return 0;
}
