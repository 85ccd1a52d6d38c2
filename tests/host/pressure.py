# SPDX-License-Identifier: MIT
"""Guests that need more memory than there is: swap, its ends, and what is left afterwards.

After each run the kernel has checked its structures (kernel/report.c), and its report must show no
warning, no slot of swap in use and as many free frames as before.
"""
import hashlib
import json
import os
import random
import shutil
import stat

from lab.run import image
from lab.test import guest_programs
from lab.common import ROOT
from lab.test.testing import PAGODA, Skip, report_problems, test

GOOD = b"children failed: 0, words wrong: 0\n"


def program(bench, name):
    """A program of tests/guest, as a static binary."""
    return guest_programs.compile_program(os.path.join(guest_programs.SOURCES, name + ".c"), "musl", bench.log)


def under_pressure(bench, words, ram, swap, options=(), status=0, timeout=150):
    """Run words in such a guest. Returns (Done, the report's events)."""
    done = bench.pagoda("run", "--quiet", "--ram", ram, "--swap", swap, "--stats", "stats.json", "--log", "kernel.log",
                        "--timeout", str(timeout), *options, "--", *words, timeout=timeout + 30)
    with open(bench.file("kernel.log"), errors="replace") as file:
        bench.log.write("--- kernel log\n" + file.read())
    bench.ran(done, status)
    with open(bench.file("stats.json")) as file:
        report = json.load(file)["report"]
    problems = report_problems(report)
    bench.check(not problems, "; ".join(problems))
    return done, report["events"]


def shell(bench, script, ram, swap, **more):
    """The same with a shell script that finds swap_set as /set."""
    copy = ["--copy", program(bench, "swap_set") + ":/set"]
    return under_pressure(bench, [image.BUSYBOX, "sh", "-c", script], ram, swap, copy, **more)


# ---- Working sets -------------------------------------------------------------------------------------


def working_set(bench, ram, mib, options=(), timeout=150):
    done, events = under_pressure(bench, [program(bench, "swap_set"), str(mib)], f"{ram}M", f"{4 * mib}M", options,
                                  timeout=timeout)
    bench.equal(done.out, GOOD, "output")
    bench.check(events["pswpout"] > (mib - ram) * 256, f"{events['pswpout']} pages swapped out")
    bench.equal(events["oom_kill"], 0, "kills")


@test("pressure/working_set_of_twice_the_ram_is_shared_by_forks", "SW-08 SW-20 RC-40 RC-44")
def twice(bench):
    working_set(bench, 16, 32)


@test("pressure/working_set_of_four_times_the_ram", "SW-08 RC-06", quick=False)
def four_times(bench):
    working_set(bench, 16, 64)


@test("pressure/working_set_of_twice_the_ram_classic", "RC-35 RC-39 RC-42", quick=False)
def twice_classic(bench):
    working_set(bench, 16, 32, ["--reclaim", "classic"])


@test("pressure/large_working_sets", long=True)
def large(bench):
    for ram in 64, 256:
        for times in 2, 4:
            working_set(bench, ram, ram * times, timeout=900)


# ---- Many at once -----------------------------------------------------------------------------------------

SIXTEEN = "i=0; while [ $i -lt 16 ]; do /set {} & i=$((i + 1)); done; wait; echo all"


@test("pressure/sixteen_processes_thrash_and_all_get_done", "RC-07")
def sixteen(bench):
    done, events = shell(bench, SIXTEEN.format(2), "16M", "128M")
    bench.equal(done.out, GOOD * 16 + b"all\n", "output")
    bench.equal(events["oom_kill"], 0, "kills")


@test("pressure/sixteen_processes_with_four_times_the_ram", long=True)
def sixteen_more(bench):
    done, _ = shell(bench, SIXTEEN.format(8), "32M", "512M", timeout=300)
    bench.equal(done.out, GOOD * 16 + b"all\n", "output")


# ---- Swap is full ------------------------------------------------------------------------------------------------


