/* SPDX-License-Identifier: MIT */
/*
 * dir.c: what is in an ext2 directory: entries in blocks.
 *
 *	| ino, rec_len, name_len, type, name | ino, rec_len ... | ... |   one block
 *	  '------------ rec_len ------------>'
 *
 * A directory is a file whose blocks are chains of entries: each says how far the next one
 * is, and no chain leaves its block. Space is behind a name (rec_len larger than needed), or
 * in an entry with inode 0. Removing gives an entry's space to the one before it; adding
 * splits the first one that has enough. So a directory never shrinks, and needs no moving:
 * an entry's offset stays what it is as long as it lives, which is what getdents needs.
 *
 * Blocks are metadata: they are read and changed in the device's buffers, not through the
 * page cache of the inode. With a hash tree (dir_index) a directory is still such a list;
 * once it is changed the tree would be wrong, so its flag is taken off.
 *
 * Everything is checked before it is used: a chain that leaves its block, or stands still, or
 * leads to an inode that cannot be, ends the search with EUCLEAN.
 *
 * Locking: s_names of the file system for all of it. Cost: linear in the directory's size
 * (the name cache answers most lookups).
 */
#include <fs/ext2/ext2.h>
#include <pagoda/string.h>

#define DIRENT_MIN_BYTES 12u

/* Entry types on the disk, by S_IFMT bits. */
static const u8 file_types[16] = {
	[S_IFREG >> 12] = 1, [S_IFDIR >> 12] = 2,  [S_IFCHR >> 12] = 3, [S_IFBLK >> 12] = 4,
	[S_IFIFO >> 12] = 5, [S_IFSOCK >> 12] = 6, [S_IFLNK >> 12] = 7,
};
/* And back, as getdents shows them. */
static const u8 dirent_types[] = {0, 8, 4, 2, 6, 1, 12, 10};

/* A place in a directory. bh has a use. */
struct cursor {
	struct inode *dir;
	u64 block;
	struct buffer_head *bh;
	struct ext2_dir_entry *entry, *prev; /* prev: the one before in this block, or NULL */
};

static struct ext2_sb *sbi_of(const struct inode *dir)
{
	return ext2_sb(dir->i_sb);
}

static u64 nr_blocks(const struct inode *dir)
{
	return dir->i_size >> sbi_of(dir)->block_bits;
}

