/* SPDX-License-Identifier: MIT */
/*
 * request_queue.c: the block layer: bios, the queue of each device, requests in and out.
 *
 *	submit_bio	checked, bounced if need be, put into the device's queue:
 *			  at the end or the beginning of a waiting request that it continues,
 *			  else as a request of its own at the end
 *	offer_requests	hands waiting requests to the driver, one task at a time
 *	blk_end_request	ends the bios of a request, and offers the next ones
 *
 * A queue holds the requests that the driver has not taken yet, in the order of their arrival:
 *
 *	queued -> request { W 100..107 } -> request { R 40..47 } -> request { W 200..239 }
 *		    bio bio					      bio bio bio
 *
 * A request is embedded in its first bio, so queueing allocates nothing and cannot fail. Merging
 * compares a new bio with the last MERGE_SCAN requests, and never looks past a flush: a write that
 * was submitted after a flush must not join a request in front of it, as the flush would then
 * promise that this write is on stable storage too early.
 *
 * A request of several bios that fails is taken apart: each bio is tried again alone, one after the
 * other, at the queue's beginning, so that one bad sector does not cost its neighbours (and a bad
 * page of swap not the seven read ahead with it).
 *
 * Bounce copies (HM-10): a page outside the direct map that the device cannot reach is
 * replaced by one of low memory, by further bios that end the first:
 *
 *	bio (high pages) <-private- bounce bio (low pages) -> device
 *	     ^------- copied back after a read, before a write -------'
 *
 * Progress: writing a page out may be the only way to get free memory, so an allocation that fails
 * must not stop the write. Bios and bounce pages therefore have reserves. A caller that may sleep
 * is never refused: it waits until an element returns to the reserve, and each element in use
 * returns when the device has completed the transfer it belongs to.
 *
 * Invariants: (Q1) a request is in exactly one place: in its device's queue, with the driver, or in
 * blk_end_request(); (Q2) nr_in_flight counts the requests that the driver has; (Q3) at most one
 * task per device is inside ops->submit (offering); (Q4) a retried request is the only one in
 * flight.
 *
 * Locking: queue_lock (RANK_LEAF, interrupts off) for what the header marks (Q); never held
 * over a call of driver or end_io. devices_lock for the list of devices, which only boot and the
 * end of a machine change.
 * Failure: -EIO for a bio that does not fit its device, and what the driver says.
 * Observability: nr_requests, nr_bios, sectors_done, ns_spent of each device (/proc/diskstats).
 */
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vm_task.h>
#include <pagoda/task_io.h>

/*
 * How many of the newest waiting requests a new bio is compared with. Neighbours usually arrive
 * one after the other, so a longer search would cost time with interrupts off and find little.
 */
#define MERGE_SCAN 16
/* Two tasks can make progress, each with a bio and its bounce copy, while others wait. */
#define BIO_RESERVE	 8u
#define BIO_RESERVE_VECS 8u
#define BOUNCE_RESERVE	 (BIO_RESERVE * BIO_RESERVE_VECS)

static LIST_HEAD(devices);
static spinlock_t devices_lock = SPIN_LOCK_INIT(RANK_LEAF);

/* ---- Reserves ------------------------------------------------------------------------------ */

/*
 * A stock of objects (bios, or pages of low memory) for times when the allocator has none. The
 * objects are linked through their first word, so the stock itself needs no memory.
 */
struct reserve {
	spinlock_t lock;
	void *first;	       /* (lock) */
	unsigned int nr, most; /* (lock) */
	wait_queue_head_t wait;
};

#define RESERVE_INIT(name, n)                                                              \
	{                                                                                  \
		SPIN_LOCK_INIT(RANK_LEAF), NULL, 0, (n), WAIT_QUEUE_HEAD_INIT((name).wait) \
	}

static struct reserve bio_reserve = RESERVE_INIT(bio_reserve, BIO_RESERVE);
static struct reserve bounce_reserve = RESERVE_INIT(bounce_reserve, BOUNCE_RESERVE);

