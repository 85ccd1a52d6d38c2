/* SPDX-License-Identifier: MIT */
/*
 * Locks on files: POSIX record locks split, merge, conflict between processes, go with any
 * close and with exit, deadlocks are found; open-file locks and flock belong to the open file.
 */
#include "guest.h"
#include <pthread.h>
#include <sys/file.h>

static int set(int fd, int cmd, int type, long start, long len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &lock);
}

/* What another process is told stands in the way of a write lock of [start, start + len). */
static void show_conflict(int fd, long start, long len)
{
	pid_t parent = getpid(), child;
	fflush(stdout);
	child = MUST(fork());
	if (!child) {
		struct flock lock = { .l_type = F_WRLCK, .l_start = start, .l_len = len };
		MUST(fcntl(fd, F_GETLK, &lock));
		if (lock.l_type == F_UNLCK)
			printf("  %ld+%ld: free\n", start, len);
		else
			printf("  %ld+%ld: %s %ld+%ld of %s\n", start, len, lock.l_type == F_RDLCK ? "read" : "write",
			       (long)lock.l_start, (long)lock.l_len,
			       lock.l_pid == parent ? "the parent" : lock.l_pid == -1 ? "an open file" : "somebody");
		fflush(stdout);
		_exit(0);
	}
	MUST(waitpid(child, NULL, 0));
}

static void ranges(int fd)
{
	SHOW(set(fd, F_SETLK, F_WRLCK, 10, 10));
	show_conflict(fd, 0, 100);
	SHOW(set(fd, F_SETLK, F_WRLCK, 20, 10));
	show_conflict(fd, 0, 100);
	SHOW(set(fd, F_SETLK, F_RDLCK, 15, 5));
	show_conflict(fd, 0, 12);
	show_conflict(fd, 15, 1);
	show_conflict(fd, 25, 1);
	SHOW(set(fd, F_SETLK, F_UNLCK, 0, 12));
	show_conflict(fd, 0, 13);
	SHOW(set(fd, F_SETLK, F_UNLCK, 0, 0));
	show_conflict(fd, 0, 0);
	SHOW(set(fd, F_SETLK, F_RDLCK, 5, 0));
	show_conflict(fd, 1000000, 1);
	SHOW(set(fd, F_SETLK, F_WRLCK, 8, -3));
	show_conflict(fd, 0, 7);
	SHOW(set(fd, F_SETLK, F_WRLCK, 2, -3));
	SHOW(set(fd, F_SETLK, 9, 0, 0));
	SHOW(set(fd, F_SETLK, F_WRLCK, -1, 1));
	SHOW(fcntl(fd, F_SETLK, BAD_POINTER));
}

static void closing(int fd)
{
	int other = MUST(open("locked", O_RDWR));
	SHOW(set(fd, F_SETLK, F_WRLCK, 0, 0));
	show_conflict(fd, 0, 1);
	close(other);
	show_conflict(fd, 0, 1);
	int reader = MUST(open("locked", O_RDONLY));
	SHOW(set(reader, F_SETLK, F_WRLCK, 0, 0));
	SHOW(set(reader, F_SETLK, F_RDLCK, 0, 0));
	close(reader);
}

static void waiting(int fd)
{
	int ready[2];
	char c;
	pid_t child;
	MUST(pipe(ready));
	MUST(set(fd, F_SETLK, F_WRLCK, 0, 1));
	fflush(stdout);
	child = MUST(fork());
	if (!child) {
		printf("child tries: %s\n", set(fd, F_SETLK, F_WRLCK, 0, 1) ? errno_name(errno) : "got it");
		MUST(set(fd, F_SETLK, F_WRLCK, 1, 1));
		MUST(write(ready[1], "x", 1));
		printf("child waits: %s\n", set(fd, F_SETLKW, F_WRLCK, 0, 1) ? errno_name(errno) : "got it");
		fflush(stdout);
		_exit(0);
	}
	MUST(read(ready[0], &c, 1));
	usleep(50000);
	SHOW(set(fd, F_SETLKW, F_WRLCK, 1, 1)); /* each would wait for the other */
	MUST(set(fd, F_SETLK, F_UNLCK, 0, 0)); /* silent: the child prints at the same time */
	MUST(waitpid(child, NULL, 0));
	show_conflict(fd, 0, 0);
	close(ready[0]);
	close(ready[1]);
}

static void of_open_files(int fd)
{
	int other = MUST(open("locked", O_RDWR)), same = MUST(dup(fd));
	SHOW(flock(fd, LOCK_EX));
	SHOW(flock(other, LOCK_SH | LOCK_NB));
	SHOW(flock(same, LOCK_SH));
	SHOW(flock(other, LOCK_SH | LOCK_NB));
	SHOW(flock(other, LOCK_EX | LOCK_NB));
	SHOW(flock(other, LOCK_UN));
	close(fd);
	SHOW(flock(other, LOCK_EX | LOCK_NB));
	close(same);
	SHOW(flock(other, LOCK_EX | LOCK_NB));
	SHOW(flock(other, 99));
	SHOW(flock(98, LOCK_SH));
	fd = MUST(open("locked", O_RDWR));
	SHOW(set(other, F_OFD_SETLK, F_WRLCK, 0, 10));
	SHOW(set(fd, F_OFD_SETLK, F_WRLCK, 5, 10));
	SHOW(set(fd, F_SETLK, F_WRLCK, 5, 10));
	show_conflict(fd, 0, 1);
	close(other);
	SHOW(set(fd, F_OFD_SETLK, F_WRLCK, 5, 10));
	close(fd);
}

static int shared_fd;

static void *wait_for_lock(void *unused)
{
	(void)unused;
	SHOW(set(shared_fd, F_SETLKW, F_WRLCK, 0, 10));
	return NULL;
}

/* A descriptor is closed while another thread waits for a lock by it: nobody has that lock. */
static void closed_while_waiting(void)
{
	int fd = MUST(open("locked", O_RDWR)), go[2], status;
	pthread_t thread;
	pid_t child;
	char c;

	shared_fd = MUST(open("locked", O_RDWR));
	MUST(pipe(go));
	child = MUST(fork());
	if (!child) {
		MUST(set(fd, F_SETLK, F_WRLCK, 0, 10));
		MUST(write(go[1], "x", 1));
		usleep(300000);
		_exit(0); /* the lock goes */
	}
	MUST(read(go[0], &c, 1));
	pthread_create(&thread, NULL, wait_for_lock, NULL);
	usleep(100000);
	close(shared_fd);
	pthread_join(thread, NULL);
	MUST(waitpid(child, &status, 0));
	child = MUST(fork());
	if (!child) {
		show_conflict(fd, 0, 10);
		_exit(0);
	}
	MUST(waitpid(child, &status, 0));
	close(fd), close(go[0]), close(go[1]);
}

int main(void)
{
	scratch_enter();
	int fd = MUST(open("locked", O_RDWR | O_CREAT, 0600));
	ranges(fd);
	closing(fd);
	waiting(fd);
	of_open_files(fd);
	closed_while_waiting();
	MUST(unlink("locked"));
	scratch_leave();
	return 0;
}
