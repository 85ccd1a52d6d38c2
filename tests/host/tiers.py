# SPDX-License-Identifier: MIT
"""Each tier of the core links alone, with its own port functions and no other symbol, and runs on a null port.

mm/tiers.txt says which sources a tier has, PORT_FUNCTIONS in include/pagoda/port.h which functions it asks of a port.
The archives are built so that a port function is a call even where a real port inlines it (machine/null), so the
undefined symbols of an archive are all that its tier needs.
"""
import ctypes
import glob
import os
import random
import re
import shutil

from lab import build
from lab.common import ROOT
from lab.test.sources import read
from lab.test.testing import Skip, test

TIERS = (1, 2, 3, 4, 5)
RUN_TIERS = tuple(tier for tier in TIERS if os.path.exists(os.path.join(ROOT, f"tests/tiers/tier{tier}.c")))
# Bytes of code and constants (the column "text" of size) that tiers 1 to N may have together.
TEXT_LIMITS = {1: 50_000, 3: 160_000}
MAX_PORT_FUNCTIONS = {1: 10}
INCLUDES = [f"-I{os.path.join(ROOT, folder)}" for folder in (
    ".", "include", "arch/x86/include", "arch/x86/geometry/x86_64", "machine/null/include")]
# Compiled into debug builds only.
NOT_IN_A_TIER = {"mm/base/lock_debug.c"}


GEOMETRIES_32BIT = ("i386", "i386-pae")
TIERS_32BIT = (2, 3, 4, 5)  # high memory is mapped by tier 2, so frames need it


def archive(tier, geometry=None):
    return f"machine/null/libpagoda-{geometry + '-' if geometry else ''}tier{tier}.a"


def program(tier, geometry=None):
    return f"tests/tiers/tier{tier}{'-' + geometry if geometry else ''}"


ARCHIVES = [archive(tier) for tier in TIERS]
ARCHIVES_32BIT = [archive(tier, geometry) for geometry in GEOMETRIES_32BIT for tier in TIERS_32BIT]
PROGRAMS_32BIT = [program(tier, geometry) for geometry in GEOMETRIES_32BIT for tier in TIERS_32BIT]
PROGRAMS = [program(tier) for tier in RUN_TIERS]


# A function of port.h; its arguments may be functions.
DECLARED = re.compile(r"\b(port_\w+)\([^()]*(?:\([^()]*\)[^()]*)*\)(?: __must_check)?;")


# ---- The two lists -----------------------------------------------------------------------------

def tier_sources():
    """{source: its tier}, rooms replaced by their files."""
    sources = {}
    for line in read("mm/tiers.txt").splitlines():
        if line.startswith("#"):
            continue
        tier, path = line.split()
        files = [path] if path.endswith(".c") else glob.glob(path + "/*.c", root_dir=ROOT)
        sources.update({file: int(tier) for file in files})
    return sources


def port_functions():
    """{function: (its tier, what a port must do about it)}"""
    found = re.findall(r"^\tX\((port_\w+), (\d), (REQUIRED|OPTIONAL|KERNEL)\)", read("include/pagoda/port.h"),
                       re.MULTILINE)
    return {name: (int(tier), need) for name, tier, need in found}


def required(tier):
    return {name for name, (first, need) in port_functions().items() if first <= tier and need == "REQUIRED"}


@test("tiers/every_source_of_the_core_is_in_one_tier", ids="XC-01", needs=[])
def sources(bench):
    there = {path for pattern in ("mm/*/*.c", "lib/*.c", "arch/x86/*.c") for path in glob.glob(pattern, root_dir=ROOT)}
    bench.check(len(there) > 80, "too few sources found")
    bench.equal(sorted(set(tier_sources()) - NOT_IN_A_TIER ^ there - NOT_IN_A_TIER), [],
                "sources in the tree or in mm/tiers.txt only")


@test("tiers/every_port_function_has_a_tier", needs=[])
def functions(bench):
    text = read("include/pagoda/port.h")
    contract = text[:text.index("#define PORT_FUNCTIONS")]
    declared = set(DECLARED.findall(re.sub(r"/\*.*?\*/", "", contract, flags=re.DOTALL)))
    bench.check(len(declared) > 35, "too few functions found")
    bench.equal(sorted(declared ^ set(port_functions())), [], "functions that are declared, or in the list, only")


# ---- What an archive asks for --------------------------------------------------------------------

def symbols_of(bench, path):
    """(defined, undefined) global symbols of an archive or object; weak ones that may be absent are neither."""
    out = bench.command(["nm", "-g", path]).out.decode()
    kinds = [line.split()[-2:] for line in out.splitlines() if re.search(r" [A-Za-z] \S+$", line)]
    return ({name for kind, name in kinds if kind not in "Uw"}, {name for kind, name in kinds if kind == "U"})


def asked_for(bench, path):
    defined, undefined = symbols_of(bench, path)
    return undefined - defined


@test("tiers/an_archive_asks_for_its_port_functions_and_no_more", ids="XC-01", needs=ARCHIVES)
def archives(bench):
    for tier in TIERS:
        asked = asked_for(bench, build.path(archive(tier)))
        bench.log.write(f"tiers 1 to {tier}: {len(asked)} port functions\n")
        bench.equal(sorted(asked), sorted(required(tier)), f"what tiers 1 to {tier} ask for, and the list")
        bench.check(len(asked) <= MAX_PORT_FUNCTIONS.get(tier, 99), f"tier {tier} asks for {len(asked)} functions")


