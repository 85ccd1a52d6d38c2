# SPDX-License-Identifier: MIT
"""/proc: what reading the regions of a process costs, in instructions, and what /proc/PID/io counts."""
import os

from lab.run import ext2, linux
from lab.test import guest_programs
from lab.common import BUILD, ROOT
from lab.test.testing import Skip, test

COST_SOURCE = os.path.join(ROOT, "tests", "host", "proc_cost.c")
FEW, MANY = 500, 2000  # pairs of regions
# Instructions a region with MANY in Debian's Linux 6.1, same QEMU with -icount shift=0,sleep=off and
# -cpu max,-erms,-fsrm. Ours were 0.6, 0.4, 0.4 and 0.6 of them when this was written.
LINUX = {"maps": 1199, "smaps": 10512, "smaps_rollup": 701, "numa_maps": 4731}


def cost_program(bench):
    path = os.path.join(BUILD, "tests-guest", "proc_cost")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(COST_SOURCE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bench.ran(bench.command(["gcc", "-O2", "-static", "-o", bench.file("proc_cost"), COST_SOURCE]))
        os.rename(bench.file("proc_cost"), path)
    return path


def costs(bench, pairs):
    done = bench.ran(bench.pagoda("run", "--quiet", "--icount", "--timeout", "100", "--", cost_program(bench), str(pairs)))
    return {name: int(value) for name, value in (line.split() for line in done.out.decode().splitlines())}


@test("proc_files/reading_regions_costs_linearly_and_less_than_on_linux")
def cost_of_regions(bench):
    few, many = costs(bench, FEW), costs(bench, MANY)
    for name, limit in LINUX.items():
        bench.log.write(f"{name}: {few[name]} for {2 * FEW} regions, {many[name]} for {2 * MANY}\n")
        bench.check(many[name] / (2 * MANY) < limit, f"{name}: {many[name] / (2 * MANY):.0f} a region, Linux {limit}")
        bench.check(many[name] < 4.4 * few[name], f"{name} grows faster than the regions: {few[name]}, {many[name]}")


@test("proc_files/io_counts_characters_calls_and_what_disks_did_as_on_linux")
def io_counts(bench):
    if not linux.is_available():
        raise Skip("no Linux 6.1 to compare with")
    source = os.path.join(guest_programs.SOURCES, "disk", "io_counts.c")
    program = guest_programs.compile_program(source, "glibc", bench.log)
    script = "mkdir -p /mnt && mount -t ext2 /dev/vda /mnt && /x /mnt/f && umount /mnt"
    theirs = linux.output_on_disk(bench, ext2.make_image(bench, "-b", "4096"), program, script).strip("\n")
    done = bench.ran(ext2.busybox(bench, ext2.make_image(bench, "-b", "4096"), script, "--copy", f"{program}:/x"))
    ours = done.out.decode().strip("\n")
    bench.equal(ours, theirs, "output")
    bench.check("as much" in ours, "the disk was not used")