static void *reserve_take(struct reserve *r)
{
	unsigned long flags;
	void *thing;

	spin_lock_irqsave(&r->lock, flags);
	VM_BUG_ON(!r->first != !r->nr); /* the count is the length of the list */
	thing = r->first;
	if (thing) {
		/* The first word of a stored object is the link to the next one. */
		r->first = *(void **)thing;
		r->nr--;
	}
	spin_unlock_irqrestore(&r->lock, flags);
	return thing;
}

/*
 * Return an object to the reserve and wake the tasks that wait for one. False: the reserve is
 * full, and the caller keeps the object and must free it.
 */
static bool reserve_give(struct reserve *r, void *thing)
{
	unsigned long flags;
	bool fits;

	VM_BUG_ON(!thing);
	spin_lock_irqsave(&r->lock, flags);
	VM_BUG_ON(r->nr > r->most);
	fits = r->nr < r->most;
	if (fits) {
		*(void **)thing = r->first;
		r->first = thing;
		r->nr++;
	}
	spin_unlock_irqrestore(&r->lock, flags);
	if (fits)
		wake_up(&r->wait);
	return fits;
}

/* Sleep until the reserve has an object. The caller must not hold a spinlock. */
static void *reserve_wait(struct reserve *r)
{
	void *thing;

	might_sleep();
	/*
	 * The object that we wait for may belong to a bio in a plugged queue, perhaps our own.
	 * Nobody would start that bio while we sleep, so start all waiting requests first.
	 */
	run_disk_queue();
	wait_event(&r->wait, (thing = reserve_take(r)) != NULL);
	return thing;
}

/* Bytes of a bio with room for max_vecs pieces. */
static size_t bio_bytes(unsigned int max_vecs)
{
	return sizeof(struct bio) + max_vecs * sizeof(struct bio_vec);
}

static void empty_bio_reserve(void)
{
	void *bio;

	while ((bio = reserve_take(&bio_reserve)))
		kfree(bio);
}

static void empty_bounce_reserve(void)
{
	void *page;

	while ((page = reserve_take(&bounce_reserve)))
		free_page((unsigned long)page);
}

/*
 * Fill the reserve of bios when the first device is registered: memory is plentiful then.
 * Allocating goes on until the reserve refuses an object; that one is freed. If memory runs out
 * before, the reserve is emptied again, so that a failed registration leaves nothing behind.
 */
static int fill_bio_reserve(void)
{
	void *bio;

	do
		bio = kmalloc(bio_bytes(BIO_RESERVE_VECS), GFP_KERNEL);
	while (bio && reserve_give(&bio_reserve, bio));
	kfree(bio);
	if (!bio)
		empty_bio_reserve();
	return bio ? 0 : -ENOMEM;
}

/*
 * The same for bounce pages. They are only needed if the machine has high memory, and a device
 * that cannot reach it.
 */
static int fill_bounce_reserve(void)
{
	void *page;

	do
		page = (void *)__get_free_page(GFP_KERNEL);
	while (page && reserve_give(&bounce_reserve, page));
	free_page((unsigned long)page);
	if (!page)
		empty_bounce_reserve();
	return page ? 0 : -ENOMEM;
}

/* ---- Devices --------------------------------------------------------------------------------- */

/*
 * The reserves are filled before the device becomes visible: once it is on the list, a bio may be
 * submitted to it, and that must be able to rely on them.
 */
int register_block_device(struct block_device *bdev)
{
	int err = fill_bio_reserve();
	unsigned long flags;

	if (!err && HAVE_HIGHMEM && !bdev->high_memory)
		err = fill_bounce_reserve();
	if (err)
		return err;
	BUG_ON(!bdev->name || !bdev->ops || !bdev->ops->submit || !bdev->max_vecs);
	spin_lock_init(&bdev->queue_lock, RANK_LEAF);
	INIT_LIST_HEAD(&bdev->queued);
	mutex_init(&bdev->bd_mutex, RANK_NONE);
	bdev->bd_users = bdev->bd_block_size = 0;
	VM_BUG_ON(bdev->nr_in_flight || bdev->offering || bdev->retrying);
	spin_lock_irqsave(&devices_lock, flags);
	list_add_tail(&bdev->all, &devices);
	spin_unlock_irqrestore(&devices_lock, flags);
	pr_info("%s: %llu sectors%s\n", bdev->name, (unsigned long long)bdev->nr_sectors,
		bdev->read_only ? ", read-only" : "");
	return 0;
}

