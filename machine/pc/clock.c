/* SPDX-License-Identifier: MIT */
/*
 * clock.c: nanoseconds from the time-stamp counter, the periodic tick, the wall clock.
 *
 * Frequencies of the time-stamp counter and of the local APIC's timer are measured once
 * against a clock of known rate: the ACPI timer (3.579545 MHz, read in one IN), or where
 * there is none channel 2 of the PIT (1.193182 MHz). Measuring takes CALIBRATE_MS: long
 * enough for a few parts in 10,000, short enough not to count in the boot (each
 * nanosecond is an instruction under -icount).
 *
 *	read:	t0 [reference] t1	the reference was read at (t0 + t1) / 2, give or take
 *					(t1 - t0) / 2: of READ_TRIES readings the one with
 *					the smallest window is kept
 *
 * Time is (counter - boot's counter) * mult >> 32: monotonic as long as the counter is, and
 * a counter common to all CPUs keeps them agreed. Before calibration it is 0.
 */
#include <pagoda/bug.h>
#include "io.h"
#include "pc.h"

#define HZ	      100
#define CALIBRATE_MS  2
#define READ_TRIES    4
#define NS_PER_SECOND 1000000000ull

#define PM_TIMER_HZ   3579545
#define PM_TIMER_MASK 0xffffff /* 24 bits on all machines, 32 on some */
#define PIT_HZ	      1193182
#define PIT_CHANNEL2  0x42
#define PIT_COMMAND   0x43
#define PIT_LATCH2    0x80
#define PIT_MODE0_CH2 0xb0 /* low then high byte, count down once */
#define PORT_SPEAKER  0x61
#define SPEAKER_GATE  0x01
#define SPEAKER_SOUND 0x02

static u64 tsc_base, tsc_mult;
static u64 wallclock_at_boot_ns;

/* ---- References ------------------------------------------------------------------------ */

struct reference {
	u32 hz, mask;
	u32 (*read)(void); /* counts up */
};

static u32 pm_timer_read(void)
{
	return inl(acpi_info.pm_timer) & PM_TIMER_MASK;
}

static u32 pit_read(void)
{
	u32 low;

	outb(PIT_COMMAND, PIT_LATCH2);
	low = inb(PIT_CHANNEL2);
	return 0xffff - (low | (u32)inb(PIT_CHANNEL2) << 8);
}

static void pit_start(void)
{
	outb(PORT_SPEAKER, (u8)((inb(PORT_SPEAKER) & ~SPEAKER_SOUND) | SPEAKER_GATE));
	outb(PIT_COMMAND, PIT_MODE0_CH2);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
}

static struct reference pick_reference(void)
{
	if (acpi_info.pm_timer != 0)
		return (struct reference){PM_TIMER_HZ, PM_TIMER_MASK, pm_timer_read};
	pit_start();
	return (struct reference){PIT_HZ, 0xffff, pit_read};
}

/* ---- Calibration -------------------------------------------------------------------------- */

struct reading {
	u64 tsc;
	u32 ref, apic;
};

static struct reading read_clocks(const struct reference *ref)
{
	struct reading best = {0};
	u64 best_window = UINT64_MAX;

	for (int i = 0; i < READ_TRIES; i++) {
		u64 before = rdtsc();
		u32 ref_now = ref->read();
		u64 window = rdtsc() - before;

		if (window < best_window) {
			best_window = window;
			best = (struct reading){before + window / 2, ref_now, apic_timer_count()};
		}
	}
	return best;
}

/* Measure both counters. Return: the tick's period in APIC timer counts. */
static u32 calibrate(u64 *tsc_hz)
{
	struct reference ref = pick_reference();
	u32 wanted = ref.hz / 1000 * CALIBRATE_MS;
	struct reading start, end;
	u64 passed;

	apic_timer_count_start();
	start = read_clocks(&ref);
	while (((ref.read() - start.ref) & ref.mask) < wanted)
		port_cpu_relax();
	end = read_clocks(&ref);
	passed = (end.ref - start.ref) & ref.mask;
	*tsc_hz = (end.tsc - start.tsc) * ref.hz / passed;
	return (u32)((u64)(end.apic - start.apic) * ref.hz / passed / HZ);
}

u64 port_clock_ns(void)
{
	return (u64)((unsigned __int128)(rdtsc() - tsc_base) * tsc_mult >> 32);
}

u64 machine_cycles(void)
{
	return rdtsc();
}

/* ---- The tick, and samples between ticks ----------------------------------------------------- */

static u32 tick_period; /* APIC timer counts */
static u64 cycles_per_tick;
static unsigned int samples_per_tick, samples_left; /* 0: no samples; left: until the next tick */
/* time-stamp counter when the next interrupt is due */
static u64 sample_due;

