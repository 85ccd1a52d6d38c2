/* SPDX-License-Identifier: MIT */
/*
 * cmdline.c: which words of the command line this kernel and its file systems listen to.
 *
 * The core has a table of its own (mm/base/options.c). What stands in neither goes to the first
 * program (init_words.c), and the report lists it, so that a misspelt word is seen.
 * Constant; no locks, no failure.
 */
#include <kernel/cmdline.h>

static const struct boot_word kernel_boot_words[] = {
	{"init", "=PATH of the first program"},
	{"loglevel", "=0 to 3: which messages go to the log"},
	{"swap", "=DISK to swap to"},
	{"residency", "=MS: look at the program's pages that often"},
	{"latency_debug",
	 "measure for how long nobody else could run, and for how long interrupts were off"},
	{"latency_test", "exceed both limits on purpose"},
	{"conformance", "or =TIER: test the machine's port up to that tier, then power off"},
	{"panic_test", "or =KIND: panic at once"},
	{"root", "=DISK whose ext2 file system the program sees"},
	{"tty.rows", "=N lines of the terminal"},
	{"tty.cols", "=N columns of the terminal"},
	{"stdin", "=tty or =stream"},
	{"stdout", "=tty or =stream"},
	{"stderr", "=tty or =stream"},
	{NULL, NULL},
};

void cmdline_init(const char *cmdline)
{
	boot_options_init(cmdline);
	boot_words_add(kernel_boot_words);
}