@test("tiers/a_32_bit_archive_asks_for_no_more", quick=False, ids="XC-01", needs=ARCHIVES_32BIT)
def archives_32bit(bench):
    for geometry in GEOMETRIES_32BIT:
        for tier in TIERS_32BIT:
            path = build.path(archive(tier, geometry))
            formats = set(re.findall(rb"file format (\S+)", bench.command(["objdump", "-f", path]).out))
            bench.equal(formats, {b"elf32-i386"}, f"the format of {path}")
            bench.equal(sorted(asked_for(bench, path)), sorted(required(tier)), f"what tiers 1 to {tier} ask for on {geometry}")
            bench.log.write(f"{geometry}, tiers 1 to {tier}: {text_bytes(bench, path)} bytes of text\n")


@test("tiers/a_32_bit_machine_divides_64_bit_numbers", needs=[])
def division(bench):
    """divide64.c has nothing that only a 32-bit CPU can run, so Python calls it here."""
    library = bench.file("divide64.so")
    bench.ran(bench.command(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", *INCLUDES,
                             os.path.join(ROOT, "arch/x86/i386/divide64.c"), "-o", library]))
    functions = ctypes.CDLL(library)
    some = random.Random(1)
    edges = [1, 2, 10, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 1]
    numbers = edges + [some.getrandbits(some.randrange(1, 65)) | 1 for _ in range(300)]
    for name, signed in (("__udivdi3", False), ("__umoddi3", False), ("__divdi3", True), ("__moddi3", True)):
        kind = ctypes.c_int64 if signed else ctypes.c_uint64
        function = getattr(functions, name)
        function.restype, function.argtypes = kind, [kind, kind]
        for n in [0, *numbers]:
            for d in numbers:
                a, b = kind(n).value, kind(d).value
                quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
                expected = quotient if "div" in name else a - quotient * b
                bench.check(function(a, b) == kind(expected).value, f"{name}({a}, {b}) is {function(a, b)}, not {expected}")
    for n in numbers:
        bench.check(functions.__ctzdi2(ctypes.c_uint64(n)) == (n & -n).bit_length() - 1, f"__ctzdi2({n})")


@test("tiers/checker_sees_one_symbol_too_many", needs=ARCHIVES)
def checker(bench):
    source = bench.file("more.c", "void port_clock_ns(void);\nvoid printf(void);\nvoid more(void);\n"
                                  "void more(void)\n{\n\tport_clock_ns();\n\tprintf();\n}\n")
    bench.command(["gcc", "-c", "-fno-builtin", source, "-o", bench.file("more.o")])
    bench.command(["cp", build.path(archive(1)), bench.file("more.a")])
    bench.command(["ar", "r", bench.file("more.a"), bench.file("more.o")])
    bench.equal(sorted(asked_for(bench, bench.file("more.a")) - required(1)), ["port_clock_ns", "printf"], "found")


def text_bytes(bench, path):
    lines = bench.command(["size", path]).out.decode().splitlines()[1:]
    return sum(int(line.split()[0]) for line in lines)


@test("tiers/low_tiers_are_small", needs=ARCHIVES)
def sizes(bench):
    for tier in TIERS:
        text = text_bytes(bench, build.path(archive(tier)))
        bench.log.write(f"tiers 1 to {tier}: {text} bytes of text\n")
        bench.check(10_000 < text < TEXT_LIMITS.get(tier, 1_000_000), f"tiers 1 to {tier} have {text} bytes of text")


@test("tiers/the_core_uses_no_vector_registers", needs=ARCHIVES)
def no_vectors(bench):
    listing = bench.command(["objdump", "-d", "--no-show-raw-insn", build.path(archive(5))], timeout=120).out
    bench.check(listing.count(b"\n") > 20_000, "too little code found")
    bench.equal(re.findall(rb"%[xyz]mm\d+|%st\(|%mm\d", listing)[:3], [], "vector and floating-point registers")


# ---- Running -------------------------------------------------------------------------------------

def null_port_objects(tier):
    folder = build.path(program(tier)) + ".p"
    return [os.path.join(folder, name) for name in os.listdir(folder) if "machine_null_" in name]


@test("tiers/a_null_port_of_the_listed_functions_runs_each_tier", ids="XC-01", needs=PROGRAMS)
def run(bench):
    for tier in RUN_TIERS:
        given = {name for path in null_port_objects(tier) for name in symbols_of(bench, path)[0]
                 if name.startswith("port_")}
        bench.equal(sorted(given), sorted(required(tier)), f"the null port's functions for tier {tier}, and the list")
        done = bench.command([build.path(program(tier))], timeout=60)
        last = done.err.decode().splitlines()[-1:]
        bench.equal((done.status, last), (0, [f"tier {tier}: all checks passed"]), f"the end of tier {tier}'s program")


@test("tiers/a_null_port_runs_each_32_bit_tier", quick=False, ids="XC-01", needs=PROGRAMS_32BIT)
def run_32bit(bench):
    if not shutil.which("qemu-system-i386"):
        raise Skip("needs qemu-system-i386")
    for geometry in GEOMETRIES_32BIT:
        for tier in TIERS_32BIT:
            done = bench.command(["qemu-system-i386", "-kernel", build.path(program(tier, geometry)), "-m", "256M", "-display", "none",
                                  "-no-reboot", "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4"], timeout=120)
            # QEMU ends with the program's status, doubled, and 1.
            last = done.out.decode().splitlines()[-1:]
            bench.equal((done.status, last), (1, [f"tier {tier}: all checks passed"]), f"the end of tier {tier}'s program on {geometry}")
