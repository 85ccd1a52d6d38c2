/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk.c: disks, virtio block devices on PCI (OASIS virtio 1.0, section 5.2).
 *
 * They are named vda, vdb ... in the order in which the bus has them. A request goes to the device
 * as a list of descriptors:
 *
 *	header { type, sector }	  device reads
 *	pieces of pages		  device writes (BIO_READ) or reads (BIO_WRITE)
 *	status, one byte	  device writes
 *
 * The list is built in a page that also holds header and status, a `slot`. There are NR_SLOTS
 * of them for each disk, made at boot, so starting a request allocates nothing. If the device has
 * indirect descriptors the list stays there and takes one entry of the ring; otherwise it is
 * copied into the ring, whose size then limits the pieces of a request.
 *
 *	free slots --submit--> with the device (by the ring's head) --interrupt--> free slots
 *
 * submit refuses when no slot or ring entry is free; the block layer comes again after the
 * next completion. A device that never answers holds its slots and nothing else.
 *
 * Locking: disk->lock, interrupts off, for ring and slots; not held when requests are ended.
 * Failure: a disk that lacks virtio 1.0 or MSI-X, has sectors larger than 512 bytes, or for
 * which there is no memory is left out with a line in the log. Status other than OK is -EIO.
 * Observability: /proc/diskstats.
 */
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/mmzone.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include "io.h"
#include "pc.h"
#include "virtio.h"

#define VENDOR_VIRTIO		  0x1af4
#define DEVICE_BLOCK_TRANSITIONAL 0x1001
#define DEVICE_BLOCK		  0x1042

#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX  (1ull << 2)
#define F_RO	   (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH	   (1ull << 9)

/* Offsets in the device's registers. */
#define CONFIG_CAPACITY 0
#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX	12
#define CONFIG_BLK_SIZE 20

enum { REQUEST_IN = 0, REQUEST_OUT = 1, REQUEST_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_NONE = 0xff };

#define MAX_DISKS  26u /* vda .. vdz */
#define DISK_MAJOR 254u
#define MINORS	   16u /* of each disk: it and 15 partitions, as on Linux */
#define RING_SIZE  128u
#define NR_SLOTS   16u
#define MAX_PIECES 250u /* what a page has room for beside header and status */

struct request_header {
	u32 type, reserved;
	u64 sector;
};

/* A request on its way. */
struct slot {
	struct virtq_desc list[MAX_PIECES + 2];
	struct request_header header;
	struct blk_request *request;
	struct slot *next_free;
	volatile u8 status;
};
static_assert(sizeof(struct slot) <= PAGE_SIZE_PC, "a slot is one page");

struct disk {
	struct block_device bdev;
	struct virtio_device dev;
	struct virtqueue queue;
	spinlock_t lock;
	unsigned int vector;
	bool can_flush, indirect;
	struct slot *free;
	struct slot *by_head[RING_SIZE]; /* with the device */
	char name[4];
};

static struct disk *disks[MAX_DISKS];
static unsigned int nr_disks;

/* ---- Requests out ------------------------------------------------------------------------ */

static void add_piece(struct slot *slot, u16 *n, phys_addr_t pa, u32 len, bool device_writes)
{
	slot->list[*n] = (struct virtq_desc){
		pa, len, (u16)((device_writes ? VIRTQ_DESC_DEVICE_WRITES : 0) | VIRTQ_DESC_NEXT),
		(u16)(*n + 1)};
	(*n)++;
}

/* Describe the request in the slot; the number of descriptors. */
static u16 build_list(struct slot *slot, struct blk_request *request)
{
	static const u32 types[] = {
		[BIO_READ] = REQUEST_IN, [BIO_WRITE] = REQUEST_OUT, [BIO_FLUSH] = REQUEST_FLUSH};
	bool read = request->op == BIO_READ;
	struct bio *bio;
	u16 n = 0;

	slot->request = request;
	slot->status = STATUS_NONE;
	slot->header = (struct request_header){types[request->op], 0,
					       request->op == BIO_FLUSH ? 0 : request->sector};
	add_piece(slot, &n, __pa(&slot->header), sizeof(slot->header), false);
	list_for_each_entry(bio, &request->bios, chain)
		for (unsigned int i = 0; i < bio->nr_vecs; i++) {
			const struct bio_vec *vec = &bio->vecs[i];

			add_piece(slot, &n, PFN_PHYS(page_to_pfn(vec->page)) + vec->offset,
				  vec->len, read);
		}
	add_piece(slot, &n, __pa(&slot->status), 1, true);
	slot->list[n - 1].flags &= (u16)~VIRTQ_DESC_NEXT;
	return n;
}

/* Hand the request to the device, if there is room. Locks: disk->lock held. */
static bool start_request(struct disk *disk, struct blk_request *request)
{
	struct slot *slot = disk->free;
	int head;
	u16 n;

	if (!slot)
		return false;
	n = build_list(slot, request);
	head = disk->indirect ? virtqueue_add_indirect(&disk->queue, slot->list, n)
			      : virtqueue_add_chain(&disk->queue, slot->list, n);
	if (head < 0)
		return false;
	disk->free = slot->next_free;
	disk->by_head[head] = slot;
	virtqueue_kick(&disk->queue);
	return true;
}

static bool disk_submit(struct block_device *bdev, struct blk_request *request)
{
	struct disk *disk = container_of(bdev, struct disk, bdev);
	unsigned long flags;
	bool taken;

	if (request->op == BIO_FLUSH && !disk->can_flush) {
		blk_end_request(bdev, request, 0); /* it has no cache that could be flushed */
		return true;
	}
	spin_lock_irqsave(&disk->lock, flags);
	taken = start_request(disk, request);
	spin_unlock_irqrestore(&disk->lock, flags);
	return taken;
}

static const struct block_device_operations disk_ops = {.submit = disk_submit};

/* ---- Completions in ------------------------------------------------------------------------- */

/* A request that the device has finished, or NULL. */
static struct blk_request *take_finished(struct disk *disk, int *error)
{
	struct blk_request *request = NULL;
	struct slot *slot;
	int head;

	spin_lock(&disk->lock);
	head = virtqueue_get(&disk->queue, NULL);
	if (head >= 0) {
		slot = disk->by_head[head];
		/* the device has ended a request that it did not have */
		BUG_ON(!slot);
		disk->by_head[head] = NULL;
		request = slot->request;
		*error = slot->status == STATUS_OK ? 0 : -EIO;
		slot->next_free = disk->free;
		disk->free = slot;
	}
	spin_unlock(&disk->lock);
	return request;
}

static void disk_irq(struct pt_regs *regs, unsigned int vector)
{
	(void)regs;
	apic_eoi();
	for (unsigned int i = 0; i < nr_disks; i++) {
		struct blk_request *request;
		int error;

		if (disks[i]->vector != vector)
			continue;
		while ((request = take_finished(disks[i], &error)))
			blk_end_request(&disks[i]->bdev, request, error);
	}
}

/* ---- Finding them ---------------------------------------------------------------------------- */

static bool make_slots(struct disk *disk)
{
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = (struct slot *)get_zeroed_page(GFP_KERNEL);

		if (!slot)
			return false;
		slot->next_free = disk->free;
		disk->free = slot;
	}
	return true;
}

