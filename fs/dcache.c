/* SPDX-License-Identifier: MIT */
/*
 * dcache.c: names. The tree of dentries and the hash table that finds a child by name.
 *
 *	d_parent  <----------------+----------------+
 *	d_children ==> d_child ("b") ==> d_child ("a") ==> ...	(by cookie, newest first)
 *	hash[parent, name] -> d_hash_next -> ...
 *
 * Lookup is O(1): the table has a chain for every few frames of memory. A child's cookie is
 * its place in the directory for getdents: given when the name is made, each smaller than the
 * last and never reused, so that reading goes on at the right place whatever was made or
 * removed meanwhile. (Newest first is the order that Linux's tmpfs shows.)
 *
 * References: a dentry holds its inode and its parent; open files, paths and children hold
 * dentries. On file systems that live in memory (s_pinned) a hashed dentry has one more,
 * dropped by d_delete: so the count of a reachable name never is zero, and the one who
 * brings it to zero is the last who knows it.
 *
 * Locking: dcache_lock for the fields marked (D) in vfs.h; it is held for a chain or for
 * the rest of a directory's list. Changes of the tree also hold s_names, so whoever has
 * that sees names stand still.
 *
 * Invariants: (I1) hashed implies linked in d_parent->d_children; (I2) DELETED implies not
 * hashed, and stays; (I3) cookies rise along d_children.
 *
 * File systems on a disk (s_cached): the same reference, but a shrinker takes the name out of
 * the cache when it is the only one. Lookup brings it back from the disk, with s_names held, so
 * that there are never two dentries of one name; a directory in use is held by its children.
 */
#include <fs/vfs.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmscan.h>
#include <pagoda/bug.h>

#define FRAMES_PER_CHAIN   16ul /* one chain of 8 bytes for 64 KiB of memory */
#define MIN_CHAINS	   256ul
#define MAX_CHAINS	   65536ul
#define FIRST_CHILD_COOKIE 2u		/* 0 and 1 are "." and ".." */
#define COOKIE_START	   (1ull << 62) /* counted down from here */

static kmem_cache_t *dentry_cache;
static struct dentry **hash_table;
static unsigned long hash_chains; /* a power of two */
static spinlock_t dcache_lock = SPIN_LOCK_INIT(RANK_NONE);
/* dcache_lock: hashed dentries of s_cached file systems, oldest first */
static LIST_HEAD(droppable);
struct mutex cache_shrink_mutex;
static unsigned long nr_droppable; /* dcache_lock: their number */

