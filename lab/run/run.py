# SPDX-License-Identifier: MIT
"""`./pagoda run` and `./pagoda shell`: from a command line to an exit status.

Build, pack the guest's files, boot, copy the streams, tell what happened. The pieces are in
image (files), qemu (flags), guest (the machine at work) and report (numbers).
"""
import difflib
import json
import os
import re
import signal
import sys
import tempfile

from lab import build, packages
from lab.run import compare, disks, elf, image, qemu, report, residency, terminal
from lab.common import (EXIT_HOST, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_PANIC, EXIT_SIGNAL_BASE,
                        Refusal, open_output, say, usage_error)
from lab.run.guest import Guest, write_all

ENOENT = 2
PANIC_LINES_MAX = 60
FILES_MAX = 2 << 30        # of an initramfs: QEMU puts it below the addresses of devices
KERNEL_BYTES = 3 << 20     # the kernel and what lies below it
PAGES_PER_DESCRIPTOR = 64  # a struct page has 64 bytes
APPEND_MAX = 1800  # of the kernel's 2047; the rest is for boot_words()
LOOK_EVERY_MS = 10  # at first; the kernel looks more seldom as time goes by


def check_files(options):
    """What can be refused before anything is built or booted."""
    disks.check(options)
    for name, value in (("--stats", options.stats), ("--log", options.log), ("--pages", options.pages)):
        if value == "-":
            continue
        if value and not os.path.isdir(os.path.dirname(os.path.abspath(value))):
            raise usage_error(f"{name} {value}: no such directory")
        if value and os.path.isdir(value):
            raise usage_error(f"{name} {value}: is a directory")
    if options.compare:
        compare.read(options.compare)
    for word in options.append:
        if not word.isprintable():
            raise usage_error("--append: words must be printable")
    if sum(len(word.encode()) + 1 for word in options.append) > APPEND_MAX:
        raise usage_error(f"--append: more than {APPEND_MAX} bytes in all")


def standard_streams(interactive):
    """tty or stream, for each of stdin, stdout, stderr: a terminal there if it is one here."""
    on_terminal = "tty" if interactive else "stream"
    return [on_terminal, on_terminal, "tty" if interactive and os.isatty(2) else "stream"]


def boot_words(options, interactive):
    """The kernel's command line."""
    kinds = standard_streams(interactive)
    words = [f"{name}={kind}" for name, kind in zip(("stdin", "stdout", "stderr"), kinds)]
    if interactive:
        rows, columns = terminal.size()
        words += [f"tty.rows={rows}", f"tty.cols={columns}"]
    if options.reclaim != "default":
        words.append(f"reclaim={options.reclaim}")
    if options.pages:
        words.append(f"residency={LOOK_EVERY_MS}")
    return words + options.append


def guest_tree(options, init, argv, host_path, errand):
    if disks.is_image(options.root):
        return image.errand_tree(init, errand)
    tree = image.base_tree(init, options.root)
    if options.root and os.path.realpath(host_path).startswith(os.path.realpath(options.root) + "/"):
        elf.inspect(host_path, options.arch)  # it is in the tree already, with what it needs
    else:
        image.add_program(tree, host_path, errand.exec_path, options.arch)
    for name in getattr(options, "with"):
        with_path, at = image.find_program(name, options.root)
        image.add_program(tree, with_path, at, options.arch)
    image.add_copies(tree, options.copy)
    image.add_errand(tree, errand)
    return tree


def ensure_packages(options):
    """First of all: the program may be busybox itself."""
    packages.ensure({**packages.FOR_RUN, **(packages.FOR_SWAP if options.swap else {})})


def find(name, options):
    """The program on the host (None: it is in the root's image) and in the guest."""
    if disks.is_image(options.root):
        return None, disks.check_program(name)
    return image.find_program(name, options.root)


def run(options):
    check_files(options)
    ensure_packages(options)
    host_path, guest_path = find(options.args[0], options)
    if host_path:
        elf.inspect(host_path, options.arch)
    interactive = terminal.is_ours()
    cwd = "/" if options.root else os.getcwd()
    errand = image.Errand(guest_path, options.args, cwd, image.environment(interactive),
                          standard_streams(interactive))
    return boot(options, host_path, errand, interactive)


