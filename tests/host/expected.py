# SPDX-License-Identifier: MIT
"""What tests/guest/*.expected says is what Linux 6.1 prints.

Such a file stands in for the host's run where the host's kernel is newer than 6.1 and answers
differently. Here each of these programs runs in Debian's 6.1 and must print its file. Programs that
need a machine of their own (nodes, another size of RAM) or that Linux cannot run as process 1's
children do are listed with the reason.
"""
import glob
import os
import re

from lab.run import linux
from lab.test import guest_programs
from lab.test.testing import Skip, test

RAM = 256 << 20
SECONDS_EACH = 60
# printk's lines share the serial line; whether syslog() copies anything depends on the records in the log.
MACHINES_OWN = re.compile(rb"\[ *\d+\.\d+\] |syslog: ")
NOT_IN_THIS_MACHINE = {
    "numa_nodes": "needs two nodes",
    "zero_page": "late 6.1 kernels count mappings of the page of zeros as resident; the documents' Linux does not",
    "kernel_memory_hogs": "needs 64 MiB of RAM",
    "kernel_memory_limits": "needs 64 MiB of RAM",
}


def programs(log):
    """name: path of its binary, for each program with a file."""
    found = {}
    for path in sorted(glob.glob(os.path.join(guest_programs.SOURCES, "*.expected"))):
        name = os.path.splitext(os.path.basename(path))[0]
        source = os.path.splitext(path)[0] + ".c"
        if name in NOT_IN_THIS_MACHINE:
            log.write(f"{name}: left out: {NOT_IN_THIS_MACHINE[name]}\n")
        elif not os.path.exists(source):
            raise AssertionError(f"{path} belongs to no program")
        else:
            libc = guest_programs.notes(source).get("libc", "glibc")
            found[name] = guest_programs.compile_program(source, libc, log)
    return found


def comparable(output):
    """The lines that count: none of the kernel's own on the console, none that the log's contents decide."""
    return [line for line in output.rstrip(b"\n").split(b"\n") if not MACHINES_OWN.match(line)]


@test("expected/what_stands_in_for_linux_is_what_linux_prints", quick=False, long=True)
def expected(bench):
    if not linux.is_available():
        raise Skip("Debian's Linux 6.1 cannot be fetched here")
    found = programs(bench.log)
    bench.check(len(found) >= 20, f"only {len(found)} programs")
    files = {f"/tests/{name}": path for name, path in found.items()}
    outputs = linux.run(files, [f"cd /tmp; exec /tests/{name}" for name in found], RAM, SECONDS_EACH * len(found))
    wrong = []
    for name, (status, output) in zip(found, outputs):
        file = comparable(guest_programs.expected_output(os.path.join(guest_programs.SOURCES, name + ".c")).out)
        theirs = comparable(output.encode())
        if status != 0 or file != theirs:
            difference = guest_programs.first_difference(b"\n".join(file), b"\n".join(theirs))
            wrong.append(f"{name} (status {status}): the file's {difference}")
            bench.log.write(f"--- {name}, in Linux 6.1\n{output}\n")
    bench.check(not wrong, "; ".join(wrong))
