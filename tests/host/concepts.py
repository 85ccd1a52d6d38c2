# SPDX-License-Identifier: MIT
"""docs/CONCEPTS.md and the tour: what they name exists, and they name all that they are to name."""
import fnmatch
import glob
import os
import re
import shlex

from lab import options
from lab.common import ROOT, Refusal
from lab.test.sources import read, source_files
from lab.test.testing import test

CODE_FOLDERS = ("lib", "mm", "arch", "conformance", "machine", "kernel", "fs", "guest", "lab")
CODE_SUFFIXES = (".c", ".h", ".S", ".py", ".sh", ".ld")
TOP_FOLDERS = {*CODE_FOLDERS, "docs", "include", "tests"}
QUOTED = re.compile(r"`([^`\n]+)`")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
FILE_NAME = re.compile(r"[\w.*-]+\.(?:c|h|S|py|sh|ld|md)\Z")
PATH = re.compile(r"[\w.-]+/[\w./*-]*\Z")
# Files of other projects: the book's Linux, and the notes that docs/REQUIREMENTS.md was written beside. And one that
# ./pagoda embed makes.
ELSEWHERE = {"entry_32.S", "DESIGN.md", "pagoda.h"}
TEST_COMMAND = re.compile(r"\./pagoda test ([\w/@]+)")
PROC_FILE = re.compile(r"`(/proc/[\w/]+)`")


def docs():
    return ["README.md", *sorted(glob.glob("docs/*.md", root_dir=ROOT))]


# ---- Paths in back quotes ------------------------------------------------------------------

def is_there(name, known, tests):
    """Is the text in back quotes no path, or one of an existing file? NAME stands for any name, as * does."""
    pattern = name.replace("NAME", "*").rstrip("/")
    if PATH.match(name) and name.split("/")[0] in TOP_FOLDERS:
        return glob.glob(pattern, root_dir=ROOT) or any(name in test_name for test_name in tests)
    if FILE_NAME.match(name):
        return fnmatch.filter(known, pattern)
    return True


def missing_files(path, text, files, tests):
    known = {os.path.basename(file) for file in files} | ELSEWHERE
    for name in QUOTED.findall(text):
        if not is_there(name, known, tests):
            yield f"{path}: no file {name}"


@test("concepts/checker_sees_a_file_that_is_not_there", needs=[])
def file_checker(bench):
    text = "`mm/space/vma.c`, `mm/spaces/vma.c`, `vma.c`, `unix_*.c`, `vmas.c`, `lib/`, `bib/`, `lib/none`, `lib/nowhere`, `f()`"
    bench.equal(list(missing_files("a.md", text, source_files(), ["lib/none/such"])),
                ["a.md: no file mm/spaces/vma.c", "a.md: no file vmas.c", "a.md: no file lib/nowhere"], "complaints")


@test("concepts/files_that_documents_name_exist", needs=[])
def files(bench):
    known = list(source_files()) + docs()
    tests = list(test_names())
    wrong = [line for path in docs() for line in missing_files(path, read(path), known, tests)]
    bench.equal(wrong, [], "files that are missing")


# ---- The tables of CONCEPTS.md -----------------------------------------------------------------

def rows(text):
    """(the documents' names, ours, where, how to see it) of each row."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith(("| --- |", "| the documents |")):
            yield ([cell.strip() for cell in line.strip().strip("|").split(" | ")] + [""] * 4)[:4]


def identifiers(text):
    return [name for name in QUOTED.findall(text) if IDENTIFIER.match(name)]


def words_of(paths):
    return set(re.findall(r"\w+", "\n".join(read(path) for path in paths if os.path.isfile(os.path.join(ROOT, path)))))


def wrong_rows(text):
    """Names called ours that are no word of a file of their row. "Same" calls the documents' names ours."""
    for theirs, ours, where, how in rows(text):
        if not how:
            yield f"{theirs}: not four cells"
        paths = [name for name in QUOTED.findall(where) if not IDENTIFIER.match(name)]
        names = identifiers(ours) + (identifiers(theirs) if ours.startswith("same") else [])
        if names and not paths:
            yield f"{theirs}: no file is named"
        words = words_of(paths)
        for name in names:
            if paths and name not in words:
                yield f"{name} is not in {', '.join(paths)}"


