/* SPDX-License-Identifier: MIT */
/*
 * slab_debug.c: red zones, poison and checks, for one cache or all (boot option).
 *
 *	slab_debug		red zones and poison for every cache; callers may ask for
 *				each of the four flags
 *	slab_debug=NAME		the same for one cache
 *
 * The space of an object in a cache with red zones:
 *
 *	| caller | state | the caller's object | 0xbb ... |
 *		  ^user_offset - 8	      ^user_offset + user_size
 *
 *	state	RED_ACTIVE while handed out, RED_INACTIVE while free: an overrun of the
 *		object before changes it to something else; a second free finds INACTIVE
 *	0xbb	from the object's last byte to the end of its space, at least 8 bytes
 *	caller	return address of the call that allocated it, or freed it last
 *
 * Poison fills a free object (0x5a, at the end 0xa5) and is checked when the object is allocated
 * again or its slab is destroyed. Caches with a constructor have none: their free objects stay
 * constructed, and poison would overwrite that.
 *
 *	made --> free --slab_debug_alloc--> in use --slab_debug_free--> free --> slab destroyed
 *		 RED_INACTIVE, poison	    RED_ACTIVE			check_free_object
 *
 * An object that is freed wrongly is reported with cache, address and caller, and is not freed:
 * the damage stays visible, and no other user is given that memory.
 *
 * Locking: none of its own: an object belongs to the task that is allocating or freeing it.
 * Failure: none; errors are reported (report_bug) and contained.
 * Observability: nr_warnings, last_report, the log.
 */
#include "slab_internal.h"
#include <pagoda/init.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/string.h>

/* A word each, on 32 bits the lower half. */
#define RED_ACTIVE   ((unsigned long)0x170fc2a5170fc2a5ull)
#define RED_INACTIVE ((unsigned long)0x5a2cf0715a2cf071ull)
#define RED_BYTE     0xbb
#define POISON_BYTE  0x5a
#define POISON_END   0xa5

/* Before the object: caller and state. Behind it: at least a word. */
#define RED_FRONT (2 * BYTES_PER_WORD)
#define RED_BACK  BYTES_PER_WORD
static_assert(RED_FRONT + RED_BACK == RED_ZONE_BYTES, "slab.c counts on it");

bool slab_debug_enabled(void)
{
	return boot_option("slab_debug", NULL);
}

unsigned long slab_debug_flags(const char *name)
{
	const char *value;
	size_t n = strlen(name);

	if (!boot_option("slab_debug", &value))
		return 0;
	/* A value names one cache, and must be its whole name. */
	if (*value && (strncmp(value, name, n) != 0 || (value[n] && value[n] != ' ')))
		return 0;
	return SLAB_RED_ZONE | SLAB_POISON;
}

void slab_debug_layout(kmem_cache_t *cachep, size_t *size, unsigned long flags)
{
	cachep->user_size = (unsigned int)*size;
	cachep->user_offset = 0;
	if (flags & SLAB_RED_ZONE) {
		cachep->user_offset = RED_FRONT;
		*size += RED_FRONT + RED_BACK;
	}
}

/* ---- Parts of an object's space ------------------------------------------------------- */

static unsigned long *state_word(void *raw)
{
	return (unsigned long *)raw + 1;
}

static void **caller_word(void *raw)
{
	return raw;
}

/* First byte in [p, end) that is not value; end if there is none. */
static u8 *find_other(u8 *p, const u8 *end, u8 value)
{
	VM_BUG_ON(p > end);
	while (p < end && *p == value)
		p++;
	return p;
}

/* Fill a free object with poison. Its last byte differs, so that a shifted copy does not fit. */
static void poison(const kmem_cache_t *cachep, u8 *obj)
{
	VM_BUG_ON(cachep->ctor); /* poison would undo the construction */
	memset(obj, POISON_BYTE, cachep->user_size - 1);
	obj[cachep->user_size - 1] = POISON_END;
}

static bool poison_intact(const kmem_cache_t *cachep, u8 *obj)
{
	const u8 *last = obj + cachep->user_size - 1;

	return find_other(obj, last, POISON_BYTE) == last && *last == POISON_END;
}

/* Is the red zone behind the object as it was written? */
static bool back_intact(const kmem_cache_t *cachep, u8 *raw)
{
	const u8 *end = raw + cachep->objsize;

	return find_other(raw + cachep->user_offset + cachep->user_size, end, RED_BYTE) == end;
}

static __cold void complain(kmem_cache_t *cachep, const void *obj, const char *what, void *caller)
{
	report_bug("slab: cache %s: object %p %s, by %p", cachep->name, obj, what, caller);
}

/* ---- Life of an object --------------------------------------------------------------------- */

void slab_debug_init_object(kmem_cache_t *cachep, void *raw)
{
	u8 *obj = (u8 *)raw + cachep->user_offset;

	VM_BUG_ON(cachep->user_offset + cachep->user_size > cachep->objsize);
	if (cachep->flags & SLAB_RED_ZONE) {
		*caller_word(raw) = NULL;
		*state_word(raw) = RED_INACTIVE;
		memset(obj + cachep->user_size, RED_BYTE,
		       cachep->objsize - cachep->user_offset - cachep->user_size);
	}
	if (cachep->flags & SLAB_POISON)
		poison(cachep, obj);
}

