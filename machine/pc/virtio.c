/* SPDX-License-Identifier: MIT */
/*
 * virtio.c: the virtio 1.0 PCI transport and the split virtqueue (OASIS virtio 1.0,
 * sections 4.1 and 2.4).
 *
 * Vendor capabilities tell which BAR and offset hold the registers:
 *
 *	common	features, status, queue set-up	notify	one doorbell per queue
 *	isr	(not used: interrupts are MSI-X)	device	the device type's own
 *
 * A queue is three arrays in one piece of memory that both sides see:
 *
 *	desc	buffers; free slots are chained through next
 *	avail	the driver's ring of offered slots; avail->idx counts them
 *	used	the device's ring of finished ones; used->idx counts them
 *
 * Each side writes its own ring and counter only. x86 keeps stores in order, so a
 * compiler barrier before the counter is enough; before reading what the device answers
 * to a kick or a changed flag a full fence is needed.
 *
 * Locking: the caller's.
 */
#include <pagoda/atomic.h>
#include <pagoda/page_alloc.h>
#include "io.h"
#include "pc.h"
#include "virtio.h"

#define CAP_VENDOR 0x09

/* struct virtio_pci_cap */
#define VCAP_TYPE     3
#define VCAP_BAR      4
#define VCAP_OFFSET   8
#define VCAP_LENGTH   12
#define VCAP_MULTIPLY 16
enum { VCAP_COMMON = 1, VCAP_NOTIFY = 2, VCAP_DEVICE = 4 };

/* struct virtio_pci_common_cfg */
#define COMMON_DEVICE_FEATURE_SELECT 0
#define COMMON_DEVICE_FEATURE	     4
#define COMMON_DRIVER_FEATURE_SELECT 8
#define COMMON_DRIVER_FEATURE	     12
#define COMMON_CONFIG_MSIX	     16
#define COMMON_NUM_QUEUES	     18
#define COMMON_STATUS		     20
#define COMMON_QUEUE_SELECT	     22
#define COMMON_QUEUE_SIZE	     24
#define COMMON_QUEUE_MSIX	     26
#define COMMON_QUEUE_ENABLE	     28
#define COMMON_QUEUE_NOTIFY_OFF	     30
#define COMMON_QUEUE_DESC	     32
#define COMMON_QUEUE_DRIVER	     40
#define COMMON_QUEUE_DEVICE	     48

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER	   2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_FAILED	   128

#define VIRTIO_F_VERSION_1 (1ull << 32)
#define NO_MSIX_VECTOR	   0xffff

#define AVAIL_NO_INTERRUPT 1

/* ---- Transport -------------------------------------------------------------------------- */

static volatile u8 *map_capability(const struct pci_device *pci, u32 cap)
{
	return pci_map_bar(pci, pci_read8(pci, cap + VCAP_BAR), pci_read32(pci, cap + VCAP_OFFSET),
			   pci_read32(pci, cap + VCAP_LENGTH));
}

static void map_registers(struct virtio_device *dev)
{
	const struct pci_device *pci = &dev->pci;

	for (u32 cap = 0; (cap = pci_find_capability(pci, CAP_VENDOR, cap)) != 0;) {
		switch (pci_read8(pci, cap + VCAP_TYPE)) {
		case VCAP_COMMON:
			dev->common = map_capability(pci, cap);
			break;
		case VCAP_NOTIFY:
			dev->notify = map_capability(pci, cap);
			dev->notify_multiplier = pci_read32(pci, cap + VCAP_MULTIPLY);
			break;
		case VCAP_DEVICE:
			dev->config = map_capability(pci, cap);
			break;
		}
	}
}

static u64 device_features(struct virtio_device *dev)
{
	u64 low;

	mmio_write32(dev->common + COMMON_DEVICE_FEATURE_SELECT, 0);
	low = mmio_read32(dev->common + COMMON_DEVICE_FEATURE);
	mmio_write32(dev->common + COMMON_DEVICE_FEATURE_SELECT, 1);
	return low | (u64)mmio_read32(dev->common + COMMON_DEVICE_FEATURE) << 32;
}

