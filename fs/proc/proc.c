/* SPDX-License-Identifier: MIT */
/*
 * proc.c: the file system of /proc: nodes made from tables, and how they are opened.
 *
 * Nothing of it is kept: a lookup makes a dentry and an inode that go with their last
 * reference, so a process that has ended leaves nothing behind. Inode numbers come from the
 * table entry and the pid, so they are the same at each lookup.
 *
 * What an open file may show is settled when Linux settles it:
 *
 *	at open		the address space (maps, smaps, pagemap, mem, environ, auxv): the rights are
 *			checked and the mm_struct is held, so a later exec, set-id or not, is of no
 *			concern to the descriptor: it goes on with the old one, which ends when its
 *			last user goes
 *	at each access	the rest: the task is found by its struct pid, and files that tell secrets
 *			(io, fdinfo, links, parts of stat) check the rights then
 *
 * A node's pid is held by its inode, and it never stands for anybody else: when the task has gone,
 * lookups below /proc/PID are ENOENT and reads ESRCH, whoever has the number by then.
 *
 * An mm is held by mm_count, which keeps the struct and not the memory; each access raises mm_users
 * for its own time, and finds an address space without users empty. So open descriptors do not
 * keep a dead process's memory.
 *
 * Text is printed by seq_file.c.
 *
 * Failure: ENOMEM; EACCES; ESRCH when the task has gone.
 */
#include <fs/proc/proc.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define PROC_MAGIC 0x9fa0u
#define WRITE_MAX  4095ul

/* ---- Nodes ----------------------------------------------------------------------------------- */

static const struct inode_operations proc_dir_iops, proc_guarded_dir_iops, proc_file_iops,
	proc_link_iops, proc_jump_iops;
static const struct file_operations proc_file_fops, proc_raw_fops, proc_dir_fops;

static const struct proc_node *node_of(const struct inode *inode)
{
	return inode->i_object;
}

u64 proc_ino(const struct proc_node *node)
{
	return (u64)node->nr << 32 | ((u32)(unsigned long)node->entry ^ (u32)node->number << 20);
}

/*
 * A task's files belong to its effective user, and to root if others may not look into it; the
 * directories that everybody may read tell whose it is all the same.
 */
static void set_owner(struct inode *inode, const struct proc_node *node)
{
	struct fs_task_info *info;

	inode->i_uid = inode->i_gid = 0;
	if (!node->pid)
		return;
	info = proc_task_info(node);
	if (IS_ERR(info))
		return;
	if (!info->is_kthread && (!info->hidden || inode->i_mode == (S_IFDIR | 0555))) {
		inode->i_uid = info->cred.euid;
		inode->i_gid = info->cred.egid;
	}
	kfree(info);
}

static void set_operations(struct inode *inode, const struct proc_entry *entry)
{
	if (S_ISDIR(entry->mode)) {
		inode->i_op = entry->permission ? &proc_guarded_dir_iops : &proc_dir_iops;
		inode->i_fop = &proc_dir_fops;
		inode->i_nlink = 2;
	} else if (S_ISLNK(entry->mode)) {
		inode->i_op = entry->jump ? &proc_jump_iops : &proc_link_iops;
	} else {
		inode->i_op = &proc_file_iops;
		inode->i_fop = entry->read ? &proc_raw_fops : &proc_file_fops;
	}
}

/* Takes the reference to the pid over. NULL: no memory. */
static struct inode *proc_inode(struct super_block *sb, const struct proc_node *node)
{
	struct inode *inode = new_inode(sb, node->entry->mode);
	struct proc_node *copy = kmalloc(sizeof(*copy), GFP_KERNEL);

	if (!inode || !copy) {
		kfree(copy);
		if (inode)
			iput(inode);
		fs_hook_put_pid(node->pid);
		return NULL;
	}
	*copy = *node;
	inode->i_object = copy;
	inode->i_ino = proc_ino(node);
	set_owner(inode, node);
	set_operations(inode, node->entry);
	return inode;
}

static void proc_evict(struct inode *inode)
{
	struct proc_node *node = inode->i_object;

	if (node)
		fs_hook_put_pid(node->pid);
	kfree(node);
}

/* ---- Directories ----------------------------------------------------------------------------- */

static bool find_child(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out)
{
	const struct proc_entry *entry = dir->entry;

	for (unsigned int i = 0; i < entry->nr_children; i++) {
		const struct proc_entry *child = &entry->children[i];

		if (strlen(child->name) == len && memcmp(child->name, name, len) == 0) {
			*out = *dir;
			out->entry = child;
			fs_hook_get_pid(out->pid);
			return true;
		}
	}
	return entry->lookup && entry->lookup(dir, name, len, out);
}

/* Is there still what the node is about? */
static bool is_alive(const struct proc_node *node)
{
	return !node->pid || fs_hook_pid_alive(node->pid);
}

static struct dentry *proc_lookup(struct dentry *dir, const char *name, size_t len)
{
	const struct proc_node *parent = node_of(dir->d_inode);
	struct proc_node node;
	struct inode *inode;
	struct dentry *dentry;

