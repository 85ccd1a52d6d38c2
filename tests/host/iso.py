# SPDX-License-Identifier: MIT
"""The bootable image: GRUB loads the kernel by Multiboot2, as on a real PC.

There are no virtio ports then: the program's terminal is the serial port, and what it prints
stands between the kernel's messages.
"""
import os
import re
import subprocess
import time

from lab import build
from lab.run import image, qemu
from lab.common import ROOT
from lab.test.monitor import Monitor
from lab.test.testing import Failure, test

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


# ---- A PC with a screen and a keyboard -----------------------------------------------------------

SCREEN_PA, COLUMNS, ROWS = 0xb8000, 80, 25
SCREEN_SECONDS = 60


class Pc:
    """QEMU with a VGA card, watched and typed at through its monitor."""

    def __init__(self, bench, iso):
        path = bench.file("monitor")
        self.process = subprocess.Popen(
            [qemu.QEMU, "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", "128M", "-nodefaults", "-no-user-config",
             "-no-reboot", "-display", "none", "-vga", "std", "-cdrom", iso, "-monitor", f"unix:{path},server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        self.monitor = Monitor(path)

    def ask(self, command):
        return self.monitor.ask(command)

    def type(self, keys):
        for key in keys.split():
            self.ask(f"sendkey {key}")

    def screen(self):
        """The text on the screen: of each two bytes the first is the character."""
        lines = re.findall("^[0-9a-f]{16}:.*$", self.ask(f"xp /{COLUMNS * ROWS}hx {SCREEN_PA:#x}"), re.M)
        cells = "".join(chr(int(word, 16) & 0xff) for line in lines for word in re.findall("0x([0-9a-f]{4})", line))
        return "\n".join(cells[at:at + COLUMNS].rstrip() for at in range(0, len(cells), COLUMNS))

    def wait_for(self, text):
        end = time.monotonic() + SCREEN_SECONDS
        while text not in self.screen():
            if time.monotonic() > end:
                raise Failure(f"{text!r} did not appear on the screen, which shows {self.screen()!r}")
            time.sleep(0.3)

    def end(self):
        self.process.kill()
        self.process.wait()


@test("iso/shell_on_the_screen_with_the_keyboard", quick=False)
def keyboard(bench):
    bench.file("initramfs.cpio", image.base_tree(build.path(build.INIT), None).pack())
    bench.ran(bench.command([os.path.join(ROOT, "machine/pc/mkiso.sh"), build.path(build.KERNEL), "initramfs.cpio",
                             "pagoda.iso"]))
    pc = Pc(bench, bench.file("pagoda.iso"))
    try:
        pc.wait_for("pagoda:/#")
        pc.type("e c h o spc shift-o n e x backspace spc shift-4 shift-9 shift-9 6 shift-8 7 shift-0 shift-0 ret")
        pc.wait_for("\nOne 42\n")
        pc.type("up left left left 1 ret")  # the line editor's history and the arrow keys: 6*17
        pc.wait_for("\nOne 102\n")
        # The line editor keeps what is typed right behind the line: wait until it has let go.
        pc.type("e c h o spc g o semicolon c a t ret")
        pc.wait_for("\ngo\n")
        pc.type("y e s ret")
        pc.wait_for("\nyes\nyes\n")  # typed and copied: cat is in the foreground by now, and Ctrl-C is for it
        pc.type("ctrl-c e c h o spc f i n ret")
        pc.wait_for("\nfin\n")
    finally:
        pc.end()
