/* SPDX-License-Identifier: MIT */
/*
 * random.c: random bytes from the CPU.
 *
 * RDRAND where the CPU has it. Elsewhere the low bits of the time-stamp counter, mixed
 * (splitmix64, Steele et al. 2014) with what came before: good enough for addresses and
 * canaries, not for keys; docs/CAVEATS.md says so.
 */
#include <pagoda/string.h>
#include "io.h"
#include "pc.h"

#define RDRAND_TRIES 10 /* Intel's advice: ten failures in a row mean a broken generator */

static u64 mix_state;

static bool rdrand(u64 *value)
{
	bool ok = false;

	for (int i = 0; i < RDRAND_TRIES && !ok; i++)
		__asm__ __volatile__("rdrand %0" : "=r"(*value), "=@ccc"(ok));
	return ok;
}

static u64 jitter(void)
{
	u64 z = mix_state += 0x9e3779b97f4a7c15ull + rdtsc();

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void machine_random(void *buf, size_t n)
{
	u8 *p = buf;

	while (n > 0) {
		size_t part = min_t(size_t, n, sizeof(u64));
		u64 value;

		if (!cpu_features.rdrand || !rdrand(&value))
			value = jitter();
		memcpy(p, &value, part);
		p += part;
		n -= part;
	}
}
