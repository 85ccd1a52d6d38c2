/* SPDX-License-Identifier: MIT */
/* proves: PT-33 */
/*
 * MAP_SHARED|MAP_ANONYMOUS memory across fork: both sides see every write, also to pages
 * that nobody had touched before the fork, and in grandchildren; a private mapping beside
 * it stays private. A read-only and a writable mapping of one shared object show one frame.
 */
#include "guest.h"

enum { PAGES = 16, ROUNDS = 2000 };

static int *shared, *private;

static int worker(void *step)
{
	for (int i = 0; i < ROUNDS; i++) {
		__atomic_fetch_add(&shared[0], *(int *)step, __ATOMIC_SEQ_CST);
		private[0]++;
	}
	/* A page untouched so far, written by this child alone. */
	shared[*(int *)step * PAGE / sizeof(int)] = 1000 + *(int *)step;
	return private[0] == ROUNDS ? 0 : 1;
}

static int parent_of_worker(void *step)
{
	return WEXITSTATUS(run_child(worker, step));
}

static void one_object_two_rights(void)
{
	int fd = MUST(open("/dev/shm/guest.shared", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(unlink("/dev/shm/guest.shared"));
	MUST(ftruncate(fd, PAGE));
	char *writable = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *readable = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	strcpy(writable, "written through one mapping");
	printf("read through the other: %s\n", readable);
	catch_faults(0);
	TRY(touch_write(readable + 5, 'x'));
	show_fault("write through the read-only one", readable);
	printf("afterwards: %s\n", readable);
}

int main(void)
{
	int steps[] = { 1, 2, 3, 4 };
	pid_t children[ARRAY_LEN(steps)];

	shared = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	private = (int *)map_anon(PAGE, PROT_READ | PROT_WRITE);
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
		children[i] = start_child(i % 2 ? worker : parent_of_worker, &steps[i]);
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
		show_status("child", wait_for(children[i]));
	printf("shared counter %d, private counter %d\n", shared[0], private[0]);
	for (unsigned i = 0; i < 6; i++)
		printf("shared page %u starts with %d\n", i, shared[i * PAGE / sizeof(int)]);
	one_object_two_rights();
	return 0;
}
