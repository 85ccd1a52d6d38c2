/* SPDX-License-Identifier: MIT */
/*
 * vmscan.c: when memory is reclaimed, and how hard (thesis chapter 11).
 *
 *	free pages
 *	  pages_high	kswapd sleeps
 *	  pages_low	the allocator sets need_balance and wakes the node's kswapd
 *	  pages_min	who allocates reclaims himself (try_to_free_pages)
 *	  0		those who free memory get there: PF_MEMALLOC
 *
 *	try_to_free_pages_zone	32 pages wanted, priority 6 .. 1
 *	  shrink_caches		one pass:
 *	    reap_slabs		  slabs without objects; enough?
 *	    refill_inactive	  active -> inactive
 *	    shrink_cache	  inactive -> free
 *	    shrinkers		  dentries, inodes, ..., in proportion to what was scanned (FX-09)
 *
 * A pass writes at most 32 pages (RC-11); when one freed too little the caller waits for a page
 * that it wrote, and then for the pages found locked by writing, so it goes at the disk's pace.
 *
 * A page should live as long in one zone as in another, whatever their sizes: by default the zone
 * of a class is shrunk whose pages were replaced least often (turnover), and a class is balanced
 * when its zones together have their pages_high. Else a small zone would be turned over all the
 * time while pages of a large one, needed or not, stay: that is what balancing zone by zone
 * (reclaim=classic) does.
 *
 * Reclaim allocates from the reserves, so it never waits for itself: pages_min are kept for
 * PF_MEMALLOC alone (FX-24), a quarter of them from atomic requests, too.
 *
 * kswapd sleeps on kswapd_wait; need_balance is set before it is woken and looked at after it
 * has queued itself, so that no wake-up is lost (RC-05). If it cannot free anything it clears
 * need_balance and lets some time pass: those who allocate then meet pages_min and decide.
 *
 * Locking: none of its own but shrinkers_lock. Runs with any locks held that sleep and are
 * not taken by reclaim: page locks and i_mmap_rwsem are only tried.
 * Failure: nothing freed; the allocator then asks the OOM killer.
 * Observability: events kswapd_wake, allocstall, pgscan, pgsteal; reclaim_progress().
 */
#include "reclaim_policy.h"
#include <pagoda/init.h>
#include <mm/physical/page_alloc_internal.h>
#include <pagoda/blkdev.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmstat.h>

/* How long kswapd leaves a node alone that it could not help. */
#define KSWAPD_PAUSE_NS 100000000ull
/*
 * Give up after so many calls of kmem_cache_reap() in a row that free nothing: at ten caches a
 * call, all twice.
 */
#define REAPS_IN_VAIN 16
/* A zone whose pages were all looked at that often, in vain, is not worth a look by kswapd. */
#define HOPELESS_SCANS 6

static const struct reclaim_policy *const policies[] = {&default_policy, &classic_policy};
const struct reclaim_policy *reclaim_policy = &default_policy;

void (*run_reclaim_io)(void);

static atomic_long_t progress;

void note_reclaim_progress(unsigned long nr)
{
	atomic_long_add(&progress, (long)nr);
}

unsigned long reclaim_progress(void)
{
	return (unsigned long)atomic_long_read(&progress);
}

/* ---- Shrinkers --------------------------------------------------------------------------- */

static LIST_HEAD(shrinkers);	    /* (shrinkers_lock) */
static struct mutex shrinkers_lock; /* only tried by reclaim */

void register_shrinker(struct shrinker *shrinker)
{
	mutex_lock(&shrinkers_lock);
	list_add_tail(&shrinker->list, &shrinkers);
	mutex_unlock(&shrinkers_lock);
}

void unregister_shrinker(struct shrinker *shrinker)
{
	mutex_lock(&shrinkers_lock);
	list_del(&shrinker->list);
	mutex_unlock(&shrinkers_lock);
}

