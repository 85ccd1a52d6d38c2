/* SPDX-License-Identifier: MIT */
/*
 * initramfs.c: unpacking the cpio archive that came with the kernel.
 *
 * The format is "newc": for each member a header of 110 characters (13 numbers of 8 hex
 * digits behind the magic), the name, the data, each padded to 4 bytes; "TRAILER!!!" ends.
 * A file's bytes go straight from the archive into its page-cache pages, one copy. What is
 * behind is given back at once, a megabyte at a time, or files would need their memory twice.
 *
 * Hard links: members with the same inode number and more than one link; the data comes
 * with one of them (mostly the last). The first makes the file, the others link to it.
 *
 * Failure: a broken archive is -EINVAL, with what came before unpacked.
 */
#include <fs/vfs.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/bug.h>

#define HEADER_BYTES 110u
#define NSEC_PER_SEC 1000000000ll

struct cpio_header {
	u32 ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
		namesize, check;
};

/* A file with more links to come. */
struct cpio_link {
	struct cpio_link *next;
	u32 ino, devmajor, devminor;
	char name[];
};

struct cpio {
	const char *at, *end;
	struct cpio_header header;
	const char *data;
	struct cpio_link *links;
	const char *start, *given_back;
	void (*consumed)(size_t bytes);
	char *name; /* PATH_MAX: the archive's own may be gone before the member is done */
};

#define GIVE_BACK_BYTES (1ul << 20)

/* Eight hex digits; false: something else. */
static bool parse_hex(const char *text, u32 *value)
{
	u32 n = 0;

	for (int i = 0; i < 8; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (u32)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			n = n << 4 | (u32)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*value = n;
	return true;
}

static size_t padded(size_t n)
{
	return ALIGN(n, 4ul);
}

/* The next member's header, name and data. 0: there is one; 1: the end; -EINVAL. */
static int next_member(struct cpio *cpio)
{
	u32 *fields = (u32 *)&cpio->header;
	size_t left = (size_t)(cpio->end - cpio->at), data_at;

	if (left < HEADER_BYTES || memcmp(cpio->at, "07070", 5) != 0 ||
	    (cpio->at[5] != '1' && cpio->at[5] != '2'))
		return -EINVAL;
	for (unsigned int i = 0; i < sizeof(cpio->header) / sizeof(u32); i++)
		if (!parse_hex(cpio->at + 6 + 8 * i, &fields[i]))
			return -EINVAL;
	data_at = padded(HEADER_BYTES + cpio->header.namesize);
	if (data_at > left || cpio->header.filesize > left - data_at || !cpio->header.namesize ||
	    cpio->header.namesize > PATH_MAX)
		return -EINVAL;
	memcpy(cpio->name, cpio->at + HEADER_BYTES, cpio->header.namesize);
	cpio->data = cpio->at + data_at;
	if (cpio->name[cpio->header.namesize - 1])
		return -EINVAL;
	cpio->at += min(padded(data_at + cpio->header.filesize), left);
	return strcmp(cpio->name, "TRAILER!!!") == 0;
}

/* ---- Making what a member says ------------------------------------------------------------- */

static int set_attributes(const struct cpio *cpio, const char *name)
{
	struct path path;
	struct inode *inode;
	int err = path_lookup(AT_FDCWD, name, 0, &path);

	if (err)
		return err;
	inode = path.dentry->d_inode;
	inode->i_mode = (inode->i_mode & S_IFMT) | (cpio->header.mode & 07777);
	inode->i_uid = cpio->header.uid;
	inode->i_gid = cpio->header.gid;
	inode->i_atime = inode->i_mtime = inode->i_ctime = cpio->header.mtime * NSEC_PER_SEC;
	path_put(&path);
	return 0;
}

/* All before at is done with. */
static void give_back(struct cpio *cpio, const char *at)
{
	if (!cpio->consumed || at < cpio->given_back + GIVE_BACK_BYTES)
		return;
	cpio->given_back = at;
	cpio->consumed((size_t)(at - cpio->start));
}

static int write_data(struct cpio *cpio, const char *name)
{
	struct file *file = do_filp_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_LARGEFILE, 0700);
	u64 pos = 0, size = cpio->header.filesize;
	long n = 0;

	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	while (pos < size && n >= 0) {
		size_t want = min_t(u64, size - pos, GIVE_BACK_BYTES);

		n = file->f_op->write(file, iov_kernel_buf(cpio->data + pos), want, &pos);
		if (n >= 0 && (size_t)n < want)
			n = -ENOSPC;
		give_back(cpio, cpio->data + pos);
	}
	fput(file);
	return n < 0 ? (int)n : 0;
}