static unsigned int offset_in(const struct cursor *c, const struct ext2_dir_entry *entry)
{
	return (unsigned int)((const char *)entry - (const char *)bh_data(c->bh));
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int read_block(struct inode *dir, u64 block, struct buffer_head **bh)
{
	struct ext2_sb *sbi = sbi_of(dir);
	bool new;
	u32 phys;
	int err = ext2_map_block(dir, block, false, &phys, &new);

	if (err)
		return err;
	if (!phys)
		return ext2_error(sbi, "directory %llu has a hole", (unsigned long long)dir->i_ino);
	*bh = bread(sbi->bdev, phys, sbi->block_size);
	return *bh ? 0 : -EIO;
}

static int check_entry(const struct cursor *c)
{
	struct ext2_sb *sbi = sbi_of(c->dir);
	unsigned int offset = offset_in(c, c->entry);
	const struct ext2_dir_entry *e = c->entry;

	if (offset + DIRENT_MIN_BYTES <= sbi->block_size && e->rec_len >= DIRENT_MIN_BYTES &&
	    e->rec_len % 4 == 0 && offset + e->rec_len <= sbi->block_size &&
	    e->rec_len >= EXT2_DIRENT_BYTES(e->name_len) && e->inode <= sbi->inodes_count &&
	    (e->name_len || !e->inode))
		return 0;
	return ext2_error(sbi, "bad entry in directory %llu, block %llu, offset %u",
			  (unsigned long long)c->dir->i_ino, (unsigned long long)c->block, offset);
}

/* To the first entry of a block. 0, -EIO, -EUCLEAN; no use is held then. */
static int enter_block(struct cursor *c, u64 block)
{
	int err = read_block(c->dir, block, &c->bh);

	if (err)
		return err;
	c->block = block;
	c->prev = NULL;
	c->entry = bh_data(c->bh);
	err = check_entry(c);
	if (err)
		brelse(c->bh);
	return err;
}

/* To the next entry of the block: 1, 0 at the block's end (its use is dropped), -EUCLEAN (too). */
static int next_entry(struct cursor *c)
{
	int ret = 1;

	c->prev = c->entry;
	c->entry = (void *)((char *)c->entry + c->entry->rec_len);
	if (offset_in(c, c->entry) >= sbi_of(c->dir)->block_size)
		ret = 0;
	else if (check_entry(c))
		ret = -EUCLEAN;
	if (ret <= 0)
		brelse(c->bh);
	return ret;
}

/*
 * Go through all entries until match says yes. 1: found, c->bh has a use; 0: not there; or an
 * error.
 */
static int search(struct cursor *c, bool (*match)(const struct cursor *c, const void *arg),
		  const void *arg)
{
	for (u64 block = 0; block < nr_blocks(c->dir); block++) {
		int ret = enter_block(c, block);

		if (ret)
			return ret;
		do {
			if (match(c, arg))
				return 1;
			ret = next_entry(c);
		} while (ret > 0);
		if (ret)
			return ret;
		port_cond_resched();
	}
	return 0;
}

struct name {
	const char *text;
	size_t len;
};

static bool has_name(const struct cursor *c, const void *arg)
{
	const struct name *name = arg;

	return c->entry->inode && c->entry->name_len == name->len &&
	       memcmp(c->entry->name, name->text, name->len) == 0;
}

/* 0: found. -ENOENT, or an error. */
static int find_entry(struct inode *dir, const char *text, size_t len, struct cursor *c)
{
	struct name name = {text, len};
	int ret;

	*c = (struct cursor){.dir = dir};
	ret = search(c, has_name, &name);
	return ret > 0 ? 0 : ret ? ret : -ENOENT;
}

int ext2_find_name(struct inode *dir, const char *name, size_t len, u32 *ino)
{
	struct cursor c;
	int err = find_entry(dir, name, len, &c);

	*ino = 0;
	if (!err) {
		*ino = c.entry->inode;
		brelse(c.bh);
	}
	return err == -ENOENT ? 0 : err;
}

static bool is_name_of_its_own(const struct cursor *c, const void *arg)
{
	const struct ext2_dir_entry *e = c->entry;

	(void)arg;
	return e->inode && !(e->name_len == 1 && e->name[0] == '.') &&
	       !(e->name_len == 2 && e->name[0] == '.' && e->name[1] == '.');
}

int ext2_dir_empty(struct inode *dir)
{
	struct cursor c = {.dir = dir};
	int ret = search(&c, is_name_of_its_own, NULL);

	if (ret <= 0)
		return ret;
	brelse(c.bh);
	return -ENOTEMPTY;
}

/* ---- Changing -------------------------------------------------------------------------------- */

static void set_target(struct inode *dir, struct ext2_dir_entry *entry, const struct inode *inode)
{
	entry->inode = (u32)inode->i_ino;
	entry->file_type = sbi_of(dir)->file_types ? file_types[inode->i_mode >> 12 & 15] : 0;
}

static void dir_changed(struct inode *dir, struct buffer_head *bh)
{
	ext2_names_changed(dir, bh);
	ext2_i(dir)->flags &= ~EXT2_INDEX_FL;
}

/* Bytes that an entry needs itself; the rest is free. */
static unsigned int used_bytes(const struct ext2_dir_entry *entry)
{
	return entry->inode ? EXT2_DIRENT_BYTES(entry->name_len) : 0;
}

static bool has_room(const struct cursor *c, const void *arg)
{
	const unsigned int *need = arg;

	return c->entry->rec_len - used_bytes(c->entry) >= *need;
}

/* Put a name into the free part of an entry. */
static void fill_entry(struct inode *dir, struct ext2_dir_entry *entry, const struct name *name,
		       const struct inode *inode)
{
	unsigned int used = used_bytes(entry), rec_len = entry->rec_len - used;

	if (used) {
		entry->rec_len = (u16)used;
		entry = (void *)((char *)entry + used);
		entry->rec_len = (u16)rec_len;
	}
	entry->name_len = (u8)name->len;
	memcpy(entry->name, name->text, name->len);
	set_target(dir, entry, inode);
}

/* One more block at the end, all of it one free entry. */
static int append_block(struct inode *dir, struct buffer_head **out)
{
	struct ext2_sb *sbi = sbi_of(dir);
	struct ext2_dir_entry *entry;
	struct buffer_head *bh;
	bool new;
	u32 phys;
	int err;

	if (dir->i_size + sbi->block_size > INT32_MAX)
		return -ENOSPC;
	err = ext2_map_block(dir, nr_blocks(dir), true, &phys, &new);
	if (err)
		return err;
	bh = getblk(sbi->bdev, phys, sbi->block_size);
	if (!bh)
		return -ENOMEM; /* the block stays the directory's, behind its end */
	entry = bh_data(bh);
	memset(entry, 0, sbi->block_size);
	entry->rec_len = (u16)sbi->block_size;
	ext2_names_changed(dir, bh);
	dir->i_size += sbi->block_size;
	ext2_inode_resized(dir);
	*out = bh;
	return 0;
}

int ext2_add_entry(struct inode *dir, const char *text, size_t len, const struct inode *inode)
{
	struct cursor c = {.dir = dir};
	struct name name = {text, len};
	unsigned int need = EXT2_DIRENT_BYTES(len);
	int ret;

	if (len > EXT2_NAME_LEN)
		return -ENAMETOOLONG;
	ret = search(&c, has_room, &need);
	if (ret == 0) {
		ret = append_block(dir, &c.bh);
		if (ret)
			return ret;
		c.entry = bh_data(c.bh);
	} else if (ret < 0) {
		return ret;
	}
	fill_entry(dir, c.entry, &name, inode);
	dir_changed(dir, c.bh);
	brelse(c.bh);
	ext2_dirty_inode(dir);
	return 0;
}

int ext2_remove_entry(struct inode *dir, const char *name, size_t len)
{
	struct cursor c;
	int err = find_entry(dir, name, len, &c);

	if (err)
		return err;
	if (c.prev)
		c.prev->rec_len = (u16)(c.prev->rec_len + c.entry->rec_len);
	c.entry->inode = 0;
	dir_changed(dir, c.bh);
	brelse(c.bh);
	return 0;
}

int ext2_set_entry(struct inode *dir, const char *name, size_t len, const struct inode *inode)
{
	struct cursor c;
	int err = find_entry(dir, name, len, &c);

	if (err)
		return err;
	set_target(dir, c.entry, inode);
	dir_changed(dir, c.bh);
	brelse(c.bh);
	return 0;
}

void ext2_leave_parent(struct inode *dir)
{
	struct cursor c;
	struct inode *parent;

	if (find_entry(dir, "..", 2, &c))
		return; /* the disk is damaged, or does not answer: e2fsck's */
	parent = inode_find(dir->i_sb, c.entry->inode);
	if (parent) {
		iput(parent);
	} else if (c.entry->inode != EXT2_ROOT_INO) {
		c.entry->inode = EXT2_ROOT_INO;
		ext2_names_changed(dir, c.bh);
	}
	brelse(c.bh);
}

int ext2_make_empty(struct inode *dir, const struct inode *parent)
{
	struct buffer_head *bh;
	int err = append_block(dir, &bh);

	if (err)
		return err;
	fill_entry(dir, bh_data(bh), &(struct name){".", 1}, dir);
	fill_entry(dir, bh_data(bh), &(struct name){"..", 2}, parent);
	ext2_names_changed(dir, bh);
	brelse(bh);
	ext2_dirty_inode(dir);
	return 0;
}

/* ---- getdents -------------------------------------------------------------------------------- */

static unsigned int shown_type(const struct ext2_sb *sbi, const struct ext2_dir_entry *entry)
{
	if (!sbi->file_types || entry->file_type >= ARRAY_SIZE(dirent_types))
		return 0;
	return dirent_types[entry->file_type];
}

/* Entries of one block from ctx->pos on. 1: go on, 0: the buffer is full; or an error. */
static int read_entries(struct cursor *c, struct dir_context *ctx)
{
	struct ext2_sb *sbi = sbi_of(c->dir);
	int ret;

	do {
		const struct ext2_dir_entry *e = c->entry;
		u64 pos = (c->block << sbi->block_bits) + offset_in(c, e);

		if (!e->inode || pos < ctx->pos)
			continue;
		if (!ctx->emit(ctx, e->name, e->name_len, pos, e->inode, shown_type(sbi, e))) {
			ctx->pos = pos;
			brelse(c->bh);
			return 0;
		}
		ctx->pos = pos + 1;
	} while ((ret = next_entry(c)) > 0);
	return ret ? ret : 1;
}

int ext2_readdir(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file->f_inode;
	unsigned int bits = sbi_of(dir)->block_bits;
	struct cursor c = {.dir = dir};
	int ret = 1;

	for (u64 block = ctx->pos >> bits; ret > 0 && block < nr_blocks(dir); block++) {
		ret = enter_block(&c, block);
		if (!ret)
			ret = read_entries(&c, ctx);
		if (ret > 0)
			ctx->pos = (block + 1) << bits;
	}
	return ret < 0 ? ret : 0;
}
