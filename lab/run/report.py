# SPDX-License-Identifier: MIT
"""The memory report: what the program's memory did, for people and as JSON.

The numbers are the kernel's own counters since the program's image was ready (/init sets
the mark, see guest/init.c); here they are only named and laid out.
"""
import re

UNISTD = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"

# counter: what it means, in the order in which a reader wants them
FAULT_KINDS = [
    ("fault_anon", "anonymous", "first write to a private page"),
    ("fault_zero_map", "zero page", "first read: the shared page of zeros mapped"),
    ("fault_file", "file", "page of a mapped file"),
    ("fault_around", "around", "pages mapped along with a file's page (no faults)"),
    ("fault_cow_copy", "copy on write", "page was shared: copied"),
    ("fault_cow_reuse", "write, no copy", "page was no longer shared: made writable"),
    ("fault_cow_early", "file, copied", "write to a private file page: copied at once"),
    ("fault_mkwrite", "shared write", "first write to a shared file page"),
    ("fault_swap", "swap", "page read back from swap"),
    ("fault_spurious", "spurious", "already served, or a stale translation"),
    ("fault_stack_grow", "stack growth", "stack area extended (beside the kinds above)"),
    ("fault_kernel_fixup", "bad user copy", "system call got a bad pointer: EFAULT"),
    ("fault_segv", "SIGSEGV", "signals sent"),
    ("fault_sigbus", "SIGBUS", "signals sent"),
]
ALWAYS_SHOWN = {"fault_anon", "fault_zero_map", "fault_file", "fault_cow_copy"}


def human(size):
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            value = size / (1 << shift)
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
    return f"{size} bytes"


def kib(count):
    return f"{count:,} KiB"


def syscall_names():
    try:
        with open(UNISTD) as file:
            return {int(n): name for name, n in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}
    except OSError:
        return {}


def row(label, value, note=""):
    return f"  {label:<18}{value:>12}   {note}".rstrip()


def fault_rows(events):
    total, major = events.get("pgfault", 0), events.get("pgmajfault", 0)
    yield row("page faults", f"{total:,}", f"{total - major:,} minor, {major:,} major (waited for a disk)")
    for key, label, note in FAULT_KINDS:
        if events.get(key, 0) or key in ALWAYS_SHOWN:
            yield row("  " + label, f"{events.get(key, 0):,}", note)


def memory_rows(report):
    events = report["events"]
    yield row("peak resident", kib(report.get("peak_rss_kb", 0)))
    yield row("page tables", kib(report.get("pgtables_peak_kb", 0)),
              f"at the peak; {events.get('pgtable_alloc', 0):,} allocated, {events.get('pgtable_free', 0):,} freed")
    yield row("frames", f"{events.get('pgalloc', 0):,}", f"allocated; {events.get('pgfree', 0):,} freed")
    flushes = {k: events.get("tlb_flush_" + k, 0) for k in ("page", "range", "mm", "all")}
    yield row("TLB flushes", f"{sum(flushes.values()):,}", ", ".join(f"{n:,} {k}" for k, n in flushes.items()))


def pressure_rows(events):
    pressure = ["pgpgin", "pgpgout", "pswpin", "pswpout", "kswapd_wake", "allocstall", "oom_kill"]
    if not any(events.get(key, 0) for key in pressure):
        yield row("pressure", "none", "no page-in or -out, swap, reclaim or OOM kill")
        return
    yield row("paged in, out", f"{events.get('pgpgin', 0):,}", f"{events.get('pgpgout', 0):,} out")
    yield row("swapped in, out", f"{events.get('pswpin', 0):,}", f"{events.get('pswpout', 0):,} out")
    yield row("reclaim", f"{events.get('kswapd_wake', 0):,}",
              f"by kswapd; {events.get('allocstall', 0):,} direct; "
              f"{events.get('pgscan', 0):,} pages looked at, {events.get('pgsteal', 0):,} freed")
    yield row("OOM kills", f"{events.get('oom_kill', 0):,}")


def odd_rows(report):
    unknown = report.get("unknown_syscalls") or {}
    names = syscall_names()
    for number, count in sorted(unknown.items(), key=lambda item: int(item[0])):
        yield row("unknown call", f"{count:,}", f"{names.get(int(number), '?')} (number {number}): ENOSYS")
    if report.get("warnings"):
        yield row("warnings", f"{report['warnings']:,}", "the kernel complained; see --log")


def render(report, headline):
    events = report.get("events", {})
    lines = [f"pagoda: {headline}"]
    lines += fault_rows(events)
    lines += memory_rows({**report, "events": events})
    lines += pressure_rows(events)
    lines += odd_rows(report)
    return "\n".join(lines) + "\n"
