/* SPDX-License-Identifier: MIT */
/* stack_walk.h: growing a stack as deep recursion would. */
#pragma once

/* Where the walk is, for a signal handler. */
static char *volatile deepest;

/*
 * Moves the stack pointer down page by page, touching each, as deep recursion would: an
 * access far below the stack pointer is not how stacks grow (FT-22).
 */
static void walk_down(char *from, long pages)
{
	for (char *p = from; pages-- > 0; p -= PAGE) {
		deepest = p;
		__asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tmovb $1, (%%rsp)\n\t"
				 "mov %%rbx, %%rsp"
				 ::"r"(p)
				 : "rbx", "memory");
	}
}