/* FNV-1a, seeded by the parent's address. */
static u32 hash_name(const struct dentry *parent, const char *name, size_t len)
{
	u32 hash = 2166136261u ^ (u32)((unsigned long)parent >> 6);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (u8)name[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static struct dentry **chain_of(u32 hash)
{
	return &hash_table[hash & (hash_chains - 1)];
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* Give dentry a name of its own; 0 or -ENOMEM. */
static int set_name(struct dentry *dentry, const char *name, size_t len)
{
	char *copy = dentry->d_iname;

	if (len >= DNAME_INLINE) {
		copy = kmalloc(len + 1, GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
	}
	memcpy(copy, name, len);
	copy[len] = '\0';
	dentry->d_name = copy;
	dentry->d_len = (u32)len;
	return 0;
}

static void free_name(struct dentry *dentry)
{
	if (dentry->d_name != dentry->d_iname)
		kfree(dentry->d_name);
}

struct dentry *d_make(struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
	struct dentry *dentry = kmem_cache_alloc(dentry_cache, GFP_KERNEL | __GFP_ZERO);

	VM_BUG_ON(atomic_read(&inode->i_count) <= 0);
	if (!dentry || set_name(dentry, name, len)) {
		if (dentry)
			kmem_cache_free(dentry_cache, dentry);
		iput(inode);
		return NULL;
	}
	atomic_set(&dentry->d_count, 1);
	dentry->d_inode = inode;
	dentry->d_sb = inode->i_sb;
	dentry->d_parent = parent ? dget(parent) : dentry;
	dentry->d_next_cookie = COOKIE_START;
	INIT_LIST_HEAD(&dentry->d_child);
	INIT_LIST_HEAD(&dentry->d_children);
	INIT_LIST_HEAD(&dentry->d_lru);
	return dentry;
}

struct dentry *d_make_root(struct super_block *sb, struct inode *inode)
{
	struct dentry *root = d_make(NULL, "/", 1, inode);

	sb->s_root = root;
	return root;
}

void dput(struct dentry *dentry)
{
	while (dentry && atomic_dec_and_test(&dentry->d_count)) {
		struct dentry *parent = dentry->d_parent == dentry ? NULL : dentry->d_parent;

		VM_BUG_ON(dentry->d_flags & DENTRY_HASHED);
		iput(dentry->d_inode);
		free_name(dentry);
		kmem_cache_free(dentry_cache, dentry);
		dentry = parent;
	}
}

struct dentry *d_parent_get(struct dentry *dentry)
{
	struct dentry *parent;

	spin_lock(&dcache_lock);
	parent = dget(dentry->d_parent);
	spin_unlock(&dcache_lock);
	return parent;
}

/* ---- Names ----------------------------------------------------------------------------------- */

static struct dentry *find_in_chain(struct dentry *parent, const char *name, size_t len, u32 hash)
{
	struct dentry *dentry = *chain_of(hash);

	lockdep_assert_held(&dcache_lock);
	VM_BUG_ON(!len);
	while (dentry && !(dentry->d_hash == hash && dentry->d_parent == parent &&
			   dentry->d_len == len && memcmp(dentry->d_name, name, len) == 0))
		dentry = dentry->d_hash_next;
	return dentry;
}

struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len)
{
	u32 hash = hash_name(parent, name, len);
	struct dentry *dentry;

	spin_lock(&dcache_lock);
	dentry = find_in_chain(parent, name, len, hash);
	if (dentry) {
		dget(dentry);
		dentry->d_used = true;
	}
	spin_unlock(&dcache_lock);
	return dentry;
}

static void link_name(struct dentry *dentry)
{
	struct dentry *parent = dentry->d_parent, **chain;

	lockdep_assert_held(&dcache_lock);
	VM_BUG_ON(dentry->d_flags & DENTRY_HASHED || !list_empty(&dentry->d_child));
	VM_BUG_ON(parent == dentry);
	dentry->d_hash = hash_name(parent, dentry->d_name, dentry->d_len);
	chain = chain_of(dentry->d_hash);
	dentry->d_hash_next = *chain;
	dentry->d_hash_pprev = chain;
	if (*chain)
		(*chain)->d_hash_pprev = &dentry->d_hash_next;
	*chain = dentry;
	dentry->d_cookie = --parent->d_next_cookie;
	list_add(&dentry->d_child, &parent->d_children);
	dentry->d_flags |= DENTRY_HASHED;
	if (dentry->d_sb->s_cached) {
		list_add_tail(&dentry->d_lru, &droppable);
		nr_droppable++;
	}
}

static void unlink_name(struct dentry *dentry)
{
	lockdep_assert_held(&dcache_lock);
	VM_BUG_ON(!(dentry->d_flags & DENTRY_HASHED));
	*dentry->d_hash_pprev = dentry->d_hash_next;
	if (dentry->d_hash_next)
		dentry->d_hash_next->d_hash_pprev = dentry->d_hash_pprev;
	list_del_init(&dentry->d_child);
	dentry->d_flags &= ~DENTRY_HASHED;
	if (!list_empty(&dentry->d_lru)) {
		list_del_init(&dentry->d_lru);
		nr_droppable--;
	}
}

/* Does being hashed count as a use? */
static bool is_pinned(const struct dentry *dentry)
{
	return dentry->d_sb->s_pinned || dentry->d_sb->s_cached;
}

void d_add(struct dentry *dentry)
{
	VM_BUG_ON(atomic_read(&dentry->d_count) <= 0);
	VM_BUG_ON(dentry->d_flags & (DENTRY_HASHED | DENTRY_DELETED));
	if (is_pinned(dentry))
		dget(dentry);
	spin_lock(&dcache_lock);
	link_name(dentry);
	dentry->d_sb->s_nr_names++;
	spin_unlock(&dcache_lock);
}

void d_delete(struct dentry *dentry)
{
	VM_BUG_ON(dentry->d_flags & DENTRY_DELETED || d_has_children(dentry));
	VM_BUG_ON(!dentry->d_sb->s_nr_names);
	spin_lock(&dcache_lock);
	unlink_name(dentry);
	dentry->d_sb->s_nr_names--;
	dentry->d_flags |= DENTRY_DELETED;
	spin_unlock(&dcache_lock);
	if (is_pinned(dentry))
		dput(dentry);
}

bool d_has_children(struct dentry *dentry)
{
	return !list_empty(&dentry->d_children);
}

int dir_empty(struct dentry *dentry)
{
	struct inode *dir = dentry->d_inode;

	if (dir->i_op->empty)
		return dir->i_op->empty(dir);
	return d_has_children(dentry) ? -ENOTEMPTY : 0;
}

bool d_is_ancestor(struct dentry *ancestor, struct dentry *dentry)
{
	bool found = false;

	spin_lock(&dcache_lock);
	for (; !found; dentry = dentry->d_parent) {
		found = dentry == ancestor;
		if (dentry->d_parent == dentry)
			break;
	}
	spin_unlock(&dcache_lock);
	return found;
}

/* A dentry below root that has no children, root itself if it has none. */
static struct dentry *leaf_below(struct dentry *root)
{
	struct dentry *dentry = root;

	spin_lock(&dcache_lock);
	while (!list_empty(&dentry->d_children))
		dentry = list_first_entry(&dentry->d_children, struct dentry, d_child);
	spin_unlock(&dcache_lock);
	return dentry;
}

void d_prune(struct dentry *root)
{
	struct dentry *dentry;

	VM_BUG_ON(atomic_read(&root->d_count) <= 0);
	while ((dentry = leaf_below(root)) != root)
		d_delete(dentry);
}

char *d_name_room(size_t len)
{
	char *room = len < DNAME_INLINE ? NULL : kmalloc(len + 1, GFP_KERNEL);

	return room || len < DNAME_INLINE ? room : ERR_PTR(-ENOMEM);
}

void d_name_room_free(char *room)
{
	if (!IS_ERR(room))
		kfree(room);
}

void d_move(struct dentry *dentry, struct dentry *new_parent, const char *name, size_t len,
	    char *room)
{
	struct dentry *old_parent = dentry->d_parent;
	const char *old_name = NULL;
	char *copy = room ? room : dentry->d_iname;

	VM_BUG_ON(d_is_ancestor(dentry, new_parent));
	VM_BUG_ON(IS_ERR(room) || (!room && len >= DNAME_INLINE));
	dget(new_parent);
	spin_lock(&dcache_lock);
	unlink_name(dentry);
	if (dentry->d_name != dentry->d_iname)
		old_name = dentry->d_name;
	memmove(copy, name, len);
	copy[len] = '\0';
	dentry->d_name = copy;
	dentry->d_len = (u32)len;
	dentry->d_parent = new_parent;
	link_name(dentry);
	spin_unlock(&dcache_lock);
	kfree(old_name);
	dput(old_parent);
}

void d_exchange(struct dentry *a, struct dentry *b, char *room_a, char *room_b)
{
	struct dentry *a_parent = dget(a->d_parent), *b_parent = dget(b->d_parent);
	char a_name[NAME_MAX + 1];
	size_t a_len = a->d_len;

	VM_BUG_ON(a == b);
	memcpy(a_name, a->d_name, a_len);
	d_move(a, b_parent, b->d_name, b->d_len, room_a);
	d_move(b, a_parent, a_name, a_len, room_b);
	dput(a_parent);
	dput(b_parent);
}

/* ---- Dropping what a disk can bring back ----------------------------------------------------- */

/*
 * The oldest dentry that nobody uses, unhashed, or NULL. A used one goes to the end; one that was
 * looked up since the last time, too, once. Looks at *budget dentries at most.
 */
static struct dentry *take_unused(unsigned long *budget)
{
	struct dentry *found = NULL;

	spin_lock(&dcache_lock);
	while (!found && !list_empty(&droppable) && *budget) {
		struct dentry *dentry = list_first_entry(&droppable, struct dentry, d_lru);

		--*budget;
		/* Nobody but the hash: the count can only be raised under dcache_lock then. */
		if (atomic_read(&dentry->d_count) == 1 && !dentry->d_used) {
			unlink_name(dentry);
			found = dentry;
			break;
		}
		dentry->d_used = false;
		list_move_tail(&dentry->d_lru, &droppable);
	}
	spin_unlock(&dcache_lock);
	return found;
}

static unsigned long count_droppable(void)
{
	return READ_ONCE(nr_droppable);
}

unsigned long shrink_vfs_cache(unsigned long nr, unsigned long budget, gfp_t gfp,
			       bool (*drop_one)(unsigned long *budget))
{
	unsigned long freed = 0, left = budget;

	/* The last reference to an inode may go, and it may have to be written. */
	if (!(gfp & __GFP_FS) || !mutex_trylock(&cache_shrink_mutex))
		return 0;
	while (freed < nr && drop_one(&left))
		freed++;
	mutex_unlock(&cache_shrink_mutex);
	return budget - left;
}

static bool drop_dentry(unsigned long *budget)
{
	struct dentry *dentry = take_unused(budget);

	dput(dentry);
	return dentry;
}

static unsigned long drop_dentries(unsigned long nr, gfp_t gfp)
{
	return shrink_vfs_cache(nr, 2 * nr, gfp, drop_dentry);
}

struct shrinker dentry_shrinker = {
	.name = "dentry",
	.count = count_droppable,
	.scan = drop_dentries,
};

/* ---- Paths ----------------------------------------------------------------------------------- */

/* Put a string in front of *at, not below buf; false: no room. */
static bool prepend(char **at, const char *buf, const char *text, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, text, len);
	return true;
}

/* Names from path up to root in front of *at. 1: reached root, 0: some other root, -1: no room. */
static int prepend_names(const struct path *path, const struct path *root, char **at, char *buf)
{
	struct dentry *dentry = path->dentry;
	struct vfsmount *mnt = path->mnt;

	for (;;) {
		if (dentry == root->dentry && mnt == root->mnt)
			return 1;
		if (mnt && dentry == mnt->mnt_root) {
			if (!mnt->mnt_parent)
				return 0;
			dentry = mnt->mnt_mountpoint;
			mnt = mnt->mnt_parent;
			continue;
		}
		if (dentry->d_parent == dentry)
			return 0;
		if (!prepend(at, buf, dentry->d_name, dentry->d_len) || !prepend(at, buf, "/", 1))
			return -1;
		dentry = dentry->d_parent;
	}
}

char *d_path(const struct path *path, const struct path *root, char *buf, size_t size,
	     bool *reachable)
{
	char *at = buf + size;
	int found;

	*reachable = true;
	if (!prepend(&at, buf, "", 1))
		return ERR_PTR(-ENAMETOOLONG);
	spin_lock(&dcache_lock);
	if (path->dentry->d_flags & DENTRY_DELETED && !prepend(&at, buf, " (deleted)", 10))
		at = buf;
	if (path->dentry->d_flags & DENTRY_NOPARENT) {
		found = prepend(&at, buf, path->dentry->d_name, path->dentry->d_len) ? 1 : -1;
	} else {
		char *end = at;

		found = prepend_names(path, root, &at, buf);
		if (found >= 0 && at == end && !prepend(&at, buf, "/", 1))
			found = -1;
	}
	spin_unlock(&dcache_lock);
	if (found < 0)
		return ERR_PTR(-ENAMETOOLONG);
	*reachable = found == 1;
	return at;
}

/* ---- Reading directories of pinned file systems ---------------------------------------------- */

/* The first child with cookie >= pos, with a reference, or NULL. last: where the reader was. */
static struct dentry *next_child(struct dentry *dir, struct dentry *last, u64 pos)
{
	struct list_head *at = &dir->d_children;
	struct dentry *found = NULL;

	spin_lock(&dcache_lock);
	if (last && (last->d_flags & DENTRY_HASHED) && last->d_parent == dir &&
	    last->d_cookie < pos)
		at = &last->d_child;
	for (at = at->next; at != &dir->d_children; at = at->next) {
		struct dentry *child = list_entry(at, struct dentry, d_child);

		if (child->d_cookie >= pos) {
			found = dget(child);
			break;
		}
	}
	spin_unlock(&dcache_lock);
	return found;
}

/* "." and "..", which lie at positions 0 and 1. */
static bool emit_dots(struct file *file, struct dir_context *ctx)
{
	struct dentry *dir = file->f_path.dentry;
	struct path up = file->f_path;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 0, dir->d_inode->i_ino, S_IFDIR >> 12))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		u64 ino;

		path_get(&up);
		if (up.dentry == up.mnt->mnt_root)
			(void)follow_up(&up); /* at the root of all, .. is . */
		ino = up.dentry->d_parent->d_inode->i_ino;
		path_put(&up);
		if (!ctx->emit(ctx, "..", 2, 1, ino, S_IFDIR >> 12))
			return false;
		ctx->pos = FIRST_CHILD_COOKIE;
	}
	return true;
}