void unregister_block_device(struct block_device *bdev)
{
	unsigned long flags;
	bool last;

	/*
	 * A request that is still queued or in flight would later touch the device, whose memory
	 * the driver frees after this call.
	 */
	BUG_ON(bdev->nr_in_flight || !list_empty(&bdev->queued));
	spin_lock_irqsave(&devices_lock, flags);
	list_del(&bdev->all);
	last = list_empty(&devices);
	spin_unlock_irqrestore(&devices_lock, flags);
	if (last) {
		empty_bio_reserve();
		empty_bounce_reserve();
	}
}

/*
 * The lock covers only the step from one device to the next. Devices are added at boot and removed
 * when the machine stops, never while somebody walks the list, so the pointer stays valid.
 */
struct block_device *next_block_device(struct block_device *prev)
{
	struct list_head *next;
	unsigned long flags;

	spin_lock_irqsave(&devices_lock, flags);
	next = prev ? prev->all.next : devices.next;
	spin_unlock_irqrestore(&devices_lock, flags);
	return next == &devices ? NULL : list_entry(next, struct block_device, all);
}

struct block_device *find_block_device(const char *name)
{
	struct block_device *bdev = NULL;

	while ((bdev = next_block_device(bdev)) && strcmp(bdev->name, name) != 0)
		;
	return bdev;
}

/*
 * A holder that claims a device twice succeeds both times: the compare-and-exchange then fails
 * with the same holder as the value found. Any other value found belongs to somebody else.
 */
int claim_block_device(struct block_device *bdev, void *holder)
{
	void *nobody = NULL;

	VM_BUG_ON(!holder); /* NULL means "not claimed" */
	if (rmw_cmpxchg(&bdev->holder, &nobody, holder))
		return 0;
	return nobody == holder ? 0 : -EBUSY;
}

void release_block_device(struct block_device *bdev, void *holder)
{
	BUG_ON(bdev->holder != holder);
	smp_store_mb(&bdev->holder, NULL);
}

/* ---- Bios ------------------------------------------------------------------------------------ */

/* Set up a bio without pieces. max_vecs is the number of pieces that its memory has room for. */
static struct bio *init_bio(struct bio *bio, struct block_device *bdev, enum bio_op op, u64 sector,
			    unsigned int max_vecs)
{
	VM_BUG_ON(max_vecs > bdev->max_vecs);
	*bio = (struct bio){.bdev = bdev, .op = op, .sector = sector, .max_vecs = max_vecs};
	return bio;
}

struct bio *bio_alloc(struct block_device *bdev, enum bio_op op, u64 sector, unsigned int max_vecs,
		      gfp_t gfp)
{
	struct bio *bio;

	max_vecs = min(max_vecs, bdev->max_vecs);
	/*
	 * Every bio has room for at least BIO_RESERVE_VECS pieces, whatever was asked for, because
	 * bio_put() may put any bio into the reserve, where the next user relies on that size.
	 */
	bio = kmalloc(bio_bytes(max(max_vecs, BIO_RESERVE_VECS)), gfp | __GFP_NOWARN);
	if (!bio) {
		/*
		 * No memory: a caller that may sleep waits for a bio of the reserve, another one
		 * takes it if there is one. The bio may have room for fewer pieces than asked for.
		 */
		bio = gfp & __GFP_WAIT ? reserve_wait(&bio_reserve) : reserve_take(&bio_reserve);
		max_vecs = min(max_vecs, BIO_RESERVE_VECS);
	}
	return bio ? init_bio(bio, bdev, op, sector, max_vecs) : NULL;
}

