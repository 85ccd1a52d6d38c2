# SPDX-License-Identifier: MIT
"""The core taken by another program: ./pagoda embed, the lists for make and CMake, the Meson subproject.

The host is tests/host/embed/: a port of as many functions as a tier asks for, and a first use of each tier. Beside it stands
hostile.c, made here: before it includes pagoda.h it defines each macro, type and other name that the core's headers have
as a macro that does not compile, and all tags as other structs; behind it, a function of the host's own for each function
and variable of the core, which ends the program when it is called.
"""
import glob
import os
import re
import shutil

from lab.embed import embed, embed_header
from lab.common import ROOT, Refusal
from lab.options import TIERS
from lab.test.testing import Skip, test

HOST = os.path.join(ROOT, "tests", "host", "embed")
# Names that a host certainly has. They are among those in hostile.c, or the test is not what it says.
FAMILIAR = {"panic", "printk", "kfree", "kmalloc", "min", "max", "ALIGN", "container_of", "list_head", "spinlock", "page", "mutex",
            "PAGE_SIZE", "BUG_ON", "likely", "ARRAY_SIZE", "u64", "spin_lock", "free_pages", "GFP_KERNEL", "EINVAL"}
LATER = {2: {"memset", "memcpy", "vmalloc", "pte_t"}, 3: {"PROT_READ", "current_vm", "do_mmap"}, 4: {"bread", "buffer_head"}, 5: {"out_of_memory"}}
BOOT = {1: "mm_boot_heap", 2: "mm_boot_kernel_map", 3: "mm_boot_space", 4: "mm_boot_cache", 5: "mm_boot"}
FLAGS = ["-std=c11", "-pedantic", "-O1", "-Wall", "-Wextra", "-Werror", "-no-pie"]


def hostile(tier):
    """A C file of a host that has every name of the tier's headers itself, and these names."""
    text, compilers = embed_header.join(embed.public_headers(tier), embed.header_folders("x86_64"))
    names = embed_header.Names(text, ["cc"])
    lines = [f"#include <{name}>" for name in compilers] + ["#include <stdlib.h>"]
    lines += [f"struct {tag} {{ char of_the_host; }};" for tag in sorted(names.tags)]
    lines += [f"#undef {name}\n#define {name} ? of the host ?" for name in sorted(names.plain)]
    lines += ['#include "pagoda.h"']
    lines += [f"#undef {name}" for name in sorted(names.plain)]
    lines += [f"int {name}(void);\nint {name}(void)\n{{\n\tabort();\n}}" for name in sorted(names.external)]
    return names.all, "\n".join(lines) + "\n"


def copy_host(bench, tier, change):
    """The files of the host for a tier, changed by a function, in the test's folder. Their names but host.h's."""
    names = [f"tier{t}.c" for t in range(1, tier + 1)]
    for name in ["host.h", *names]:
        with open(os.path.join(HOST, name), encoding="utf-8") as file:
            bench.file(name, change(file.read()))
    return names


def build_host(bench, tier, prefix, words):
    uses = ", ".join(f"use_tier{t}()" for t in range(1, tier + 1))
    bench.ran(bench.command(["cc", *FLAGS, f"-DTIER={tier}", f"-DHOST_BOOT={prefix}{BOOT[tier]}", f"-DHOST_USES={uses}",
                             *words, "-o", "host"], timeout=120))


def run_host(bench, tier):
    bench.ran(bench.command([bench.file("host")]), 0, f"tier {tier} works\n".encode())


def take(bench, *words):
    shutil.rmtree(bench.file("taken"), ignore_errors=True)
    done = bench.ran(bench.pagoda("embed", "--out", "taken", *words, timeout=900))
    bench.equal(done.err, b"", "messages")
    return done.out.decode()


def symbols(bench, path, *options):
    done = bench.ran(bench.command(["nm", *options, path]))
    return {words[-1] for line in done.out.decode().splitlines() if (words := line.split())}  # an archive has empty lines


