# SPDX-License-Identifier: MIT
"""`./pagoda embed`: one tier of the core as an object and a header, for a host that has names of its own.

    DIR/pagoda.o       the tier; only the names of the header are global, and all have the prefix
    DIR/pagoda.h       what a host includes (embed_header.py)
    DIR/Makefile       makes pagoda.o again from src/, with the host's compiler and flags
    DIR/exports        names that stay global, DIR/names: old and new name of each (both for objcopy)
    DIR/src/           the tier's sources and headers as they are in our tree
    DIR/port/port/     the two headers that the core includes from a machine; here each function is a call

An object and not one joined source file: in one translation unit the static names and the macros of all files would
meet, and what a debugger shows would be in no file of ours. The object gives the same: `ld -r` joins, and objcopy
makes all names local that the header does not declare, so that not even the core's memset() meets the host's.

mm/sources.mk and mm/sources.cmake list the same files for hosts that compile them in their own build; they are made
here (--lists), and tests/host/embed.py holds them against mm/tiers.txt.
"""
import os
import re
import shutil
import string
import subprocess

from lab import packages
from lab.embed import embed_header
from lab.common import EXIT_HOST, ROOT, Refusal, usage_error
from lab.options import DEFAULT_PREFIX, TIERS


# The headers that a host of a tier includes beside those of lower tiers.
PUBLIC_HEADERS = {
    1: ["pagoda/port.h", "pagoda/errno.h", "pagoda/bug.h", "pagoda/init.h", "pagoda/boot_option.h", "pagoda/bootmem.h",
        "pagoda/page_alloc.h", "pagoda/slab.h", "pagoda/meminfo.h", "pagoda/vmstat.h", "pagoda/vm_task.h"],
    2: ["pagoda/page_wait.h", "pagoda/vmalloc.h", "pagoda/highmem.h", "asm/pgtable.h", "asm/pgalloc.h", "asm/cpufeature.h"],
    3: ["pagoda/mm.h", "pagoda/mempolicy.h", "pagoda/uaccess.h", "pagoda/pagewalk.h", "pagoda/fault_trace.h",
        "pagoda/lru.h", "pagoda/rmap.h", "asm/fault.h", "asm/ptrace.h", "asm/ldt.h"],
    4: ["pagoda/pagemap.h", "pagoda/blkdev.h", "pagoda/buffer_head.h", "pagoda/task_io.h"],
    5: ["pagoda/swap.h", "pagoda/vmscan.h", "pagoda/oom.h"],
}
REQUIRED_FLAGS = ["-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-strict-aliasing", "-fno-delete-null-pointer-checks",
                  "-fno-common", "-mno-red-zone", "-mgeneral-regs-only", "-fno-stack-protector", "-fcf-protection=none",
                  "-fno-asynchronous-unwind-tables"]
# Further ones where a long has 32 bits, for the linker, too; and what the compiler calls there for 64-bit numbers.
FLAGS_32BIT = ["-m32", "-march=i686", "-freg-struct-return"]
LINKER_FLAGS_32BIT = ["-m", "elf_i386"]
SOURCES_32BIT = ["arch/x86/i386/atomic64.c", "arch/x86/i386/divide64.c"]
# Names that a machine may define beside those of port.h: the table of instructions that may fault (asm/fault.h).
PORT_BESIDES = {"__start___ex_table", "__stop___ex_table"}
PORT_FOLDER = "machine/embed/include"
PORT_HEADERS = [f"{PORT_FOLDER}/port/{name}.h" for name in ("inline", "layout")]


# ---- Options ---------------------------------------------------------------------------------------------------


# ---- Which files -------------------------------------------------------------------------------------------------


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def rooms():
    """{folder: its sources} of the rooms of mm/, from mm/meson.build."""
    return {f"mm/{room}": [f"mm/{source}" for source in re.findall(r"'([^']+)'", sources)]
            for room, sources in re.findall(r"^ *'(\w+)': files\((.*?)\)", read("mm/meson.build"), re.MULTILINE | re.DOTALL)}


def sources_of(tier):
    """The files of a tier and those below it, in the order of mm/tiers.txt."""
    its_rooms, chosen = rooms(), []
    for line in read("mm/tiers.txt").splitlines():
        words = line.split("#")[0].split()
        if words and int(words[0]) <= tier:
            chosen += its_rooms.get(words[1], [words[1]])
    return chosen


