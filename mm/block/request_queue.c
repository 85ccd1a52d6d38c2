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
 * A queue holds requests that the driver has not taken, in order of arrival:
 *
 *	queued -> request { W 100..107 } -> request { R 40..47 } -> request { W 200..239 }
 *		    bio bio					      bio bio bio
 *
 * A request is a part of its first bio, so nothing is allocated here and queueing cannot
 * fail. Merging looks at the last MERGE_SCAN requests and never past a flush, which must
 * see all writes before it done.
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
 * Progress: writing a page out may be the only way to get memory, so bios and bounce pages
 * have reserves. Who may wait is never refused: it waits until one of the reserve's comes
 * back, which it does as the device ends what it has.
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

/* Waiting requests that a new bio is compared with. */
#define MERGE_SCAN 16
/* Enough that two tasks get on, each with a bio and its bounce copy, while others wait. */
#define BIO_RESERVE	 8u
#define BIO_RESERVE_VECS 8u
#define BOUNCE_RESERVE	 (BIO_RESERVE * BIO_RESERVE_VECS)

static LIST_HEAD(devices);
static spinlock_t devices_lock = SPIN_LOCK_INIT(RANK_LEAF);

/* ---- Reserves ------------------------------------------------------------------------------ */

/* Things kept for bad times, linked through their first words. */
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
	thing = r->first;
	if (thing) {
		r->first = *(void **)thing;
		r->nr--;
	}
	spin_unlock_irqrestore(&r->lock, flags);
	return thing;
}

/* False: it is full, the thing is the caller's to free. */
static bool reserve_give(struct reserve *r, void *thing)
{
	unsigned long flags;
	bool fits;

	spin_lock_irqsave(&r->lock, flags);
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

static void *reserve_wait(struct reserve *r)
{
	void *thing;

	might_sleep();
	run_disk_queue(); /* what we wait for may be waiting for us to unplug */
	wait_event(&r->wait, (thing = reserve_take(r)) != NULL);
	return thing;
}

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

/* With the first device, when memory is plenty. */
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

/* With the first device that cannot reach high memory, where there is any. */
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

int claim_block_device(struct block_device *bdev, void *holder)
{
	void *nobody = NULL;

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

static struct bio *init_bio(struct bio *bio, struct block_device *bdev, enum bio_op op, u64 sector,
			    unsigned int max_vecs)
{
	*bio = (struct bio){.bdev = bdev, .op = op, .sector = sector, .max_vecs = max_vecs};
	return bio;
}

struct bio *bio_alloc(struct block_device *bdev, enum bio_op op, u64 sector, unsigned int max_vecs,
		      gfp_t gfp)
{
	struct bio *bio;

	max_vecs = min(max_vecs, bdev->max_vecs);
	bio = kmalloc(bio_bytes(max(max_vecs, BIO_RESERVE_VECS)), gfp | __GFP_NOWARN);
	if (!bio) {
		bio = gfp & __GFP_WAIT ? reserve_wait(&bio_reserve) : reserve_take(&bio_reserve);
		max_vecs = min(max_vecs, BIO_RESERVE_VECS);
	}
	return bio ? init_bio(bio, bdev, op, sector, max_vecs) : NULL;
}

bool bio_add_page(struct bio *bio, struct page *page, unsigned int offset, unsigned int len)
{
	VM_BUG_ON(!len || (offset | len) & (SECTOR_SIZE - 1) || offset + len > PAGE_SIZE);
	if (bio->nr_vecs == bio->max_vecs)
		return false;
	bio->vecs[bio->nr_vecs++] = (struct bio_vec){page, offset, len};
	return true;
}

void bio_put(struct bio *bio)
{
	if (!reserve_give(&bio_reserve, bio))
		kfree(bio);
}

static u64 bio_sectors(const struct bio *bio)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < bio->nr_vecs; i++)
		bytes += bio->vecs[i].len;
	return bytes >> SECTOR_SHIFT;
}

static void end_bio(struct bio *bio, int error)
{
	bio->error = error;
	bio->end_io(bio);
}

/* ---- Bounce copies --------------------------------------------------------------------------- */

static bool needs_bounce(const struct bio *bio)
{
	if (!bio->bdev->high_memory)
		for (unsigned int i = 0; i < bio->nr_vecs; i++)
			if (PageHighMem(bio->vecs[i].page))
				return true;
	return false;
}

/* A page of low memory; waits for one of the reserve if there is none. (GFP_NOHIGHIO, PA-35) */
static struct page *alloc_bounce_page(bool wait)
{
	struct page *page = alloc_page((wait ? GFP_NOHIGHIO : GFP_ATOMIC) | __GFP_NOWARN);
	void *kept;

	if (page)
		return page;
	kept = wait ? reserve_wait(&bounce_reserve) : reserve_take(&bounce_reserve);
	return kept ? virt_to_page(kept) : NULL;
}

static void free_bounce_page(struct page *page)
{
	if (!reserve_give(&bounce_reserve, page_address(page)))
		__free_page(page);
}

static void copy_vec(const struct bio_vec *to, const struct bio_vec *from)
{
	char *dst = kmap_atomic(to->page), *src = kmap_atomic(from->page);

	memcpy(dst + to->offset, src + from->offset, from->len);
	kunmap_atomic(src);
	kunmap_atomic(dst);
}

static void end_part(struct bio *bio)
{
	if (atomic_dec_and_test(&bio->pending))
		bio->end_io(bio);
}

