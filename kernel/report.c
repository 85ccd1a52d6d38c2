/* SPDX-License-Identifier: MIT */
/*
 * report.c: what the guest's init says through /dev/pagoda, and the report.
 *
 *	start		frames are counted: the baseline of conservation
 *	mark		(by the child) its next execve ...
 *	  execve	... sets the baseline of the events and the peaks
 *	execfail N	that execve failed
 *	exit N		the program is over: report, flush, power off
 *
 * The report is one line of JSON on STREAM_CONTROL. Frames are counted when nothing but init
 * is left, with what init and the root's files have in swap brought back, and the structures of
 * ended tasks and idle per-CPU lists given back, and what is cached of disks dropped, so that the
 * two counts are equal unless something leaked, and no slot of swap is in use. Then the core checks
 * its structures; what it finds wrong is a panic.
 *
 * Locking: one writer (init and its child take turns); unknown calls under unknown_lock.
 */
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/init.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include <asm/pgtable.h>
#include <kernel/latency.h>
#include <kernel/report.h>
#include <kernel/residency.h>
#include <kernel/sched.h>
#include <asm/pgalloc.h>

#define REPORT_BYTES	8192
#define DROP_ROUNDS	3  /* names hold inodes, inodes pages */
#define UNKNOWN_NUMBERS 32 /* different ones remembered */

static u64 entry_tsc, first_user_tsc, exit_tsc;
static unsigned long baseline[NR_VM_EVENTS];
static unsigned long peak_rss_pages, peak_pgtables_bytes;
static unsigned long frames_start;
static int exec_errno;

static struct {
	unsigned long nr, count;
} unknown[UNKNOWN_NUMBERS]; /* unknown_lock */
static spinlock_t unknown_lock = SPIN_LOCK_INIT(RANK_NONE);

void report_init(u64 tsc)
{
	entry_tsc = tsc;
}

void report_unknown_syscall(unsigned long nr)
{
	unsigned long flags;

	spin_lock_irqsave(&unknown_lock, flags);
	for (int i = 0; i < UNKNOWN_NUMBERS; i++) {
		if (unknown[i].count && unknown[i].nr != nr)
			continue;
		unknown[i].nr = nr;
		unknown[i].count++;
		break;
	}
	spin_unlock_irqrestore(&unknown_lock, flags);
}

void report_exec(void)
{
	struct task_struct *me = current;

	if (!me->report_marked)
		return;
	me->report_marked = false;
	for (int e = 0; e < NR_VM_EVENTS; e++)
		baseline[e] = vm_event_sum((enum vm_event)e);
	peak_rss_pages = peak_pgtables_bytes = 0;
	memset(unknown, 0, sizeof(unknown));
	residency_watch();
	first_user_tsc = machine_cycles();
}

void report_mm_exit(struct mm_struct *mm)
{
	peak_rss_pages = max(peak_rss_pages, get_mm_hiwater_rss(mm));
	peak_pgtables_bytes = max(peak_pgtables_bytes, READ_ONCE(mm->hiwater_pgtables_bytes));
	residency_mm_exit(mm);
}

static void drop_caches(void)
{
	for (int round = 0; round < DROP_ROUNDS; round++) {
		(void)drop_pagecache();
		(void)drop_shrinkable();
	}
}

/*
 * Free frames, those counted in that kernel mappings keep for their tables for good, those that
 * slabs keep only because objects of others lie scattered in them, and the maps of swap areas, as
 * the program may swapoff.
 */
static unsigned long count_frames(void)
{
	free_dead_tasks(true);
	drop_caches();
	(void)kmem_cache_shrink_all();
	drain_pgt_cache();
	drain_all_pages();
	return nr_free_pages() + nr_kernel_tables + kmem_cache_spare_pages() + swap_map_pages();
}

/* ---- The line -------------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t len, size;
};

static void __printf(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = pagoda_vsnprintf(t->buf + t->len, t->size - t->len, fmt, args);
	va_end(args);
	t->len = min(t->len + (size_t)n, t->size - 1);
}

static void add_events(struct text *t)
{
	for (int e = 0; e < NR_VM_EVENTS; e++)
		add(t, "%s\"%s\":%lu", e ? "," : "", vm_event_names[e],
		    vm_event_sum((enum vm_event)e) - baseline[e]);
}

static void add_unknown(struct text *t)
{
	for (int i = 0; i < UNKNOWN_NUMBERS && unknown[i].count; i++)
		add(t, "%s\"%lu\":%lu", i ? "," : "", unknown[i].nr, unknown[i].count);
}

/* A string in quotes, as JSON wants it; bytes that are no ASCII text become '?'. */
static void add_string(struct text *t, const char *word, size_t length)
{
	add(t, "\"");
	for (size_t i = 0; i < length; i++) {
		char c = word[i] >= ' ' && word[i] <= '~' ? word[i] : '?';

		add(t, c == '"' || c == '\\' ? "\\%c" : "%c", c);
	}
	add(t, "\"");
}

