/* SPDX-License-Identifier: MIT */
/*
 * host_mmap.h: the host's own mmap constants, under names of their own.
 *
 * <sys/mman.h> and <pagoda/mm.h> define the same names (with the same values, but a
 * macro that is defined twice is an error). Files of the hosted machine see the core's names for
 * the guest and these for the host.
 */
#pragma once

enum {
	HOST_PROT_NONE = 0,
	HOST_PROT_READ = 1,
	HOST_PROT_WRITE = 2,
	HOST_MAP_SHARED = 0x01,
	HOST_MAP_PRIVATE = 0x02,
	HOST_MAP_FIXED = 0x10,
	HOST_MAP_ANONYMOUS = 0x20,
	HOST_MAP_NORESERVE = 0x4000,
	HOST_SEEK_DATA = 3,
	HOST_SEEK_HOLE = 4,
};