def has_32_bits(geometry):
    return geometry.startswith("i386")


def sources_for(tier, geometry):
    return sources_of(tier) + (SOURCES_32BIT if has_32_bits(geometry) else [])


def flags_for(geometry):
    return REQUIRED_FLAGS + (FLAGS_32BIT if has_32_bits(geometry) else [])


def headers_of(sources, folders):
    """The headers that these sources include, directly or not, apart from the port's and the compiler's."""
    found, left = set(), list(sources)
    while left:
        path = left.pop()
        for bracket, name in re.findall(r'^#include ([<"])([^>"]+)', read(path), re.MULTILINE):
            header = os.path.join(os.path.dirname(path), name) if bracket == '"' else \
                None if "/" not in name or name.startswith("port/") else embed_header.find_header(name, folders)
            if header and header not in found:
                found.add(header)
                left.append(header)
    return sorted(found)


def public_headers(tier):
    return [header for t, headers in PUBLIC_HEADERS.items() if t <= tier for header in headers]


def header_folders(geometry):
    """Where the headers that <...> names are looked for, the default port's among them."""
    return embed_header.INCLUDE_FOLDERS + [f"arch/x86/geometry/{geometry}", PORT_FOLDER]


# ---- What is written -----------------------------------------------------------------------------------------------


MAKEFILE = """\
# SPDX-License-Identifier: MIT
# Makes pagoda.o: tier {tier} of Pagoda's memory manager ({what}), geometry {geometry}. Made by ./pagoda embed.
#
#	make CC=clang CFLAGS='-O1 -g' MODEL=-mcmodel=kernel PORT=../my-port
#
# PORT: a folder with port/inline.h and port/layout.h. Those in port/ make each function of the port a call; others may
# inline the most frequent ones and make the layout constant.
CFLAGS ?= -O2 -g
OBJCOPY ?= objcopy
PORT ?= port
MODEL ?=
REQUIRED := {required}
INCLUDES := -I$(PORT) -Isrc -Isrc/include -Isrc/arch/x86/include -Isrc/arch/x86/geometry/{geometry}

SOURCES := \\
{sources}
OBJECTS := $(SOURCES:%.c=obj/%.o)
COMPILE = $(CC) $(REQUIRED) $(MODEL) $(CFLAGS) $(INCLUDES)

# Another compiler or other flags make everything anew.
$(shell mkdir -p obj; echo '$(COMPILE)' | cmp -s - obj/flags || echo '$(COMPILE)' > obj/flags)

# First all names but the exported ones become local, then those that are left get their new names.
pagoda.o: obj/joined.o exports names
	$(OBJCOPY) --keep-global-symbols=exports $< obj/local.o
	$(OBJCOPY) --redefine-syms=names obj/local.o $@

obj/joined.o: $(OBJECTS)
	$(LD) {linking}-r -o $@ $(OBJECTS)

obj/%.o: src/%.c obj/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -c -o $@ $<

clean:
	rm -rf obj pagoda.o

.PHONY: clean
-include $(OBJECTS:.o=.d)
"""

LIST_INTRODUCTION = """\
# SPDX-License-Identifier: MIT
# The sources of the core by tier, each with those of the tiers below, for hosts that compile them with {tool}.
# Made from mm/tiers.txt and mm/meson.build by ./pagoda embed --lists; docs/PORTING.md shows the use.
#
# PAGODA: this tree. PAGODA_PORT: the folder of the host's port/inline.h and port/layout.h.
# PAGODA_GEOMETRY: a folder of arch/x86/geometry/. With i386 and i386-pae compile PAGODA_I386 as well, and all with
# PAGODA_I386_CFLAGS added.
"""


def lines_of(words, prefix, between):
    return between.join(prefix + word for word in words)