/*
 * Is a free object as it was left? If not, report it. With red zones the report names the task that
 * freed the object last, the most likely one to have written to it afterwards.
 */
static bool check_free_object(kmem_cache_t *cachep, void *raw, void *caller)
{
	u8 *obj = (u8 *)raw + cachep->user_offset;
	const char *what = NULL;

	VM_BUG_ON(!(cachep->flags & SLAB_DEBUG_FLAGS));
	if (cachep->flags & SLAB_RED_ZONE && *state_word(raw) != RED_INACTIVE)
		what = "overwritten in front while free";
	else if (cachep->flags & SLAB_RED_ZONE && !back_intact(cachep, raw))
		what = "overwritten behind while free";
	else if (cachep->flags & SLAB_POISON && !poison_intact(cachep, obj))
		what = "written to after free";
	if (what)
		complain(cachep, obj, what,
			 cachep->flags & SLAB_RED_ZONE ? *caller_word(raw) : caller);
	return !what;
}

void *slab_debug_alloc(kmem_cache_t *cachep, void *raw, void *caller)
{
	/* The damage is reported; the memory itself is free, so put it in order and use it. */
	if (!check_free_object(cachep, raw, caller))
		slab_debug_init_object(cachep, raw);
	if (cachep->flags & SLAB_RED_ZONE) {
		VM_BUG_ON(*state_word(raw) != RED_INACTIVE); /* it was free */
		*state_word(raw) = RED_ACTIVE;
		*caller_word(raw) = caller;
	}
	return (u8 *)raw + cachep->user_offset;
}

static u64 checksum(const u8 *p, size_t n)
{
	u64 sum = 14695981039346656037ull; /* FNV-1a */

	while (n--)
		sum = (sum ^ *p++) * 1099511628211ull;
	return sum;
}

/* Constructing an object that is as constructed changes nothing (SL-35). */
static bool is_constructed(kmem_cache_t *cachep, u8 *obj)
{
	u64 before = checksum(obj, cachep->user_size);

	cachep->ctor(obj, cachep, SLAB_CTOR_CONSTRUCTOR | SLAB_CTOR_ATOMIC | SLAB_CTOR_VERIFY);
	return checksum(obj, cachep->user_size) == before;
}

/* Is the number on its slab's chain of free objects? Only for caches without arrays. */
static bool is_free_in_slab(kmem_cache_t *cachep, slab_t *slabp, unsigned int objnr)
{
	unsigned long flags;
	unsigned int steps = 0;
	bool found = false;

	spin_lock_irqsave(&cachep->spinlock, flags);
	/* A damaged chain may be circular, hence the limit. */
	for (kmem_bufctl_t i = slabp->free; i != BUFCTL_END && steps++ < cachep->num && !found;
	     i = slab_bufctl(slabp)[i])
		found = i == objnr;
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	return found;
}

/* What is wrong with freeing this object, as a text, or NULL. The cheap tests come first. */
static const char *free_error(kmem_cache_t *cachep, void *raw)
{
	slab_t *slabp = GET_PAGE_SLAB(virt_to_page(raw));
	unsigned int objnr = object_index(cachep, slabp, raw);

	if (objnr >= cachep->num || index_object(cachep, slabp, objnr) != raw)
		return "is not the start of an object";
	if (cachep->flags & SLAB_DEBUG_FREE && is_free_in_slab(cachep, slabp, objnr))
		return "freed twice";
	if (!(cachep->flags & SLAB_RED_ZONE))
		return NULL;
	if (*state_word(raw) == RED_INACTIVE)
		return "freed twice";
	if (*state_word(raw) != RED_ACTIVE)
		return "overwritten in front";
	if (!back_intact(cachep, raw))
		return "overwritten behind";
	return NULL;
}

void *slab_debug_free(kmem_cache_t *cachep, void *obj, void *caller)
{
	void *raw = (u8 *)obj - cachep->user_offset;
	const char *what = free_error(cachep, raw);

	if (what) {
		complain(cachep, obj, what, caller);
		return NULL;
	}
	if (cachep->flags & SLAB_DEBUG_INITIAL && cachep->ctor && !is_constructed(cachep, obj))
		complain(cachep, obj, "freed in another state than constructed", caller);
	if (cachep->flags & SLAB_POISON)
		poison(cachep, obj);
	if (cachep->flags & SLAB_RED_ZONE) {
		VM_BUG_ON(*state_word(raw) != RED_ACTIVE); /* it was in use, see free_error() */
		*state_word(raw) = RED_INACTIVE;
		*caller_word(raw) = caller;
	}
	return raw;
}

void slab_debug_check_slab(kmem_cache_t *cachep, slab_t *slabp)
{
	for (unsigned int i = 0; i < cachep->num; i++)
		(void)check_free_object(cachep, index_object(cachep, slabp, i),
					__builtin_return_address(0)); /* it goes either way */
}