	if (!is_alive(parent) || !find_child(parent, name, len, &node))
		return NULL;
	inode = proc_inode(dir->d_sb, &node);
	dentry = inode ? d_make(dir, name, len, inode) : NULL;
	return dentry ? dentry : ERR_PTR(-ENOMEM);
}

static bool emit_dots(struct file *file, struct dir_context *ctx)
{
	struct dentry *dir = file->f_path.dentry;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 0, dir->d_inode->i_ino, S_IFDIR >> 12))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, 1, dir->d_parent->d_inode->i_ino, S_IFDIR >> 12))
			return false;
		ctx->pos = 2;
	}
	return true;
}

static int proc_iterate(struct file *file, struct dir_context *ctx)
{
	const struct proc_node *dir = node_of(file->f_inode);
	const struct proc_entry *entry = dir->entry;

	if (!is_alive(dir))
		return -ENOENT;
	if (!emit_dots(file, ctx))
		return 0;
	while (ctx->pos - 2 < entry->nr_children) {
		struct proc_node node = *dir;

		node.entry = &entry->children[ctx->pos - 2];
		if (!ctx->emit(ctx, node.entry->name, strlen(node.entry->name), ctx->pos,
			       proc_ino(&node), node.entry->mode >> 12))
			return 0;
		ctx->pos++;
	}
	if (!entry->iterate)
		return 0;
	ctx->pos = max(ctx->pos, (u64)PROC_POS_DYNAMIC);
	entry->iterate(dir, ctx);
	return 0;
}

