# SPDX-License-Identifier: MIT
"""Random address-space calls do in Pagoda what they do in Linux 6.1.

tests/linux/differential.c draws the calls from a seed and tells a checksum of all results,
contents and mappings; the same binary runs in both machines, all seeds in one boot of each.
Where a checksum differs, that seed runs again in both with every call told, and the shortest
trace that shows the difference (all up to the first line that is not the same) is printed.

To replay a seed by hand:
	./pagoda run -- build/tests-guest/differential -v SEED 1 CALLS
"""
import os
import re

from lab.run import linux
from lab.common import BUILD, ROOT
from lab.test.testing import Skip, test

SOURCE = os.path.join(ROOT, "tests", "linux", "differential.c")
PROGRAM = os.path.join(BUILD, "tests-guest", "differential")
RAM = 256 << 20
TRACE_LINES = 60  # of the shortest trace, its end


def build_program(bench):
    inputs = [SOURCE, os.path.join(ROOT, "tests", "guest", "guest.h")]
    if os.path.exists(PROGRAM) and all(os.path.getmtime(i) < os.path.getmtime(PROGRAM) for i in inputs):
        return
    os.makedirs(os.path.dirname(PROGRAM), exist_ok=True)
    bench.ran(bench.command(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-static", "-o",
                             bench.file("differential"), SOURCE]))
    os.rename(bench.file("differential"), PROGRAM)


def in_linux(words, timeout):
    if not linux.is_available():
        raise Skip("Debian's Linux 6.1 cannot be fetched here")
    [(status, output)] = linux.run({"/differential": PROGRAM}, [linux.quoted(["/differential"] + words)], RAM, timeout)
    return status, output.splitlines()


def in_pagoda(bench, words, timeout):
    done = bench.pagoda("run", "--quiet", "--ram", str(RAM), "--timeout", str(timeout), "--", PROGRAM, *words,
                        timeout=timeout + 30)
    return done.status, done.out.decode(errors="replace").splitlines()


def shortest_trace(bench, seed, calls, timeout):
    """The seed again, told: the trace up to the first line that differs."""
    words = ["-v", seed, "1", calls]
    _, ours = in_pagoda(bench, words, timeout)
    _, theirs = in_linux(words, timeout)
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    trace = ours[max(0, same - TRACE_LINES):same]
    trace += [f"Pagoda: {' | '.join(ours[same:same + 1])}", f"Linux:  {' | '.join(theirs[same:same + 1])}"]
    bench.log.write(f"--- seed {seed}, the shortest trace ({same + 1} lines)\n" + "\n".join(trace) + "\n")
    calls_told = [line for line in ours[:same + 1] if re.match(r"\d+#", line)]
    return f"seed {seed} after {len(calls_told)} calls: {trace[-2]}; {trace[-1]} (trace in the log)"


def compare(bench, first, count, calls, timeout):
    build_program(bench)
    words = [str(first), str(count), str(calls)]
    status, theirs = in_linux(words, timeout)
    bench.equal((status, len(theirs)), (0, count), "Linux's exit status and seeds")
    status, ours = in_pagoda(bench, words, timeout)
    different = [b.split()[1].rstrip(":") for a, b in zip(ours, theirs) if a != b]
    different += [str(first + n) for n in range(len(ours), count)]
    if different:
        bench.check(False, f"{len(different)} of {count} seeds differ: {' '.join(different[:20])}; "
                    + shortest_trace(bench, different[0], str(calls), timeout))
    bench.equal(status, 0, "exit status")


@test("differential/10_seeds_of_2000_calls_agree_with_linux",
      "AS-15 AS-19 AS-33 AS-43 AS-44 AS-48 AS-49 AS-53 AS-65 FT-24 FT-25 FT-36 FT-42", quick=False)
def ten_seeds(bench):
    compare(bench, 1, 10, 2000, 300)


@test("differential/200_seeds_of_2000_calls_agree_with_linux", quick=False, long=True)
def two_hundred_seeds(bench):
    compare(bench, 1001, 200, 2000, 1800)
