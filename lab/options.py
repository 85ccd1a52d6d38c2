# SPDX-License-Identifier: MIT
"""The options of all commands: their tables, and how their values are read.

Options are described once, in the tables below; parsing, defaults and refusals all come from them. An
option whose value will be supported by a later issue is already known here, so that using it
early gives one clear line and not "unknown option". Options end at the first word that does not
start with a dash, or at `--`.
"""
import re

from lab.common import usage_error
from lab.run import disks

SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
RAM_MIN, RAM_MAX = 8 << 20, 64 << 30
NODE_MIN = 2 << 20
MAX_NODES = 8  # as MAX_NR_NODES
RECLAIMS = ["default", "classic"]
POLICIES = ["fifo", "lru", "clock", "2q", "arc", "opt"]
MAX_SIZES = 512


def parse_size(text, option):
    match = re.fullmatch(r"([0-9]+)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not match:
        raise usage_error(f"{option} {text}: not a size; write for example 64M")
    return int(match[1]) * SIZE_UNITS[match[2].upper()]


def ram_size(text):
    size = parse_size(text, "--ram")
    if not RAM_MIN <= size <= RAM_MAX:
        raise usage_error(f"--ram {text}: must be from 8M to 64G")
    if size % (1 << 20):
        raise usage_error(f"--ram {text}: must be a whole number of mebibytes")
    return size


def swap_space(text):
    return disks.parse_swap(text, parse_size)


def only_one(option):
    def parse(text):
        if not re.fullmatch("0*[1-9][0-9]*", text):
            raise usage_error(f"{option} {text}: not a positive number")
        if int(text) != 1:
            raise usage_error(f"{option} {text}: only 1 is supported yet")
        return 1
    return parse


def node_count(text):
    if not re.fullmatch("[0-9]+", text) or not 1 <= int(text) <= MAX_NODES:
        raise usage_error(f"--nodes {text}: not a number from 1 to {MAX_NODES}")
    return int(text)


def choice(option, supported, later=()):
    def parse(text):
        if text in later:
            raise usage_error(f"{option} {text}: not supported yet, only {' or '.join(supported)}")
        if text not in supported:
            raise usage_error(f"{option} {text}: must be one of {', '.join(supported)}")
        return text
    return parse


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise usage_error(f"--timeout {text}: not a number of seconds")
    return value


def anything(text):
    return text


# name: (how to read its value, or None for a switch; default; may be given several times)
RUN_OPTIONS = {
    "--ram": (ram_size, 128 << 20, False),
    "--swap": (swap_space, 0, False),
    "--cpus": (only_one("--cpus"), 1, False),
    "--nodes": (node_count, 1, False),
    "--arch": (choice("--arch", ["x86_64"], ["x86_64-la57", "i386", "i386-pae"]), "x86_64", False),
    "--accel": (choice("--accel", ["auto", "kvm", "tcg"]), "auto", False),
    "--icount": (None, False, False),
    "--root": (anything, None, False),
    "--keep": (None, False, False),
    "--copy": (anything, [], True),
    "--with": (anything, [], True),
    "--reclaim": (choice("--reclaim", ["default", "classic"], []), "default", False),
    "--append": (anything, [], True),
    "--stats": (anything, None, False),
    "--compare": (anything, None, False),
    "--pages": (anything, None, False),
    "--log": (anything, None, False),
    "--timeout": (seconds, None, False),
    "--quiet": (None, False, False),
}


TEST_OPTIONS = {
    "--quick": (None, False, False),
    "--long": (None, False, False),
    "--requirements": (None, False, False),
}


class Options:
    """Parsed options as attributes (--ram is .ram), and .args: the words after them."""

    def __init__(self, table):
        self.given = set()
        self.args = []
        for name, (_, default, repeated) in table.items():
            setattr(self, name[2:], list(default) if repeated else default)

    def take(self, name, value, repeated):
        if name in self.given and not repeated:
            raise usage_error(f"{name}: given twice")
        self.given.add(name)
        if repeated:
            getattr(self, name[2:]).append(value)
        else:
            setattr(self, name[2:], value)


def parse(words, table, command):
    """Read options from words by table. What is left goes to .args."""
    options = Options(table)
    words = list(words)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name in ("--help", "-h"):
            raise HelpAsked()
        if name not in table:
            raise usage_error(f"{command}: unknown option {name}")
        read, _, repeated = table[name]
        if read is None:
            if equals:
                raise usage_error(f"{name}: takes no value")
            options.take(name, True, False)
            continue
        if not equals:
            if not words:
                raise usage_error(f"{name}: needs a value")
            value = words.pop(0)
        options.take(name, read(value), repeated)
    options.args = words
    return options


class HelpAsked(Exception):
    pass


def check_run_options(options):
    if options.icount and options.accel == "kvm":
        raise usage_error("--icount: needs --accel tcg, not kvm")
    if options.ram < options.nodes * NODE_MIN and options.nodes > 1:
        raise usage_error(f"--nodes {options.nodes}: needs at least --ram {options.nodes * NODE_MIN >> 20}M")


# ---- ./pagoda sim ----------------------------------------------------------------------------

def bad_frames(text):
    return usage_error(f"--frames {text}: write for example 1000, 25%, 64,128,256, 100..1000+100 or 64..4096*2")


def expand_range(match, text):
    """A..B+S or A..B*S as numbers."""
    first, last, sign, step = int(match[1]), int(match[2]), match[3], int(match[4])
    if not 0 < first <= last or step < (1 if sign == "+" else 2):
        raise bad_frames(text)
    sizes = []
    while first <= last and len(sizes) <= MAX_SIZES:
        sizes.append(str(first))
        first = first + step if sign == "+" else first * step
    return sizes


def frames(text):
    """Sizes of memory, as words: numbers and percentages."""
    sizes = []
    for word in text.split(","):
        span = re.fullmatch(r"([0-9]{1,9})\.\.([0-9]{1,9})([+*])([0-9]{1,9})", word)
        if span:
            sizes += expand_range(span, text)
        elif re.fullmatch(r"0*[1-9][0-9]{0,8}|0*[1-9][0-9]?%|100%", word):
            sizes.append(word)
        else:
            raise bad_frames(text)
    if len(sizes) > MAX_SIZES:
        raise usage_error(f"--frames {text}: more than {MAX_SIZES} sizes")
    return list(dict.fromkeys(sizes))


def names(option, known):
    """Some of the known names, separated by commas; none is none."""
    def parse(text):
        words = [] if text == "none" else known if text == "all" else text.split(",")
        for word in words:
            if word not in known:
                raise usage_error(f"{option} {text}: must be some of {', '.join(known)}, or all or none")
        return list(dict.fromkeys(words))
    return parse


def whole_number(option, least, most):
    def parse(text):
        if not re.fullmatch(r"[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise usage_error(f"{option} {text}: must be a whole number from {least} to {most}")
        return int(text)
    return parse


def page_size(text):
    match = re.fullmatch(r"([0-9]{1,9})([KM]?)", text.upper())
    size = int(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[match[2]] if match else 0
    if not 16 <= size <= 1 << 30 or size & (size - 1):
        raise usage_error(f"--page-size {text}: must be a power of two from 16 to 1024M, such as 4K")
    return size


SIM_OPTIONS = {
    "--frames": (frames, ["10%", "25%", "50%", "75%"], False),
    "--page-size": (page_size, 4096, False),
    "--reclaim": (names("--reclaim", RECLAIMS), ["default"], False),
    "--policies": (names("--policies", POLICIES), POLICIES, False),
    "--read-ahead": (whole_number("--read-ahead", 0, 5), 0, False),
    "--seed": (whole_number("--seed", 0, (1 << 64) - 1), 1, False),
    "--json": (None, False, False),
    "--csv": (None, False, False),
}


# ---- ./pagoda embed --------------------------------------------------------------------------

TIERS = {1: "frames and heap", 2: "kernel mappings", 3: "address spaces", 4: "files", 5: "pressure"}
DEFAULT_PREFIX = "pagoda_"
GEOMETRIES = ["x86_64", "x86_64-la57", "i386", "i386-pae"]
PREFIX_LENGTH_MAX = 32


def tier_number(text):
    if text not in [str(tier) for tier in TIERS]:
        raise usage_error(f"--tier {text}: must be one of {', '.join(map(str, TIERS))}")
    return int(text)


def symbol_prefix(text):
    if text and not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise usage_error(f"--prefix {text}: not the beginning of a C name")
    if len(text) > PREFIX_LENGTH_MAX:
        raise usage_error(f"--prefix {text}: longer than {PREFIX_LENGTH_MAX} characters")
    return text


def page_geometry(text):
    if text not in GEOMETRIES:
        raise usage_error(f"--geometry {text}: must be one of {', '.join(GEOMETRIES)}")
    return text


EMBED_OPTIONS = {
    "--tier": (tier_number, None, False),
    "--out": (str, None, False),
    "--prefix": (symbol_prefix, DEFAULT_PREFIX, False),
    "--geometry": (page_geometry, "x86_64", False),
    "--lists": (None, False, False),
}
