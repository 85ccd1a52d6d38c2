/* SPDX-License-Identifier: MIT */
/* proves: AS-76 */
/* compare: none */
/* guest: --ram 32M --swap 32M */
/* timeout: 3000 */
/* libc: glibc */
/* level: long */
/* fuzz_proc for about twenty minutes: other seeds than the normal suite's, and many more. */
#define ROUNDS 2500
#include "fuzz_proc.c"
