/* SPDX-License-Identifier: MIT */
/*
 * call_table.h: in which order the checks of a system call come.
 *
 * A call is described by the values that each argument may take; the first value of each is a good one. The table
 * tells the result of the call with all arguments good, with each other value of one argument, and with each pair
 * of other values of two arguments. Where two values are bad in different ways, the result shows which check comes
 * first. Calls are made without the C library, so that nothing is checked before the kernel.
 *
 * A row is one value of one argument against all values of a later one, in the order in which they are listed once:
 *	unlinkat flags(rmdir bad): NOTDIR INVAL
 *	unlinkat path=missing flags: NOENT INVAL
 *
 * What a call needs is made by the program's own build(), as root, in the working directory, and made again after
 * each call that succeeded. Tables run twice, as root and as user 65534 without groups: in a child, which asks its
 * parent for that (rebuild()). A result is an errno's name without E (or its negative number), or a number; a new
 * descriptor is "fd".
 */
#pragma once
#include "guest.h"
#include <grp.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOBODY 65534
#define BAD_ADDRESS 8L
#define KERNEL_ADDRESS ((long)0xffff888000000000ul)
#define MAX_ARGS 6

struct value {
	const char *name;
	long value;
};

struct argument {
	const char *name;
	const struct value *values;
	int count;
};

/* Values: a string, which names itself; a number with a name. */
#define S(text) { text, (long)(text) }
#define N(label, number) { label, (long)(number) }
#define ARG(label, ...)                                                                            \
	{ label, (const struct value[]){ __VA_ARGS__ },                                            \
	  sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value) }
/* After the call: TABLE("open", SYS_open, ARG(...), ...). */
#define TABLE(name, nr, ...)                                                                       \
	call_table(name, nr, (const struct argument[]){ __VA_ARGS__ },                             \
		   sizeof((const struct argument[]){ __VA_ARGS__ }) / sizeof(struct argument))

static char long_name[300];  /* a component of more than NAME_MAX */
static char long_path[5000]; /* more than PATH_MAX */
static int rebuild_request[2], rebuild_answer[2];

/* The program's: make everything in the working directory afresh. */
static void build(void);

/* In a child: have the parent build everything afresh. */
HELPER void rebuild(void)
{
	char c = 'b';
	if (write(rebuild_request[1], &c, 1) != 1 || read(rebuild_answer[0], &c, 1) != 1)
		die(__FILE__, __LINE__, "rebuild");
}

static int is_new_descriptor(long nr)
{
	switch (nr) {
	case SYS_open: case SYS_openat: case SYS_creat: case SYS_dup: case SYS_dup2: case SYS_dup3: case SYS_socket:
	case SYS_accept4: case SYS_epoll_create: case SYS_epoll_create1: case SYS_eventfd2: case SYS_memfd_create:
	case SYS_inotify_init1: case SYS_timerfd_create: case SYS_signalfd4: case SYS_openat2:
		return 1;
	}
	return 0;
}

/* One call, and its result printed. */
static void one_call(long nr, const long *a)
{
	long result = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (result == -1) {
		const char *name = errno_name(errno);
		if (*name == 'E')
			printf(" %s", name + 1);
		else
			printf(" -%d", errno);
		return;
	}
	if (is_new_descriptor(nr)) {
		printf(" fd");
		if (nr != SYS_dup2 || a[0] != a[1])
			close((int)result);
	} else {
		printf(" %ld", result);
	}
	rebuild();
}

/* What is left of the row of a value of argument i: all other values of argument j. */
static void one_row(const char *name, long nr, const struct argument *args, int count, int i, int vi, int j)
{
	long a[MAX_ARGS] = { 0 };
	for (int k = 0; k < count; k++)
		a[k] = args[k].values[0].value;
	a[i] = args[i].values[vi].value;
	printf("%s %s=%s %s:", name, args[i].name, args[i].values[vi].name, args[j].name);
	for (int vj = 1; vj < args[j].count; vj++) {
		a[j] = args[j].values[vj].value;
		one_call(nr, a);
	}
	printf("\n");
}

HELPER void call_table(const char *name, long nr, const struct argument *args, int count)
{
	long a[MAX_ARGS] = { 0 };
	rebuild();
	for (int k = 0; k < count; k++)
		a[k] = args[k].values[0].value;
	printf("%s:", name);
	one_call(nr, a);
	printf("\n");
	for (int i = 0; i < count; i++) {
		if (args[i].count < 2)
			continue;
		printf("%s %s(", name, args[i].name);
		for (int v = 1; v < args[i].count; v++)
			printf("%s%s", v == 1 ? "" : " ", args[i].values[v].name);
		printf("):");
		for (int v = 1; v < args[i].count; v++) {
			a[i] = args[i].values[v].value;
			one_call(nr, a);
		}
		printf("\n");
		a[i] = args[i].values[0].value;
	}
	for (int i = 0; i < count; i++)
		for (int v = 1; v < args[i].count; v++)
			for (int j = i + 1; j < count; j++)
				if (args[j].count > 1)
					one_row(name, nr, args, count, i, v, j);
}