bool bio_add_page(struct bio *bio, struct page *page, unsigned int offset, unsigned int len)
{
	VM_BUG_ON(bio->op == BIO_FLUSH); /* a flush transfers nothing */
	VM_BUG_ON(bio->nr_vecs > bio->max_vecs);
	VM_BUG_ON(!len || (offset | len) & (SECTOR_SIZE - 1) || offset + len > PAGE_SIZE);
	if (bio->nr_vecs == bio->max_vecs)
		return false;
	bio->vecs[bio->nr_vecs++] = (struct bio_vec){page, offset, len};
	return true;
}

/* A bio goes to the reserve first, so that the reserve is full again as soon as possible. */
void bio_put(struct bio *bio)
{
	if (!reserve_give(&bio_reserve, bio))
		kfree(bio);
}

/* Length of a bio in sectors of 512 bytes: the sum of its pieces. 0 for a flush. */
static u64 bio_sectors(const struct bio *bio)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < bio->nr_vecs; i++)
		bytes += bio->vecs[i].len;
	return bytes >> SECTOR_SHIFT;
}

/*
 * Tell the submitter that its bio has ended. error is 0 or a negative errno. The bio may be freed
 * by this call and must not be used afterwards.
 */
static void end_bio(struct bio *bio, int error)
{
	VM_BUG_ON(!bio->end_io || error > 0);
	bio->error = error;
	bio->end_io(bio);
}

/* ---- Bounce copies --------------------------------------------------------------------------- */

/* Does the bio have a page outside the direct map, which its device cannot reach? (HM-10) */
static bool needs_bounce(const struct bio *bio)
{
	if (!bio->bdev->high_memory)
		for (unsigned int i = 0; i < bio->nr_vecs; i++)
			if (PageHighMem(bio->vecs[i].page))
				return true;
	return false;
}

/*
 * Allocate a page of low memory for a bounce copy. If there is none and wait is set, sleep until
 * one returns to the reserve; else take one of the reserve, or return NULL. GFP_NOHIGHIO: the
 * allocation must not write pages of high memory out, as that would need bounce pages again.
 * (PA-35)
 */
static struct page *alloc_bounce_page(bool wait)
{
	struct page *page = alloc_page((wait ? GFP_NOHIGHIO : GFP_ATOMIC) | __GFP_NOWARN);
	void *kept;

	if (page)
		return page;
	kept = wait ? reserve_wait(&bounce_reserve) : reserve_take(&bounce_reserve);
	return kept ? virt_to_page(kept) : NULL;
}

/* A bounce page goes to the reserve first, where another bio may be waiting for it. */
static void free_bounce_page(struct page *page)
{
	VM_BUG_ON(PageHighMem(page));
	if (!reserve_give(&bounce_reserve, page_address(page)))
		__free_page(page);
}

/*
 * Copy the bytes of one piece to another of the same length. Called at interrupts, too, so both
 * pages are mapped with atomic mappings, which are released in the reverse order.
 */
static void copy_vec(const struct bio_vec *to, const struct bio_vec *from)
{
	char *dst = kmap_atomic(to->page), *src = kmap_atomic(from->page);

	VM_BUG_ON(to->len != from->len);
	memcpy(dst + to->offset, src + from->offset, from->len);
	kunmap_atomic(src);
	kunmap_atomic(dst);
}

/*
 * One bounce copy of a bio has ended, or the submitter has sent off all of them. The last of these
 * ends the bio itself, with the error that some copy has left in it.
 */
static void end_part(struct bio *bio)
{
	VM_BUG_ON(atomic_read(&bio->pending) < 1);
	if (atomic_dec_and_test(&bio->pending))
		bio->end_io(bio);
}

/* end_io of a bounce copy: copy what was read to the real pages, free the copy, end the bio. */
static void end_bounce(struct bio *bounce)
{
	struct bio *bio = bounce->private;

	VM_BUG_ON(bounce->op != bio->op);
	VM_BUG_ON(bounce->first_vec + bounce->nr_vecs > bio->nr_vecs);
	for (unsigned int i = 0; i < bounce->nr_vecs; i++) {
		if (bio->op == BIO_READ && !bounce->error)
			copy_vec(&bio->vecs[bounce->first_vec + i], &bounce->vecs[i]);
		free_bounce_page(bounce->vecs[i].page);
	}
	if (bounce->error)
		WRITE_ONCE(bio->error, bounce->error);
	bio_put(bounce);
	end_part(bio);
}

