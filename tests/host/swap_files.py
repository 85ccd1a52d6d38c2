# SPDX-License-Identifier: MIT
"""Swap files on ext2: what mkswap made of them, what may be done to the file meanwhile, working sets."""
import os

from lab.run import ext2
from lab.test import guest_programs
from lab.test.testing import test

FILE_KB = 48 * 1024
GOOD = "children failed: 0, words wrong: 0"


def set_program(bench):
    source = os.path.join(guest_programs.SOURCES, "swap_set.c")
    return ["--copy", guest_programs.compile_program(source, "musl", bench.log) + ":/set"]


SCRIPT = """
mount -t ext2 /dev/vda /mnt || exit 1
cd /mnt
dd if=/dev/zero of=swap bs=64k count=768 2>/dev/null && mkswap swap >/dev/null
dd if=/dev/zero of=short bs=64k count=16 2>/dev/null && mkswap short >/dev/null && truncate -s 1044480 short
dd if=/dev/zero of=holes bs=4k count=10 2>/dev/null && truncate -s 1M holes && mkswap holes >/dev/null
swapon holes; swapon short; swapon /bin/busybox
swapon swap && tail -n 1 /proc/swaps
swapon swap
echo x >> swap; true > swap; rm swap; mv swap other
cd /; umount /mnt; cd /mnt
/set 24
swapoff swap; cat /proc/swaps | wc -l
swapoff swap
echo x >> swap && mv swap other && rm other && sync
cd /; umount /mnt && echo unmounted
"""


def swap_file(bench, block):
    disk = ext2.make_image(bench, "-b", block, mib=64)
    done = bench.ran(ext2.busybox(bench, disk, f"({SCRIPT}) 2>&1", "--ram", "20M", *set_program(bench)))
    lines = done.out.decode().splitlines()
    name, kind, size, used, priority = lines[3].split()
    bench.equal([name, kind, used, priority], ["/mnt/swap", "file", "0", "-1"], "/proc/swaps")
    bench.check(FILE_KB * 9 // 10 < int(size) < FILE_KB, f"{size} KiB")  # pages across two runs of blocks are bad slots
    said = [line.rsplit(": ", 1)[-1] for line in lines]
    bench.equal(said[1:3], ["Invalid argument"] * 2, "what cannot be swapped to")
    bench.equal(said[4], "Device or resource busy", "swapon again")
    bench.equal(said[5:9], ["Text file busy"] * 2 + ["Operation not permitted"] * 2, "changes meanwhile")
    bench.equal(said[9], "Device or resource busy", "umount")
    bench.equal(lines[10], GOOD, "the working set")
    bench.equal([lines[11], said[12], lines[13]], ["1", "Invalid argument", "unmounted"], "the end")
    ext2.is_clean(bench, disk)


@test("swap_files/take_a_working_set_and_stay_as_they_are", "SW-16 SW-13")
def small_blocks(bench):
    swap_file(bench, "1024")


@test("swap_files/the_same_with_blocks_of_a_page", "SW-16", quick=False)
def whole_blocks(bench):
    swap_file(bench, "4096")
