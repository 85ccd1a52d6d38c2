/* SPDX-License-Identifier: MIT */
/*
 * pty.c: pseudo-terminals.
 */
#include <fs/tty.h>

static int no_pty_open(struct inode *inode, struct file *file)
{
	(void)inode, (void)file;
	return -ENXIO;
}

const struct file_operations ptmx_fops = { .open = no_pty_open };
const struct file_operations pts_fops = { .open = no_pty_open };

int pty_init(void)
{
	return 0;
}

struct super_block *devpts_mount(void)
{
	return tmpfs_mount("devpts", "mode=755");
}
