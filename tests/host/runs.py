# SPDX-License-Identifier: MIT
"""Whole runs: ./pagoda run as people use it, with busybox as the program."""
import hashlib
import json
import os
import random
import signal
import subprocess
import time

from lab.run import image
from lab.test.testing import PAGODA, report_problems, test

BUSYBOX = "/bin/busybox"
BOOT_INSTRUCTIONS_MAX = 30_000_000
STREAM_BYTES = 20_000_000
STREAM_BYTES_PER_SECOND = 5_000_000


def stats_of(bench):
    with open(bench.file("stats.json")) as file:
        return json.load(file)


def sound(bench):
    """The report of the run that wrote stats.json is complete and shows no trouble."""
    stats = stats_of(bench)
    problems = report_problems(stats["report"])
    bench.check(not problems, "; ".join(problems))
    return stats


def run(bench, *words, options=(), stdin=b"", timeout=60):
    return bench.pagoda("run", "--quiet", "--stats", "stats.json", *options, "--", *words, stdin=stdin,
                        timeout=timeout)


def shell(bench, script, **more):
    return run(bench, BUSYBOX, "sh", "-c", script, **more)


@test("run/pipe_in_the_guest_and_exit_status")
def pipe_and_status(bench):
    bench.ran(shell(bench, "echo a | tr a b; exit 7", options=["--ram", "64M"]), 7, b"b\n")
    sound(bench)


@test("run/sort_of_a_hundred_thousand_lines")
def sort(bench):
    numbers = b"".join(b"%d\n" % n for n in range(1, 100001))
    done = bench.ran(run(bench, BUSYBOX, "sort", "-n", stdin=numbers))
    bench.check(done.out == numbers, "not what went in")
    sound(bench)


@test("run/twenty_megabytes_through_cat_are_identical")
def cat(bench):
    data = random.Random(20).randbytes(STREAM_BYTES)
    began = time.monotonic()
    done = bench.ran(run(bench, BUSYBOX, "cat", stdin=data))
    seconds = time.monotonic() - began
    bench.check(done.out == data, f"{len(done.out)} bytes came back, not the {len(data)} that went in")
    sound(bench)
    bench.log.write(f"{len(data) / seconds / 1e6:.1f} MB/s each way, booting included\n")
    bench.check(len(data) / seconds > STREAM_BYTES_PER_SECOND, f"only {len(data) / seconds / 1e6:.1f} MB/s")


@test("run/every_byte_value_passes_unchanged")
def binary(bench):
    data = bytes(range(256)) * 3 + b"\x04\x03\x1a\r\n\0end without newline"
    bench.ran(run(bench, BUSYBOX, "cat", stdin=data), 0, data)


@test("run/as_many_arguments_as_linux_takes")
def many_arguments(bench):
    words = map(str, range(1, 10001))
    bench.ran(run(bench, BUSYBOX, "sh", "-c", "echo $# ${5000}", "sh", *words), 0, b"10000 5000\n")


@test("run/stdout_and_stderr_unmixed")
def unmixed(bench):
    done = shell(bench, "for i in 1 2 3; do echo out$i; echo err$i >&2; done")
    bench.ran(done, 0, b"out1\nout2\nout3\n")
    bench.equal(done.err, b"err1\nerr2\nerr3\n", "stderr")


@test("run/empty_input_is_end_of_file")
def empty_input(bench):
    bench.ran(run(bench, BUSYBOX, "wc", "-c"), 0, b"0\n")


@test("run/exit_statuses_and_signals")
def statuses(bench):
    for script, status in (("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143),
                           ("kill -SEGV $$", 139), ("exec /no/such/thing", 127)):
        bench.equal(shell(bench, script).status, status, script)
        sound(bench)


@test("run/busybox_in_16_mib")
def small_ram(bench):
    script = "ls -l /bin | wc -l; seq 1000 | sort -rn | head -1; free | grep -c Mem; (echo sub) | cat"
    done = bench.ran(shell(bench, script, options=["--ram", "16M"]))
    lines = done.out.split()
    bench.check(len(lines) == 4 and lines[1:] == [b"1000", b"1", b"sub"], f"printed {done.out!r}")
    sound(bench)


@test("run/boots_with_many_sizes_of_ram", ids="", quick=False)
def sizes(bench):
    for ram in ("16M", "64M", "512M", "1G", "2G"):
        bench.ran(run(bench, BUSYBOX, "echo", ram, options=["--ram", ram]), 0, ram.encode() + b"\n")
        sound(bench)


@test("run/boot_takes_under_30_million_instructions")
def boot_cost(bench):
    bench.ran(run(bench, BUSYBOX, "true", options=["--icount"]))
    boot = sound(bench)["report"]["boot"]
    bench.log.write(f"{boot['first_user_tsc']} instructions from reset to the program's first, "
                    f"{boot['entry_tsc']} of them the firmware's\n")
    bench.check(0 < boot["entry_tsc"] < boot["first_user_tsc"], f"{boot}")
    bench.check(boot["first_user_tsc"] - boot["host_wait_tsc"] < BOOT_INSTRUCTIONS_MAX, f"{boot}")


@test("run/icount_runs_are_repeatable", quick=False)
def deterministic(bench):
    """What the program's memory does is the same each time. When the host opens its ends of the
    streams is not the guest's doing: the cycles of that wait do not count as boot, and the
    interrupts that tell of it make boots differ a little."""
    seen, boots = [], []
    for _ in range(2):
        bench.ran(run(bench, BUSYBOX, "echo", "hi", options=["--icount"]), 0, b"hi\n")
        report = sound(bench)["report"]
        seen.append((report["events"], report["peak_rss_kb"], report["pgtables_peak_kb"]))
        boot = report["boot"]
        boots.append(boot["first_user_tsc"] - boot["entry_tsc"] - boot["host_wait_tsc"])
    bench.equal(seen[0], seen[1], "the second report")
    bench.check(max(boots) < 1.01 * min(boots), f"boots of {boots} instructions")


def fails_to_boot(bench, says, *options):
    done = run(bench, BUSYBOX, "true", options=["--timeout", "30", *options])
    bench.equal(done.status, 70, "exit status")
    bench.equal(done.err.count(b"\n"), 1, "lines on stderr")
    bench.check(done.err.startswith(b"pagoda: the machine could not start: ") and says in done.err, f"{done.err!r}")


@test("run/what_cannot_boot_says_why_in_one_line")
def boot_failures(bench):
    bench.file("files", bytes(10 << 20))
    fails_to_boot(bench, b"not enough memory", "--ram", "16M", "--copy", "files")
    bench.file("bad.img", bytes(1080) + b"\x53\xef" + bytes(100000))
    fails_to_boot(bench, b"mount the disk", "--root", "bad.img")
    fails_to_boot(bench, b"execute /nothing", "--append", "init=/nothing")


@test("run/files_need_their_memory_once")
def files_once(bench):
    """The initramfs makes room while it is unpacked; also within a large file."""
    data = random.Random(9).randbytes(20 << 20)
    bench.file("files", data)
    done = run(bench, BUSYBOX, "md5sum", "/files", options=["--ram", "32M", "--copy", "files:/files"])
    bench.ran(done, 0, hashlib.md5(data).hexdigest().encode() + b"  /files\n")


@test("run/timeout_124")
def timeout(bench):
    began = time.monotonic()
    done = run(bench, BUSYBOX, "sleep", "100", options=["--timeout", "4"])
    bench.equal(done.status, 124, "exit status")
    bench.check(time.monotonic() - began < 15, "took too long to notice")


@test("run/guest_panic_70_with_registers_and_trace")
def panic(bench):
    done = run(bench, BUSYBOX, "true", options=["--append", "panic_test", "--timeout", "30"])
    bench.equal(done.status, 70, "exit status")
    text = done.err.lower()
    for word in (b"panic:", b"rip", b"rsp", b"cr2", b"panic_test"):
        bench.check(word in text, f"stderr does not show {word.decode()}")


@test("run/closed_stdout_ends_the_machine")
def closed_stdout(bench):
    env = dict(os.environ, PAGODA_BUILT="1")
    words = [PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "60", "--", BUSYBOX, "yes"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    bench.equal(process.stdout.read(4), b"y\ny\n", "first output")
    process.stdout.close()
    process.communicate(timeout=30)
    bench.equal(process.returncode, 128 + signal.SIGPIPE, "exit status")


@test("run/slow_reader_gets_everything")
def slow_reader(bench):
    env = dict(os.environ, PAGODA_BUILT="1")
    words = [PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "60", "--", BUSYBOX, "seq", "200000"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=env)
    time.sleep(3)  # meanwhile every buffer on the way fills up
    out = process.stdout.read()
    process.wait(30)
    bench.equal(process.returncode, 0, "exit status")
    bench.equal(len(out), sum(len(str(n)) + 1 for n in range(1, 200001)), "bytes")


@test("run/interrupt_cleans_up")
def interrupt(bench):
    env = dict(os.environ, PAGODA_BUILT="1", TMPDIR=bench.folder)
    words = [PAGODA, "run", "--accel", "tcg", "--", BUSYBOX, "sh", "-c", "echo up; sleep 100"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    bench.equal(process.stdout.readline(), b"up\n", "first line")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    bench.equal(process.returncode, 128 + signal.SIGINT, "exit status")
    bench.equal(os.listdir(bench.folder), [], "left behind")


@test("run/copy_puts_files_into_the_guest")
def copies(bench):
    bench.file("a.txt", "alpha\n")
    os.makedirs(bench.file("d/e"))
    bench.file("d/e/f", "deep\n")
    options = ["--copy", "a.txt", "--copy", "d:/srv/tree", "--copy", "a.txt:/etc/b"]
    bench.ran(shell(bench, "cat a.txt /srv/tree/e/f /etc/b", options=options), 0, b"alpha\ndeep\nalpha\n")


@test("run/root_is_a_copy_of_a_directory")
def root(bench):
    os.makedirs(bench.file("root/bin"))
    bench.command(["cp", BUSYBOX, "root/bin/busybox"])
    os.symlink("busybox", bench.file("root/bin/cat"))
    bench.file("root/note", "from the root\n")
    bench.ran(run(bench, "/bin/cat", "/note", options=["--root", "root"]), 0, b"from the root\n")


@test("run/scripts_run_by_their_first_line")
def script(bench):
    path = bench.file("hello", "#!/bin/sh\necho \"$0 says $1\"\nexit 3\n", 0o755)
    bench.ran(run(bench, path, "hi"), 3, f"{path} says hi\n".encode())


@test("run/dynamic_program_with_its_libraries")
def dynamic(bench):
    bench.file("seen", "")
    options = ["--copy", "seen:/srv/seen"]
    bench.ran(run(bench, "/bin/ls", "/srv", options=options), 0, b"seen\n")
    sound(bench)


@test("run/relative_program_and_directory")
def relative(bench):
    bench.file("where", "#!/bin/sh\npwd\n", 0o755)
    bench.ran(run(bench, "./where"), 0, bench.folder.encode() + b"\n")


@test("run/environment_is_small_and_fixed")
def environment(bench):
    done = bench.ran(run(bench, BUSYBOX, "env"))
    bench.equal(sorted(done.out.decode().split("\n")[:-1]), sorted(image.environment(False)), "environment")


@test("run/memory_report_goes_to_stderr")
def memory_report(bench):
    done = bench.pagoda("run", "--stats", "stats.json", "--", BUSYBOX, "echo", "hi")
    bench.ran(done, 0, b"hi\n")
    for word in (b"page faults", b"zero page", b"copy on write", b"peak resident", b"page tables"):
        bench.check(word in done.err, f"the report does not show {word.decode()}")
    events = sound(bench)["report"]["events"]
    for key in ("pgfault", "fault_anon", "fault_zero_map", "fault_cow_copy", "pgalloc", "pgtable_alloc"):
        bench.check(key in events, f"--stats has no {key}")


@test("run/kernel_log_is_apart")
def log_apart(bench):
    done = bench.pagoda("run", "--quiet", "--log", "kernel.log", "--", BUSYBOX, "echo", "hi")
    bench.ran(done, 0, b"hi\n")
    bench.equal(done.err, b"", "stderr")
    with open(bench.file("kernel.log"), "rb") as log:
        bench.check(len(log.read()) > 100, "the log is empty")


@test("run/unknown_system_call_is_counted")
def unknown_call(bench):
    source = bench.file("u.c", '#include <unistd.h>\n#include <errno.h>\n#include <sys/syscall.h>\n'
                               "int main(void) { for (int i = 0; i < 3; i++) if (syscall(400) != -1 || errno != ENOSYS)"
                               " return 1; return 0; }\n")
    bench.ran(bench.command(["gcc", "-static", "-O1", "-o", bench.file("u"), source]))
    bench.ran(run(bench, bench.file("u")))
    bench.equal(sound(bench)["report"]["unknown_syscalls"].get("400"), 3, "count of system call 400")


@test("run/calls_in_parallel_do_not_collide", quick=False)
def parallel(bench):
    words = [PAGODA, "run", "--accel", "tcg", "--quiet", "--", BUSYBOX, "echo"]
    calls = [subprocess.Popen(words + [str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(3)]
    for n, call in enumerate(calls):
        out, err = call.communicate(timeout=120)
        bench.equal((call.returncode, out), (0, b"%d\n" % n), f"call {n} ({err[-200:]!r})")
