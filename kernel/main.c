/* SPDX-License-Identifier: MIT */
/*
 * main.c: from the machine's entry to pid 1.
 *
 *	kernel_main (boot context, becomes CPU 0's idle task)
 *	  mm_boot		memory
 *	  task tables		pids, caches, scheduler
 *	  machine_init		interrupts, clock, devices
 *	  pid 1, a kernel thread so far
 *	idle
 *
 *	first_task (pid 1)
 *	  fs_init		root, /dev, /proc; the initramfs is unpacked, its memory freed meanwhile
 *	  the init sections go to the buddy allocator
 *	  mm_start_threads	kswapd and friends
 *	  exec of init= (default /init), with the words that init_words.c has for it: from here on it
 *	  is a user process
 *
 * Words of the command line: cmdline.c.
 * Failure: what the kernel itself lacks is a panic; an initramfs, disk or init that cannot be used
 * ends the machine with one line, "BOOT FAILED: ...".
 */
#include <pagoda/blkdev.h>
#include <pagoda/bootmem.h>
#include <pagoda/bug.h>
#include <pagoda/conformance.h>
#include <pagoda/init.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/errno.h>
#include <pagoda/oom.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>
#include <pagoda/vmalloc.h>
#include <kernel/cmdline.h>
#include <kernel/exec.h>
#include <kernel/futex.h>
#include <kernel/init_words.h>
#include <kernel/latency.h>
#include <kernel/process.h>
#include <kernel/report.h>
#include <kernel/residency.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

#define BOOT_FAILED_STATUS	  71 /* for QEMU's isa-debug-exit; a panic's is 70 */
#define CONFORMANCE_FAILED_STATUS 72

static struct boot_info *boot;

/* ---- Boot options ---------------------------------------------------------------------------- */

static void read_boot_options(void)
{
	unsigned long level;

	cmdline_init(boot->cmdline);
	level = boot_option_number("loglevel", PORT_LOG_DEBUG + 1);
	if (level <= PORT_LOG_DEBUG)
		machine_log_level((enum port_log_level)level);
}

/* ---- Failing --------------------------------------------------------------------------------- */

static const char *reason(long error)
{
	switch (error) {
	case ENOMEM:
	case ENOSPC:
		return "not enough memory";
	case EIO:
		return "input/output error";
	case EINVAL:
		return "its contents are not valid";
	case ENOENT:
		return "no such file";
	case EACCES:
	case ENOEXEC:
		return "not an executable";
	case ENXIO:
		return "no such device";
	default:
		return "refused";
	}
}

/*
 * What the machine was given cannot be used: no fault of the kernel's, so no panic with registers.
 * The host command looks for these words.
 */
static __noreturn void boot_failed(const char *what, long error)
{
	pr_err("BOOT FAILED: cannot %s: %s (error %ld)\n", what, reason(error), error);
	machine_power_off(BOOT_FAILED_STATUS);
}

/* ---- Pid 1 ----------------------------------------------------------------------------------- */

/*
 * Where the initramfs can be read, or NULL. Firmware may call its last frames its own, so that
 * the direct map does not have them: SeaBIOS does, when it has queues for many disks.
 */
static void *map_initrd(size_t size)
{
	if (!size)
		return NULL;
	if (boot->initrd_end <= PFN_PHYS(max_low_pfn))
		return __va(boot->initrd_start);
	return ioremap(boot->initrd_start, size);
}

static size_t initrd_freed; /* of its bytes, from the front */
static unsigned long initrd_freed_frames;

/* What has been unpacked makes room for the rest. */
static void free_initrd(size_t bytes)
{
	phys_addr_t start = boot->initrd_start, end = PFN_PHYS(PFN_DOWN(start + bytes));

	initrd_freed_frames += mm_free_range(start + initrd_freed, end);
	initrd_freed = (size_t)(end - start);
}

static void mount_root(void)
{
	size_t size = boot->initrd_end > boot->initrd_start
			      ? (size_t)(boot->initrd_end - boot->initrd_start)
			      : 0;
	void *initrd = map_initrd(size);
	bool direct = initrd == __va(boot->initrd_start);
	struct fs_boot fs = {
		.cmdline = boot->cmdline,
		.archive = initrd,
		.size = initrd ? size : 0,
		.consumed = direct ? free_initrd : NULL,
	};
	int error;

	task_io_init();
	error = fs_init(&current->fs, &fs);
	if (error)
		boot_failed(fs.failed, -error);
	if (initrd && !direct)
		iounmap(initrd);
	if (initrd)
		free_initrd(size);
	pr_info("freed %luk of the initramfs\n", initrd_freed_frames << (PAGE_SHIFT - 10));
}

/* "swap=vda": swap to that disk. If that fails the boot fails: the user asked for it. */
static void swap_on_if_asked(void)
{
	char name[16], path[24], what[40];
	struct block_device *bdev;
	int error;

	if (!boot_option_copy("swap", name, sizeof(name)))
		return;
	bdev = find_block_device(name);
	pagoda_snprintf(path, sizeof(path), "/dev/%s", name);
	error = bdev ? sys_swapon_bdev(bdev, path, 0) : -ENXIO;
	if (error) {
		pagoda_snprintf(what, sizeof(what), "swap to %s", path);
		boot_failed(what, -error);
	}
	pr_info("swap: %s, %lu pages\n", path, (unsigned long)total_swap_pages);
}

/* "residency=MS": look at the program's pages that often, at most once a millisecond. */
static void watch_pages_if_asked(void)
{
	if (boot_option("residency", NULL))
		residency_init((unsigned int)boot_option_number("residency", 0));
}

/* "panic_test" or "panic_test=KIND": how the machine dies is a thing to test as well. */
static void panic_if_asked(void)
{
	char kind[16] = "";

	if (!boot_option_copy("panic_test", kind, sizeof(kind)))
		return;
	machine_crash(kind);
	panic("panic_test: asked for on the command line");
}

/* "conformance" or "conformance=TIER": does the machine keep the contract of port.h? */
static void test_port_if_asked(void)
{
	if (!boot_option("conformance", NULL))
		return;
	if (pagoda_conformance((unsigned int)boot_option_number("conformance", ~0ul)))
		machine_power_off(CONFORMANCE_FAILED_STATUS);
	machine_power_off(0);
}

/* The first program, with what the command line has for it. Does not return on failure. */
static void execute_init(void)
{
	struct init_words *init = init_words_of(boot->cmdline);
	char what[64];
	long error;

	if (!init)
		boot_failed("execute init", ENOMEM);
	error = do_execve(AT_FDCWD, init->path,
			  (struct arg_list){.kernel = true, .strings = init->argv},
			  (struct arg_list){.kernel = true, .strings = init->envp}, 0);
	if (error) {
		pagoda_snprintf(what, sizeof(what), "execute %s", init->path);
		boot_failed(what, -error);
	}
	kfree(init);
}

static void first_task(void *arg)
{
	(void)arg;
	panic_if_asked();
	test_port_if_asked();
	if (boot_option("latency_test", NULL))
		latency_test();
	mount_root();
	machine_unmap_init();
	free_initmem();
	mm_start_threads();
	swap_on_if_asked();
	watch_pages_if_asked();
	execute_init();
	machine_enter_user(&current->thread);
}

static void start_first_task(void)
{
	struct task_struct *t = kthread_alloc("init", first_task, NULL);

	if (!t)
		panic("no memory for the first task");
	spin_lock_deferring(&tasklist_lock);
	child_reaper = t;
	t->signal->unkillable = true;
	t->exit_signal = SIGCHLD;
	attach_pid_locked(t, PIDTYPE_PGRP, t->pid_struct);
	attach_pid_locked(t, PIDTYPE_SESSION, t->pid_struct);
	t->signal->session_leader = true;
	spin_unlock_deferring(&tasklist_lock);
	wake_up_new_task(t);
}

/* ---- Boot ------------------------------------------------------------------------------------ */

static void boot_memory(void)
{
	struct mm_boot_info info = {
		.kernel_start = boot->kernel_start,
		.kernel_end = boot->kernel_end,
		.init_start = boot->init_start,
		.init_end = boot->init_end,
		.initrd_start = boot->initrd_start,
		.initrd_end = boot->initrd_end,
		.options = boot->cmdline,
		.seed = (unsigned long)port_clock_ns(),
	};

	mm_boot(&info);
}

void kernel_main(struct boot_info *bi)
{
	boot = bi;
	read_boot_options();
	report_init(bi->entry_tsc);
	boot_memory();
	pid_init();
	fork_init();
	oom_kernel_pages = task_kernel_pages;
	sigqueues_init();
	futex_init();
	timers_init();
	sched_init();
	machine_init(bi);
	time_init(machine_boot_wallclock_ns());
	if (boot_option("latency_debug", NULL))
		latency_init();
	start_first_task();
	cpu_idle();
}
