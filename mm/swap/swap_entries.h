/* SPDX-License-Identifier: MIT */
/*
 * swap_entries.h: what other rooms see of swap: address spaces, when an entry is not present; the
 * page cache, for shared memory; reclaim, for advice.
 */
#pragma once

#include <pagoda/mm_types.h>
#include <pagoda/swap.h>

struct shmem_swap_ops;

/*
 * swap_duplicate() is false for a slot that is in use: its count needs a continuation (SW-05), and
 * there is no memory for one without sleeping. Make one. 0, -ENOMEM, -EINVAL: there is no such
 * entry. May sleep.
 */
int swap_add_continuation(swp_entry_t entry) __must_check;

/* Places of page tables in which next_swap_entry() has looked for entries, ever. (A) */
extern unsigned long swap_places_searched;
/* The first swap entry of mm at or above *addr, which becomes its address. mmap_lock held. */
bool next_swap_entry(struct mm_struct *mm, unsigned long *addr, swp_entry_t *entry);

/* shmem_swap.c: what the page cache asks of swap. */
extern const struct shmem_swap_ops shmem_slots;

/* memory_swap.c, swap_state.c: what address spaces ask of swap. */
struct vm_fault;
vm_fault_t do_swap_page(struct vm_fault *vmf);
/*
 * May the sole mapper of a locked anonymous page write to it in place? Only if its entry, the swap
 * cache and the caller (held references) are all who have it: a pipe, a transfer or another task's
 * peek has a reference, and must not see a later store. page_table_lock held, so that no reference
 * can come by way of the entry.
 */
bool can_reuse_swap_page(struct page *page, int held);
/* Make such a page an ordinary anonymous one, out of the swap cache. The same locks. */
bool take_swap_page(struct page *page, int held);
/* Usable slots of all areas. */
unsigned long nr_usable_slots(void);
/*
 * Start to read what is swapped of pages [first, end] of shared memory or tmpfs (shmem_swap.c). May
 * sleep.
 */
void shmem_willneed(struct address_space *mapping, unsigned long first, unsigned long end);
