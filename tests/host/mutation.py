# SPDX-License-Identifier: MIT
"""Mutants: the core with one thing broken. A unit test must notice each.

A mutant is a fault that a careless change could bring back: a flush, a wake-up or a check left out,
two steps in the wrong order, a limit off by one. The tree is copied, the tests that could notice
are built plain for one geometry and pass; then each mutant in turn replaces one piece of one file, is
built, and must make the named test fail. A piece of text that is no longer there exactly once fails
too: the list is to be kept in step with the code, so a piece is as short as it can be. White space
does not count when a piece is looked for, as clang-format may break its lines elsewhere.
"""
import os
import re
import shutil

from lab.common import ROOT
from lab.test.testing import test


class Mutant:
    """In file, old becomes new; then test (of binary, in geometry) must fail."""

    def __init__(self, what, file, old, new, killer, geometry="x86_64", binary="test_smp"):
        self.what, self.file, self.old, self.new = what, file, old, new
        self.killer, self.geometry, self.binary = killer, geometry, binary

    def places(self, text):
        """The matches of the old piece in the text of its file."""
        return list(re.finditer(r"\s*".join(map(re.escape, "".join(self.old.split()))), text))

    def target(self):
        return f"tests/unit/{self.binary}-{self.geometry}-plain"


MUTANTS = [
    Mutant("munmap: no flush of zapped pages", "mm/space/page_tables.c",
           "\tif (pte_accessible(pte))\n\t\ttlb_changed(tlb, addr, addr + PAGE_SIZE);\n", "",
           "munmap_stops_the_other_cpu"),
    Mutant("munmap: frames freed without a flush", "arch/x86/tlb.c",
           "\tif (tlb->start < tlb->end && !tlb->fullmm)\n"
           "\t\tflush_tlb_range(tlb->mm, tlb->start, tlb->end);\n", "",
           "frames_are_freed_after_the_flush"),
    Mutant("mprotect: no flush", "mm/space/mprotect.c",
           "\tif (c.narrowed)\n\t\tflush_tlb_range(c.mm, start, end);\n", "\t(void)c.narrowed;\n",
           "mprotect_stops_the_other_cpu"),
    Mutant("fork: the parent's entries stay writable in TLBs", "mm/space/mm_struct.c",
           "\tflush_tlb_mm(oldmm);\n", "", "fork_takes_write_access_from_all_cpus"),
    Mutant("copy on write: no flush of the old frame", "mm/space/memory.c",
           "\tptep_replace_readonly(vmf->pte, __pte(0));\n\tflush_tlb_page(mm, vmf->address);\n",
           "\tptep_replace_readonly(vmf->pte, __pte(0));\n", "copy_on_write_shows_on_all_cpus"),
    Mutant("mremap: no flush of the old place", "mm/space/mremap.c",
           "\tflush_tlb_range(r->mm, start, *addr);", "\t(void)start;",
           "mremap_stops_the_other_cpu"),
    Mutant("flushes stay on this CPU", "arch/x86/tlb_kernel.c",
           "\tport_on_each_cpu(mask, fn, arg);\n", "\tport_on_each_cpu(mask & here, fn, arg);\n",
           "munmap_stops_the_other_cpu"),
    Mutant("a lazy CPU that left comes back without its tables", "arch/x86/context.c",
           "\tif (unlikely(!(READ_ONCE(next->cpu_vm_mask) & cpu_bit())))\n"
           "\t\tload_mm(state, next);\n", "", "lazy_cpu_that_left_comes_back"),
    Mutant("kernel flushes stay on this CPU", "arch/x86/tlb_kernel.c",
           "\tcount_vm_event(tlb_flush_range);\n\ttlb_call_on(all_cpus(), flush_kernel_here, &f);\n",
           "\tcount_vm_event(tlb_flush_range);\n\ttlb_call_on(1ul << port_cpu_id(), flush_kernel_here, &f);\n",
           "vfree_takes_the_translation_from_every_cpu", binary="test_flush"),
    Mutant("vfree: no flush", "mm/kernel_map/vmalloc.c",
           "\tflush_tlb_kernel_range(start, end);\n", "\t(void)start, (void)end;\n",
           "vfree_takes_the_translation_away", binary="test_flush"),
    Mutant("kunmap_atomic: no flush", "mm/kernel_map/highmem.c",
           "\tset_pte(lookup_kernel_pte(va), __pte(0));\n\tport_flush_tlb_page(va);\n",
           "\tset_pte(lookup_kernel_pte(va), __pte(0));\n",
           "kmap_atomic_slot_shows_its_new_page", geometry="i386", binary="test_flush"),
    Mutant("kmap: idle slots are reused without a flush", "mm/kernel_map/highmem.c",
           "\tflush_tlb_kernel_range(PKMAP_BASE, pkmap_addr(LAST_PKMAP));\n", "",
           "kmap_slot_shows_its_new_page", geometry="i386", binary="test_flush"),
    Mutant("kmap: idle slots are flushed on one CPU", "mm/kernel_map/highmem.c",
           "\tflush_tlb_kernel_range(PKMAP_BASE, pkmap_addr(LAST_PKMAP));\n", "\tport_flush_tlb_all();\n",
           "kmap_slot_shows_its_new_page", geometry="i386", binary="test_flush"),

    # ---- Unhook, flush, free: the order, and who is lazy
    Mutant("munmap: frames are freed before the flush", "arch/x86/tlb.c",
           "\ttlb_flush_translations(tlb);\n\trelease_pages(tlb->pages, tlb->nr_pages);\n",
           "\trelease_pages(tlb->pages, tlb->nr_pages);\n\ttlb_flush_translations(tlb);\n",
           "a_third_cpu_gets_no_frame_that_is_written_to"),
    Mutant("vfree: frames are freed before the flush", "mm/kernel_map/vmalloc.c",
           "\tflush_tlb_kernel_range(start, end);\n\tfree_page_list(pages);\n",
           "\tfree_page_list(pages);\n\tflush_tlb_kernel_range(start, end);\n",
           "vfree_takes_the_translation_away", binary="test_flush"),
    Mutant("a lazy CPU does not leave at a flush", "arch/x86/tlb.c",
           "\tif (state->state == TLBSTATE_LAZY) {\n", "\tif (0) {\n",
           "sleeping_threads_cpu_gets_one_ipi"),
    Mutant("no CPU is ever lazy", "arch/x86/context.c",
           "\tif (port_nr_cpus() > 1)\n\t\tcpu_tlbstate", "\tif (0)\n\t\tcpu_tlbstate", "sleeping_threads_cpu_gets_one_ipi"),
    Mutant("munmap: a table that goes after the last page's flush is not flushed", "mm/space/page_tables.c",
           "\taddr &= PAGE_MASK;\n\ttlb_changed(r->tlb, addr, addr + PAGE_SIZE);\n", "",
           "table_that_goes_after_the_flush_of_its_pages_serves_no_cpu"),
    Mutant("caches of page tables are not trimmed at munmap", "arch/x86/tlb.c",
           "\tif (tlb->nr_tables)\n\t\tcheck_pgt_cache();\n", "",
           "tables_that_go_do_not_pile_up", binary="test_pgtable"),

    Mutant("copy on write: the copy is there before the flush", "mm/space/memory.c",
           "\tflush_tlb_page(mm, vmf->address);\n\tinstall(vmf, owned_pte(vmf, copy));\n",
           "\tinstall(vmf, owned_pte(vmf, copy));\n\tflush_tlb_page(mm, vmf->address);\n",
           "copied_page_is_flushed_before_its_copy_is_there"),
    Mutant("mprotect: the last entry decides whether to flush", "mm/space/mprotect.c",
           "c->narrowed |= allows_less", "c->narrowed = allows_less",
           "mprotect_flushes_though_the_last_page_loses_nothing"),

    # ---- Dirty bits
    Mutant("reclaim: the entry's dirty bit is lost", "mm/space/rmap.c",
           "keep_dirty(walk->page, pte);", "", "stores_to_clean_pages_survive_reclaim", binary="test_shmem_swap"),
    Mutant("munmap: the entry's dirty bit is lost", "mm/space/page_tables.c",
           "keep_dirty(page, pte);", "", "stores_to_clean_pages_survive_munmap", binary="test_shmem_swap"),

    Mutant("a debugger's store does not dirty the page", "mm/space/gup.c",
           "\t\tif (write)\n\t\t\tdirty_user_page(page);\n\t\tput_page(page);\n", "\t\tput_page(page);\n",
           "stores_by_the_kernel_survive_reclaim", binary="test_shmem_swap"),
    Mutant("a debugger's store goes to the page that a child shares", "mm/space/gup.c",
           "PageAnon(page) && page_count_no_batch(page) == 1)", "PageAnon(page))",
           "forced_write_does_not_reach_the_other_process", binary="test_cow"),
    Mutant("punching a hole takes private copies", "mm/cache/truncate.c",
           "false); /* a hole leaves", "true); /* a hole leaves", "a_hole_leaves_private_copies", binary="test_shmem_swap"),
    Mutant("truncation leaves a page mapped that was mapped again", "mm/cache/truncate.c",
           "\t\tif (page_mapcount(page))\n\t\t\tunmap_mapping_range(mapping, page->index, page->index + 1, false);\n"
           "\t\tflush_page(page, 0);\n", "\t\tflush_page(page, 0);\n",
           "a_page_that_is_mapped_again_is_unmapped_by_truncation", binary="test_shmem_swap"),
    Mutant("a table from a quicklist is not clear", "arch/x86/pgalloc.c", "\t\tpage[0] = 0;\n", "",
           "tables_from_a_quicklist_are_clear_from_the_first_word_on", binary="test_pgtable"),
    Mutant("quicklists are trimmed one table early", "arch/x86/pgalloc.c",
           "q[i].count > PGT_CACHE_HIGH", "q[i].count >= PGT_CACHE_HIGH",
           "quicklists_are_trimmed_from_high_to_low", binary="test_pgtable"),

    # ---- What is in memory that a program gets
    Mutant("first touch: the frame is not zeroed", "mm/space/memory.c",
           "alloc_page_vma(GFP_HIGHUSER_MOVABLE | __GFP_ZERO, vma", "alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma",
           "private_memory_is_zero", binary="test_zeroed"),
    Mutant("allocator: __GFP_ZERO does nothing", "mm/physical/page_alloc.c",
           "return unlikely(gfp_mask & __GFP_ZERO) ? zeroed_page(page) : page;", "return page;",
           "zeroed_blocks_are_zero", binary="test_zeroed"),

    # ---- Pages, zones, kswapd
    Mutant("a reclaiming task keeps nothing of what it frees", "mm/physical/page_alloc.c",
           "\tlist_add(&page->list, &task->local_pages);\n\ttask->nr_local_pages++;\n\treturn true;\n", "\treturn false;\n",
           "only_a_reclaiming_task_keeps_what_it_frees", binary="test_page_alloc"),
    Mutant("PF_FREE_PAGES is not looked at", "mm/physical/page_alloc.c",
           "likely(!(READ_ONCE(task->flags) & PF_FREE_PAGES)) ||", "",
           "only_a_reclaiming_task_keeps_what_it_frees", binary="test_page_alloc"),
    Mutant("PF_FREE_PAGES is not looked at for single pages", "mm/physical/page_alloc.c",
           " || READ_ONCE(current_vm->flags) & PF_FREE_PAGES))", "))",
           "only_a_reclaiming_task_keeps_what_it_frees", binary="test_page_alloc"),
    Mutant("kswapd parks without being in its queue", "mm/reclaim/vmscan.c",
           "\t\twait_event(&pgdat->kswapd_wait, !kswapd_can_sleep_pgdat(pgdat));\n",
           "\t\twhile (kswapd_can_sleep_pgdat(pgdat))\n\t\t\tport_park(UINT64_MAX);\n",
           "kswapd_comes_each_time_it_is_woken", binary="test_reclaim"),
    Mutant("kswapd looks, then queues, then parks", "mm/reclaim/vmscan.c",
           "\t\twait_event(&pgdat->kswapd_wait, !kswapd_can_sleep_pgdat(pgdat));\n",
           "\t\twhile (kswapd_can_sleep_pgdat(pgdat)) {\n\t\t\tstruct wait_queue_entry w;\n\n"
           "\t\t\tprepare_to_wait(&pgdat->kswapd_wait, &w, NULL);\n\t\t\tport_park(UINT64_MAX);\n"
           "\t\t\tfinish_wait(&pgdat->kswapd_wait, &w);\n\t\t}\n",
           "kswapd_queues_before_it_looks_for_the_last_time", binary="test_reclaim"),
    Mutant("a watermark is kept to the page but one", "mm/physical/page_alloc.c",
           "zone_free_pages(zone) < limit + (1ul << order)", "zone_free_pages(zone) <= limit + (1ul << order)",
           "watermarks_are_kept_to_the_page", binary="test_page_alloc"),
    Mutant("a watermark is passed by one page", "mm/physical/page_alloc.c",
           "zone_free_pages(zone) < limit + (1ul << order)", "zone_free_pages(zone) + 1 < limit + (1ul << order)",
           "watermarks_are_kept_to_the_page", binary="test_page_alloc"),
    Mutant("the watermarks of zones passed do not add up", "mm/physical/page_alloc.c",
           "limit += zone_limit(zone, mark);", "limit = zone_limit(zone, mark);",
           "watermarks_of_the_zones_passed_add_up", binary="test_page_alloc"),
    Mutant("zonelists name their own node alone", "mm/physical/zone_init.c",
           "\t\t} while (node != pgdat);", "\t\t} while (0);", "any_node_can_use_up_the_memory_of_all", binary="test_numa"),
    Mutant("zonelists end at the last node", "mm/physical/zone_init.c",
           "node->node_next ? node->node_next : pgdat_list;\n\t\t} while (node != pgdat);",
           "node->node_next;\n\t\t} while (node);", "each_zonelist_names_every_node_once_its_own_first", binary="test_numa"),

    # ---- What reclaim may do for whom
    Mutant("file pages are written without __GFP_IO", "mm/reclaim/shrink.c",
           "__GFP_IO : __GFP_FS | __GFP_IO;", "__GFP_IO : __GFP_FS;",
           "file_pages_are_written_with_io_and_fs_only", binary="test_gfp_gates"),
    Mutant("file pages are written without __GFP_FS", "mm/reclaim/shrink.c",
           "__GFP_IO : __GFP_FS | __GFP_IO;", "__GFP_IO : __GFP_IO;",
           "file_pages_are_written_with_io_and_fs_only", binary="test_gfp_gates"),
    Mutant("swap is written without __GFP_IO", "mm/reclaim/shrink.c",
           "? __GFP_IO : __GFP_FS | __GFP_IO;", "? 0 : __GFP_FS | __GFP_IO;",
           "swap_cache_is_written_with_io_even_without_fs", binary="test_gfp_gates"),
    Mutant("slots are given out without __GFP_IO", "mm/swap/swap_state.c",
           "gfp_mask & __GFP_IO && add_to_swap(page)", "add_to_swap(page)",
           "slots_are_given_out_with_io_only", binary="test_gfp_gates"),
    Mutant("high pages are written without __GFP_HIGHIO", "mm/reclaim/shrink.c",
           "\t\tneeded |= __GFP_HIGHIO;", "\t\tneeded |= 0;",
           "high_pages_are_written_with_highio_only", geometry="i386", binary="test_gfp_gates"),
    Mutant("reclaim waits for its own writes without __GFP_FS", "mm/reclaim/shrink.c",
           "if (!PageLaunder(page) || !(sc->gfp_mask & __GFP_FS))", "if (!PageLaunder(page))",
           "scanner_without_fs_waits_for_no_write", binary="test_gfp_gates"),
    Mutant("refill: no one beside the inactive pages (classic)", "mm/reclaim/swap_out.c",
           "(2 * (inactive + 1))", "(2 * inactive + 1)", "refill_takes_the_documented_share", binary="test_vmscan"),
    Mutant("refill: no one beside the inactive pages", "mm/reclaim/policy_default.c",
           "(2 * (inactive + 1))", "(2 * inactive + 1)", "refill_takes_the_documented_share", binary="test_vmscan"),

    # ---- Accounts
    Mutant("mprotect: what was charged stays charged after a failure", "mm/space/mprotect.c",
           "\t\tif (charged)\n\t\t\tvm_unacct_memory(pages);\n", "",
           "mprotect_to_write_unwinds_every_failed_allocation", binary="test_vma"),
    Mutant("reclaim: the peak of resident pages is forgotten", "mm/space/rmap.c",
           "\tupdate_hiwater_rss(mm);\n", "", "reclaimed_pages_count_in_the_highest_rss", binary="test_rmap"),
    Mutant("swap: a page takes its failures along to its next slot", "mm/swap/swap_state.c",
           "\t\tClearPageError(page); /*", "\t\t/*", "a_new_slot_begins_without_failures", binary="test_swap"),

    # ---- mremap without memory
    Mutant("mremap: half-made tables are left", "mm/space/mremap.c",
           "\t\tfree_target_tables(r);\n\t\tunprepare(r);", "\t\tunprepare(r);",
           "mremap_to_several_new_tables_unwinds_every_failed_allocation", binary="test_vma"),
    Mutant("mremap: the target is unmapped before its tables are there", "mm/space/mremap.c",
           "\tif (alloc_target_tables(r, moved)) {\n",
           "\tif (r->flags & MREMAP_FIXED) {\n"
           "\t\tunmap_commit(r->mm, r->new_addr, r->new_len, r->spare_target, true);\n"
           "\t\tr->spare_target = NULL;\n\t\tr->flags &= ~MREMAP_FIXED;\n\t}\n"
           "\tif (alloc_target_tables(r, moved)) {\n",
           "mremap_onto_region_without_tables_unwinds_every_failed_allocation", binary="test_vma"),

    # ---- The OOM killer
    Mutant("OOM: fewer than ten failures are enough", "mm/reclaim/oom_kill.c",
           "if (h->nr < OOM_FAILURES || now - h->run_start < OOM_QUICK_RUN_NS)",
           "if (now - h->run_start < OOM_QUICK_RUN_NS)", "default_policy_waits_for_ten_failures", binary="test_oom"),
    Mutant("OOM: ten failures at once are enough", "mm/reclaim/oom_kill.c",
           "if (h->nr < OOM_FAILURES || now - h->run_start < OOM_QUICK_RUN_NS)",
           "if (h->nr < OOM_FAILURES)", "default_policy_waits_for_a_fifth_of_a_second", binary="test_oom"),
    Mutant("OOM: the next dies while the last lives", "mm/reclaim/oom_kill.c",
           "OOM_WINDOW_NS && victim_lives())", "OOM_WINDOW_NS && 0 * victim_lives())",
           "default_policy_kills_nobody_else_while_the_victim_lives", binary="test_oom"),
    Mutant("OOM: a victim that does not die is waited for without end", "mm/reclaim/oom_kill.c",
           "now - h->last_kill < OOM_WINDOW_NS && victim_lives())", "victim_lives())",
           "default_policy_kills_nobody_else_while_the_victim_lives", binary="test_oom"),
    Mutant("OOM: a victim that is gone is waited for", "mm/reclaim/oom_kill.c",
           "OOM_WINDOW_NS && victim_lives())", "OOM_WINDOW_NS)",
           "default_policy_goes_on_when_the_victim_is_gone", binary="test_oom"),
    Mutant("OOM: init is killed", "mm/reclaim/oom_kill.c", "task->pid != 1", "1",
           "init_is_spared_though_it_is_the_largest", binary="test_oom"),
    Mutant("a fault without memory kills init", "arch/x86/fault.c", "if (current_vm->pid == 1) {", "if (0) {",
           "init_survives_faults_without_memory", binary="test_oom"),
    Mutant("OOM: administrators count in full", "mm/reclaim/oom_kill.c", ".sys_admin = task->cap_sys_admin,", "",
           "administrators_and_device_users_count_a_quarter", binary="test_oom"),
    Mutant("OOM: users of devices count in full", "mm/reclaim/oom_kill.c", ".sys_rawio = task->cap_sys_rawio,", "",
           "administrators_and_device_users_count_a_quarter", binary="test_oom"),

    # ---- Slabs
    Mutant("a full array gives its newest objects back", "mm/slab/slab_cpu.c",
           "\tfree_block(cachep, cc_entry(cc), nr);\n\tspin_unlock(&cachep->spinlock);\n\tcc->avail -= nr;\n\tcc->taken -= nr;\n",
           "\tfree_block(cachep, cc_entry(cc) + cc->avail - nr, nr);\n\tspin_unlock(&cachep->spinlock);\n"
           "\tcc->avail -= nr;\n\tcc->taken -= nr;\n\tnr = 0;\n",
           "full_array_gives_its_oldest_objects_back", binary="test_slab_cpu"),
    Mutant("reaping: slabs of several pages are as cheap as others", "mm/slab/slab_reap.c",
           "#define REAP_ORDER_PERCENT 80", "#define REAP_ORDER_PERCENT 100",
           "reap_prefers_cheap_slabs_and_stops_at_a_perfect_one", binary="test_slab"),

    # ---- Lists, batches and the flags of pages
    Mutant("batches of other CPUs are not drained", "mm/lists/lru.c", "\tif (nr == 1 || !port_irqs_enabled())\n", "\tif (nr)\n",
           "batches_of_all_cpus_are_drained", binary="test_lru"),
    Mutant("a page that lost its last user in a batch stays", "mm/lists/lru.c",
           "\t\t\tbatch->pages[nr_dead++] = page;\n", "\t\t\tatomic_set(&page->count, 1);\n",
           "batches_of_all_cpus_are_drained", binary="test_lru"),
    Mutant("a page that leaves its list stays active", "mm/lists/lru.c",
           "\t\tdel_locked(lruvec, page);\n\t\tClearPageActive(page);\n\t} else if", "\t\tdel_locked(lruvec, page);\n\t} else if",
           "a_page_off_its_list_is_not_active", binary="test_lru"),
    Mutant("a locked page stays active", "mm/lists/lru.c", "\t\tClearPageActive(page);\n\t\tSetPageMlocked(page);",
           "\t\tSetPageMlocked(page);", "a_locked_page_is_not_active_and_comes_back_inactive", binary="test_lru"),
    Mutant("a lazily freed page stays referenced", "mm/lists/lru.c",
           "\t\tClearPageReferenced(page);\n\t\tClearPageActive(page);\n\t\tif (lazyfree)",
           "\t\tClearPageActive(page);\n\t\tif (lazyfree)",
           "a_lazily_freed_page_loses_what_it_was_accessed_before", binary="test_lru"),
    Mutant("a lazily freed page stays active", "mm/lists/lru.c",
           "\t\tClearPageReferenced(page);\n\t\tClearPageActive(page);\n\t\tif (lazyfree)",
           "\t\tClearPageReferenced(page);\n\t\tif (lazyfree)",
           "a_lazily_freed_page_loses_what_it_was_accessed_before", binary="test_lru"),
    Mutant("an active page is turned to the end when it was written", "mm/lists/lru.c",
           "\tif (PageLRU(page) && !PageActive(page))\n\t\tlist_move_tail", "\tif (PageLRU(page))\n\t\tlist_move_tail",
           "a_written_page_that_was_activated_stays_where_it_is", binary="test_lru"),
    Mutant("an activated page stays referenced", "mm/lists/lru.c",
           "\t\tactivate_page(page);\n\t\tClearPageReferenced(page);", "\t\tactivate_page(page);",
           "a_second_access_activates_and_counts_from_the_start_again", binary="test_lru"),

    # ---- Writing back
    Mutant("throttled writers are not woken", "mm/cache/page-writeback.c", "\twake_up(&written_wait);\n", "",
           "a_throttled_writer_goes_on_when_pages_come_back", binary="test_writeback"),
    Mutant("the end of a file is not woken", "mm/cache/page-writeback.c",
           "\tif (atomic_dec_and_test(&mapping->wb_users))\n\t\twake_up(&users_wait);\n",
           "\t(void)atomic_dec_and_test(&mapping->wb_users);\n",
           "truncation_goes_on_when_the_flusher_lets_go", binary="test_writeback"),
    Mutant("an error that nobody has seen counts as seen", "mm/cache/page-writeback.c", "\tmapping->wb_seen = false;\n", "",
           "a_second_error_is_told_to_those_that_came_after_the_first", binary="test_writeback"),
    Mutant("an error is not told to those that open the file later", "mm/cache/page-writeback.c",
           "\tif (seq && !mapping->wb_seen)\n\t\tseq--;\n", "",
           "a_write_error_is_told_once_to_each_who_has_the_file_open", binary="test_writeback"),
    Mutant("an error is told again and again", "mm/cache/page-writeback.c",
           "\t\tWRITE_ONCE(*cursor, mapping->wb_seq);\n", "",
           "a_write_error_is_told_once_to_each_who_has_the_file_open", binary="test_writeback"),
    Mutant("each search for an old mapping begins anew", "mm/cache/page-writeback.c",
           "\t\tlist_del(&dirty_mappings);\n\t\tlist_add(&dirty_mappings, &last->dirty_link);\n",
           "\t\tlist_del(&last->dirty_link);\n\t\tlist_add_tail(&last->dirty_link, &dirty_mappings);\n",
           "old_mappings_behind_young_ones_are_found_in_two_rounds", binary="test_growth"),
    Mutant("buffers are written in the order of their changes", "mm/cache/buffer_order.c", "&by_rank[bh->wait_rank]", "&by_rank[0]",
           "waiting_buffers_go_to_the_disk_by_rank", binary="test_writeback"),

    # ---- vmalloc's and kmap's slots
    Mutant("vmalloc: freed areas are not purged when addresses are short", "mm/kernel_map/vmalloc.c",
           "\t\tvmalloc_purge();\n\t\tarea =", "\t\tarea =",
           "addresses_of_freed_areas_are_purged_before_a_request_fails", geometry="i386", binary="test_vmalloc"),
    Mutant("vmalloc: any number of freed areas waits", "mm/kernel_map/vmalloc.c",
           "full = lazy.nr_areas >= MAX_LAZY_AREAS || ", "full = ",
           "freed_areas_wait_for_their_flush_in_small_numbers", binary="test_vmalloc"),
    Mutant("vmalloc: any number of freed frames waits", "mm/kernel_map/vmalloc.c",
           " || lazy.nr_pages >= MAX_LAZY_PAGES;", ";",
           "freed_areas_wait_for_their_flush_in_small_numbers", binary="test_vmalloc"),
    Mutant("kmap: a slot that gets idle wakes nobody", "mm/kernel_map/highmem.c",
           "\tif (count == SLOT_IDLE)\n\t\twake_up(&pkmap_wait);\n", "\t(void)count;\n",
           "kmap_waits_when_all_slots_are_taken", geometry="i386", binary="test_highmem"),

    # ---- Who may be killed
    Mutant("OOM: a task on its way out is killed", "mm/reclaim/oom_kill.c", "(PF_KTHREAD | PF_EXITING)", "PF_KTHREAD",
           "tasks_that_give_nothing_back_are_no_candidates", binary="test_oom"),
    Mutant("OOM: a kernel thread is killed", "mm/reclaim/oom_kill.c", "(PF_KTHREAD | PF_EXITING)", "PF_EXITING",
           "tasks_that_give_nothing_back_are_no_candidates", binary="test_oom"),
    Mutant("OOM: a task without pages is killed for its adjustment", "mm/reclaim/oom_kill.c",
           "c->oom_score_adj <= OOM_SCORE_ADJ_MIN || !points", "c->oom_score_adj <= OOM_SCORE_ADJ_MIN",
           "tasks_that_give_nothing_back_are_no_candidates", binary="test_oom"),
    Mutant("OOM: others are killed for what can be refused", "mm/reclaim/oom_kill.c", "\tif (is_oom_origin())\n\t\treturn false;\n", "",
           "nobody_is_killed_for_a_call_that_can_be_refused", binary="test_oom"),

    # ---- What grows
    Mutant("extents of the second pass go past their array", "mm/swap/swap_extent.c",
           "if (to && *nr > room)\n\t\t\treturn -EINVAL;", "(void)room;",
           "a_file_whose_blocks_move_meanwhile_is_refused", binary="test_swap_file"),
    Mutant("memory beyond the entries' reach is left out silently", "mm/physical/memmap.c",
           "ALIGN(firmware_map[i].start, PAGE_SIZE) <", "firmware_map[i].start == PFN_PHYS(frames.start) && firmware_map[i].start <",
           "memory_beyond_the_reach_of_entries_is_told_of", binary="test_memory_map"),
    Mutant("writeback: a page that is clean by now is written", "mm/cache/page-writeback.c",
           "if (!PageWriteback(page) && clear_page_dirty_for_io(page))\n\t\t\treturn true;",
           "(void)clear_page_dirty_for_io(page);\n\t\treturn true;",
           "a_page_that_was_cleaned_meanwhile_is_not_written", binary="test_writeback"),
    Mutant("extents are searched one by one", "mm/swap/swap_extent.c", "low + (high - low) / 2;", "low + 1;",
           "an_extent_is_found_in_logarithmic_steps", binary="test_swap_file"),
    Mutant("swapoff begins anew after each page", "mm/swap/swapoff.c", "find_vma(mm, addr), addr, flags);\n",
           "find_vma(mm, addr), addr, flags);\n\t\taddr = 0;\n",
           "swapoff_looks_at_each_place_of_each_process_once", binary="test_swap"),
    Mutant("free slabs stand in any order", "mm/slab/slab.c", "page_in_dma_zone(slabp->page) && first_free", "0 && first_free",
           "slabs_of_other_zones_are_not_looked_at_for_dma_memory", binary="test_slab"),
    Mutant("kmap: the end of a flush wakes nobody", "mm/kernel_map/highmem.c", "\twake_up(&pkmap_wait);\n\treturn true;", "\treturn true;",
           "the_end_of_a_flush_wakes_those_that_wait_for_slots", geometry="i386", binary="test_highmem"),
    Mutant("vmalloc: areas are gone through one by one", "mm/kernel_map/vmalloc.c",
           "\tarea = get_vm_area_or_purge(PAGE_ALIGN(size), VM_ALLOC);",
           "\tfor (struct vm_struct *a = vmlist; a; a = a->next)\n\t\t__asm__ volatile(\"\");\n"
           "\tarea = get_vm_area_or_purge(PAGE_ALIGN(size), VM_ALLOC);",
           "ten_thousand_areas_are_searched_in_logarithmic_steps", binary="test_vmalloc"),
    Mutant("classic: page tables are searched one page later", "mm/reclaim/swap_out.c", "--sc->max_mapped <= 0", "--sc->max_mapped < 0",
           "the_tenth_anonymous_page_starts_swap_out", binary="test_vmscan"),
    Mutant("a page's count is raised in two steps", "include/pagoda/page.h",
           "static inline void get_page(struct page *page)\n{\n\tatomic_inc(&page->count);",
           "static inline void get_page(struct page *page)\n{\n\tatomic_set(&page->count, atomic_read(&page->count) + 1);",
           "counts_and_flags_of_a_page_are_exact_on_four_cpus"),
    Mutant("validate_mm does not count anonymous pages' anon_vmas", "mm/boot/validate.c",
           "\t\tBUG_ON(!anon_vma_covers(page, vma));\n", "", "validate_mm_finds_damaged_tables", binary="test_validate"),
    Mutant("validate_swap does not count uses", "mm/swap/swapfile.c", "\tif (word)\n\t\tBUG_ON(", "\tif (0 && word)\n\t\tBUG_ON(",
           "validate_swap_finds_damage", binary="test_validate"),
]

