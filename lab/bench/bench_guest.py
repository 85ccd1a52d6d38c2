# SPDX-License-Identifier: MIT
"""A benchmark program in Pagoda and in Debian's Linux 6.1, and the table of its counts.

The program (guest/bench_*.c, with guest/bench.h) runs in QEMU with the flags of --icount, under
which the time-stamp counter counts instructions. Linux's kernel comes from Debian's package,
unpacked under build/ and not installed; the program is its /init and prints on the serial line
when all is measured. Linux runs without mitigations and huge pages, which Pagoda does not have,
and with four levels of page tables, as Pagoda does. Otherwise it is as Debian configures it, which
clears memory that it allocates (init_on_alloc), counts it per control group and asks a security
module: with all that off its counts of bench mm are a tenth lower on the average.
"""
import math
import os
import re
import tempfile

from lab import build, packages
from lab.run import cpio, disks, linux, qemu
from lab.common import EXIT_HOST, ROOT, Refusal, say
from lab.options import RUN_OPTIONS, Options

TIMEOUT_SECONDS = 300
LINUX_WORDS = "quiet console=ttyS0 mitigations=off transparent_hugepage=never no5lvl panic=-1"


class Machine:
    """RAM, and an image of a disk, which stays as it is."""

    def __init__(self, ram, disk=None):
        self.ram, self.disk = ram, disk

    def words(self):
        return disks.drive_words("bench", self.disk, "bench", ",snapshot=on") if self.disk else []


def linux_initramfs(program, modules):
    # The kernel opens /dev/console for process 1 only if it is there; process 1 does without.
    entries = [("dev", 0o040755, b"", 0), ("modules", 0o040755, b"", 0)]
    for name, path, mode in [("init", program, 0o100755)] + [
            (f"modules/{i}", path, 0o100644) for i, path in enumerate(modules)]:
        with open(path, "rb") as file:
            entries.append((name, mode, file.read(), 0))
    return cpio.archive(entries)


def run_linux(program, machine):
    kernel = linux.kernel()
    options = Options(RUN_OPTIONS)
    options.icount = True
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        initrd, output = os.path.join(folder, "initramfs.cpio"), os.path.join(folder, "serial")
        with open(initrd, "wb") as file:
            file.write(linux_initramfs(program, linux.disk_modules() if machine.disk else []))
        linux.checked([qemu.QEMU, "-machine", "pc", "-nodefaults", "-no-user-config", "-no-reboot", "-display",
                       "none", "-m", f"{machine.ram >> 20}M", "-smp", "1", "-kernel", kernel, "-initrd", initrd,
                       "-append", LINUX_WORDS, "-serial", f"file:{output}"] + qemu.processor(options, "tcg") +
                      machine.words(), TIMEOUT_SECONDS)
        with open(output, errors="replace") as file:
            return file.read()


def run_pagoda(program, machine):
    env = dict(os.environ, PAGODA_QEMU=" ".join(machine.words()))
    return linux.checked([os.path.join(ROOT, "pagoda"), "run", "--icount", "--quiet", "--ram", str(machine.ram),
                          "--timeout", str(TIMEOUT_SECONDS), "--", program], TIMEOUT_SECONDS, env=env)


def counts_of(text, who):
    """Lines "NAME COUNT" up to "end"; whatever else a kernel printed is passed over."""
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)\r?$", text, re.MULTILINE)}
    if "end" not in counts:
        raise Refusal(EXIT_HOST, f"bench: {who} did not get to the end:\n{text[-2000:]}")
    del counts["end"]
    return counts


def run_both(name, program, machine):
    """The counts in Pagoda and in Linux."""
    packages.ensure(packages.FOR_RUN)
    build.build([program])
    program = build.path(program)
    say(f"bench {name}: Pagoda")
    pagoda = counts_of(run_pagoda(program, machine), "Pagoda")
    say(f"bench {name}: Linux")
    return pagoda, counts_of(run_linux(program, machine), "Linux")


def print_table(pagoda, linux_counts, not_in_mean=None):
    print(f"{'guest instructions':<26}{'Pagoda':>10}{'Linux':>10}{'ratio':>8}")
    ratios = []
    for name, count in pagoda.items():
        ratio = count / linux_counts[name] if linux_counts.get(name) else float("nan")
        print(f"{name:<26}{count:>10}{linux_counts.get(name, 0):>10}{ratio:>8.2f}")
        if ratio > 0 and not (not_in_mean and not_in_mean.fullmatch(name)):
            ratios.append(ratio)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"{'geometric mean':<46}{mean:>8.2f}")
    print(f"{'worst':<46}{max(ratios):>8.2f}")
    print(f"{'operations above Linux':<46}{sum(r > 1 for r in ratios):>8} of {len(ratios)}")


def print_versions():
    print(f"Linux: {os.path.basename(linux.kernel())}, {LINUX_WORDS}")
