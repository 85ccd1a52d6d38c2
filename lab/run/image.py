# SPDX-License-Identifier: MIT
"""Puts together the guest's file tree and packs it as an initramfs.

A tree is a dictionary from absolute path to node; adding a path adds its parents. What goes
in: /init, the program (and what it needs), busybox with a link for each applet or the copy
of --root, files of --copy, a minimal /etc, and /.pagoda with what /init shall start:

	/.pagoda/exec	the path given to execve
	/.pagoda/argv	its arguments, each ended by NUL
	/.pagoda/env	its environment, likewise
	/.pagoda/cwd	the directory to start in
	/.pagoda/stdio	tty or stream, each ended by NUL, for its descriptors 0, 1 and 2
"""
import os
import stat
import subprocess

from lab.run import cpio, elf, runtime
from lab.common import EXIT_HOST, Refusal, usage_error

BUSYBOX = "/bin/busybox"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
GROUP = "root:x:0:\ndaemon:x:1:\nbin:x:2:\ntty:x:5:\nnogroup:x:65534:\n"
PROFILE = "PS1='pagoda:\\w\\$ '\n"

DIRECTORIES = {"/dev": 0o755, "/proc": 0o555, "/tmp": 0o1777, "/root": 0o700, "/etc": 0o755,
               "/bin": 0o755, "/sbin": 0o755, "/usr/bin": 0o755, "/usr/sbin": 0o755,
               "/var/tmp": 0o1777, "/run": 0o755, "/mnt": 0o755}


RESERVED = ("/init", "/.pagoda")


class Tree:
    def __init__(self):
        self.nodes = {"/": (stat.S_IFDIR | 0o755, b"", 0)}

    def resolve_parent(self, path):
        """path with symbolic links among its parents followed, as the guest will see it."""
        for _ in range(40):
            parts = path.strip("/").split("/")
            for i in range(1, len(parts)):
                above = "/" + "/".join(parts[:i])
                mode, data, _ = self.nodes.get(above, (0, b"", 0))
                if stat.S_ISLNK(mode):
                    base = os.path.join(os.path.dirname(above), os.fsdecode(data))
                    path = os.path.normpath(os.path.join(base, *parts[i:]))
                    break
            else:
                return path
        raise Refusal(EXIT_HOST, f"{path}: too many symbolic links")

    def put(self, path, mode, data=b"", mtime=0):
        path = self.resolve_parent(os.path.normpath(path))
        if stat.S_ISDIR(mode):  # over a link to a directory: that one
            path = os.path.dirname(self.resolve_parent(os.path.join(path, "x")))
        parent = os.path.dirname(path)
        if parent not in self.nodes:
            self.put(parent, stat.S_IFDIR | 0o755)
        if not stat.S_ISDIR(self.nodes[parent][0]):
            raise usage_error(f"{path}: {parent} is no directory in the guest")
        if path in self.nodes and stat.S_ISDIR(self.nodes[path][0]) != stat.S_ISDIR(mode):
            raise usage_error(f"{path}: is {'no' if stat.S_ISDIR(mode) else 'a'} directory in the guest")
        self.nodes[path] = (mode, data, mtime)

    def directory(self, path, mode=0o755):
        if os.path.normpath(path) not in self.nodes:
            self.put(path, stat.S_IFDIR | mode)

    def file(self, path, text, mode=0o644):
        self.put(path, stat.S_IFREG | mode, text if isinstance(text, bytes) else text.encode())

    def link(self, path, target):
        if os.path.normpath(path) not in self.nodes:
            self.put(path, stat.S_IFLNK | 0o777, os.fsencode(target))

    def copy(self, source, path, follow=True):
        """A host file, link or whole directory."""
        info = os.stat(source) if follow else os.lstat(source)
        mtime = int(info.st_mtime)
        if stat.S_ISDIR(info.st_mode):
            self.put(path, stat.S_IFDIR | stat.S_IMODE(info.st_mode), b"", mtime)
            for name in sorted(os.listdir(source)):
                self.copy(os.path.join(source, name), os.path.join(path, name), follow=False)
        elif stat.S_ISLNK(info.st_mode):
            self.put(path, stat.S_IFLNK | 0o777, os.fsencode(os.readlink(source)), mtime)
        elif stat.S_ISREG(info.st_mode):
            with open(source, "rb") as file:
                self.put(path, stat.S_IFREG | stat.S_IMODE(info.st_mode), file.read(), mtime)
        # Sockets, fifos and devices of the host mean nothing in the guest.

    def pack(self):
        return cpio.archive([(path[1:] or ".", *self.nodes[path]) for path in sorted(self.nodes)])