/*
 * The timer counts down from its period; what is left of it tells when the next interrupt is due.
 */
static u64 next_due(void)
{
	return rdtsc() + (u64)~apic_timer_count() * cycles_per_tick / tick_period;
}

/* A timer interrupt came while samples are taken. True: it is a tick as well. */
static bool sample(struct pt_regs *regs)
{
	u64 now = rdtsc(), late = now > sample_due ? now - sample_due : 0;

	sample_due = next_due();
	kernel_sample(regs, late);
	if (--samples_left)
		return false;
	samples_left = samples_per_tick;
	return true;
}

void machine_start_samples(unsigned int per_tick)
{
	unsigned long flags = port_irq_save();

	samples_per_tick = samples_left = per_tick;
	apic_timer_start(tick_period / per_tick);
	sample_due = next_due();
	port_irq_restore(flags);
}

static void tick(struct pt_regs *regs, unsigned int vector)
{
	(void)vector;
	apic_eoi();
	if (unlikely(samples_per_tick) && !sample(regs))
		return;
	stream_poll();
	kernel_tick(regs);
}

/* ---- The real-time clock (MC146818) --------------------------------------------------------- */

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_TRIES 5

enum {
	RTC_SECOND = 0,
	RTC_MINUTE = 2,
	RTC_HOUR = 4,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_STATUS_A = 10,
	RTC_STATUS_B = 11,
	RTC_CENTURY = 0x32
};
#define RTC_UPDATING 0x80
#define RTC_24_HOURS 0x02
#define RTC_BINARY   0x04
#define RTC_PM	     0x80

struct rtc_time {
	u8 second, minute, hour, day, month, year, century;
};

static u8 cmos_read(u8 index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

static struct rtc_time rtc_read_raw(void)
{
	return (struct rtc_time){cmos_read(RTC_SECOND), cmos_read(RTC_MINUTE), cmos_read(RTC_HOUR),
				 cmos_read(RTC_DAY),	cmos_read(RTC_MONTH),  cmos_read(RTC_YEAR),
				 cmos_read(RTC_CENTURY)};
}

/* Twice the same, outside of an update: then no digit was caught changing. */
static struct rtc_time rtc_read_stable(void)
{
	struct rtc_time last = rtc_read_raw(), now;

	for (int i = 0; i < CMOS_TRIES; i++, last = now) {
		now = rtc_read_raw();
		if (now.second == last.second && now.minute == last.minute &&
		    !(cmos_read(RTC_STATUS_A) & RTC_UPDATING))
			break;
	}
	return last;
}

static u8 from_bcd(u8 v)
{
	return (u8)((v >> 4) * 10 + (v & 15));
}

static void rtc_decode(struct rtc_time *t)
{
	u8 status = cmos_read(RTC_STATUS_B);
	bool pm = t->hour & RTC_PM;

	t->hour &= (u8)~RTC_PM;
	if (!(status & RTC_BINARY)) {
		u8 *const fields[] = {&t->second, &t->minute, &t->hour,	  &t->day,
				      &t->month,  &t->year,   &t->century};

		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			*fields[i] = from_bcd(*fields[i]);
	}
	if (!(status & RTC_24_HOURS))
		t->hour = (u8)(t->hour % 12 + (pm ? 12 : 0));
}

/*
 * Days since 1970-01-01 in the Gregorian calendar; years counted from March, so leap days come
 * last.
 */
static u64 days_since_1970(u64 year, u64 month, u64 day)
{
	u64 y = month <= 2 ? year - 1 : year;
	u64 m = month <= 2 ? month + 9 : month - 3;
	u64 days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;

	return days - 719468; /* the same sum for 1970-01-01 */
}

static u64 rtc_seconds(void)
{
	struct rtc_time t = rtc_read_stable();
	u64 century, days;

	rtc_decode(&t);
	century = t.century >= 19 && t.century <= 21 ? t.century : 20;
	days = days_since_1970(century * 100 + t.year, t.month, t.day);
	return ((days * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
}

u64 machine_boot_wallclock_ns(void)
{
	return wallclock_at_boot_ns;
}

void clock_init(struct boot_info *bi)
{
	u32 period = calibrate(&bi->tsc_hz);

	if (bi->tsc_hz == 0 || period == 0)
		panic("clock: calibration failed (tsc %llu Hz, tick %u)",
		      (unsigned long long)bi->tsc_hz, period);
	tsc_base = bi->entry_tsc;
	tsc_mult = (NS_PER_SECOND << 32) / bi->tsc_hz;
	wallclock_at_boot_ns = rtc_seconds() * NS_PER_SECOND - port_clock_ns();
	irq_set_handler(VECTOR_TICK, tick);
	tick_period = period;
	cycles_per_tick = bi->tsc_hz / HZ;
	apic_timer_start(period);
}
