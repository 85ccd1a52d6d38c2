/* SPDX-License-Identifier: MIT */
/*
 * fs_mounts.c: what mount flags do, who keeps a mount from changing or going, and that one file system is the same
 * wherever it is mounted. Debian's Linux 6.1 printed the expected output, as mounting takes root.
 */
/* libc: glibc */
#include "guest.h"
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static void flags_of(const char *path)
{
	static const struct {
		long flag;
		const char *name;
	} names[] = { { 1, "rdonly" }, { 2, "nosuid" }, { 4, "nodev" }, { 8, "noexec" }, { 0x400, "noatime" },
		      { 0x800, "nodiratime" }, { 0x1000, "relatime" }, { 0x2000, "nosymfollow" } };
	struct statfs st;
	printf("  %s:", path);
	if (statfs(path, &st) == -1)
		printf(" %s", errno_name(errno));
	else
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (st.f_flags & names[i].flag)
				printf(" %s", names[i].name);
	printf("\n");
}

/* mount and statfs flags in the line of /proc/mounts, without what differs between systems (size, inode64). */
static void line_of(const char *path)
{
	char line[512], dev[100], where[100], type[50], options[200];
	FILE *file = fopen("/proc/mounts", "r");
	int found = 0;
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%99s %99s %49s %199s", dev, where, type, options) == 4 && !strcmp(where, path)) {
			char *comma = strstr(options, ",inode64"), *mode = strstr(options, ",mode=");
			if (comma)
				*comma = 0;
			if (mode)
				*mode = 0;
			printf("  %s %s %s\n", where, type, options);
			found = 1;
		}
	if (!found)
		printf("  %s is not mounted\n", path);
	if (file)
		fclose(file);
}

static void put(const char *path, mode_t mode)
{
	close(MUST(open(path, O_CREAT | O_RDWR, 0600)));
	MUST(chmod(path, mode));
}

static void mount_flags(void)
{
	static const unsigned long flags[] = { 0, MS_NOSUID, MS_NODEV | MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_STRICTATIME,
					       MS_RELATIME | MS_NOATIME, MS_RDONLY, MS_NOSYMFOLLOW, MS_STRICTATIME | MS_NOATIME };
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		printf("flags %#lx\n", flags[i]);
		SHOW(mount("x", "m", "tmpfs", flags[i], ""));
		flags_of("m");
		line_of("/tmp/mounts/m");
		/* A remount that says nothing of atime keeps what was. */
		SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_BIND | MS_NODEV, ""));
		flags_of("m");
		SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_NODIRATIME, ""));
		flags_of("m");
		SHOW(umount("m"));
	}
}

static void obeyed(void)
{
	struct stat st;
	int fd;

	MUST(mount("x", "m", "tmpfs", 0, ""));
	put("m/f", 0777);
	MUST(mknod("m/null", S_IFCHR | 0666, makedev(1, 3)));
	MUST(symlink("f", "m/link"));
	MUST(symlink("m/f", "into"));
	MUST(symlink("m/link", "twice"));
	fd = MUST(open("m/f", O_RDONLY));

	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW, ""));
	SHOW_OK(open("m/null", O_RDWR));
	SHOW_OK(open("m/null", O_PATH));
	SHOW(stat("m/null", &st));
	SHOW(execl("m/f", "f", NULL));
	SHOW(access("m/f", X_OK));
	SHOW_OK(mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
	void *p = MUST(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0));
	SHOW(mprotect(p, 1, PROT_READ | PROT_EXEC));
	SHOW_OK(open("m/link", O_RDONLY));
	SHOW_OK(open("m/link", O_RDONLY | O_NOFOLLOW));
	SHOW_OK(open("m/link", O_CREAT | O_RDWR, 0600));
	SHOW(lstat("m/link", &st));
	SHOW(readlink("m/link", (char[10]){ 0 }, 10));
	SHOW(unlink("m/link"));
	SHOW(symlink("f", "m/link"));
	SHOW_OK(open("into", O_RDONLY));
	SHOW_OK(open("twice", O_RDONLY));
	close(fd);
	for (fd = 3; fd < 20; fd++)
		close(fd);
	munmap(p, 1);
	SHOW(umount("m"));
}