/*
 * Make a bio with copies of the pieces from first on, which lie on the device from sector on. Only
 * the bio and its first page are waited for. Waiting for a further page while holding one could
 * deadlock: two tasks that each hold half of the reserve would wait for the other half. So the
 * copy ends where memory ends, and queue_bounced() makes another one for the rest.
 */
static struct bio *make_bounce(struct bio *bio, unsigned int first, u64 sector)
{
	struct bio *bounce =
		bio_alloc(bio->bdev, bio->op, sector, bio->nr_vecs - first, GFP_NOHIGHIO);

	VM_BUG_ON(first >= bio->nr_vecs);
	bounce->private = bio;
	bounce->end_io = end_bounce;
	bounce->first_vec = first;
	for (unsigned int i = first; i < bio->nr_vecs; i++) {
		struct bio_vec vec = bio->vecs[i];

		if (bounce->nr_vecs == bounce->max_vecs ||
		    !(vec.page = alloc_bounce_page(i == first)))
			break;
		if (bio->op == BIO_WRITE)
			copy_vec(&vec, &bio->vecs[i]);
		bounce->vecs[bounce->nr_vecs++] = vec;
	}
	VM_BUG_ON(!bounce->nr_vecs); /* progress: at least the first piece was copied */
	return bounce;
}

static void queue_bio(struct block_device *bdev, struct bio *bio);

/*
 * Replace a bio by bounce copies. bio->pending has one count for each copy in flight and one for
 * this function, so the bio cannot end while further copies are still being made:
 *
 *	queue_bounced()			end_bounce()
 *	pending = 1
 *	pending = 2, queue copy A
 *					copy A ends: pending = 1, the bio goes on
 *	pending = 2, queue copy B
 *	end_part(): pending = 1
 *					copy B ends: pending = 0, the bio ends
 */
static void queue_bounced(struct block_device *bdev, struct bio *bio)
{
	u64 sector = bio->sector;

	bio->error = 0;
	/* The count of this function; end_part() drops it when all copies are queued. */
	atomic_set(&bio->pending, 1);
	for (unsigned int i = 0; i < bio->nr_vecs;) {
		struct bio *bounce = make_bounce(bio, i, sector);

		i += bounce->nr_vecs;
		sector += bio_sectors(bounce);
		atomic_inc(&bio->pending);
		queue_bio(bdev, bounce);
	}
	end_part(bio);
}

/* ---- The queue ------------------------------------------------------------------------------- */

/*
 * May the bio become a part of this waiting request, as far as the device is concerned? A flush
 * has no sectors, and a retried request stays alone so that its error concerns one bio only.
 */
static bool may_merge(const struct block_device *bdev, const struct blk_request *rq,
		      const struct bio *bio) MUST_HOLD(&bdev->queue_lock)
{
	lockdep_assert_held(&bdev->queue_lock);
	return rq->op == bio->op && bio->nr_vecs && !rq->retried &&
	       rq->nr_vecs + bio->nr_vecs <= bdev->max_vecs;
}

/* Count the pieces and sectors of a bio that has joined the request. */
static void grow_request(struct blk_request *rq, const struct bio *bio, u64 sectors)
{
	VM_BUG_ON(rq->op != bio->op || rq->nr_vecs + bio->nr_vecs > bio->bdev->max_vecs);
	rq->nr_vecs += bio->nr_vecs;
	rq->nr_sectors += sectors;
}

/*
 * The bio lies directly in front of the request and becomes its first. As a request is embedded in
 * its first bio, the request moves: the copy in the new bio takes the old one's place in the
 * queue.
 */
