/* SPDX-License-Identifier: MIT */
/* cmdline.h: the command line of the kernel. */
#pragma once

#include <pagoda/boot_option.h>

/*
 * Makes the words of the kernel and of the file systems known. Before the first of them is asked
 * for.
 */
void cmdline_init(const char *cmdline);
