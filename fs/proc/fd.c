/* SPDX-License-Identifier: MIT */
/*
 * fd.c: /proc/PID/fd and fdinfo: the open descriptors of a process.
 *
 * An entry of fd is a link that jumps to the open object itself, so that opening it works
 * for deleted files and pipes as well. The table is held while it is looked at.
 *
 * Who may: fd is a directory of its owner, and of the process's own threads whoever owns it;
 * following or reading its links, and fdinfo, need the right to look into the process (ptrace's
 * rule), asked for at each access.
 */
#include <fs/proc/proc.h>
#include <pagoda/string.h>

static void hold_table(struct fs_task *task, void *arg)
{
	struct files_struct **files = arg;

	if (task->files) {
		files_hold(task->files);
		*files = task->files;
	}
}

static struct files_struct *table_of(const struct proc_node *node)
{
	struct files_struct *files = NULL;

	(void)fs_hook_with_task(node->pid, hold_table, &files); /* gone: NULL */
	return files;
}

/* The file behind a node with a reference, or NULL. */
static struct file *file_of_node(const struct proc_node *node)
{
	struct files_struct *files = table_of(node);
	struct file *file;

	if (!files)
		return NULL;
	file = files_get(files, (unsigned int)node->number);
	files_drop(files);
	return file;
}

static int jump_fd(const struct proc_node *node, struct path *out)
{
	struct file *file;

	if (fs_hook_may_access(node->pid))
		return -EACCES;
	file = file_of_node(node);
	if (!file)
		return -ENOENT;
	*out = file->f_path;
	path_get(out);
	fput(file);
	return 0;
}

static int show_fdinfo(struct proc_text *t, const struct proc_node *node)
{
	struct files_struct *files = table_of(node);
	struct file *file = files ? files_get(files, (unsigned int)node->number) : NULL;
	unsigned int flags;

	if (!file) {
		if (files)
			files_drop(files);
		return -ENOENT;
	}
	flags = file->f_flags & ~O_CLOEXEC;
	if (fd_is_cloexec(files, (unsigned int)node->number))
		flags |= O_CLOEXEC;
	files_drop(files);
	proc_printf(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n",
		    (unsigned long long)file->f_pos, flags, file->f_path.mnt->mnt_id,
		    (unsigned long long)file->f_inode->i_ino);
	fput(file);
	return 0;
}

static int may_look(const struct proc_node *node)
{
	return fs_hook_may_access(node->pid);
}

/* The link of a descriptor, by how its file is open. */
#define FD_LINK(m)                                                   \
	{                                                            \
		.name = "fd", .mode = S_IFLNK | (m), .jump = jump_fd \
	}
static const struct proc_entry link_entries[] = {
	FD_LINK(0),
	[FMODE_READ] = FD_LINK(0500),
	[FMODE_WRITE] = FD_LINK(0300),
	[FMODE_READ | FMODE_WRITE] = FD_LINK(0700),
};
static const struct proc_entry info_entry = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.may_open = may_look,
	.show = show_fdinfo,
};

static const struct proc_entry *link_entry(const struct file *file)
{
	return &link_entries[file->f_mode & (FMODE_READ | FMODE_WRITE)];
}

/*
 * The descriptor of that name: *out but for its entry, with a reference to the pid, and the file,
 * with a reference.
 */
static struct file *find_descriptor(const struct proc_node *dir, const char *name, size_t len,
				    struct proc_node *out)
{
	struct file *file;

	*out = *dir;
	out->number = proc_parse_number(name, len);
	file = out->number < 0 ? NULL : file_of_node(out);
	if (file)
		fs_hook_get_pid(out->pid);
	return file;
}

bool proc_lookup_fd(const struct proc_node *dir, const char *name, size_t len,
		    struct proc_node *out)
{
	struct file *file = find_descriptor(dir, name, len, out);

	if (!file)
		return false;
	out->entry = link_entry(file);
	fput(file);
	return true;
}

bool proc_lookup_fdinfo(const struct proc_node *dir, const char *name, size_t len,
			struct proc_node *out)
{
	struct file *file = find_descriptor(dir, name, len, out);

	if (!file)
		return false;
	out->entry = &info_entry;
	fput(file);
	return true;
}

/* Emit one descriptor, which may have been closed meanwhile; false: the buffer is full. */
static bool emit_descriptor(struct proc_node *node, struct files_struct *files, bool info,
			    struct dir_context *ctx)
{
	struct file *file = files_get(files, (unsigned int)node->number);
	char name[12];
	int len = pagoda_snprintf(name, sizeof(name), "%d", node->number);

	if (!file)
		return true;
	node->entry = info ? &info_entry : link_entry(file);
	fput(file);
	return ctx->emit(ctx, name, (size_t)len, PROC_POS_DYNAMIC + (u64)node->number,
			 proc_ino(node), node->entry->mode >> 12);
}

static void iterate_numbers(const struct proc_node *dir, bool info, struct dir_context *ctx)
{
	struct files_struct *files = table_of(dir);
	struct proc_node node = *dir;

	node.number = (int)(ctx->pos - PROC_POS_DYNAMIC);
	while (files && (node.number = files_next_fd(files, node.number)) >= 0) {
		if (!emit_descriptor(&node, files, info, ctx))
			break;
		ctx->pos = PROC_POS_DYNAMIC + (u64)++node.number;
	}
	if (files)
		files_drop(files);
}

void proc_iterate_fds(const struct proc_node *dir, struct dir_context *ctx)
{
	iterate_numbers(dir, false, ctx);
}

void proc_iterate_fdinfos(const struct proc_node *dir, struct dir_context *ctx)
{
	iterate_numbers(dir, true, ctx);
}

int proc_fd_permission(struct inode *inode, const struct proc_node *node, unsigned int mask)
{
	int err = generic_permission(inode, mask);

	return err && fs_hook_pid_is_mine(node->pid) ? 0 : err;
}
