# SPDX-License-Identifier: MIT
"""What goes wrong around a run, each with one line that says so: a full host, huge swap, a tree of
somebody else's, a directory that is gone, words that nobody knows."""
import json
import os
import pwd
import shutil
import subprocess

from lab.common import ROOT
from lab.test.testing import PAGODA, Skip, report_problems, test

HOG = "BEGIN { for (i = 0; i < 400000; i++) a[i] = i; for (i = 0; i < 400000; i++) s += a[i]; print s }"
SMALL_HOST = "6M"  # for the initramfs and a few pages of swap


class SmallHost:
    """A file system of a few megabytes, for TMPDIR."""

    def __init__(self, bench):
        self.path = bench.file("small")

    def __enter__(self):
        os.mkdir(self.path)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_HOST}", "tmpfs", self.path],
                                 capture_output=True, text=True)
        if mounted.returncode:
            raise Skip("a small file system cannot be mounted here: " + mounted.stderr.strip())
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


def with_environment(bench, words, timeout=60, prefix=(), **variables):
    return bench.command([*prefix, PAGODA, *words], timeout=timeout, env=dict(os.environ, PAGODA_BUILT="1", **variables))


@test("trouble/a_full_host_ends_in_an_oom_kill_and_a_line", "SW-12", quick=False)
def full_host(bench):
    """Swap writes fail like any other write; the machine goes on, and its OOM killer ends the hog."""
    with SmallHost(bench) as folder:
        done = with_environment(bench, ["run", "--accel", "tcg", "--ram", "24M", "--swap", "64M", "--quiet", "--stats",
                                        bench.file("stats"), "--", "/bin/busybox", "awk", HOG],
                                timeout=300, TMPDIR=folder)
    with open(bench.file("stats")) as file:
        stats = json.load(file)
    bench.check(stats["report"]["events"]["oom_kill"] >= 1, "the OOM killer was needed")
    bench.check(done.status > 128, f"the hog's status: {done.status}")
    bench.check(b"the host's file system is full: the machine's swap disk" in done.err, f"says {done.err!r}")
    bench.equal(report_problems(stats["report"]), [], "complaints of the report")


@test("trouble/a_log_that_cannot_be_written_is_said_and_the_run_goes_on")
def full_log(bench):
    done = bench.pagoda("run", "--quiet", "--log", "/dev/full", "--", "/bin/busybox", "echo", "ok")
    bench.ran(done, out=b"ok\n")
    bench.check(b"--log /dev/full: not complete: No space left on device" in done.err, f"says {done.err!r}")


@test("trouble/stats_that_cannot_be_written_are_said")
def full_stats(bench):
    done = bench.pagoda("run", "--quiet", "--stats", "/dev/full", "--", "/bin/busybox", "echo", "ok")
    bench.equal((done.status, done.out), (71, b"ok\n"), "status and output")
    bench.check(b"--stats /dev/full: No space left on device" in done.err, f"says {done.err!r}")


@test("trouble/swap_that_the_memory_cannot_manage_is_refused_with_the_ram_to_try")
def huge_swap(bench):
    for size in ("500G", "1000G"):
        done = bench.pagoda("run", "--ram", "64M", "--swap", size, "--", "/bin/busybox", "true")
        bench.equal((done.status, done.err.count(b"\n")), (70, 1), f"status and lines with {size}")
        bench.check(b"of swap need" in done.err and b"try --ram" in done.err, f"says {done.err!r}")


@test("trouble/huge_swap_in_enough_memory_ends_as_quickly_as_any", quick=False)
def swap_of_a_terabyte(bench):
    done = bench.pagoda("run", "--ram", "1G", "--swap", "1000G", "--", "/bin/busybox", "grep", "Swap", "/proc/meminfo",
                        timeout=120)
    bench.ran(done)
    bench.check(b"SwapTotal:      1048575996 kB" in done.out, f"prints {done.out!r}")


@test("trouble/a_directory_that_is_gone_is_said")
def gone(bench):
    command = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@" 2>&1'
    done = bench.command(["sh", "-c", command, PAGODA, "run", "/bin/busybox", "true"])
    bench.equal(done.status, 2, "status")
    bench.check(b"the current directory does not exist any more" in done.out and b"installing" not in done.out,
                f"says {done.out!r}")


@test("trouble/misspelt_boot_words_are_told_and_the_others_go_to_init")
def misspelt(bench):
    show = ["--", "/bin/busybox", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline; tr '\\0' ' ' </proc/1/environ"]
    done = bench.ran(bench.pagoda("run", "--quiet", "--append", "slab_debg A=1 HOME=/x mod.p=2 -- last", *show),
                     out=b"/init slab_debg last HOME=/x TERM=linux A=1 ")
    bench.check(b"knows no word slab_debg; did you mean slab_debug?" in done.err, f"says {done.err!r}")
    done = bench.ran(bench.pagoda("run", "--quiet", "--append", "slab_debug fault_around=4096", *show))
    bench.equal(done.err, b"", "what is said of known words")


@test("trouble/compare_speaks_although_quiet")
def quiet_compare(bench):
    words = ["--icount", "--", "/bin/busybox", "true"]
    bench.ran(bench.pagoda("run", "--quiet", "--stats", bench.file("old"), *words))
    done = bench.ran(bench.pagoda("run", "--quiet", "--compare", bench.file("old"), *words))
    bench.equal(done.err.decode(), f"  compared with {bench.file('old')}: alike\n", "stderr")


@test("trouble/a_dash_is_standard_output")
def dash(bench):
    done = bench.ran(bench.pagoda("run", "--quiet", "--stats", "-", "--", "/bin/busybox", "echo", "first"))
    first, _, rest = done.out.partition(b"\n")
    bench.equal((first, json.loads(rest)["exit_status"]), (b"first", 0), "what is on stdout")
    bench.check(not os.path.exists(bench.file("-")), "no file of that name")
    command = '("$0" run --accel tcg --quiet --stats - -- /bin/busybox seq 100000; echo $? >status) | head -n 1'
    done = bench.ran(bench.command(["bash", "-c", command, PAGODA], env=dict(os.environ, PAGODA_BUILT="1")), out=b"1\n")
    with open(bench.file("status")) as file:
        bench.equal((file.read(), done.err), ("141\n", b""), "status and stderr when nobody reads on")


@test("trouble/another_users_tree_is_built_elsewhere", quick=False)
def other_user(bench):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root, to become another user")
    nobody = pwd.getpwnam("nobody")
    if subprocess.run(["setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups", "test", "-r", PAGODA, "-a", "-x",
                       ROOT]).returncode:
        raise Skip("this tree is not readable for others")
    caches = bench.file("caches")
    os.mkdir(caches)
    os.chown(caches, nobody.pw_uid, nobody.pw_gid)
    build_init = "import sys; sys.path.insert(0, sys.argv[1]); from lab import build; build.build([build.INIT])"
    done = bench.command(["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
                          "python3", "-B", "-c", build_init, ROOT], timeout=300, env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": caches, "HOME": caches, "CCACHE_DISABLE": "1"})
    bench.ran(done)
    bench.check(b"this tree belongs to another user: building in " + caches.encode() in done.err, f"says {done.err!r}")
    built = [path for path, _, files in os.walk(caches) if "init" in files and path.endswith("/guest")]
    bench.check(built, "there is a /init")
