/* SPDX-License-Identifier: MIT */
/*
 * deferred.h: work that interrupt handlers leave for a moment with interrupts on
 * (kernel/deferred.c).
 */
#pragma once

#include <pagoda/spinlock.h>

#define DEFERRED_TICK	   0x1u /* due timers, CPU time limits */
#define DEFERRED_USER_TICK 0x2u /* ... the tick came from user mode */
#define DEFERRED_SIGNALS   0x4u /* signals to process groups */

/* locks of spin_lock_deferring() that the task here holds, and runs of the work */
extern unsigned int deferred_holds;
extern unsigned int deferred_pending; /* DEFERRED_; changed with interrupts off */

/* Leave work. Interrupts off; it is done when the interrupt ends, or the last hold. */
static inline void raise_deferred(unsigned int bits)
{
	deferred_pending |= bits;
}

/* Do what is left to do, if interrupts are on and no lock is held. From any context. */
void deferred_run(void);

/*
 * Take a spinlock that deferred work takes, too, but no interrupt handler: interrupts stay on. Not
 * for a caller that has turned interrupts off for its own good; then deferred work waits for the
 * next interrupt.
 */
static inline void spin_lock_deferring(spinlock_t *lock) ACQUIRES(lock)
{
	deferred_holds++;
	__asm__ __volatile__("" : : : "memory");
	spin_lock(lock);
}
static inline void spin_unlock_deferring(spinlock_t *lock) RELEASES(lock)
{
	spin_unlock(lock);
	__asm__ __volatile__("" : : : "memory");
	deferred_holds--;
	if (unlikely(READ_ONCE(deferred_pending)))
		deferred_run();
}
