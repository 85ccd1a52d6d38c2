/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_ids.c: the errors of the calls about ids, capabilities, process groups and the switches of a
 * process (prctl), in the order in which they are found, for root and for a user.
 */
#include "table.h"
#include <sys/prctl.h>

static unsigned int list[70], caps[2], data[6];
static unsigned long buffer[64];
static pid_t gone;

static void ids(void)
{
	TABLE(getresuid, ARG(N("bad", 8), N("a", buffer)), ARG(N("bad", 8), N("b", buffer)), ARG(N("bad", 8), N("c", buffer)));
	TABLE(getgroups, ARG(V(0), V(-1), V(100000)), ARG(N("NULL", 0), N("bad", 8), N("list", buffer)));
	TABLE(getpgid, ARG(V(-1), N("nobody", gone)));
	TABLE(getsid, ARG(V(-1), N("nobody", gone)));
	TABLE(setpgid, ARG(V(0), V(-1), N("1", 1), N("nobody", gone)), ARG(V(-1), N("nobody", gone), N("1", 1)));
	TABLE(set_robust_list, ARG(V(0)), ARG(V(0), V(23), V(25), V(24)));
	TABLE(get_robust_list, ARG(V(0), V(-1), N("nobody", gone)), ARG(N("NULL", 0), N("bad", 8), N("head", buffer)), ARG(N("NULL", 0), N("bad", 8), N("length", buffer + 1)));
	TABLE(getrandom, ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)), ARG(V(0), V(8)), ARG(V(0), V(1), V(2), V(4), V(6), V(8)));
	TABLE(uname, ARG(N("NULL", 0), N("bad", 8)));
	TABLE(sysinfo, ARG(N("NULL", 0), N("bad", 8)));
	TABLE(arch_prctl, ARG(V(0), N("GET_FS", 0x1003), V(0x9999)), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(arch_prctl, ARG(N("SET_GS", 0x1001)), ARG(N("kernel", -4096l), N("non-canonical", 1ul << 52), N("TASK_SIZE", 0x7ffffffff000)));
	TABLE(unshare, ARG(V(0), V(0x100), V(0x800), V(0x10000), V(0x11), V(0x80000), V(1)));
	TABLE(clone3, ARG(N("NULL", 0), N("bad", 8), N("zeros", buffer)), ARG(V(0), V(63), V(4097)));
	TABLE(clone, ARG(N("THREAD", 0x10000), N("SIGHAND", 0x800), N("THREAD|SIGHAND", 0x10800), N("NEWNS|FS", 0x20200), N("PIDFD|DETACHED", 0x401000), N("PIDFD|THREAD", 0x11900)), ARG(V(0)), ARG(V(0)), ARG(V(0)), ARG(V(0)));
}

static void capabilities(void)
{
	static const unsigned int versions[] = { 0, 0x19980330, 0x20071026, 0x20080522 };
	const long pids[] = { 0, getpid(), -1, gone, 1 };
	const char *names[] = { "0", "me", "-1", "nobody", "1" };
	TABLE(capget, ARG(N("NULL", 0), N("bad", 8)), ARG(N("NULL", 0), N("bad", 8), N("data", data)));
	TABLE(capset, ARG(N("NULL", 0), N("bad", 8)), ARG(N("NULL", 0), N("bad", 8), N("data", data)));
	for (int v = 0; v < 4; v++)
		for (int p = 0; p < 5; p++) {
			for (int i = 0; i < 6; i++) {
				const char *pointer = i % 3 == 0 ? "NULL" : i % 3 == 1 ? "bad" : "data";
				void *where = i % 3 == 0 ? NULL : i % 3 == 1 ? BAD_POINTER : data;
				caps[0] = versions[v];
				caps[1] = (unsigned int)pids[p];
				errno = 0;
				long result = syscall(i < 3 ? SYS_capget : SYS_capset, caps, where);
				if (i == 5 && p < 2 && versions[v]) /* it would give up its capabilities */
					continue;
				printf("%s(%x %s, %s) %s%s\n", i < 3 ? "capget" : "capset", versions[v], names[p], pointer,
				       result ? errno_name(errno) : "0", caps[0] == 0x20080522 && !versions[v] ? ", version told" : "");
			}
		}
}

