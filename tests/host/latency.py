# SPDX-License-Identifier: MIT
"""Nobody keeps the CPU for long: the boot word latency_debug, under --icount, over all kinds of bulk work.

The kernel measures itself (kernel/latency.c): what goes on for more than 4 million instructions without a
scheduling point, or 0.4 million with interrupts off, is a warning in its log that names the functions. Under
--icount the figures are of instructions, and the same on every host.
"""
import os
import re

from lab.run import ext2, image
from lab.common import BUILD, ROOT
from lab.test.testing import PAGODA, test

SOURCE = os.path.join(ROOT, "tests", "host", "latency.c")
FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"]
STRETCH_LIMIT, BLACKOUT_LIMIT = 4_000_000, 400_000


def program(bench):
    path = os.path.join(BUILD, "tests-guest", "latency")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(SOURCE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bench.ran(bench.command(["gcc", *FLAGS, "-o", bench.file("latency"), SOURCE]))
        os.rename(bench.file("latency"), path)
    return path


def longest(bench, log, what):
    found = re.findall(rf"latency: longest: (\d+) cycles {what}(.*)", log)
    bench.check(len(found) == 1, f"the log does not tell the longest time {what}")
    return int(found[0][0]), found[0][1]


def measure(bench, work, *options):
    """The two longest times of a run that does that work, each with where it was."""
    bench.ran(bench.pagoda("run", "--quiet", "--icount", "--timeout", "500", "--log", "log", "--append",
                           "latency_debug", *options, "--", program(bench), work))
    return read_log(bench)


def read_log(bench):
    with open(bench.file("log"), errors="replace") as file:
        log = file.read()
    for line in re.findall(r"latency: .*", log):
        bench.log.write(f"{line}\n")
    return longest(bench, log, "without a scheduling point"), longest(bench, log, "with interrupts off"), log


def judge(bench, measured, limit=STRETCH_LIMIT):
    stretch, blackout, log = measured
    bench.check("latency: warning" not in log, "; ".join(re.findall(r"latency: (warning.*)", log)))
    bench.check(stretch[0] <= limit, f"{stretch[0]} instructions without a scheduling point {stretch[1]}")
    bench.check(blackout[0] <= BLACKOUT_LIMIT, f"{blackout[0]} instructions with interrupts off {blackout[1]}")


def gives_way(work, what, *options, limit=STRETCH_LIMIT):
    """limit: a lower one stands for more of the same work, which would take the test too long."""
    @test(f"latency/{what}_gives_way")
    def run(bench):
        judge(bench, measure(bench, work, *options), limit)


gives_way("munmap", "unmapping_a_gigabyte", "--ram", "256M")
gives_way("mprotect", "changing_rights_of_a_gigabyte", "--ram", "256M")
gives_way("mremap", "moving_a_gigabyte", "--ram", "256M")
gives_way("fork", "forking_and_exiting_with_a_gigabyte", "--ram", "256M")
gives_way("advice", "advice_about_a_gigabyte", "--ram", "256M")
gives_way("lock", "locking_and_unlocking_memory", "--ram", "256M")
gives_way("look", "looking_at_a_gigabyte", "--ram", "256M")
gives_way("regions", "work_on_thirty_thousand_regions", "--ram", "256M")
gives_way("big_files", "filling_and_emptying_a_big_file", "--ram", "256M")
gives_way("many_files", "dropping_thousands_of_inodes", "--ram", "256M")
gives_way("descriptors", "work_on_thousands_of_descriptors", "--ram", "256M")
gives_way("epolls", "closing_what_twenty_thousand_epolls_watch", "--ram", "256M")
gives_way("epoll_layers", "watching_an_epoll_below_layers_of_epolls", "--ram", "256M", limit=1_500_000)
gives_way("record_locks", "closing_a_file_with_thousands_of_locks", "--ram", "256M", limit=1_500_000)
gives_way("processes", "work_on_thousands_of_processes", "--ram", "256M")
gives_way("family", "work_on_thousands_of_children", "--ram", "1G")
gives_way("threads", "waking_and_ending_thousands_of_threads", "--ram", "1G")
gives_way("timers", "thousands_of_timers_at_once", "--ram", "256M")
gives_way("arguments", "exec_of_two_megabytes_of_arguments", "--ram", "256M")
gives_way("pressure", "reclaim_and_swap", "--ram", "64M", "--swap", "192M")
gives_way("oom", "the_report_of_an_exhausted_memory", "--ram", "256M")


@test("latency/thousands_of_names_on_a_disk_give_way", long=True)
def names_on_a_disk(bench):
    disk = ext2.make_image(bench, "-b", "1024", "-N", "20000", mib=64, name="names.img")
    bench.ran(bench.command([PAGODA, "run", "--icount", "--quiet", "--ram", "256M", "--timeout", "300", "--log",
                             bench.file("log"), "--append", "latency_debug", "--copy", f"{program(bench)}:/x", "--",
                             image.BUSYBOX, "sh", "-c",
                             "mkdir -p /tmp; mount -t ext2 /dev/vda /tmp && /x many_files && umount /tmp"],
                            timeout=330, env=ext2.environment(disk)))
    judge(bench, read_log(bench))


@test("latency/a_writer_of_mmap_lock_waits_for_no_row_of_disk_reads", ids="FT-29")
def writer(bench):
    """Two threads fault on a file bigger than memory all the time; a third one maps and unmaps."""
    disk = ext2.make_image(bench, "-b", "4096", mib=64, name="data.img")
    done = bench.ran(bench.command([PAGODA, "run", "--accel", "tcg", "--quiet", "--ram", "32M", "--timeout", "100", "--copy",
                                    f"{program(bench)}:/x", "--", image.BUSYBOX, "sh", "-c",
                                    "mkdir -p /mnt; mount -t ext2 /dev/vda /mnt; /x starve"],
                                   timeout=130, env=ext2.environment(disk)))
    bench.log.write(done.out.decode())
    found = re.fullmatch(r"readers waited for the disk; at most (\d+) during a call\n", done.out.decode())
    bench.check(found, f"the program says: {done.out.decode()}")
    bench.check(int(found[1]) <= 8, f"{found[1]} pages were read while one call waited")


def counted(bench, work):
    """What a run under --icount says that does that work: the machine's clock goes by instructions."""
    done = bench.ran(bench.pagoda("run", "--quiet", "--icount", "--timeout", "300", "--ram", "256M", "--", program(bench), work))
    bench.log.write(done.out.decode())
    return done.out.decode()


@test("latency/a_woken_sleeper_passes_fifty_busy_processes")
def sleeper(bench):
    """Behind each of fifty slices the sleeper would be late by up to 5,000 million instructions, here by less than one slice."""
    said = counted(bench, "sleep_beside_hogs")
    alone, beside = map(int, re.fullmatch(r"alone (\d+) beside (\d+)\n", said).groups())
    tick = 20_000_000
    bench.check(beside <= alone + 2 * tick, f"a sleep of {alone} instructions took {beside} beside fifty processes")


@test("latency/processes_that_compute_keep_their_share_beside_wakers_and_forkers")
def shares(bench):
    """Of 2 s each of four hogs is due 285 ms: of two pairs one process runs at a time, and of the forker's family, too."""
    said = counted(bench, "shares")
    trips, times = re.fullmatch(r"(\d+) round trips; hogs had((?: \d+){4}) ms\n", said).groups()
    bench.check(int(trips) > 1000, f"the pairs made {trips} round trips only")
    for ms in map(int, times.split()):
        bench.check(200 <= ms <= 400, f"a process that computes had {ms} ms of the 285 that it was due")


@test("latency/a_new_process_does_not_wait_for_one_that_computes")
def forks(bench):
    """With slices of 50 ms a child that waited for one would make 20 a second; half of the CPU makes half of them."""
    alone, beside = map(int, re.fullmatch(r"alone (\d+) beside (\d+)\n", counted(bench, "fork_beside_hog")).groups())
    bench.check(beside * 4 > alone, f"{alone} children in a second alone, {beside} beside one process")


@test("latency/timers_that_nobody_looks_at_cost_nothing")
def resting(bench):
    """5,000 descriptors, 400 timers and 20 interval timers, all due all the time."""
    alone, beside = map(int, re.fullmatch(r"alone (\d+) beside (\d+)\n", counted(bench, "resting_timers")).groups())
    bench.check(beside * 100 > alone * 90, f"a process made {alone} turns a second alone, {beside} beside sleeping ones")


@test("latency/what_takes_too_long_is_named")
def named(bench):
    """The measure itself: a kernel that keeps the CPU, and interrupts off, for longer than it may."""
    stretch, blackout, log = measure(bench, "nothing", "--append", "latency_test")
    bench.check(stretch[0] > STRETCH_LIMIT and "spin_without_pause" in stretch[1], f"stretch: {stretch}")
    bench.check(blackout[0] > BLACKOUT_LIMIT and "spin_with_interrupts_off" in blackout[1], f"blackout: {blackout}")
    bench.check(len(re.findall("latency: warning", log)) >= 2, "no warnings")
