/* SPDX-License-Identifier: MIT */
/*
 * time.c: clocks and sleeping by them.
 *
 *	CLOCK_MONOTONIC, BOOTTIME, MONOTONIC_RAW, *_COARSE	port_clock_ns()
 *	CLOCK_REALTIME, TAI	the same + realtime_offset (the RTC at boot, or as set)
 *	CLOCK_REALTIME_ALARM, BOOTTIME_ALARM	as without ALARM: the machine never sleeps
 *	CPU time of processes and threads	cpu_clock.c
 *
 * A sleep is a deadline on port_clock_ns()'s scale; an interrupted relative one leaves the
 * deadline in the task's restart block, so that stop and continue do not lengthen it.
 *
 * Locking: realtime_offset is one word. Sleeps are late by at most a tick, never early.
 */
#include <pagoda/errno.h>
#include <pagoda/port.h>
#include <pagoda/uaccess.h>
#include <kernel/clock_timer.h>
#include <kernel/cpu_clock.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>
#include <kernel/time.h>

static u64 realtime_offset;

void time_init(u64 boot_wallclock_ns)
{
	realtime_offset = boot_wallclock_ns;
}

u64 ktime_get_real_ns(void)
{
	return READ_ONCE(realtime_offset) + port_clock_ns();
}

u64 boot_realtime_ns(void)
{
	return READ_ONCE(realtime_offset);
}

