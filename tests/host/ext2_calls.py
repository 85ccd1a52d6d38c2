# SPDX-License-Identifier: MIT
"""Calls on an ext2 disk answer as on tmpfs, where Debian's Linux 6.1 said how (tests/guest/*.expected)."""
import os

from lab.test import guest_programs
from lab.run.ext2 import busybox, is_clean, make_image, tool
from lab.test.testing import test

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


GROWN = ("ftruncate pwrite pwrite_to_another_page pwritev direct_write direct_write_to_another_page posix_fallocate "
         "copy_file_range sendfile splice steps shrinking_first").split()


@test("ext2/a_store_to_the_page_of_the_old_end_is_kept_however_the_file_grew")
def grown_under_a_mapping(bench):
    source = os.path.join(guest_programs.SOURCES, "disk", "grow_mapped.c")
    program = guest_programs.compile_program(source, "glibc", bench.log)
    for size in (1024, 2048, 4096):
        disk = make_image(bench, "-b", str(size))
        done = bench.ran(busybox(bench, disk, f"{MOUNT} && /x /mnt && umount /mnt", "--copy", f"{program}:/x"))
        bench.equal(done.out.decode().splitlines(), GROWN, f"ways of growing, blocks of {size} bytes")
        is_clean(bench, disk)
        left = bench.command([tool("debugfs"), "-R", "cat /left", disk]).out
        bench.equal((len(left), left[0:1], left[2500:2501]), (4096, b"a", b"z"), "the file on the disk")
