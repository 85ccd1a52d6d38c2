/* SPDX-License-Identifier: MIT */
/*
 * abi/stat.h: the bits of st_mode, as Linux has them.
 *
 * A file that includes this header does not include the host's header of the same numbers.
 */
#pragma once

#define S_IFMT	    0170000u
#define S_IFSOCK    0140000u
#define S_IFLNK	    0120000u
#define S_IFREG	    0100000u
#define S_IFBLK	    0060000u
#define S_IFDIR	    0040000u
#define S_IFCHR	    0020000u
#define S_IFIFO	    0010000u
#define S_ISUID	    0004000u
#define S_ISGID	    0002000u
#define S_ISVTX	    0001000u
#define S_IXGRP	    0000010u
#define S_ISLNK(m)  (((m)&S_IFMT) == S_IFLNK)
#define S_ISREG(m)  (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m)  (((m)&S_IFMT) == S_IFDIR)
#define S_ISCHR(m)  (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m)  (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m)&S_IFMT) == S_IFSOCK)