static void read_only(void)
{
	int fd;

	MUST(mount("x", "m", "tmpfs", 0, ""));
	put("m/f", 0666);
	fd = MUST(open("m/f", O_RDWR));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, ""));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_BIND | MS_RDONLY, ""));
	flags_of("m");
	void *p = MUST(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, "")); /* the mapping holds the file */
	munmap(p, 1);
	fd = MUST(open("m/f", O_RDONLY));
	MUST(unlink("m/f"));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, "")); /* its end would be a write */
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_BIND | MS_RDONLY, ""));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_BIND, ""));
	close(fd);
	put("m/f", 0666);
	SHOW(mount("m", "n", NULL, MS_BIND | MS_RDONLY, NULL)); /* a bind mount is as its source */
	flags_of("n");
	SHOW(mount(NULL, "n", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	flags_of("n");
	SHOW_OK(open("n/f", O_WRONLY));
	SHOW_OK(open("n/f", O_RDONLY | O_TRUNC));
	SHOW_OK(open("n/g", O_WRONLY | O_CREAT, 0600));
	SHOW(truncate("n/f", 0));
	SHOW(chmod("n/f", 0600));
	SHOW(access("n/f", W_OK));
	fd = MUST(open("m/f", O_RDWR));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, ""));
	close(fd);
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, ""));
	flags_of("m");
	SHOW(mount(NULL, "n", NULL, MS_REMOUNT | MS_BIND, NULL));
	flags_of("n"); /* the file system is read-only, and so is every mount of it */
	SHOW_OK(open("n/f", O_WRONLY));
	SHOW(mount("x", "m", "tmpfs", MS_REMOUNT, ""));
	SHOW(close(open("n/f", O_WRONLY)));
	SHOW(umount("n"));
	SHOW(umount("m"));
}

static void ends(void)
{
	int fd;

	MUST(mount("x", "m", "tmpfs", 0, ""));
	put("m/f", 0666);
	fd = MUST(open("m/f", O_RDONLY));
	SHOW(umount2("m", 0));
	SHOW(umount2("m", MNT_EXPIRE));
	SHOW(umount2("m", MNT_FORCE));
	close(fd);
	SHOW(umount2("m", MNT_EXPIRE | MNT_FORCE));
	SHOW(umount2("m", MNT_EXPIRE | MNT_DETACH));
	SHOW(umount2("m/f", 0));
	SHOW(umount2("m", 64));
	SHOW(umount2("missing", 0));
	SHOW(umount2("/", MNT_EXPIRE));
	SHOW(umount2("m", MNT_EXPIRE));
	SHOW(access("m/f", F_OK)); /* a use: it counts from here again */
	SHOW(umount2("m", MNT_EXPIRE));
	SHOW(umount2("m", MNT_EXPIRE));
	SHOW(umount2("m", MNT_EXPIRE));

	MUST(mount("x", "m", "tmpfs", 0, ""));
	MUST(symlink("m", "tom"));
	SHOW(umount2("tom", UMOUNT_NOFOLLOW));
	MUST(mkdir("m/in", 0700));
	MUST(mount("y", "m/in", "tmpfs", 0, ""));
	put("m/in/f", 0666);
	SHOW(umount2("m", 0));
	fd = MUST(open("m/in", O_RDONLY | O_DIRECTORY));
	SHOW(umount2("m", MNT_DETACH));
	line_of("/tmp/mounts/m");
	line_of("/tmp/mounts/m/in");
	SHOW(access("m/in", F_OK));
	SHOW(faccessat(fd, "f", F_OK, 0));
	close(fd);
	SHOW(umount2("m", 0));
	MUST(mount("x", "m", "tmpfs", 0, ""));
	MUST(chdir("m"));
	SHOW(umount2("/tmp/mounts/m", 0));
	MUST(chdir(".."));
	SHOW(umount2("tom", 0));
}

