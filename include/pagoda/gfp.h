/* SPDX-License-Identifier: MIT */
/*
 * gfp.h: how an allocation may go about getting its memory (thesis section 6.5).
 *
 * The two lowest bits index a node's zonelists; the others say what the caller
 * allows. Combinations are the documents' (Tables 6.3 to 6.6).
 */
#pragma once

#include <pagoda/types.h>

#define __GFP_DMA     0x01u
#define __GFP_HIGHMEM 0x02u
#define GFP_ZONEMASK  0x03u
#define __GFP_WAIT    0x10u  /* may sleep */
#define __GFP_HIGH    0x20u  /* may use the emergency reserve */
#define __GFP_IO      0x40u  /* may start I/O on low memory */
#define __GFP_HIGHIO  0x80u  /* may start I/O on high memory (through bounce pages) */
#define __GFP_FS      0x100u /* may call into a file system */
#define __GFP_ZERO    0x200u /* return zeroed memory */
#define __GFP_NOWARN  0x400u /* failing is expected: no message */
#define __GFP_MOVABLE 0x800u /* a user page: reclaim and compaction may move it */

#define GFP_NOHIGHIO	     (__GFP_HIGH | __GFP_WAIT | __GFP_IO)
#define GFP_NOIO	     (__GFP_HIGH | __GFP_WAIT)
#define GFP_NOFS	     (__GFP_HIGH | __GFP_WAIT | __GFP_IO | __GFP_HIGHIO)
#define GFP_ATOMIC	     (__GFP_HIGH)
#define GFP_USER	     (__GFP_WAIT | __GFP_IO | __GFP_HIGHIO | __GFP_FS)
#define GFP_HIGHUSER	     (GFP_USER | __GFP_HIGHMEM)
#define GFP_KERNEL	     (__GFP_HIGH | __GFP_WAIT | __GFP_IO | __GFP_HIGHIO | __GFP_FS)
#define GFP_NFS		     GFP_KERNEL
#define GFP_KSWAPD	     (__GFP_WAIT | __GFP_IO | __GFP_HIGHIO | __GFP_FS)
#define GFP_DMA		     __GFP_DMA
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)