u64 deadline_after(u64 ns)
{
	u64 now = port_clock_ns();

	return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

/* ---- struct timespec and timeval ------------------------------------------------------------ */

struct timespec ns_to_timespec(u64 ns)
{
	return (struct timespec){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

int get_timespec_ns(unsigned long uaddr, u64 *ns)
{
	struct timespec ts;

	if (copy_from_user(&ts, uaddr, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || (u64)ts.tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if ((u64)ts.tv_sec > UINT64_MAX / NSEC_PER_SEC - 1)
		*ns = UINT64_MAX;
	else
		*ns = (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
	return 0;
}

int put_timespec_ns(unsigned long uaddr, u64 ns)
{
	struct timespec ts = ns_to_timespec(ns);

	return copy_to_user(uaddr, &ts, sizeof(ts)) ? -EFAULT : 0;
}

/* ---- Reading and setting --------------------------------------------------------------------- */

static int read_clock(int which, u64 *ns)
{
	if (is_cpu_clock(which))
		return cpu_clock_read(which, ns);
	switch (which) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = ktime_get_real_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = port_clock_ns();
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_clock_gettime(unsigned long which, unsigned long uts)
{
	u64 ns;
	int error = read_clock((int)which, &ns);

	return error ? error : put_timespec_ns(uts, ns);
}

static int read_resolution(int which, u64 *ns)
{
	int error;

	if (is_cpu_clock(which))
		return cpu_clock_resolution(which, ns);
	error = read_clock(which, ns);
	*ns = which == CLOCK_REALTIME_COARSE || which == CLOCK_MONOTONIC_COARSE ? TICK_NS : 1;
	return error;
}

long sys_clock_getres(unsigned long which, unsigned long uts)
{
	u64 ns;
	int error = read_resolution((int)which, &ns);

	if (error || !uts)
		return error;
	return put_timespec_ns(uts, ns);
}

/* Linux keeps thirty years for the machine to be up; time did not begin after the boot. */
#define REALTIME_MAX_NS ((u64)INT64_MAX - 30ull * 365 * 24 * 3600 * NSEC_PER_SEC)

static long set_realtime(u64 ns)
{
	if (ns >= REALTIME_MAX_NS)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (ns < port_clock_ns())
		return -EINVAL;
	WRITE_ONCE(realtime_offset, ns - port_clock_ns());
	clock_timers_clock_set();
	return 0;
}

/*
 * CPU clocks and clocks of devices cannot be set: -EPERM if there is such a CPU clock, else
 * -EINVAL; -EFAULT.
 */
static long refuse_to_set(int which, unsigned long uts)
{
	struct timespec ts;
	u64 ns;

	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	return is_cpu_clock(which) && !cpu_clock_resolution(which, &ns) ? -EPERM : -EINVAL;
}

long sys_clock_settime(unsigned long which, unsigned long uts)
{
	u64 ns;
	int error;

	if ((int)which < 0)
		return refuse_to_set((int)which, uts);
	if ((int)which != CLOCK_REALTIME)
		return -EINVAL;
	error = get_timespec_ns(uts, &ns);
	return error ? error : set_realtime(ns);
}

long sys_gettimeofday(unsigned long utv, unsigned long utz)
{
	u64 us = ktime_get_real_ns() / NSEC_PER_USEC;
	struct timeval tv = {(s64)(us / USEC_PER_SEC), (s64)(us % USEC_PER_SEC)};
	u64 utc = 0; /* tz_minuteswest, tz_dsttime */

	if (utv && copy_to_user(utv, &tv, sizeof(tv)))
		return -EFAULT;
	if (utz && put_user(utc, utz))
		return -EFAULT;
	return 0;
}

#define ZONE_MAX_MINUTES (15 * 60)

/* struct timezone: read and checked, and then forgotten, as the kernel keeps UTC only. */
struct timezone {
	s32 minutes_west, dst;
};
static_assert(sizeof(struct timezone) == 8, "struct timezone of the ABI");

static bool is_time_of_day(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && (u64)tv->tv_sec <= REALTIME_MAX_NS / NSEC_PER_SEC;
}

long sys_settimeofday(unsigned long utv, unsigned long utz)
{
	struct timezone zone = {0, 0};
	struct timeval tv = {0, 0};

	if (utv && copy_from_user(&tv, utv, sizeof(tv)))
		return -EFAULT;
	if ((u64)tv.tv_usec >= USEC_PER_SEC)
		return -EINVAL;
	if (utz && copy_from_user(&zone, utz, sizeof(zone)))
		return -EFAULT;
	if (!is_time_of_day(&tv))
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (zone.minutes_west > ZONE_MAX_MINUTES || zone.minutes_west < -ZONE_MAX_MINUTES)
		return -EINVAL;
	if (!utv)
		return 0;
	return set_realtime((u64)tv.tv_sec * NSEC_PER_SEC + (u64)tv.tv_usec * NSEC_PER_USEC);
}

long sys_time(unsigned long utime)
{
	s64 now = (s64)(ktime_get_real_ns() / NSEC_PER_SEC);

	if (utime && put_user(now, utime))
		return -EFAULT;
	return now;
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

/* 0 when the deadline has passed; -EINTR. */
static int sleep_until(u64 deadline_ns)
{
	while (port_clock_ns() < deadline_ns) {
		if (signal_pending())
			return -EINTR;
		port_park(deadline_ns);
	}
	return 0;
}

static long continue_sleep(struct fs_restart *restart)
{
	u64 now;

	if (!sleep_until(restart->deadline_ns))
		return 0;
	now = port_clock_ns();
	if (restart->arg[0] &&
	    put_timespec_ns(restart->arg[0],
			    restart->deadline_ns > now ? restart->deadline_ns - now : 0))
		return -EFAULT;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(u64 ns, unsigned long urem)
{
	struct fs_restart *restart = &current->fs.restart;

	restart->fn = continue_sleep;
	restart->deadline_ns = deadline_after(ns);
	restart->arg[0] = urem;
	return continue_sleep(restart);
}

long sys_nanosleep(unsigned long ureq, unsigned long urem)
{
	u64 ns;
	int error = get_timespec_ns(ureq, &ns);

	return error ? error : sleep_relative(ns, urem);
}

int check_waiting_clock(int which)
{
	if (is_cpu_clock(which))
		return 0;
	if (which < 0)
		return -EOPNOTSUPP; /* a device's */
	switch (which) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
	case CLOCK_REALTIME_ALARM: /* the machine never sleeps: as without ALARM */
	case CLOCK_BOOTTIME_ALARM:
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

static int check_alarm(int which, unsigned int flags)
{
	if (which != CLOCK_REALTIME_ALARM && which != CLOCK_BOOTTIME_ALARM)
		return 0;
	if (flags & ~TIMER_ABSTIME)
		return -EINVAL;
	return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
}

static bool is_of_day(int which)
{
	return which == CLOCK_REALTIME || which == CLOCK_TAI || which == CLOCK_REALTIME_ALARM;
}

static long sleep_until_time(int which, u64 ns)
{
	u64 offset = is_of_day(which) && ns != UINT64_MAX ? READ_ONCE(realtime_offset) : 0;

	return sleep_until(ns > offset ? ns - offset : 0) ? -ERESTARTNOHAND : 0;
}

long sys_clock_nanosleep(unsigned long uwhich, unsigned long flags, unsigned long ureq,
			 unsigned long urem)
{
	int which = (int)uwhich,
	    error = which == CLOCK_THREAD_CPUTIME_ID ? -EOPNOTSUPP : check_waiting_clock(which);
	bool absolute = flags & TIMER_ABSTIME;
	u64 ns;

	if (error)
		return error;
	error = get_timespec_ns(ureq, &ns);
	if (error)
		return error;
	if (is_cpu_clock(which))
		return cpu_clock_sleep(which, ns, absolute, urem);
	error = check_alarm(which, (unsigned int)flags);
	if (error)
		return error;
	return absolute ? sleep_until_time(which, ns) : sleep_relative(ns, urem);
}

long sys_restart_syscall(void)
{
	struct fs_restart *restart = &current->fs.restart;

	return restart->fn ? restart->fn(restart) : -EINTR;
}