SKIPPED = shutil.ignore_patterns("build*", ".git", "__pycache__")


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Nursery:
    """The copy of the tree, one build folder for a geometry."""

    def __init__(self, bench):
        self.bench = bench
        self.tree = os.path.join(bench.folder, "tree")
        shutil.copytree(ROOT, self.tree, ignore=SKIPPED, symlinks=True)

    def builds(self, geometry):
        return os.path.join(self.tree, "build-" + geometry)

    def setup(self, geometry):
        words = ["meson", "setup", self.builds(geometry), self.tree, "-Dpc=false", "-Dsanitizers=plain",
                 f"-Dgeometries={geometry}", "-Ddebug=false", "-Dwerror=false"]
        self.bench.ran(self.bench.command(words, timeout=120))

    def build(self, mutant):
        return self.bench.command(["ninja", "-C", self.builds(mutant.geometry), mutant.target()], timeout=600)

    def killed(self, mutant):
        """Does the killer fail? True, False, or None if there is no such test."""
        binary = os.path.join(self.builds(mutant.geometry), mutant.target())
        done = self.bench.command([binary, mutant.killer], timeout=300)
        if f"ok {mutant.killer} ".encode() not in done.out:
            return None
        return done.status != 0

    def fate(self, mutant):
        """Build and run one mutant; a complaint, or None if it died as it should."""
        path = os.path.join(self.tree, mutant.file)
        text = read(path)
        places = mutant.places(text)
        if len(places) != 1:
            return f"{mutant.what}: its text is {len(places)} times in {mutant.file}"
        start, end = places[0].span()
        write(path, text[:start] + mutant.new + text[end:])
        try:
            if self.build(mutant).status:
                return f"{mutant.what}: does not compile"
            return None if self.killed(mutant) else f"{mutant.what}: survives {mutant.killer}"
        finally:
            write(path, text)


@test("mutation/each_text_stands_once_in_its_file")
def texts_stand(bench):
    counts = {m.what: len(m.places(read(os.path.join(ROOT, m.file)))) for m in MUTANTS}
    bench.check(set(counts.values()) == {1}, f"not once: { {w: n for w, n in counts.items() if n != 1} }")


@test("mutation/each_known_break_fails_a_test", ids="XC-03", quick=False)
def known_breaks(bench):
    nursery = Nursery(bench)
    for geometry in sorted({m.geometry for m in MUTANTS}):
        nursery.setup(geometry)
    complaints = []
    for mutant in {(m.geometry, m.binary, m.killer): m for m in MUTANTS}.values():
        bench.ran(nursery.build(mutant))  # all but the first of a binary are built already
        if nursery.killed(mutant) is not False:
            complaints.append(f"{mutant.killer} does not pass on the core as it is")
    for mutant in MUTANTS:  # what the one before changed is mended by the same build
        fate = nursery.fate(mutant)
        bench.log.write(f"mutant: {fate or mutant.what + ': killed by ' + mutant.killer}\n")
        complaints += [fate] if fate else []
    bench.check(not complaints, "; ".join(complaints))
