/* SPDX-License-Identifier: MIT */
/*
 * proc.c: the file system of /proc: nodes made from tables, and text files.
 *
 * Nothing of it is kept: a lookup makes a dentry and an inode that go with their last
 * reference, so a process that has ended leaves nothing behind. Inode numbers come from the
 * table entry and the pid, so they are the same at each lookup.
 *
 * A text file is printed in whole into memory when it is read at position 0, and served
 * from there: reads continue at any offset and see one moment. Reading at 0 again (after
 * lseek) prints anew.
 *
 * Failure: ENOMEM when there is no room for the text; ESRCH when the task has gone.
 */
#include <fs/proc/proc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vmalloc.h>
#include <pagoda/uaccess.h>

#define PROC_MAGIC	 0x9fa0u
#define FIRST_TEXT_BYTES 1024ul
#define KMALLOC_TEXT_MAX SZ_64K
#define WRITE_MAX	 4095ul

/* ---- Text ---------------------------------------------------------------------------------- */

static void free_buf(struct proc_text *text)
{
	if (text->vmalloced)
		vfree(text->buf);
	else
		kfree(text->buf);
	text->buf = NULL;
}

/* Room for n bytes more; false: no memory. */
static bool make_room(struct proc_text *text, size_t n)
{
	size_t room = max(text->room, FIRST_TEXT_BYTES);
	bool big;
	char *buf;

	if (text->error)
		return false;
	if (text->room - text->len >= n)
		return true;
	while (room - text->len < n)
		room *= 2;
	big = room > KMALLOC_TEXT_MAX;
	buf = big ? vmalloc(room) : kmalloc(room, GFP_KERNEL);
	if (!buf) {
		text->error = -ENOMEM;
		return false;
	}
	if (text->buf) {
		memcpy(buf, text->buf, text->len);
		free_buf(text);
	}
	text->buf = buf;
	text->room = room;
	text->vmalloced = big;
	return true;
}

void proc_write_bytes(struct proc_text *text, const void *bytes, size_t n)
{
	if (!make_room(text, n))
		return;
	memcpy(text->buf + text->len, bytes, n);
	text->len += n;
}

void proc_printf(struct proc_text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!make_room(text, 128))
		return;
	va_start(args, fmt);
	n = pagoda_vsnprintf(text->buf + text->len, text->room - text->len, fmt, args);
	va_end(args);
	if ((size_t)n >= text->room - text->len) {
		if (!make_room(text, (size_t)n + 1))
			return;
		va_start(args, fmt);
		n = pagoda_vsnprintf(text->buf + text->len, text->room - text->len, fmt, args);
		va_end(args);
	}
	text->len += (size_t)n;
}

void proc_emit(void *arg, const char *string)
{
	proc_write_bytes(arg, string, strlen(string));
}

void proc_pad(struct proc_text *text, size_t start, size_t column)
{
	while (!text->error && text->len - start < column)
		proc_write_bytes(text, " ", 1);
}

int proc_parse_number(const char *name, size_t len)
{
	int n = 0;

	if (!len || len > 9 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (name[i] - '0');
	}
	return n;
}

int proc_parse_long(const char *text, long *value)
{
	bool negative, digits = false;
	long n = 0;

	while (*text == ' ' || *text == '\t')
		text++;
	negative = *text == '-';
	text += negative;
	for (; *text >= '0' && *text <= '9'; text++, digits = true)
		if (__builtin_mul_overflow(n, 10l, &n) || __builtin_add_overflow(n, *text - '0', &n))
			return -EINVAL;
	while (*text == ' ' || *text == '\n' || *text == '\t')
		text++;
	if (!digits || *text)
		return -EINVAL;
	*value = negative ? -n : n;
	return 0;
}

/* ---- Nodes ------------------------------------------------------------------------------------ */

