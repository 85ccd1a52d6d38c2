/* SPDX-License-Identifier: MIT */
/*
 * vmscan.c: when memory is reclaimed, and how hard (thesis chapter 11).
 *
 *	free pages
 *	  pages_high	kswapd sleeps
 *	  pages_low	the allocator sets need_balance and wakes the node's kswapd
 *	  pages_min	the allocating task reclaims itself (try_to_free_pages)
 *	  0		only tasks that free memory get there: PF_MEMALLOC
 *
 *	try_to_free_pages_zone	32 pages wanted, priority 6 .. 1
 *	  shrink_caches		one pass:
 *	    reap_slabs		  slabs without objects; often enough by themselves
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
 * kswapd sleeps on kswapd_wait; need_balance is set before it is woken and looked at after it has
 * queued itself, so that no wake-up is lost (RC-05). If it cannot free anything, it waits for
 * KSWAPD_PAUSE_NS and then clears need_balance: tasks that allocate then meet pages_min and reclaim
 * themselves, or call the OOM killer.
 *
 *	allocator			kswapd
 *	need_balance = 1		queue itself on kswapd_wait
 *	wake_up(kswapd_wait)		need_balance set? then do not sleep
 *
 * Locking: none of its own but shrinkers_lock. Reclaim runs inside an allocation, so its caller may
 * hold any sleeping lock. It therefore only tries page locks, i_mmap_rwsem and shrinkers_lock:
 * waiting for one that the caller itself holds would be a deadlock.
 * Invariants: (V1) 1 <= priority <= DEF_PRIORITY while caches are shrunk; (V2) sc->written is NULL
 * between passes, so no page keeps a reference of reclaim's.
 * Failure: nothing freed; the allocator then asks the OOM killer.
 * Observability: events kswapd_wake, allocstall, pgscan, pgsteal; reclaim_progress().
 */
#include "reclaim_internal.h"
#include <pagoda/oom.h>
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
	VM_BUG_ON(!shrinker->count); /* a cache that is always empty needs no scan */
	mutex_lock(&shrinkers_lock);
	list_add_tail(&shrinker->list, &shrinkers);
	mutex_unlock(&shrinkers_lock);
}

void unregister_shrinker(struct shrinker *shrinker)
{
	might_sleep(); /* a scan that is under way is waited for */
	mutex_lock(&shrinkers_lock);
	list_del(&shrinker->list);
	mutex_unlock(&shrinkers_lock);
}

/*
 * Scan each cache by the fraction of the LRU lists that was scanned in this pass, but at least one
 * object. lru is the number of pages on those lists. If they are empty, the priority says how much
 * of each cache is scanned. The lock is only tried: if another task is shrinking the caches, or
 * our caller is registering one, there is nothing to gain from waiting.
 */
