# SPDX-License-Identifier: MIT
"""Installs what is missing, from the distribution's packages.

Each need is a package and a cheap sign that it is there (a command or a file), so that a
complete machine pays a few stat() calls and nothing more. Says what it does before it does
it; without the right to install, it prints the one command that would.
"""
import glob
import os
import shutil
import subprocess

from lab.common import EXIT_HOST, Refusal, say

# package: a command's name, or a file pattern when it holds a slash; any one sign is enough
FOR_BUILD = {
    "gcc": ["gcc"],
    "binutils": ["ld"],
    "libc6-dev": ["/usr/lib/*/libc.a"],
    "meson": ["meson"],
    "ninja-build": ["ninja"],
    "musl-tools": ["musl-gcc"],
}
FOR_EMBED = {
    "gcc": ["gcc"],
    "binutils": ["objcopy"],
    "make": ["make"],
}
FOR_RUN = {
    **FOR_BUILD,
    "qemu-system-x86": ["qemu-system-x86_64"],
    "busybox-static": ["busybox"],
}
FOR_SWAP = {
    "util-linux": ["mkswap", "/sbin/mkswap", "/usr/sbin/mkswap"],
}
FOR_TEST = {
    **FOR_RUN,
    **FOR_SWAP,
    "grub-pc-bin": ["/usr/lib/grub/i386-pc/kernel.img"],
    "grub-common": ["grub-mkrescue"],
    "xorriso": ["xorriso"],
    "mtools": ["mformat"],
    "e2fsprogs": ["mke2fs", "/sbin/mke2fs"],
    "qemu-utils": ["qemu-nbd"],
    "clang-format": ["clang-format"],
    "clang": ["clang++"],
    "g++": ["g++"],
    "cmake": ["cmake"],
}
FOR_SELFTESTS = {
    "linux-source-6.1": ["/usr/src/linux-source-6.1.tar.xz"],
    "libcap-dev": ["/usr/lib/*/libcap.a"],
    "xz-utils": ["xz"],
}


def is_there(signs):
    return any(glob.glob(s) if "/" in s else shutil.which(s) for s in signs)


def missing(needs):
    return sorted(name for name, signs in needs.items() if not is_there(signs))


def rights():
    """The words that put a command into root's hands, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def install(names):
    by_hand = f"sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends {' '.join(names)}'"
    become_root = rights()
    if become_root is None or not shutil.which("apt-get"):
        raise Refusal(EXIT_HOST, f"packages are missing; install them with: {by_hand}")
    say(f"installing with apt-get: {' '.join(names)}")
    apt = become_root + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run(apt + ["update"], stdout=subprocess.DEVNULL)
    done = subprocess.run(apt + ["install", "-y", "--no-install-recommends"] + names,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Refusal(EXIT_HOST, f"apt-get failed; try by hand: {by_hand}\n{done.stdout[-2000:]}")


def ensure(needs):
    names = missing(needs)
    if names:
        install(names)
        still = missing(needs)
        if still:
            raise Refusal(EXIT_HOST, f"installed, but still not found: {' '.join(still)}")