static const struct inode_operations proc_dir_iops, proc_file_iops, proc_link_iops, proc_jump_iops;
static const struct file_operations proc_file_fops, proc_dir_fops, proc_raw_fops;

static const struct proc_node *node_of(const struct inode *inode)
{
	return inode->i_object;
}

u64 proc_ino(const struct proc_node *node)
{
	return (u64)node->pid << 32 | ((u32)(unsigned long)node->entry ^ (u32)node->number << 20);
}

/* Who owns a task's files: its effective user. */
static void set_owner(struct inode *inode, const struct proc_node *node)
{
	struct fs_task_info *info;

	inode->i_uid = inode->i_gid = 0;
	if (!node->pid)
		return;
	info = kmalloc(sizeof(*info), GFP_KERNEL);
	if (info && fs_hook_task_info(node->pid, info) &&
	    (!info->hidden || inode->i_mode == (S_IFDIR | 0555))) {
		inode->i_uid = info->cred.euid;
		inode->i_gid = info->cred.egid;
	}
	kfree(info);
}

static void set_operations(struct inode *inode, const struct proc_entry *entry)
{
	if (S_ISDIR(entry->mode)) {
		inode->i_op = &proc_dir_iops;
		inode->i_fop = &proc_dir_fops;
		inode->i_nlink = 2;
	} else if (S_ISLNK(entry->mode)) {
		inode->i_op = entry->jump ? &proc_jump_iops : &proc_link_iops;
	} else {
		inode->i_op = &proc_file_iops;
		inode->i_fop = entry->show || entry->write || entry->value ? &proc_file_fops : &proc_raw_fops;
	}
}

static struct inode *proc_inode(struct super_block *sb, const struct proc_node *node)
{
	struct inode *inode = new_inode(sb, node->entry->mode);
	struct proc_node *copy = kmalloc(sizeof(*copy), GFP_KERNEL);

	if (!inode || !copy) {
		kfree(copy);
		if (inode)
			iput(inode);
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
	kfree(inode->i_object);
}

/* ---- Directories -------------------------------------------------------------------------------- */

static bool find_child(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out)
{
	const struct proc_entry *entry = dir->entry;

	for (unsigned int i = 0; i < entry->nr_children; i++) {
		const struct proc_entry *child = &entry->children[i];

		if (strlen(child->name) == len && memcmp(child->name, name, len) == 0) {
			*out = *dir;
			out->entry = child;
			return true;
		}
	}
	return entry->lookup && entry->lookup(dir, name, len, out);
}

static struct dentry *proc_lookup(struct dentry *dir, const char *name, size_t len)
{
	struct proc_node node;
	struct inode *inode;
	struct dentry *dentry;

	if (!find_child(node_of(dir->d_inode), name, len, &node))
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

static int keep_attributes(struct inode *inode, struct iattr *attr)
{
	(void)inode;
	return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

/* ---- Links ----------------------------------------------------------------------------------------- */

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

/* ---- Files ------------------------------------------------------------------------------------------- */

static int show_value(struct proc_text *text, const struct proc_node *node)
{
	proc_printf(text, "%d\n", READ_ONCE(*node->entry->value));
	return 0;
}

static int print_file(struct file *file)
{
	const struct proc_node *node = node_of(file->f_inode);
	struct proc_text *text = file->private_data;
	int err;

	if (!node->entry->show && !node->entry->value)
		return -EINVAL; /* only to be written */
	if (!text) {
		text = kzalloc(sizeof(*text), GFP_KERNEL);
		if (!text)
			return -ENOMEM;
		file->private_data = text;
	}
	text->len = 0;
	text->error = 0;
	err = node->entry->value ? show_value(text, node) : node->entry->show(text, node);
	return err ? err : text->error;
}

static long proc_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct proc_text *text = file->private_data;
	size_t n;
	int err;

	if (*pos == 0 || !text) {
		err = print_file(file);
		if (err)
			return err;
		text = file->private_data;
	}
	if (*pos >= text->len)
		return 0;
	n = min(count, text->len - (size_t)*pos);
	n -= iov_put(buf, 0, text->buf + *pos, n);
	*pos += n;
	return n || !count ? (long)n : -EFAULT;
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

static long proc_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	const struct proc_node *node = node_of(file->f_inode);
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
	else if (node->entry->write)
		ret = node->entry->write(node, text, n);
	else
		ret = -EIO;
	kfree(text);
	if (ret > 0)
		*pos += (u64)ret;
	return ret;
}

static int proc_open(struct inode *inode, struct file *file)
{
	const struct proc_node *node = node_of(inode);

	(void)file;
	return node->entry->guarded ? fs_hook_may_access(node->pid) : 0;
}

static void proc_release(struct file *file)
{
	struct proc_text *text = file->private_data;

	if (!text)
		return;
	free_buf(text);
	kfree(text);
}

static long raw_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	const struct proc_node *node = node_of(file->f_inode);