HEAD = "| the documents | ours | where | how to see it |\n| --- | --- | --- | --- |\n"


@test("concepts/checker_sees_a_name_that_is_not_in_its_file", needs=[])
def row_checker(bench):
    text = HEAD + ("| `find_vma` | same | `mm/space/vma.c` | - |\n| `find_vmas` | same | `mm/space/vma.c` | - |\n"
                   "| `a` | `find_vma`, `none_such` | `mm/space/vma.c`, `lib/list.h` | - |\n| `a` | `find_vma` | - | - |\n"
                   "| `a` | - | - |\n")
    bench.equal(list(wrong_rows(text)), ["find_vmas is not in mm/space/vma.c", "none_such is not in mm/space/vma.c, lib/list.h",
                                         "`a`: no file is named", "`a`: not four cells"], "complaints")


@test("concepts/names_called_ours_are_in_their_files", needs=[])
def names(bench):
    text = read("docs/CONCEPTS.md")
    bench.check(len(list(rows(text))) > 150, f"only {len(list(rows(text)))} rows")
    bench.equal(list(wrong_rows(text)), [], "names that are not where they are said to be")


# ---- What CONCEPTS.md is to name --------------------------------------------------------------

def call_graph_names(requirements):
    """The functions that the documents' call graphs name: Appendix B of the requirements."""
    appendix = re.search(r"^## Appendix B\.(.*?)^## ", requirements, re.MULTILINE | re.DOTALL)[1]
    return sorted(set(identifiers(appendix)) - {"a"})


def unnamed(names, text):
    words = set(re.findall(r"\w+", text))
    return [name for name in names if name not in words]


@test("concepts/checker_sees_a_function_that_is_left_out", needs=[])
def name_checker(bench):
    wanted = call_graph_names("## Appendix B. X\n* `f` -> `g`, `h` (-> `__g`)\n## Appendix C\n`i`\n")
    bench.equal(wanted, ["__g", "f", "g", "h"], "names of the appendix")
    bench.equal(unnamed(wanted, "f calls `g`, g_h"), ["__g", "h"], "names left out")


@test("concepts/every_function_of_the_call_graphs_is_named", "TL-17", needs=[])
def call_graphs(bench):
    wanted = call_graph_names(read("docs/REQUIREMENTS.md"))
    bench.check(len(wanted) > 200, f"only {len(wanted)} names in Appendix B")
    bench.equal(unnamed(wanted, read("docs/CONCEPTS.md")), [], "functions that docs/CONCEPTS.md leaves out")


# ---- Commands ----------------------------------------------------------------------------------

def test_names():
    """Names of tests as ./pagoda test knows them, without their configurations; {} stands for any text."""
    for path in source_files():
        if path.startswith("tests/host/") and path.endswith(".py"):
            for name in re.findall(r"@test\(f?\"([^\"]+)\"", read(path)):
                yield re.sub(r"\{.*?\}", "", name)
        elif path.startswith("tests/unit/test_") and path.endswith(".c"):
            yield "unit/" + os.path.splitext(os.path.basename(path))[0]
        elif path.startswith("tests/guest/") and path.endswith(".c"):
            yield "guest/" + os.path.splitext(os.path.basename(path))[0] + "."


def wrong_commands(text, tests):
    for name in sorted(set(TEST_COMMAND.findall(text)) - {"NAME"}):
        if not any(name in test_name for test_name in tests):
            yield f"no test's name contains {name}"


def wrong_runs(text, sources):
    """Commands ./pagoda run and sim with options, or boot options in --append, that do not exist."""
    for command in sorted({name for name in QUOTED.findall(text) if re.match(r"\./pagoda (run|sim) ", name)}):
        _, verb, *words = shlex.split(command)
        try:
            given = options.parse(words, options.RUN_OPTIONS if verb == "run" else options.SIM_OPTIONS, verb)
        except Refusal as refusal:
            yield f"{command}: {refusal}"
            continue
        for word in getattr(given, "append", None) or []:
            for name in word.split():
                if f'"{name.partition("=")[0]}"' not in sources:
                    yield f"{command}: no boot option {name}"


