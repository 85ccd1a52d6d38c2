/* SPDX-License-Identifier: MIT */
/*
 * SHM_LOCK and SHM_UNLOCK: who may, against which limit, what the mode shows; and more segments at once than
 * the table of segments has room for at first. Needs root to begin with (in Pagoda everybody is).
 */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

static int owned_by_user, owned_by_root;

static void show_mode(const char *what, int id)
{
	struct shmid_ds ds;
	if (shmctl(id, IPC_STAT, &ds))
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: mode %o\n", what, ds.shm_perm.mode);
}

static void limit_to(unsigned long bytes)
{
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ bytes, 1 << 20 }));
}

static int as_user(void *unused)
{
	(void)unused;
	MUST(setresgid(1234, 1234, 1234));
	MUST(setresuid(1234, 1234, 1234));
	owned_by_user = MUST(shmget(IPC_PRIVATE, 10 * PAGE, 0600));
	int second = MUST(shmget(IPC_PRIVATE, 10 * PAGE, 0600));
	SHOW(shmctl(owned_by_root, SHM_LOCK, NULL));
	SHOW(shmctl(owned_by_root, SHM_UNLOCK, NULL));
	limit_to(0);
	SHOW(shmctl(owned_by_user, SHM_LOCK, NULL));
	limit_to(15 * PAGE);
	SHOW(shmctl(owned_by_user, SHM_LOCK, NULL));
	SHOW(shmctl(owned_by_user, SHM_LOCK, NULL));
	show_mode("locked", owned_by_user);
	SHOW(shmctl(second, SHM_LOCK, NULL)); /* both together are too much */
	limit_to(20 * PAGE);
	SHOW(shmctl(second, SHM_LOCK, NULL));
	limit_to(0);
	SHOW(shmctl(second, SHM_UNLOCK, NULL));
	show_mode("unlocked", second);
	SHOW(shmctl(second, SHM_UNLOCK, NULL));
	limit_to(15 * PAGE);
	SHOW(shmctl(second, SHM_LOCK, NULL));
	SHOW(shmctl(second, IPC_RMID, NULL));
	SHOW(shmctl(owned_by_user, SHM_UNLOCK, NULL));
	SHOW(shmctl(owned_by_user, SHM_LOCK, NULL));
	SHOW(shmctl(owned_by_user, IPC_RMID, NULL));
	return 0;
}

static void many(void)
{
	static int ids[400];
	int good = 0;
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = MUST(shmget(IPC_PRIVATE, (i + 1) * 100, 0600));
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
		struct shmid_ds ds;
		good += shmctl(ids[i], IPC_STAT, &ds) == 0 && ds.shm_segsz == (i + 1) * 100;
	}
	printf("segments %d\n", good);
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
		MUST(shmctl(ids[i], IPC_RMID, NULL));
	SHOW(shmctl(ids[5], IPC_RMID, NULL));
	SHOW(shmctl(32767, SHM_LOCK, NULL));
	SHOW(shmctl(-1, SHM_LOCK, NULL));
}

int main(void)
{
	owned_by_root = MUST(shmget(IPC_PRIVATE, 3 * PAGE, 0666));
	show_status("user", run_child(as_user, NULL));
	SHOW(shmctl(owned_by_root, SHM_LOCK, NULL));
	char *mem = shmat(owned_by_root, NULL, 0);
	memset(mem, 7, 3 * PAGE);
	show_mode("root's", owned_by_root);
	SHOW(shmctl(owned_by_root, SHM_UNLOCK, NULL));
	show_mode("root's", owned_by_root);
	SHOW(shmctl(owned_by_root, IPC_RMID, NULL));
	printf("%d %d\n", mem[0], mem[3 * PAGE - 1]);
	SHOW(shmdt(mem));
	many();
	return 0;
}