/* As large a part of each cache as of the LRU lists was looked at, and a bit. */
static void shrink_slab(const struct scan_control *sc, unsigned long scanned, unsigned long lru)
{
	struct shrinker *shrinker;

	if (!mutex_trylock(&shrinkers_lock))
		return;
	list_for_each_entry(shrinker, &shrinkers, list) {
		unsigned long count = shrinker->count();
		unsigned long nr =
			lru ? count * min(scanned, lru) / lru : count / (unsigned long)sc->priority;

		if (count)
			count_vm_events(VM_EVENT_slabs_scanned,
					shrinker->scan(max(nr, 1ul), sc->gfp_mask));
	}
	mutex_unlock(&shrinkers_lock);
}

unsigned long drop_shrinkable(void)
{
	struct shrinker *shrinker;
	unsigned long seen = 0;

	mutex_lock(&shrinkers_lock);
	list_for_each_entry(shrinker, &shrinkers, list)
		seen += shrinker->scan(shrinker->count(), GFP_KERNEL);
	mutex_unlock(&shrinkers_lock);
	return seen;
}

unsigned long all_lru_pages(const zone_t *zone)
{
	unsigned long nr = 0;

	for (int i = 0; i < NR_LRU_LISTS; i++)
		nr += zone_lru_pages(zone, (enum lru_list)i);
	return nr;
}

/* ---- One pass (RC-10) ------------------------------------------------------------------------ */

static unsigned long nr_to_refill(const struct scan_control *sc, unsigned long active,
				  unsigned long inactive)
{
	unsigned long nr =
		reclaim_policy->refill_count((unsigned long)sc->nr_pages, active, inactive);

	return reclaim_policy->refill_limit
		       ? min(nr, reclaim_policy->refill_limit(active, inactive))
		       : nr;
}

static void shrink_zone(struct scan_control *sc, zone_t *zone)
{
	int kind;

	for_each_lru_kind(kind) {
		unsigned long inactive = zone_lru_pages(zone, (enum lru_list)kind);
		unsigned long active = zone_lru_pages(zone, (enum lru_list)(kind + 1));

		if (sc->nr_pages <= 0)
			break;
		if (reclaim_policy->scan_limit(sc, zone, (enum lru_kind)kind) == SCAN_NOTHING)
			continue;
		refill_inactive(zone, (enum lru_kind)kind, nr_to_refill(sc, active, inactive));
		shrink_cache(
			sc, zone, (enum lru_kind)kind,
			(unsigned long)reclaim_policy->scan_limit(sc, zone, (enum lru_kind)kind));
	}
}

/* The zones that may serve a request for the class zone, its own node first; NULL: no more. */
static zone_t *next_class_zone(const struct scan_control *sc, zone_t *zone)
{
	pg_data_t *home = sc->classzone->zone_pgdat, *pgdat;
	long highest = sc->classzone - home->node_zones;

	if (!zone)
		return sc->classzone;
	if (sc->one_zone)
		return NULL;
	pgdat = zone->zone_pgdat;
	while (zone > pgdat->node_zones)
		if ((--zone)->size)
			return zone;
	for (;;) {
		pgdat = pgdat->node_next ? pgdat->node_next : pgdat_list;
		if (pgdat == home)
			return NULL;
		for (long i = highest; i >= 0; i--)
			if (pgdat->node_zones[i].size)
				return &pgdat->node_zones[i];
	}
}

static unsigned long turnover(const zone_t *zone)
{
	return READ_ONCE(zone->lruvec.turnover);
}

/*
 * The zone to take pages from for the class zone: of those of its node that can serve it, the one
 * with the least turnover. A zone that nobody needed for long does not pay for more than one.
 */
static zone_t *zone_to_shrink(zone_t *classzone)
{
	unsigned long most = turnover(classzone);
	zone_t *best = classzone;

	if (reclaim_policy->one_pair)
		return classzone;
	for (zone_t *zone = classzone; zone-- > classzone->zone_pgdat->node_zones;) {
		if (!all_lru_pages(zone))
			continue;
		most = max(most, turnover(zone));
		if (turnover(zone) < turnover(best))
			best = zone;
	}
	if (most - turnover(best) > TURNOVER_UNIT)
		WRITE_ONCE(best->lruvec.turnover, most - TURNOVER_UNIT);
	return best;
}

