# SPDX-License-Identifier: MIT
"""`./pagoda bench file`: files beside Linux's, in guest instructions and requests to the disk.

guest/bench_file.c runs in both kernels (lab/bench/bench_guest.py) on the same ext2 image, which is made
here by mke2fs: a small file for cached reads and writes and for faults, 256 MiB to be read in
order, cold, and a dynamic program with its interpreter and libc.
"""
import os
import random
import shutil
import tempfile

from lab import build, packages
from lab.bench import bench_guest
from lab.run import elf, ext2
from lab.common import say

PROGRAM, DYNAMIC = "guest/bench_file", "guest/bench_file_dynamic"
RAM = 512 << 20
IMAGE_BYTES = 320 << 20
SMALL_BYTES, BIG_MIB = 1 << 20, 256
FOR_IMAGE = {"e2fsprogs": ["mke2fs", "/sbin/mke2fs"]}


def fill(folder):
    """What is to be on the disk. No block is all zeroes, so none becomes a hole."""
    block = random.Random(1).randbytes(1 << 20)
    with open(os.path.join(folder, "small"), "wb") as file:
        file.write(block[:SMALL_BYTES])
    with open(os.path.join(folder, "big"), "wb") as file:
        for _ in range(BIG_MIB):
            file.write(block)
    dynamic = build.path(DYNAMIC)
    shutil.copy(dynamic, os.path.join(folder, "dynamic"))
    [libc] = [path for path in elf.shared_libraries("/bin/sh") if os.path.basename(path).startswith("libc.so")]
    shutil.copy(libc, folder)
    shutil.copy(elf.inspect("/bin/sh", "x86_64").interpreter, os.path.join(folder, "ld.so"))


def make_image(folder):
    packages.ensure(FOR_IMAGE)
    build.build([DYNAMIC])
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    fill(tree)
    image = ext2.make(os.path.join(folder, "disk.img"), IMAGE_BYTES, "-b", "4096", "-d", tree)
    shutil.rmtree(tree)
    return image


def bench_file():
    """Cached and cold files, mapped files, exec beside Linux (issue 5)."""
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        say("bench file: an image")
        machine = bench_guest.Machine(RAM, make_image(folder))
        pagoda, linux = bench_guest.run_both("file", PROGRAM, machine)
    bench_guest.print_table(pagoda, linux)
    print("cold_read_per_page: instructions a page of 256 MiB; cold_read_requests: reads that the disk completed")
    bench_guest.print_versions()
    return 0
