# SPDX-License-Identifier: MIT
"""The house keeps its order: who includes whom, no conditionals in code, licences.

The table below is DESIGN.md's ("The house"), written as: files under this folder may include
headers of these layers. A layer is the first word of an include in angle brackets (pagoda,
lib, asm, port, machine, kernel, fs); "libc" stands for headers of the system. Headers in quotes
are a folder's own; unit tests may look into mm/'s.

Within mm/ the rooms are in the order of mm/meson.build, lowest first. A room includes headers and uses
functions and variables of itself and of lower rooms. What a lower room needs of a higher one goes through a table
of operations that the lower room declares.
The tables are filled in mm/boot/boot_*.c, one file for each tier.
"""
import json
import os
import re
import subprocess

from lab.common import BUILD, ROOT
from lab.test.sources import expect_none, read, source_files
from lab.test.testing import test

LAYERS = {"pagoda", "lib", "asm", "port", "machine", "kernel", "fs", "mm"}
# A freestanding compiler brings these along itself.
COMPILER_HEADERS = {"stdarg.h", "stddef.h", "stdint.h", "stdbool.h", "stdalign.h", "limits.h", "float.h",
                    "stdnoreturn.h", "cpuid.h", "x86intrin.h"}

MAY_INCLUDE = [  # first match by folder counts
    ("include/pagoda", {"pagoda", "lib", "asm", "port"}),
    ("lib", {"lib", "pagoda"}),
    ("mm", {"pagoda", "lib", "asm", "mm"}),
    ("conformance", {"pagoda", "lib", "asm"}),
    ("arch", {"pagoda", "lib", "asm", "port"}),
    ("machine/hosted", {"pagoda", "lib", "asm", "port", "machine", "libc"}),
    ("machine/null", {"pagoda", "lib", "asm", "port", "machine", "libc"}),
    ("machine/pc", {"pagoda", "lib", "asm", "port", "machine"}),
    ("kernel", {"pagoda", "lib", "asm", "kernel", "fs"}),
    ("fs", {"pagoda", "lib", "asm", "fs"}),
    ("guest", {"libc"}),
    ("lab/sim", {"pagoda", "machine", "libc"}),
    ("tests/guest", {"libc", "asm"}),  # asm: Linux's, such as asm/ldt.h; ours are not on its include path
    ("tests/tiers", {"pagoda", "lib", "asm", "machine"}),
    ("tests/unit/broken", {"pagoda", "machine", "port", "libc"}),
    ("tests/unit", {"pagoda", "lib", "asm", "machine", "mm", "kernel", "fs", "libc"}),
]
# Where a layer is open only in part: the headers that may be used, and by whom.
ONLY = {
    # Two headers are a part of the port contract, which gives them their names; every machine has its
    # own, found by include path. Nothing else of a machine is seen.
    ("include/pagoda", "port"): {"port/inline.h"},
    ("arch", "port"): {"port/layout.h"},
    # Containers know nothing of pages.
    ("lib", "pagoda"): {"pagoda/types.h", "pagoda/string.h", "pagoda/bug.h", "pagoda/atomic.h",
                        "pagoda/errno.h"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b", re.MULTILINE)
SPDX = "SPDX-License-Identifier: MIT"
WITHOUT_CONDITIONALS = ("mm/", "conformance/", "lib/", "kernel/", "fs/", "arch/", "machine/pc/")


def layer_of(header):
    if header in COMPILER_HEADERS:
        return None
    first = header.split("/")[0]
    return first if "/" in header and first in LAYERS else "libc"


def rules_for(path):
    for folder, allowed in MAY_INCLUDE:
        if path.startswith(folder + "/"):
            return folder, allowed
    return None, None


def broken_includes(path):
    folder, allowed = rules_for(path)
    if folder is None:
        return
    for bracket, header in INCLUDE.findall(read(path)):
        if bracket == '"':
            target = os.path.normpath(os.path.join(os.path.dirname(path), header))
            own = {"tests/unit": (folder + "/", "mm/"), "mm": os.path.dirname(path) + "/"}.get(folder, folder + "/")
            if not target.startswith(own):
                yield f"{path} includes \"{header}\", which is not its own folder's"
            continue
        layer = layer_of(header)
        if layer is None:
            continue
        only = ONLY.get((folder, layer))
        if layer not in allowed or (only is not None and header not in only):
            yield f"{path} may not include <{header}>"


@test("style/layers_include_only_what_the_design_allows", ids="XC-01")
def includes(bench):
    paths = [p for p in source_files() if p.endswith((".c", ".h", ".S"))]
    bench.check(len(paths) > 50, "too few sources found")
    expect_none(bench, (c for p in paths for c in broken_includes(p)))


# What a libc brings along on the hosted machine: filling and copying memory.
FREESTANDING_ONLY = {"arch/x86/string.c"}


def core_sources(target_name):
    """Which files of lib, mm and arch a static library of the build is made of."""
    with open(os.path.join(BUILD, "meson-info", "intro-targets.json")) as file:
        targets = [t for t in json.load(file) if re.fullmatch(target_name, t["name"])]
    paths = {os.path.relpath(source, ROOT) for t in targets for part in t["target_sources"]
             for source in part.get("sources", [])}
    return {path for path in paths if path.startswith(("lib/", "mm/", "arch/"))}


@test("style/one_core_in_both_machines", ids="XC-01")
def one_core(bench):
    pc, hosted = core_sources("kernel"), core_sources("hosted-(string-)?x86_64-plain")
    bench.check(any(path.startswith("mm/") for path in pc), "no core sources found in the build")
    bench.equal(sorted((pc ^ hosted) - FREESTANDING_ONLY), [], "core files that are not in both")


@test("style/no_conditional_compilation_in_code", ids="XC-01")
def conditionals(bench):
    expect_none(bench, (f"{p}: {len(CONDITIONAL.findall(read(p)))} #if"
                        for p in source_files()
                        if p.endswith(".c") and p.startswith(WITHOUT_CONDITIONALS) and CONDITIONAL.search(read(p))))


@test("style/every_source_names_its_licence")
def licences(bench):
    expect_none(bench, (p for p in source_files() if SPDX not in "".join(read(p).splitlines(True)[:3])))


@test("style/headers_are_included_once")
def once(bench):
    expect_none(bench, (p for p in source_files() if p.endswith(".h") and "#pragma once" not in read(p)))


# ---- The rooms of mm/ --------------------------------------------------------------------------

ROOM_HEADER = re.compile(r"<mm/(\w+)/([\w-]+\.h)>")


def rooms():
    """Names of the rooms, lowest first."""
    return re.findall(r"^    '(\w+)': files\(", read("mm/meson.build"), re.MULTILINE)


def room_of(path):
    return path.split("/")[1]


def upward_includes(order):
    for path in source_files():
        if path.startswith("mm/") and path.endswith((".c", ".h")):
            for room, header in ROOM_HEADER.findall(read(path)):
                if order.index(room) > order.index(room_of(path)):
                    yield f"{path} includes {room}/{header}"


def core_objects():
    """{room: its object files} of the kernel image."""
    folder = os.path.join(BUILD, "machine", "pc", "libkernel.a.p")
    objects = {}
    for name in os.listdir(folder):
        found = re.fullmatch(r".*_mm_(" + "|".join(rooms()) + r")_[\w-]+\.c\.o", name)
        if found:
            objects.setdefault(found[1], []).append(os.path.join(folder, name))
    return objects


def symbols(objects, kinds):
    out = subprocess.run(["nm", *objects], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in out.splitlines() if len(line.split()) >= 2 and line.split()[-2] in kinds}


@test("style/rooms_of_mm_include_lower_rooms_only", ids="XC-01", needs=[])
def room_includes(bench):
    order = rooms()
    bench.equal(sorted(order), sorted(d.name for d in os.scandir(os.path.join(ROOT, "mm")) if d.is_dir()), "rooms")
    bench.equal(list(upward_includes(order)), [], "includes that go upwards")


@test("style/rooms_of_mm_use_lower_rooms_only", ids="XC-01")
def room_symbols(bench):
    objects = core_objects()
    bench.equal(sorted(objects), sorted(rooms()), "rooms with objects")
    defined = {room: symbols(paths, "TDBRVWC") for room, paths in objects.items()}
    upward = {}
    for at, room in enumerate(rooms()):
        used = symbols(objects[room], "U")
        higher = {name for above in rooms()[at + 1:] for name in used & defined[above]}
        if higher:
            upward[room] = sorted(higher)
    bench.equal(upward, {}, "symbols that go upwards")


# ---- The packages of lab/ ------------------------------------------------------------------------

# Each package imports itself and what stands before it, also inside functions.
LAB_ORDER = [{"common", "packages", "build"}, {"run"}, {"options"}, {"bench", "sim", "embed", "test"}, {"cli"}, {"__main__"}]
LAB_IMPORT = re.compile(r"^[ \t]*(?:from lab\.(\w+)[\w.]* import|from lab import ([\w, ]+))", re.M)


def lab_level(name):
    return next(level for level, names in enumerate(LAB_ORDER) if name in names)


def lab_imports(path):
    for package, modules in LAB_IMPORT.findall(read(path)):
        yield from [package] if package else re.split(r", *", modules.strip())


def imports_upwards(path):
    own = path.split("/")[1].removesuffix(".py")
    for name in lab_imports(path):
        if name != own and lab_level(name) >= lab_level(own) and not {name, own} <= LAB_ORDER[0]:
            yield f"{path} imports lab.{name}"


@test("style/packages_of_lab_import_lower_ones_only", needs=[])
def lab_packages(bench):
    paths = [p for p in source_files() if p.startswith("lab/") and p.endswith(".py") and p != "lab/__init__.py"]
    bench.check(len(paths) > 30, "too few modules found")
    expect_none(bench, (c for path in paths for c in imports_upwards(path)))