static void take_over_request(struct bio *bio, struct blk_request *rq, u64 sectors)
{
	struct blk_request *new = &bio->request;

	VM_BUG_ON(rq->op != bio->op || rq->retried);
	VM_BUG_ON(bio->sector + sectors != rq->sector);
	*new = (struct blk_request){.op = rq->op,
				    .sector = bio->sector,
				    .nr_sectors = rq->nr_sectors,
				    .nr_vecs = rq->nr_vecs};
	list_add(&new->list, &rq->list);
	list_del(&rq->list);
	INIT_LIST_HEAD(&new->bios);
	list_splice_init(&rq->bios, &new->bios);
	list_add(&bio->chain, &new->bios);
	grow_request(new, bio, sectors);
}

/*
 * Try to append the bio to a waiting request that ends where the bio begins, or to put it in front
 * of one that begins where it ends. The newest request is looked at first. False: no request fits.
 * Locks: queue_lock held.
 */
static bool merge_bio(struct block_device *bdev, struct bio *bio, u64 sectors)
	MUST_HOLD(&bdev->queue_lock)
{
	unsigned int scanned = 0;
	struct blk_request *rq;

	lockdep_assert_held(&bdev->queue_lock);
	VM_BUG_ON(bio->op == BIO_FLUSH);
	list_for_each_entry_reverse(rq, &bdev->queued, list) {
		if (rq->op == BIO_FLUSH || scanned++ == MERGE_SCAN)
			return false;
		if (may_merge(bdev, rq, bio) && rq->sector + rq->nr_sectors == bio->sector) {
			list_add_tail(&bio->chain, &rq->bios);
			grow_request(rq, bio, sectors);
			return true;
		}
		if (may_merge(bdev, rq, bio) && bio->sector + sectors == rq->sector) {
			take_over_request(bio, rq, sectors);
			return true;
		}
		/*
		 * The bio overlaps with this request, so it must not pass it: a read would miss
		 * what the request writes, and of two writes the older one would win.
		 */
		if (bio->sector < rq->sector + rq->nr_sectors && rq->sector < bio->sector + sectors)
			return false;
	}
	return false;
}

/* Make a request of this bio alone; it is not in a queue yet. */
static struct blk_request *init_request(struct bio *bio, u64 sectors)
{
	struct blk_request *rq = &bio->request;

	*rq = (struct blk_request){.op = bio->op,
				   .sector = bio->sector,
				   .nr_sectors = sectors,
				   .nr_vecs = bio->nr_vecs};
	INIT_LIST_HEAD(&rq->bios);
	list_add_tail(&bio->chain, &rq->bios);
	return rq;
}

/* Put a bio into the queue of its device: into a request that waits there, or as a new one. */
static void queue_bio(struct block_device *bdev, struct bio *bio)
{
	u64 sectors = bio_sectors(bio);
	unsigned long flags;

	VM_BUG_ON(bio->nr_vecs > bdev->max_vecs);
	VM_BUG_ON(!sectors != (bio->op == BIO_FLUSH));
	spin_lock_irqsave(&bdev->queue_lock, flags);
	bdev->nr_bios[bio->op]++;
	if (bio->op == BIO_FLUSH || !merge_bio(bdev, bio, sectors))
		list_add_tail(&init_request(bio, sectors)->list, &bdev->queued);
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
}

/*
 * May the driver have the first request of the queue now? A retried request gets the device for
 * itself. Some devices (QEMU's) join the requests that they are given at one time, and fail all of
 * them if one fails; the retry would then fail because of its neighbours. Nothing is lost by
 * refusing: the request in flight offers the queue again when it ends.
 */
static bool first_may_start(const struct block_device *bdev) MUST_HOLD(&bdev->queue_lock)
{
	const struct blk_request *rq = list_first_entry(&bdev->queued, struct blk_request, list);

	lockdep_assert_held(&bdev->queue_lock);
	VM_BUG_ON(list_empty(&bdev->queued));
	return !bdev->retrying && (!rq->retried || !bdev->nr_in_flight);
}

/*
 * Take the next request for the driver out of the queue. refused is the request that the driver
 * has just declined, or NULL; it returns to the head of the queue, where it came from, and the
 * counts of it are taken back. NULL: nothing can be submitted now, and this task has stopped
 * offering.
 */