def shell(options):
    check_files(options)
    ensure_packages(options)
    host_path, guest_path = find("/bin/sh" if options.root else image.BUSYBOX, options)
    interactive = terminal.is_ours()
    errand = image.Errand(guest_path, ["-sh"], "/root", image.environment(interactive),
                          standard_streams(interactive))
    if interactive:
        say("a shell on a machine of its own; exit or Ctrl-D ends it, Ctrl-] kills the machine")
    return boot(options, host_path, errand, interactive)


def boot(options, host_path, errand, interactive):
    kernel, init = build.build_for_run()
    accel = qemu.choose_accel(options)
    baseline = baseline_of(options, errand, accel)
    with tempfile.TemporaryDirectory(prefix="pagoda-") as folder:
        initrd = os.path.join(folder, "initramfs.cpio")
        write_file(f"run: {folder}", initrd, guest_tree(options, init, errand.argv, host_path, errand).pack())
        check_room(options.ram, os.path.getsize(initrd))
        drives = disks.prepare(options, folder)
        words = disks.boot_words(drives) + boot_words(options, interactive)  # the user's last: they may have a "--"
        guest = Guest(options, accel, kernel, initrd, words, folder, interactive, drives)
        run_machine(guest, options, interactive)
        return conclude(guest, options, accel, errand, baseline)


def baseline_of(options, errand, accel):
    """What --compare names, of the same errand on the same machine; None: not asked for."""
    if not options.compare:
        return None
    baseline = compare.read(options.compare)
    compare.check_same(baseline, {"argv": errand.argv, "machine": machine_of(options, accel)}, options.compare)
    return baseline


def run_machine(guest, options, interactive):
    """Start, wait, and leave the terminal as it was, whatever happens."""
    def interrupted(signo, _frame):
        guest.kill(EXIT_SIGNAL_BASE + signo)

    guest.start()
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, interrupted)
    try:
        if interactive:
            terminal.make_raw()
        guest.wait(options.timeout)
    finally:
        if guest.process.poll() is None:
            guest.process.kill()
        terminal.restore()


# ---- What happened? --------------------------------------------------------------------------

def conclude(guest, options, accel, errand, baseline):
    """Print and write what there is to tell; return the exit status."""
    told = guest.report
    status = exit_status(guest, told, options)
    stats = stats_of(options, told, status, accel, guest, errand)
    warn(guest, told, options)
    if told and not options.quiet:
        sys.stderr.write(report.render(told, headline(errand, status, options, accel, guest)))
    if told and baseline:  # asked for by name, so --quiet does not silence it
        stats["compared"] = compare.compare(baseline, stats)
        sys.stderr.write(compare.render(stats["compared"], options.compare))
    sys.stderr.flush()
    if options.pages:
        write_file(f"--pages {options.pages}", options.pages, residency.draw(errand.exec_path, guest.looks))
    if options.stats:
        write_file(f"--stats {options.stats}", options.stats, json.dumps(stats, indent=1) + "\n")
    return status


def warn(guest, told, options):
    """What the user should know although the program may have gone well."""
    if guest.full_disks:
        say(f"the host's file system is full: the machine's {' and '.join(sorted(guest.full_disks))} disk could not be "
            f"written; make room in {tempfile.gettempdir()} or set TMPDIR")
    if guest.log_error:
        say(f"--log {options.log}: not complete: {guest.log_error}")
    warn_of_words(told or {}, options)


def warn_of_words(told, options):
    """Boot words that the kernel does not know went to init. Where that is ours, they were meant for the kernel."""
    own_init = any(word.startswith("init=") for text in options.append for word in text.split())
    for word in told.get("unknown_words", []):
        name = word.partition("=")[0]
        near = difflib.get_close_matches(name, told["known_words"], 1)
        if near or not own_init:
            say(f"--append: the kernel knows no word {name}" + (f"; did you mean {near[0]}?" if near else "")
                + " (it went to init)")


def exit_status(guest, told, options):
    if guest.killed_status is not None:
        if guest.killed_status == 124:
            say(f"time-out: the machine was ended after {options.timeout:g} s")
        return guest.killed_status
    if "PANIC:" in guest.log_text:
        show_panic(guest.log_text)
        return EXIT_PANIC
    if failed := re.search("BOOT FAILED: (.*)", guest.log_text):
        say(f"the machine could not start: {failed[1]}" + more_ram(failed[1], options, guest))
        return EXIT_PANIC
    if told is None:
        return show_silence(guest)
    if told.get("exec_errno"):
        error = told["exec_errno"]
        say(f"the guest could not execute the program: {os.strerror(error)}")
        return EXIT_NOT_FOUND if error == ENOENT else EXIT_NOT_EXECUTABLE
    wait_status = told["wait_status"]
    if os.WIFSIGNALED(wait_status):
        return EXIT_SIGNAL_BASE + os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)


