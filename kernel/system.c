/* SPDX-License-Identifier: MIT */
/*
 * system.c: calls about the system as a whole: names, memory totals, the log, random bytes, power;
 * and arch_prctl and personality. prctl has a file of its own (prctl.c).
 *
 * Locking: names under uts_lock; the rest reads words or changes the current task only.
 */
#include <pagoda/swap.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ldt.h>
#include <asm/ptrace.h>
#include <kernel/latency.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

/* ---- Names ----------------------------------------------------------------------------------- */

#define UTS_FIELD 65

struct utsname {
	char sysname[UTS_FIELD], nodename[UTS_FIELD], release[UTS_FIELD], version[UTS_FIELD],
		machine[UTS_FIELD], domainname[UTS_FIELD];
};

static spinlock_t uts_lock = SPIN_LOCK_INIT(RANK_NONE);
static struct utsname uts = {"Linux", "pagoda", "6.1.0-pagoda", "#1 Pagoda", "x86_64", "(none)"};

long sys_uname(unsigned long uaddr)
{
	struct utsname copy;
	unsigned long flags;

	spin_lock_irqsave(&uts_lock, flags);
	copy = uts;
	spin_unlock_irqrestore(&uts_lock, flags);
	return copy_to_user(uaddr, &copy, sizeof(copy)) ? -EFAULT : 0;
}

static void set_name(char *field, const char *name, size_t len)
{
	unsigned long flags;

	spin_lock_irqsave(&uts_lock, flags);
	memset(field, 0, UTS_FIELD);
	memcpy(field, name, min(len, UTS_FIELD - 1ul));
	spin_unlock_irqrestore(&uts_lock, flags);
}

static long set_user_name(char *field, unsigned long uname, int len)
{
	char name[UTS_FIELD];

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > UTS_FIELD - 1)
		return -EINVAL;
	if (copy_from_user(name, uname, (size_t)len))
		return -EFAULT;
	set_name(field, name, (size_t)len);
	return 0;
}

long sys_sethostname(unsigned long uname, unsigned long len)
{
	return set_user_name(uts.nodename, uname, (int)len);
}

long sys_setdomainname(unsigned long uname, unsigned long len)
{
	return set_user_name(uts.domainname, uname, (int)len);
}

const char *fs_hook_hostname(void)
{
	return uts.nodename;
}

void fs_hook_set_hostname(const char *name, size_t len)
{
	set_name(uts.nodename, name, len);
}

/* ---- Totals ---------------------------------------------------------------------------------- */

struct sysinfo {
	long uptime;
	unsigned long loads[3]; /* scaled by 65536 */
	unsigned long totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u32 pad2;
	unsigned long totalhigh, freehigh;
	u32 mem_unit, pad3;
};
static_assert(sizeof(struct sysinfo) == 112, "sysinfo's layout");

long sys_sysinfo(unsigned long uaddr)
{
	struct fs_system_info totals;
	struct sysinfo info;

	memset(&totals, 0, sizeof(totals));
	sched_system_info(&totals);
	memset(&info, 0, sizeof(info));
	info.uptime = (long)(port_clock_ns() / NSEC_PER_SEC);
	for (int i = 0; i < 3; i++)
		info.loads[i] = totals.load_fixed[i] << 5;
	info.totalram = totalram_pages() * PAGE_SIZE;
	info.totalswap = (unsigned long)total_swap_pages * PAGE_SIZE;
	info.freeswap = (unsigned long)atomic_long_read(&nr_swap_pages) * PAGE_SIZE;
	info.freeram = nr_free_pages() * PAGE_SIZE;
	info.sharedram = (unsigned long)atomic_long_read(&nr_shmem_pages) * PAGE_SIZE;
	info.procs = (u16)nr_tasks;
	info.totalhigh = totalhigh_pages() * PAGE_SIZE;
	info.freehigh = nr_free_highpages() * PAGE_SIZE;
	info.mem_unit = 1;
	return copy_to_user(uaddr, &info, sizeof(info)) ? -EFAULT : 0;
}

/* ---- The kernel's log ------------------------------------------------------------------------ */

#define LOG_CHUNK	 512
#define SYSLOG_BUF_BYTES (64 * 1024)

static unsigned long syslog_read_position, syslog_clear_position;

static long read_log(unsigned long *position, unsigned long ubuf, size_t len)
{
	char chunk[LOG_CHUNK];
	size_t done = 0, n;

	while (done < len) {
		n = machine_log_read(position, chunk, min(len - done, sizeof(chunk)));
		if (!n)
			break;
		if (copy_to_user(ubuf + done, chunk, n))
			return -EFAULT;
		done += n;
	}
	return (long)done;
}

/* Where the log ends now. */
static unsigned long log_end(unsigned long position)
{
	char chunk[LOG_CHUNK];

	while (machine_log_read(&position, chunk, sizeof(chunk)))
		;
	return position;
}

