/* SPDX-License-Identifier: MIT */
/* proves: AS-76 */
/*
 * /proc: the fields of self/status, stat and statm agree with each other and with what the
 * process did; cmdline, exe, cwd, fd, environ, comm; directories of other processes, zombies
 * included; meminfo, uptime, stat, mounts, filesystems and the like have the form that
 * programs parse; reading in small pieces and at offsets gives the same text.
 */
#include "guest.h"
#include <ctype.h>
#include <dirent.h>

static char text[65536];

static long slurp(const char *path)
{
	return read_file(path, text, sizeof(text));
}

/* The value behind "name:" in text, or -1. */
static long field(const char *name)
{
	size_t length = strlen(name);
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ':')
			return atol(line + length + 1);
	return -1;
}

static void has_fields(const char *path, const char *const *names)
{
	if (slurp(path) < 0) {
		printf("%s: %s\n", path, errno_name(errno));
		return;
	}
	printf("%s:", path);
	for (; *names; names++)
		printf(" %s%s", *names, field(*names) < 0 ? " is missing" : "");
	printf("\n");
}

static void status(void)
{
	static const char *const names[] = { "VmPeak", "VmSize", "VmLck", "VmHWM", "VmRSS", "VmData",
					     "VmStk", "VmExe", "VmPTE", "VmSwap", "Threads", "Pid", "PPid",
					     "Tgid", "Uid", "Gid", NULL };
	long before, after;
	has_fields("/proc/self/status", names);
	printf("Pid %s PPid %s Threads %ld\n", field("Pid") == getpid() ? "mine" : "wrong",
	       field("PPid") == getppid() ? "my parent's" : "wrong", field("Threads"));
	before = field("VmSize");
	char *p = map_anon(1000 * PAGE, PROT_READ | PROT_WRITE);
	slurp("/proc/self/status");
	after = field("VmSize");
	printf("VmSize after mmap of 4000 kB: +%ld\n", after - before);
	before = field("VmRSS");
	memset(p, 1, 1000 * PAGE);
	slurp("/proc/self/status");
	after = field("VmRSS") - before;
	printf("VmRSS after touching: %s\n", after >= 3700 && after <= 4300 ? "about +4000" : "something else");
	printf("VmHWM >= VmRSS: %s\n", field("VmHWM") >= field("VmRSS") ? "yes" : "no");
	long size = field("VmSize");
	long total, resident, shared, code, zero, data;
	slurp("/proc/self/statm");
	int count = sscanf(text, "%ld %ld %ld %ld %ld %ld", &total, &resident, &shared, &code, &zero, &data);
	printf("statm: %d numbers, size agrees with status: %s\n", count, total * 4 == size ? "yes" : "no");
	MUST(munmap(p, 1000 * PAGE));
	slurp("/proc/self/statm");
	long total_after = atol(text);
	printf("statm after munmap: %ld pages less\n", total - total_after);
	/* The sum of the mappings is the size. */
	static struct maps_line lines[128];
	int lines_count = read_maps(lines, ARRAY_LEN(lines));
	long sum = 0;
	for (int i = 0; i < lines_count; i++)
		if (lines[i].start < 0xffff800000000000 && strcmp(lines[i].name, "[vvar]") &&
		    strcmp(lines[i].name, "[vdso]") && strcmp(lines[i].name, "[vvar_vclock]"))
			sum += (lines[i].end - lines[i].start) / PAGE;
	printf("the lines of maps add up to it (but for vdso pages): %s\n",
	       total_after - sum >= 0 && total_after - sum <= 16 ? "yes" : "no");
}

static void stat_line(void)
{
	char *p;
	int fields = 2;
	slurp("/proc/self/stat");
	printf("stat: pid %s", atoi(text) == getpid() ? "mine" : "wrong");
	p = strchr(text, '(');
	printf(" name %s", p && !strncmp(p, "(proc_files", 11) ? "ok" : "wrong");
	p = strrchr(text, ')');
	int ppid, group, session;
	char state;
	sscanf(p + 2, "%c %d %d %d", &state, &ppid, &group, &session);
	printf(" state %c ppid %s group %s session %s", state, ppid == getppid() ? "ok" : "wrong",
	       group == getpgrp() ? "ok" : "wrong", session == getsid(0) ? "ok" : "wrong");
	for (p += 1; *p; p++)
		fields += *p == ' ';
	printf(" fields %d\n", fields);
}

