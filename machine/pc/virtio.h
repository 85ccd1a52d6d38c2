/* SPDX-License-Identifier: MIT */
/*
 * virtio.h: virtio 1.0 devices on PCI, and their split virtqueues.
 *
 * A queue hands the device buffers: single descriptors, chains of several, or tables of them
 * that lie elsewhere (indirect). Each is identified by the slot of its first descriptor, which
 * adding answers with and virtqueue_get() gives back.
 */
#pragma once

#include <pagoda/types.h>
#include "pci.h"

struct virtio_device {
	struct pci_device pci;
	volatile u8 *common, *config;
	volatile u8 *notify;
	u64 features; /* agreed on */
	u32 notify_multiplier;
	u8 *ring_memory; /* what is left of the page that queues are cut from */
	size_t ring_left;
};

struct virtq_desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

/* virtq_desc.flags */
#define VIRTQ_DESC_NEXT		 1 /* the chain goes on at next */
#define VIRTQ_DESC_DEVICE_WRITES 2
#define VIRTQ_DESC_INDIRECT	 4 /* addr, len: a table of descriptors */

#define VIRTIO_F_INDIRECT_DESC (1ull << 28)

struct virtq_avail {
	u16 flags, idx, ring[];
};

struct virtq_used_elem {
	u32 id, len;
};

struct virtq_used {
	u16 flags, idx;
	struct virtq_used_elem ring[];
};

struct virtqueue {
	struct virtio_device *dev;
	u16 index, size, nr_free, free_head, last_used;
	u16 avail_idx; /* ours; the device sees it with the next kick */
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	volatile struct virtq_used *used;
	volatile u16 *doorbell;
};

/*
 * Reset the device, accept its features that are `wanted` (VIRTIO_F_VERSION_1 always), and of
 * the `optional` ones those that it has. False if it lacks a wanted one or is no virtio 1.0
 * device. The device is live after virtio_start().
 */
bool virtio_init(struct virtio_device *dev, const struct pci_device *pci, u64 wanted, u64 optional);
/* Tell the device that the driver has given it up (status FAILED). */
void virtio_give_up(struct virtio_device *dev);
void virtio_start(struct virtio_device *dev);

/* Use MSI-X table entry 0 for changes of configuration. */
void virtio_config_irq(struct virtio_device *dev);

/*
 * Queue `index` with up to `size` (a power of two) descriptors, interrupting through MSI-X entry 0.
 */
bool virtqueue_init(struct virtqueue *vq, struct virtio_device *dev, u16 index, u16 size);

/* The slot that the next virtqueue_add() will take, -1 if the queue is full. */
int virtqueue_next_slot(const struct virtqueue *vq);
/* Offer a buffer for the device to read, or to write. Return: its slot, -1 if the queue is full. */
int virtqueue_add(struct virtqueue *vq, phys_addr_t pa, u32 len, bool device_writes);
/*
 * Offer n descriptors as one chain; addr, len and VIRTQ_DESC_DEVICE_WRITES of each count. Return:
 * the slot of the first, -1 if there is no room for all.
 */
int virtqueue_add_chain(struct virtqueue *vq, const struct virtq_desc *chain, u16 n);
/* The same in one slot: the device reads the descriptors, chained by next, from where they lie. */
int virtqueue_add_indirect(struct virtqueue *vq, const struct virtq_desc *table, u16 n);
/* Tell the device what was added. */
void virtqueue_kick(struct virtqueue *vq);
/* Take back a finished buffer: its slot, and in *len what the device wrote; -1 if none. */
int virtqueue_get(struct virtqueue *vq, u32 *len);
/* Has the device finished a buffer? */
bool virtqueue_has_used(const struct virtqueue *vq);
/* Buffers the device still has. */
u16 virtqueue_in_flight(const struct virtqueue *vq);
void virtqueue_want_interrupts(struct virtqueue *vq, bool on);
