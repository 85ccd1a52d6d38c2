# SPDX-License-Identifier: MIT
"""The command line's promises that need no guest: refusals, statuses, what is no program."""
import contextlib
import io
import json
import os
import re
import struct
import subprocess
from unittest import mock

from lab import build, packages
from lab.common import ROOT, Refusal
from lab.test.testing import PAGODA, Failure, test

COMMANDS = ("run", "shell", "test", "bench", "sim", "embed")

# Starting Python costs more than refusing: one process tries all command lines of a test.
DRIVER = """\
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
from lab import cli
for words in json.load(sys.stdin):
    texts = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(texts[0]), contextlib.redirect_stderr(texts[1]):
        status = cli.main(words)
    for text in texts:
        text.flush()
    print(json.dumps([status] + [text.buffer.getvalue().decode("latin-1") for text in texts]))
"""


def all_refused(bench, lines, status=2, says=b""):
    """Each command line ends with that status and one line on stderr."""
    done = bench.ran(bench.command(["python3", "-B", "-c", DRIVER, ROOT], stdin=json.dumps(lines).encode(),
                                   env=dict(os.environ, PAGODA_BUILT="1")))
    found = [json.loads(line) for line in done.out.splitlines()]
    bench.equal(len(found), len(lines), "answers")
    for words, (its_status, out, err) in zip(lines, found):
        bench.equal(its_status, status, f"status of {words}")
        bench.check(err.startswith("pagoda: ") and err.count("\n") == 1 and says.decode("latin-1") in err,
                    f"{words} says {err!r}")
        bench.equal(out, "", f"stdout of {words}")


@test("cli/wrong_use_exits_2_with_one_line")
def wrong_use(bench):
    done = bench.command([PAGODA, "run"])
    bench.equal((done.status, done.out, done.err.count(b"\n")), (2, b"", 1), "what the command itself gives")
    all_refused(bench, ([], ["frobnicate"], ["run"], ["run", "--"], ["run", "--nonsense", "x"], ["run", "--ram"],
                  ["run", "--ram", "lots", "x"], ["run", "--ram", "1K", "x"], ["run", "--ram", "0", "x"],
                  ["run", "--ram", "-1M", "x"], ["run", "--ram", "64M", "--ram", "32M", "x"],
                  ["run", "--timeout", "soon", "x"], ["run", "--timeout", "0", "x"], ["run", "--quiet=1", "x"],
                  ["run", "--accel", "magic", "x"], ["run", "--accel=kvm", "--icount", "x"],
                  ["run", "--copy", "/no/such/file", "/bin/busybox"], ["run", "--root", "/no/such", "x"],
                  ["run", "--stats", "/no/such/dir/f", "/bin/busybox"],
                  ["run", "--pages", "/no/such/dir/f", "/bin/busybox"],
                  ["run", "--compare", "/no/such/file", "/bin/busybox"], ["run", "--compare", "/bin/true", "/bin/busybox"], ["run", "--cpus", "none", "x"],
                  ["run", "--cpus", "\u00b2", "x"], ["run", "--nodes", "\u00b2", "x"], ["run", "--log", "/tmp", "/bin/busybox"],
                  ["run", "--stats", "/tmp", "/bin/busybox"], ["run", "--append", "x" * 3000, "/bin/busybox"],
                  ["run", "--nodes", "8", "--ram", "12M", "/bin/busybox"],
                  ["test", "--nonsense"], ["test", "--quick", "--long"], ["shell", "sh"], ["shell", "--bad"]))


@test("cli/what_comes_later_is_refused_clearly")
def later(bench):
    all_refused(bench, [["bench", "nothing"]], says=b"no benchmark nothing")
    all_refused(bench, [["run", "--cpus", "2", "x"], ["run", "--arch", "i386", "x"],
                        ["run", "--arch", "x86_64-la57", "x"]], says=b"yet")


@test("cli/copy_refuses_what_the_guest_cannot_have")
def copies(bench):
    bench.file("file", "")
    os.mkdir(bench.file("folder"))
    words = ("file:/", "file:/etc", "file:/init", "file:/.pagoda/argv", "/dev/null:/x", "file:/etc/passwd/x",
             "folder:/etc/passwd")
    all_refused(bench, [["run", "--copy", word, "/bin/busybox"] for word in words])


@test("cli/too_little_memory_for_the_files_is_said_before_booting")
def too_little(bench):
    bench.file("big", bytes(20 << 20))
    all_refused(bench, [["run", "--ram", "16M", "--copy", "big", "/bin/busybox"]], says=b"try --ram")