/* A file made through one mount is there in the other. */
static void same_tree(const char *type)
{
	SHOW(mount("a", "m", type, 0, NULL));
	SHOW(mount("b", "n", type, 0, NULL));
	struct stat a, b;
	MUST(stat("m", &a));
	MUST(stat("n", &b));
	printf("%s: %s\n", type, a.st_dev == b.st_dev && a.st_ino == b.st_ino ? "the same" : "another");
	if (!strcmp(type, "devtmpfs")) {
		SHOW(access("m/null", F_OK));
		SHOW(access("n/zero", F_OK));
		put("m/made", 0600);
		SHOW(access("n/made", F_OK));
		SHOW(unlink("n/made"));
	}
	SHOW(mount("b", "n", type, 0, NULL));
	SHOW(umount("n"));
	SHOW(umount("m"));
	if (!strcmp(type, "devtmpfs"))
		SHOW(access("/dev/null", F_OK));
}

static void errors(void)
{
	put("file", 0600);
	SHOW(mount("x", "m", "nosuchfs", 0, ""));
	SHOW(mount("x", "m", NULL, 0, ""));
	SHOW(mount("x", "file", "nosuchfs", 0, ""));
	SHOW(mount("x", "file", "tmpfs", 0, ""));
	SHOW(mount("x", "missing", "nosuchfs", 0, ""));
	SHOW(mount("x", "m", "tmpfs", 0, "bogus=1"));
	SHOW(mount("x", "m", "tmpfs", 0, "size=junk"));
	SHOW(mount("x", "m", "tmpfs", 0, "mode=9"));
	SHOW(mount(NULL, "m", NULL, MS_BIND, NULL));
	SHOW(mount("", "m", NULL, MS_BIND, NULL));
	SHOW(mount("missing", "m", NULL, MS_BIND, NULL));
	SHOW(mount("file", "m", NULL, MS_BIND, NULL));
	SHOW(mount("m", "file", NULL, MS_BIND, NULL));
	SHOW(mount("x", "m", NULL, MS_REMOUNT, NULL));
	SHOW(mount("x", "m", NULL, MS_REMOUNT | MS_BIND, NULL));
	SHOW(mount("x", "m", NULL, MS_PRIVATE, NULL));
	SHOW(mount("x", "/tmp", NULL, MS_PRIVATE | MS_SHARED, NULL));
	SHOW(mount("x", "/proc", NULL, MS_PRIVATE, NULL));
	SHOW(mount((void *)8, "m", "tmpfs", 0, ""));
	SHOW(mount("x", (void *)8, "tmpfs", 0, ""));
	SHOW(mount("x", "m", (void *)8, 0, ""));
	SHOW(mount("x", "m", "tmpfs", 0, (void *)8));
	SHOW(mount("x", "missing", "tmpfs", 1UL << 31, ""));
	SHOW(mount("x", "m", "tmpfs", 1UL << 31, ""));
	SHOW(mount("x", "m", "tmpfs", 0xc0ed0000ul, ""));
	SHOW(umount("m"));
}

static int as_user(void *arg)
{
	(void)arg;
	MUST(setgid(65534));
	MUST(setuid(65534));
	SHOW(mount("x", "m", "nosuchfs", 0, ""));
	SHOW(mount("x", "missing", "tmpfs", 0, ""));
	SHOW(mount("x", "m", "tmpfs", 1UL << 31, ""));
	SHOW(mount("x", "m", (void *)8, 0, ""));
	SHOW(umount2("m", 0));
	SHOW(umount2("/proc", 0));
	SHOW(umount2("missing", 0));
	SHOW(umount2("m", 64));
	SHOW(umount2("/proc", MNT_EXPIRE | MNT_FORCE));
	return 0;
}

int main(void)
{
	umask(0);
	MUST(mkdir("/tmp/mounts", 0777));
	MUST(chdir("/tmp/mounts"));
	MUST(mkdir("m", 0777));
	MUST(mkdir("n", 0777));
	mount_flags();
	obeyed();
	read_only();
	ends();
	same_tree("devtmpfs");
	same_tree("proc");
	errors();
	show_status("as a user", run_child(as_user, NULL));
	static const char *const made[] = { "file", "into", "twice", "tom" };
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		MUST(unlink(made[i]));
	MUST(rmdir("m"));
	MUST(umount2("n", MNT_DETACH)); /* the second proc */
	MUST(rmdir("n"));
	MUST(rmdir("/tmp/mounts"));
	return 0;
}