static void wait_for_written_page(struct scan_control *sc)
{
	if (!sc->written)
		return;
	if (run_reclaim_io)
		run_reclaim_io();
	if (sc->nr_pages > 0)
		wait_on_page(sc->written);
	put_page(sc->written);
	sc->written = NULL;
}

/*
 * Freeing slabs without an object in use costs no process anything, so they are taken before any
 * page of a process or file. One call of kmem_cache_reap() looks at some caches and frees half of
 * the unused slabs of one.
 */
static void reap_slabs(struct scan_control *sc)
{
	unsigned long reaped = vmalloc_purge();

	for (int in_vain = 0; sc->nr_pages > (long)reaped && in_vain < REAPS_IN_VAIN;) {
		unsigned long got = (unsigned long)kmem_cache_reap(sc->gfp_mask);

		in_vain = got ? 0 : in_vain + 1;
		reaped += got;
	}
	sc->nr_reclaimed += reaped;
	sc->nr_pages -= (long)reaped;
}

static void shrink_caches(struct scan_control *sc)
{
	unsigned long before = sc->nr_scanned, lru = 0;
	zone_t *first;

	sc->writes_left = SWAP_CLUSTER_MAX;
	reap_slabs(sc);
	first = sc->one_zone ? sc->classzone : zone_to_shrink(sc->classzone);
	lru += all_lru_pages(first);
	shrink_zone(sc, first);
	for (zone_t *zone = NULL; sc->nr_pages > 0 && (zone = next_class_zone(sc, zone));)
		if (zone != first) {
			lru += all_lru_pages(zone);
			shrink_zone(sc, zone);
		}
	if (sc->nr_pages > 0)
		shrink_slab(sc, sc->nr_scanned - before, lru);
	wait_for_written_page(sc);
}

void try_to_free_pages_zone(struct scan_control *sc)
{
	lru_add_drain();
	sc->nr_pages = SWAP_CLUSTER_MAX;
	for (sc->priority = DEF_PRIORITY; sc->priority >= 1 && sc->nr_pages > 0; sc->priority--)
		shrink_caches(sc);
	sc->priority = max(sc->priority, 1);
}

/* ---- kswapd ---------------------------------------------------------------------------------- */

static bool zone_needs_balance(const zone_t *zone)
{
	return zone->size && READ_ONCE(zone->need_balance);
}

bool kswapd_can_sleep_pgdat(const pg_data_t *pgdat)
{
	for (int i = 0; i < MAX_NR_ZONES; i++)
		if (zone_needs_balance(&pgdat->node_zones[i]))
			return false;
	return true;
}

bool kswapd_can_sleep(void)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		if (!kswapd_can_sleep_pgdat(pgdat))
			return false;
	return true;
}

static void set_balanced(zone_t *zone)
{
	WRITE_ONCE(zone->need_balance, 0);
}

/* Still below pages_high? Zones that can serve the same requests are looked at together. */
static bool check_classzone_need_balance(const zone_t *zone)
{
	unsigned long free = zone_free_pages(zone), high = zone->pages_high;

	for (const zone_t *z = zone;
	     !reclaim_policy->one_pair && z-- > zone->zone_pgdat->node_zones;) {
		free += zone_free_pages(z);
		high += z->pages_high;
	}
	return free < high;
}

static bool is_hopeless(const zone_t *zone)
{
	return READ_ONCE(zone->lruvec.pages_scanned) > HOPELESS_SCANS * all_lru_pages(zone);
}