def too_little(ram, files):
    enough = max(int(files * 1.12) + (8 << 20), ram + (1 << 20))
    return (f"--ram {ram >> 20}M is too little for {files / (1 << 20):.1f} MiB of programs and files; "
            f"try --ram {-(-enough >> 20)}M")


def check_room(ram, files):
    """The files arrive in the machine's memory beside the kernel: what cannot fit is refused here."""
    if files > FILES_MAX:
        raise usage_error(f"{files >> 20} MiB of programs and files: more than {FILES_MAX >> 20} do not fit below "
                          "a PC's 4 GiB; use --root IMAGE")
    if ram < files + KERNEL_BYTES + ram // PAGES_PER_DESCRIPTOR:
        raise usage_error(too_little(ram, files))


def more_ram(failed, options, guest):
    if "not enough memory" not in failed:
        return ""
    if failed.startswith("cannot swap"):
        table = options.swap // disks.SWAP_TABLE_SHARE
        return (f"; {report.human(options.swap)} of swap need {report.human(table >> 20 << 20)} of memory for the table of "
                f"slots; try --ram {-(-(table + options.ram) >> 20)}M")
    return f"; {too_little(options.ram, guest.initrd_bytes)}"


def show_panic(log):
    lines = log.replace("\r", "").splitlines()
    first = next(i for i, line in enumerate(lines) if "PANIC:" in line)
    say("the guest kernel panicked")
    sys.stderr.write("\n".join(lines[first:first + PANIC_LINES_MAX]) + "\n")


def show_silence(guest):
    """No report and no panic: say all that is known."""
    if guest.qemu_errors and not guest.log_text:
        say("QEMU failed: " + guest.qemu_errors.strip().splitlines()[0].removeprefix(f"{qemu.QEMU}: "))
        return EXIT_HOST
    if guest.process.returncode < 0:
        say(f"QEMU was killed by {signal_name(EXIT_SIGNAL_BASE - guest.process.returncode)}; the last of the guest's log:")
    else:
        say(f"the guest ended without a report (QEMU's status {guest.process.returncode}; 0: a triple fault?); "
            "the last of its log:")
    sys.stderr.write("\n".join(guest.log_text.replace("\r", "").splitlines()[-20:]) + "\n")
    sys.stderr.write(guest.qemu_errors)
    return EXIT_PANIC


def headline(errand, status, options, accel, guest):
    name = errand.exec_path
    end = f"killed by {signal_name(status)}" if status > EXIT_SIGNAL_BASE else f"exit status {status}"
    how = "tcg, icount" if options.icount else accel
    return f"{name}: {end}; {report.human(options.ram)} RAM, {how}, {guest.seconds:.1f} s with booting"


def signal_name(status):
    try:
        return signal.Signals(status - EXIT_SIGNAL_BASE).name
    except ValueError:
        return f"signal {status - EXIT_SIGNAL_BASE}"


def machine_of(options, accel):
    return {"arch": options.arch, "ram_bytes": options.ram, "cpus": options.cpus, "nodes": options.nodes,
            "accel": accel, "icount": options.icount}


def stats_of(options, told, status, accel, guest, errand):
    """--stats: the kernel's report as it came, and what the host knows."""
    stats = {
        "program": errand.exec_path,
        "argv": errand.argv,
        "exit_status": status,
        "machine": machine_of(options, accel),
        "seconds": round(guest.seconds, 3),
        "panic": bool(re.search("PANIC:", guest.log_text)),
        "report": told,
    }
    if options.pages:
        stats["pages"] = guest.looks
    return stats


def write_file(what, path, content):
    """All of the content, bytes or text, or one line that says what could not be written."""
    try:
        with open_output(path) as file:
            write_all(file.fileno(), content if isinstance(content, bytes) else content.encode())
    except BrokenPipeError:
        raise Refusal(EXIT_SIGNAL_BASE + signal.SIGPIPE, "")  # nobody reads on: as if SIGPIPE had ended us
    except OSError as error:
        raise Refusal(EXIT_HOST, f"{what}: {error.strerror}")
