#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ksyms.py NM KERNEL.elf OUT.S: the code symbols of a linked kernel as an assembly table (see ksyms.c).

Without a kernel (KERNEL.elf is "-") the table is empty: that is for the first link.
"""
import subprocess
import sys


def code_symbols(nm, elf):
    """(address, name) of every code symbol, by address, one name an address; and _text."""
    text, found = 0, {}
    for line in subprocess.check_output([nm, '-n', elf], text=True).splitlines():
        address, kind, name = line.split()[-3:] if len(line.split()) == 3 else ('0', 'U', '')
        if name == '_text':
            text = int(address, 16)
        elif kind in 'tTwW':
            found.setdefault(int(address, 16), name)
    return text, sorted((a, n) for a, n in found.items() if a >= text)


def emit(out, text, symbols):
    out.write('\t.section .ksyms, "a"\n\t.globl ksyms_count, ksyms_offsets, ksyms_names, ksyms_strings\n')
    out.write('\t.align 8\nksyms_count:\n\t.long %d\nksyms_offsets:\n' % len(symbols))
    for address, _ in symbols:
        out.write('\t.long %#x\n' % (address - text))
    out.write('ksyms_names:\n')
    position = 0
    for _, name in symbols:
        out.write('\t.long %d\n' % position)
        position += len(name) + 1
    out.write('ksyms_strings:\n')
    for _, name in symbols:
        out.write('\t.asciz "%s"\n' % name)
    out.write('\t.byte 0\n\t.section .note.GNU-stack, "", @progbits\n')


def main():
    nm, elf, target = sys.argv[1:4]
    text, symbols = (0, []) if elf == '-' else code_symbols(nm, elf)
    with open(target, 'w') as out:
        emit(out, text, symbols)


main()