@test("cli/names_that_are_no_text_are_shown_as_they_are")
def odd_names(bench):
    all_refused(bench, [["run", os.fsdecode(b"/no/such/\xff\xfe")]], 127, b"/no/such/\xff\xfe: ")


@test("cli/missing_program_127")
def missing(bench):
    all_refused(bench, [["run", "/no/such/program"], ["run", "--", "no-such-program-anywhere"]], 127)


def elf_header(bits=2, kind=2, machine=62, data=1):
    return b"\x7fELF" + bytes([bits, data, 1]) + bytes(9) + struct.pack("<HHI", kind, machine, 1) + bytes(40)


@test("cli/no_program_for_this_machine_126")
def not_executable(bench):
    samples = {
        "text": b"hello\n", "empty": b"", "short": b"\x7fELF", "i386": elf_header(bits=1, machine=3),
        "arm": elf_header(machine=183), "object": elf_header(kind=1), "core": elf_header(kind=4),
        "big-endian": elf_header(data=2), "script": b"#!\n",
    }
    paths = [bench.file(name, content, 0o755) for name, content in samples.items()]
    paths += [bench.file("noexec", elf_header(), 0o644), bench.folder]
    all_refused(bench, [["run", path] for path in paths], 126)


@test("cli/help_goes_to_stdout_and_is_the_commands_alone")
def help_text(bench):
    done = bench.ran(bench.command([PAGODA, "--help"]))
    bench.check(all(f"./pagoda {c}".encode() in done.out for c in COMMANDS), "all commands")
    for words in (["run", "--help"], ["shell", "-h"], ["test", "--help"], ["bench", "--help"], ["embed", "--help"], ["help", "sim"]):
        done = bench.ran(bench.command([PAGODA] + words))
        command = words[0] if words[0] != "help" else words[1]
        others = [c for c in COMMANDS if c != command]
        bench.check(done.out.startswith(b"usage: ./pagoda " + command.encode()) and not done.err, f"usage of {command}")
        bench.check(not any(f"usage: ./pagoda {c} ".encode() in done.out for c in others), f"only of {command}")


@test("cli/a_reader_that_leaves_ends_the_command_silently")
def reader_leaves(bench):
    for words in (["run", "--help"], ["--help"], ["test", "--help"], ["sim", "--help"]):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb") as closed:
            done = subprocess.run([os.path.join(ROOT, "pagoda"), *words], stdout=closed, stderr=subprocess.PIPE, timeout=60)
        bench.equal((done.returncode, done.stderr), (141, b""), f"{' '.join(words)} into a pipe that nobody reads")


@test("cli/version_names_the_release")
def version(bench):
    done = bench.ran(bench.command([PAGODA, "--version"]))
    bench.check(re.fullmatch(rb"pagoda [0-9]+\.[0-9]+\.[0-9]+( \([0-9a-zA-Z.-]+\))?\n", done.out), f"prints {done.out!r}")


@test("cli/a_long_build_shows_how_far_it_is")
def progress(bench):
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown), mock.patch.object(build, "say", lambda line: shown.write(line + "\n")):
        progress = build.Progress()
        progress.told -= build.PROGRESS_SECONDS
        progress.saw("[3/10] Compiling C object x.o\n")
        progress.saw("[4/10] Compiling C object y.o\n")
        progress.saw("warning of a compiler\n")
        progress.end()
    bench.equal(shown.getvalue(), "building: 3 of 10 steps\n", "where no terminal is")


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


def hostile_elf(interp_at, interp_bytes, phnum=1, phoff=64):
    """A program whose PT_INTERP lies there; what is at 120 is a name with a NUL and bytes that are no text."""
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400000, phoff, 0, 0, 64,
                                                                  56, phnum, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 3, 4, interp_at, 0, 0, interp_bytes, interp_bytes, 1) + b"/\xff\0x\0" * 9


@test("cli/hostile_elf_headers_do_not_confuse_the_host")
def hostile_headers(bench):
    """The guest has the last word, and says no."""
    for at, size, phnum, phoff in ((120, 20, 1, 64), (1 << 63, 1 << 63, 1, 64), (120, 1 << 62, 0xffff, 64),
                                   (0, 0, 0xffff, 1 << 63)):
        path = bench.file("hostile", hostile_elf(at, size, phnum, phoff), 0o755)
        done = bench.pagoda("run", "--quiet", path)
        bench.check(done.status in (126, 127) and done.err.count(b"\n") == 1, f"{at, size, phnum, phoff}: {done}")
