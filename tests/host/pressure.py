# SPDX-License-Identifier: MIT
"""Guests that need more memory than there is: swap, its ends, and what is left afterwards.

After each run the kernel has checked its structures (kernel/report.c), and its report must show no
warning, no slot of swap in use and as many free frames as before.
"""
import json
import os

from lab import guest_programs, image
from lab.testing import report_problems, test

GOOD = b"children failed: 0, words wrong: 0\n"


def program(bench, name):
    """A program of tests/guest, as a static binary."""
    return guest_programs.compile_program(os.path.join(guest_programs.SOURCES, name + ".c"), "musl", bench.log)


def under_pressure(bench, words, ram, swap, options=(), status=0, timeout=60):
    """Run words in such a guest. Returns (Done, the report's events)."""
    done = bench.pagoda("run", "--quiet", "--ram", ram, "--swap", swap, "--stats", "stats.json", "--log", "kernel.log",
                        "--timeout", str(timeout), *options, "--", *words, timeout=timeout + 30)
    with open(bench.file("kernel.log"), errors="replace") as file:
        bench.log.write("--- kernel log\n" + file.read())
    bench.ran(done, status)
    with open(bench.file("stats.json")) as file:
        report = json.load(file)["report"]
    problems = report_problems(report)
    bench.check(not problems, "; ".join(problems))
    return done, report["events"]


def shell(bench, script, ram, swap, **more):
    """The same with a shell script that finds swap_set as /set."""
    copy = ["--copy", program(bench, "swap_set") + ":/set"]
    return under_pressure(bench, [image.BUSYBOX, "sh", "-c", script], ram, swap, copy, **more)


# ---- Working sets -------------------------------------------------------------------------------------


def working_set(bench, ram, mib, options=(), timeout=60):
    done, events = under_pressure(bench, [program(bench, "swap_set"), str(mib)], f"{ram}M", f"{4 * mib}M", options,
                                  timeout=timeout)
    bench.equal(done.out, GOOD, "output")
    bench.check(events["pswpout"] > (mib - ram) * 256, f"{events['pswpout']} pages swapped out")
    bench.equal(events["oom_kill"], 0, "kills")


@test("pressure/working_set_of_twice_the_ram_is_shared_by_forks", "SW-08 SW-20 RC-40 RC-44")
def twice(bench):
    working_set(bench, 16, 32)


@test("pressure/working_set_of_four_times_the_ram", "SW-08 RC-06", quick=False)
def four_times(bench):
    working_set(bench, 16, 64)


@test("pressure/working_set_of_twice_the_ram_classic", "RC-35 RC-39 RC-42", quick=False)
def twice_classic(bench):
    working_set(bench, 16, 32, ["--reclaim", "classic"])


@test("pressure/large_working_sets", long=True)
def large(bench):
    for ram in 64, 256:
        for times in 2, 4:
            working_set(bench, ram, ram * times, timeout=900)


# ---- Many at once -----------------------------------------------------------------------------------------

SIXTEEN = "i=0; while [ $i -lt 16 ]; do /set {} & i=$((i + 1)); done; wait; echo all"


@test("pressure/sixteen_processes_thrash_and_all_get_done", "RC-07")
def sixteen(bench):
    done, events = shell(bench, SIXTEEN.format(2), "16M", "128M")
    bench.equal(done.out, GOOD * 16 + b"all\n", "output")
    bench.equal(events["oom_kill"], 0, "kills")


@test("pressure/sixteen_processes_with_four_times_the_ram", long=True)
def sixteen_more(bench):
    done, _ = shell(bench, SIXTEEN.format(8), "32M", "512M", timeout=300)
    bench.equal(done.out, GOOD * 16 + b"all\n", "output")
