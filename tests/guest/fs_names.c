/* SPDX-License-Identifier: MIT */
/*
 * Names: mkdir, rmdir, rename in all combinations, link, symlink and readlink, loops, unlink
 * of open files, getdents with many entries and while they change, chdir and getcwd (also of
 * a removed directory), "." and "..", long names and paths.
 */
#include "guest.h"
#include <dirent.h>

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The directory's entries in order, with a letter for the type. */
static void show_directory(const char *path)
{
	char *names[64];
	int count = 0;
	DIR *dir = opendir(path);
	if (!dir) {
		printf("  %s: %s\n", path, errno_name(errno));
		return;
	}
	for (struct dirent *e; (e = readdir(dir)) && count < 64;) {
		char text[300];
		char type = e->d_type == DT_DIR ? 'd' : e->d_type == DT_LNK ? 'l' : e->d_type == DT_REG ? 'f' : '?';
		snprintf(text, sizeof(text), "%s(%c)", e->d_name, type);
		names[count++] = strdup(text);
	}
	closedir(dir);
	qsort(names, count, sizeof(char *), compare_names);
	printf("  %s:", path);
	for (int i = 0; i < count; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	printf("\n");
}

static long links(const char *path)
{
	struct stat st;
	return lstat(path, &st) ? -1 : (long)st.st_nlink;
}

static void touch(const char *path)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT, 0644));
	MUST(write(fd, path, strlen(path)));
	close(fd);
}

static void directories(void)
{
	SHOW(mkdir("dir", 0755));
	SHOW(mkdir("dir", 0755));
	SHOW(mkdir("dir/sub", 0700));
	SHOW(mkdir("no/sub", 0700));
	SHOW(mkdir("slash/", 0700));
	SHOW(mkdir(".", 0700));
	SHOW(mkdir("..", 0700));
	SHOW(mkdir("", 0700));
	SHOW(mkdir("/", 0700));
	touch("file");
	SHOW(mkdir("file", 0700));
	SHOW(mkdir("file/x", 0700));
	SHOW(links("dir"));
	SHOW(links("dir/sub"));
	SHOW(rmdir("dir"));
	SHOW(rmdir("file"));
	SHOW(rmdir("missing"));
	SHOW(rmdir("dir/."));
	SHOW(rmdir("dir/sub/.."));
	SHOW(rmdir("/"));
	SHOW(unlink("dir"));
	SHOW(rmdir("dir/sub"));
	SHOW(links("dir"));
	SHOW(rmdir("slash/"));
	SHOW(rmdir("dir"));
	SHOW(unlink("file"));
	SHOW(unlink("file"));
	SHOW(unlink("file/x"));
	show_directory(".");
}

static void renames(void)
{
	char text[8] = "";
	MUST(mkdir("d1", 0755));
	MUST(mkdir("d2", 0755));
	MUST(mkdir("d1/inner", 0755));
	touch("f1");
	touch("f2");
	SHOW(rename("f1", "f3"));
	SHOW(rename("f1", "f4"));
	SHOW(rename("f3", "f2"));
	int fd = MUST(open("f2", O_RDONLY));
	MUST(read(fd, text, 2));
	close(fd);
	printf("  f2 now holds %s\n", text);
	SHOW(rename("f2", "f2"));
	SHOW(rename("f2", "d1"));
	SHOW(rename("d1", "f2"));
	SHOW(rename("d2", "d1"));
	SHOW(rename("d1", "d2"));
	show_directory(".");
	show_directory("d2");
	SHOW(rename("d2", "d2/inner/x"));
	SHOW(rename("d2/inner", "d2"));
	SHOW(rename("d2", "missing/x"));
	SHOW(rename("f2", "d2/f"));
	SHOW(rename("d2/inner", "up"));
	SHOW(links("d2"));
	SHOW(rename(".", "x"));
	SHOW(rename("d2", ".."));
	SHOW(rename("", "x"));
	SHOW(rename("d2/f", ""));
	SHOW(rename("d2/f/", "x"));
	SHOW(rename("d2/f", "x/"));
	SHOW(rename("up", "moved/"));
	MUST(link("d2/f", "hard"));
	SHOW(rename("d2/f", "hard")); /* the same file: nothing happens */
	SHOW(links("hard"));
	show_directory(".");
	show_directory("d2");
	MUST(unlink("hard"));
	MUST(unlink("d2/f"));
	MUST(rmdir("d2"));
	MUST(rmdir("moved"));
}

