/* SPDX-License-Identifier: MIT */
/* iovec.h: vectors of user buffers, as readv and its relatives take them (fs/read_write.c). */
#pragma once

#include <pagoda/types.h>

#define IOV_FAST 8u
#define IOV_MAX	 1024u

struct iovec {
	unsigned long base;
	size_t len;
};
static_assert(sizeof(struct iovec) == 16, "struct iovec of the ABI");

/*
 * A copy of the caller's vector of nr pieces; fast (IOV_FAST pieces) if it fits. foreign: the
 * addresses are another process's and are not looked at. Lengths are cut so that all
 * together stay below 2 GiB. ERR_PTR: EINVAL EFAULT ENOMEM. May sleep.
 */
struct iovec *get_iovec(unsigned long user, unsigned long nr, struct iovec *fast,
			bool foreign) __must_check;
void put_iovec(struct iovec *iov, struct iovec *fast);