def source_lists():
    """{path: text} of the lists that other build systems include."""
    make = LIST_INTRODUCTION.format(tool="make") + """\
PAGODA_PORT ?= $(PAGODA)/machine/embed/include
PAGODA_GEOMETRY ?= x86_64
PAGODA_INCLUDES = -I$(PAGODA_PORT) -I$(PAGODA) -I$(PAGODA)/include -I$(PAGODA)/arch/x86/include \\
	-I$(PAGODA)/arch/x86/geometry/$(PAGODA_GEOMETRY)
""" + f"PAGODA_CFLAGS = {' '.join(REQUIRED_FLAGS)}\n"
    cmake = LIST_INTRODUCTION.format(tool="CMake") + """\
if(NOT DEFINED PAGODA_PORT)
  set(PAGODA_PORT ${PAGODA}/machine/embed/include)
endif()
if(NOT DEFINED PAGODA_GEOMETRY)
  set(PAGODA_GEOMETRY x86_64)
endif()
set(PAGODA_INCLUDES ${PAGODA_PORT} ${PAGODA} ${PAGODA}/include ${PAGODA}/arch/x86/include
  ${PAGODA}/arch/x86/geometry/${PAGODA_GEOMETRY})
""" + f"set(PAGODA_CFLAGS {' '.join(REQUIRED_FLAGS)})\n"
    make += f"PAGODA_I386_CFLAGS = {' '.join(FLAGS_32BIT)}\nPAGODA_I386 = \\\n" + lines_of(SOURCES_32BIT, "\t$(PAGODA)/", " \\\n") + "\n"
    cmake += f"set(PAGODA_I386_CFLAGS {' '.join(FLAGS_32BIT)})\nset(PAGODA_I386\n" + lines_of(SOURCES_32BIT, "  ${PAGODA}/", "\n") + ")\n"
    for tier, what in TIERS.items():
        lower = sources_of(tier - 1)
        added = [source for source in sources_of(tier) if source not in lower]
        make += f"\n# Tier {tier}: {what}.\nPAGODA_TIER{tier} = " + (f"$(PAGODA_TIER{tier - 1}) " if tier > 1 else "") + \
            "\\\n" + lines_of(added, "\t$(PAGODA)/", " \\\n") + "\n"
        cmake += f"\n# Tier {tier}: {what}.\nset(PAGODA_TIER{tier}" + (f" ${{PAGODA_TIER{tier - 1}}}" if tier > 1 else "") + \
            "\n" + lines_of(added, "  ${PAGODA}/", "\n") + ")\n"
    return {"mm/sources.mk": make, "mm/sources.cmake": cmake}


def introduction(options):
    option = "" if options.prefix == DEFAULT_PREFIX else f" --prefix {options.prefix}"
    return embed_header.INTRODUCTION.format(tier=options.tier, what=TIERS[options.tier], geometry=options.geometry,
                                            prefix=options.prefix or "''", option=option)


