# SPDX-License-Identifier: MIT
"""The checked kernel: the PC's kernel with the assertions of debug builds, and programs that run on it.

A kernel that is built with -Dkernel_checks=true stops at the first VM_BUG_ON() or lockdep_assert_held()
that does not hold, and counts a lock that is taken in the wrong order, or a task that sleeps with a
spinlock held, as a warning. The unit tests have such checks for the core; these tests have them for
kernel/, fs/ and machine/pc too. The kernel is built once, into a folder of its own in build/.

Anything of ./pagoda runs on that kernel with the folder's name in the environment:
	PAGODA_BUILD=build/checked ./pagoda test guest/ pressure/
"""
import glob
import json
import os

from lab import build
from lab.common import BUILD, PAGODA, ROOT
from lab.run import image
from lab.test import guest_programs
from lab.test.testing import GUEST, report_problems, test

FOLDER = os.path.join(BUILD, "checked")
CHECKED = dict(os.environ, PAGODA_BUILD=FOLDER, PAGODA_BUILT="1")
# How programs end that do not end with 0, on purpose.
ENDS = {"hello": 42, "null_deref": 139}
RUN_EACH = """
for program in %s; do
	/t/$program > /tmp/out 2>&1 < /dev/null
	status=$?
	echo $program $status
done
rm /tmp/out
"""


def build_checked_kernel(bench):
    """Tests that start at the same time want it; one of them builds it."""
    with build.lock("build-checked"):
        if not os.path.exists(os.path.join(FOLDER, "build.ninja")):
            bench.ran(bench.command(["meson", "setup", FOLDER, ROOT, "-Dkernel_checks=true", "-Ddebug=false",
                                     "-Dsanitizers=plain", "-Dgeometries=x86_64"], timeout=300))
        bench.ran(bench.command(["ninja", "-C", FOLDER, *GUEST], timeout=1200))


def run(bench, options, words, timeout=300):
    """Run words on the checked kernel: it must not panic, warn or lose frames."""
    build_checked_kernel(bench)
    done = bench.command([PAGODA, "run", "--quiet", "--accel", "tcg", "--stats", "stats.json", "--log", "kernel.log",
                          "--timeout", str(timeout), *options, "--", *words], timeout=timeout + 60, env=CHECKED)
    with open(bench.file("kernel.log"), errors="replace") as file:
        log = file.read()
    bench.log.write("--- kernel log\n" + log)
    complaints = [line for line in log.splitlines() if "PANIC" in line or "lock order" in line or "sleeping" in line]
    bench.check(not complaints, "; ".join(complaints[:3]))
    bench.ran(done)
    with open(bench.file("stats.json")) as file:
        problems = report_problems(json.load(file)["report"])
    bench.check(not problems, "; ".join(problems))
    return done


def suite(bench, names, timeout):
    """Tests of the suite, with the checked kernel in place of the other."""
    build_checked_kernel(bench)
    env = {name: value for name, value in CHECKED.items() if name != "PAGODA_BUILT"}
    bench.ran(bench.command([PAGODA, "test", *names], timeout=timeout, env=env))


def programs_without_options():
    """Sources of tests/guest that run on any machine, and what is said about them on top."""
    for source in sorted(glob.glob(os.path.join(guest_programs.SOURCES, "*.c"))):
        about = guest_programs.notes(source)
        if "guest" not in about and about.get("level") != "long":
            yield source, about


def compiled(bench, source, about):
    libc = about.get("libc", "both")
    return guest_programs.compile_program(source, "musl" if libc == "both" else libc, bench.log)


@test("checked/programs_of_tests_guest", quick=False)
def guest(bench):
    copies, names = [], []
    for source, about in programs_without_options():
        names.append(os.path.splitext(os.path.basename(source))[0])
        copies += ["--copy", f"{compiled(bench, source, about)}:/t/{names[-1]}"]
        if "copy" in about:
            copies += ["--copy", os.path.join(guest_programs.SOURCES, about["copy"]) + ":/" + about["copy"]]
    done = run(bench, ["--ram", "256M", *copies], [image.BUSYBOX, "sh", "-c", RUN_EACH % " ".join(names)])
    ended = dict(line.split() for line in done.out.decode().splitlines())
    bench.equal({name: int(status) for name, status in ended.items()}, {name: ENDS.get(name, 0) for name in names},
                "exit statuses")


def program(bench, name):
    source = os.path.join(guest_programs.SOURCES, name + ".c")
    return compiled(bench, source, guest_programs.notes(source))


@test("checked/swap_fuzz_and_a_disk", quick=False)
def pressure(bench):
    run(bench, ["--ram", "16M", "--swap", "128M"], [program(bench, "swap_set"), "32"])
    run(bench, ["--ram", "32M", "--swap", "64M"], [program(bench, "fuzz_syscalls"), "1", "4"])
    run(bench, ["--ram", "64M", "--swap", "64M"], [program(bench, "proc_meminfo")])
    suite(bench, ["ext2/disk_is_filled_to_the_last_block_and_stays_whole"], 300)


@test("checked/the_suites_guests", quick=False, long=True)
def guests(bench):
    suite(bench, ["guest/", "pressure/", "writeback/", "ext2/", "disks/", "programs/"], 7200)


@test("checked/only_this_kernel_has_the_assertions", quick=False)
def present(bench):
    """Their texts are in its image, so that the other tests cannot pass for want of assertions."""
    build_checked_kernel(bench)
    for folder, wanted in ((FOLDER, True), (BUILD, False)):
        with open(os.path.join(folder, build.KERNEL), "rb") as file:
            found = b"!lock_is_held(&files->lock)" in file.read()
        bench.equal(found, wanted, f"an assertion of fs/file.c in the kernel of {folder}")
