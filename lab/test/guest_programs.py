# SPDX-License-Identifier: MIT
"""Runs tests/guest/*.c in the guest and compares with what Linux prints.

Each program is built statically with glibc and with musl, run once on this host and once in
Pagoda, and must print the same on both streams and end the same way. Comments at the top of
a program say what is special about it, one per line, each optional:

	/* proves: FT-12 AS-03 */	requirement IDs
	/* guest: --ram 64M */		more options for ./pagoda run
	/* libc: glibc */		only this one (default: both)
	/* compare: none */		the host's run does not count: the program checks itself and
					must exit with 0 (default: linux)
	/* timeout: 60 */		seconds (default 60)
	/* copy: FILE */		a file beside the program, put into the guest at its path
	/* level: long */		only in ./pagoda test --long

A file NAME.expected replaces the host's run: the program must print it and exit with 0. That
is for what the host's kernel, being newer than Linux 6.1, answers differently.

After each run the kernel's report must show no warning, and as many free frames as before.
"""
import fcntl
import glob
import json
import os
import re
import shlex
import subprocess
import threading

from lab.run import image
from lab.common import BUILD, ROOT
from lab.test.testing import FAILED, GUEST, OK, Bench, Done, Job, Result, report_problems, shorten

SOURCES = os.path.join(ROOT, "tests", "guest")
BINARIES = os.path.join(BUILD, "tests-guest")
COMPILERS = {"glibc": "gcc", "musl": "musl-gcc"}
FLAGS = ["-std=gnu11", "-O1", "-Wall", "-static", "-pthread"]
NOTE = re.compile(r"/\*\s*(proves|guest|libc|compare|timeout|copy|level):\s*(.*?)\s*\*/")
NOTES_WITHIN_LINES = 30
TIMEOUT_SECONDS = 60


def notes(source):
    with open(source) as file:
        head = "".join(line for _, line in zip(range(NOTES_WITHIN_LINES), file))
    return dict(NOTE.findall(head))


def compile_program(source, libc, log):
    """Build if older than its source (or a header beside it). Returns the path, or None.

    Several tests may want the same program at once: one of them builds it."""
    os.makedirs(BINARIES, exist_ok=True)
    with open(os.path.join(BINARIES, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return compile_locked(source, libc, log)


def compile_locked(source, libc, log):
    name = os.path.splitext(os.path.basename(source))[0]
    target = os.path.join(BINARIES, f"{name}.{libc}")
    inputs = [source, __file__] + glob.glob(os.path.join(SOURCES, "*.h"))
    if os.path.exists(target) and all(os.path.getmtime(i) < os.path.getmtime(target) for i in inputs):
        return target
    new = f"{target}.{threading.get_ident()}.new"  # tests that run at the same time may share a program
    command = [COMPILERS[libc], *FLAGS, "-o", new, source]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log.write(f"$ {' '.join(command)}\n{done.stdout}")
    if done.returncode:
        return None
    os.rename(new, target)
    return target


def on_this_host(bench, program, timeout):
    env = dict(word.split("=", 1) for word in image.environment(False))
    return bench.command([program], timeout=timeout, env=env)


def in_guest(bench, program, about, timeout):
    words = ["--quiet", "--stats", "stats.json", "--log", "kernel.log", "--timeout", str(timeout)]
    words += shlex.split(about.get("guest", ""))
    if "copy" in about:
        words += ["--copy", os.path.join(SOURCES, about["copy"]) + ":" + os.path.join("/", about["copy"])]
    done = bench.pagoda("run", *words, "--", program, timeout=timeout + 30)
    try:
        with open(bench.file("stats.json")) as file:
            report = json.load(file)["report"]
    except (OSError, ValueError):
        report = None
    return done, report


def expected_output(source):
    """What NAME.expected says, as if it were a finished run; None if there is no such file."""
    path = os.path.splitext(source)[0] + ".expected"
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return Done(0, file.read(), b"")


def shell_status(status):
    """A negative status of subprocess (a signal) as a shell would say it."""
    return 128 - status if status < 0 else status


def differences(linux, pagoda):
    if shell_status(linux.status) != pagoda.status:
        yield f"exit status {pagoda.status}, on Linux {shell_status(linux.status)}"
    for label, ours, theirs in (("stdout", pagoda.out, linux.out), ("stderr", pagoda.err, linux.err)):
        if ours != theirs:
            yield f"{label}: {first_difference(ours, theirs)}"


def first_difference(ours, theirs):
    ours, theirs = ours.splitlines(), theirs.splitlines()
    for number, (a, b) in enumerate(zip(ours, theirs), start=1):
        if a != b:
            return f"line {number} is {shorten(a)}, on Linux {shorten(b)}"
    more, where = (ours, "Pagoda") if len(ours) > len(theirs) else (theirs, "Linux")
    number = min(len(ours), len(theirs))
    return f"only {where} prints line {number + 1}: {shorten(more[number])}" if number < len(more) else "line ends"


def keep_kernel_log(bench, log):
    try:
        with open(bench.file("kernel.log"), errors="replace") as file:
            log.write("--- kernel log\n" + file.read())
    except OSError:
        pass


def run_program(source, libc, name, about, log):
    ids = about.get("proves", "").split()
    program = compile_program(source, libc, log)
    if not program:
        return [Result(name, FAILED, ids, f"does not compile with {COMPILERS[libc]}")]
    bench = Bench(name, log)
    timeout = int(about.get("timeout", TIMEOUT_SECONDS))
    try:
        done, report = in_guest(bench, program, about, timeout)
        if about.get("compare", "linux") == "linux":
            linux = expected_output(source) or on_this_host(bench, program, timeout)
            problems = list(differences(linux, done))
        else:
            problems = [f"exit status {done.status}: {shorten(done.out[-200:])}"] if done.status else []
        problems += report_problems(report)
        keep_kernel_log(bench, log)
    finally:
        bench.clean_up()
    return [Result(name, FAILED if problems else OK, ids, "; ".join(problems))]


def jobs():
    for source in sorted(glob.glob(os.path.join(SOURCES, "*.c"))):
        about = notes(source)
        wanted = about.get("libc", "both")
        for libc in COMPILERS if wanted == "both" else [wanted]:
            name = f"guest/{os.path.splitext(os.path.basename(source))[0]}.{libc}"

            def run(log, source=source, libc=libc, name=name, about=about):
                return run_program(source, libc, name, about, log)
            yield Job(name, run, in_quick=libc == "glibc" or wanted == "musl",
                      only_long=about.get("level") == "long", needs=GUEST)
