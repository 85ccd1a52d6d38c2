# SPDX-License-Identifier: MIT
"""The fuzzers of tests/guest for a long time, each on a machine of 32 MiB with swap, from a seed of the day.

In the normal suite they run as guest tests, with fixed seeds and a bounded number of calls or instructions.
To replay what failed, take the words from the log:
	./pagoda run --ram 32M --swap 64M -- build/tests-guest/fuzz_syscalls.glibc SEED COUNT
	./pagoda run --ram 32M --swap 64M -- build/tests-guest/fuzz_instructions.glibc SEED 0 COUNT
"""
import json
import os
import re
import time

from lab.test import guest_programs
from lab.common import ROOT
from lab.test.testing import report_problems, shorten, test

LONG_SECONDS = 20 * 60
RUN_SECONDS = 900  # no run of these sizes takes that long, on any host
SYSCALL_SEEDS = 100
SHOTS = 100_000


def fuzz(bench, name, words):
    """One run; fails on a bad end, a kernel warning or a lost frame."""
    source = os.path.join(ROOT, "tests", "guest", f"{name}.c")
    program = guest_programs.compile_program(source, "glibc", bench.log)
    done = bench.pagoda("run", "--quiet", "--ram", "32M", "--swap", "64M", "--stats", "stats.json", "--log", "kernel.log",
                        "--timeout", str(RUN_SECONDS), "--", program, *words, timeout=RUN_SECONDS + 60)
    what = f"{name} {' '.join(words)}"
    bench.check(done.status == 0, f"{what}: exit status {done.status}: {shorten(done.out[-300:] + done.err[-300:])}")
    with open(bench.file("stats.json")) as file:
        problems = report_problems(json.load(file)["report"])
    bench.check(not problems, f"{what}: {'; '.join(problems)}")


def for_a_long_time(bench, name, words_of):
    """Runs with seeds that follow each other, from one that the log tells."""
    end, seed = time.monotonic() + LONG_SECONDS, int(time.time()) * 1000
    while time.monotonic() < end:
        fuzz(bench, name, words_of(seed))
        seed += SYSCALL_SEEDS


@test("fuzz/20_minutes_of_system_calls", quick=False, long=True)
def system_calls(bench):
    for_a_long_time(bench, "fuzz_syscalls", lambda seed: [str(seed), str(SYSCALL_SEEDS)])


@test("fuzz/20_minutes_of_instructions", quick=False, long=True)
def instructions(bench):
    for_a_long_time(bench, "fuzz_instructions", lambda seed: [str(seed), "0", str(SHOTS)])


@test("fuzz/knows_the_arguments_of_every_system_call", needs=[])
def knows_all(bench):
    def numbers(path):
        with open(os.path.join(ROOT, path)) as file:
            return {(int(number), name) for number, name in re.findall(r"X\((\d+), (\w+), ", file.read())}
    missing = (numbers("kernel/syscalls.h") | numbers("fs/syscalls.h")) - numbers("tests/guest/fuzz_calls.h")
    bench.check(not missing, f"not in tests/guest/fuzz_calls.h: {sorted(missing)}")