static void end_bounce(struct bio *bounce)
{
	struct bio *bio = bounce->private;

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
 * Copies of the pieces from first on, as many as memory is there for without waiting once
 * one is held: what is held must always be on its way to the device and back.
 */
static struct bio *make_bounce(struct bio *bio, unsigned int first, u64 sector)
{
	struct bio *bounce =
		bio_alloc(bio->bdev, bio->op, sector, bio->nr_vecs - first, GFP_NOHIGHIO);

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
	return bounce;
}

static void queue_bio(struct block_device *bdev, struct bio *bio);

static void queue_bounced(struct block_device *bdev, struct bio *bio)
{
	u64 sector = bio->sector;

	bio->error = 0;
	atomic_set(&bio->pending, 1); /* ours, until all parts are under way */
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

static bool may_merge(const struct block_device *bdev, const struct blk_request *rq,
		      const struct bio *bio)
{
	return rq->op == bio->op && bio->nr_vecs && !rq->retried &&
	       rq->nr_vecs + bio->nr_vecs <= bdev->max_vecs;
}

static void grow_request(struct blk_request *rq, const struct bio *bio, u64 sectors)
{
	rq->nr_vecs += bio->nr_vecs;
	rq->nr_sectors += sectors;
}

/* The bio becomes the first of rq: the request moves into it. */
static void take_over_request(struct bio *bio, struct blk_request *rq, u64 sectors)
{
	struct blk_request *new = &bio->request;

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

/* Into a waiting request that ends or begins where the bio does. Locks: queue_lock held. */
static bool merge_bio(struct block_device *bdev, struct bio *bio, u64 sectors)
{
	unsigned int scanned = 0;
	struct blk_request *rq;

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
		/* Nothing overtakes what it overlaps with. */
		if (bio->sector < rq->sector + rq->nr_sectors && rq->sector < bio->sector + sectors)
			return false;
	}
	return false;
}

/* A request of this bio alone, on no list. */
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

static void queue_bio(struct block_device *bdev, struct bio *bio)
{
	u64 sectors = bio_sectors(bio);
	unsigned long flags;

	spin_lock_irqsave(&bdev->queue_lock, flags);
	bdev->nr_bios[bio->op]++;
	if (bio->op == BIO_FLUSH || !merge_bio(bdev, bio, sectors))
		list_add_tail(&init_request(bio, sectors)->list, &bdev->queued);
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
}

/*
 * A request that is tried again has the device for itself: some (QEMU's) join what they are given
 * at a time, and fail all of it. Who is under way offers the rest when it ends.
 */
static bool first_may_start(const struct block_device *bdev)
{
	const struct blk_request *rq = list_first_entry(&bdev->queued, struct blk_request, list);

	return !bdev->retrying && (!rq->retried || !bdev->nr_in_flight);
}

/* The next request for the driver, or NULL; after a refusal the one that was refused. */
static struct blk_request *next_request(struct block_device *bdev, struct blk_request *refused)
{
	struct blk_request *rq = NULL;
	unsigned long flags;

	spin_lock_irqsave(&bdev->queue_lock, flags);
	if (refused) {
		list_add(&refused->list, &bdev->queued);
		bdev->nr_in_flight--;
		bdev->nr_requests[refused->op]--;
		bdev->retrying = false;
	}
	/* Refused: what has ended meanwhile asked us to look again, else its end will. */
	if (!list_empty(&bdev->queued) && (!refused || bdev->offer_again) &&
	    first_may_start(bdev)) {
		rq = list_first_entry(&bdev->queued, struct blk_request, list);
		list_del(&rq->list);
		bdev->retrying = rq->retried;
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

/* False: somebody else is at it, who will look again. */
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
	if (!current_vm->plugged)
		offer_requests(bdev);
}

static wait_queue_head_t bio_wait = WAIT_QUEUE_HEAD_INIT(bio_wait);

/*
 * Once done is set the waiter may return, and end: after that only its address is used, as a key.
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

void blk_finish_plug(void)
{
	BUG_ON(!current_vm->plugged);
	if (!--current_vm->plugged)
		run_disk_queue();
}

/* ---- Out ------------------------------------------------------------------------------------- */

/* Each bio of a failed request once more, alone. Locks: queue_lock held. */
static void take_apart(struct block_device *bdev, struct blk_request *rq)
{
	LIST_HEAD(bios);

	list_splice_init(&rq->bios, &bios); /* the request's memory becomes that of one of them */
	while (!list_empty(&bios)) {
		struct bio *bio = list_last_entry(&bios, struct bio, chain);

		list_del(&bio->chain);
		rq = init_request(bio, bio_sectors(bio));
		rq->retried = true;
		list_add(&rq->list, &bdev->queued);
	}
}

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
	bdev->nr_in_flight--;
	bdev->retrying &= !rq->retried;
	bdev->ns_spent[rq->op] += port_clock_ns() - rq->start_ns;
	if (!error)
		bdev->sectors_done[rq->op] += rq->nr_sectors;
	if (error && has_neighbours(rq))
		take_apart(bdev, rq);
	else
		list_splice_init(&rq->bios, &bios); /* the request goes with its first bio */
	spin_unlock_irqrestore(&bdev->queue_lock, flags);
	list_for_each_entry_safe(bio, next, &bios, chain)
		end_bio(bio, error);
	offer_requests(bdev);
}