static void free_slots(struct disk *disk)
{
	struct slot *slot;

	while ((slot = disk->free)) {
		disk->free = slot->next_free;
		free_page((unsigned long)slot);
	}
}

/* How many pieces a request may have. */
static unsigned int piece_limit(struct disk *disk)
{
	unsigned int limit = MAX_PIECES;

	if (!disk->indirect)
		limit = min_t(unsigned int, limit, disk->queue.size - 2u);
	if (disk->dev.features & F_SEG_MAX)
		limit = min_t(unsigned int, limit, mmio_read32(disk->dev.config + CONFIG_SEG_MAX));
	return max(limit, 1u);
}

/* Why this disk cannot be used, or NULL. */
static const char *unusable(struct disk *disk)
{
	volatile u8 *config = disk->dev.config;

	if ((disk->dev.features & F_BLK_SIZE) &&
	    mmio_read32(config + CONFIG_BLK_SIZE) > SECTOR_SIZE)
		return "its sectors are larger than 512 bytes";
	if ((disk->dev.features & F_SIZE_MAX) &&
	    mmio_read32(config + CONFIG_SIZE_MAX) < PAGE_SIZE_PC)
		return "its pieces are smaller than a page";
	return NULL;
}

static void read_config(struct disk *disk)
{
	volatile u8 *config = disk->dev.config;
	u64 features = disk->dev.features;

	disk->name[0] = 'v';
	disk->name[1] = 'd';
	disk->name[2] = (char)('a' + nr_disks);
	disk->can_flush = features & F_FLUSH;
	disk->indirect = features & VIRTIO_F_INDIRECT_DESC;
	disk->bdev.name = disk->name;
	disk->bdev.ops = &disk_ops;
	disk->bdev.nr_sectors = mmio_read32(config + CONFIG_CAPACITY) |
				(u64)mmio_read32(config + CONFIG_CAPACITY + 4) << 32;
	disk->bdev.max_vecs = piece_limit(disk);
	disk->bdev.read_only = features & F_RO;
	disk->bdev.high_memory = true;
	disk->bdev.dev = DISK_MAJOR << 8 | nr_disks * MINORS;
}

