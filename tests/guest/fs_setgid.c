/* SPDX-License-Identifier: MIT */
/*
 * fs_setgid.c: who may have set-id bits on a file: they are not given by who is not of the group, and are taken when
 * somebody without rights over them writes. Run by root; an argument names another directory than one in /tmp.
 */
/* libc: glibc */
#include "guest.h"
#include <grp.h>
#include <sys/sysmacros.h>

#define USER  65534
#define GROUP 1234

static gid_t member_of[] = { GROUP };

static void become(int member)
{
	MUST(setgroups((size_t)member, member_of));
	MUST(setgid(USER));
	MUST(setuid(USER));
}

static void show(const char *what, const char *path)
{
	struct stat st;
	if (lstat(path, &st) == -1)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: owner %u:%u, mode %o\n", what, st.st_uid, st.st_gid, st.st_mode);
}

/* Everything that makes an inode, with the set-group-id bit, in directories with and without it. */
static void create_all(const char *dir)
{
	char path[100], what[140];
	static const mode_t modes[] = { 02777, 02767, 06755, 02010, 0777 };
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		mode_t mode = modes[i];
#define MAKE(label, call)                                                                          \
	do {                                                                                       \
		snprintf(path, sizeof(path), "%s/x", dir);                                         \
		snprintf(what, sizeof(what), "%s %s %o", dir, label, mode);                        \
		if ((call) == -1)                                                                  \
			printf("%s: %s\n", what, errno_name(errno));                               \
		else                                                                               \
			show(what, path);                                                          \
		unlink(path);                                                                      \
		rmdir(path);                                                                       \
	} while (0)
		MAKE("open", close(open(path, O_CREAT | O_WRONLY, mode)));
		MAKE("creat", close(creat(path, mode)));
		MAKE("mknod", mknod(path, S_IFREG | mode, 0));
		MAKE("fifo", mknod(path, S_IFIFO | mode, 0));
		MAKE("mkdir", mkdir(path, mode));
		MAKE("symlink", symlink("x", path));
		snprintf(what, sizeof(what), "%s tmpfile %o", dir, mode);
		int fd = open(dir, O_TMPFILE | O_RDWR, mode);
		struct stat st;
		if (fd == -1 || fstat(fd, &st) == -1)
			printf("%s: %s\n", what, errno_name(errno));
		else
			printf("%s: owner %u:%u, mode %o\n", what, st.st_uid, st.st_gid, st.st_mode);
		close(fd);
	}
}

static int create_as(void *member)
{
	become(*(int *)member);
	create_all("plain");
	create_all("sgid");
	umask(0027);
	create_all("sgid");
	umask(0);
	return 0;
}

/* A file of USER in GROUP, with that mode. */
static void put(const char *path, mode_t mode)
{
	unlink(path);
	close(MUST(open(path, O_CREAT | O_WRONLY, 0600)));
	MUST(chown(path, USER, GROUP));
	MUST(chmod(path, mode));
}

static int change(void *arg)
{
	const char *what = ((const char **)arg)[0];
	int fd, member = ((const char **)arg)[1] != NULL;

	if (!((const char **)arg)[2])
		become(member);
	if (!strcmp(what, "chmod"))
		SHOW(chmod("f", 06755));
	else if (!strcmp(what, "chmod-nox"))
		SHOW(chmod("f", 06644));
	else if (!strcmp(what, "chown"))
		SHOW(chown("f", (uid_t)-1, GROUP));
	else if (!strcmp(what, "chown-none"))
		SHOW(chown("f", (uid_t)-1, (gid_t)-1));
	else if (!strcmp(what, "chown-dir"))
		SHOW(chown("d", (uid_t)-1, (gid_t)-1));
	else if (!strcmp(what, "truncate"))
		SHOW(truncate("f", 3));
	else if (!strcmp(what, "open-trunc"))
		SHOW(close(open("f", O_WRONLY | O_TRUNC)));
	else {
		fd = MUST(open("f", O_RDWR));
		if (!strcmp(what, "write"))
			SHOW(write(fd, "x", 1));
		else if (!strcmp(what, "write-nothing"))
			SHOW(write(fd, "x", 0));
		else if (!strcmp(what, "pwritev"))
			SHOW(pwrite(fd, "x", 1, 5));
		else if (!strcmp(what, "fallocate"))
			SHOW(fallocate(fd, 0, 0, 100));
		else if (!strcmp(what, "map")) {
			SHOW(ftruncate(fd, 0) + chmod("f", 06777));
			SHOW(ftruncate(fd, 10));
			SHOW(chmod("f", 06777));
			volatile char *p = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			*p = 'x';
		}
		close(fd);
	}
	return 0;
}

static void change_all(void)
{
	static const char *const whats[] = { "chmod", "chmod-nox", "chown", "chown-none", "truncate", "open-trunc", "write",
					     "write-nothing", "pwritev", "fallocate", "map" };
	static const mode_t modes[] = { 06777, 06767, 02767, 04777 };
	for (size_t w = 0; w < ARRAY_LEN(whats); w++)
		for (size_t m = 0; m < ARRAY_LEN(modes); m++)
			for (int who = 0; who < 3; who++) {
				const char *args[3] = { whats[w], who == 1 ? "member" : NULL, who == 2 ? "root" : NULL };
				char what[80];
				put("f", modes[m]);
				run_child(change, args);
				snprintf(what, sizeof(what), "%s %o by %s", whats[w], modes[m],
					 who == 2 ? "root" : who == 1 ? "member" : "owner");
				show(what, "f");
			}
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : "/tmp/setgid_test";
	umask(0);
	if (argc < 2)
		MUST(mkdir(where, 0777));
	MUST(chdir(where));
	MUST(chmod(".", 0777));
	MUST(mkdir("plain", 0777));
	MUST(mkdir("sgid", 0777));
	MUST(chown("sgid", 0, GROUP));
	MUST(chmod("sgid", 02777));
	for (int member = 0; member < 2; member++) {
		printf("member %d\n", member);
		show_status("created", run_child(create_as, &member));
	}
	printf("root\n");
	create_all("sgid");
	change_all();
	MUST(unlink("f"));
	MUST(rmdir("plain"));
	MUST(rmdir("sgid"));
	if (argc < 2)
		MUST(rmdir(where));
	return 0;
}
