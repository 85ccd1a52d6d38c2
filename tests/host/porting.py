# SPDX-License-Identifier: MIT
"""docs/PORTING.md does what it says: its commands are run, and its example is booted in QEMU.

The tutorial's blocks ```sh hold commands, lines that begin with "$ ", and what they print. Numbers may
differ; a line "..." stands for any lines.
"""
import contextlib
import fcntl
import os
import re
import shutil

from lab.common import BUILD, ROOT
from lab.test.testing import test

TUTORIAL = "docs/PORTING.md"
EXAMPLE = "examples/multiboot2"
MAKE_SECONDS = 600
LINES_OF_TIER_1 = 300
OBJECTS = os.path.join(BUILD, "porting")  # kept: the core is compiled once


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


@contextlib.contextmanager
def objects():
    """The folder of compiled objects, for one test at a time."""
    os.makedirs(OBJECTS, exist_ok=True)
    with open(os.path.join(OBJECTS, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield OBJECTS


def environment(build):
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    return dict(os.environ, BUILD=build, PAGODA=ROOT, CC=compiler, CCACHE_BASEDIR="", MAKEFLAGS="--no-print-directory -j2")


def shell(bench, command, build):
    """A command of the tutorial, typed in the root of the tree."""
    return bench.command(["sh", "-c", f"cd '{ROOT}' && {command}"], timeout=MAKE_SECONDS, env=environment(build))


# ---- The tutorial's commands ---------------------------------------------------------------------


def session(text):
    """(command, lines that it prints) for each command in the tutorial's shell blocks."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, shown = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL).groups()
            yield command, shown.splitlines()


def pattern_of(shown):
    """A pattern for output like the lines shown."""
    number = r"(0x[0-9a-f]+|\d+)"
    lines = (r"(.*\n)*?" if line == "..." else re.sub(r"0x[0-9a-f]+|\d+", lambda m: number, re.escape(line)) + r"\n"
             for line in shown)
    return re.compile(r"(.*\n)*?" + "".join(lines))


@test("porting/the_commands_of_the_tutorial_print_what_it_shows", quick=False, needs=[])
def commands(bench):
    steps = list(session(text_of(TUTORIAL)))
    bench.check(len(steps) >= 2, "the tutorial has too few commands")
    with objects() as build:
        for command, shown in steps:
            done = bench.ran(shell(bench, command, build))
            printed = done.out.decode().replace("\r", "")
            bench.check(pattern_of(shown).match(printed), f"{command} printed {printed!r}, not {shown}")


# ---- The example -----------------------------------------------------------------------------------


def lines_of_code(path):
    """Lines that are neither empty nor comments."""
    text = re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.DOTALL)
    return sum(bool(line.strip()) for line in text.splitlines())


def sources_of_tier(tier):
    """The example's own files that are compiled and linked for a tier."""
    files = ["boot.S", "link.ld", "kernel.h", "kernel.c", "port/inline.h", "port/layout.h"]
    return [f"{EXAMPLE}/{name}" for name in files + [f"port{n}.c" for n in range(1, tier + 1)]]


@test("porting/the_example_for_tier_1_is_short", needs=[])
def short(bench):
    counts = [sum(map(lines_of_code, sources_of_tier(tier))) for tier in (1, 2, 3)]
    bench.check(100 < counts[0] < LINES_OF_TIER_1, f"{counts[0]} lines of code for tier 1")
    table = re.search(r"lines of code.*?\| (\d+) \| (\d+) \| (\d+) \|", text_of(TUTORIAL), re.DOTALL)
    bench.check(f"({counts[0]} lines of code for tier 1)" in text_of("README.md"), f"README.md: not {counts[0]} lines")
    bench.equal(table and [int(n) for n in table.groups()], counts, f"{TUTORIAL}: lines of code for tiers 1, 2, 3")


def boot(bench, build, tier):
    """What the example for a tier printed, and QEMU's status: 1 if it ended well (Makefile)."""
    done = shell(bench, f"make -s -C {EXAMPLE} TIER={tier} run", build)
    return done.status, done.out.decode(errors="replace").replace("\r", "")


WORKS = {
    1: [r"tier 1: 8 frames at 0x[0-9a-f]+, an object of 128 bytes, \d{5} frames free"],
    2: ["tier 2: 3 MiB at 0xffffc90000000000"],
    3: ["tier 3: read back 42, 2 anonymous faults, 5 bytes not copied"],
}


@test("porting/the_example_boots_with_each_tier", quick=False, needs=[])
def tiers(bench):
    for tier in (1, 2, 3):
        with objects() as build:
            status, printed = boot(bench, build, tier)
        expected = [line for n in range(1, tier + 1) for line in WORKS[n]]
        expected.append(rf"(conformance: (?!not ok).*\n)+tier {tier} works, 0 warnings, 0 tests failed\n$")
        bench.equal(status, 0, f"tier {tier}: status of make; printed {printed[-300:]!r}")
        bench.check(re.search(r"\n".join(expected), printed), f"tier {tier} printed {printed!r}")


# ---- What breaks ---------------------------------------------------------------------------------------

RESET = 0        # QEMU's status when the machine resets (-no-reboot)
PANIC = 2 * 2 + 1  # the example's stop(2)
WELL = 1
HANGS = 124


class Mistake:
    """An edit of the example: how the machine ends, and the last thing that the tutorial says one sees."""

    def __init__(self, ends, sees, *edits, tier=3):
        self.ends, self.sees, self.edits, self.tier = ends, sees, edits, tier


def other_irq_function(name, declaration, body):
    """An edit: another body of a function that machine/irqflags.h defines."""
    return ("port/inline.h", "#include <machine/irqflags.h>",
            f"#define {name} right_{name}\n#include <machine/irqflags.h>\n#undef {name}\n"
            f"static inline {declaration}\n{{\n{body}}}")


MISTAKES = [
    Mistake(PANIC, "PANIC: port: port_memory_map() has no range", ("kernel.c", "read_tags(tags_pa);", "(void)tags_pa;")),
    Mistake(PANIC, "PANIC: kmalloc() is called before the core is booted, by N",
            ("kernel.c", "mm_boot_space(&info);", "kfree(kmalloc(100, GFP_KERNEL));")),
    Mistake(PANIC, "PANIC: port: the core is booted a second time", ("kernel.c", "tier1();", "mm_boot_space(&info);")),
    Mistake(PANIC, "PANIC: port: the core is booted with interrupts on",
            ("kernel.c", "mm_boot_space(&info);", '__asm__ volatile("sti");\n\tmm_boot_space(&info);')),
    Mistake(PANIC, "PANIC: port: port_cpu_id() is 3, but 1 CPUs are up", ("port/inline.h", "return 0;", "return 3;"), tier=1),
    Mistake(PANIC, "PANIC: port: port_current() is NULL; before the first task it is a static struct vm_task",
            ("port/inline.h", "extern struct vm_task boot_task;", "extern struct vm_task boot_task, *running;"),
            ("port/inline.h", "return &boot_task;", "return running;"),
            ("port1.c", "struct vm_task boot_task", "struct vm_task *running;\nstruct vm_task boot_task"), tier=1),
    Mistake(PANIC, "PANIC: port: port_irq_save() and port_irq_restore() turn interrupts on though they were off before",
            other_irq_function("port_irq_restore", "void port_irq_restore(unsigned long flags)",
                               '\t(void)flags;\n\t__asm__ volatile("sti" : : : "memory");\n'), tier=1),
    Mistake(WELL, "conformance: not ok irq_save_nests: port_irq_save() leaves interrupts on",
            other_irq_function("port_irq_save", "unsigned long port_irq_save(void)", "\treturn port_irq_flags();\n"), tier=1),
    Mistake(PANIC, "PANIC: port: mm_boot_info.kernel_end is 0, kernel_start N: the kernel image would be given away as free"
            " memory", ("kernel.c", "(unsigned long)image_end - IMAGE_BASE", "0")),
    Mistake(PANIC, "PANIC: port: x86_features.nx is set, but EFER.NXE is clear: each page that may not be executed would"
            " fault", ("boot.S", "$0x900", "$0x100")),
    Mistake(PANIC, "PANIC: port: CR0.WP is clear: writes of the kernel would ignore read-only and copy-on-write pages",
            ("boot.S", "$0x80010033", "$0x80000033")),
    Mistake(PANIC, "PANIC: fault at 0x8", ("kernel.c", "outb(0x21, 0xff);", ""),
            ("kernel.c", '__asm__ volatile("sti");', '__asm__ volatile("sti; hlt");')),
    Mistake(WELL, "slab: cache size-N: object N freed twice, by N",
            ("kernel.c", "kfree(object);", "kfree(object);\n\tkfree(object);"),
            ("kernel.c", '.options = ""', '.options = "slab_debug"')),
    Mistake(PANIC, "PANIC: port: port_map_kernel_image() leaves the core's code at N unmapped",
            ("port2.c", "map_part(image_start, text_end, PAGE_KERNEL_EXEC);", "")),
    Mistake(PANIC, "PANIC: port: port_map_kernel_image() maps the core's code at N with the wrong rights",
            ("port2.c", "text_end, PAGE_KERNEL_EXEC", "text_end, PAGE_KERNEL")),
    Mistake(PANIC, "PANIC: port: port_map_kernel_image() maps the core's data at N with the wrong rights",
            ("port2.c", "image_end, PAGE_KERNEL)", "image_end, PAGE_KERNEL_RO)")),
    Mistake(PANIC, "PANIC: port: port_load_pgd() does not load the root N, the CPU walks N",
            ("port2.c", '__asm__ volatile("movq %0, %%cr3" : : "r"(pgd_pa) : "memory");', "(void)pgd_pa;")),
    Mistake(PANIC, "PANIC: port: port_flush_tlb_all() does not forget a global page",
            ("port2.c", "movq %%cr3, %0; movq %0, %%cr3", "movq %%cr3, %0")),
    Mistake(PANIC, "PANIC: port: port_flush_tlb_page() does not forget the page",
            ("port2.c", '__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");', "(void)addr;")),
    Mistake(PANIC, "PANIC: port: the exception table is empty: the linker script keeps no section __ex_table between"
            " __start___ex_table and __stop___ex_table", ("link.ld", "KEEP(*(__ex_table))", "")),
    Mistake(PANIC, "PANIC: port: port_flush_tlb() does not forget a page that is not global",
            ("port3.c", "\tport_flush_tlb_all();\n", "")),
    Mistake(PANIC, "PANIC: exit_mm() is called with interrupts off: unmapping waits for other CPUs",
            ("port3.c", "\texit_mm();", '\t__asm__ volatile("cli");\n\texit_mm();')),
    Mistake(PANIC, "PANIC: kernel page fault at N, address 0x2aaaaaaab000, error code 0x2",
            ("kernel.c", '__asm__ volatile("sti");', "")),
    Mistake(PANIC, "PANIC: kernel NULL pointer dereference at N, address 0, error code 0x2",
            ("port3.c", '__asm__ volatile("movq %%cr2, %0" : "=r"(address));', "address = 0;")),
    Mistake(HANGS, "", ("port3.c", "frame->ip = regs.ip;", "")),
    Mistake(PANIC, "PANIC: kernel page fault at N, address 0x2aaaaaaab000, error code 0x2",
            ("port3.c", "activate_mm(mm);", "")),
]
QEMU = ("timeout 20 qemu-system-x86_64 -accel tcg -cpu max -m 128M -display none -no-reboot -serial stdio"
        " -device isa-debug-exit,iobase=0xf4 -cdrom")


def make_mistake(bench, mistake, build):
    """Status of QEMU and the serial port's text of an example with the mistake in it."""
    copy = os.path.join(bench.folder, "example")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(os.path.join(ROOT, EXAMPLE), copy, ignore=shutil.ignore_patterns("build"))
    for name, old, new in mistake.edits:
        path = os.path.join(copy, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        bench.check(old in text, f"{name} has no {old!r}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))
    # The core includes port/inline.h: where that is wrong, the objects of the right one are left alone.
    edited = {name for name, _, _ in mistake.edits}
    core = f"{copy}/build/core" if "port/inline.h" in edited else f"{build}/core"
    iso = f"{copy}/build/tier{mistake.tier}/kernel.iso"
    bench.ran(shell(bench, f"make -s -C {copy} CORE={core} BUILD={copy}/build TIER={mistake.tier} {iso}", build))
    done = shell(bench, f"{QEMU} {iso}", build)
    return done.status, done.out.decode(errors="replace").replace("\r", "")


@test("porting/mistakes_look_as_the_tutorial_says", quick=False, needs=[])
def mistakes(bench):
    tutorial = text_of(TUTORIAL)
    with objects() as build:
        for mistake in MISTAKES:
            status, printed = make_mistake(bench, mistake, build)
            bench.equal(status, mistake.ends, f"{mistake.edits}: status of QEMU; printed {printed[-300:]!r}")
            bench.check(f"`{mistake.sees}`" in tutorial or not mistake.sees, f"{TUTORIAL} has no {mistake.sees}")
            sees = re.sub(r"\bN\b", "(0x[0-9a-f]+|[0-9]+)", re.escape(mistake.sees))
            said = re.sub(r"[^ ]*/mm/", "mm/", printed).splitlines() or [""]
            said = said[-1:] if mistake.ends in (PANIC, RESET) else said
            bench.check(any(re.match(sees, line) for line in said), f"{mistake.edits}: said {said}")


# ---- docs/embed.c --------------------------------------------------------------------------------------


@test("porting/embed_c_compiles_by_the_line_that_it_names", quick=False, needs=[])
def embed(bench):
    opening = re.match(r"/\*.*?\*/\n(/\*.*?\*/)", text_of("docs/embed.c"), re.DOTALL)
    commands = re.findall(r"^ \*\t(.*)$", opening[1], re.MULTILINE)
    bench.check(len(commands) >= 2 and commands[-1] == "/tmp/embed", "docs/embed.c names no compile line")
    done = shell(bench, "\n".join(commands).replace("/tmp/embed", bench.file("embed")), bench.folder)
    bench.ran(done, 0, b"read back 42, 1 anonymous fault, 128 usable bytes\n")