/* NULL: it works. Otherwise why it does not. */
static const char *start_disk(struct disk *disk, const struct pci_device *pci)
{
	const u64 optional =
		F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | VIRTIO_F_INDIRECT_DESC;
	const char *why;

	if (!virtio_init(&disk->dev, pci, 0, optional))
		return "it is no virtio 1.0 device";
	why = unusable(disk);
	if (why)
		return why;
	disk->vector = irq_alloc_vector(disk_irq);
	if (!pci_enable_msix(pci, disk->vector))
		return "it has no MSI-X";
	if (!virtqueue_init(&disk->queue, &disk->dev, 0, RING_SIZE) || !make_slots(disk))
		return "no memory";
	read_config(disk);
	disks[nr_disks++] = disk; /* interrupts find it */
	virtio_start(&disk->dev);
	if (!register_block_device(&disk->bdev)) /* logs it */
		return NULL;
	nr_disks--;
	return "no memory";
}

static void add_disk(const struct pci_device *pci)
{
	struct disk *disk = nr_disks < MAX_DISKS ? kzalloc(sizeof(*disk), GFP_KERNEL) : NULL;
	const char *why = nr_disks < MAX_DISKS ? "no memory" : "too many";

	if (disk) {
		spin_lock_init(&disk->lock, RANK_NONE);
		why = start_disk(disk, pci);
	}
	if (!why)
		return;
	pr_warn("virtio_blk: disk at PCI %#x is left out: %s\n", pci->address, why);
	if (!disk)
		return;
	virtio_give_up(&disk->dev);
	free_slots(disk);
	kfree(disk);
}

struct found {
	struct pci_device pci[MAX_DISKS + 1];
	unsigned int nr;
};

static bool note_disk(const struct pci_device *pci, void *arg)
{
	struct found *found = arg;

	if (pci->vendor == VENDOR_VIRTIO &&
	    (pci->device == DEVICE_BLOCK_TRANSITIONAL || pci->device == DEVICE_BLOCK))
		found->pci[found->nr++] = *pci;
	return found->nr == ARRAY_SIZE(found->pci);
}

void virtio_blk_init(void)
{
	struct found found = {.nr = 0};

	pci_scan(note_disk, &found);
	for (unsigned int i = 0; i < found.nr; i++)
		add_disk(&found.pci[i]);
}
