/* SPDX-License-Identifier: MIT */
/*
 * Who a process is and what it may use: user and group ids, uname, resource limits (read,
 * set, refused, inherited), sysinfo, prctl's name, getcpu-like constants, getrandom, the
 * calls that libc probes, and that an unknown system call is ENOSYS.
 */
#include "guest.h"
#include <grp.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void ids(void)
{
	gid_t groups[64];
	uid_t r, e, s;
	printf("uid, euid, gid, egid: %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
	SHOW(getresuid(&r, &e, &s));
	printf("  %d %d %d\n", r, e, s);
	SHOW_TRUE(getgroups(0, NULL) >= 0);
	SHOW(syscall(SYS_getgroups, -1, groups));
	SHOW_TRUE(getpid() > 0 && getppid() > 0 && getpid() != getppid());
	SHOW_TRUE(syscall(SYS_gettid) == getpid());
}

static void system_names(void)
{
	struct utsname name;
	SHOW(uname(&name));
	printf("%s %s, release starts with a digit: %s\n", name.sysname, name.machine,
	       name.release[0] >= '3' && name.release[0] <= '9' ? "yes" : "no");
	SHOW(syscall(SYS_uname, (void *)8));
	struct sysinfo info;
	SHOW(sysinfo(&info));
	printf("sysinfo: memory unit %u, free <= total: %s, processes > 0: %s\n", info.mem_unit,
	       info.freeram <= info.totalram ? "yes" : "no", info.procs > 0 ? "yes" : "no");
	SHOW(syscall(SYS_sysinfo, (void *)8));
	printf("page size %ld, clock ticks %ld\n", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK));
}

static int show_limit_in_child(void *unused)
{
	struct rlimit limit;
	(void)unused;
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	printf("child: RLIMIT_NOFILE %ld\n", (long)limit.rlim_cur);
	return 0;
}

static void limits(void)
{
	struct rlimit limit, old;
	MUST(getrlimit(RLIMIT_STACK, &limit));
	printf("stack: soft %ld KiB\n", (long)limit.rlim_cur >> 10);
	MUST(getrlimit(RLIMIT_NOFILE, &old));
	limit = (struct rlimit){ 99, old.rlim_max };
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	show_status("child", run_child(show_limit_in_child, NULL));
	limit = (struct rlimit){ 100, 50 };
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	SHOW(getrlimit(99, &limit));
	SHOW(setrlimit(-1, &limit));
	SHOW(syscall(SYS_getrlimit, RLIMIT_NOFILE, (void *)8));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit));
	printf("  %ld\n", (long)limit.rlim_cur);
	SHOW(syscall(SYS_prlimit64, 0, 77, NULL, &limit));
	SHOW(syscall(SYS_prlimit64, 1 << 22, RLIMIT_NOFILE, NULL, &limit));
	SHOW(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, &old, NULL));
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	printf("  set back: %s\n", limit.rlim_cur == old.rlim_cur ? "yes" : "no");
}

static void small_calls(void)
{
	char name[17] = "";
	SHOW(prctl(PR_SET_NAME, "a name longer than sixteen"));
	SHOW(prctl(PR_GET_NAME, name));
	printf("  %s\n", name);
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_SET_DUMPABLE, 7));
	SHOW(prctl(-5, 0, 0, 0, 0));
	SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
	SHOW(syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, 0xffff888000000000));
	unsigned char bytes[32] = { 0 };
	SHOW(syscall(SYS_getrandom, bytes, 32, 0));
	int zero = 0;
	for (int i = 0; i < 32; i++)
		zero += bytes[i] == 0;
	printf("  random bytes: %s\n", zero < 8 ? "yes" : "no");
	SHOW(syscall(SYS_getrandom, 8, 32, 0));
	SHOW(syscall(SYS_getrandom, bytes, 32, 0x100));
	SHOW_TRUE(syscall(SYS_set_tid_address, NULL) == getpid());
	sync();
	SHOW(syscall(SYS_sched_yield));
	SHOW(syscall(470 + 1000));
	SHOW(syscall(-1));
}

int main(void)
{
	ids();
	system_names();
	limits();
	small_calls();
	return 0;
}
