/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_shm.c: the errors of System V shared memory, in the order in which they are found, and who
 * may do what to a segment of whom.
 */
#include "table.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#ifndef SHM_STAT
#define SHM_STAT 13
#endif
#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef SHM_INFO
#define SHM_INFO 14
#endif
#define KEY 0x4b45594b

static struct shmid_ds buffer, bad_uid, bad_gid;
static int id, secret, removed, of_user;
static char *mapped;

static void detach(long result)
{
	if (result != -1)
		syscall(SYS_shmdt, result);
}

static void getting(void)
{
	TABLE(shmget, ARG(N("PRIVATE", 0)), ARG(V(0), V(-1)), ARG(V(0), V(IPC_CREAT), V(IPC_EXCL)));
	TABLE(shmget, ARG(N("known", KEY), N("unknown", KEY + 1)), ARG(V(0), V(PAGE), V(3 * PAGE), V(-1)), ARG(V(0), V(0400), V(0666), V(IPC_EXCL), N("CREAT|EXCL", IPC_CREAT | IPC_EXCL)));
	TABLE(shmget, ARG(N("known", KEY)), ARG(V(0), V(PAGE), V(3 * PAGE)), ARG(V(IPC_CREAT), N("CREAT|0666", IPC_CREAT | 0666)));
	shmctl(MUST(shmget(KEY + 1, 0, 0)), IPC_RMID, NULL);
}

#define COMMANDS V(-1), N("RMID bad", 9999), N("SET", IPC_SET), N("STAT", IPC_STAT), N("STAT", SHM_STAT), N("STAT_ANY", SHM_STAT_ANY), N("INFO", IPC_INFO), N("SHM_INFO", SHM_INFO), N("LOCK", SHM_LOCK), N("UNLOCK", SHM_UNLOCK)

static void control(void)
{
	TABLE(shmctl, ARG(V(-1), N("none", 77), N("beyond", 0x7fffffff), N("removed", removed), N("next sequence", id + 0x8000)), ARG(COMMANDS, N("RMID", IPC_RMID)), ARG(N("NULL", 0), N("bad", 8), N("buffer", &buffer)));
	TABLE(shmctl, ARG(N("segment", id)), ARG(N("STAT", IPC_STAT), N("SHM_STAT", SHM_STAT), N("STAT_ANY", SHM_STAT_ANY), N("INFO", IPC_INFO), N("SHM_INFO", SHM_INFO), V(-1), V(99)), ARG(N("NULL", 0), N("bad", 8), N("buffer", &buffer)));
	TABLE(shmctl, ARG(N("segment", id), N("removed", removed)), ARG(N("SET", IPC_SET)), ARG(N("NULL", 0), N("bad", 8), N("bad uid", &bad_uid), N("bad gid", &bad_gid)));
}

/* The first argument is an index of which the low bits count: a whole id works as well. */
static void indices(void)
{
	for (int i = 0; i < 3; i++) {
		int made = MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
		printf("an id as index: %s %s\n", shmctl(made, SHM_STAT, &buffer) == made ? "the id" : "else", shmctl(made, SHM_STAT_ANY, &buffer) == made ? "the id" : "else");
		printf("its low bits: %s\n", shmctl(made & 0x7fff, SHM_STAT, &buffer) == made ? "the id" : "else");
		MUST(shmctl(made, IPC_RMID, NULL));
		show_result("after its removal", shmctl(made, SHM_STAT, &buffer));
	}
}

static void attaching(void)
{
	table_after = detach;
	TABLE(shmat, ARG(V(-1), N("none", 77), N("removed", removed), N("segment", id)), ARG(V(0), N("1", 1), N("mapped", mapped), N("mapped+1", mapped + 1), N("last", -PAGE), N("beyond", 0x7ffffffff000), N("low", PAGE)),
	      ARG(V(0), V(SHM_RDONLY), V(SHM_RND), V(SHM_EXEC), N("unknown", 1 << 20)));
	TABLE(shmat, ARG(N("segment", id)), ARG(V(0), N("1", 1), N("mapped+1", mapped + 1), N("last", -PAGE)), ARG(V(SHM_REMAP)));
	TABLE(shmat, ARG(N("segment", id)), ARG(V(0), N("1", 1)), ARG(V(SHM_REMAP | SHM_RND)));
	table_after = NULL;
	TABLE(shmdt, ARG(V(0), V(1), N("mapped", mapped), N("last", -PAGE)));
}

