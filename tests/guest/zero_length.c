/* SPDX-License-Identifier: MIT */
/*
 * zero_length.c: nothing is read from or written to the standard streams, whatever the address, as long as a program
 * can have it. (Other kinds of files: fs_errors_io.c.)
 */
#include "guest.h"
#include <sys/uio.h>

#define ABSENT ((void *)0x100ffffffffL)

static void streams(int in, int out)
{
	struct iovec none = { NULL, 0 }, absent = { ABSENT, 0 }, nobody = { (void *)-1, 0 };

	SHOW(write(out, "x", 0));
	SHOW(write(out, NULL, 0));
	SHOW(write(out, ABSENT, 0));
	SHOW(syscall(SYS_write, out, -1L, 0L));
	SHOW(writev(out, &none, 1));
	SHOW(writev(out, &absent, 1));
	SHOW(writev(out, &nobody, 1));
	SHOW(writev(out, &none, 0));
	SHOW(read(in, ABSENT, 0));
	SHOW(syscall(SYS_read, in, -1L, 0L));
	SHOW(readv(in, &absent, 1));
}

int main(void)
{
	streams(0, 1);
	streams(0, 2);
	return 0;
}
