# SPDX-License-Identifier: MIT
"""What programs read at run time beside their libraries: modules, templates, compiler parts.

An ELF file names its libraries; nothing in it tells that perl reads /usr/share/perl or that
gcc executes cc1. So the program itself is asked, on the host, where it looks (perl's @INC,
Python's sysconfig, gcc -print-*); a table of patterns on the program's real name says whom
to ask. What is found goes into the guest at its own path, shared objects with their
libraries. Parts that no program needs to run (documentation, tests, static archives) stay out.

A program not in the table needs no more than its libraries, or --copy.
"""
import os
import re
import subprocess

from lab.run import elf

NOT_NEEDED = {"test", "tests", "idlelib", "lib2to3", "ensurepip", "turtledemo", "tkinter", "distutils",
              "pydoc_data", "dist-packages", "site-packages", "CORE", "pod", "debian_python"}
NOT_NEEDED_ENDS = (".pod", ".a", ".h", ".opt-1.pyc", ".opt-2.pyc")
HEADER_FOLDERS = ("arpa", "asm-generic", "linux", "net", "netinet", "rpc", "sys")


def ask(*command):
    """Lines that a program on the host prints; none if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout.splitlines() if done.returncode == 0 else []


class Parts:
    """files: taken as they are; trees: whole folders but what nobody needs; programs: run by it; links: kept as links."""

    def __init__(self, files=(), trees=(), programs=(), links=()):
        self.files, self.trees, self.programs, self.links = list(files), list(trees), list(programs), list(links)


def python_parts(path):
    code = "import sysconfig as s; print(s.get_path('stdlib')); print(s.get_path('platstdlib'))"
    return Parts(trees=dict.fromkeys(ask(path, "-I", "-c", code)))


def perl_parts(path):
    folders = [f for f in ask(path, "-e", 'print "$_\\n" for @INC') if not f.startswith("/usr/share/perl5")]
    return Parts(trees=folders)


def git_parts(path):
    return Parts(trees=["/usr/share/git-core/templates"],
                 links=["/usr/bin/git-upload-pack", "/usr/bin/git-receive-pack", "/usr/bin/git-upload-archive"])


def in_path(name):
    for folder in ("/usr/bin", "/bin", "/usr/local/bin"):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return None


def headers(cplusplus):
    """The C library's and the kernel's; those of other libraries are for --copy."""
    top = "/usr/include"
    if not os.path.isdir(top):
        return Parts()
    found = Parts(files=[os.path.join(top, name) for name in os.listdir(top) if name.endswith(".h")])
    folders = list(HEADER_FOLDERS) + (["c++"] if cplusplus else [])
    for name in folders:
        found.trees.append(os.path.join(top, name))
    for machine in ("x86_64-linux-gnu",):
        for name in ("asm", "bits", "gnu", "sys") + (("c++",) if cplusplus else ()):
            found.trees.append(os.path.join(top, machine, name))
        for name in ("a.out.h", "ieee754.h"):
            found.files.append(os.path.join(top, machine, name))
    return found


def gcc_parts(path):
    cplusplus = "++" in os.path.basename(path)
    parts = headers(cplusplus)
    tools = ["cc1", "collect2", "lto-wrapper", "as", "ld"] + (["cc1plus"] if cplusplus else [])
    for tool in tools:
        answer = (ask(path, f"-print-prog-name={tool}") or [tool])[0]
        found = answer if os.path.isabs(answer) else in_path(answer)
        if found:
            parts.programs.append(found)
    objects = ["crt1.o", "Scrt1.o", "crti.o", "crtn.o", "crtbegin.o", "crtbeginS.o", "crtend.o", "crtendS.o",
               "libgcc.a", "libgcc_s.so", "libgcc_s.so.1", "libc.so", "libc_nonshared.a", "libm.so",
               "libmvec.so.1", "libm.so.6", "libpthread.a", "libdl.a", "libssp_nonshared.a",
               "liblto_plugin.so"] + (["libstdc++.so", "libstdc++.so.6"] if cplusplus else [])
    for name in objects:
        answer = (ask(path, f"-print-file-name={name}") or [name])[0]
        if os.path.isabs(answer):
            parts.files.append(os.path.normpath(answer))
    folder = os.path.dirname((ask(path, "-print-libgcc-file-name") or [""])[0])
    if folder:
        parts.trees.append(os.path.join(folder, "include"))
    return parts


# Pattern on the last part of the program's real path -> who tells what it needs.
TABLE = [
    (r"python3(\.\d+)?", python_parts),
    (r"perl(5\.\d+\.\d+)?", perl_parts),
    (r"git", git_parts),
    (r"openssl", lambda path: Parts(trees=["/usr/lib/ssl"])),
    (r"stdbuf", lambda path: Parts(files=["/usr/libexec/coreutils/libstdbuf.so"])),
    (r"tclsh(\d.*)?", lambda path: Parts(trees=["/usr/share/tcltk"])),
    (r"tmux", lambda path: Parts(trees=["/usr/lib/locale/C.utf8"])),
    (r"(.*-)?(gcc|g\+\+|c\+\+|cc)(-\d+)?", gcc_parts),
]


def needs_of(path):
    name = os.path.basename(os.path.realpath(path))
    for pattern, parts in TABLE:
        if re.fullmatch(pattern, name):
            return parts(path)
    return None


def wanted(name):
    return name not in NOT_NEEDED and not name.startswith("config-") and not name.endswith(NOT_NEEDED_ENDS)


def header_tree(folder):
    return folder.startswith("/usr/include") or folder.endswith("/include")


def copy_tree(tree, folder, libraries):
    """A folder without what nobody needs; the libraries of its shared objects into `libraries`."""
    keep_all = header_tree(folder)
    for at, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if keep_all or wanted(name))
        tree.directory(at)
        for name in names:
            if os.path.islink(os.path.join(at, name)):
                tree.copy(os.path.join(at, name), os.path.join(at, name), follow=False)
        for name in sorted(files):
            path = os.path.join(at, name)
            if (keep_all or wanted(name)) and os.path.exists(path):
                tree.copy(path, path)
                if ".so" in name:
                    libraries.update(dict.fromkeys(elf.shared_libraries(path)))


def ends_threads(path):
    """Does it, or a library of its, end threads early? glibc unwinds their stacks by libgcc_s."""
    with open(path, "rb") as file:
        text = file.read()
    return b"pthread_exit" in text or b"pthread_cancel" in text


def opened_by_libraries(host_path):
    """What a library opens by itself, whatever the program."""
    libraries = elf.shared_libraries(host_path)
    names = {os.path.basename(path): path for path in libraries}
    others = [path for name, path in names.items() if not name.startswith(("libc.so", "ld-linux"))]
    parts = Parts()
    if "libc.so.6" in names and any(ends_threads(path) for path in [host_path] + others):
        parts.files.append(os.path.join(os.path.dirname(names["libc.so.6"]), "libgcc_s.so.1"))
    if any(name.startswith("libtinfo") for name in names):
        parts.trees.append("/lib/terminfo")
    return parts


def add(tree, host_path, add_program):
    """Everything that the program at host_path reads or executes of the host's installation."""
    for parts in (opened_by_libraries(host_path), needs_of(host_path) or Parts()):
        add_parts(tree, parts, add_program)


def add_parts(tree, parts, add_program):
    libraries = {}
    for folder in parts.trees:
        if os.path.isdir(folder):
            copy_tree(tree, folder, libraries)
    for path in parts.files:
        if os.path.isfile(path):
            tree.copy(path, path)
    for path in parts.links:
        if os.path.islink(path):
            tree.copy(path, path, follow=False)
    for path in parts.programs:
        add_program(path)
    for path in libraries:
        if os.path.exists(path):
            tree.copy(path, path)