static void accept_features(struct virtio_device *dev, u64 features)
{
	mmio_write32(dev->common + COMMON_DRIVER_FEATURE_SELECT, 0);
	mmio_write32(dev->common + COMMON_DRIVER_FEATURE, (u32)features);
	mmio_write32(dev->common + COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(dev->common + COMMON_DRIVER_FEATURE, (u32)(features >> 32));
}

static u8 status_add(struct virtio_device *dev, u8 bits)
{
	mmio_write8(dev->common + COMMON_STATUS, mmio_read8(dev->common + COMMON_STATUS) | bits);
	return mmio_read8(dev->common + COMMON_STATUS);
}

bool virtio_init(struct virtio_device *dev, const struct pci_device *pci, u64 wanted, u64 optional)
{
	u64 offered;

	*dev = (struct virtio_device){.pci = *pci};
	pci_enable(pci);
	map_registers(dev);
	if (!dev->common || !dev->notify || !dev->config)
		return false;
	mmio_write8(dev->common + COMMON_STATUS, 0);
	status_add(dev, STATUS_ACKNOWLEDGE);
	status_add(dev, STATUS_DRIVER);
	offered = device_features(dev);
	if (!(offered & VIRTIO_F_VERSION_1) || (offered & wanted) != wanted)
		return false;
	dev->features = offered & (wanted | optional | VIRTIO_F_VERSION_1);
	accept_features(dev, dev->features);
	return status_add(dev, STATUS_FEATURES_OK) & STATUS_FEATURES_OK;
}

void virtio_give_up(struct virtio_device *dev)
{
	if (dev->common)
		status_add(dev, STATUS_FAILED);
}

void virtio_config_irq(struct virtio_device *dev)
{
	mmio_write16(dev->common + COMMON_CONFIG_MSIX, 0);
}

void virtio_start(struct virtio_device *dev)
{
	status_add(dev, STATUS_DRIVER_OK);
}

/* ---- Virtqueue ---------------------------------------------------------------------------- */

static void write_address(volatile u8 *reg, const volatile void *p)
{
	phys_addr_t pa = __pa(p);

	mmio_write32(reg, (u32)pa);
	mmio_write32(reg + 4, (u32)(pa >> 32));
}

/* Zeroed memory for one queue. Several queues share a page: they are small, and never freed. */
static u8 *carve_ring_memory(struct virtio_device *dev, size_t bytes)
{
	u8 *mem;

	bytes = ALIGN(bytes, (size_t)SMP_CACHE_BYTES);
	if (bytes > dev->ring_left) {
		dev->ring_memory = (u8 *)get_zeroed_page(GFP_KERNEL);
		dev->ring_left = dev->ring_memory ? PAGE_SIZE : 0;
	}
	if (bytes > dev->ring_left)
		return NULL;
	mem = dev->ring_memory;
	dev->ring_memory += bytes;
	dev->ring_left -= bytes;
	return mem;
}

/* The three arrays, one behind the other; used starts 4-byte aligned as it must. */
static bool alloc_rings(struct virtqueue *vq)
{
	size_t desc_bytes = vq->size * sizeof(struct virtq_desc);
	size_t avail_bytes = ALIGN(sizeof(struct virtq_avail) + (vq->size + 1u) * sizeof(u16), 4ul);
	size_t used_bytes =
		sizeof(struct virtq_used) + vq->size * sizeof(struct virtq_used_elem) + 2;
	u8 *mem = carve_ring_memory(vq->dev, desc_bytes + avail_bytes + used_bytes);

	if (!mem)
		return false;
	vq->desc = (void *)mem;
	vq->avail = (void *)(mem + desc_bytes);
	vq->used = (void *)(mem + desc_bytes + avail_bytes);
	for (u16 i = 0; i < vq->size; i++)
		vq->desc[i].next = (u16)(i + 1);
	return true;
}

bool virtqueue_init(struct virtqueue *vq, struct virtio_device *dev, u16 index, u16 size)
{
	volatile u8 *common = dev->common;
	u16 largest;

	if (index >= mmio_read16(common + COMMON_NUM_QUEUES))
		return false;
	mmio_write16(common + COMMON_QUEUE_SELECT, index);
	largest = mmio_read16(common + COMMON_QUEUE_SIZE);
	if (largest == 0)
		return false;
	*vq = (struct virtqueue){.dev = dev, .index = index, .size = min(size, largest)};
	vq->nr_free = vq->size;
	if (!alloc_rings(vq))
		return false;
	vq->doorbell =
		(volatile u16 *)(dev->notify + mmio_read16(common + COMMON_QUEUE_NOTIFY_OFF) *
						       dev->notify_multiplier);
	mmio_write16(common + COMMON_QUEUE_SIZE, vq->size);
	mmio_write16(common + COMMON_QUEUE_MSIX, 0);
	write_address(common + COMMON_QUEUE_DESC, vq->desc);
	write_address(common + COMMON_QUEUE_DRIVER, vq->avail);
	write_address(common + COMMON_QUEUE_DEVICE, vq->used);
	mmio_write16(common + COMMON_QUEUE_ENABLE, 1);
	return true;
}

int virtqueue_next_slot(const struct virtqueue *vq)
{
	return vq->nr_free > 0 ? vq->free_head : -1;
}

/* Locks: as the caller's; there is a free slot. */
static u16 take_slot(struct virtqueue *vq)
{
	u16 slot = vq->free_head;

	vq->free_head = vq->desc[slot].next;
	vq->nr_free--;
	return slot;
}

static int offer(struct virtqueue *vq, u16 head)
{
	vq->avail->ring[vq->avail_idx++ % vq->size] = head;
	return head;
}

int virtqueue_add_chain(struct virtqueue *vq, const struct virtq_desc *chain, u16 n)
{
	u16 head = vq->free_head, slot = head;

	if (n == 0 || n > vq->nr_free)
		return -1;
	for (u16 i = 0; i < n; i++) {
		struct virtq_desc *desc;

		slot = take_slot(vq);
		desc = &vq->desc[slot];
		desc->addr = chain[i].addr;
		desc->len = chain[i].len;
		desc->flags = chain[i].flags & VIRTQ_DESC_DEVICE_WRITES;
		if (i + 1 < n) {
			desc->flags |= VIRTQ_DESC_NEXT;
			desc->next = vq->free_head; /* the slot that is taken next */
		}
	}
	return offer(vq, head);
}

int virtqueue_add_indirect(struct virtqueue *vq, const struct virtq_desc *table, u16 n)
{
	u16 slot;

	if (vq->nr_free == 0)
		return -1;
	slot = take_slot(vq);
	vq->desc[slot] =
		(struct virtq_desc){__pa(table), (u32)(n * sizeof(*table)), VIRTQ_DESC_INDIRECT, 0};
	return offer(vq, slot);
}

int virtqueue_add(struct virtqueue *vq, phys_addr_t pa, u32 len, bool device_writes)
{
	const struct virtq_desc one = {pa, len, device_writes ? VIRTQ_DESC_DEVICE_WRITES : 0, 0};

	return virtqueue_add_chain(vq, &one, 1);
}

void virtqueue_kick(struct virtqueue *vq)
{
	barrier();
	WRITE_ONCE(vq->avail->idx, vq->avail_idx);
	smp_mb();
	*vq->doorbell = vq->index;
}

bool virtqueue_has_used(const struct virtqueue *vq)
{
	return vq->size != 0 && vq->used->idx != vq->last_used;
}

/* The slots of a chain become free again. */
static void free_chain(struct virtqueue *vq, u16 head)
{
	u16 last = head, n = 1;

	while (vq->desc[last].flags & VIRTQ_DESC_NEXT) {
		last = vq->desc[last].next;
		n++;
	}
	vq->desc[last].next = vq->free_head;
	vq->free_head = head;
	vq->nr_free = (u16)(vq->nr_free + n);
}

int virtqueue_get(struct virtqueue *vq, u32 *len)
{
	u16 slot;

	if (!virtqueue_has_used(vq))
		return -1;
	barrier();
	slot = (u16)vq->used->ring[vq->last_used % vq->size].id;
	if (len)
		*len = vq->used->ring[vq->last_used % vq->size].len;
	vq->last_used++;
	free_chain(vq, slot);
	return slot;
}

u16 virtqueue_in_flight(const struct virtqueue *vq)
{
	return (u16)(vq->size - vq->nr_free);
}

void virtqueue_want_interrupts(struct virtqueue *vq, bool on)
{
	WRITE_ONCE(vq->avail->flags, on ? 0 : AVAIL_NO_INTERRUPT);
	smp_mb();
}