	return node->entry->read ? node->entry->read(node, buf, count, pos) : -EINVAL;
}

static long raw_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	const struct proc_node *node = node_of(file->f_inode);

	return node->entry->write_at ? node->entry->write_at(node, buf, count, pos) : -EIO;
}

/* Offsets are addresses here: any is good. */
static s64 raw_llseek(struct file *file, s64 offset, int whence)
{
	if (whence == 1)
		offset += (s64)file->f_pos;
	else if (whence != 0)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

/* ---- The file system ------------------------------------------------------------------------------------- */

static bool lookup_pid(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out)
{
	int pid = proc_parse_number(name, len);
	struct fs_task_info *info;
	bool found;

	(void)dir;
	if (pid <= 0)
		return false;
	info = kmalloc(sizeof(*info), GFP_KERNEL);
	found = info && fs_hook_task_info(pid, info);
	if (found)
		*out = (struct proc_node){ &proc_pid_entry, pid, info->tgid, 0, info->start_time };
	kfree(info);
	return found;
}

static void iterate_pids(const struct proc_node *dir, struct dir_context *ctx)
{
	int pid = (int)(ctx->pos - PROC_POS_DYNAMIC);

	(void)dir;
	while ((pid = fs_hook_next_process(pid))) {
		struct proc_node node = { &proc_pid_entry, pid, pid, 0, 0 };
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

static const struct inode_operations proc_dir_iops = { .lookup = proc_lookup,
						       .setattr = keep_attributes };
static const struct inode_operations proc_file_iops = { .setattr = keep_attributes };
static const struct inode_operations proc_link_iops = { .readlink = proc_readlink };
static const struct inode_operations proc_jump_iops = { .readlink = proc_readlink,
							.jump = proc_jump };

static const struct file_operations proc_dir_fops = { .iterate = proc_iterate,
						      .llseek = proc_dir_llseek };

bool proc_dir_process(const struct file *file, int *pid, u64 *born)
{
	const struct proc_node *node = file->f_inode->i_object;

	if (file->f_inode->i_fop != &proc_dir_fops || node->entry != &proc_pid_entry)
		return false;
	*pid = node->pid;
	*born = node->born;
	return true;
}
static const struct file_operations proc_file_fops = {
	.splice_in = true,
	.open = proc_open,
	.read = proc_read,
	.write = proc_write,
	.llseek = forward_llseek, /* its text has no end before it is printed */
	.release = proc_release,
};
static const struct file_operations proc_raw_fops = {
	.open = proc_open,
	.read = raw_read,
	.write = raw_write,
	.llseek = raw_llseek,
};

static const struct super_operations proc_super_ops = { .evict = proc_evict };

struct super_block *proc_mount(void)
{
	struct super_block *sb = new_super("proc", PROC_MAGIC, &proc_super_ops);
	struct proc_node root = { &root_entry, 0, 0, 0, 0 };
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
