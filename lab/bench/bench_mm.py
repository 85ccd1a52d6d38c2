# SPDX-License-Identifier: MIT
"""`./pagoda bench mm`: memory calls and faults beside Linux's, in guest instructions.

guest/bench_mm.c runs in both kernels (lab/bench/bench_guest.py). "WHAT_N_areas" is one lookup
(mincore), insertion (mmap into a hole), split (mprotect of the middle page) or search for a free
range (mmap of two pages) in a space of N areas with one-page holes. They show growth and are
left out of the mean; so is "known_1000", a loop of 1000 instructions, which shows that the
counter counts what it should.
"""
import math
import re

from lab.bench import bench_guest

PROGRAM = "guest/bench_mm"
RAM = 256 << 20
KNOWN = "known_1000"
AMONG = ("lookup", "insert", "split", "gap")
NOT_IN_MEAN = re.compile(rf"\w+_\d+_areas|{KNOWN}")


def print_growth(pagoda):
    """What a thousand times as many areas cost: log(100,000) / log(100) = 2.5 times would be logarithmic."""
    few, many = 100, 100000
    limit = math.log(many) / math.log(few)
    for what in AMONG:
        growth = pagoda[f"{what}_{many}_areas"] / pagoda[f"{what}_{few}_areas"]
        print(f"{what + f', {few} to {many:,} areas':<46}{growth:>8.2f}"
              f" {'at most' if growth <= limit else 'more than'} logarithmic ({limit})")


def bench_mm():
    """System calls, faults, address-space calls and processes beside Linux (issue 4)."""
    pagoda, linux = bench_guest.run_both("mm", PROGRAM, bench_guest.Machine(RAM))
    bench_guest.print_table(pagoda, linux, NOT_IN_MEAN)
    print_growth(pagoda)
    bench_guest.print_versions()
    return 0