def required_names(tier):
    """What port.h says that a port must have up to a tier, and the layout."""
    port = embed.read(embed_header.PORT_HEADER)
    return {"port_layout"} | {name for name, its in re.findall(r"X\((port_\w+), (\d), REQUIRED\)", port) if int(its) <= tier}


# ---- Objects ---------------------------------------------------------------------------------------------------


def embeds(bench, tier):
    """With the usual prefix, and with another one."""
    for prefix, words in (("pagoda_", []), ("Vm9_", ["--prefix", "Vm9_"])):
        told = take(bench, "--tier", str(tier), *words)
        asked = re.search(r"asks for (\d+) names: (.*)", told)
        required = {prefix + name for name in required_names(tier)}
        bench.check(asked and int(asked[1]) == len(required) and set(asked[2].split()) == required, f"it says what it asks for: {told}")
        sources = copy_host(bench, tier, lambda text: text.replace("pagoda_", prefix))
        names, text = hostile(tier)
        expected = FAMILIAR.union(*(more for t, more in LATER.items() if t <= tier))
        bench.check(expected <= names, f"the host lacks names: {expected - names}")
        bench.file("hostile.c", text)
        if shutil.which("g++"):
            bench.file("host.cc", '#include <algorithm>\n#include "pagoda.h"\n')
            bench.ran(bench.command(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Itaken", "-fsyntax-only", "host.cc"]))
        build_host(bench, tier, prefix, ["-Itaken", "-fno-builtin", *sources, "hostile.c", "taken/pagoda.o"])
        run_host(bench, tier)


for number in TIERS:
    test(f"embed/tier_{number}_beside_a_host_with_all_its_names", quick=False, needs=[])(
        lambda bench, number=number: embeds(bench, number))


@test("embed/no_prefix_leaves_the_names_of_the_literature", quick=False, needs=[])
def bare(bench):
    take(bench, "--tier", "1", "--prefix", "")
    found = symbols(bench, "taken/pagoda.o", "-g", "--defined-only")
    bench.check({"kmalloc", "alloc_pages", "panic"} <= found, "exported names")
    bench.check(not {"memset", "memcpy", "strlen", "free_pages_bulk"} & found, "names of its own are local")


def embeds_32bit(bench, geometry):
    told = take(bench, "--tier", "5", "--geometry", geometry)
    asked = re.search(r"asks for (\d+) names: (.*)", told)
    bench.equal(set(asked[2].split()), {"pagoda_" + name for name in required_names(5)}, "what it asks for")
    kind = bench.ran(bench.command(["objdump", "-f", "taken/pagoda.o"])).out
    bench.check(b"elf32-i386" in kind, "pagoda.o has 32 bits")
    bench.file("use.c", '#include "pagoda.h"\nunsigned long size = sizeof(struct pagoda_page) + sizeof(pagoda_pte_t);\n')
    bench.ran(bench.command(["cc", "-m32", "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-Itaken",
                             "-Itaken/port", "-c", "use.c", "-o", "use.o"]))


for its_geometry in ("i386", "i386-pae"):
    test(f"embed/all_tiers_for_{its_geometry}", quick=False, needs=[])(
        lambda bench, its_geometry=its_geometry: embeds_32bit(bench, its_geometry))


@test("embed/made_again_with_another_compiler_and_port", quick=False, needs=[])
def again(bench):
    take(bench, "--tier", "1")
    first = symbols(bench, "taken/pagoda.o", "-g")
    inline = bench.file("taken/port/port/inline.h")
    os.makedirs(bench.file("own/port"))
    with open(inline, encoding="utf-8") as file:
        bench.file("own/port/inline.h", file.read().replace("return port_call_cpu_id()", "return 0"))
    shutil.copy(bench.file("taken/port/port/layout.h"), bench.file("own/port"))
    compiler = "clang" if shutil.which("clang") else "gcc"
    bench.ran(bench.command(["make", "-s", "-C", "taken", f"CC={compiler}", "CFLAGS=-O1", "PORT=../own", "MODEL=-mcmodel=kernel"],
                            timeout=300))
    bench.equal(first - symbols(bench, "taken/pagoda.o", "-g"), {"pagoda_port_cpu_id"}, "names that went")


# ---- The command ---------------------------------------------------------------------------------------------------


@test("embed/wrong_use_gives_one_line", needs=[])
def wrong_use(bench):
    os.makedirs(bench.file("full/folder"))
    bench.file("file", "")
    out = ["--out", "new"]
    for words, says in (
            (["--tier", "9", *out], "--tier 9: must be one of 1, 2, 3, 4, 5"),
            (["--tier", "one", *out], "--tier one: must be one of"),
            (["--tier", "1"], "embed: where to?"),
            (out, "embed: which tier?"),
            (["--tier", "1", *out, "more"], "embed: takes no argument (more)"),
            (["--tier", "1", *out, "--prefix", "9_"], "--prefix 9_: not the beginning of a C name"),
            (["--tier", "1", *out, "--prefix", "a-b"], "--prefix a-b: not the beginning of a C name"),
            (["--tier", "1", *out, "--prefix", "p" * 33], "longer than 32 characters"),
            (["--tier", "1", *out, "--geometry", "i386"], "--tier 1 --geometry i386: take tier 2"),
            (["--tier", "1", *out, "--geometry", "arm"], "--geometry arm: must be one of"),
            (["--tier", "1", "--out", "full"], "--out full: is not empty"),
            (["--tier", "1", "--out", "file"], "--out file: is not a folder"),
            (["--tier", "1", "--out", "file/new"], "--out file/new: Not a directory"),
            (["--tier", "1", "--out", "/proc/new"], "--out /proc/new: No such file or directory"),
            (["--lists", "--tier", "1"], "embed: --lists takes no other option")):
        done = bench.ran(bench.pagoda("embed", *words), 2, b"")
        line = done.err.decode()
        bench.check(line.startswith("pagoda: ") and line.count("\n") == 1 and says in line, f"{words} says {line!r}")
    bench.check(not os.path.exists(bench.file("new")), "nothing is left behind")


@test("embed/a_failed_build_leaves_nothing_behind", needs=[])
def failed(bench):
    compiler = bench.file("compiler", '#!/bin/sh\ncase "$*" in *-E*) exec cc "$@";; esac\necho no >&2\nexit 1\n', 0o755)
    os.mkdir(bench.file("empty"))
    for folder, after in (("new", None), ("empty", [])):
        done = bench.command([os.path.join(ROOT, "pagoda"), "embed", "--tier", "1", "--out", folder],
                             env=dict(os.environ, CC=compiler))
        bench.check(done.status == 71 and b"pagoda: embed: make" in done.err, "it says what failed")
        path = bench.file(folder)
        bench.equal(os.listdir(path) if os.path.exists(path) else None, after, f"what is in {folder}")


# ---- Headers -------------------------------------------------------------------------------------------------------


SAMPLE = """\
/* page_of() is for struct page, not for a page or min of it. */
#define __cold __attribute__((cold))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define FLAG(Name, flag) static inline int Page##Name(struct page *page) { return page->flags & PG_##flag; }
#define OPS(prefix) static inline int prefix##_read(void) { return 1; }
struct page { int flags, min_count; struct { int zone; }; };
enum zone { ZONE_LOW = 1, PG_dirty };
typedef struct { int counter; } count_t;
FLAG(Dirty, dirty)
OPS(clock)
extern struct page *map, *spare[4];
int page_of(const struct page *page, int (*each)(struct page *page)) __cold;
void (*hook)(int zone);
"""
RENAMED = """\
/* x_page_of() is for struct x_page, not for a page or min of it. */
#define x___cold __attribute__((cold))
#define x_min(a, b) ((a) < (b) ? (a) : (b))
#define x_FLAG(Name, flag) static inline int x_Page##Name(struct x_page *page) { return page->flags & x_PG_##flag; }
#define x_OPS(prefix) static inline int prefix##_read(void) { return 1; }
struct x_page { int flags, min_count; struct { int zone; }; };
enum x_zone { x_ZONE_LOW = 1, x_PG_dirty };
typedef struct { int counter; } x_count_t;
x_FLAG(Dirty, dirty)
x_OPS(x_clock)
extern struct x_page *x_map, *x_spare[4];
int x_page_of(const struct x_page *page, int (*each)(struct x_page *page)) x___cold;
void (*x_hook)(int zone);
"""


@test("embed/every_name_gets_the_prefix_and_no_other_word", needs=[])
def renaming(bench):
    names = embed_header.Names(SAMPLE, ["cc"])
    bench.equal(names.external, {"map", "spare", "page_of", "hook"}, "names with external linkage")
    text = embed_header.rename_arguments(SAMPLE, "x_", embed_header.pasting_parameters(SAMPLE))
    bench.equal(embed_header.rename_code(text, names, "x_"), RENAMED, "the header")
    embed_header.check(RENAMED, "x_", ["cc"])
    for damage in ("x_count_t", "x_spare", "struct x_page", "x_min", "x_ZONE_LOW", "x_hook", "x_FLAG"):
        broken = RENAMED.replace(damage, damage.replace("x_", ""))
        try:
            embed_header.check(broken, "x_", ["cc"])
        except Refusal:
            continue
        bench.check(False, f"not noticed: {damage}")


@test("embed/each_public_header_belongs_to_a_tier", needs=[])
def public_headers(bench):
    text = {path for path, _ in embed_header.closure(embed.public_headers(5), embed.header_folders("x86_64"))[0]}
    # What a kernel provides to kernel/, and the suite that a host links beside the core.
    of_a_kernel = {"include/pagoda/machine.h", "include/pagoda/conformance.h"}
    for path in glob.glob("include/pagoda/*.h", root_dir=ROOT):
        bench.check((path in text) != (path in of_a_kernel), f"{path}: name it in PUBLIC_HEADERS of lab/embed/embed.py")


@test("embed/its_port_has_every_required_inline_of_port_h", needs=[])
def inlines(bench):
    port = embed.read(embed_header.PORT_HEADER)
    asked = set(re.findall(r"^static inline [^;{}]*?(port_\w+)\([^;{}]*;", port, re.MULTILINE))
    asked &= set(re.findall(r"X\((port_\w+), \d, REQUIRED\)", port))
    given = set(re.findall(r"^static inline [^;{}]*?(port_\w+)\([^;{}]*\{", embed.read(embed.PORT_HEADERS[0]).replace("\n{", "{"),
                           re.MULTILINE))
    bench.check(len(asked) > 4, "too few found")
    bench.equal(given, asked, "functions of machine/embed/include/port/inline.h")


# ---- Lists ---------------------------------------------------------------------------------------------------------


@test("embed/lists_are_those_of_the_tiers", needs=[])
def lists(bench):
    for path, text in embed.source_lists().items():
        bench.check(embed.read(path) == text, f"{path} is not what ./pagoda embed --lists writes")
    every = {path for folder in ("lib", "mm/*", "arch/x86") for path in glob.glob(f"{folder}/*.c", root_dir=ROOT)}
    debug = {"mm/base/lock_debug.c"}
    bench.equal(set(embed.sources_of(5)), every - debug, "the files of tier 5")
    bench.equal(embed.SOURCES_32BIT, sorted(glob.glob("arch/x86/i386/*.c", root_dir=ROOT)), "the files of 32-bit machines")
    for tier in TIERS:
        its = embed.sources_of(tier)
        bench.equal(len(its), len(set(its)), f"files named once in tier {tier}")


@test("embed/make_builds_from_its_list", quick=False, needs=[])
def make_list(bench):
    bench.file("Makefile", f"PAGODA := {ROOT}\ninclude $(PAGODA)/mm/sources.mk\nOBJECTS := $(PAGODA_TIER1:$(PAGODA)/%.c=obj/%.o)\n"
               "libmm.a: $(OBJECTS)\n\t$(AR) rcs $@ $^\nobj/%.o: $(PAGODA)/%.c\n\t@mkdir -p $(@D)\n"
               "\t$(CC) $(PAGODA_CFLAGS) $(PAGODA_INCLUDES) -O1 -c -o $@ $<\n")
    bench.ran(bench.command(["make", "-s", "-j2"], timeout=300))
    bench.check({"kmalloc", "alloc_pages"} <= symbols(bench, "libmm.a", "-g", "--defined-only"), "the archive")


@test("embed/cmake_builds_from_its_list", quick=False, needs=[])
def cmake_list(bench):
    if not shutil.which("cmake"):
        raise Skip("needs cmake")
    bench.file("CMakeLists.txt", f"cmake_minimum_required(VERSION 3.13)\nproject(host C)\nset(PAGODA {ROOT})\n"
               "include(${PAGODA}/mm/sources.cmake)\nadd_library(mm STATIC ${PAGODA_TIER1})\n"
               "target_compile_options(mm PRIVATE ${PAGODA_CFLAGS} -O1)\ntarget_include_directories(mm PUBLIC ${PAGODA_INCLUDES})\n")
    bench.ran(bench.command(["cmake", "-S", ".", "-B", "build"], timeout=120))
    bench.ran(bench.command(["cmake", "--build", "build", "-j2"], timeout=300))
    bench.check({"kmalloc", "alloc_pages"} <= symbols(bench, "build/libmm.a", "-g", "--defined-only"), "the archive")


# ---- A subproject --------------------------------------------------------------------------------------------------


def own_names(text):
    """A file of the host for a core whose names have no prefix, and whose port's inlines are calls of their twins."""
    for name in embed_header.port_calls(embed.read(embed.PORT_HEADERS[0])):
        text = re.sub(rf"\bpagoda_port_{name}\b", f"port_call_{name}", text)
    return text.replace("pagoda_", "")


@test("embed/meson_subproject_gives_a_dependency", quick=False, needs=[])
def subproject(bench):
    tier = 3
    sources = copy_host(bench, tier, own_names)
    bench.file("pagoda.h", "".join(f"#include <{header}>\n" for header in embed.public_headers(tier)))
    os.mkdir(bench.file("subprojects"))
    os.symlink(ROOT, bench.file("subprojects/pagoda"))
    uses = ", ".join(f"use_tier{t}()" for t in range(1, tier + 1))
    bench.file("meson.build", "project('host', 'c', default_options: ['c_std=gnu11', 'b_pie=false'])\n"
               "mm = subproject('pagoda', default_options: ['embed_args=-O1'])\n"
               f"executable('host', {', '.join(repr(s) for s in sources)}, dependencies: mm.get_variable('pagoda_mm_tier{tier}_dep'),\n"
               f"    c_args: ['-DTIER={tier}', '-DHOST_BOOT={BOOT[tier]}', '-DHOST_USES={uses}'], link_args: '-no-pie')\n")
    bench.ran(bench.command(["meson", "setup", "build"], timeout=300))
    bench.ran(bench.command(["ninja", "-C", "build", "host"], timeout=900))
    bench.ran(bench.command([bench.file("build/host")]), 0, f"tier {tier} works\n".encode())


@test("embed/subproject_compiles_as_the_object_does", needs=[])
def same_arguments(bench):
    given = re.search(r"embed_args = \[(.*?)\]", embed.read("machine/embed/meson.build"), re.DOTALL)
    bench.equal(["-std=gnu11", *re.findall(r"'([^']+)'", given[1])], embed.REQUIRED_FLAGS, "machine/embed/meson.build")