/* (N): names stand still, so they can be copied out. */
int dcache_readdir(struct file *file, struct dir_context *ctx)
{
	struct dentry *dir = file->f_path.dentry, *child;

	if (!emit_dots(file, ctx))
		return 0;
	while ((child = next_child(dir, file->f_readdir_last, ctx->pos))) {
		bool more = ctx->emit(ctx, child->d_name, child->d_len, child->d_cookie,
				      child->d_inode->i_ino, child->d_inode->i_mode >> 12);

		if (!more) {
			dput(child);
			break;
		}
		ctx->pos = child->d_cookie + 1;
		dput(file->f_readdir_last);
		file->f_readdir_last = child;
	}
	return 0;
}

s64 dcache_dir_llseek(struct file *file, s64 offset, int whence)
{
	offset = forward_llseek(file, offset, whence);
	if (offset >= 0)
		dcache_dir_release(file);
	return offset;
}

void dcache_dir_release(struct file *file)
{
	dput(file->f_readdir_last);
	file->f_readdir_last = NULL;
}

void dcache_init(void)
{
	unsigned long chains = MIN_CHAINS, want = totalram_pages() / FRAMES_PER_CHAIN;

	while (chains < want && chains < MAX_CHAINS)
		chains *= 2;
	hash_chains = chains;
	hash_table = alloc_pages_exact(chains * sizeof(*hash_table), GFP_KERNEL);
	dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry), 0, SLAB_HWCACHE_ALIGN,
					 NULL, NULL);
	if (!hash_table || !dentry_cache)
		panic("no memory for the name cache");
	mutex_init(&cache_shrink_mutex, RANK_NONE);
	register_shrinker(&dentry_shrinker);
	memset(hash_table, 0, chains * sizeof(*hash_table));
}
