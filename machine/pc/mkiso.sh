#!/bin/sh
# SPDX-License-Identifier: MIT
# mkiso.sh KERNEL.elf INITRAMFS|- OUT.iso [KERNEL OPTIONS]: a CD or USB image that GRUB boots (Multiboot2).
# Needs grub-mkrescue with grub-pc-bin, xorriso and mtools.
set -e
if [ $# -lt 3 ]; then
	echo "usage: $0 KERNEL.elf INITRAMFS|- OUT.iso [KERNEL OPTIONS]" >&2
	exit 2
fi
kernel=$1 initramfs=$2 out=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=$dir/tree
mkdir -p "$tree/boot/grub"
cp "$kernel" "$tree/boot/pagoda.elf"
{
	echo "set timeout=0"
	echo "menuentry Pagoda {"
	echo "	multiboot2 /boot/pagoda.elf $*"
	if [ "$initramfs" != - ]; then
		cp "$initramfs" "$tree/boot/initramfs.cpio"
		echo "	module2 /boot/initramfs.cpio"
	fi
	echo "	boot"
	echo "}"
} >"$tree/boot/grub/grub.cfg"
grub-mkrescue -o "$out" "$tree" >/dev/null 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }
