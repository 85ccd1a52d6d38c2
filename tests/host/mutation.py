# SPDX-License-Identifier: MIT
"""Mutants: the core with one TLB flush taken out. A unit test must notice each.

The tree is copied, the tests that could notice are built plain for one geometry and pass;
then each mutant in turn replaces one piece of one file, is built, and must make the named
test fail. A piece of text that is no longer there exactly once fails too: the list is to be
kept in step with the code.
"""
import os
import shutil

from lab.common import ROOT
from lab.testing import test


class Mutant:
    """In file, old becomes new; then test (of binary, in geometry) must fail."""

    def __init__(self, what, file, old, new, killer, geometry="x86_64", binary="test_smp"):
        self.what, self.file, self.old, self.new = what, file, old, new
        self.killer, self.geometry, self.binary = killer, geometry, binary

    def target(self):
        return f"tests/unit/{self.binary}-{self.geometry}-plain"


MUTANTS = [
    Mutant("munmap: no flush of zapped pages", "mm/tables.c",
           "\tif (pte_accessible(pte))\n\t\ttlb_changed(tlb, addr, addr + PAGE_SIZE);\n", "",
           "munmap_stops_the_other_cpu"),
    Mutant("munmap: frames freed without a flush", "arch/x86/tlb.c",
           "\tif (tlb->start < tlb->end && !tlb->fullmm)\n"
           "\t\tflush_tlb_range(tlb->mm, tlb->start, tlb->end);\n", "",
           "frames_are_freed_after_the_flush"),
    Mutant("mprotect: no flush", "mm/mprotect.c",
           "\tif (c.narrowed)\n\t\tflush_tlb_range(c.mm, start, end);\n", "\t(void)c.narrowed;\n",
           "mprotect_stops_the_other_cpu"),
    Mutant("fork: the parent's entries stay writable in TLBs", "mm/mm_struct.c",
           "\tflush_tlb_mm(oldmm);\n", "", "fork_takes_write_access_from_all_cpus"),
    Mutant("copy on write: no flush of the old frame", "mm/memory.c",
           "\tpte_clear(mm, vmf->address, vmf->pte);\n\tflush_tlb_page(mm, vmf->address);\n",
           "\tpte_clear(mm, vmf->address, vmf->pte);\n", "copy_on_write_shows_on_all_cpus"),
    Mutant("mremap: no flush of the old place", "mm/mremap.c",
           "\tflush_tlb_range(r->mm, r->addr, r->addr + len); /* reclaim would only flush the new addresses */\n", "",
           "mremap_stops_the_other_cpu"),
    Mutant("flushes stay on this CPU", "arch/x86/tlb.c",
           "\tport_on_each_cpu(mask, flush_here, f);\n", "\tport_on_each_cpu(mask & here, flush_here, f);\n",
           "munmap_stops_the_other_cpu"),
    Mutant("a lazy CPU that left comes back without its tables", "arch/x86/context.c",
           "\tif (unlikely(!(__atomic_load_n(&next->cpu_vm_mask, __ATOMIC_RELAXED) & cpu_bit())))\n"
           "\t\tload_mm(state, next);\n", "", "lazy_cpu_that_left_comes_back"),
    Mutant("vfree: no flush", "mm/vmalloc.c",
           "\tflush_tlb_kernel_range(start, end);\n", "\t(void)start, (void)end;\n",
           "vfree_takes_the_translation_away"),
    Mutant("kunmap_atomic: no flush", "mm/highmem.c",
           "\tset_pte(lookup_kernel_pte(va), __pte(0));\n\tport_flush_tlb_page(va);\n",
           "\tset_pte(lookup_kernel_pte(va), __pte(0));\n",
           "kmap_atomic_slot_shows_its_new_page", geometry="i386"),
    Mutant("kmap: idle slots are reused without a flush", "mm/highmem.c",
           "\tflush_tlb_kernel_range(PKMAP_BASE, pkmap_addr(LAST_PKMAP));\n", "",
           "kmap_slot_shows_its_new_page", geometry="i386-pae"),
]

SKIPPED = shutil.ignore_patterns("build*", ".git", "__pycache__")


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Nursery:
    """The copy of the tree, one build folder for a geometry."""

    def __init__(self, bench):
        self.bench = bench
        self.tree = os.path.join(bench.folder, "tree")
        shutil.copytree(ROOT, self.tree, ignore=SKIPPED, symlinks=True)

    def builds(self, geometry):
        return os.path.join(self.tree, "build-" + geometry)

    def setup(self, geometry):
        words = ["meson", "setup", self.builds(geometry), self.tree, "-Dpc=false", "-Dsanitizers=plain",
                 f"-Dgeometries={geometry}", "-Ddebug=false"]
        self.bench.ran(self.bench.command(words, timeout=120))

    def build(self, mutant):
        return self.bench.command(["ninja", "-C", self.builds(mutant.geometry), mutant.target()], timeout=600)

    def killed(self, mutant):
        """Does the killer fail? True, False, or None if there is no such test."""
        binary = os.path.join(self.builds(mutant.geometry), mutant.target())
        done = self.bench.command([binary, mutant.killer], timeout=300)
        if f"ok {mutant.killer} ".encode() not in done.out:
            return None
        return done.status != 0

    def fate(self, mutant):
        """Build and run one mutant; a complaint, or None if it died as it should."""
        path = os.path.join(self.tree, mutant.file)
        text = read(path)
        if text.count(mutant.old) != 1:
            return f"{mutant.what}: its text is {text.count(mutant.old)} times in {mutant.file}"
        write(path, text.replace(mutant.old, mutant.new))
        try:
            if self.build(mutant).status:
                return f"{mutant.what}: does not compile"
            return None if self.killed(mutant) else f"{mutant.what}: survives {mutant.killer}"
        finally:
            write(path, text)


@test("mutation/each_missing_tlb_flush_fails_a_test", ids="XC-03", quick=False)
def missing_flushes(bench):
    nursery = Nursery(bench)
    for geometry in sorted({m.geometry for m in MUTANTS}):
        nursery.setup(geometry)
    complaints = []
    for mutant in MUTANTS:
        bench.ran(nursery.build(mutant))  # all but the first of a geometry are built already
        if nursery.killed(mutant) is not False:
            complaints.append(f"{mutant.killer} does not pass on the core as it is")
    for mutant in MUTANTS:  # what the one before changed is mended by the same build
        fate = nursery.fate(mutant)
        bench.log.write(f"mutant: {fate or mutant.what + ': killed by ' + mutant.killer}\n")
        complaints += [fate] if fate else []
    bench.check(not complaints, "; ".join(complaints))
