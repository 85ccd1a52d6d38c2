/* SPDX-License-Identifier: MIT */
/*
 * pidfd.c: a process as a file: a name for it that is never given to another.
 *
 * The file holds the struct pid, not the number: when the process has been waited for, the number
 * is free again, and the file stands for nobody (ESRCH). It polls readable from the moment that
 * the last thread has ended.
 *
 * Locking: tasklist_lock to go from the pid to the task; pid->ended is woken by exit.c.
 * Failure: as pidfd_open(2). Observability: anon_inode:[pidfd] in /proc/PID/fd.
 */
#include <fs/vfs.h>
#include <fs/wait.h>
#include <kernel/pidfd.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

static bool has_ended(struct pid *pid)
{
	struct task_struct *t;
	bool ended;

	spin_lock_deferring(&tasklist_lock);
	t = pid->task;
	ended = !t || (t->state == TASK_ZOMBIE && t->signal->live == 0);
	spin_unlock_deferring(&tasklist_lock);
	return ended;
}

static unsigned int pidfd_poll(struct file *file, struct poll_table *pt)
{
	struct pid *pid = file->private_data;

	poll_wait(&pid->ended, pt);
	return has_ended(pid) ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *file)
{
	put_pid_ref(file->private_data);
}

static const struct file_operations pidfd_fops = {.poll = pidfd_poll, .release = pidfd_release};

struct file *pidfd_file(struct pid *pid, unsigned int flags)
{
	struct file *file =
		anon_object_file("anon_inode:[pidfd]", &pidfd_fops, pid, O_RDWR | flags);

	if (!IS_ERR(file))
		get_pid_ref(pid);
	return file;
}

struct pid *pidfd_pid(int fd, bool *nonblock)
{
	struct fd f = fdget((unsigned int)fd);
	struct pid *pid = ERR_PTR(-EBADF);

	if (f.file && f.file->f_op == &pidfd_fops) {
		pid = f.file->private_data;
		get_pid_ref(pid);
		*nonblock = f.file->f_flags & O_NONBLOCK;
	}
	fdput(f);
	return pid;
}

/* The process of an open /proc/PID, with a reference, or ERR_PTR: EBADF. It may have ended. */
static struct pid *proc_dir_pid(int fd)
{
	struct fd f = fdget((unsigned int)fd);
	struct pid *pid = f.file ? proc_dir_process(f.file) : NULL;

	if (pid)
		get_pid_ref(pid);
	else
		pid = ERR_PTR(-EBADF);
	fdput(f);
	return pid;
}

struct pid *pidfd_or_proc_pid(int fd)
{
	bool nonblock;
	struct pid *pid = pidfd_pid(fd, &nonblock);

	return pid == ERR_PTR(-EBADF) ? proc_dir_pid(fd) : pid;
}

/* The process of that number, with a reference, or ERR_PTR: ESRCH, EINVAL (only a thread). */
static struct pid *get_process_pid(int nr)
{
	struct pid *pid;

	spin_lock_deferring(&tasklist_lock);
	pid = find_pid_locked(nr);
	if (!pid || !pid->task)
		pid = ERR_PTR(-ESRCH);
	else if (!thread_group_leader(pid->task))
		pid = ERR_PTR(-EINVAL);
	else
		pid->refs++;
	spin_unlock_deferring(&tasklist_lock);
	return pid;
}

long sys_pidfd_open(unsigned long nr, unsigned long flags)
{
	struct file *file;
	struct pid *pid;
	int fd;

	if ((unsigned int)flags & ~O_NONBLOCK)
		return -EINVAL;
	if ((int)nr <= 0)
		return -EINVAL;
	pid = get_process_pid((int)nr);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	fd = get_unused_fd(0, O_CLOEXEC);
	if (fd >= 0) {
		file = pidfd_file(pid, (unsigned int)flags);
		if (IS_ERR(file)) {
			put_unused_fd(fd);
			fd = (int)PTR_ERR(file);
		} else {
			fd_install(fd, file);
		}
	}
	put_pid_ref(pid);
	return fd;
}

/* ---- Another process's descriptors ----------------------------------------------------------- */

/* Its open files, held, or ERR_PTR: ESRCH, EPERM. */
static struct files_struct *hold_files_of(struct pid *pid)
{
	struct files_struct *files = ERR_PTR(-ESRCH);

	spin_lock_deferring(&tasklist_lock);
	if (pid->task && !may_access_task(pid->task, false))
		files = ERR_PTR(-EPERM);
	else if (pid->task && pid->task->fs.files) {
		files = pid->task->fs.files;
		files_hold(files);
	}
	spin_unlock_deferring(&tasklist_lock);
	return files;
}

static long copy_descriptor(struct files_struct *files, unsigned int target)
{
	struct file *file = files_get(files, target);
	int fd;

	if (!file)
		return -EBADF;
	fd = get_unused_fd(0, O_CLOEXEC);
	if (fd >= 0)
		fd_install(fd, file);
	else
		fput(file);
	return fd;
}

long sys_pidfd_getfd(unsigned long pidfd, unsigned long target, unsigned long flags)
{
	struct files_struct *files;
	struct pid *pid;
	bool nonblock;
	long ret;

	if ((unsigned int)flags)
		return -EINVAL;
	pid = pidfd_pid((int)pidfd, &nonblock);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	files = hold_files_of(pid);
	put_pid_ref(pid);
	if (IS_ERR(files))
		return PTR_ERR(files);
	ret = copy_descriptor(files, (unsigned int)target);
	files_drop(files);
	return ret;
}
