# SPDX-License-Identifier: MIT
"""A host of another language or compiler can include each public header alone.

Public are the headers of the core's interface (include/pagoda/), of its containers (lib/), of the architecture
(asm/) and of the two machines' inline parts of the port (port/). Each is compiled as the only include of a file, with
-Werror, in every mode of MODES. What a header declares must be the same function in C++: a file that takes the
addresses of all of them may refer to no mangled name.
"""
import glob
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from lab.common import ROOT
from lab.test.sources import expect_none, read, source_files
from lab.test.testing import Skip, test

MODES = {
    "gcc -std=c11 -pedantic": ["gcc", "-std=c11", "-pedantic", "-xc"],
    "clang -std=c11 -pedantic": ["clang", "-std=c11", "-pedantic", "-xc"],
    "g++ -std=c++17": ["g++", "-std=c++17", "-xc++"],
    "clang++ -std=c++17": ["clang++", "-std=c++17", "-xc++"],
}
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
GEOMETRIES = ["x86_64", "x86_64-la57", "i386", "i386-pae"]
# Folders on the include path, and the headers below them that an embedder includes.
PUBLIC = {
    "include": "pagoda/**/*.h",
    ".": "lib/*.h",
    "arch/x86/include": "asm/*.h",
    "machine/hosted/include": "port/*.h",
    "machine/pc/include": "port/*.h",
}
DECLARED = re.compile(r"^(?!static|typedef|return|extern \"|#|/|\*|\s)[\w \t*]*?[ *](\w+)\((?:[^;{}()]|\([^()]*\))*\)[^;{}()]*"
                      r"(?:\([^;{}]*\)[^;{}()]*)*;", re.MULTILINE)


def public_headers():
    """[(include path's folder, name in angle brackets)]"""
    return [(folder, os.path.relpath(path, folder)) for folder, pattern in PUBLIC.items()
            for path in sorted(glob.glob(os.path.join(folder, pattern), root_dir=ROOT, recursive=True))]


def include_path(folder, geometry):
    machine = "machine/pc/include" if folder.startswith("machine/pc") else "machine/hosted/include"
    return [f"-I{os.path.join(ROOT, path)}" for path in
            ("include", ".", "arch/x86/include", f"arch/x86/geometry/{geometry}", machine)]


