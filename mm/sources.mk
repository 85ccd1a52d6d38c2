# SPDX-License-Identifier: MIT
# The sources of the core by tier, each with those of the tiers below, for hosts that compile them with make.
# Made from mm/tiers.txt and mm/meson.build by ./pagoda embed --lists; docs/PORTING.md shows the use.
#
# PAGODA: this tree. PAGODA_PORT: the folder of the host's port/inline.h and port/layout.h.
# PAGODA_GEOMETRY: a folder of arch/x86/geometry/. With i386 and i386-pae compile PAGODA_I386 as well, and all with
# PAGODA_I386_CFLAGS added.
PAGODA_PORT ?= $(PAGODA)/machine/embed/include
PAGODA_GEOMETRY ?= x86_64
PAGODA_INCLUDES = -I$(PAGODA_PORT) -I$(PAGODA) -I$(PAGODA)/include -I$(PAGODA)/arch/x86/include \
	-I$(PAGODA)/arch/x86/geometry/$(PAGODA_GEOMETRY)
PAGODA_CFLAGS = -std=gnu11 -ffreestanding -fno-pic -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-common -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
PAGODA_I386_CFLAGS = -m32 -march=i686 -freg-struct-return
PAGODA_I386 = \
	$(PAGODA)/arch/x86/i386/atomic64.c \
	$(PAGODA)/arch/x86/i386/divide64.c

# Tier 1: frames and heap.
PAGODA_TIER1 = \
	$(PAGODA)/mm/base/log.c \
	$(PAGODA)/mm/base/mutex.c \
	$(PAGODA)/mm/base/options.c \
	$(PAGODA)/mm/base/vmstat.c \
	$(PAGODA)/mm/physical/bootmem.c \
	$(PAGODA)/mm/physical/buddy.c \
	$(PAGODA)/mm/physical/memmap.c \
	$(PAGODA)/mm/physical/page_alloc.c \
	$(PAGODA)/mm/physical/page_count.c \
	$(PAGODA)/mm/physical/zone_init.c \
	$(PAGODA)/mm/slab/slab.c \
	$(PAGODA)/mm/slab/slab_cpu.c \
	$(PAGODA)/mm/slab/slab_debug.c \
	$(PAGODA)/mm/slab/slab_info.c \
	$(PAGODA)/mm/slab/slab_reap.c \
	$(PAGODA)/mm/slab/slab_sizes.c \
	$(PAGODA)/mm/boot/boot_heap.c \
	$(PAGODA)/mm/boot/check_frames.c \
	$(PAGODA)/lib/bitmap.c \
	$(PAGODA)/lib/string.c \
	$(PAGODA)/lib/vsprintf.c \
	$(PAGODA)/arch/x86/string.c

# Tier 2: kernel mappings.
PAGODA_TIER2 = $(PAGODA_TIER1) \
	$(PAGODA)/mm/sleep/locks.c \
	$(PAGODA)/mm/sleep/page_wait.c \
	$(PAGODA)/mm/sleep/wait.c \
	$(PAGODA)/mm/kernel_map/highmem.c \
	$(PAGODA)/mm/kernel_map/init_mm.c \
	$(PAGODA)/mm/kernel_map/vmalloc.c \
	$(PAGODA)/mm/boot/boot_kernel_map.c \
	$(PAGODA)/mm/boot/check_map.c \
	$(PAGODA)/lib/rbtree.c \
	$(PAGODA)/arch/x86/control.c \
	$(PAGODA)/arch/x86/kernel_map.c \
	$(PAGODA)/arch/x86/tlb_kernel.c