/* Runs tables() as that user; the parent stays root and builds. */
HELPER void tables_as(int user, void (*tables)(void))
{
	MUST(pipe2(rebuild_request, O_CLOEXEC));
	MUST(pipe2(rebuild_answer, O_CLOEXEC));
	printf("as user %d\n", user);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		char c;
		close(rebuild_request[0]);
		if (user) {
			MUST(setgroups(0, NULL));
			MUST(setresgid(user, user, user));
			MUST(setresuid(user, user, user));
		}
		tables();
		fflush(stdout);
		(void)c;
		_exit(0);
	}
	close(rebuild_request[1]);
	char c;
	while (read(rebuild_request[0], &c, 1) == 1) {
		build();
		if (write(rebuild_answer[1], &c, 1) != 1)
			break;
	}
	show_status("tables", wait_for(pid));
	close(rebuild_request[0]);
	close(rebuild_answer[0]);
	close(rebuild_answer[1]);
}

/* ---- files to try it on ---------------------------------------------------------------- */

/* Remove what the directory holds; "ro" (a mount) stays. */
HELPER void remove_tree(const char *path)
{
	char text[4096], child[512];
	long got;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	while (fd >= 0 && (got = syscall(SYS_getdents64, fd, text, sizeof(text))) > 0)
		for (long at = 0; at < got; at += *(unsigned short *)(text + at + 16)) {
			const char *name = text + at + 19;
			if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "ro") || !strcmp(name, "lost+found"))
				continue;
			snprintf(child, sizeof(child), "%s/%s", path, name);
			if (unlink(child) == -1) {
				remove_tree(child);
				rmdir(child);
			}
		}
	close(fd);
}

HELPER void put_file(const char *path, mode_t mode, int owner)
{
	int fd = MUST(open(path, O_CREAT | O_RDWR | O_TRUNC, 0600));
	MUST(write(fd, "0123456789", 10));
	MUST(fchown(fd, (uid_t)owner, (gid_t)owner));
	MUST(fchmod(fd, mode));
	close(fd);
}

HELPER void put_dir(const char *path, mode_t mode, int owner)
{
	MUST(mkdir(path, 0700));
	MUST(chown(path, (uid_t)owner, (gid_t)owner));
	MUST(chmod(path, mode));
}

/*
 * The files that most tables use. file: everybody's; own: NOBODY's; secret: root's alone. closed: a directory in
 * which only root makes names, locked: which only root enters, sticky: everybody's, with a file of root's.
 */
HELPER void build_files(void)
{
	umask(0);
	remove_tree(".");
	MUST(chown(".", 0, 0));
	MUST(chmod(".", 0777));
	put_file("file", 0666, 0);
	put_file("own", 0644, NOBODY);
	put_file("secret", 0600, 0);
	put_dir("dir", 0777, 0);
	put_file("dir/in", 0666, 0);
	put_dir("empty", 0777, 0);
	put_dir("closed", 0755, 0);
	put_file("closed/f", 0644, 0);
	put_dir("closed/d", 0755, 0);
	put_dir("locked", 0700, 0);
	put_file("locked/f", 0644, 0);
	put_dir("sticky", 01777, 0);
	put_file("sticky/f", 0666, 0);
	MUST(symlink("file", "link"));
	MUST(symlink("nowhere", "dangling"));
	MUST(symlink("loop", "loop"));
	MUST(symlink("dir", "dirlink"));
	MUST(mknod("fifo", S_IFIFO | 0666, 0));
	MUST(mknod("sock", S_IFSOCK | 0666, 0));
	MUST(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
}

/*
 * The working directory: a tmpfs of its own on /tmp/NAME, or the directory that the program's argument names (of
 * another kind of file system). In it "ro", a read-only file system with ro/f, ro/secret, ro/d, ro/empty.
 */
HELPER void enter_work(int argc, char **argv, const char *name)
{
	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < sizeof(long_path) - 1; i++)
		long_path[i] = i % 100 ? 'p' : '/';
	umask(0);
	if (argc < 2) {
		MUST(mkdir(name, 0777));
		MUST(mount("none", name, "tmpfs", 0, "mode=777"));
	}
	MUST(chdir(argc < 2 ? name : argv[1]));
	MUST(chmod(".", 0777));
	MUST(mkdir("ro", 0777));
	MUST(mount("none", "ro", "tmpfs", 0, "mode=777"));
	put_file("ro/f", 0666, 0);
	put_file("ro/secret", 0600, 0);
	put_dir("ro/d", 0777, 0);
	put_dir("ro/empty", 0777, 0);
	MUST(mount("none", "ro", "tmpfs", MS_REMOUNT | MS_RDONLY, "mode=777"));
}

HELPER void leave_work(int argc, const char *name)
{
	remove_tree(".");
	MUST(umount2("ro", MNT_DETACH)); /* a directory of it may still be open */
	MUST(rmdir("ro"));
	MUST(chdir("/"));
	if (argc < 2) {
		MUST(umount2(name, MNT_DETACH));
		MUST(rmdir(name));
	}
}