def compile_text(mode, folder, text, geometry="x86_64", output=None, library=False):
    """What the compiler says; empty if it has nothing to say. library: with the C++ standard library."""
    how = ["-fsyntax-only"] if output is None else ["-c", "-o", output]
    freestanding = [] if library else ["-ffreestanding"]
    done = subprocess.run([*MODES[mode], *WARNINGS, *freestanding, *include_path(folder, geometry), *how, "-"], input=text,
                          capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def first_error(name, mode, message):
    line = next((line for line in message.splitlines() if "error" in line), message[:200])
    return f"<{name}>, {mode}: {line}"


def need_compilers():
    missing = [words[0] for words in MODES.values() if not shutil.which(words[0])]
    if missing:
        raise Skip(f"needs {', '.join(missing)}")


def complaints(bench, jobs):
    """jobs: [(name, mode, folder, text, geometry)]. One line for each that does not compile."""
    need_compilers()
    with ThreadPoolExecutor(2) as pool:
        messages = pool.map(lambda job: compile_text(*job[1:]), jobs)
        found = [first_error(job[0], job[1], message) for job, message in zip(jobs, messages) if message]
    for line in found:
        bench.log.write(line + "\n")
    return found


def alone(name):
    return f"#include <{name}>\nextern int a_file_declares_something;\n"


@test("headers/each_compiles_alone_in_each_mode", quick=False, needs=[])
def each_alone(bench):
    headers = public_headers()
    bench.check(len(headers) > 50, "too few headers found")
    found = complaints(bench, [(name, mode, folder, alone(name), "x86_64") for folder, name in headers for mode in MODES])
    bench.check(not found, f"{len(found)} times, as: {'; '.join(found[:3])}")


@test("headers/all_geometries_compile_in_each_mode", needs=[])
def geometries(bench):
    text = "".join(f"#include <{name}>\n" for folder, name in public_headers() if not folder.startswith("machine"))
    found = complaints(bench, [("all", mode, "include", text, geometry) for geometry in GEOMETRIES for mode in MODES])
    bench.check(not found, f"{len(found)} times, as: {'; '.join(found[:3])}")


@test("headers/live_beside_the_standard_library", needs=[])
def beside_library(bench):
    """Of pagoda/abi/ only what other headers include: the host's <signal.h> has the same names as abi/signal.h."""
    need_compilers()
    text = "#include <algorithm>\n#include <string>\n#include <cstring>\n"
    text += "".join(f"#include <{name}>\n" for folder, name in public_headers()
                    if not folder.startswith("machine/pc") and not name.startswith("pagoda/abi/"))
    text += "#include <map>\n#include <csignal>\nint f(int a) { return std::min(a, 2) + min(a, 2) + clamp(a, 1, 2); }\n"
    for mode in ("g++ -std=c++17", "clang++ -std=c++17"):
        message = compile_text(mode, "include", text, library=True)
        bench.check(not message, first_error("all", mode, message))


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def declared_functions(text):
    """The functions that a header declares in C++."""
    return DECLARED.findall(re.sub(r"#ifndef __cplusplus.*?#endif", "", without_comments(text), flags=re.S))


def mangled_names(bench, folder, name, functions):
    """The functions of a header that C++ would look for under another name than C."""
    output = os.path.join(bench.folder, name.replace("/", "_") + ".o")
    text = alone(name) + "".join(f"void *address_of_{f} = reinterpret_cast<void *>(&{f});\n" for f in functions)
    message = compile_text("g++ -std=c++17", folder, text, output=output)
    bench.check(not message, first_error(name, "addresses of its functions", message))
    symbols = subprocess.run(["nm", "-u", output], check=True, capture_output=True, text=True).stdout.split()
    return [symbol for symbol in symbols if symbol.startswith("_Z")]


@test("headers/functions_have_their_c_names_in_cxx", quick=False, needs=[])
def c_names(bench):
    need_compilers()
    total = 0
    for folder, name in public_headers():
        with open(os.path.join(ROOT, folder, name), encoding="utf-8") as file:
            functions = declared_functions(file.read())
        total += len(functions)
        if functions:
            bench.equal(mangled_names(bench, folder, name, functions), [], f"mangled names of <{name}>")
    bench.check(total > 300, f"only {total} functions found")


@test("headers/checker_sees_a_bad_header", needs=[])
def checker(bench):
    need_compilers()
    bad = {"g++ -std=c++17": "static inline int f(int new) { return new; }\n",
           "clang++ -std=c++17": "static inline char *f(void *p) { return p; }\n",
           "gcc -std=c11 -pedantic": "static inline int f(int a) { return ({ a; }); }\n",
           "clang -std=c11 -pedantic": "static inline int f(int a) { return ({ a; }); }\n"}
    for mode, text in bad.items():
        bench.check(compile_text(mode, "include", text), f"{mode} accepts {text}")
    bench.equal(declared_functions("int a(void);\nstruct x *b(int c,\n\tint d) __must_check;\nstatic inline int e(void);\n"
                                   "extern int f;\nvoid *g(u64 (*fn)(void)) __printf(1, 2);\n"), ["a", "b", "g"], "functions")


# ---- Files do not declare what others define -----------------------------------------------------

PROTOTYPE = re.compile(r"^(?!static\b|typedef\b|return\b|else\b|extern \"|#|\s|\}|PAGODA_|DEFINE)[\w \t*]*?[ *](\w+)\((?!\*)[^;{}]*\)"
                       r"[ \t]*(?:__\w+(?:\([^)]*\))?\s*)*;", re.MULTILINE)
EXTERN = re.compile(r"^extern\b[^;]*;", re.MULTILINE)
PROGRAMS = ("tests/guest/", "tests/host/", "tests/linux/", "guest/", "docs/", "conformance/")  # one file each, on their own


def foreign_declarations(text):
    """Functions that a .c file declares and does not define, and extern variables that it declares."""
    text = without_comments(text)
    for found in PROTOTYPE.finditer(text):
        name = found[1]
        if "(*" not in found[0] and not re.search(rf"^[\w][\w \t*]*\b{name}\([^;{{}}]*\)\s*\{{", text, re.MULTILINE):
            yield name
    for found in EXTERN.finditer(text):
        yield " ".join(found[0].split())


@test("headers/c_files_declare_nothing_of_other_files", needs=[])
def declarations(bench):
    expect_none(bench, (f"{path}: {what}" for path in source_files()
                        if path.endswith(".c") and not path.startswith(PROGRAMS)
                        for what in foreign_declarations(read(path))))


@test("headers/checker_sees_a_foreign_declaration", needs=[])
def declarations_checker(bench):
    text = ("static int a(void);\nint b(void);\nvoid c(int x);\nvoid c(int x)\n{\n}\n"
            "unsigned long (*hook)(void);\nextern int d;\nchar *e(int x) __must_check;\n")
    bench.equal(list(foreign_declarations(text)), ["b", "e", "extern int d;"], "foreign declarations")