static void hard_links(void)
{
	struct stat a, b;
	touch("f");
	SHOW(link("f", "g"));
	SHOW(link("f", "g"));
	MUST(stat("f", &a));
	MUST(stat("g", &b));
	printf("  same inode %s, links %ld\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev ? "yes" : "no", (long)a.st_nlink);
	SHOW(link("missing", "h"));
	SHOW(mkdir("d", 0755));
	SHOW(link("d", "e"));
	SHOW(link("f", "d/f"));
	SHOW(links("f"));
	SHOW(link("f", "no/f"));
	MUST(symlink("f", "s"));
	SHOW(link("s", "s2")); /* links the symbolic link itself */
	MUST(lstat("s2", &a));
	printf("  s2 is a symbolic link: %d\n", S_ISLNK(a.st_mode));
	MUST(unlink("s"));
	MUST(unlink("s2"));
	MUST(unlink("g"));
	MUST(unlink("d/f"));
	SHOW(links("f"));
	MUST(unlink("f"));
	MUST(rmdir("d"));
}

static void symbolic_links(void)
{
	char text[32];
	struct stat st;
	memset(text, '.', sizeof(text));
	touch("file");
	MUST(mkdir("dir", 0755));
	SHOW(symlink("file", "s"));
	SHOW(symlink("file", "s"));
	SHOW(symlink("", "empty"));
	SHOW(readlink("s", text, sizeof(text)));
	printf("  %.6s\n", text);
	SHOW(readlink("s", text, 2));
	SHOW(syscall(SYS_readlink, "s", text, 0));
	SHOW(readlink("file", text, 8));
	SHOW(readlink("missing", text, 8));
	MUST(lstat("s", &st));
	printf("  size %ld\n", (long)st.st_size);
	MUST(symlink("dir", "sd"));
	touch("sd/inside");
	SHOW(access("dir/inside", F_OK));
	SHOW(access("sd/../file", F_OK));
	SHOW(rmdir("sd"));
	SHOW(unlink("sd"));
	MUST(symlink("l2", "l1"));
	MUST(symlink("l1", "l2"));
	SHOW(open("l1", O_RDONLY));
	SHOW(stat("l1/x", &st));
	SHOW(lstat("l1", &st));
	/* Forty links in a row may be followed, not more. */
	char from[16], to[16] = "file";
	for (int i = 0; i < 42; i++) {
		snprintf(from, sizeof(from), "c%d", i);
		MUST(symlink(to, from));
		strcpy(to, from);
	}
	SHOW(access("c39", F_OK));
	SHOW(access("c40", F_OK));
	for (int i = 0; i < 42; i++) {
		snprintf(from, sizeof(from), "c%d", i);
		MUST(unlink(from));
	}
	MUST(symlink("/proc/../dev/null", "absolute"));
	SHOW_OK(open("absolute", O_RDONLY));
	MUST(unlink("absolute"));
	MUST(unlink("l1"));
	MUST(unlink("l2"));
	MUST(unlink("s"));
	MUST(unlink("file"));
	MUST(unlink("dir/inside"));
	MUST(rmdir("dir"));
}

static void unlinked_but_open(void)
{
	struct stat st;
	char text[8] = "";
	int fd = MUST(open("f", O_RDWR | O_CREAT, 0600));
	MUST(write(fd, "still", 5));
	MUST(unlink("f"));
	MUST(fstat(fd, &st));
	printf("unlinked: links %ld size %ld, open again %s\n", (long)st.st_nlink, (long)st.st_size,
	       open("f", O_RDONLY) == -1 ? errno_name(errno) : "ok");
	MUST(write(fd, "more", 4));
	SHOW(pread(fd, text, 5, 0));
	printf("  %s\n", text);
	int other = MUST(open("f", O_RDWR | O_CREAT | O_EXCL, 0600));
	SHOW(pread(other, text, 5, 0));
	close(other);
	close(fd);
	MUST(unlink("f"));
}

static void many_entries(void)
{
	enum { COUNT = 700 };
	char name[300], seen[COUNT] = { 0 };
	long found = 0, twice = 0, removed = 0;
	MUST(mkdir("many", 0755));
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "many/a_rather_long_name_for_an_entry_%d", i);
		close(MUST(open(name, O_WRONLY | O_CREAT, 0600)));
	}
	DIR *dir = opendir("many");
	for (struct dirent *e; (e = readdir(dir));) {
		int number;
		if (sscanf(e->d_name, "a_rather_long_name_for_an_entry_%d", &number) != 1)
			continue;
		found++;
		twice += seen[number]++;
	}
	printf("%d entries: found %ld, twice %ld\n", COUNT, found, twice);
	rewinddir(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(name, sizeof(name), "many/%s", e->d_name);
		removed += unlink(name) == 0;
	}
	closedir(dir);
	printf("removed while reading: %ld\n", removed);
	show_directory("many");
	char buffer[16];
	int fd = MUST(open("many", O_RDONLY));
	SHOW(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	SHOW(syscall(SYS_getdents64, 0x7000, buffer, sizeof(buffer)));
	SHOW(read(fd, buffer, 16));
	close(fd);
	MUST(rmdir("many"));
	fd = MUST(open("plain", O_RDONLY | O_CREAT, 0600));
	SHOW(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	close(fd);
	MUST(unlink("plain"));
}

static const char *below_scratch(const char *path)
{
	size_t length = strlen(scratch_path);
	return !strncmp(path, scratch_path, length) ? path + length : path;
}

static void directories_to_stand_in(void)
{
	char where[PATH_MAX], tiny[4];
	MUST(mkdir("one", 0755));
	MUST(mkdir("one/two", 0755));
	SHOW(chdir("one/two"));
	printf("  %s\n", below_scratch(getcwd(where, sizeof(where))));
	SHOW(chdir("../.."));
	SHOW(chdir("missing"));
	touch("file");
	SHOW(chdir("file"));
	SHOW_OK(getcwd(tiny, sizeof(tiny)) ? 0 : -1);
	int fd = MUST(open("one", O_RDONLY | O_DIRECTORY));
	SHOW(fchdir(fd));
	printf("  %s\n", below_scratch(getcwd(where, sizeof(where))));
	SHOW(rename("two", "../moved"));
	SHOW(chdir("../moved"));
	printf("  %s\n", below_scratch(getcwd(where, sizeof(where))));
	SHOW(rmdir("../moved"));
	SHOW(syscall(SYS_getcwd, where, sizeof(where)));
	SHOW(open("x", O_RDWR | O_CREAT, 0600));
	SHOW(mkdir("x", 0700));
	SHOW(access(".", F_OK));
	SHOW(chdir(".."));
	printf("  %s\n", below_scratch(getcwd(where, sizeof(where))));
	close(fd);
	SHOW(chdir("/"));
	SHOW(chdir(".."));
	printf("  %s\n", getcwd(where, sizeof(where)));
	MUST(chdir(scratch_path));
	MUST(rmdir("one"));
	MUST(unlink("file"));
}

static void long_names(void)
{
	static char name[5000];
	memset(name, 'n', 255);
	SHOW(mkdir(name, 0700) ? -1 : 0);
	SHOW(rmdir(name));
	memset(name, 'n', 256);
	SHOW(mkdir(name, 0700));
	memset(name, '/', 4095);
	name[4094] = '.';
	name[4095] = 0;
	SHOW(access(name, F_OK));
	memset(name, '/', 4096);
	name[4096] = 0;
	SHOW(access(name, F_OK));
	SHOW(access("//dev///null", F_OK));
	SHOW(access("./.././././", F_OK));
}

int main(void)
{
	scratch_enter();
	directories();
	renames();
	hard_links();
	symbolic_links();
	unlinked_but_open();
	many_entries();
	directories_to_stand_in();
	long_names();
	scratch_leave();
	return 0;
}