def wrong_cases(text):
    """Names in back quotes in the last column are cases of the unit test that is named before them."""
    for _, _, _, how in rows(text):
        units = [f"tests/unit/{name}.c" for name in TEST_COMMAND.findall(how)]
        for name in set(identifiers(how)) - words_of(units):
            yield f"no {name} in {', '.join(units)}"


def wrong_proc_files(text, proc):
    for path in sorted(set(PROC_FILE.findall(text))):
        name = path.split("/")[-1]
        if f'"{name}"' not in proc and f"({name}," not in proc:
            yield f"no {path}"


@test("concepts/checker_sees_a_command_that_shows_nothing", needs=[])
def command_checker(bench):
    tests = list(test_names())
    bench.equal(list(wrong_commands("`./pagoda test test_vma`, `./pagoda test zero_page`, `./pagoda test nothing_such`", tests)),
                ["no test's name contains nothing_such"], "commands")
    runs = "`./pagoda run --ram 16M --append slab_debug=x -- a`, `./pagoda run --ran 16M a`, `./pagoda run --append slabs -- a`"
    bench.equal([line.split(":")[0] for line in wrong_runs(runs, '"slab_debug"')],
                ["./pagoda run --append slabs -- a", "./pagoda run --ran 16M a"], "runs")
    case = HEAD + "| a | b | c | `./pagoda test test_lru`: `batches_of_all_cpus_are_drained`, `no_such_case` |\n"
    bench.equal(list(wrong_cases(case)), ["no no_such_case in tests/unit/test_lru.c"], "cases")
    bench.equal(list(wrong_proc_files("`/proc/meminfo`, `/proc/self/nothing`", '"meminfo"')), ["no /proc/self/nothing"], "files")


@test("concepts/commands_show_something", needs=[])
def commands(bench):
    text = read("docs/CONCEPTS.md")
    proc = "".join(read(path) for path in source_files() if path.startswith("fs/proc/"))
    bench.equal(list(wrong_commands(text, list(test_names()))), [], "commands without a test")
    sources = "".join(read(path) for path in source_files() if path.endswith(".c"))
    bench.equal(list(wrong_runs(text, sources)), [], "commands that would be refused")
    bench.equal(list(wrong_cases(text)), [], "cases that are no test")
    bench.equal(list(wrong_proc_files(text, proc)), [], "files of /proc that are none")


# ---- The tour names every file -----------------------------------------------------------------

def listed_files(text):
    """The files under each heading of the form "### `folder/`"."""
    for folder, part in re.findall(r"^### `([\w/-]+)/`(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL):
        rows_of_part = [line for line in part.splitlines() if line.startswith("|")]
        for line in rows_of_part:
            for name in QUOTED.findall(line.split(" | ")[0]):
                yield f"{folder}/{name}"


def wrong_list(text, sources):
    named = list(listed_files(text))
    wanted = {path for path in sources if path.split("/")[0] in CODE_FOLDERS and path.endswith(CODE_SUFFIXES)}
    yield from (f"{path} is left out" for path in sorted(wanted - set(named)))
    yield from (f"{path} does not exist" for path in sorted(set(named) - wanted))
    yield from (f"{path} is listed twice" for path in sorted({path for path in named if named.count(path) > 1}))


@test("concepts/checker_sees_a_file_that_the_tour_leaves_out", needs=[])
def tour_checker(bench):
    text = "### `lib/`\n| file | what |\n| `list.h`, `none.h` | `text.h` |\n| `list.h` | |\n### `fs/`\n| `file.c` | |\n"
    bench.equal(list(wrong_list(text, ["lib/list.h", "lib/bitmap.c", "lib/meson.build", "fs/file.c", "tests/unit/harness.c"])),
                ["lib/bitmap.c is left out", "lib/none.h does not exist", "lib/list.h is listed twice"], "complaints")


@test("concepts/the_tour_names_every_file", needs=[])
def tour(bench):
    bench.equal(list(wrong_list(read("docs/ARCHITECTURE.md"), source_files())), [], "docs/ARCHITECTURE.md, files")
