/* SPDX-License-Identifier: MIT */
/*
 * abi/fcntl.h: numbers of open, the *at calls, lseek and fcntl, as Linux for x86 has them.
 *
 * A file that includes this header does not include the host's header of the same numbers.
 */
#pragma once

#define O_ACCMODE   00000003u
#define O_RDONLY    00000000u
#define O_WRONLY    00000001u
#define O_RDWR	    00000002u
#define O_CREAT	    00000100u
#define O_EXCL	    00000200u
#define O_NOCTTY    00000400u
#define O_TRUNC	    00001000u
#define O_APPEND    00002000u
#define O_NONBLOCK  00004000u
#define O_DSYNC	    00010000u
#define O_ASYNC	    00020000u
#define O_DIRECT    00040000u
#define O_LARGEFILE 00100000u
#define O_DIRECTORY 00200000u
#define O_NOFOLLOW  00400000u
#define O_NOATIME   01000000u
#define O_CLOEXEC   02000000u
#define O_SYNC	    04010000u
#define O_PATH	    010000000u
#define __O_TMPFILE 020000000u

/* Calls with a directory. */
#define AT_FDCWD	    (-100)
#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_REMOVEDIR	    0x200u
#define AT_EACCESS	    0x200u
#define AT_SYMLINK_FOLLOW   0x400u
#define AT_NO_AUTOMOUNT	    0x800u
#define AT_EMPTY_PATH	    0x1000u
#define AT_STATX_SYNC_TYPE  0x6000u

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2
#define SEEK_DATA 3
#define SEEK_HOLE 4

/* fcntl: commands, and kinds of record locks. */
#define F_DUPFD		0u
#define F_GETFD		1u
#define F_SETFD		2u
#define F_GETFL		3u
#define F_SETFL		4u
#define F_GETLK		5u
#define F_SETLK		6u
#define F_SETLKW	7u
#define F_SETOWN	8u
#define F_GETOWN	9u
#define F_SETSIG	10u
#define F_GETSIG	11u
#define F_SETOWN_EX	15u
#define F_GETOWN_EX	16u
#define F_OFD_GETLK	36u
#define F_OFD_SETLK	37u
#define F_OFD_SETLKW	38u
#define F_GETLEASE	1025u
#define F_DUPFD_CLOEXEC 1030u
#define F_SETPIPE_SZ	1031u
#define F_GETPIPE_SZ	1032u
#define F_ADD_SEALS	1033u
#define F_GET_SEALS	1034u

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