@test("pressure/full_swap_ends_the_largest_and_spares_the_others", "SW-18 OM-07 OM-16")
def full_swap(bench):
    done, events = shell(bench, "/set 8 & q=$!; /set 64; echo $?; wait $q; echo $?; /set 16; echo $?", "24M", "16M")
    outputs = [b"143\n" + GOOD + b"0\n" + GOOD + b"0\n", GOOD + b"143\n0\n" + GOOD + b"0\n"]  # who ends first is open
    bench.check(done.out in outputs, f"output: {done.out!r}")
    bench.equal(events["oom_kill"], 1, "kills")
    bench.check(events["pswpout"] > 4000, "swap was not full")


@test("pressure/fork_bomb_of_hogs_with_swap", "OM-07 OM-16")
def bomb(bench):
    _, events = under_pressure(bench, [program(bench, "oom_fork_bomb")], "24M", "32M")
    bench.check(events["oom_kill"] > 0 and events["pswpout"] > 4000, "memory was not exhausted")


@test("pressure/a_hog_among_a_thousand_small_processes_is_killed", "OM-07", quick=False)
def small_processes(bench):
    """As many processes as 128 MiB allow, each of a few pages, and no swap: the hog dies, and soon: not after long reclaim."""
    source = os.path.join(ROOT, "tests", "host", "small_processes.c")
    small = guest_programs.compile_program(source, "musl", bench.log)
    done, events = under_pressure(bench, [small, "950"], "128M", "0")
    bench.equal(done.out, b"950 started\nhog: signal 15\n950 alive\ndone\n", "output")
    bench.equal(events["oom_kill"], 1, "kills")
    bench.check(events["allocstall"] < 200, f"{events['allocstall']} allocations reclaimed by themselves")


# ---- Programs from a disk -------------------------------------------------------------------------------------


def unpack(tree, folder):
    """An image's tree as files of this host."""
    for path, (mode, data, _) in sorted(tree.nodes.items()):
        at = os.path.join(folder, path[1:])
        if stat.S_ISDIR(mode):
            os.makedirs(at, exist_ok=True)
        elif stat.S_ISLNK(mode):
            os.symlink(data.decode(), at)
        else:
            with open(at, "wb") as file:
                file.write(data)
            os.chmod(at, stat.S_IMODE(mode))


def root_disk(bench, programs, files, mib):
    """An ext2 image with busybox, programs of this host, and files (path: contents)."""
    for path in programs:
        if not os.path.exists(path):
            raise Skip(f"no {path} here")
    tree = image.base_tree(os.devnull, None)
    for path in programs:
        image.add_program(tree, path, path, "x86_64")
    for path, data in files.items():
        tree.file(path, data)
    folder, disk = bench.file("root"), bench.file("root.img")
    unpack(tree, folder)
    with open(disk, "wb") as file:
        file.truncate(mib << 20)
    mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    bench.ran(bench.command([mke2fs, "-q", "-F", "-t", "ext2", "-d", folder, disk]))
    return disk


def from_disk(bench, disk, script, ram, swap, **more):
    return under_pressure(bench, [image.BUSYBOX, "sh", "-c", script], ram, swap, ["--root", disk], **more)


@test("pressure/without_swap_file_pages_go_before_anybody_is_killed", "SW-17")
def no_swap(bench):
    data = random.Random(3).randbytes(16 << 20)
    disk = root_disk(bench, [program(bench, "swap_set")], {"/data": data}, 40)
    script = f"md5sum < /data; {program(bench, 'swap_set')} 10; {program(bench, 'swap_set')} 64; echo $?; md5sum < /data"
    done, events = from_disk(bench, disk, script, "32M", "0")
    md5 = hashlib.md5(data).hexdigest().encode() + b"  -\n"
    bench.equal(done.out, md5 + GOOD + b"143\n" + md5, "output")
    bench.equal((events["oom_kill"], events["pswpout"]), (1, 0), "kills and pages swapped out")
    bench.check(events["pgsteal"] > 3000, f"only {events['pgsteal']} of 4096 pages of the file were reclaimed")