def add_busybox(tree):
    # The host's may lie in /usr/bin; in the guest it is /bin/busybox always.
    path = next((p for p in (BUSYBOX, "/usr/bin/busybox") if os.path.exists(p)), None)
    if not path:
        raise Refusal(EXIT_HOST, "no busybox on this host; install busybox-static")
    tree.copy(path, BUSYBOX)
    listing = subprocess.run([path, "--list-full"], capture_output=True, text=True, check=True)
    for applet in listing.stdout.split():
        tree.link("/" + applet, BUSYBOX)
    tree.link("/bin/sh", BUSYBOX)


def add_program(tree, host_path, guest_path, arch):
    """The program, its interpreter and shared libraries, and what it reads at run time (runtime.py)."""
    program = elf.inspect(host_path, arch)
    tree.copy(host_path, guest_path)
    if not program.interpreter:
        return
    if program.is_script:
        in_guest = tree.resolve_parent(os.path.normpath(program.interpreter)) in tree.nodes
        if not in_guest and os.path.isfile(program.interpreter):
            add_program(tree, program.interpreter, program.interpreter, arch)
        return
    for needed in [program.interpreter] + elf.shared_libraries(host_path):
        if os.path.isfile(needed):
            tree.copy(needed, needed)
    runtime.add(tree, host_path, lambda path: add_program(tree, path, path, arch))


def add_copies(tree, copies):
    for word in copies:
        source, colon, target = word.partition(":")
        if not os.path.exists(source):
            raise usage_error(f"--copy {source}: no such file")
        if colon and not target.startswith("/"):
            raise usage_error(f"--copy {word}: the guest path must start with /")
        target = os.path.normpath(target or os.path.abspath(source))
        if not (os.path.isfile(source) or os.path.isdir(source)):
            raise usage_error(f"--copy {source}: neither a file nor a directory")
        if target in RESERVED or target.startswith("/.pagoda/"):
            raise usage_error(f"--copy {word}: {target} is Pagoda's own")
        tree.copy(source, target)


def find_program(name, root):
    """Where is the program on the host, and where shall it be in the guest?

    A name with a slash is a path: inside --root if it is there, else on the host. A bare
    name is looked up in PATH, as a shell would.
    """
    if "/" not in name:
        for directory in (PATH + ":" + os.environ.get("PATH", "")).split(":"):
            at = os.path.join(root, directory.lstrip("/"), name) if root else None
            if at and os.path.isfile(at):
                return at, os.path.join(directory, name)
        for directory in os.environ.get("PATH", PATH).split(":"):
            at = os.path.join(directory, name)
            if os.path.isfile(at) and os.access(at, os.X_OK):
                return at, os.path.abspath(at)
        return name, name
    if root and name.startswith("/") and os.path.exists(root + name):
        return root + name, name
    return name, os.path.abspath(name)


def nul_ended(words):
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def environment(terminal):
    """Small and always the same, so that a program's memory does not depend on the host's."""
    words = [f"PATH={PATH}", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh"]
    if terminal:
        words.append("TERM=" + os.environ.get("TERM", "linux"))
    return words


class Errand:
    """What /init shall start, where, and with which standard streams (tty or stream)."""

    def __init__(self, exec_path, argv, cwd, env, stdio=("tty", "tty", "tty")):
        self.exec_path, self.argv, self.cwd, self.env, self.stdio = exec_path, argv, cwd, env, stdio


def add_merged_folders(tree):
    """/lib is the same folder as /usr/lib where the host has it so: libraries go by both names."""
    for name in ("/lib", "/lib64"):
        if os.path.islink(name) and os.path.realpath(name) == "/usr" + name:
            tree.directory("/usr" + name)
            tree.link(name, "usr" + name)


def base_tree(init, root):
    tree = Tree()
    if root:
        tree.copy(root, "/")
    else:
        add_merged_folders(tree)
    for path, mode in DIRECTORIES.items():
        tree.directory(path, mode)
    if not root:
        tree.file("/etc/passwd", PASSWD)
        tree.file("/etc/group", GROUP)
        tree.file("/etc/profile", PROFILE)
        tree.file("/etc/hostname", "pagoda\n")
        add_busybox(tree)
    tree.copy(init, "/init")
    return tree


def errand_tree(init, errand):
    """For a machine whose root is a disk: /init and its errand, nothing else."""
    tree = Tree()
    for path, mode in DIRECTORIES.items():
        tree.directory(path, mode)
    tree.directory("/.root")
    tree.copy(init, "/init")
    add_errand(tree, errand)
    return tree


def add_errand(tree, errand):
    tree.directory(errand.cwd)
    tree.file("/.pagoda/exec", nul_ended([errand.exec_path]))
    tree.file("/.pagoda/argv", nul_ended(errand.argv))
    tree.file("/.pagoda/env", nul_ended(errand.env))
    tree.file("/.pagoda/cwd", nul_ended([errand.cwd]))
    tree.file("/.pagoda/stdio", nul_ended(errand.stdio))
