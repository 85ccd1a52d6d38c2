// SPDX-License-Identifier: MIT
/*
 * divide64.c: division of 64-bit numbers on a 32-bit x86.
 *
 * The compiler makes a call of a division that it has no instruction for. A program gets the
 * function from libgcc, which a kernel does not link, so the 32-bit builds of the core have their
 * own.
 *
 *	divisor of 32 bits	two DIV instructions, the high half first
 *	larger divisor		the quotient has at most 32 bits, found one at a time
 *
 * Locking: none. Failure: division by 0 is a divide error of the CPU.
 */
#include "compiler_calls.h"

/* n / d for a divisor of 32 bits. */
static u64 divide_by_u32(u64 n, u32 d, u64 *remainder)
{
	u32 high = (u32)(n >> 32), low = (u32)n, quotient = high / d, rest = high % d;

	/* rest < d, so the quotient of rest:low fits 32 bits, as DIV wants it. */
	__asm__("divl %[d]" : "+a"(low), "+d"(rest) : [d] "rm"(d) : "cc");
	*remainder = rest;
	return (u64)quotient << 32 | low;
}

u64 __udivmoddi4(u64 n, u64 d, u64 *remainder)
{
	u64 quotient = 0, rest;

	if (!(d >> 32)) {
		quotient = divide_by_u32(n, (u32)d, &rest);
	} else {
		/* d is at least 2^32, so the first 32 bits of the quotient are 0. */
		rest = n >> 32;
		for (int bit = 31; bit >= 0; bit--) {
			bool carry = rest >> 63;

			rest = rest << 1 | (n >> bit & 1);
			if (!carry && rest < d)
				continue;
			rest -= d;
			quotient |= 1ull << bit;
		}
	}
	if (remainder)
		*remainder = rest;
	return quotient;
}

u64 __udivdi3(u64 n, u64 d)
{
	return __udivmoddi4(n, d, NULL);
}

u64 __umoddi3(u64 n, u64 d)
{
	u64 rest;

	(void)__udivmoddi4(n, d, &rest);
	return rest;
}

static u64 magnitude(s64 n)
{
	return n < 0 ? 0 - (u64)n : (u64)n;
}

/* C rounds towards 0: the quotient's sign is that of both together, the remainder's that of n. */
s64 __divdi3(s64 n, s64 d)
{
	u64 quotient = __udivmoddi4(magnitude(n), magnitude(d), NULL);

	return (s64)((n < 0) != (d < 0) ? 0 - quotient : quotient);
}

s64 __moddi3(s64 n, s64 d)
{
	u64 rest = __umoddi3(magnitude(n), magnitude(d));

	return (s64)(n < 0 ? 0 - rest : rest);
}

int __ctzdi2(u64 n)
{
	return (u32)n ? __builtin_ctz((u32)n) : 32 + __builtin_ctz((u32)(n >> 32));
}