def sort_file(bench, ram, mib, timeout=150):
    """Debian's sort (which sizes its buffer by itself) of a file of mib MiB."""
    lines = [b"%08x%s\n" % (n * 2654435761 % 2**32, b"x" * (n % 100)) for n in range(mib * 17500)]
    data = b"".join(lines)
    disk = root_disk(bench, ["/usr/bin/sort"], {"/data": data}, 3 * mib + 16)
    done, events = from_disk(bench, disk, "/usr/bin/sort -T /tmp /data | md5sum", f"{ram}M", f"{2 * mib}M",
                             timeout=timeout)
    bench.check(len(data) > 4 * ram << 20, "the file is too small")
    bench.equal(done.out.split()[0].decode(), hashlib.md5(b"".join(sorted(lines))).hexdigest(), "sum of the sorted file")
    bench.check(events["pswpout"] > 0, "nothing was swapped")


@test("pressure/sort_of_a_file_of_four_times_the_ram", "SW-20", quick=False)
def sort(bench):
    sort_file(bench, 8, 34)


@test("pressure/sort_of_a_large_file", long=True)
def sort_large(bench):
    sort_file(bench, 64, 280, timeout=1500)


HELLO = '#include <stdio.h>\nint main(void)\n{\n\tprintf("hello\\n");\n\treturn 5;\n}\n'


@test("pressure/gcc_compiles_in_32_mib")
def gcc(bench):
    disk = root_disk(bench, ["/usr/bin/gcc"], {"/hello.c": HELLO}, 320)
    done, events = from_disk(bench, disk, "gcc -O2 -Wall -o /hello /hello.c && /hello; echo $?", "32M", "128M")
    bench.equal(done.out, b"hello\n5\n", "output")
    bench.check(events["pswpout"] > 0, "nothing was swapped")
    bench.equal(events["oom_kill"], 0, "kills")


# ---- The policies, on reference strings -----------------------------------------------------------------------


def simulate(bench, string, frames=1000):
    """The runs of ./pagoda sim with one size of memory, by policy."""
    words = [PAGODA, "sim", "--json", "--reclaim", "default,classic", "--policies", "lru", "--frames", str(frames), string]
    done = bench.ran(bench.command(words, timeout=120, env=dict(os.environ, PAGODA_BUILT="1")))
    return {run["policy"]: run for run in json.loads(done.out)["runs"]}


# The string, and the most of the classic policy's and of LRU's major faults that the default one may take.
STRINGS = [("loop:pages=1100,refs=200k", 0.6, 0.5), ("loop:pages=1500,refs=200k", 0.7, 0.7),
           ("scan:refs=200k", 0.9, 0.9), ("zipf:refs=200k", 0.9, 0.92), ("random:refs=200k", 1.01, 1.02),
           ("zipf:pages=8000,refs=200k,skew=0.8", 0.9, 0.92), ("loop:pages=900,refs=100k", 1, 1),
           ("sequential:pages=5000", 1, 1), ("shift:refs=300k", 1.01, 1.1),
           ("shift:pages=8000,set=700,phase=30000,refs=300k", 1.01, 1.15)]


@test("pressure/default_policy_faults_less_and_looks_at_less", "FX-13 FX-14", needs=["lab/sim/sim-plain"])
def strings(bench):
    sums = {}
    for string, of_classic, of_lru in STRINGS:
        run = simulate(bench, string)
        default, classic, lru = (run[name] for name in ("default", "classic", "lru"))
        bench.check(default["major"] <= of_classic * classic["major"],
                    f"{string}: {default['major']} major faults, classic {classic['major']}")
        bench.check(default["major"] <= of_lru * lru["major"], f"{string}: {default['major']}, LRU {lru['major']}")
        for name, r in run.items():
            sums[name] = [a + b for a, b in zip(sums.get(name, (0, 0)), (r["scanned"], r["reclaimed"]))]
    looked_at = {name: scanned / reclaimed for name, (scanned, reclaimed) in sums.items()}
    bench.log.write(f"looked at for each page reclaimed: {looked_at}\n")
    bench.check(looked_at["default"] <= looked_at["classic"] / 3, f"looked at for each page reclaimed: {looked_at}")


@test("pressure/popular_pages_stay_at_every_size", "FX-13", needs=["lab/sim/sim-plain"])
def popular(bench):
    for frames in (300, 2000, 3000):
        run = simulate(bench, "zipf:refs=200k", frames)
        bench.check(run["default"]["major"] <= 1.01 * run["classic"]["major"],
                    f"{frames} frames: {run['default']['major']} major faults, classic {run['classic']['major']}")
