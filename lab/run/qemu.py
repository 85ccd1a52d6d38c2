# SPDX-License-Identifier: MIT
"""QEMU's command line, and the question whether KVM really works here.

The guest's byte streams are ports of one virtio-serial device, each over one end of a
socket pair that QEMU inherits: no files, no names, and the end of a stream is visible on
both sides. stdin and stdout are two ports, because QEMU discards what a port sends once its
input side has been closed.
"""
import os
import struct
import subprocess
import tempfile

from lab import build
from lab.run import disks
from lab.common import EXIT_HOST, Refusal

QEMU = "qemu-system-x86_64"
STREAMS = ("stdin", "stdout", "stderr", "control")  # ports named pagoda.NAME (machine.h)
EVENTS = "events"  # what QEMU itself tells of the machine (QMP)
PANIC_PORT = "isa-debug-exit,iobase=0xf4,iosize=4"
# Without AVX, whose state (XSAVE) the kernel does not manage: QEMU 7.2 takes some of its opcodes without their VEX
# prefix (0f 38 0c) for instructions, and crashes on them, in user mode, too. Without ADX: its 32-bit ADOX computes the
# flags from all 64 bits of the register, so user mode can set IOPL and clear IF, and no timer ends its loop any more.
EMULATED_CPU = "max,-avx,-avx2,-fma,-f16c,-adx"


def command(options, accel, kernel, initrd, words, log, sockets, drives=()):
    """The whole command. sockets: stream name -> file descriptor that QEMU inherits."""
    line = [QEMU, "-machine", "pc", "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-m", f"{options.ram >> 20}M", "-smp", "1",
            "-kernel", kernel, "-initrd", initrd, "-append", " ".join(words),
            "-chardev", f"file,id=log,path={log}", "-serial", "chardev:log",
            "-device", PANIC_PORT, "-device", "virtio-serial-pci,id=streams"]
    line += ["-chardev", f"socket,id=events,fd={sockets[EVENTS]}", "-mon", "chardev=events,mode=control"]
    line += processor(options, accel) + nodes(options)
    for number, name in enumerate(STREAMS, start=1):
        line += ["-chardev", f"socket,id={name},fd={sockets[name]}",
                 "-device", f"virtserialport,bus=streams.0,nr={number},chardev={name},name=pagoda.{name}"]
    line += disks.qemu_words(drives)
    # For debugging the kernel: PAGODA_QEMU='-d int,cpu_reset -D /tmp/q.log' or '-s -S'.
    return line + os.environ.get("PAGODA_QEMU", "").split()


def nodes(options):
    """The RAM in equal parts, each a NUMA node; the processor belongs to the first."""
    if options.nodes == 1:
        return []
    words, left = [], options.ram >> 20
    for number in range(options.nodes):
        size = left // (options.nodes - number)
        left -= size
        words += ["-object", f"memory-backend-ram,id=node{number},size={size}M",
                  "-numa", f"node,nodeid={number},memdev=node{number}" + (",cpus=0" if number == 0 else "")]
    return words


def processor(options, accel):
    if options.icount:
        return ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", f"{EMULATED_CPU},-erms,-fsrm"]
    return ["-accel", accel, "-cpu", EMULATED_CPU if accel == "tcg" else "max"]


# ---- Does KVM run a kernel here? ---------------------------------------------------------

PROBE_SECONDS = 2
PROBE_ANSWER = 0x15
PROBE_ADDRESS = 0x100000


def probe_image():
    """A Multiboot kernel of a few instructions: it writes its answer to isa-debug-exit."""
    magic, flags = 0x1BADB002, 0x10000  # flag 16: the addresses in the header count
    code = bytes([0xB0, PROBE_ANSWER, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD])  # mov al; out 0xf4; hlt; jmp
    entry = PROBE_ADDRESS + 32
    end = entry + len(code)
    checksum = -(magic + flags) & 0xffffffff
    return struct.pack("<8I", magic, flags, checksum, PROBE_ADDRESS, PROBE_ADDRESS, end, end, entry) + code


def kvm_works():
    """Run the probe under KVM. Some machines have a /dev/kvm that cannot run a kernel."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.NamedTemporaryFile(suffix=".bin") as image:
        image.write(probe_image())
        image.flush()
        try:
            done = subprocess.run(
                [QEMU, "-machine", "pc", "-nodefaults", "-no-user-config", "-no-reboot", "-display",
                 "none", "-m", "16M", "-accel", "kvm", "-kernel", image.name, "-device", PANIC_PORT],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == PROBE_ANSWER << 1 | 1


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def choose_accel(options):
    """kvm or tcg. The probe is asked once per boot of this host, and remembered."""
    if options.icount:
        return "tcg"
    if options.accel == "tcg":
        return "tcg"
    works = probed_accel()
    if options.accel == "kvm" and works != "kvm":
        raise Refusal(EXIT_HOST, "--accel kvm: KVM cannot run a guest on this host; --accel tcg can")
    return works


def probed_accel():
    note = build.path("kvm-probe")
    known = {}
    if os.path.exists(note):
        with open(note) as file:
            known = dict(line.split() for line in file if len(line.split()) == 2)
    if boot_id() not in known:
        known = {boot_id(): "kvm" if kvm_works() else "tcg"}
        with open(note, "w") as file:
            file.writelines(f"{key} {value}\n" for key, value in known.items())
    return known[boot_id()]
