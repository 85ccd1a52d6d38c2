# SPDX-License-Identifier: MIT
"""The bootable image: GRUB loads the kernel by Multiboot2, as on a real PC.

There are no virtio ports then: the program's terminal is the serial port, and what it prints
stands between the kernel's messages.
"""
import os

from lab import build, image, qemu
from lab.common import ROOT
from lab.testing import test

TIMEOUT_SECONDS = 90


def initramfs(script):
    tree = image.base_tree(build.path(build.INIT), None)
    image.add_errand(tree, image.Errand(image.BUSYBOX, ["sh", "-c", script], "/", image.environment(True)))
    return tree.pack()


def make_iso(bench, script):
    bench.file("initramfs.cpio", initramfs(script))
    bench.ran(bench.command([os.path.join(ROOT, "machine/pc/mkiso.sh"), build.path(build.KERNEL), "initramfs.cpio",
                             "pagoda.iso"]))
    return bench.file("pagoda.iso")


def boot(bench, iso):
    words = [qemu.QEMU, "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", "128M", "-nodefaults",
             "-no-user-config", "-no-reboot", "-display", "none", "-cdrom", iso, "-serial", "stdio"]
    return bench.command(words, timeout=TIMEOUT_SECONDS)


@test("iso/grub_boots_and_the_program_runs_on_the_serial_port", quick=False)
def iso_boots(bench):
    done = boot(bench, make_iso(bench, "echo the answer is $((6 * 7)); tty"))
    bench.ran(done)
    bench.check(b"the answer is 42\r\n" in done.out, f"the serial port said {done.out[-300:]!r}")
    bench.check(b"/dev/console" in done.out, "tty does not name the console")