/* ---- As a user -------------------------------------------------------------------- */

#define IDS V(-1), V(0), V(1000), V(2000)

static void ids_of_user(void)
{
	printf("as a user\n");
	TABLE(setuid, ARG(IDS));
	TABLE(setgid, ARG(IDS));
	TABLE(setreuid, ARG(IDS), ARG(IDS));
	TABLE(setregid, ARG(IDS), ARG(IDS));
	TABLE(setresuid, ARG(IDS), ARG(IDS), ARG(V(-1), V(0), V(1000)));
	TABLE(setresgid, ARG(IDS), ARG(IDS), ARG(V(-1), V(0), V(1000)));
	TABLE(setfsuid, ARG(IDS));
	TABLE(setfsgid, ARG(IDS));
	TABLE(setgroups, ARG(V(-1), V(0), V(1), V(65537)), ARG(N("NULL", 0), N("bad", 8), N("list", list)));
	TABLE(sethostname, ARG(N("NULL", 0), N("bad", 8), N("name", "name")), ARG(V(-1), V(0), V(4), V(65)));
	TABLE(setdomainname, ARG(N("NULL", 0), N("bad", 8), N("name", "name")), ARG(V(-1), V(0), V(4), V(65)));
	TABLE(reboot, ARG(V(0), N("magic", 0xfee1dead)), ARG(V(0), V(672274793)), ARG(V(0), V(0x1234)));
	TABLE(syslog, ARG(V(-1), V(0), V(1), V(2), V(4), V(5), V(6), V(8), V(9), V(11)), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)), ARG(V(-1), V(0)));
	TABLE(unshare, ARG(N("NEWNS", 0x20000), N("NEWPID", 0x20000000)));
	TABLE(prctl, ARG(N("CAPBSET_DROP", 24)), ARG(V(0), V(40), V(41), V(-1)));
	TABLE(prctl, ARG(N("SET_SECUREBITS", 28)), ARG(V(0), V(1), V(0x100)));
	capabilities();
}

static void ids_of_root(void)
{
	printf("as root\n");
	TABLE(setgroups, ARG(V(-1), V(0), V(1), V(32), V(65537)), ARG(N("NULL", 0), N("bad", 8), N("list", list)));
	TABLE(sethostname, ARG(N("NULL", 0), N("bad", 8), N("name", "name")), ARG(V(-1), V(65)));
	TABLE(reboot, ARG(V(0), N("magic", 0xfee1dead)), ARG(V(0), V(1)), ARG(V(0), V(0x1234)));
	TABLE(setuid, ARG(V(-1)));
	TABLE(setgid, ARG(V(-1)));
	TABLE(setresuid, ARG(V(-1)), ARG(V(-1)), ARG(V(-1)));
}

/* ---- prctl --------------------------------------------------------------------------- */

