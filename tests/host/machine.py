# SPDX-License-Identifier: MIT
"""The PC machine seen from outside: other processors, chipsets and firmware; its page tables as
QEMU's monitor shows them; interrupts that nobody expects.
"""
import os
import re
import socket
import subprocess
import time

from lab import build
from lab.run import image
from lab.test.monitor import Monitor
from lab.test.testing import PAGODA, Failure, test

KERNEL_HALF = 0xffff800000000000
IMAGE_LIMIT_BYTES = 1 << 20
START_SECONDS = 30


def busybox(bench, script, qemu):
    env = dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=qemu)
    return bench.command([PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "60", "--", image.BUSYBOX, "sh",
                          "-c", script], timeout=90, env=env)


@test("machine/image_is_under_one_mebibyte")
def image_size(bench):
    size = os.path.getsize(build.path(build.KERNEL))
    bench.check(size < IMAGE_LIMIT_BYTES, f"the kernel image has {size} bytes")


@test("machine/boots_without_smap_smep_umip_and_large_pages_too", quick=False)
def plain_processors(bench):
    for cpu in ("qemu64", "max,-smap,-smep", "max,-umip,-rdrand", "max,-pge"):
        bench.ran(busybox(bench, "echo fine | cat", f"-cpu {cpu}"), 0, b"fine\n")


@test("machine/boots_on_q35_and_with_other_firmware", quick=False)
def chipsets(bench):
    for words in ("-machine q35", "-bios qboot.rom"):
        bench.ran(busybox(bench, "echo fine | cat", words), 0, b"fine\n")


def kernel_log(bench, qemu):
    env = dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=qemu)
    log = bench.file("kernel.log")
    bench.ran(bench.command([PAGODA, "run", "--accel", "tcg", "--quiet", "--log", log, "--timeout", "60", "--",
                             image.BUSYBOX, "true"], timeout=90, env=env))
    with open(log) as file:
        return file.read()


@test("machine/multiprocessor_configuration_is_found_and_counted", "BM-30", quick=False)
def smp_configuration(bench):
    for cpus in (2, 4):
        log = kernel_log(bench, f"-smp {cpus},sockets={cpus},cores=1")  # the firmware lists one a socket
        bench.check(re.search(rf"smp: MP configuration at 0x\w+, {cpus} processors", log),
                    f"-smp {cpus}: the log has no such count")