def write(folder, path, text):
    whole = os.path.join(folder, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w", encoding="utf-8") as file:
        file.write(text)


def write_sources(folder, sources, geometry):
    """Copies of the sources and their headers. Their folder's path is the same as in our tree."""
    for path in sources + headers_of(sources + PORT_HEADERS, header_folders(geometry)):
        write(folder, f"src/{path}", read(path))
    for path in PORT_HEADERS:
        write(folder, f"port/port/{os.path.basename(path)}", read(path))
    write(folder, "src/LICENSE", read("LICENSE"))


def write_names(folder, external, prefix):
    """The lists for objcopy. A port's function that is inline by default is called by another name there."""
    calls = {f"port_{name}": f"port_call_{name}" for name in embed_header.port_calls(read(PORT_HEADERS[0]))}
    pairs = {calls.get(name, name): prefix + name for name in external}
    write(folder, "exports", "".join(f"{name}\n" for name in sorted(external)))
    write(folder, "names", "".join(f"{old} {new}\n" for old, new in sorted(pairs.items()) if old != new))


def compiler():
    """Words that call the compiler: CC, or cc behind ccache where there is one."""
    if os.environ.get("CC"):
        return os.environ["CC"].split()
    return (["ccache"] if shutil.which("ccache") else []) + ["cc"]


def make_object(folder):
    command = ["make", "-s", "-C", folder, f"-j{os.cpu_count() or 1}", f"CC={' '.join(compiler())}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        raise Refusal(EXIT_HOST, f"embed: {' '.join(command)} failed:\n{done.stdout[-2000:]}")
    shutil.rmtree(os.path.join(folder, "obj"))


def symbols(path, *options, kinds):
    """Names whose kind, a letter of nm, is among these."""
    done = subprocess.run(["nm", *options, path], capture_output=True, text=True)
    return sorted(words[-1] for line in done.stdout.splitlines() if (words := line.split())[-2] in kinds)


def names_of_port():
    """What a host may be asked for: what port.h and the default port declare, and PORT_BESIDES."""
    text = "".join(read(path) for path in [embed_header.PORT_HEADER, *PORT_HEADERS])
    return set(re.findall(r"\b(port_\w+)\b", text)) | PORT_BESIDES


def check_object(path, prefix):
    """The names that the object defines, those that it asks of a host, and those that a host may leave out."""
    defined = symbols(path, "-g", "--defined-only", kinds=string.ascii_letters)
    undefined, weak = symbols(path, "-u", kinds="U"), symbols(path, "-u", kinds="vw")
    bare = [name for name in defined if not name.startswith(prefix)]
    allowed = {prefix + name for name in names_of_port()}
    bare += [name for name in undefined + weak if name not in allowed]
    if bare:
        raise Refusal(EXIT_HOST, f"embed: {path} defines or asks for what it should not: {', '.join(bare[:10])}")
    return defined, undefined, weak


def text_bytes(path):
    done = subprocess.run(["size", path], capture_output=True, text=True)
    return int(done.stdout.splitlines()[1].split()[0])


# ---- The command -------------------------------------------------------------------------------------------------------


def new_folder(path):
    """Make the folder, or take one that is empty. True if it was made."""
    if os.path.isdir(path):
        if os.listdir(path):
            raise usage_error(f"--out {path}: is not empty")
        if not os.access(path, os.W_OK | os.X_OK):
            raise usage_error(f"--out {path}: may not be written")
        return False
    if os.path.lexists(path):
        raise usage_error(f"--out {path}: is not a folder")
    try:
        os.makedirs(path)
    except OSError as error:
        raise usage_error(f"--out {path}: {error.strerror}") from error
    return True


def fill(folder, options):
    sources = sources_for(options.tier, options.geometry)
    write_sources(folder, sources, options.geometry)
    header, external = embed_header.make(public_headers(options.tier), header_folders(options.geometry), options.prefix,
                                         introduction(options), compiler())
    write(folder, "pagoda.h", header)
    write_names(folder, external, options.prefix)
    write(folder, "Makefile", MAKEFILE.format(
        tier=options.tier, what=TIERS[options.tier], geometry=options.geometry, required=" ".join(flags_for(options.geometry)),
        linking="".join(flag + " " for flag in (LINKER_FLAGS_32BIT if has_32_bits(options.geometry) else [])),
        sources=lines_of(sources, "\t", " \\\n")))
    make_object(folder)
    return check_object(os.path.join(folder, "pagoda.o"), options.prefix)


def embed(options):
    packages.ensure(packages.FOR_EMBED)
    was_made = new_folder(options.out)
    try:
        defined, undefined, weak = fill(options.out, options)
    except BaseException:
        for name in os.listdir(options.out):
            path = os.path.join(options.out, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        if was_made:
            os.rmdir(options.out)
        raise
    print(f"{options.out}/pagoda.o: tier {options.tier} ({TIERS[options.tier]}), {options.geometry}, "
          f"{text_bytes(os.path.join(options.out, 'pagoda.o'))} bytes of text and constants\n"
          f"{options.out}/pagoda.h: declares what it exports, {len(defined)} names\n"
          f"asks for {len(undefined)} names: {' '.join(undefined)}" +
          (f"\nuses if they are there: {' '.join(weak)}" if weak else ""))
    return 0


def main(options):
    if options.args:
        raise usage_error(f"embed: takes no argument ({options.args[0]})")
    if options.lists:
        if options.given != {"--lists"}:
            raise usage_error("embed: --lists takes no other option")
        for path, content in source_lists().items():
            write(ROOT, path, content)
        return 0
    if options.tier is None:
        raise usage_error("embed: which tier? ./pagoda embed --tier N --out DIR [--prefix P_]")
    if options.out is None:
        raise usage_error("embed: where to? ./pagoda embed --tier N --out DIR [--prefix P_]")
    if options.tier == 1 and has_32_bits(options.geometry):
        raise usage_error(f"--tier 1 --geometry {options.geometry}: take tier 2, which maps the frames above the direct map")
    return embed(options)