# Tier 3: address spaces.
PAGODA_TIER3 = $(PAGODA_TIER2) \
	$(PAGODA)/mm/lists/lru.c \
	$(PAGODA)/mm/space/anon_vma.c \
	$(PAGODA)/mm/space/brk.c \
	$(PAGODA)/mm/space/clear_refs.c \
	$(PAGODA)/mm/space/fault_retry.c \
	$(PAGODA)/mm/space/fault_trace.c \
	$(PAGODA)/mm/space/fremap.c \
	$(PAGODA)/mm/space/gup.c \
	$(PAGODA)/mm/space/madvise.c \
	$(PAGODA)/mm/space/memory.c \
	$(PAGODA)/mm/space/mempolicy.c \
	$(PAGODA)/mm/space/migrate.c \
	$(PAGODA)/mm/space/mlock.c \
	$(PAGODA)/mm/space/mm_struct.c \
	$(PAGODA)/mm/space/mmap.c \
	$(PAGODA)/mm/space/mprotect.c \
	$(PAGODA)/mm/space/mremap.c \
	$(PAGODA)/mm/space/munmap.c \
	$(PAGODA)/mm/space/pagewalk.c \
	$(PAGODA)/mm/space/pfnmap.c \
	$(PAGODA)/mm/space/populate.c \
	$(PAGODA)/mm/space/rmap.c \
	$(PAGODA)/mm/space/space_ops.c \
	$(PAGODA)/mm/space/page_tables.c \
	$(PAGODA)/mm/space/uaccess.c \
	$(PAGODA)/mm/space/vma.c \
	$(PAGODA)/mm/space/vma_interval.c \
	$(PAGODA)/mm/space/vma_merge.c \
	$(PAGODA)/mm/boot/boot_space.c \
	$(PAGODA)/mm/boot/check_tasks.c \
	$(PAGODA)/mm/boot/validate.c \
	$(PAGODA)/arch/x86/context.c \
	$(PAGODA)/arch/x86/extable.c \
	$(PAGODA)/arch/x86/fault.c \
	$(PAGODA)/arch/x86/ldt.c \
	$(PAGODA)/arch/x86/pgalloc.c \
	$(PAGODA)/arch/x86/tlb.c

# Tier 4: files.
PAGODA_TIER4 = $(PAGODA_TIER3) \
	$(PAGODA)/mm/block/request_queue.c \
	$(PAGODA)/mm/cache/buffer.c \
	$(PAGODA)/mm/cache/buffer_order.c \
	$(PAGODA)/mm/cache/buffer_write.c \
	$(PAGODA)/mm/cache/data_places.c \
	$(PAGODA)/mm/cache/device_cache.c \
	$(PAGODA)/mm/cache/direct_io.c \
	$(PAGODA)/mm/cache/filemap.c \
	$(PAGODA)/mm/cache/filemap_mkwrite.c \
	$(PAGODA)/mm/cache/filemap_rw.c \
	$(PAGODA)/mm/cache/flusher.c \
	$(PAGODA)/mm/cache/page-writeback.c \
	$(PAGODA)/mm/cache/readahead.c \
	$(PAGODA)/mm/cache/shmem.c \
	$(PAGODA)/mm/cache/truncate.c \
	$(PAGODA)/mm/boot/boot_cache.c \
	$(PAGODA)/lib/radix_tree.c

# Tier 5: pressure.
PAGODA_TIER5 = $(PAGODA_TIER4) \
	$(PAGODA)/mm/swap/memory_swap.c \
	$(PAGODA)/mm/swap/shmem_swap.c \
	$(PAGODA)/mm/swap/swap_extent.c \
	$(PAGODA)/mm/swap/swap_slots.c \
	$(PAGODA)/mm/swap/swap_state.c \
	$(PAGODA)/mm/swap/swapfile.c \
	$(PAGODA)/mm/swap/swapoff.c \
	$(PAGODA)/mm/reclaim/advise_pages.c \
	$(PAGODA)/mm/reclaim/oom_kill.c \
	$(PAGODA)/mm/reclaim/oom_report.c \
	$(PAGODA)/mm/reclaim/policy_default.c \
	$(PAGODA)/mm/reclaim/shrink.c \
	$(PAGODA)/mm/reclaim/swap_out.c \
	$(PAGODA)/mm/reclaim/vmscan.c \
	$(PAGODA)/mm/reclaim/workingset.c \
	$(PAGODA)/mm/boot/boot_reclaim.c \
	$(PAGODA)/lib/index_set.c
