/* SPDX-License-Identifier: MIT */
/*
 * abi/ioctl.h: requests that several kinds of files know: bytes to read, bytes to send.
 *
 * A file that includes this header does not include the host's header of the same numbers.
 */
#pragma once

#define TIOCOUTQ 0x5411u
#define FIONREAD 0x541bu
