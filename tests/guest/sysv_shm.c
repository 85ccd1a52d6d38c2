/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * System V shared memory: errors of each call, counts of attachments across fork, exec,
 * exit, splits and partial unmapping, removal while attached, limits and lists.
 */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define KEY 0x50a60da1

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds ds;
	MUST(shmctl(id, IPC_STAT, &ds));
	return ds;
}

static void show(const char *what, long ret)
{
	printf("%s: %s\n", what, ret == -1 ? errno_name(errno) : ret ? "some" : "0");
}
#define CALL(call) show(#call, (long)(call))

static void attachments(int id, const char *when)
{
	printf("%s: %lu attached, mode %o\n", when, (unsigned long)stat_of(id).shm_nattch,
	       (unsigned)stat_of(id).shm_perm.mode);
}

static void child_runs(int (*fn)(int), int id)
{
	int status;
	pid_t pid = MUST(fork());
	if (!pid)
		_exit(fn(id));
	MUST(waitpid(pid, &status, 0));
	printf("  child: %d\n", WEXITSTATUS(status));
}

static int in_child(int id)
{
	attachments(id, "in the child");
	return stat_of(id).shm_lpid == getpid() ? 11 : 12;
}

static int execs(int id)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", id);
	execl("/proc/self/exe", "sysv_shm", text, NULL);
	return 99;
}

static int unprivileged(int id)
{
	MUST(setuid(65534));
	CALL(shmat(id, NULL, 0));
	CALL(shmget(KEY, PAGE, 0600));
	CALL(shmctl(id, IPC_RMID, NULL));
	CALL(shmctl(id, SHM_STAT_ANY, BAD_POINTER) == -1 ? -1 : 0);
	CALL(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | SHM_HUGETLB | 0600) == -1 ? -1 : 0);
	return 0;
}

static void errors(void)
{
	struct shmid_ds ds;
	CALL(shmget(KEY, PAGE, 0));
	CALL(shmget(KEY, 0, IPC_CREAT | 0600));
	CALL(shmget(IPC_PRIVATE, (size_t)-PAGE, IPC_CREAT | 0600));
	CALL(shmat(-1, NULL, 0));
	CALL(shmctl(-1, IPC_STAT, &ds));
	CALL(shmdt((void *)0x1234));
	CALL(shmdt((void *)0x10000));
}

static void list_line(int id)
{
	char line[300];
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long size, nattch;
		unsigned perms;
		int key, at;
		if (sscanf(line, "%d %d %o %lu %*d %*d %lu", &key, &at, &perms, &size, &nattch) == 5 && at == id)
			printf("listed: %x %o %lu %lu\n", key, perms, size, nattch);
	}
	if (f)
		fclose(f);
}

static void life(void)
{
	int id = MUST(shmget(KEY, 4 * PAGE - 100, IPC_CREAT | IPC_EXCL | 0640));
	struct shmid_ds ds = stat_of(id);
	printf("size %lu, pids %d %d, times %d %d %d\n", (unsigned long)ds.shm_segsz, ds.shm_cpid == getpid(),
	       (int)ds.shm_lpid, ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
	CALL(shmget(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	CALL(shmget(KEY, 5 * PAGE, 0));
	printf("found: %d\n", shmget(KEY, 0, 0) == id);
	char *p = shmat(id, NULL, 0);
	char *r = shmat(id, NULL, SHM_RDONLY);
	p[3 * PAGE] = 'x';
	printf("read: %c, last byte of the page %d\n", r[3 * PAGE], p[4 * PAGE - 1]);
	CALL(mprotect(r, PAGE, PROT_READ | PROT_WRITE));
	CALL(shmat(id, p + 1, 0));
	CALL(shmat(id, p, 0));
	CALL(shmat(id, NULL, SHM_REMAP));
	printf("remap: %d\n", shmat(id, r, SHM_REMAP) == r);
	printf("rounded: %d\n", shmat(id, r + 123, SHM_RND | SHM_REMAP) == r);
	attachments(id, "two");
	child_runs(in_child, id);
	child_runs(execs, id);
	attachments(id, "after the children");
	MUST(mprotect(p + PAGE, PAGE, PROT_READ));
	attachments(id, "split");
	MUST(munmap(p + PAGE, PAGE));
	attachments(id, "hole");
	list_line(id);
	CALL(shmdt(p));
	CALL(shmdt(p));
	attachments(id, "detached");
	child_runs(unprivileged, id);
	ds = stat_of(id);
	ds.shm_perm.mode = 0600;
	CALL(shmctl(id, IPC_SET, &ds));
	CALL(shmctl(id, SHM_LOCK, NULL));
	attachments(id, "locked");
	CALL(shmctl(id, SHM_UNLOCK, NULL));
	CALL(shmctl(id, 77, &ds));
	CALL(shmctl(id, IPC_STAT, BAD_POINTER));
	CALL(shmctl(id, IPC_RMID, NULL));
	attachments(id, "removed");
	printf("key gone: %d\n", shmget(KEY, 0, 0));
	p = shmat(id, NULL, 0);
	printf("still there: %c\n", p[3 * PAGE]);
	MUST(shmdt(r));
	MUST(shmdt(p));
	printf("gone: %d %s\n", shmctl(id, IPC_STAT, &ds), errno_name(errno));
}

static void limits(void)
{
	struct shminfo info;
	struct shm_info used;
	struct shmid_ds ds;
	int a = MUST(shmget(IPC_PRIVATE, 3 * PAGE, 0600)), top, found = 0;
	MUST(shmctl(0, IPC_INFO, (void *)&info));
	printf("max %lx min %lu number %lu all %lx\n", (unsigned long)info.shmmax, (unsigned long)info.shmmin,
	       (unsigned long)info.shmmni, (unsigned long)info.shmall);
	top = MUST(shmctl(0, SHM_INFO, (void *)&used));
	for (int i = 0; i <= top; i++)
		found += shmctl(i, SHM_STAT, &ds) == a && ds.shm_segsz == 3 * PAGE;
	printf("by index: %d, enough in use: %d\n", found, used.used_ids >= 1 && used.shm_tot >= 3);
	MUST(shmctl(a, IPC_RMID, NULL));
	printf("old id: %d %s\n", shmctl(a, IPC_STAT, &ds), errno_name(errno));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		attachments(atoi(argv[1]), "after exec");
		return 13;
	}
	errors();
	life();
	limits();
	return 0;
}