static void shrink_slab(const struct scan_control *sc, unsigned long scanned, unsigned long lru)
{
	struct shrinker *shrinker;

	VM_BUG_ON(sc->priority < 1 || sc->priority > DEF_PRIORITY); /* (V1): a divisor */
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

/* Pages to move from the active to the inactive list: what the policy wants, within its limit. */
static unsigned long nr_to_refill(const struct scan_control *sc, unsigned long active,
				  unsigned long inactive)
{
	unsigned long nr =
		reclaim_policy->refill_count((unsigned long)sc->nr_pages, active, inactive);

	return reclaim_policy->refill_limit
		       ? min(nr, reclaim_policy->refill_limit(active, inactive))
		       : nr;
}

/*
 * Reclaim from both kinds of pages of a zone, until enough is free. The inactive list is refilled
 * first, so that it does not run dry while the active list holds pages that are not used.
 */
static void shrink_zone(struct scan_control *sc, zone_t *zone)
{
	int kind;

	VM_BUG_ON(sc->one_zone && zone != sc->classzone);
	VM_BUG_ON(sc->priority < 1 || sc->priority > DEF_PRIORITY); /* (V1) */
	for_each_lru_kind(kind) {
		unsigned long inactive = zone_lru_pages(zone, (enum lru_list)kind);
		unsigned long active = zone_lru_pages(zone, (enum lru_list)(kind + 1));

		if (sc->nr_pages <= 0)
			break;
		/*
		 * The policy leaves this kind alone, e.g. anonymous pages without swap space. Its
		 * active pages must then stay active, too.
		 */
		if (reclaim_policy->scan_limit(sc, zone, (enum lru_kind)kind) == SCAN_NOTHING)
			continue;
		refill_inactive(zone, (enum lru_kind)kind, nr_to_refill(sc, active, inactive));
		shrink_cache(
			sc, zone, (enum lru_kind)kind,
			(unsigned long)reclaim_policy->scan_limit(sc, zone, (enum lru_kind)kind));
	}
}

/*
 * The zone after this one of those that may serve a request for the class zone: first the lower
 * zones of the same node, then those of the other nodes. zone NULL: begin. NULL: there are no
 * more.
 */
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
		VM_BUG_ON(highest < 0 || highest >= MAX_NR_ZONES);
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
 * Choose the zone to take pages from for the class zone: of the zones of its node that can serve
 * it, the one with the least turnover. If that zone was not needed for a long time, its turnover
 * lies far behind; it is set to at most one TURNOVER_UNIT behind the others, so that it does not
 * have to pay alone until it has caught up.
 */
static zone_t *zone_to_shrink(zone_t *classzone)
{
	unsigned long most = turnover(classzone);
	zone_t *best = classzone;

	/* The documents' policy balances each zone by itself. */
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
	VM_BUG_ON(best->zone_pgdat != classzone->zone_pgdat || best > classzone);
	return best;
}

/*
 * At the end of a pass: if it freed too little, wait for one page that it has started to write, so
 * that the caller does not run through its priorities while the disk is busy.
 */
static void wait_for_written_page(struct scan_control *sc)
{
	if (!sc->written)
		return;
	VM_BUG_ON(page_count(sc->written) < 1); /* our reference */
	/* Reclaim's own writes wait in a queue until somebody waits for one of them. */
	run_disk_queue();
	if (sc->nr_pages > 0)
		wait_on_page(sc->written);
	put_page(sc->written);
	sc->written = NULL;
}

/*
 * Freeing slabs without an object in use costs no process anything, so they are taken before any
 * page of a process or file. One call of kmem_cache_reap() looks at some caches and frees half of
 * the unused slabs of one; the loop ends after REAPS_IN_VAIN calls in a row that found nothing.
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

/* One pass at the priority of sc: slabs, the chosen zone, the other zones, registered caches. */
static void shrink_caches(struct scan_control *sc)
{
	unsigned long before = sc->nr_scanned, lru = 0;
	zone_t *first;

	VM_BUG_ON(sc->nr_pages <= 0 || sc->written); /* (V2) */
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
	/*
	 * Registered caches hold objects that are in use, and freeing them rarely frees whole
	 * pages at once, so they come last, and only if the pages were not enough.
	 */
	if (sc->nr_pages > 0)
		shrink_slab(sc, sc->nr_scanned - before, lru);
	wait_for_written_page(sc);
}

/*
 * Passes of rising urgency until SWAP_CLUSTER_MAX pages are free. The pages that this CPU has yet
 * to put on the LRU lists are put there first, or a pass could not see them.
 */
void try_to_free_pages_zone(struct scan_control *sc)
{
	VM_BUG_ON(!sc->classzone || sc->written);
	lru_add_drain();
	sc->nr_pages = SWAP_CLUSTER_MAX;
	for (sc->priority = DEF_PRIORITY; sc->priority >= 1 && sc->nr_pages > 0; sc->priority--)
		shrink_caches(sc);
	sc->priority = max(sc->priority, 1);
	VM_BUG_ON(sc->written); /* (V2) */
}

/* ---- kswapd ---------------------------------------------------------------------------------- */

/* Has the allocator found the zone below pages_low, and has it not been balanced since? */
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

/*
 * Has the zone still less than pages_high free? Zones that can serve the same requests are counted
 * together: a small zone with little free memory is no reason to reclaim while the zones below it
 * can serve its requests. The documents' policy looks at each zone alone.
 */
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

/* Were all pages of the zone looked at HOPELESS_SCANS times since one of them was last freed? */
static bool is_hopeless(const zone_t *zone)
{
	return READ_ONCE(zone->lruvec.pages_scanned) > HOPELESS_SCANS * all_lru_pages(zone);
}

/*
 * Reclaim once for a zone that needs balance. False: nothing was freed, and looking again is
 * hopeless.
 */
static bool balance_zone(zone_t *zone)
{
	zone_t *victim = zone_to_shrink(zone);
	struct scan_control sc = {.gfp_mask = GFP_KSWAPD, .classzone = victim, .one_zone = true};

	VM_BUG_ON(!zone->size || victim->zone_pgdat != zone->zone_pgdat);
	if (!check_classzone_need_balance(zone)) {
		set_balanced(zone);
		return true;
	}
	try_to_free_pages_zone(&sc);
	/* The zone with the least turnover had nothing to give: try the zone in need itself. */
	if (!sc.nr_reclaimed && victim != zone) {
		sc.classzone = zone;
		try_to_free_pages_zone(&sc);
	}
	/*
	 * With empty lists nothing is scanned, so pages_scanned would never grow and the zone
	 * would never count as hopeless. Count an empty round like one that looked at all pages in
	 * vain.
	 */
	if (!sc.nr_scanned && !sc.nr_reclaimed)
		rmw_add_relaxed(&zone->lruvec.pages_scanned, all_lru_pages(zone) + 1);
	/* Freed pages wait in this CPU's lists; only in the zone are they counted as free. */
	drain_local_pages();
	if (check_classzone_need_balance(zone))
		return sc.nr_reclaimed || !is_hopeless(zone);
	set_balanced(zone);
	return true;
}

/*
 * Rounds over the zones that need balance, until none does or a round finds all of them hopeless.
 * Going on would keep this CPU busy without freeing anything.
 */
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

/*
 * Zones that still need balance cannot be helped now. Wait for KSWAPD_PAUSE_NS, during which the
 * allocator need not wake us again, then clear need_balance: the next allocation below pages_low
 * sets it anew. Without this, kswapd would start again at once, and never sleep while memory is
 * short.
 */
static void give_up(pg_data_t *pgdat)
{
	u64 until = port_clock_ns() + KSWAPD_PAUSE_NS;
	zone_t *zone;

	VM_BUG_ON(!(READ_ONCE(current_vm->flags) & PF_KTHREAD));
	if (kswapd_can_sleep_pgdat(pgdat))
		return;
	while (port_clock_ns() < until)
		port_park(until);
	for_each_zone(zone, pgdat)
		set_balanced(zone);
}

/*
 * The thread of one node. PF_MEMALLOC gives it the reserves, so that it can allocate what it needs
 * to write pages out even when memory is exhausted.
 */
static void kswapd(void *arg)
{
	pg_data_t *pgdat = arg;

	rmw_or_relaxed(&current_vm->flags, PF_MEMALLOC | PF_KTHREAD);
	for (;;) {
		wait_event(&pgdat->kswapd_wait, !kswapd_can_sleep_pgdat(pgdat));
		kswapd_balance_pgdat(pgdat);
		/*
		 * The pages just sent off may wait in plugged queues; nobody else need start them.
		 * (tq_disk, RC-04)
		 */
		run_disk_queue();
		give_up(pgdat);
	}
}

/* The allocator has set the zone's need_balance: wake the thread of its node. Any context. */
static void wakeup_kswapd(zone_t *zone)
{

	wake_up(&zone->zone_pgdat->kswapd_wait);
}

/* ---- Direct reclaim -------------------------------------------------------------------------- */

/* Direct reclaim, by a task whose allocation met pages_min. Returns the number of pages freed. */
static unsigned long try_to_free_pages(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	struct scan_control sc = {.gfp_mask = gfp_mask, .classzone = zone};

	VM_BUG_ON(!(gfp_mask & __GFP_WAIT));
	/* so that it does not reclaim inside reclaim */
	VM_BUG_ON(!(READ_ONCE(current_vm->flags) & PF_MEMALLOC));
	(void)order;
	try_to_free_pages_zone(&sc);
	return sc.nr_reclaimed;
}

static const struct reclaim_ops vmscan_ops = {
	.wakeup_kswapd = wakeup_kswapd,
	.try_to_free_pages = try_to_free_pages,
	.out_of_memory = out_of_memory,
	.is_killed = port_fatal_signal_pending,
};

/* ---- Boot ------------------------------------------------------------------------------------ */

/*
 * A name of the option counts if a blank or the end follows it. An unknown one leaves the default
 * policy. lru_kind_flag is set before any page is on a list, as it says on which list each page
 * is.
 */
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
	VM_BUG_ON(!reclaim_policy->scan_limit || !reclaim_policy->refill_count);
	VM_BUG_ON(!reclaim_policy->keep_active || !reclaim_policy->demoted);
	VM_BUG_ON(!reclaim_policy->judge || !reclaim_policy->unmap);
	lru_kind_flag = reclaim_policy->one_pair ? 0 : 1ul << PG_swapbacked;
}

void kswapd_init(void)
{
	pg_data_t *pgdat;

	if (reclaim_policy->init)
		reclaim_policy->init();
	oom_init();
	/* From here on the allocator can reclaim pages: all that vmscan_ops uses is ready. */
	reclaim_ops = &vmscan_ops;
	for_each_pgdat(pgdat) {
		char name[] = "kswapd0";

		VM_BUG_ON(pgdat->node_id > 9); /* one digit of the name */
		name[6] = (char)('0' + pgdat->node_id);
		pgdat->kswapd = port_thread_create(name, kswapd, pgdat);
		if (!pgdat->kswapd)
			panic("no memory for %s", name);
	}
	pr_info("reclaim: policy %s\n", reclaim_policy->name);
}
