# SPDX-License-Identifier: MIT
"""Calls on an ext2 disk answer as on tmpfs, where Debian's Linux 6.1 said how (tests/guest/*.expected)."""
import os

from lab import guest_programs
from lab.ext2 import busybox, is_clean, make_image
from lab.testing import test

MOUNT = "mkdir -p /mnt && mount -t ext2 /dev/vda /mnt && chmod 777 /mnt"


def on_ext2(bench, name):
    """What the program prints when it works in a new file system on a disk, which is whole afterwards."""
    program = guest_programs.compile_program(os.path.join(guest_programs.SOURCES, name + ".c"), "glibc", bench.log)
    disk = make_image(bench, "-b", "4096")
    done = bench.ran(busybox(bench, disk, f"{MOUNT} && /x /mnt", "--copy", f"{program}:/x"))
    is_clean(bench, disk)
    return done.out.decode().splitlines()


def expected(name):
    with open(os.path.join(guest_programs.SOURCES, name + ".expected")) as file:
        return file.read().splitlines()


def compare(bench, name, other=()):
    """other: beginnings of lines that ext2 has reason to answer otherwise."""
    ours, theirs = on_ext2(bench, name), expected(name)
    bench.equal(len(ours), len(theirs), "lines")
    for a, b in zip(ours, theirs):
        if not b.startswith(tuple(other)):
            bench.equal(a, b, name)


@test("ext2/calls_on_names_check_in_the_order_of_linux")
def names(bench):
    compare(bench, "fs_errors_names", ["getcwd"])  # the path has another length


@test("ext2/calls_that_open_check_in_the_order_of_linux")
def opening(bench):
    compare(bench, "fs_errors_open", ["truncate"])  # the largest file is smaller


@test("ext2/files_without_a_name_get_one")
def tmpfiles(bench):
    compare(bench, "fs_tmpfile")


@test("ext2/set_id_bits_are_given_and_taken_as_on_linux")
def set_id(bench):
    compare(bench, "fs_setgid", ["fallocate"])  # not on ext2


@test("ext2/stores_through_a_mapping_change_the_times_again_after_writing_back")
def mapped_times(bench):
    lines = on_ext2(bench, "fs_mapped_times")
    changed = [line.split(":")[0] for line in lines if "mtime changed, ctime changed" in line]
    bench.equal(changed, ["first store", "store to another page", "store after fsync", "read into the mapping",
                          "store by a child", "memfd"], "stores that changed the times")
    bench.check(all("mode 106711" in line for line in lines[:-1]), "a store took set-id bits")
