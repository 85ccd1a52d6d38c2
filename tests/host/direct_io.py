# SPDX-License-Identifier: MIT
"""O_DIRECT on ext2 and on the disk itself: tests/guest/disk/direct.c, beside Linux 6.1, and Debian's dd."""
import os
import random

from lab.run import disks, ext2, linux
from lab.test import guest_programs
from lab.test.testing import PAGODA, Skip, test

MOUNT = "mkdir -p /mnt && mount -t ext2 /dev/vda /mnt"
CALLS = f"{MOUNT} && /x flags && /x file /mnt/f && umount /mnt && /x device /dev/vda"
COPY_BYTES = 3 << 20


def program(bench):
    source = os.path.join(guest_programs.SOURCES, "disk", "direct.c")
    return guest_programs.compile_program(source, "glibc", bench.log)


def in_pagoda(bench, disk, script, *options):
    done = bench.ran(ext2.busybox(bench, disk, script, "--copy", f"{program(bench)}:/x", *options))
    ext2.is_clean(bench, disk)
    return done.out.decode()


def in_linux(bench, disk, script):
    return linux.output_on_disk(bench, disk, program(bench), script)


@test("direct_io/flags_alignment_coherence_holes_and_errors_as_on_linux", "AS-71")
def calls(bench):
    if not linux.is_available():
        raise Skip("no Linux 6.1 to compare with")
    theirs = in_linux(bench, ext2.make_image(bench, "-b", "4096"), CALLS).strip("\n")
    ours = in_pagoda(bench, ext2.make_image(bench, "-b", "4096"), CALLS).strip("\n")
    bench.equal(ours, theirs, "output")
    bench.check("DIFFERENT" not in ours and ours.count("same") > 20, "something differs")


@test("direct_io/small_blocks_forks_and_kills", "AS-71")
def small(bench):
    disk = ext2.make_image(bench, "-b", "1024")
    out = in_pagoda(bench, disk, f"({CALLS}) | grep -c DIFFERENT; {MOUNT} && /x fork /mnt/g && /x kill /mnt/h")
    bench.equal(out, "0\nnothing is lost\nkilled\n", "output")


@test("direct_io/a_user_who_stores_beside_direct_writes_is_told_of_once")
def stores(bench):
    out = in_pagoda(bench, ext2.make_image(bench, "-b", "4096"), f"{MOUNT} && /x stores /mnt/f && umount /mnt",
                    "--log", "log")
    bench.equal(out, "written\n", "output")
    with open(bench.file("log"), errors="replace") as file:
        bench.equal(file.read().count("direct write beside stores"), 1, "warnings")


@test("direct_io/debians_dd_copies_past_the_cache_and_is_told_of_errors")
def dd(bench):
    content = random.Random(3).randbytes(COPY_BYTES)
    source, target = bench.file("source", content), bench.file("target", bytes(COPY_BYTES))
    words = disks.drive_words("source", source, "source") + disks.drive_words("target", target, "target")
    env = dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=" ".join(words))
    run = [PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "60", "--"]
    bench.ran(bench.command(run + ["/bin/dd", "if=/dev/vda", "of=/dev/vdb", "iflag=direct", "oflag=direct", "bs=64k"],
                            env=env, timeout=90))
    with open(target, "rb") as file:
        bench.check(file.read() == content, "the copy differs")
    rules = bench.file("rules", disks.fail_rule("read", 64))
    bad = " ".join(disks.drive_words("bad", f"blkdebug:{rules}:{source}", "bad"))
    failed = bench.command(run + ["/bin/dd", "if=/dev/vda", "of=/dev/null", "iflag=direct", "bs=4k"],
                           env=dict(env, PAGODA_QEMU=bad), timeout=90)
    bench.equal(failed.status, 1, "status")
    bench.check(b"Input/output error" in failed.err, "what dd says")