static struct blk_request *next_request(struct block_device *bdev, struct blk_request *refused)
{
	struct blk_request *rq = NULL;
	unsigned long flags;

	spin_lock_irqsave(&bdev->queue_lock, flags);
	VM_BUG_ON(!bdev->offering); /* (Q3) */
	if (refused) {
		VM_BUG_ON(!bdev->nr_in_flight || !bdev->nr_requests[refused->op]); /* (Q2) */
		list_add(&refused->list, &bdev->queued);
		bdev->nr_in_flight--;
		bdev->nr_requests[refused->op]--;
		bdev->retrying = false;
	}
	/*
	 * After a refusal the device is full. It takes a request again when one of those in flight
	 * ends; that end calls offer_requests(). If the end came after the refusal but before we
	 * took the lock, it found "offering" set and left offer_again, so we must try once more:
	 *
	 *	offer_requests()			blk_end_request()
	 *	submit(): refused
	 *						nr_in_flight--
	 *						begin_offering(): offer_again = true
	 *	next_request(refused): offers it again
	 */
	if (!list_empty(&bdev->queued) && (!refused || bdev->offer_again) &&
	    first_may_start(bdev)) {
		rq = list_first_entry(&bdev->queued, struct blk_request, list);
		list_del(&rq->list);
		bdev->retrying = rq->retried;
		VM_BUG_ON(rq->retried && bdev->nr_in_flight); /* (Q4) */
		rq->start_ns = port_clock_ns();
		bdev->nr_in_flight++;
		bdev->nr_requests[rq->op]++;
	}
	bdev->offer_again = false;
	if (!rq)
		bdev->offering = false;
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
	return rq;
}

/*
 * Become the one task that hands requests of this device to its driver. False: another task is
 * doing that already. It is told by offer_again to look at the queue once more before it stops, so
 * a request that we have just queued is not forgotten.
 */
static bool begin_offering(struct block_device *bdev)
{
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&bdev->queue_lock, flags);
	ours = !bdev->offering;
	bdev->offering = true;
	bdev->offer_again = !ours;
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
	return ours;
}

/*
 * Hand waiting requests to the driver until it refuses one or the queue is empty. ops->submit is
 * called without queue_lock, so a driver may complete a request inside of it and so call this
 * function again; that inner call returns at once, as "offering" is set, and the loop here goes
 * on.
 */
static void offer_requests(struct block_device *bdev)
{
	struct blk_request *rq = NULL, *refused = NULL;

	if (!begin_offering(bdev))
		return;
	while ((rq = next_request(bdev, refused)))
		refused = bdev->ops->submit(bdev, rq) ? NULL : rq;
}

void run_disk_queue(void)
{
	struct block_device *bdev = NULL;

	while ((bdev = next_block_device(bdev)))
		offer_requests(bdev);
}

/* ---- In -------------------------------------------------------------------------------------- */

/*
 * Does the bio lie on its device, and may it write there? The subtraction avoids an overflow that
 * the sum of sector and length could have.
 */
static bool fits_device(const struct bio *bio)
{
	const struct block_device *bdev = bio->bdev;
	u64 sectors = bio_sectors(bio);

	if (bio->op == BIO_FLUSH)
		return true;
	if (bio->op == BIO_WRITE && bdev->read_only)
		return false;
	return sectors && bio->sector < bdev->nr_sectors &&
	       sectors <= bdev->nr_sectors - bio->sector;
}

void submit_bio(struct bio *bio)
{
	struct block_device *bdev = bio->bdev;

	VM_BUG_ON(!bio->end_io || bio->nr_vecs > bio->max_vecs);
	if (!fits_device(bio)) {
		end_bio(bio, -EIO);
		return;
	}
	if (bio->op == BIO_READ)
		count_task_read((u64)bio_sectors(bio) << SECTOR_SHIFT);
	if (needs_bounce(bio))
		queue_bounced(bdev, bio);
	else
		queue_bio(bdev, bio);
	/*
	 * A task that has plugged leaves the bio in the queue, so that its next bios can be merged
	 * with it; blk_finish_plug() or a wait starts them.
	 */
	if (!current_vm->plugged)
		offer_requests(bdev);
}