static s64 proc_dir_llseek(struct file *file, s64 offset, int whence)
{
	if (whence != 0 || offset < 0)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

static int proc_dir_open(struct inode *inode, struct file *file)
{
	const struct proc_node *node = node_of(inode);

	(void)file;
	return node->entry->may_open ? node->entry->may_open(node) : 0;
}

static int guarded_dir_permission(struct inode *inode, unsigned int mask)
{
	const struct proc_node *node = node_of(inode);

	return node->entry->permission(inode, node, mask);
}

static int keep_attributes(struct inode *inode, struct iattr *attr)
{
	(void)inode;
	return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

/* ---- Links ----------------------------------------------------------------------------------- */

static long proc_readlink(struct dentry *dentry, char *buf, size_t size)
{
	const struct proc_node *node = node_of(dentry->d_inode);
	struct path root, place;
	bool reachable;
	char *text;
	long len;
	int err;

	if (node->entry->readlink)
		return node->entry->readlink(node, buf, size);
	err = node->entry->jump(node, &place);
	if (err)
		return err;
	get_fs_root(&root);
	text = d_path(&place, &root, buf, size, &reachable);
	path_put(&root);
	path_put(&place);
	if (IS_ERR(text))
		return PTR_ERR(text);
	len = (long)(buf + size - 1 - text);
	memmove(buf, text, (size_t)len);
	return len;
}

static int proc_jump(struct dentry *dentry, struct path *out)
{
	const struct proc_node *node = node_of(dentry->d_inode);

	return node->entry->jump(node, out);
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Files of bounded text, and numbers: one record. */
static int print_whole(struct proc_text *text, struct proc_open *open, u64 *index)
{
	const struct proc_entry *entry = open->node->entry;
	int err = 0;

	if (*index)
		return 0;
	*index = 1;
	if (entry->value)
		proc_printf(text, "%d\n", READ_ONCE(*entry->value));
	else
		err = entry->show(text, open->node);
	return err ? err : 1;
}

static const struct proc_records whole_record = {.print = print_whole};

static long proc_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct proc_open *open = file->private_data;
	const struct proc_entry *entry = open->node->entry;

	if (entry->read)
		return entry->read(open, buf, count, pos);
	if (entry->records)
		return proc_read_records(open, entry->records, buf, count, pos);
	if (entry->show || entry->value)
		return proc_read_records(open, &whole_record, buf, count, pos);
	return -EINVAL; /* only to be written */
}

static long write_value(const struct proc_entry *entry, const char *text, size_t len)
{
	long value;
	int err = proc_parse_long(text, &value);

	if (err)
		return err;
	if (value < entry->min || value > entry->max)
		return -EINVAL;
	WRITE_ONCE(*entry->value, (int)value);
	if (entry->changed)
		entry->changed();
	return (long)len;
}

static long write_text(const struct proc_node *node, struct iov_user buf, size_t count)
{
	size_t n = min(count, WRITE_MAX);
	char *text = kmalloc(n + 1, GFP_KERNEL);
	long ret;

	if (!text)
		return -ENOMEM;
	text[n] = '\0';
	if (iov_get(buf, 0, text, n))
		ret = -EFAULT;
	else if (node->entry->value)
		ret = write_value(node->entry, text, n);
	else
		ret = node->entry->write(node, text, n);
	kfree(text);
	return ret;
}

static long proc_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct proc_open *open = file->private_data;
	const struct proc_entry *entry = open->node->entry;
	long ret;

	if (entry->write_at)
		return entry->write_at(open, buf, count, pos);
	if (!entry->value && !entry->write)
		return -EIO;
	if (entry->sysctl && (!count || *pos))
		ret = (long)count;
	else
		ret = write_text(open->node, buf, count);
	if (ret > 0)
		*pos += (u64)ret;
	return ret;
}

/* What the entry binds at open. 0 or -errno, then nothing is held. */
static int bind_task(struct proc_open *open)
{
	const struct proc_node *node = open->node;

	if (node->entry->binds_root)
		return proc_task_root(node, &open->root);
	if (!node->entry->binds_mm)
		return 0;
	open->mm = fs_hook_open_mm(node->pid);
	if (!IS_ERR(open->mm))
		return 0;
	return (int)PTR_ERR(open->mm);
}

static int proc_open(struct inode *inode, struct file *file)
{
	const struct proc_node *node = node_of(inode);
	struct proc_open *open;
	int err = node->entry->may_open ? node->entry->may_open(node) : 0;

	if (err)
		return err;
	open = kzalloc(sizeof(*open), GFP_KERNEL);
	if (!open)
		return -ENOMEM;
	open->node = node;
	open->may_see_frames = fs_capable(CAP_SYS_ADMIN);
	mutex_init(&open->lock, RANK_NONE);
	err = bind_task(open);
	if (err) {
		kfree(open);
		return err;
	}
	file->private_data = open;
	if (node->entry->any_offset && node->entry->write_at)
		file->f_mode |= FMODE_UNSIGNED_OFFSET;
	return 0;
}

static void proc_release(struct file *file)
{
	struct proc_open *open = file->private_data;

	if (!open)
		return;
	if (open->mm)
		mmdrop(open->mm);
	if (open->root.mnt)
		path_put(&open->root);
	proc_free_text(open);
	kfree(open);
}

static s64 proc_llseek(struct file *file, s64 offset, int whence)
{
	const struct proc_open *open = file->private_data;

	if (!open->node->entry->any_offset)
		/* a text has no end before it is printed */
		return forward_llseek(file, offset, whence);
	if (whence == SEEK_CUR)
		offset = (s64)((u64)offset + file->f_pos);
	else if (whence != SEEK_SET)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

/* ---- The file system ------------------------------------------------------------------------- */

static bool lookup_pid(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out)
{
	int nr = proc_parse_number(name, len);
	struct pid *pid = nr > 0 ? fs_hook_find_pid(nr) : NULL;

	(void)dir;
	if (pid)
		*out = (struct proc_node){.entry = &proc_pid_entry, .pid = pid, .nr = nr};
	return pid;
}

static void iterate_pids(const struct proc_node *dir, struct dir_context *ctx)
{
	int pid = (int)(ctx->pos - PROC_POS_DYNAMIC);

	(void)dir;
	while ((pid = fs_hook_next_process(pid))) {
		struct proc_node node = {.entry = &proc_pid_entry, .nr = pid};
		char name[12];
		int len = pagoda_snprintf(name, sizeof(name), "%d", pid);

		if (!ctx->emit(ctx, name, (size_t)len, PROC_POS_DYNAMIC + (u64)pid - 1,
			       proc_ino(&node), S_IFDIR >> 12))
			return;
		ctx->pos = PROC_POS_DYNAMIC + (u64)pid;
	}
}

static struct proc_entry root_entry = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	.lookup = lookup_pid,
	.iterate = iterate_pids,
};

static const struct inode_operations proc_dir_iops = {.lookup = proc_lookup,
						      .setattr = keep_attributes};
static const struct inode_operations proc_guarded_dir_iops = {
	.lookup = proc_lookup, .setattr = keep_attributes, .permission = guarded_dir_permission};
static const struct inode_operations proc_file_iops = {.setattr = keep_attributes};
static const struct inode_operations proc_link_iops = {.readlink = proc_readlink};
static const struct inode_operations proc_jump_iops = {.readlink = proc_readlink,
						       .jump = proc_jump};

static const struct file_operations proc_dir_fops = {
	.open = proc_dir_open, .iterate = proc_iterate, .llseek = proc_dir_llseek};

struct pid *proc_dir_process(const struct file *file)
{
	const struct proc_node *node = file->f_inode->i_object;

	if (file->f_inode->i_fop != &proc_dir_fops || node->entry != &proc_pid_entry)
		return NULL;
	return node->pid;
}

static const struct file_operations proc_file_fops = {
	.splice_in = true,
	.open = proc_open,
	.read = proc_read,
	.write = proc_write,
	.llseek = proc_llseek,
	.release = proc_release,
};
/* Bytes of memory and not text: they are not spliced. */
static const struct file_operations proc_raw_fops = {
	.open = proc_open,
	.read = proc_read,
	.write = proc_write,
	.llseek = proc_llseek,
	.release = proc_release,
};

static const struct super_operations proc_super_ops = {.evict = proc_evict};

struct super_block *proc_mount(void)
{
	struct super_block *sb = new_super("proc", PROC_MAGIC, &proc_super_ops);
	struct proc_node root = {.entry = &root_entry};
	struct inode *inode;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	root_entry.children = proc_system_entries;
	root_entry.nr_children = proc_nr_system_entries;
	inode = proc_inode(sb, &root);
	if (!inode || !d_make_root(sb, inode)) {
		kfree(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}
