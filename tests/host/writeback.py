# SPDX-License-Identifier: MIT
"""What goes to the disk and when, and a disk without room: tests/guest/disk/*.c on ext2 images.

The programs check themselves; here are the disks, and e2fsck judges what is left on them.
"""
import os

from lab.run import ext2, image
from lab.test import guest_programs
from lab.test.testing import PAGODA, test

CALLS = ("fdatasync_writes_no_inode_that_only_has_new_times", "syncfs_writes_its_own_file_system",
         "sync_file_range_writes_its_range", "msync_writes_its_range",
         "pwritev2_dsync_writes_what_it_wrote", "fibmap_names_the_block_on_the_disk")
CACHES = ("advice_has_its_effects", "readahead_reads", "drop_caches_drops_what_is_clean")
LIMITS = ("dirty_ratio_holds_writers_up", "dirty_background_ratio_starts_the_flusher",
          "dirty_expire_centisecs_writes_what_is_old")


def run_on_disks(bench, name, disks, script):
    """The program tests/guest/disk/NAME.c is /x; /mnt and, if there is another disk, /other are mounted."""
    source = os.path.join(guest_programs.SOURCES, "disk", name + ".c")
    program = guest_programs.compile_program(source, "glibc", bench.log)
    mounts = [f"mkdir {where} 2>/dev/null; mount -t ext2 /dev/vd{letter} {where}"
              for where, letter, _ in zip(("/mnt", "/other"), "ab", disks)]
    words = [PAGODA, "run", "--accel", "tcg", "--quiet", "--ram", "64M", "--timeout", "100", "--copy", f"{program}:/x",
             "--", image.BUSYBOX, "sh", "-c", "; ".join(mounts + [script])]
    done = bench.ran(bench.command(words, timeout=130, env=ext2.environment(*disks)))
    for disk in disks:
        ext2.is_clean(bench, disk)
    return done


def check(bench, names):
    disks = [ext2.make_image(bench, "-b", "4096", mib=32, name=name) for name in ("one.img", "other.img")]
    done = run_on_disks(bench, "writeback", disks, f"/x {' '.join(names)}")
    bench.equal(done.out.decode(), "".join(f"{name}: ok\n" for name in names), "checks")


@test("writeback/calls_write_what_they_are_to_and_no_more")
def calls(bench):
    check(bench, CALLS)


@test("writeback/advice_and_drop_caches_have_their_effects")
def caches(bench):
    check(bench, CACHES)


@test("writeback/limits_for_dirty_pages_hold_also_for_stores_through_mappings")
def limits(bench):
    check(bench, LIMITS)


@test("writeback/full_disk_gives_ENOSPC_and_SIGBUS_and_nothing_is_lost")
def full(bench):
    for block in ("1024", "4096"):
        disk = ext2.make_image(bench, "-b", block, "-m", "0", mib=8)
        done = run_on_disks(bench, "full", [disk], "/x /dev/vda")
        bench.equal(done.out, b"nothing is lost\n", "what became of the files")