static void switches(void)
{
#define OPTION(name) ARG(N(#name, PR_##name))
	TABLE(prctl, ARG(V(0), V(-1), V(5), V(6), V(19), V(20), V(1000)), ARG(V(0), N("buffer", buffer)));
	TABLE(prctl, OPTION(SET_PDEATHSIG), ARG(V(-1), V(65), V(64), V(0)));
	TABLE(prctl, OPTION(GET_PDEATHSIG), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(prctl, OPTION(SET_DUMPABLE), ARG(V(-1), V(2), V(3), V(0), V(1)));
	TABLE(prctl, OPTION(GET_DUMPABLE), ARG(V(0)));
	TABLE(prctl, OPTION(SET_KEEPCAPS), ARG(V(-1), V(2), V(1), V(0)));
	TABLE(prctl, OPTION(GET_KEEPCAPS), ARG(V(0)));
	TABLE(prctl, OPTION(SET_NAME), ARG(N("NULL", 0), N("bad", 8), N("name", "errors_ids")));
	TABLE(prctl, OPTION(GET_NAME), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(prctl, OPTION(GET_TIMING), ARG(V(0)));
	TABLE(prctl, OPTION(SET_TIMING), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(GET_TSC), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(prctl, OPTION(SET_TSC), ARG(V(0), V(3), V(1)));
	TABLE(prctl, OPTION(CAPBSET_READ), ARG(V(0), V(40), V(41), V(-1)));
	TABLE(prctl, OPTION(CAPBSET_DROP), ARG(V(41), V(-1)));
	TABLE(prctl, OPTION(SET_CHILD_SUBREAPER), ARG(V(1), V(0)));
	TABLE(prctl, OPTION(GET_CHILD_SUBREAPER), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(prctl, OPTION(SET_NO_NEW_PRIVS), ARG(V(0), V(2), V(1)), ARG(V(1)), ARG(V(0)), ARG(V(0)));
	TABLE(prctl, OPTION(SET_NO_NEW_PRIVS), ARG(V(0), V(2)), ARG(V(0)), ARG(V(0)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(GET_NO_NEW_PRIVS), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(GET_TID_ADDRESS), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(prctl, OPTION(SET_THP_DISABLE), ARG(V(0)), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(GET_THP_DISABLE), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(MCE_KILL), ARG(V(0), V(1), V(2)), ARG(V(0), V(1), V(2), V(3)), ARG(V(0), V(1)), ARG(V(0)));
	TABLE(prctl, OPTION(MCE_KILL), ARG(N("CLEAR", 0)), ARG(V(0)), ARG(V(0)), ARG(V(0)));
	TABLE(prctl, OPTION(MCE_KILL_GET), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(CAP_AMBIENT), ARG(V(0), V(1), V(2), V(3), V(4), V(5)), ARG(V(0), V(41)), ARG(V(0), V(1)), ARG(V(0), V(1)));
	TABLE(prctl, OPTION(GET_SPECULATION_CTRL), ARG(V(99)), ARG(V(0), V(1)), ARG(V(0)), ARG(V(0)));
	TABLE(prctl, OPTION(SET_TIMERSLACK), ARG(V(1234)), ARG(V(0)));
}

static int slack_of_child(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 77));
	SHOW(prctl(PR_SET_TIMERSLACK, -1));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, LONG_MIN));
	SHOW(prctl(PR_GET_TIMERSLACK));
	return 0;
}

static void slack(void)
{
	SHOW(prctl(PR_SET_TIMERSLACK, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 12345));
	SHOW(prctl(PR_GET_TIMERSLACK));
	run_child(slack_of_child, NULL);
	SHOW(prctl(PR_GET_TIMERSLACK));
}

static void ambient(void)
{
	printf("ambient capabilities of a user\n");
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 5, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(PR_CAPBSET_READ, 5));
}

static int privileges(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_SET_SECUREBITS, 0x100));
	SHOW(prctl(PR_SET_SECUREBITS, 1 << 4));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(PR_SET_SECUREBITS, 1 << 4 | 1 << 5));
	SHOW(prctl(PR_SET_KEEPCAPS, 0));
	SHOW(prctl(PR_SET_SECUREBITS, 0));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(PR_CAPBSET_DROP, 5));
	SHOW(prctl(PR_CAPBSET_READ, 5));
	return 0;
}

int main(void)
{
	setsid();
	gone = dead_pid();
	ids();
	capabilities();
	ids_of_root();
	as_user(ids_of_user);
	as_user(ambient);
	slack();
	run_child(privileges, NULL);
	switches();
	return 0;
}