static wait_queue_head_t bio_wait = WAIT_QUEUE_HEAD_INIT(bio_wait);

/*
 * end_io of submit_bio_wait(). As soon as done is set, the waiter may return and its stack frame,
 * where done lies, may be reused. Therefore done is not read again: only its address serves as the
 * key of the wake-up. The release pairs with the acquire of the waiter, which then sees
 * bio->error.
 */
static void wake_bio_waiter(struct bio *bio)
{
	int *done = bio->private;

	smp_store_release(done, 1);
	wake_up_key(&bio_wait, done);
}

int submit_bio_wait(struct bio *bio)
{
	struct wait_queue_entry entry;
	int done = 0;

	might_sleep();
	bio->private = &done;
	bio->end_io = wake_bio_waiter;
	submit_bio(bio);
	run_disk_queue();
	prepare_to_wait(&bio_wait, &entry, &done);
	while (!smp_load_acquire(&done))
		port_park(UINT64_MAX);
	finish_wait(&bio_wait, &entry);
	return bio->error;
}

void blk_start_plug(void)
{
	current_vm->plugged++;
}

/* Only the end of the outermost plug starts the requests; inner ones just count down. */
void blk_finish_plug(void)
{
	BUG_ON(!current_vm->plugged);
	if (!--current_vm->plugged)
		run_disk_queue();
}

/* ---- Out ------------------------------------------------------------------------------------- */

/*
 * Replace a failed request of several bios by one request for each bio, at the head of the queue
 * in the same order, to be tried again alone. Locks: queue_lock held.
 */
static void take_apart(struct block_device *bdev, struct blk_request *rq)
	MUST_HOLD(&bdev->queue_lock)
{
	LIST_HEAD(bios);

	lockdep_assert_held(&bdev->queue_lock);
	VM_BUG_ON(rq->retried || list_empty(&rq->bios));
	/*
	 * The bios must leave rq first: init_request() of the first bio overwrites rq, which is
	 * embedded in it.
	 */
	list_splice_init(&rq->bios, &bios);
	while (!list_empty(&bios)) {
		/* Each request is put at the head, so start with the last bio to keep the order. */
		struct bio *bio = list_last_entry(&bios, struct bio, chain);

		list_del(&bio->chain);
		rq = init_request(bio, bio_sectors(bio));
		rq->retried = true;
		list_add(&rq->list, &bdev->queued);
	}
}

/* Does the request have more than one bio? */
static bool has_neighbours(const struct blk_request *rq)
{
	return rq->bios.next != rq->bios.prev;
}

void blk_end_request(struct block_device *bdev, struct blk_request *rq, int error)
{
	LIST_HEAD(bios);
	struct bio *bio, *next;
	unsigned long flags;

	spin_lock_irqsave(&bdev->queue_lock, flags);
	VM_BUG_ON(!bdev->nr_in_flight || list_empty(&rq->bios));	   /* (Q1), (Q2) */
	VM_BUG_ON(rq->retried && (!bdev->retrying || has_neighbours(rq))); /* (Q4) */
	bdev->nr_in_flight--;
	bdev->retrying &= !rq->retried;
	bdev->ns_spent[rq->op] += port_clock_ns() - rq->start_ns;
	if (!error)
		bdev->sectors_done[rq->op] += rq->nr_sectors;
	/*
	 * One bad sector must not fail the other bios of the request: try each alone. If the
	 * request has one bio, the error is that bio's. A retried request always ends here.
	 */
	if (error && has_neighbours(rq))
		take_apart(bdev, rq);
	else
		/* Unlink the bios: rq is embedded in the first one, which its end_io may free. */
		list_splice_init(&rq->bios, &bios);
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
	list_for_each_entry_safe(bio, next, &bios, chain)
		end_bio(bio, error);
	offer_requests(bdev);
}