static void as_the_user(void)
{
	printf("as a user\n");
	buffer.shm_perm.uid = 1000;
	buffer.shm_perm.gid = 1000;
	table_after = detach;
	TABLE(shmat, ARG(N("root's 0644", id), N("root's 0600", secret), N("own 0600", of_user)), ARG(V(0), N("1", 1)), ARG(V(0), V(SHM_RDONLY), V(SHM_EXEC), V(SHM_RDONLY | SHM_EXEC)));
	table_after = NULL;
	TABLE(shmget, ARG(N("known", KEY)), ARG(V(0), V(PAGE), V(3 * PAGE)), ARG(V(0), V(0400), V(0444), V(0600), V(0200), N("CREAT|EXCL|0600", IPC_CREAT | IPC_EXCL | 0600)));
	TABLE(shmctl, ARG(N("root's 0644", id), N("root's 0600", secret), N("removed", removed), N("own 0600", of_user)), ARG(N("STAT", IPC_STAT), N("SHM_STAT", SHM_STAT), N("STAT_ANY", SHM_STAT_ANY)), ARG(N("bad", 8), N("buffer", &buffer)));
	TABLE(shmctl, ARG(N("root's 0644", id), N("root's 0600", secret), N("removed", removed)), ARG(N("SET", IPC_SET), N("RMID", IPC_RMID), N("LOCK", SHM_LOCK), N("UNLOCK", SHM_UNLOCK)), ARG(N("bad", 8), N("bad uid", &bad_uid), N("buffer", &buffer)));
	struct rlimit none = { 0, PAGE }, one = { PAGE, PAGE };
	setrlimit(RLIMIT_MEMLOCK, &none);
	TABLE(shmctl, ARG(N("own, limit 0", of_user), N("root's 0644", id), N("removed", removed)), ARG(N("LOCK", SHM_LOCK), N("UNLOCK", SHM_UNLOCK)), ARG(V(0)));
	setrlimit(RLIMIT_MEMLOCK, &one);
	TABLE(shmctl, ARG(N("own two pages, limit one", of_user)), ARG(N("LOCK", SHM_LOCK), N("UNLOCK", SHM_UNLOCK)), ARG(V(0)));
	int small = MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600)), second = MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
	TABLE(shmctl, ARG(N("own page", small), N("again", small), N("a second", second)), ARG(N("LOCK", SHM_LOCK)), ARG(V(0)));
	SHOW(shmctl(small, IPC_STAT, &buffer));
	printf("locked: %s\n", buffer.shm_perm.mode & 02000 ? "yes" : "no");
	TABLE(shmctl, ARG(N("own page", small), N("again", small)), ARG(N("UNLOCK", SHM_UNLOCK)), ARG(V(0)));
	TABLE(shmctl, ARG(N("a second", second)), ARG(N("LOCK", SHM_LOCK)), ARG(V(0)));
	shmctl(small, IPC_RMID, NULL);
	shmctl(second, IPC_RMID, NULL);
	buffer.shm_perm.uid = 2000; /* given away: the creator still may */
	buffer.shm_perm.gid = 2000;
	buffer.shm_perm.mode = 0600;
	SHOW(shmctl(of_user, IPC_SET, &buffer));
	SHOW(shmctl(of_user, IPC_STAT, &buffer));
	printf("uid %d cuid %d mode %o\n", (int)buffer.shm_perm.uid, (int)buffer.shm_perm.cuid, (unsigned)buffer.shm_perm.mode);
}

static void make_as_user(void)
{
	of_user = shmget(KEY + 2, 2 * PAGE, IPC_CREAT | 0600);
}

int main(void)
{
	buffer.shm_perm.mode = 0644;
	bad_uid.shm_perm.uid = bad_gid.shm_perm.gid = (uid_t)-1;
	id = MUST(shmget(KEY, 2 * PAGE, IPC_CREAT | 0644));
	secret = MUST(shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600));
	removed = MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
	MUST(shmctl(removed, IPC_RMID, NULL));
	mapped = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	getting();
	control();
	indices();
	attaching();
	as_user(make_as_user);
	of_user = MUST(shmget(KEY + 2, 0, 0));
	as_user(as_the_user);
	shmctl(id, IPC_RMID, NULL);
	shmctl(secret, IPC_RMID, NULL);
	shmctl(of_user, IPC_RMID, NULL);
	return 0;
}
