# SPDX-License-Identifier: MIT
"""The memory report of a scripted program is exactly what its accesses imply.

tests/host/counts.c does one thing N times. What starting and ending a program costs cancels
out: each case is run with N and with 0, and the difference of the two reports must be the
numbers below, for every kind of fault, those not mentioned being 0.
"""
import json
import os

from lab.common import BUILD, ROOT
from lab.test.testing import report_problems, test

SOURCE = os.path.join(ROOT, "tests", "host", "counts.c")
FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-nostdlib", "-fno-stack-protector",
         "-fno-pie", "-no-pie", "-fcf-protection=none"]
KINDS = ("fault_anon", "fault_zero_map", "fault_file", "fault_cow_copy", "fault_cow_reuse", "fault_cow_early",
         "fault_swap", "fault_kernel_fixup", "fault_segv", "fault_sigbus", "pgfault", "pgmajfault")
N, K = 300, 120


def program(bench):
    path = os.path.join(BUILD, "tests-guest", "counts")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(SOURCE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bench.ran(bench.command(["gcc", *FLAGS, "-o", bench.file("counts"), SOURCE]))
        os.rename(bench.file("counts"), path)
    return path


def report_of(bench, what, n, k=0, options=()):
    bench.ran(bench.pagoda("run", "--quiet", "--stats", "stats.json", "--timeout", "60", *options, "--",
                           program(bench), what, str(n), str(k)))
    with open(bench.file("stats.json")) as file:
        report = json.load(file)["report"]
    problems = report_problems(report)
    bench.check(not problems, "; ".join(problems))
    return report


def difference(bench, what, n=N, k=0, options=()):
    """What n more of it add to each kind of event."""
    none, some = report_of(bench, what, 0, 0, options), report_of(bench, what, n, k, options)
    found = {key: some["events"][key] - none["events"][key] for key in none["events"]}
    bench.log.write(f"{what} {n} {k}: {({key: v for key, v in found.items() if v})}\n")
    return found, none, some


def exactly(bench, found, **expected):
    found = {key: found[key] for key in KINDS if found[key] or key in expected}
    bench.equal(found, expected, "added events")


@test("counts/n_reads_of_untouched_pages_map_the_zero_page_n_times")
def reads(bench):
    found, none, some = difference(bench, "read")
    exactly(bench, found, pgfault=N, fault_zero_map=N)
    bench.equal(some["peak_rss_kb"], none["peak_rss_kb"], "peak resident (zero pages do not count)")


@test("counts/n_writes_of_untouched_pages_are_n_new_pages")
def writes(bench):
    found, none, some = difference(bench, "write")
    exactly(bench, found, pgfault=N, fault_anon=N)
    bench.equal(some["peak_rss_kb"] - none["peak_rss_kb"], 4 * N, "more KiB resident at the peak")


@test("counts/present_pages_fault_no_more")
def again(bench):
    found, _, _ = difference(bench, "again")
    exactly(bench, found, pgfault=N, fault_anon=N)


@test("counts/write_after_read_leaves_the_zero_page")
def read_write(bench):
    found, _, _ = difference(bench, "readwrite")
    new = found["fault_anon"] + found["fault_cow_copy"]
    bench.equal((found["pgfault"], found["fault_zero_map"], new), (2 * N, N, N), "faults, zero maps, new pages")


@test("counts/fork_copies_only_what_is_written_while_shared")
def fork(bench):
    found, _, _ = difference(bench, "fork", N, K)
    # The child copies K; when it has gone nothing is shared, and the parent's writes copy nothing.
    exactly(bench, found, pgfault=2 * N + K, fault_anon=N, fault_cow_copy=K, fault_cow_reuse=N)


@test("counts/private_file_pages")
def file_pages(bench):
    data = ["--copy", bench.file("data", b"x" * 4096 * N) + ":/data"]
    options = data + ["--append", "fault_around=4096"]
    found, _, _ = difference(bench, "file", options=options)
    exactly(bench, found, pgfault=N, fault_file=N)
    found, _, _ = difference(bench, "filewrite", options=options)
    exactly(bench, found, pgfault=N, fault_cow_early=N)
    found, _, _ = difference(bench, "fileread", options=options)
    exactly(bench, found, pgfault=2 * N, fault_file=N, fault_cow_copy=N)
    # Each window of 16 pages that the mapping touches takes one fault.
    found, _, _ = difference(bench, "file", options=data)
    bench.equal(found["fault_file"] + found["fault_around"], N, "pages mapped")
    bench.equal(found["pgfault"], found["fault_file"], "faults")
    bench.check(N // 16 <= found["pgfault"] <= N // 16 + 2, f"{found['pgfault']} faults for {N} pages")


@test("counts/stack_pages")
def stack(bench):
    found, _, _ = difference(bench, "stack")
    exactly(bench, found, pgfault=N, fault_anon=N)
    bench.check(found["fault_stack_grow"] > 0, "the stack did not grow")


@test("counts/page_tables_come_and_go_with_what_they_map")
def tables(bench):
    n = 40
    found, _, _ = difference(bench, "spread", n)
    bench.equal((found["pgfault"], found["fault_anon"]), (n, n), "faults")
    bench.check(n - 1 <= found["pgtable_alloc"] <= n + 1, f"{found['pgtable_alloc']} tables for {n} areas of 2 MiB")
    bench.equal(found["pgtable_free"], found["pgtable_alloc"], "tables freed")
    bench.equal(found["pgfree"], found["pgalloc"], "frames freed")


@test("counts/bad_pointers_of_system_calls")
def bad_pointers(bench):
    found, _, _ = difference(bench, "efault")
    bench.equal(found["fault_kernel_fixup"], N, "fixed-up user copies")
    bench.equal(found["fault_segv"], 0, "signals")


@test("counts/deaths_by_bad_access")
def deaths(bench):
    found, _, _ = difference(bench, "segv", 10)
    bench.equal(found["fault_segv"], 10, "SIGSEGV")