/* One round for a zone. False: there is nothing to be had. */
static bool balance_zone(zone_t *zone)
{
	zone_t *victim = zone_to_shrink(zone);
	struct scan_control sc = {.gfp_mask = GFP_KSWAPD, .classzone = victim, .one_zone = true};

	if (!check_classzone_need_balance(zone)) {
		set_balanced(zone);
		return true;
	}
	try_to_free_pages_zone(&sc);
	if (!sc.nr_reclaimed && victim != zone) {
		sc.classzone = zone;
		try_to_free_pages_zone(&sc);
	}
	if (!sc.nr_scanned && !sc.nr_reclaimed) /* nothing to look at is no better than in vain */
		rmw_add_relaxed(&zone->lruvec.pages_scanned, all_lru_pages(zone) + 1);
	drain_local_pages(); /* what was freed counts in the zone */
	if (check_classzone_need_balance(zone))
		return sc.nr_reclaimed || !is_hopeless(zone);
	set_balanced(zone);
	return true;
}

void kswapd_balance_pgdat(pg_data_t *pgdat)
{
	while (!kswapd_can_sleep_pgdat(pgdat)) {
		bool hope = false;
		zone_t *zone;

		for_each_zone(zone, pgdat)
			if (zone_needs_balance(zone))
				hope |= balance_zone(zone);
		if (!hope)
			break;
		port_cond_resched();
	}
}

/* What is still unbalanced cannot be helped now. */
static void give_up(pg_data_t *pgdat)
{
	u64 until = port_clock_ns() + KSWAPD_PAUSE_NS;
	zone_t *zone;

	if (kswapd_can_sleep_pgdat(pgdat))
		return;
	while (port_clock_ns() < until)
		port_park(until);
	for_each_zone(zone, pgdat)
		set_balanced(zone);
}

static void kswapd(void *arg)
{
	pg_data_t *pgdat = arg;

	rmw_or_relaxed(&current_vm->flags, PF_MEMALLOC | PF_KTHREAD);
	for (;;) {
		wait_event(&pgdat->kswapd_wait, !kswapd_can_sleep_pgdat(pgdat));
		kswapd_balance_pgdat(pgdat);
		if (run_reclaim_io)
			run_reclaim_io(); /* the documents' tq_disk (RC-04) */
		give_up(pgdat);
	}
}

static void wakeup_kswapd(zone_t *zone)
{
	wake_up(&zone->zone_pgdat->kswapd_wait);
}

/* ---- Direct reclaim -------------------------------------------------------------------------- */

static unsigned long try_to_free_pages(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	struct scan_control sc = {.gfp_mask = gfp_mask, .classzone = zone};

	(void)order;
	try_to_free_pages_zone(&sc);
	return sc.nr_reclaimed;
}

static const struct reclaim_ops vmscan_ops = {
	.wakeup_kswapd = wakeup_kswapd,
	.try_to_free_pages = try_to_free_pages,
	.out_of_memory = out_of_memory,
};

/* ---- Boot ------------------------------------------------------------------------------------ */

void reclaim_policy_choose(void)
{
	const char *value;

	mutex_init(&shrinkers_lock, RANK_NONE);
	if (boot_option("reclaim", &value))
		for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
			size_t n = strlen(policies[i]->name);

			if (strncmp(value, policies[i]->name, n) == 0 &&
			    (!value[n] || value[n] == ' '))
				reclaim_policy = policies[i];
		}
	lru_kind_flag = reclaim_policy->one_pair ? 0 : 1ul << PG_swapbacked;
}

void kswapd_init(void)
{
	pg_data_t *pgdat;

	if (reclaim_policy->init)
		reclaim_policy->init();
	oom_init();
	run_reclaim_io = run_disk_queue;
	reclaim_ops = &vmscan_ops;
	for_each_pgdat(pgdat) {
		char name[] = "kswapd0";

		name[6] = (char)('0' + pgdat->node_id);
		pgdat->kswapd = port_thread_create(name, kswapd, pgdat);
		if (!pgdat->kswapd)
			panic("no memory for %s", name);
	}
	pr_info("reclaim: policy %s\n", reclaim_policy->name);
}
