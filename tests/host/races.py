# SPDX-License-Identifier: MIT
"""Reclaim against everything else in deterministic mode, a thousand interleavings.

tests/unit/test_reclaim_race runs each of its cases once per seed; here it runs them for a row
of seeds, which a failing run names: --seed N replays it.
"""
import re
import time

from lab import build
from lab.test.testing import test

PLAIN, SANITIZED = "tests/unit/test_reclaim_race-x86_64-plain", "tests/unit/test_reclaim_race-i386-pae-asan"


def run_seeds(bench, binary, seeds, timeout):
    first = int(time.time())
    done = bench.command([build.path(binary), "--seed", str(first), "--rounds", str(seeds), "deterministically"],
                         timeout=timeout)
    bench.log.write(f"seeds {first} to {first + seeds - 1}\n")
    failed = re.findall(rb"^not ok (.*)\n#\s+seed (\d+)", done.out, re.MULTILINE)
    bench.check(not failed, f"{len(failed)} failed, the first with --seed {failed[0][1].decode()}: "
                            f"{failed[0][0].decode()}" if failed else "")
    bench.ran(done)
    passed = len(re.findall(rb"^ok ", done.out, re.MULTILINE))
    bench.check(passed >= 4 * seeds, f"only {passed} cases for {seeds} seeds")


@test("races/reclaim_a_thousand_seeds", ids="RC-43 RC-44 FX-01 SW-15", long=True, needs=[PLAIN])
def thousand(bench):
    run_seeds(bench, PLAIN, 1000, 3600)


@test("races/reclaim_a_hundred_seeds_sanitized", ids="RC-43 RC-44 FX-01 SW-15", long=True, needs=[SANITIZED])
def sanitized(bench):
    run_seeds(bench, SANITIZED, 100, 3600)