static void self_links(char **argv)
{
	char link[PATH_MAX], path[64];
	ssize_t length;
	slurp("/proc/self/comm");
	printf("comm: %.10s\n", text);
	length = slurp("/proc/self/cmdline");
	printf("cmdline: %s, ends with NUL: %s\n", strcmp(text, argv[0]) ? "wrong" : "argv[0]",
	       length > 0 && !text[length - 1] ? "yes" : "no");
	length = MUST(readlink("/proc/self/exe", link, sizeof(link) - 1));
	link[length] = 0;
	struct stat a, b;
	printf("exe names the program: %s\n",
	       !stat(link, &a) && !stat(argv[0], &b) && a.st_ino == b.st_ino ? "yes" : "no");
	printf("exe can be opened: %s\n", open("/proc/self/exe", O_RDONLY) == -1 ? errno_name(errno) : "ok");
	MUST(chdir("/dev"));
	length = MUST(readlink("/proc/self/cwd", link, sizeof(link) - 1));
	printf("cwd: %.*s\n", (int)length, link);
	length = MUST(readlink("/proc/self", link, sizeof(link) - 1));
	link[length] = 0;
	printf("self: %s\n", atoi(link) == getpid() ? "my pid" : link);
	int fd = MUST(open("/dev/null", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = MUST(readlink(path, link, sizeof(link) - 1));
	printf("fd: %.*s\n", (int)length, link);
	MUST(close(fd));
	SHOW(readlink(path, link, sizeof(link)));
	int fds[2];
	MUST(pipe(fds));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	length = MUST(readlink(path, link, sizeof(link) - 1));
	printf("fd: %.6s\n", link);
	length = slurp("/proc/self/environ");
	printf("environ: %s\n", length > 0 && strchr(text, '=') ? "has variables" : "empty");
}

static int wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

static int listed(pid_t pid)
{
	int found = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *e; (e = readdir(dir));)
		found += atoi(e->d_name) == pid;
	closedir(dir);
	return found;
}

static void other_processes(void)
{
	char path[64];
	pid_t child = start_child(wait_for_ever, NULL);
	wait_state(child, 'S');
	printf("child: state %c listed %d times\n", process_state(child), listed(child));
	snprintf(path, sizeof(path), "/proc/%d/status", (int)child);
	slurp(path);
	printf("its PPid is %s\n", field("PPid") == getpid() ? "me" : "wrong");
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)child);
	printf("its maps: %s\n", slurp(path) > 0 ? "readable" : "empty");
	MUST(kill(child, SIGKILL));
	wait_state(child, 'Z');
	printf("killed: state %c listed %d times\n", process_state(child), listed(child));
	printf("zombie's maps: %ld bytes\n", slurp(path));
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)child);
	slurp(path);
	printf("zombie's statm: %s", text);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)child);
	int fd = MUST(open(path, O_RDONLY));
	wait_for(child);
	printf("reaped: listed %d times\n", listed(child));
	SHOW(open(path, O_RDONLY));
	SHOW(read(fd, text, 100)); /* opened while it lived */
	close(fd);
	SHOW(open("/proc/99999999/status", O_RDONLY));
	SHOW(access("/proc/1/stat", F_OK));
}

static void system_files(void)
{
	static const char *const memory[] = { "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached",
					      "SwapCached", "SwapTotal", "SwapFree", "Shmem", "AnonPages",
					      "Mapped", "CommitLimit", "Committed_AS", NULL };
	double up, idle;
	has_fields("/proc/meminfo", memory);
	printf("free <= total: %s\n", field("MemFree") <= field("MemTotal") ? "yes" : "no");
	char *line = strstr(text, "MemTotal:");
	printf("a line is %ld characters and ends in kB: %s\n", line ? (long)strcspn(line, "\n") : -1,
	       line && !strncmp(line + strcspn(line, "\n") - 2, "kB", 2) ? "yes" : "no");
	slurp("/proc/uptime");
	printf("uptime: %d numbers\n", sscanf(text, "%lf %lf", &up, &idle));
	slurp("/proc/loadavg");
	float a, b, c;
	int running, all, last;
	printf("loadavg: %d fields\n", sscanf(text, "%f %f %f %d/%d %d", &a, &b, &c, &running, &all, &last));
	slurp("/proc/stat");
	printf("stat: %s, btime %s, processes %s\n", strncmp(text, "cpu  ", 5) ? "wrong" : "begins with cpu",
	       strstr(text, "\nbtime ") ? "yes" : "no", strstr(text, "\nprocesses ") ? "yes" : "no");
	slurp("/proc/mounts");
	printf("mounts: / %s, /proc %s\n", strstr(text, " / ") ? "yes" : "no",
	       strstr(text, " /proc proc ") ? "yes" : "no");
	slurp("/proc/filesystems");
	printf("filesystems: proc %s tmpfs %s\n", strstr(text, "nodev\tproc\n") ? "yes" : "no",
	       strstr(text, "nodev\ttmpfs\n") ? "yes" : "no");
	slurp("/proc/version");
	printf("version: %.13s\n", text);
	printf("cpuinfo: %s\n", slurp("/proc/cpuinfo") > 0 && strstr(text, "processor\t: 0") ? "yes" : "no");
	slurp("/proc/sys/vm/overcommit_memory");
	printf("overcommit_memory: a digit and a newline: %s\n", isdigit(text[0]) && text[1] == '\n' && !text[2] ? "yes" : "no");
	slurp("/proc/sys/kernel/pid_max");
	printf("pid_max: %s\n", atoi(text) > 1000 ? "yes" : "no");
	printf("cmdline: %s\n", slurp("/proc/cmdline") >= 0 ? "readable" : "missing");
	struct stat st;
	MUST(stat("/proc/meminfo", &st));
	printf("size of a file in /proc: %ld\n", (long)st.st_size);
}

static void small_pieces(void)
{
	static char again[65536];
	long length = slurp("/proc/self/maps"), at = 0, got;
	int fd = MUST(open("/proc/self/maps", O_RDONLY));
	while (at < (long)sizeof(again) - 8 && (got = read(fd, again + at, 7)) > 0)
		at += got;
	printf("maps in pieces of 7: %s\n", at == length && !memcmp(again, text, at) ? "the same" : "different");
	SHOW_OK(lseek(fd, 10, SEEK_SET));
	got = read(fd, again, 30);
	printf("at offset 10: %s\n", got > 0 && !memcmp(again, text + 10, got) ? "the same" : "different");
	SHOW(read(fd, BAD_POINTER, 10));
	close(fd);
}

int main(int argc, char **argv)
{
	(void)argc;
	status();
	stat_line();
	self_links(argv);
	other_processes();
	system_files();
	small_pieces();
	return 0;
}
