# SPDX-License-Identifier: MIT
"""Who calls whom in the core, as the compiler says (-fcallgraph-info), not as a grep guesses.

Compiled without optimisation, every call is an edge. An edge of the documents' call graphs may
lead through helpers of ours, so what is asked for is a way from one function to the other.
"""
import glob
import os
import re
import subprocess

from lab.common import ROOT
from lab.test.testing import test

EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
INCLUDES = ["", "include", "arch/x86/include", "arch/x86/geometry/x86_64", "machine/hosted/include"]


def name_of(node):
    """Static functions are FILE:NAME."""
    return node.rsplit(":", 1)[-1]


def call_graph(bench, files):
    """{caller: set of callees} of the files."""
    # What is always inlined is a function here all the same.
    flags = ["-std=gnu11", "-O0", "-w", "-D_GNU_SOURCE", "-DCONFIG_DEBUG_LOCKS", "-Dalways_inline=unused",
             "-D__always_inline__=unused", "-fcallgraph-info", "-c", "-o", "/dev/null"]
    flags += [f"-I{os.path.join(ROOT, path)}" for path in INCLUDES]
    calls = {}
    for path in files:
        info = bench.file(os.path.basename(path) + ".ci")
        subprocess.run(["gcc", *flags, "-dumpdir", bench.folder + "/", "-dumpbase", os.path.basename(path), path],
                       check=True, cwd=bench.folder)
        with open(info) as file:
            for caller, callee in EDGE.findall(file.read()):
                calls.setdefault(name_of(caller), set()).add(name_of(callee))
    return calls


def core_calls(bench, pattern):
    return call_graph(bench, sorted(glob.glob(os.path.join(ROOT, "mm", "*", pattern))))


def reaches(calls, start, goal):
    seen, todo = set(), [start]
    while todo:
        at = todo.pop()
        if at == goal:
            return True
        if at not in seen:
            seen.add(at)
            todo += calls.get(at, ())
    return False


def callers(calls, callee):
    return {caller for caller, callees in calls.items() if callee in callees}


@test("callgraph/pages_go_through_one_door", "PA-08", quick=False)
def pages(bench):
    calls = core_calls(bench, "*.c")
    bench.equal(callers(calls, "__alloc_pages"), {"alloc_pages_nearby", "alloc_pages_node", "alloc_pages_zonelist"}, "callers of __alloc_pages")
    bench.equal(callers(calls, "__free_pages_ok"), {"put_block_reference"}, "callers of __free_pages_ok")
    for door in ("alloc_page", "alloc_pages", "alloc_pages_node", "__get_free_pages", "get_zeroed_page"):
        bench.check(reaches(calls, door, "__alloc_pages"), f"{door} does not lead to __alloc_pages")
    for door in ("put_page", "__free_page", "__free_pages", "free_pages"):
        bench.check(reaches(calls, door, "__free_pages_ok"), f"{door} does not lead to __free_pages_ok")


SLAB_STEPS = """
kmem_cache_alloc __kmem_cache_alloc
kmalloc __kmem_cache_alloc
__kmem_cache_alloc kmem_cache_alloc_head
__kmem_cache_alloc kmem_cache_alloc_batch
__kmem_cache_alloc kmem_cache_grow
kmem_cache_alloc_batch kmem_cache_alloc_one_tail
kmem_cache_grow kmem_getpages
kmem_cache_grow kmem_cache_slabmgmt
kmem_cache_grow kmem_cache_init_objs
kmem_cache_reap kmem_slab_destroy
kmem_cache_shrink kmem_slab_destroy
kmem_cache_destroy kmem_slab_destroy
kmem_slab_destroy kmem_freepages
"""


@test("callgraph/slab_has_the_documented_steps", "", quick=False)
def slab(bench):
    calls = core_calls(bench, "slab*.c")
    for step in SLAB_STEPS.split("\n"):
        if step:
            bench.check(reaches(calls, *step.split()), f"no way from {step.replace(' ', ' to ')}")
