/* SPDX-License-Identifier: MIT */
/*
 * fd.c: /proc/PID/fd and fdinfo: the open descriptors of a process.
 *
 * An entry of fd is a link that jumps to the open object itself, so that opening it works
 * for deleted files and pipes as well. The table is held while it is looked at.
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
	struct file *file = file_of_node(node);

	if (!file)
		return -ENOENT;
	*out = file->f_path;
	path_get(out);
	fput(file);
	return 0;
}

static int show_fdinfo(struct proc_text *t, const struct proc_node *node)
{
	struct file *file = file_of_node(node);

	if (!file)
		return -ENOENT;
	proc_printf(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n",
		    (unsigned long long)file->f_pos, file->f_flags, file->f_path.mnt->mnt_id,
		    (unsigned long long)file->f_inode->i_ino);
	fput(file);
	return 0;
}

static const struct proc_entry link_entry = PROC_LINK("fd", NULL, jump_fd);
static const struct proc_entry info_entry = PROC_FILE("fdinfo", 0400, show_fdinfo);

static bool lookup_number(const struct proc_node *dir, const char *name, size_t len,
			  const struct proc_entry *entry, struct proc_node *out)
{
	struct file *file;

	*out = *dir;
	out->entry = entry;
	out->number = proc_parse_number(name, len);
	if (out->number < 0)
		return false;
	file = file_of_node(out);
	if (file)
		fput(file);
	return file;
}

static void iterate_numbers(const struct proc_node *dir, const struct proc_entry *entry,
			    struct dir_context *ctx)
{
	struct files_struct *files = table_of(dir);
	int fd = (int)(ctx->pos - PROC_POS_DYNAMIC);

	while (files && (fd = files_next_fd(files, fd)) >= 0) {
		struct proc_node node = *dir;
		char name[12];
		int len = pagoda_snprintf(name, sizeof(name), "%d", fd);

		node.entry = entry;
		node.number = fd;
		if (!ctx->emit(ctx, name, (size_t)len, PROC_POS_DYNAMIC + (u64)fd, proc_ino(&node),
			       entry->mode >> 12))
			break;
		ctx->pos = PROC_POS_DYNAMIC + (u64)++fd;
	}
	if (files)
		files_drop(files);
}

bool proc_lookup_fd(const struct proc_node *dir, const char *name, size_t len,
		    struct proc_node *out)
{
	return lookup_number(dir, name, len, &link_entry, out);
}

bool proc_lookup_fdinfo(const struct proc_node *dir, const char *name, size_t len,
			struct proc_node *out)
{
	return lookup_number(dir, name, len, &info_entry, out);
}

void proc_iterate_fds(const struct proc_node *dir, struct dir_context *ctx)
{
	iterate_numbers(dir, &link_entry, ctx);
}

void proc_iterate_fdinfos(const struct proc_node *dir, struct dir_context *ctx)
{
	iterate_numbers(dir, &info_entry, ctx);
}
