# SPDX-License-Identifier: MIT
"""`./pagoda bench mm`: memory calls and faults beside Linux's, in guest instructions.

guest/bench_mm.c runs in Pagoda and in Debian's Linux 6.1, in QEMU with the flags of --icount,
under which the time-stamp counter counts instructions. Linux's kernel comes from Debian's
package, unpacked under build/ and not installed; the program is its /init and prints on the
serial line when all is measured. Linux runs without mitigations and huge pages, which Pagoda
does not have, and with four levels of page tables, as Pagoda does. Otherwise it is as Debian
configures it, which clears memory that it allocates (init_on_alloc), counts it per control
group and asks a security module: with all that off its counts are a tenth lower on the average.

"WHAT_N_areas" is one lookup (mincore), insertion (mmap into a hole), split (mprotect of the middle
page) or search for a free range (mmap of two pages) in a space of N areas with one-page holes.
They show growth and are left out of the mean; so is "known_1000", a loop of 1000
instructions, which shows that the counter counts what it should.
"""
import math
import os
import re
import tempfile

from lab import build, cli, cpio, linux, packages, qemu
from lab.common import EXIT_HOST, ROOT, Refusal, say

PROGRAM = "guest/bench_mm"
RAM = 256 << 20
TIMEOUT_SECONDS = 300
LINUX_WORDS = "quiet console=ttyS0 mitigations=off transparent_hugepage=never no5lvl panic=-1"
KNOWN = "known_1000"
AMONG = ("lookup", "insert", "split", "gap")
NOT_IN_MEAN = re.compile(rf"\w+_\d+_areas|{KNOWN}")


# ---- Debian's Linux --------------------------------------------------------------------------

def linux_initramfs(program):
    with open(program, "rb") as file:
        data = file.read()
    # The kernel opens /dev/console for process 1 only if it is there; process 1 does without.
    return cpio.archive([("dev", 0o040755, b"", 0), ("init", 0o100755, data, 0)])


def run_linux(program):
    kernel = linux.kernel()
    options = cli.Options(cli.RUN_OPTIONS)
    options.icount = True
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        initrd, output = os.path.join(folder, "initramfs.cpio"), os.path.join(folder, "serial")
        with open(initrd, "wb") as file:
            file.write(linux_initramfs(program))
        linux.checked([qemu.QEMU, "-machine", "pc", "-nodefaults", "-no-user-config", "-no-reboot", "-display",
                       "none", "-m", f"{RAM >> 20}M", "-smp", "1", "-kernel", kernel, "-initrd", initrd,
                       "-append", LINUX_WORDS, "-serial", f"file:{output}"] + qemu.processor(options, "tcg"),
                      TIMEOUT_SECONDS)
        with open(output, errors="replace") as file:
            return file.read(), os.path.basename(kernel)


# ---- Pagoda, and the table -------------------------------------------------------------------

def run_pagoda(program):
    return linux.checked([os.path.join(ROOT, "pagoda"), "run", "--icount", "--quiet", "--ram", str(RAM),
                    "--timeout", str(TIMEOUT_SECONDS), "--", program], TIMEOUT_SECONDS)


def counts_of(text, who):
    """Lines "NAME COUNT" up to "end"; whatever else a kernel printed is passed over."""
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)\r?$", text, re.MULTILINE)}
    if "end" not in counts:
        raise Refusal(EXIT_HOST, f"bench mm: {who} did not get to the end:\n{text[-2000:]}")
    del counts["end"]
    return counts


def print_table(pagoda, linux):
    print(f"{'guest instructions':<26}{'Pagoda':>10}{'Linux':>10}{'ratio':>8}")
    ratios = []
    for name, count in pagoda.items():
        ratio = count / linux[name] if linux.get(name) else float("nan")
        print(f"{name:<26}{count:>10}{linux.get(name, 0):>10}{ratio:>8.2f}")
        if not NOT_IN_MEAN.fullmatch(name) and ratio > 0:
            ratios.append(ratio)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"{'geometric mean':<46}{mean:>8.2f}")
    print(f"{'worst':<46}{max(ratios):>8.2f}")
    print(f"{'operations above Linux':<46}{sum(r > 1 for r in ratios):>8} of {len(ratios)}")


def print_growth(pagoda):
    """What a thousand times as many areas cost: log(100,000) / log(100) = 2.5 times would be logarithmic."""
    few, many = 100, 100000
    limit = math.log(many) / math.log(few)
    for what in AMONG:
        growth = pagoda[f"{what}_{many}_areas"] / pagoda[f"{what}_{few}_areas"]
        print(f"{what + f', {few} to {many:,} areas':<46}{growth:>8.2f}"
              f" {'at most' if growth <= limit else 'more than'} logarithmic ({limit})")


def bench_mm():
    """System calls, faults, address-space calls and processes beside Linux (issue 4)."""
    packages.ensure(packages.FOR_RUN)
    build.build([PROGRAM])
    program = build.path(PROGRAM)
    say("bench mm: Pagoda")
    pagoda = counts_of(run_pagoda(program), "Pagoda")
    say("bench mm: Linux")
    text, version = run_linux(program)
    print_table(pagoda, counts_of(text, "Linux"))
    print_growth(pagoda)
    print(f"Linux: {version}, {LINUX_WORDS}")
    return 0