/* A list of strings under way. */
struct word_list {
	struct text *text;
	unsigned int nr;
};

static void list_word(struct word_list *list, const char *word, size_t length)
{
	if (list->nr++)
		add(list->text, ",");
	add_string(list->text, word, length);
}

static void list_unknown_word(void *arg, const char *word, size_t length)
{
	if (!boot_word_is_known(word, length))
		list_word(arg, word, length);
}

static void list_known_word(void *arg, const struct boot_word *word)
{
	list_word(arg, word->name, strlen(word->name));
}

/* The words of the command line that nobody knows, and those that somebody does. */
static void add_boot_words(struct text *t)
{
	struct word_list unknown_words = {.text = t}, known_words = {.text = t};

	add(t, ",\"unknown_words\":[");
	for_each_boot_word(list_unknown_word, &unknown_words)
		;
	add(t, "],\"known_words\":[");
	for_each_known_word(list_known_word, &known_words)
		;
	add(t, "]");
}

void stream_write_all(enum machine_stream stream, const char *buf, size_t len)
{
	while (len) {
		size_t n = machine_stream_write(stream, buf, len);

		if (!n)
			machine_stream_flush(stream);
		buf += n;
		len -= n;
	}
}

/* The line, of what has been counted since the program's execve. */
static void add_report(struct text *t, int wait_status)
{
	add(t, "{\"type\":\"report\",\"wait_status\":%d,\"exec_errno\":%d,\"events\":{",
	    wait_status, exec_errno);
	add_events(t);
	add(t, "},\"peak_rss_kb\":%lu,\"pgtables_peak_kb\":%lu",
	    peak_rss_pages * (PAGE_SIZE / 1024), peak_pgtables_bytes / 1024);
	add(t, ",\"boot\":{\"entry_tsc\":%lu,\"host_wait_tsc\":%lu,\"first_user_tsc\":%lu",
	    (unsigned long)entry_tsc, (unsigned long)machine_stream_wait_cycles(),
	    (unsigned long)first_user_tsc);
	add(t, ",\"exit_tsc\":%lu},\"unknown_syscalls\":{", (unsigned long)exit_tsc);
	add_unknown(t);
	add(t, "}");
	add_boot_words(t);
}

static void send_report(int wait_status)
{
	unsigned long slots = swap_settle(), frames_end = count_frames();
	struct text t = {kmalloc(REPORT_BYTES, GFP_KERNEL), 0, REPORT_BYTES};

	mm_validate_all();
	validate_swap();
	if (!t.buf) {
		pr_err("report: no memory\n");
		return;
	}
	add_report(&t, wait_status);
	add(&t, ",\"swap_slots_used\":%lu", slots);
	add(&t, ",\"frames_free_start\":%lu,\"frames_free_end\":%lu,\"warnings\":%u}\n",
	    frames_start, frames_end, nr_warnings);
	if (machine_stream_present(STREAM_CONTROL))
		stream_write_all(STREAM_CONTROL, t.buf, t.len);
	kfree(t.buf);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* "word N": the number into *value; false if text is not that. */
static bool is_word_number(const char *text, const char *word, int *value)
{
	size_t n = strlen(word);
	bool negative;

	if (strncmp(text, word, n) != 0 || text[n] != ' ')
		return false;
	text += n + 1;
	negative = *text == '-';
	text += negative;
	for (*value = 0; *text >= '0' && *text <= '9'; text++)
		*value = *value * 10 + (*text - '0');
	if (negative)
		*value = -*value;
	return *text == 0;
}

static __noreturn void finish(int wait_status)
{
	exit_tsc = machine_cycles();
	residency_stop();
	latency_report();
	fs_shutdown();
	send_report(wait_status);
	for (int s = 0; s < NR_STREAMS; s++)
		if (machine_stream_present((enum machine_stream)s))
			machine_stream_flush((enum machine_stream)s);
	machine_power_off(0);
}

long kernel_report_command(const char *command, size_t len)
{
	char text[64];
	int value;

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, command, len);
	text[len] = 0;
	if (strcmp(text, "start") == 0)
		frames_start = count_frames();
	else if (strcmp(text, "mark") == 0)
		current->report_marked = true;
	else if (is_word_number(text, "execfail", &value))
		exec_errno = value;
	else if (is_word_number(text, "exit", &value))
		finish(value);
	else
		return -EINVAL;
	return (long)len;
}
