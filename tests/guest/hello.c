/* SPDX-License-Identifier: MIT */
/*
 * The smallest program: C start-up, one line out, the arguments as given, an exit status
 * that is not 0. What it needs of the kernel is tier 0 of ABI.md.
 */
#include "guest.h"
#include <sys/utsname.h>

int main(int argc, char **argv)
{
	struct utsname name;
	unsigned short cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	printf("hello, %d argument%s\n", argc - 1, argc == 2 ? "" : "s");
	for (int i = 1; i < argc; i++)
		printf("argument %d: %s\n", i, argv[i]);
	MUST(uname(&name));
	printf("system %s on %s, ring %d\n", name.sysname, name.machine, cs & 3);
	fprintf(stderr, "this goes to the standard error\n");
	return 42;
}
