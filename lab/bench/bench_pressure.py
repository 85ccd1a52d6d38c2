# SPDX-License-Identifier: MIT
"""`./pagoda bench pressure`: too little memory, beside Linux's, in faults, pages and guest instructions.

guest/bench_pressure.c runs in both kernels (lab/bench/bench_guest.py) with the same RAM, of which it leaves
the same number of free pages, and the same swap device, which mkswap makes here.
"""
import tempfile

from lab import packages
from lab.bench import bench_guest
from lab.run import disks

PROGRAM = "guest/bench_pressure"
RAM = 160 << 20
SWAP_BYTES = 256 << 20
MAJORS = "_major_faults"
GOAL = 0.6  # of Linux's instructions a page


def print_goals(pagoda, linux):
    above = [name[:-len(MAJORS)] for name in pagoda if name.endswith(MAJORS) and pagoda[name] > linux[name]]
    print(f"{'strings with more major faults than Linux':<46}{len(above):>8} {' '.join(above)}")
    ratio = pagoda["reclaim_per_page"] / linux["reclaim_per_page"]
    print(f"{'instructions a reclaimed page, ratio':<46}{ratio:>8.2f} goal: at most {GOAL}")


def bench_pressure():
    """Reclaim and swap: reference strings, instructions a page (issue 6)."""
    packages.ensure(packages.FOR_SWAP)
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        machine = bench_guest.Machine(RAM, disks.make_swap(folder, SWAP_BYTES))
        pagoda, linux = bench_guest.run_both("pressure", PROGRAM, machine)
    bench_guest.print_table(pagoda, linux)
    print_goals(pagoda, linux)
    bench_guest.print_versions()
    return 0
