/* SPDX-License-Identifier: MIT */
/*
 * kernel_pages.c: kernel memory that a process keeps through its descriptors, for the OOM killer.
 *
 * Bytes that nobody has read yet lie in pipes and sockets, and files without a name (memfd,
 * O_TMPFILE, unlinked ones) keep their pages: all of it goes when the process that has them open
 * ends, but none of it is in any address space. So that the killer finds a process that fills
 * memory that way, and not a bystander, it asks here how many pages each would give back.
 *
 *	descriptor -> file -> f_op->kernel_pages(file), or the pages of a nameless file of tmpfs
 *	shared by n descriptors, tables, messages: each has an n-th of it
 *
 * A socket counts what lies in files that are on their way in its queue, too, one level deep.
 * Counting costs nothing but here: the numbers are taken from the objects when memory is gone.
 *
 * Locking: called under tasklist_lock, while a task may hold any sleeping lock: locks are tried
 * only, and words read without; what cannot be looked at counts as nothing. Failure: none.
 * Observability: the killer's lines in the log; /proc/PID/oom_score;
 * tests/guest/kernel_memory_hogs.
 */
#include <fs/vfs.h>

static unsigned long nameless_pages(const struct file *file)
{
	const struct inode *inode = file->f_inode;

	if (!S_ISREG(inode->i_mode) || inode->i_nlink || !inode->i_sb->s_pinned)
		return 0;
	return READ_ONCE(inode->i_data.nrpages);
}

static unsigned long share_of(const struct file *file, unsigned long pages)
{
	unsigned long users = (unsigned long)atomic_read(&file->vm.f_count);

	return pages / (users ? users : 1);
}

unsigned long file_kernel_pages(struct file *file)
{
	return file->f_op && file->f_op->kernel_pages
		       ? share_of(file, file->f_op->kernel_pages(file))
		       : 0;
}

static unsigned long file_nameless_pages(struct file *file)
{
	return share_of(file, nameless_pages(file));
}

unsigned long fs_task_kernel_pages(struct fs_task *task, unsigned long mapped)
{
	struct files_struct *files = READ_ONCE(task->files);
	unsigned long nameless = files ? files_sum(files, file_nameless_pages) : 0;

	if (!files)
		return 0;
	return files_sum(files, file_kernel_pages) + (nameless > mapped ? nameless - mapped : 0);
}
