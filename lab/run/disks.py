# SPDX-License-Identifier: MIT
"""The guest's disks: what --root IMAGE and --swap mean to QEMU.

Disks are virtio-blk devices; the guest names them in this order, and learns from the kernel's
command line which is which:

	vda	the root's image, if there is one	root=vda
	next	swap space, if asked for		swap=vda or swap=vdb

A root image is used copy-on-write: what the guest writes goes to a file that QEMU throws away,
unless --keep. Swap of a size is a sparse file in the run's own folder, with mkswap's signature;
swap at nbd://HOST[:PORT]/EXPORT must carry one already.

For tests PAGODA_BLKDEBUG="root=FILE swap=FILE" puts QEMU's blkdebug over a disk, with rules
from FILE (see fail_rule()).
"""
import os
import re
import subprocess

from lab.common import EXIT_HOST, Refusal, usage_error

EXT2_MAGIC_AT, EXT2_MAGIC = 1024 + 56, b"\x53\xef"
SWAP_MIN, SWAP_MAX = 40 << 10, 1 << 40  # mkswap wants ten pages
PAGE = 4096
# Errors are the guest's to see. By default QEMU stops a machine whose host's disk is full, without a word.
ERRORS = "werror=report,rerror=report"
SWAP_TABLE_SHARE = 1800  # a slot of swap space, 4 KiB, takes a little more than two bytes of the guest's memory


class Drive:
    """One disk. words() are QEMU's; boot_words() names it to the kernel."""

    def __init__(self, kind, source, flags):
        self.kind, self.source, self.flags = kind, source, flags

    def words(self):
        rules = debug_rules().get(self.kind)
        source = f"blkdebug:{rules}:{self.source}" if rules else self.source
        return drive_words(self.kind, source, f"pagoda-{self.kind}", self.flags)


def drive_words(name, source, serial, flags=""):
    """QEMU's words for a virtio disk over a raw file or URL. Commas are doubled, as QEMU wants it."""
    source = source.replace(",", ",,")
    return ["-drive", f"if=none,id={name},format=raw,file={source},{ERRORS}{flags}",
            "-device", f"virtio-blk-pci,drive={name},serial={serial}"]


def debug_rules():
    words = os.environ.get("PAGODA_BLKDEBUG", "").split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def fail_rule(operation, sector=None, once=False):
    """blkdebug's text for: operations ("read", "write", "flush") that touch the sector fail with EIO."""
    lines = ["[inject-error]", 'event = "none"', f'iotype = "{operation}"', 'errno = "5"',
             f'once = "{"on" if once else "off"}"']
    if sector is not None:
        lines.append(f'sector = "{sector}"')
    return "\n".join(lines) + "\n"


# ---- What the options ask for -------------------------------------------------------------


def is_image(root):
    return root is not None and not os.path.isdir(root)


def check(options):
    """Refuse what cannot work, before anything is built or booted."""
    if options.root and not os.path.exists(options.root):
        raise usage_error(f"--root {options.root}: no such file or directory")
    if options.keep and not is_image(options.root):
        raise usage_error("--keep: needs --root IMAGE")
    if is_image(options.root):
        check_image(options)


def check_image(options):
    root = options.root
    if not os.path.isfile(root):
        raise usage_error(f"--root {root}: neither a directory nor an image")
    for name in ("copy", "with"):
        if getattr(options, name):
            raise usage_error(f"--{name}: needs a root that is a directory")
    try:
        with open(root, "r+b" if options.keep else "rb") as file:
            file.seek(EXT2_MAGIC_AT)
            magic = file.read(2)
    except OSError as error:
        raise usage_error(f"--root {root}: {error.strerror}")
    if magic != EXT2_MAGIC:
        raise usage_error(f"--root {root}: not an image of an ext2 file system")


def check_program(name):
    """With an image for a root nothing of it is looked at from here."""
    if not name.startswith("/"):
        raise usage_error(f"run: {name}: with --root IMAGE, name the program by its whole path in the image")
    return name


def parse_swap(text, parse_size):
    """The value of --swap: bytes, or an nbd URL."""
    if text.startswith("nbd:"):
        if not re.fullmatch(r"nbd://[^/,:\s]+(:[0-9]{1,5})?/[^,\s]+", text):
            raise usage_error(f"--swap {text}: write nbd://HOST/EXPORT or nbd://HOST:PORT/EXPORT")
        return text
    size = parse_size(text, "--swap")
    if size and not SWAP_MIN <= size <= SWAP_MAX:
        raise usage_error(f"--swap {text}: must be from 40K to 1T, or 0")
    if size % PAGE:
        raise usage_error(f"--swap {text}: must be a whole number of 4K pages")
    return size


# ---- Making them ------------------------------------------------------------------------------


def make_swap(folder, size):
    path = os.path.join(folder, "swap.img")
    try:
        with open(path, "wb") as file:
            file.truncate(size)
        os.chmod(path, 0o600)
        done = subprocess.run(["mkswap", path], capture_output=True, text=True,
                              env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
    except OSError as error:
        raise Refusal(EXIT_HOST, f"--swap: {error.strerror}")
    if done.returncode:
        raise Refusal(EXIT_HOST, "mkswap failed: " + done.stderr.strip())
    return path


def prepare(options, folder):
    """The run's disks, in the order in which the guest numbers them."""
    drives = []
    if is_image(options.root):
        flags = "" if options.keep else ",snapshot=on"
        drives.append(Drive("root", os.path.abspath(options.root), flags))
    if options.swap:
        is_url = isinstance(options.swap, str)
        source = options.swap if is_url else make_swap(folder, options.swap)
        drives.append(Drive("swap", source, "" if is_url else ",cache=unsafe"))
    return drives


def boot_words(drives):
    return [f"{drive.kind}=vd{chr(ord('a') + i)}" for i, drive in enumerate(drives)]


def qemu_words(drives):
    return [word for drive in drives for word in drive.words()]
