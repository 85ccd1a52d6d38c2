# SPDX-License-Identifier: MIT
"""Images of ext2 file systems, made and judged by e2fsprogs, for tests and benchmarks."""
import os
import re
import shutil
import subprocess

from lab.run import image
from lab.common import PAGODA, EXIT_HOST, Refusal


def tool(name):
    """A program of e2fsprogs, which need not be in a user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def make(path, size, *mke2fs):
    """An image of that many bytes; further words are mke2fs's."""
    with open(path, "wb") as file:
        file.truncate(size)
    done = subprocess.run([tool("mke2fs"), "-q", "-F", "-t", "ext2", *mke2fs, path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Refusal(EXIT_HOST, f"mke2fs failed: {done.stdout}")
    return path


def make_image(bench, *mke2fs, mib=16, name="disk.img"):
    """An image in a test's folder."""
    return make(bench.file(name), mib << 20, *mke2fs)


def is_clean(bench, path):
    done = bench.command([tool("e2fsck"), "-fn", path])
    bench.equal(done.status, 0, "e2fsck -fn")


def environment(*images):
    """For ./pagoda run: the images are /dev/vda, /dev/vdb, ... of the guest, and stay changed."""
    drives = " ".join(f"-drive file={image},if=none,id=ext2{i},format=raw -device virtio-blk-pci,drive=ext2{i}"
                      for i, image in enumerate(images))
    return dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=drives)


# ---- What e2fsck finds ----------------------------------------------------------------------


def words(script, options=()):
    """The command that runs a script in busybox in a guest."""
    return [PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "100", *options, "--", image.BUSYBOX, "sh", "-c",
            script]


def busybox(bench, disk, script, *options):
    """Run a script in a guest whose /dev/vda is the image."""
    return bench.command(words(script, options), timeout=130, env=environment(disk))


PASSED_OVER = re.compile(r"Pass \d|e2fsck |.*: \*\*\*\*\*|.*: \d+/\d+ files|.* was not cleanly unmounted|$")
ANSWERED = re.compile(r"\s*[A-Z][^?.]*\? yes.*")
PLACES = ((r"(differences:).*", r"\1"), (r"'[^']*'", "NAME"), (r"/\S+", "PATH"), (r"-?\d+", "N"))


def complaints(text):
    """The kinds of complaints in e2fsck's output: its lines without numbers and names."""
    kinds = set()
    for line in text.splitlines():
        if PASSED_OVER.match(line):
            continue
        line = ANSWERED.sub("", line)
        for pattern, instead in PLACES:
            line = re.sub(pattern, instead, line)
        if line.strip():
            kinds.add(line.strip())
    return kinds