long sys_syslog(unsigned long type, unsigned long ubuf, unsigned long len)
{
	unsigned long position = syslog_clear_position;
	long ret;

	if (type != 3 && type != 10 && !capable(CAP_SYSLOG))
		return -EPERM;
	switch ((int)type) {
	case 0: /* close, open */
	case 1:
		return 0;
	case 2: /* read on */
		if (!ubuf || (int)len < 0)
			return -EINVAL;
		return read_log(&syslog_read_position, ubuf, (unsigned int)len);
	case 3: /* read all since clear; and clear */
	case 4:
		if (!ubuf || (int)len < 0)
			return -EINVAL;
		ret = read_log(&position, ubuf, (unsigned int)len);
		if (type == 4)
			syslog_clear_position = log_end(position);
		return ret;
	case 5: /* clear */
		syslog_clear_position = log_end(position);
		return 0;
	case 6: /* console off, on, level */
	case 7:
		return 0;
	case 8:
		return (int)len < 1 || (int)len > 8 ? -EINVAL : 0;
	case 9: /* unread bytes: told by reading */
		return 0;
	case 10:
		return SYSLOG_BUF_BYTES;
	default:
		return -EINVAL;
	}
}

/* ---- Random bytes ---------------------------------------------------------------------------- */

#define GRND_NONBLOCK 1u
#define GRND_RANDOM   2u
#define GRND_INSECURE 4u

long sys_getrandom(unsigned long ubuf, unsigned long len, unsigned long flags)
{
	u8 chunk[256];
	size_t done, n, left;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE))
		return -EINVAL;
	len = min(len, 0x7fffffful << 5 | 0x1ful);
	for (done = 0; done < len; done += n) {
		n = min(len - done, sizeof(chunk));
		machine_random(chunk, n);
		left = copy_to_user(ubuf + done, chunk, n);
		if (left)
			return done + n > left ? (long)(done + n - left) : -EFAULT;
		if (signal_pending())
			return (long)(done + n);
		port_cond_resched();
	}
	return (long)done;
}

/* ---- Power ----------------------------------------------------------------------------------- */

#define REBOOT_MAGIC	 0xfee1deadu
#define REBOOT_RESTART	 0x01234567u
#define REBOOT_HALT	 0xcdef0123u
#define REBOOT_POWER_OFF 0x4321fedcu
#define REBOOT_CAD_ON	 0x89abcdefu
#define REBOOT_CAD_OFF	 0u

long sys_reboot(unsigned long magic, unsigned long magic2, unsigned long command)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if ((u32)magic != REBOOT_MAGIC || ((u32)magic2 != 672274793 && (u32)magic2 != 85072278 &&
					   (u32)magic2 != 369367448 && (u32)magic2 != 537993216))
		return -EINVAL;
	switch ((u32)command) {
	case REBOOT_RESTART:
	case REBOOT_HALT:
	case REBOOT_POWER_OFF:
		latency_report();
		fs_shutdown();
		for (int s = 0; s < NR_STREAMS; s++)
			machine_stream_flush((enum machine_stream)s);
		machine_power_off(0);
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- The processor's registers --------------------------------------------------------------- */

#define ARCH_SET_GS    0x1001
#define ARCH_SET_FS    0x1002
#define ARCH_GET_FS    0x1003
#define ARCH_GET_GS    0x1004
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012

/* An error comes as a number of 32 bits, as in Linux: libc's syscall() does not take it for one. */
long sys_modify_ldt(unsigned long func, unsigned long ptr, unsigned long bytes)
{
	return (long)(unsigned int)modify_ldt((int)func, ptr, bytes);
}

static enum machine_base which_base(bool is_fs)
{
	return is_fs ? MACHINE_FS_BASE : MACHINE_GS_BASE;
}

long sys_arch_prctl(unsigned long what, unsigned long addr)
{
	struct machine_thread *thread = &current->thread;
	int option = (int)what;
	unsigned long base;

	switch (option) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= TASK_SIZE)
			return -EPERM;
		machine_save_user_state(thread);
		machine_set_user_base(thread, which_base(option == ARCH_SET_FS), addr);
		machine_load_user_state(thread);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		machine_save_user_state(thread);
		base = machine_user_base(thread, which_base(option == ARCH_GET_FS));
		return put_user(base, addr) ? -EFAULT : 0;
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV;
	default:
		return -EINVAL;
	}
}

long sys_personality(unsigned long persona)
{
	unsigned int old = current->personality;

	if ((u32)persona != 0xffffffffu)
		current->personality = (u32)persona;
	return old;
}

/* ---- Where we are ---------------------------------------------------------------------------- */

long sys_getcpu(unsigned long ucpu, unsigned long unode)
{
	unsigned int cpu = port_cpu_id(), node = (unsigned int)port_cpu_to_node(cpu);

	if (ucpu && put_user(cpu, ucpu))
		return -EFAULT;
	return unode && put_user(node, unode) ? -EFAULT : 0;
}
