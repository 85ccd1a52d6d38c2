/* SPDX-License-Identifier: MIT */
/*
 * segment.h: the segment selectors of 64-bit mode, as Linux numbers them. Programs see them in
 * signal frames, and some test them. Included by assembler files as well.
 */
#pragma once

#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_CS32 0x23 /* what SYSRET counts from; no program runs there */
#define USER_DS	  0x2b /* also the stack segment */
#define USER_CS	  0x33
#define RPL_USER  3u /* the privilege level in a selector's lowest bits */