@test("machine/low_memory_begins_behind_the_image", "BM-04")
def first_frame(bench):
    log = kernel_log(bench, "")
    image_file = build.path("machine/pc/pagoda-debug.elf")
    symbols = subprocess.run(["nm", image_file], capture_output=True, text=True, check=True)
    end = int(re.search(r"^([0-9a-f]+) \w _end$", symbols.stdout, re.M)[1], 16) & 0x7fffffff
    first = int(re.search(r"memory: frames (0x[0-9a-f]+) to", log)[1], 16)
    bench.equal(first, -(-end // 4096), "min_low_pfn")


# ---- Paging is switched on ------------------------------------------------------------------------

PAGE_OFFSET = 0xffff888000000000
FIRST_TABLE_BYTES = 8 << 20


class Gdb:
    """QEMU's debugger port: as much of gdb's remote protocol as is needed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(START_SECONDS)
        self.socket.connect(path)
        self.received = b""

    def answer(self):
        while not (packet := re.search(rb"\$([^#]*)#..", self.received)):
            data = self.socket.recv(4096)
            if not data:
                raise Failure("QEMU has closed the debugger's connection")
            self.received += data
        self.received = self.received[packet.end():]
        self.socket.send(b"+")
        return packet[1]

    def ask(self, text):
        packet = text.encode()
        self.socket.send(b"$%s#%02x" % (packet, sum(packet) & 255))
        return self.answer()

    def memory(self, address, size):
        got = self.ask(f"m{address:x},{size:x}")
        return None if got.startswith(b"E") else bytes.fromhex(got.decode())


def connected_gdb(bench, path):
    """A machine that waits for its debugger: (process, Gdb)."""
    words = f"-S -chardev socket,id=gdb,path={path},server=on,wait=off -gdb chardev:gdb"
    guest = subprocess.Popen([PAGODA, "run", "--accel", "tcg", "--quiet", "--timeout", "60", "--", image.BUSYBOX,
                              "echo", "fine"], stdout=subprocess.PIPE, stderr=bench.log, stdin=subprocess.DEVNULL,
                             env=dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=words))
    for _ in range(START_SECONDS * 10):
        try:
            return guest, Gdb(path)
        except OSError:
            time.sleep(0.1)
    guest.kill()
    raise Failure("no debugger port")


@test("machine/first_tables_map_low_memory_at_zero_and_at_page_offset", "PT-26 CT-23", quick=False)
def first_tables(bench):
    symbols = subprocess.run(["nm", build.path("machine/pc/pagoda-debug.elf")], capture_output=True, text=True,
                             check=True)
    jump = int(re.search(r"^([0-9a-f]+) \w boot_paging_on$", symbols.stdout, re.M)[1], 16) & 0x7fffffff
    path = f"/tmp/pagoda-gdb-{os.getpid()}"
    guest, gdb = connected_gdb(bench, path)
    try:
        bench.equal(gdb.ask(f"Z1,{jump:x},1"), b"OK", "breakpoint")
        gdb.ask("c")
        code = gdb.memory(jump - 3, 4)
        bench.equal(code, b"\x0f\x22\xc0\xea", "CR0 is written and the jump follows at once")
        for address in range(0, FIRST_TABLE_BYTES, 256 << 10):
            low, high = gdb.memory(address, 64), gdb.memory(PAGE_OFFSET + address, 64)
            bench.check(low is not None, f"{address:#x} is not mapped")
            bench.equal(high, low, f"memory at PAGE_OFFSET + {address:#x}")
        bench.equal(gdb.memory(PAGE_OFFSET - (1 << 21), 8), None, "what lies below PAGE_OFFSET")
        gdb.ask(f"z1,{jump:x},1")
        gdb.socket.send(b"$D#44")
        out, _ = guest.communicate(timeout=60)
        bench.equal(out, b"fine\n", "output afterwards")
    finally:
        if guest.poll() is None:
            guest.kill()
        if os.path.exists(path):
            os.unlink(path)


# ---- Ways to die (machine/pc/crash.c) ------------------------------------------------------------

DEATHS = {
    "text": (b"page fault", b"error code 0x3", b"write_text"),
    "rodata": (b"page fault", b"error code 0x3", b"write_rodata"),
    "data": (b"page fault", b"error code 0x11", b"machine_crash"),
    "null": (b"address 0000000000000000", b"read_null"),
    "stack": (b"kernel stack overflow (double fault)", b"recurse"),
}


@test("machine/broken_protections_panic_by_name", "PT-34")
def deaths(bench):
    for kind, words in DEATHS.items():
        done = bench.pagoda("run", "--quiet", "--append", f"panic_test={kind}", "--timeout", "30", "--", image.BUSYBOX,
                            "true")
        bench.equal(done.status, 70, f"exit status of panic_test={kind}")
        for word in words + (b"Call trace:", b"cr2"):
            bench.check(word in done.err, f"panic_test={kind} does not say {word!r}")


# ---- Through QEMU's monitor ------------------------------------------------------------------


class Watched:
    """A guest that has started its program and sleeps in it, and the monitor of its QEMU."""

    def __init__(self, bench):
        self.path = bench.file("monitor")
        env = dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=f"-monitor unix:{self.path},server,nowait")
        self.process = subprocess.Popen(
            [PAGODA, "run", "--accel", "tcg", "--quiet", "--log", bench.file("kernel.log"), "--timeout", "60", "--",
             image.BUSYBOX, "sh", "-c", "echo up; read line; echo $line"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        if self.process.stdout.readline() != b"up\n":
            self.kill()
            raise Failure("the guest did not start")
        self.monitor = Monitor(self.path)

    def ask(self, command):
        return self.monitor.ask(command)

    def kill(self):
        self.process.terminate()
        self.process.wait()

    def end(self):
        """Let the program end; its status and the rest of its output."""
        out, _ = self.process.communicate(b"bye\n", timeout=START_SECONDS)
        return self.process.returncode, out


def mappings(text):
    """(address, flags) of each line of "info tlb", such as ffff888000000000: 0000000000000000 XG-DAC--W."""
    for line in text.splitlines():
        found = re.match(r"([0-9a-f]{16}): [0-9a-f]{16} ([-XGPDACTUW]{9})", line)
        if found:
            yield int(found[1], 16), found[2]


@test("machine/kernel_pages_are_never_writable_and_executable")
def least_rights(bench):
    guest = Watched(bench)
    pages = list(mappings(guest.ask("info tlb")))
    kernel = [(address, flags) for address, flags in pages if address >= KERNEL_HALF]
    bench.check(len(kernel) > 50, f"only {len(kernel)} kernel mappings seen")
    for address, flags in kernel:
        bench.check("X" in flags or "W" not in flags, f"{address:#x} is writable and executable ({flags})")
        bench.check("U" not in flags, f"{address:#x} is open to user mode ({flags})")
    for address, flags in pages:
        bench.check(address >= KERNEL_HALF or "U" in flags, f"kernel mapping in the user half at {address:#x}")
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")


REGISTER_BITS = {  # name in "info registers": bits that must be set, by what they switch on
    "CR0": {"write protection": 1 << 16, "paging": 1 << 31},
    "CR4": {"global pages": 1 << 7, "UMIP": 1 << 11, "SMEP": 1 << 20, "SMAP": 1 << 21},
    "EFER": {"system calls": 1, "NX": 1 << 11},
}


@test("machine/protections_are_switched_on")
def protections(bench):
    guest = Watched(bench)
    text = guest.ask("info registers")
    for register, bits in REGISTER_BITS.items():
        value = int(re.search(register + "=([0-9a-f]+)", text)[1], 16)
        for name, bit in bits.items():
            bench.check(value & bit, f"{register} is {value:#x}: {name} is off")
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")


def descriptors(guest):
    """(index, descriptor) of each entry of the global descriptor table that is not empty."""
    base, limit = re.search("GDT= +([0-9a-f]+) ([0-9a-f]+)", guest.ask("info registers")).groups()
    count = (int(limit, 16) + 1) // 8
    lines = re.findall("^[0-9a-f]{16}:.*$", guest.ask(f"x /{count}gx 0x{base}"), re.M)
    words = re.findall("0x([0-9a-f]{16})", " ".join(lines))
    return [(index, int(word, 16)) for index, word in enumerate(words) if int(word, 16)]


@test("machine/segments_are_flat", ids="CS-14")
def flat(bench):
    guest = Watched(bench)
    rings = set()
    for index, word in descriptors(guest):
        if not word >> 44 & 1:
            break  # a system descriptor: the TSS, which comes last
        base = (word >> 16 & 0xffffff) | (word >> 32 & 0xff000000)
        limit = (word & 0xffff) | (word >> 32 & 0xf0000)
        bench.equal((base, limit, word >> 55 & 1), (0, 0xfffff, 1), f"base, limit and granularity of {index}")
        rings.add((word >> 45 & 3, "code" if word >> 43 & 1 else "data"))
    bench.equal(sorted(rings), [(0, "code"), (0, "data"), (3, "code"), (3, "data")], "rings and kinds")
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")


def kernel_elf(*tool):
    """What a binutils tool says of the kernel with its symbols."""
    return subprocess.run([*tool, build.path("machine/pc/pagoda-debug.elf")], capture_output=True, text=True,
                          check=True).stdout


def quad_words(guest, address, count):
    lines = re.findall("^[0-9a-f]{16}:.*$", guest.ask(f"x /{count}gx {address:#x}"), re.M)
    return [int(word, 16) for word in re.findall("0x([0-9a-f]{16})", " ".join(lines))]


GATE_INTERRUPT, KERNEL_CODE = 0xe, 0x10
PROTECTION_FAULT, PAGE_FAULT = 13, 14


@test("machine/faults_have_their_gates", ids="FT-01 CT-32")
def gates(bench):
    guest = Watched(bench)
    table = int(re.search("IDT= +([0-9a-f]+)", guest.ask("info registers"))[1], 16)
    text = re.findall(r"^([0-9a-f]+) \w (vector_at|_etext|_text)$", kernel_elf("nm"), re.M)
    bounds = {name: int(value, 16) for value, name in text}
    targets = set()
    for vector in (PROTECTION_FAULT, PAGE_FAULT):
        low, high = quad_words(guest, table + 16 * vector, 2)
        bench.check(low >> 47 & 1, f"gate {vector} is not present")
        bench.equal((low >> 40 & 0xf, low >> 16 & 0xffff, low >> 45 & 3), (GATE_INTERRUPT, KERNEL_CODE, 0),
                    f"type, segment and privilege of gate {vector}")
        target = (low & 0xffff) | (low >> 32 & 0xffff0000) | (high & 0xffffffff) << 32
        bench.check(target >> 31 == 0x1ffffffff, f"gate {vector} leads to {target:#x}")
        targets.add(target)
    bench.check(len(targets) == 2, f"one stub for both: {bounds}")
    bench.equal(len(re.findall(r" T do_page_fault$", kernel_elf("nm"), re.M)), 1, "C entries of page faults")
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")


@test("machine/image_is_linked_high_and_loaded_at_one_mebibyte", ids="PT-25")
def place(bench):
    segments = re.findall(r"^ +LOAD +0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+)", kernel_elf("readelf", "-lW"), re.M)
    pairs = [(int(virtual, 16), int(physical, 16)) for virtual, physical in segments]
    bench.equal(min(physical for _, physical in pairs), 1 << 20, "load address")
    bench.equal({virtual - physical for virtual, physical in pairs}, {0xffffffff80000000}, "link less load address")
    guest = Watched(bench)
    virtual, physical = min(pairs)
    in_memory = guest.ask(f"xp /8wx {physical:#x}").split("\n", 1)[1]
    mapped = guest.ask(f"x /8wx {virtual:#x}").split("\n", 1)[1]
    bench.equal(re.findall("0x([0-9a-f]{8})", in_memory), re.findall("0x([0-9a-f]{8})", mapped), "text in memory")
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")


# What may load a page-directory base: booting, the switch, and flushes of this CPU.
CR3_WRITERS = {"boot_entry", "machine_unmap_init", "port_load_pgd", "port_flush_tlb", "port_flush_tlb_all"}


@test("machine/entering_the_kernel_loads_no_page_directory", ids="CS-12")
def no_load(bench):
    function, writers = None, set()
    for line in kernel_elf("objdump", "-d", "--no-show-raw-insn").splitlines():
        found = re.match(r"[0-9a-f]+ <([^>]+)>:", line)
        function = found[1] if found else function
        if re.search(r"%cr3$", line):
            writers.add(function)
    bench.check("port_load_pgd" in writers, "no function loads CR3")
    others = {name for name in writers - CR3_WRITERS if not re.search("boot|ap_|smp|start", name)}
    bench.check(not others, f"CR3 is loaded in {others}")


@test("machine/stray_nmi_is_survived")
def nmi(bench):
    guest = Watched(bench)
    for _ in range(3):
        guest.ask("nmi")
        time.sleep(0.1)
    bench.equal(guest.end(), (0, b"bye\n"), "status and output")
    with open(bench.file("kernel.log")) as log:
        bench.check(log.read().count("NMI") >= 1, "the kernel's log does not mention the NMI")
