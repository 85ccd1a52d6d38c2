# SPDX-License-Identifier: MIT
"""Debian's Linux 6.1 in the same QEMU: what Pagoda is compared with.

The host's kernel is whatever the host has; what ABI.md describes is 6.1. So the kernel comes
from Debian's package, unpacked under build/ and not installed. Its root is an initramfs of
busybox, a script as process 1, and the programs to run; what they print goes to the serial
line and is read from there, between two marker lines of each program.
"""
import glob
import os
import re
import shlex
import subprocess
import tempfile
import time

from lab import build, packages
from lab.run import disks, image, qemu
from lab.common import EXIT_HOST, Refusal, say

PACKAGE = "linux-image-cloud-amd64"  # depends on the kernel itself
FETCH_SECONDS = 600
DISK_SECONDS, DISK_RAM = 90, 128 << 20
# No mitigations, huge pages, protection keys, five levels or random layout: Pagoda has none.
WORDS = ("quiet console=ttyS0 mitigations=off transparent_hugepage=never nopku no5lvl norandmaps "
         "random.trust_cpu=on panic=-1")
DISK_MODULES = ("virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci_modern_dev",
                "virtio/virtio_pci", "block/virtio_blk")
MOUNTS = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
stty -F /dev/ttyS0 -opost
ulimit -c 0
exec < /dev/null > /dev/ttyS0 2>&1
"""
BEGIN, END = "pagoda-begin", "pagoda-end"


def checked(command, timeout, **more):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, timeout=timeout, **more)
    except subprocess.TimeoutExpired:
        raise Refusal(EXIT_HOST, f"{command[0]} did not end in {timeout} s")
    if done.returncode:
        raise Refusal(EXIT_HOST, f"{' '.join(command)} failed: {done.stdout[-500:]}")
    return done.stdout


# ---- The kernel --------------------------------------------------------------------------

def kernel_package():
    """The newest linux-image-6.1.*-cloud-amd64, or None if apt knows none (yet)."""
    known = subprocess.run(["apt-cache", "depends", PACKAGE], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True).stdout
    found = re.search(r"Depends: (linux-image-6\.1\S*)", known)
    return found[1] if found else None


def fetch(folder):
    package = kernel_package()
    if not package and packages.rights() is not None:
        subprocess.run(packages.rights() + ["apt-get", "-qq", "update"], stdout=subprocess.DEVNULL)
        package = kernel_package()
    if not package:
        raise Refusal(EXIT_HOST, f"apt knows no {PACKAGE} of 6.1; run apt-get update, on Debian 12")
    say(f"fetching {package}")
    checked(["apt-get", "download", package], FETCH_SECONDS, cwd=folder)
    [archive] = glob.glob(os.path.join(folder, package + "_*.deb"))
    checked(["dpkg", "-x", archive, os.path.join(folder, "half")], FETCH_SECONDS)
    os.rename(os.path.join(folder, "half"), os.path.join(folder, "root"))  # whole, or not there


def kernel():
    """The path of the kernel image, fetched the first time."""
    folder = build.path("linux")
    pattern = os.path.join(folder, "root", "boot", "vmlinuz-6.1*")
    with build.lock("linux"):
        if not glob.glob(pattern):
            os.makedirs(folder, exist_ok=True)
            fetch(folder)
    return glob.glob(pattern)[0]


def disk_modules():
    """Paths of what the kernel needs to see a virtio disk, in the order of loading."""
    [folder] = glob.glob(os.path.join(os.path.dirname(kernel()), "..", "lib", "modules", "*", "kernel", "drivers"))
    return [os.path.join(folder, name + ".ko") for name in DISK_MODULES]


def is_available():
    """Is the kernel here, or can it be fetched? For tests, which skip otherwise."""
    try:
        return bool(kernel())
    except (Refusal, OSError):
        return False


# ---- Running -----------------------------------------------------------------------------

def marked(number, command):
    """Shell text that runs the command between its markers."""
    return f"echo; echo {BEGIN} {number}\n({command})\nstatus=$?; echo; echo {END} {number} $status\n"


def init_script(commands):
    """Each command line between its markers, with its exit status; then the power goes off."""
    script = MOUNTS
    for number, command in enumerate(commands):
        script += marked(number, command)
    return script + "sync\npoweroff -f\n"


def tree(files, commands):
    """files: path in the guest -> path on the host."""
    root = image.Tree()
    for path, mode in image.DIRECTORIES.items():
        root.directory(path, mode)
    root.directory("/sys")
    root.file("/etc/passwd", image.PASSWD)
    root.file("/etc/group", image.GROUP)
    image.add_busybox(root)
    for path, source in files.items():
        root.copy(source, path)
    root.put("/init", 0o100755, init_script(commands).encode())
    return root


def results(text, count):
    """(status, output) of each command; (None, what there is) if it did not end."""
    text = text.replace("\r", "")
    found = []
    for number in range(count):
        _, _, rest = text.partition(f"\n{BEGIN} {number}\n")
        output, end, rest = rest.partition(f"\n{END} {number} ")
        found.append((int(rest.split("\n", 1)[0]) if end else None, output))
    return found


def command_line(folder, files, commands, ram, disk=None):
    """QEMU's words, and the file of what the serial line says. disk: an image for /dev/vda."""
    initrd, output = os.path.join(folder, "initramfs.cpio"), os.path.join(folder, "serial")
    with open(initrd, "wb") as file:
        file.write(tree(files, commands).pack())
    line = [qemu.QEMU, "-machine", "pc", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-m", f"{ram >> 20}M", "-smp", "1", "-accel", "tcg", "-cpu", "max", "-kernel", kernel(),
            "-initrd", initrd, "-append", WORDS, "-serial", f"file:{output}"]
    return line + (disks.drive_words("disk", disk, "disk") if disk else []), output


def run(files, commands, ram, timeout):
    """Run shell commands in Linux, one after the other. Returns a list of (status, output)."""
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        line, output = command_line(folder, files, commands, ram)
        try:
            checked(line, timeout)
        except Refusal as refusal:
            say(str(refusal))  # what was printed up to then still counts
        with open(output, errors="replace") as file:
            return results(file.read(), len(commands))


def start_on_disk(folder, disk, files, command, ram):
    """Start QEMU with a command in Linux that finds the disk at /dev/vda; the process, and the
    file of what the serial line says."""
    modules = {f"/modules/{i}": path for i, path in enumerate(disk_modules())}
    load = "".join(f"insmod {path}; " for path in modules)
    line, output = command_line(folder, {**files, **modules}, [load + command], ram, disk)
    open(output, "wb").close()  # nothing of an earlier machine's
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL), output


def output_on_disk(bench, disk, program, script, timeout=DISK_SECONDS):
    """What a script prints in Linux that finds the disk at /dev/vda and the program at /x; it must succeed."""
    process, output = start_on_disk(bench.folder, disk, {"/x": program}, script, DISK_RAM)
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    with open(output, errors="replace") as file:
        [(status, text)] = results(file.read(), 1)
    bench.equal(status, 0, f"status in Linux, after {text[-300:]}")
    return text


def quoted(words):
    return " ".join(shlex.quote(word) for word in words)
