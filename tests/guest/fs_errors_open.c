/* SPDX-License-Identifier: MIT */
/*
 * fs_errors_open.c: the order of checks in calls that open a file by its name, ask about it or change it.
 * An argument names another directory to work in than /tmp/open.
 */
/* libc: glibc */
/* timeout: 120 */
#include "call_table.h"
#include <linux/stat.h>

static void build(void)
{
	build_files();
}

#define NAMES                                                                                      \
	S("own"), S("secret"), S("missing"), S("file/"), S("dir"), S("dir/"), S("."), S("/"), S("link"), S("link/"), \
		S("dangling"), S("dangling/"), S("loop"), S("closed/f"), S("closed/x"), S("locked/f"), S("sticky/f"), S("ro/f"), \
		S("ro/secret"), S("ro/x"), S("ro/d"), S("sock"), S("null"), S("file/x"), S("missing/x"), N("bad", BAD_ADDRESS), \
		S(""), N("longname", long_name), N("longpath", long_path)
#define FOLDERS N("cwd", AT_FDCWD), N("nofd", 999), N("filefd", file_fd), N("dirfd", dir_fd), N("pathfd", path_fd)
#define PLACES ARG("fd", FOLDERS), ARG("path", S("file"), NAMES)

static int file_fd, dir_fd, path_fd;
static char out[4096];
static struct timespec bad_times[2] = { { 1, 1000000000 }, { 1, 0 } }, good_times[2] = { { 1, 2 }, { 3, 4 } },
		       omitted[2] = { { 1, UTIME_OMIT }, { 1, UTIME_OMIT } }, now_times[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

static void opening(void)
{
	TABLE("openat", SYS_openat, ARG("fd", FOLDERS), ARG("path", S("file"), NAMES),
	      ARG("flags", N("r", 0), N("w", O_WRONLY), N("rw", O_RDWR), N("3", 3), N("trunc", O_TRUNC), N("creat", O_CREAT),
		  N("creat-w", O_CREAT | O_WRONLY), N("excl", O_CREAT | O_EXCL), N("creat-trunc", O_CREAT | O_TRUNC | O_RDWR),
		  N("directory", O_DIRECTORY), N("directory-w", O_DIRECTORY | O_RDWR), N("creat-nofollow", O_CREAT | O_NOFOLLOW),
		  N("nofollow", O_NOFOLLOW), N("path", O_PATH), N("path-nofollow", O_PATH | O_NOFOLLOW), N("noatime", O_NOATIME),
		  N("tmpfile", O_TMPFILE | O_RDWR), N("tmpfile-r", O_TMPFILE), N("tmpfile-creat", O_TMPFILE | O_CREAT | O_RDWR),
		  N("tmp-nodir", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR), N("append", O_APPEND | O_WRONLY), N("unknown", 1 << 30)),
	      ARG("mode", N("666", 0666), N("all", ~0)));
	TABLE("fifo", SYS_openat, ARG("fd", N("cwd", AT_FDCWD)), ARG("path", S("fifo"), S("fifo/")),
	      ARG("flags", N("rw", O_RDWR), N("w-nonblock", O_WRONLY | O_NONBLOCK), N("r-nonblock", O_NONBLOCK),
		  N("excl", O_CREAT | O_EXCL | O_RDWR), N("creat", O_CREAT | O_RDWR), N("trunc", O_TRUNC | O_RDWR), N("dir", O_DIRECTORY)));
	TABLE("creat", SYS_creat, ARG("path", S("new"), S("file"), NAMES), ARG("mode", N("600", 0600)));
}

static void asking(void)
{
	TABLE("faccessat2", SYS_faccessat2, PLACES,
	      ARG("mode", N("f", 0), N("r", 4), N("w", 2), N("x", 1), N("rwx", 7), N("8", 8), N("-1", -1)),
	      ARG("flags", N("0", 0), N("eaccess", AT_EACCESS), N("nofollow", AT_SYMLINK_NOFOLLOW), N("empty", AT_EMPTY_PATH), N("bad", 1)));
	TABLE("newfstatat", SYS_newfstatat, PLACES, ARG("buf", N("ok", out), N("bad", BAD_ADDRESS), N("kernel", KERNEL_ADDRESS)),
	      ARG("flags", N("0", 0), N("nofollow", AT_SYMLINK_NOFOLLOW), N("empty", AT_EMPTY_PATH), N("bad", 1)));
	TABLE("statx", SYS_statx, PLACES,
	      ARG("flags", N("0", 0), N("nofollow", AT_SYMLINK_NOFOLLOW), N("empty", AT_EMPTY_PATH), N("bothsync", AT_STATX_SYNC_TYPE), N("bad", 1)),
	      ARG("mask", N("basic", STATX_BASIC_STATS), N("reserved", STATX__RESERVED), N("0", 0)),
	      ARG("buf", N("ok", out), N("bad", BAD_ADDRESS)));
	TABLE("statfs", SYS_statfs, ARG("path", S("file"), NAMES), ARG("buf", N("ok", out), N("bad", BAD_ADDRESS)));
	TABLE("truncate", SYS_truncate, ARG("path", S("file"), S("fifo"), NAMES), ARG("length", N("5", 5), N("-1", -1), N("max", 0x7fffffffffffffffl)));
}

static void changing(void)
{
	TABLE("fchmodat", SYS_fchmodat, PLACES, ARG("mode", N("644", 0644), N("all", ~0)));
	TABLE("fchownat", SYS_fchownat, PLACES, ARG("uid", N("keep", -1), N("0", 0), N("nobody", NOBODY)),
	      ARG("gid", N("keep", -1), N("0", 0), N("nobody", NOBODY)),
	      ARG("flags", N("0", 0), N("nofollow", AT_SYMLINK_NOFOLLOW), N("empty", AT_EMPTY_PATH), N("bad", 1)));
	TABLE("utimensat", SYS_utimensat, PLACES,
	      ARG("times", N("null", 0), N("set", good_times), N("badns", bad_times), N("omit", omitted), N("now", now_times), N("bad", BAD_ADDRESS)),
	      ARG("flags", N("0", 0), N("nofollow", AT_SYMLINK_NOFOLLOW), N("empty", AT_EMPTY_PATH), N("bad", 1)));
	TABLE("utimensat-null", SYS_utimensat, ARG("fd", N("filefd", file_fd), N("cwd", AT_FDCWD), N("nofd", 999), N("dirfd", dir_fd), N("pathfd", path_fd)),
	      ARG("path", N("null", 0)), ARG("times", N("null", 0), N("set", good_times), N("badns", bad_times), N("omit", omitted), N("bad", BAD_ADDRESS)),
	      ARG("flags", N("0", 0), N("nofollow", AT_SYMLINK_NOFOLLOW), N("bad", 1)));
	TABLE("futimesat", SYS_futimesat, PLACES, ARG("times", N("null", 0), N("set", good_times), N("badus", bad_times), N("bad", BAD_ADDRESS)));
}

/* No value is stored: names that no file system takes. */
static void attributes(void)
{
	TABLE("setxattr", SYS_setxattr, ARG("path", S("file"), NAMES), ARG("name", S("bogus.x"), S(""), N("bad", BAD_ADDRESS), N("long", long_name)),
	      ARG("value", S("v"), N("bad", BAD_ADDRESS)), ARG("size", N("1", 1), N("0", 0), N("big", 70000)), ARG("flags", N("0", 0), N("3", 3), N("bad", 8)));
	TABLE("getxattr", SYS_getxattr, ARG("path", S("file"), NAMES), ARG("name", S("bogus.x"), S(""), N("bad", BAD_ADDRESS), N("long", long_name)),
	      ARG("value", N("out", out), N("bad", BAD_ADDRESS)), ARG("size", N("1", 1), N("0", 0), N("big", 70000)));
	TABLE("listxattr", SYS_listxattr, ARG("path", S("missing"), NAMES), ARG("buf", N("out", out), N("bad", BAD_ADDRESS)), ARG("size", N("0", 0), N("100", 100)));
}

static void tables(void)
{
	opening();
	asking();
	changing();
	attributes();
}

int main(int argc, char **argv)
{
	enter_work(argc, argv, "/tmp/open");
	build();
	file_fd = MUST(open("ro/f", O_RDONLY));
	dir_fd = MUST(open(".", O_RDONLY | O_DIRECTORY));
	path_fd = MUST(open("ro/f", O_PATH));
	tables_as(0, tables);
	tables_as(NOBODY, tables);
	close(file_fd);
	close(dir_fd);
	close(path_fd);
	leave_work(argc, "/tmp/open");
	return 0;
}