static struct cpio_link *find_link(const struct cpio *cpio)
{
	const struct cpio_header *h = &cpio->header;
	struct cpio_link *link;

	for (link = cpio->links; link; link = link->next)
		if (link->ino == h->ino && link->devmajor == h->devmajor &&
		    link->devminor == h->devminor)
			break;
	return link;
}

static int remember_link(struct cpio *cpio, const char *name)
{
	struct cpio_link *link = kmalloc(sizeof(*link) + strlen(name) + 1, GFP_KERNEL);

	if (!link)
		return -ENOMEM;
	link->ino = cpio->header.ino;
	link->devmajor = cpio->header.devmajor;
	link->devminor = cpio->header.devminor;
	memcpy(link->name, name, strlen(name) + 1);
	link->next = cpio->links;
	cpio->links = link;
	return 0;
}

static void forget_links(struct cpio *cpio)
{
	while (cpio->links) {
		struct cpio_link *next = cpio->links->next;

		kfree(cpio->links);
		cpio->links = next;
	}
}

static int unpack_regular(struct cpio *cpio, const char *name)
{
	struct cpio_link *link = cpio->header.nlink > 1 ? find_link(cpio) : NULL;
	int err = 0;

	if (link)
		err = vfs_link(AT_FDCWD, link->name, AT_FDCWD, name, 0);
	else if (cpio->header.nlink > 1)
		err = remember_link(cpio, name);
	if (!err && (!link || cpio->header.filesize))
		err = write_data(cpio, name);
	return err;
}

static int unpack_link(const struct cpio *cpio, const char *name)
{
	char *target = kmalloc(cpio->header.filesize + 1, GFP_KERNEL);
	int err;

	if (!target)
		return -ENOMEM;
	memcpy(target, cpio->data, cpio->header.filesize);
	target[cpio->header.filesize] = '\0';
	err = vfs_mknod(AT_FDCWD, name, S_IFLNK | 0777, 0, target);
	kfree(target);
	return err;
}

static int unpack_member(struct cpio *cpio)
{
	const struct cpio_header *h = &cpio->header;
	u64 rdev = MKDEV(h->rdevmajor, h->rdevminor);
	const char *name = cpio->name;
	int err;

	give_back(cpio, cpio->data);
	while (*name == '/')
		name++;
	if (!*name || strcmp(name, ".") == 0)
		return 0;
	switch (h->mode & S_IFMT) {
	case S_IFREG:
		err = unpack_regular(cpio, name);
		break;
	case S_IFLNK:
		err = unpack_link(cpio, name);
		break;
	case S_IFDIR:
		err = vfs_mknod(AT_FDCWD, name, S_IFDIR | 0755, 0, NULL);
		if (err == -EEXIST)
			err = 0;
		break;
	default:
		err = vfs_mknod(AT_FDCWD, name, h->mode, rdev, NULL);
	}
	return err ? err : set_attributes(cpio, name);
}

int initramfs_unpack(const void *archive, size_t size, void (*consumed)(size_t bytes))
{
	struct cpio cpio = {
		.at = archive, .end = (const char *)archive + size, .consumed = consumed};
	int err;

	cpio.start = cpio.given_back = archive;
	cpio.name = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!cpio.name)
		return -ENOMEM;
	while ((err = next_member(&cpio)) == 0) {
		err = unpack_member(&cpio);
		if (err) {
			pr_err("initramfs: %s: error %d\n", cpio.name, err);
			break;
		}
	}
	forget_links(&cpio);
	kfree(cpio.name);
	return err < 0 ? err : 0;
}
