/* SPDX-License-Identifier: MIT */
/*
 * fs_tmpfile.c: files without a name (O_TMPFILE), and how they get one. Debian's Linux 6.1 printed the expected output:
 * later kernels let more users link by AT_EMPTY_PATH. An argument names another directory than one in /tmp.
 */
/* libc: glibc */
#include "guest.h"
#include <grp.h>
#include <sys/prctl.h>

static void show_file(const char *path)
{
	struct stat st;
	if (stat(path, &st) == -1)
		printf("  %s: %s\n", path, errno_name(errno));
	else
		printf("  %s: mode %o, %u link(s), %ld bytes\n", path, st.st_mode, (unsigned)st.st_nlink, (long)st.st_size);
}

static int make(int flags)
{
	int fd = MUST(open(".", O_TMPFILE | O_RDWR | flags, 0640));
	struct stat st;
	MUST(write(fd, "content", 7));
	MUST(fstat(fd, &st));
	printf("new: mode %o, %u link(s)\n", st.st_mode, (unsigned)st.st_nlink);
	return fd;
}

static int link_by_proc(int fd, const char *name)
{
	char path[40];
	sprintf(path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static void names(void)
{
	int fd = make(0);
	SHOW(link_by_proc(fd, "one"));
	show_file("one");
	SHOW(link_by_proc(fd, "one"));
	SHOW(link_by_proc(fd, "two"));
	show_file("one");
	SHOW(linkat(fd, "", AT_FDCWD, "three", AT_EMPTY_PATH));
	show_file("three");
	SHOW(unlink("one"));
	SHOW(unlink("two"));
	SHOW(unlink("three"));
	/* It had names, and lost them: it gets no more. */
	SHOW(link_by_proc(fd, "four"));
	SHOW(linkat(fd, "", AT_FDCWD, "four", AT_EMPTY_PATH));
	close(fd);

	fd = make(O_EXCL);
	SHOW(link_by_proc(fd, "one"));
	SHOW(linkat(fd, "", AT_FDCWD, "one", AT_EMPTY_PATH));
	close(fd);

	fd = make(0);
	SHOW(linkat(fd, "", AT_FDCWD, "one", AT_EMPTY_PATH));
	show_file("one");
	close(fd);
	show_file("one");
	SHOW(unlink("one"));
	/* A link by its symbolic link in proc, unfollowed, is no link to the file. */
	fd = make(0);
	char path[40];
	sprintf(path, "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "one", 0));
	close(fd);
	fd = MUST(open("plain", O_CREAT | O_RDWR, 0600));
	SHOW(unlink("plain"));
	SHOW(link_by_proc(fd, "plain"));
	close(fd);
}

static int as_user(void *arg)
{
	int fd;

	(void)arg;
	MUST(setgroups(0, NULL));
	MUST(setgid(65534));
	MUST(setuid(65534));
	MUST(prctl(PR_SET_DUMPABLE, 1)); /* /proc/self is its own again */
	fd = make(0);
	SHOW(linkat(fd, "", AT_FDCWD, "user", AT_EMPTY_PATH)); /* takes CAP_DAC_READ_SEARCH */
	SHOW(link_by_proc(fd, "user"));
	show_file("user");
	close(fd);
	return 0;
}

static void refused(void)
{
	MUST(mkdir("file_instead", 0700));
	MUST(rmdir("file_instead"));
	SHOW(open(".", O_TMPFILE | O_RDONLY, 0600));
	SHOW(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600));
	SHOW(open("missing", O_TMPFILE | O_RDWR, 0600));
	SHOW(open("/proc/self/stat", O_TMPFILE | O_RDWR, 0600));
	SHOW(open("/proc", O_TMPFILE | O_RDWR, 0600));
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : "/tmp/tmpfile_test";
	umask(0);
	if (argc < 2)
		MUST(mkdir(where, 0777));
	MUST(chdir(where));
	names();
	show_status("as a user", run_child(as_user, NULL));
	refused();
	unlink("user");
	if (argc < 2)
		MUST(rmdir(where));
	return 0;
}
