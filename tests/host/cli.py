# SPDX-License-Identifier: MIT
"""The command line's promises that need no guest: refusals, statuses, what is no program."""
import struct
from unittest import mock

from lab import packages
from lab.common import Refusal
from lab.testing import PAGODA, Failure, test


def refused(bench, words, status=2, says=b""):
    done = bench.command([PAGODA] + words)
    bench.equal(done.status, status, " ".join(words))
    bench.equal(done.err.count(b"\n"), 1, f"lines on stderr of {' '.join(words)}")
    bench.check(done.err.startswith(b"pagoda: ") and says in done.err, f"{' '.join(words)} says {done.err!r}")
    bench.equal(done.out, b"", "stdout")


@test("cli/wrong_use_exits_2_with_one_line")
def wrong_use(bench):
    for words in ([], ["frobnicate"], ["run"], ["run", "--"], ["run", "--nonsense", "x"], ["run", "--ram"],
                  ["run", "--ram", "lots", "x"], ["run", "--ram", "1K", "x"], ["run", "--ram", "0", "x"],
                  ["run", "--ram", "-1M", "x"], ["run", "--ram", "64M", "--ram", "32M", "x"],
                  ["run", "--timeout", "soon", "x"], ["run", "--timeout", "0", "x"], ["run", "--quiet=1", "x"],
                  ["run", "--accel", "magic", "x"], ["run", "--accel=kvm", "--icount", "x"],
                  ["run", "--copy", "/no/such/file", "/bin/busybox"], ["run", "--root", "/no/such", "x"],
                  ["run", "--stats", "/no/such/dir/f", "/bin/busybox"],
                  ["run", "--pages", "/no/such/dir/f", "/bin/busybox"],
                  ["run", "--compare", "/no/such/file", "/bin/busybox"], ["run", "--compare", "/bin/true", "/bin/busybox"], ["run", "--cpus", "none", "x"],
                  ["test", "--nonsense"], ["test", "--quick", "--long"], ["shell", "sh"], ["shell", "--bad"]):
        refused(bench, words)


@test("cli/what_comes_later_is_refused_clearly")
def later(bench):
    refused(bench, ["bench", "nothing"], says=b"no benchmark nothing")
    for words in (["run", "--cpus", "2", "x"], ["run", "--arch", "i386", "x"],
                  ["run", "--arch", "x86_64-la57", "x"]):
        refused(bench, words, says=b"yet")


@test("cli/missing_program_127")
def missing(bench):
    refused(bench, ["run", "/no/such/program"], 127)
    refused(bench, ["run", "--", "no-such-program-anywhere"], 127)


def elf_header(bits=2, kind=2, machine=62, data=1):
    return b"\x7fELF" + bytes([bits, data, 1]) + bytes(9) + struct.pack("<HHI", kind, machine, 1) + bytes(40)


@test("cli/no_program_for_this_machine_126")
def not_executable(bench):
    samples = {
        "text": b"hello\n", "empty": b"", "short": b"\x7fELF", "i386": elf_header(bits=1, machine=3),
        "arm": elf_header(machine=183), "object": elf_header(kind=1), "core": elf_header(kind=4),
        "big-endian": elf_header(data=2), "script": b"#!\n",
    }
    for name, content in samples.items():
        refused(bench, ["run", bench.file(name, content, 0o755)], 126)
    refused(bench, ["run", bench.file("noexec", elf_header(), 0o644)], 126)
    refused(bench, ["run", bench.folder], 126)


@test("cli/help_goes_to_stdout")
def help_text(bench):
    for words in (["--help"], ["run", "--help"], ["shell", "-h"]):
        done = bench.pagoda(*words) if words[0] == "--help" else bench.command(
            [PAGODA] + words)
        bench.ran(done)
        bench.check(b"usage: ./pagoda run" in done.out and not done.err, "usage on stdout")


@test("cli/missing_packages_without_rights_print_one_command")
def no_rights(bench):
    needs = {"package-a": ["no-such-command-a"], "package-b": ["/no/such/file/*"], "sh": ["sh"]}
    bench.equal(packages.missing(needs), ["package-a", "package-b"], "missing")
    with mock.patch.object(packages, "rights", return_value=None):
        try:
            packages.ensure(needs)
        except Refusal as refusal:
            line = str(refusal)
        else:
            raise Failure("did not refuse")
    bench.check("apt-get install" in line and line.endswith("package-a package-b'") and "\n" not in line, line)
