/* SPDX-License-Identifier: MIT */
/*
 * shm.c: System V shared memory: shmget, shmat, shmdt, shmctl.
 *
 * A segment is an unnamed tmpfs file with an owner, a mode and counters:
 *
 *	slot_at(index) -> segment -> file ("/SYSV00001234", on an inode of its own)
 *	VMA -> a file of its attachment, on the same inode -> segment
 *
 * Its id is sequence * IPCMNI + index. Indices are given out in turn, round a circle of at least
 * INDEX_CYCLE; the sequence grows each time round, so that an old id meets EINVAL and no foreign
 * segment. Lookup by id is an index, lookup by key a tree of the segments that have one, as any
 * user can make shmmni segments. The table has room for SLOTS_FIRST segments at first, doubles when
 * an index beyond is wanted, and goes with the last segment.
 *
 * SHM_LOCK marks the mapping: its pages are not swapped. Who locks is charged for it
 * (RLIMIT_MEMLOCK; all segments that the same user has locked count).
 *
 * nattch counts VMAs: the vm_ops count each one that fork, mremap or a split makes, and
 * each that goes. So exec, exit and partial unmapping need nothing of their own, and the
 * numbers are Linux's (a split attachment counts twice). A segment marked SHM_DEST goes
 * with its last VMA.
 *
 * Segments stay when their makers end, so no process can be killed for their pages: all segments
 * together may fill half of RAM and half of the swap (SIGBUS), as files in /dev/shm do elsewhere.
 *
 * Locking: shm_lock (a mutex) for the table and all fields of segments. It is taken inside
 * mmap_lock (vm_ops) and never around a copy to or from user space or do_mmap; shmat counts
 * an attachment of its own while it maps, which keeps the segment.
 *
 * Invariants: (S1) shm_pages is the sum of the segments' pages. (S2) a segment in the table
 * has nattch > 0 or is not SHM_DEST.
 *
 * Failure: nothing changed. Observability: /proc/sysvipc/shm, ipcs.
 */
#include <fs/shm.h>
#include <fs/syscalls.h>
#include <fs/vfs.h>
#include <lib/rbtree.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmalloc.h>

#define IPCMNI	     32768
#define SLOTS_FIRST  64
#define ID_SEQUENCES (0x7fffffff / IPCMNI)
#define INDEX_CYCLE \
	64 /* indices used in turn, before the first is used again (Linux's ipc_min_cycle) */

#define IPC_PRIVATE 0
#define IPC_CREAT   01000u
#define IPC_EXCL    02000u
#define SHM_HUGETLB 04000u

#define IPC_RMID     0
#define IPC_SET	     1
#define IPC_STAT     2
#define IPC_INFO     3
#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15

#define SHM_DEST   01000u /* mode: goes with the last attachment */
#define SHM_LOCKED 02000u

#define SHM_RDONLY 010000u
#define SHM_RND	   020000u
#define SHM_REMAP  040000u
#define SHM_EXEC   0100000u

#define ACCESS_READ  0444u
#define ACCESS_WRITE 0222u
#define ACCESS_EXEC  0111u

#define NSEC_PER_SEC 1000000000ll

struct shm_segment {
	int id;
	s32 key;
	struct rb_node key_node; /* in by_key unless key is IPC_PRIVATE */
	u32 uid, gid, cuid, cgid, mode;
	u64 size;
	s64 atime, dtime, ctime; /* seconds */
	int cpid, lpid;
	unsigned long nattch; /* VMAs, and shmat calls under way */
	u32 locker;	      /* SHM_LOCKED: the user who is charged */
	struct file *file;
};

/* What programs see; x86-64's layout. */
struct shmid_ds {
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad[3];
	u64 unused[2];
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch, unused2[2];
};
static_assert(sizeof(struct shmid_ds) == 112, "struct shmid64_ds of the ABI");

struct shminfo {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};
static_assert(sizeof(struct shminfo) == 72, "struct shminfo of the ABI");
struct shm_info {
	s32 used_ids, pad;
	u64 tot, rss, swp, swap_attempts, swap_successes;
};
static_assert(sizeof(struct shm_info) == 48, "struct shm_info of the ABI");

u64 shm_ctlmax = ~0ull - (1ull << 24), shm_ctlall = ~0ull - (1ull << 24);
int shm_ctlmni = 4096, shm_next_id = -1;

static struct mutex shm_lock;
static struct shm_segment **slots; /* shm_lock */
static int nr_slots;		   /* shm_lock: room there */
/* shm_lock: the segments that have a key, no two the same */
static struct rb_root by_key = RB_ROOT;
static int nr_segments, top_index = -1, last_index = -1; /* top: the highest in use */
static unsigned int sequence;
static u64 shm_pages;
static struct vfsmount *shm_mount;

/* ---- The table ------------------------------------------------------------------------------- */

static s64 now_seconds(void)
{
	return current_time_ns() / NSEC_PER_SEC;
}

static int own_pid(void)
{
	struct fs_task *task = fs_current();

	return task && task->process ? task->process->pid : 0;
}

static u64 segment_pages(const struct shm_segment *seg)
{
	return DIV_ROUND_UP(seg->size, (u64)PAGE_SIZE);
}

static struct shm_segment *slot_at(int index)
{
	lockdep_assert_held(&shm_lock);
	return index < nr_slots ? slots[index] : NULL;
}

static size_t slots_bytes(int nr)
{
	return (size_t)nr * sizeof(slots[0]);
}

static struct shm_segment **alloc_slots(int nr)
{
	struct shm_segment **new = slots_bytes(nr) > SZ_64K ? vmalloc(slots_bytes(nr))
							    : kmalloc(slots_bytes(nr), GFP_KERNEL);

	if (new)
		memset(new, 0, slots_bytes(nr));
	return new;
}

static void free_slots(struct shm_segment **old, int nr)
{
	if (slots_bytes(nr) > SZ_64K)
		vfree(old);
	else
		kfree(old);
}

/* Room for index, which is below IPCMNI. False: no memory. shm_lock held. */
static bool grow_slots(int index)
{
	int nr = max(nr_slots, SLOTS_FIRST);
	struct shm_segment **new;

	lockdep_assert_held(&shm_lock);
	VM_BUG_ON(index < 0 || index >= IPCMNI);
	if (index < nr_slots)
		return true;
	while (nr <= index)
		nr *= 2;
	new = alloc_slots(nr);
	if (!new)
		return false;
	if (nr_slots)
		memcpy(new, slots, slots_bytes(nr_slots));
	free_slots(slots, nr_slots);
	slots = new;
	nr_slots = nr;
	return true;
}

/* The segment with this id; -EINVAL: none, or its index is another's now. shm_lock held. */
static struct shm_segment *find_segment(int id)
{
	struct shm_segment *seg = id < 0 ? NULL : slot_at(id % IPCMNI);

	lockdep_assert_held(&shm_lock);
	return seg && seg->id == id ? seg : ERR_PTR(-EINVAL);
}

/*
 * Where the segment with that key hangs in the tree, or would; *parent: the node above. shm_lock
 * held.
 */
static struct rb_node **key_place(s32 key, struct rb_node **parent)
{
	struct rb_node **link = &by_key.node;

	lockdep_assert_held(&shm_lock);
	*parent = NULL;
	while (*link) {
		s32 here = rb_entry(*link, struct shm_segment, key_node)->key;

		if (key == here)
			break;
		*parent = *link;
		link = key < here ? &(*link)->left : &(*link)->right;
	}
	return link;
}

static struct shm_segment *find_key(s32 key)
{
	struct rb_node *parent, *found = *key_place(key, &parent);

	lockdep_assert_held(&shm_lock);
	return found ? rb_entry(found, struct shm_segment, key_node) : NULL;
}

static void insert_key(struct shm_segment *seg)
{
	struct rb_node *parent, **link = key_place(seg->key, &parent);

	lockdep_assert_held(&shm_lock);
	if (seg->key == IPC_PRIVATE)
		return;
	BUG_ON(*link); /* shmget looked for the key, with shm_lock held since then */
	rb_link_node(&seg->key_node, parent, link);
	rb_insert(&seg->key_node, &by_key, NULL);
}

/* Nobody finds it by its key any more. shm_lock held. */
static void forget_key(struct shm_segment *seg)
{
	lockdep_assert_held(&shm_lock);
	if (seg->key != IPC_PRIVATE)
		rb_erase(&seg->key_node, &by_key, NULL);
	seg->key = IPC_PRIVATE;
}

/* The first free index of [from, to), or -1. shm_lock held. */
static int free_index(int from, int to)
{
	lockdep_assert_held(&shm_lock);
	for (int index = from; index < to; index++)
		if (!slot_at(index))
			return index;
	return -1;
}

/*
 * The next free index after the one given out last; the circle grows with the segments. shm_lock
 * held.
 */
static int next_index(void)
{
	int cycle = min(max(nr_segments * 3 / 2, INDEX_CYCLE), IPCMNI);
	int index = last_index + 1 < cycle ? free_index(last_index + 1, cycle) : -1;

	lockdep_assert_held(&shm_lock);
	return index >= 0 ? index : free_index(0, cycle);
}

/* Give seg an index and an id: the next free, or what shm_next_id asks for. 0, -ENOSPC, -ENOMEM. */
static int insert_segment(struct shm_segment *seg)
{
	int wanted = shm_next_id,
	    index = wanted >= 0 ? free_index(wanted % IPCMNI, IPCMNI) : next_index();

	lockdep_assert_held(&shm_lock);
	VM_BUG_ON(seg->nattch);
	if (index < 0)
		return -ENOSPC;
	if (!grow_slots(index))
		return -ENOMEM;
	if (wanted >= 0) {
		seg->id = wanted / IPCMNI * IPCMNI + index;
		shm_next_id = -1;
	} else {
		if (index <= last_index)
			sequence = (sequence + 1) % ID_SEQUENCES;
		last_index = index;
		seg->id = (int)sequence * IPCMNI + index;
	}
	slots[index] = seg;
	insert_key(seg);
	top_index = max(top_index, index);
	nr_segments++;
	shm_pages += segment_pages(seg);
	return 0;
}

/* Out of the table; the caller frees it with free_segment() after dropping shm_lock. */
static void remove_segment(struct shm_segment *seg)
{
	lockdep_assert_held(&shm_lock);
	VM_BUG_ON(seg->nattch || slot_at(seg->id % IPCMNI) != seg);
	VM_BUG_ON(nr_segments <= 0 || shm_pages < segment_pages(seg));
	slots[seg->id % IPCMNI] = NULL;
	forget_key(seg);
	while (top_index >= 0 && !slots[top_index])
		top_index--;
	nr_segments--;
	shm_pages -= segment_pages(seg);
	if (nr_segments)
		return;
	free_slots(slots, nr_slots);
	slots = NULL;
	nr_slots = 0;
}

static void free_segment(struct shm_segment *seg)
{
	if (!seg)
		return;
	fput(seg->file);
	kfree(seg);
}

/* May the caller do what these mode bits say (in all three places)? 0 or -EACCES. */
static int check_access(const struct shm_segment *seg, u32 bits)
{
	const struct fs_cred *cred = &fs_current()->cred;
	u32 granted = seg->mode, wanted = (bits >> 6 | bits >> 3 | bits) & 7;

	if (cred->euid == seg->cuid || cred->euid == seg->uid)
		granted >>= 6;
	else if (in_group(seg->cgid) || in_group(seg->gid))
		granted >>= 3;
	return (wanted & ~granted) && !fs_capable(CAP_IPC_OWNER) ? -EACCES : 0;
}

static bool is_owner(const struct shm_segment *seg)
{
	const struct fs_cred *cred = &fs_current()->cred;

	return cred->euid == seg->cuid || cred->euid == seg->uid || fs_capable(CAP_SYS_ADMIN);
}

/* ---- Attachments are VMAs -------------------------------------------------------------------- */

static struct shm_segment *segment_of(const struct vm_area_struct *vma)
{
	return file_of(vma->vm_file)->private_data;
}

static void count_attachment(struct shm_segment *seg)
{
	mutex_lock(&shm_lock);
	seg->nattch++;
	seg->atime = now_seconds();
	seg->lpid = own_pid();
	mutex_unlock(&shm_lock);
}

/* One less; the last one takes a segment that was removed with it. */
static void drop_attachment(struct shm_segment *seg, bool detach)
{
	struct shm_segment *dead = NULL;

	mutex_lock(&shm_lock);
	if (detach) {
		seg->dtime = now_seconds();
		seg->lpid = own_pid();
	}
	if (!--seg->nattch && (seg->mode & SHM_DEST)) {
		remove_segment(seg);
		dead = seg;
	}
	mutex_unlock(&shm_lock);
	free_segment(dead);
}

static void shm_vma_open(struct vm_area_struct *vma)
{
	count_attachment(segment_of(vma));
}

static void shm_vma_close(struct vm_area_struct *vma)
{
	drop_attachment(segment_of(vma), true);
}

static const struct vm_operations_struct shm_vm_ops = {
	.open = shm_vma_open,
	.close = shm_vma_close,
	.nopage = tmpfs_nopage,
};

static int shm_mmap(struct file *file, struct vm_area_struct *vma)
{
	int err = generic_file_mmap(&file->vm, vma);

	if (err)
		return err;
	vma->vm_ops = &shm_vm_ops;
	count_attachment(file->private_data);
	return 0;
}

static long shm_fallocate(struct file *file, int mode, u64 offset, u64 len)
{
	return file->f_inode->i_fop->fallocate(file, mode, offset, len); /* the tmpfs inode's */
}

static const struct file_operations shm_fops = {.mmap = shm_mmap, .fallocate = shm_fallocate};

/* A file on inode (its reference is taken over) that shows as /SYSV<key> (deleted). */
static struct file *segment_file(struct inode *inode, s32 key, struct shm_segment *seg,
				 unsigned int flags)
{
	char name[16];
	struct file *file;

	pagoda_snprintf(name, sizeof(name), "/SYSV%08x", (unsigned int)key);
	file = anon_file(shm_mount, name, inode, &shm_fops, flags);
	if (!IS_ERR(file)) {
		file->f_path.dentry->d_flags |= DENTRY_DELETED;
		file->private_data = seg;
	}
	return file;
}

/* ---- shmget ---------------------------------------------------------------------------------- */

static struct shm_segment *alloc_segment(s32 key, u64 size, u32 mode)
{
	struct shm_segment *seg = kzalloc(sizeof(*seg), GFP_KERNEL);
	struct inode *inode = seg ? tmpfs_new_inode(shm_mount->mnt_sb, S_IFREG | mode, 0, NULL)
				  : ERR_PTR(-ENOMEM);
	const struct fs_cred *cred = &fs_current()->cred;

	if (IS_ERR(inode)) {
		kfree(seg);
		return ERR_PTR(PTR_ERR(inode));
	}
	inode->i_nlink = 0;
	inode->i_size = size;
	*seg = (struct shm_segment){.key = key,
				    .size = size,
				    .mode = mode,
				    .cpid = own_pid(),
				    .uid = cred->euid,
				    .gid = cred->egid,
				    .cuid = cred->euid,
				    .cgid = cred->egid,
				    .ctime = now_seconds()};
	seg->file = segment_file(inode, key, seg, O_RDWR);
	if (IS_ERR(seg->file)) {
		long err = PTR_ERR(seg->file);

		kfree(seg);
		return ERR_PTR(err);
	}
	return seg;
}

/* A new segment's id or -errno. shm_lock held. */
static long create_segment(s32 key, u64 size, unsigned int flags)
{
	u64 pages = DIV_ROUND_UP(size, (u64)PAGE_SIZE);
	struct shm_segment *seg;
	int err;

	lockdep_assert_held(&shm_lock);
	if (size < 1 || size > shm_ctlmax)
		return -EINVAL;
	if ((flags & SHM_HUGETLB) && !huge_page_bytes(flags))
		return -EINVAL;
	if (size > (~0ull >> 1) - PAGE_SIZE || shm_pages + pages > shm_ctlall)
		return -ENOSPC;
	if (flags & SHM_HUGETLB) /* there is no pool of huge pages; hugetlb_shm_group is 0 */
		return fs_capable(CAP_IPC_LOCK) || in_group(0) ? -ENOMEM : -EPERM;
	if (nr_segments >= shm_ctlmni)
		return -ENOSPC;
	seg = alloc_segment(key, size, flags & 0777);
	if (IS_ERR(seg))
		return PTR_ERR(seg);
	err = insert_segment(seg);
	if (err) {
		free_segment(seg);
		return err;
	}
	seg->file->f_inode->i_ino = (u64)seg->id; /* as maps shows it */
	return seg->id;
}

static long get_segment(s32 key, u64 size, unsigned int flags)
{
	struct shm_segment *seg = key == IPC_PRIVATE ? NULL : find_key(key);
	int err;

	if (!seg) {
		if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
			return -ENOENT;
		return create_segment(key, size, flags);
	}
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	if (size > seg->size)
		return -EINVAL;
	err = check_access(seg, flags & 0777);
	return err ? err : seg->id;
}

long sys_shmget(unsigned long key, unsigned long size, unsigned long flags)
{
	long ret;

	mutex_lock(&shm_lock);
	ret = get_segment((s32)key, size, (unsigned int)flags);
	mutex_unlock(&shm_lock);
	return ret;
}

/* ---- shmat, shmdt ---------------------------------------------------------------------------- */

/* Check and round *addr. 0 or -EINVAL. */
static int check_address(unsigned long *addr, unsigned int flags)
{
	if (!*addr)
		return flags & SHM_REMAP ? -EINVAL : 0;
	if (*addr & (PAGE_SIZE - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		*addr &= ~(PAGE_SIZE - 1);
		if (!*addr && (flags & SHM_REMAP))
			return -EINVAL;
	}
	return 0;
}

/* The segment, counted once for this call, or -errno. */
static struct shm_segment *hold_segment(int id, unsigned int flags)
{
	struct shm_segment *seg;
	u32 access = flags & SHM_RDONLY ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE;
	int err;

	if (flags & SHM_EXEC)
		access |= ACCESS_EXEC;
	mutex_lock(&shm_lock);
	seg = find_segment(id);
	err = IS_ERR(seg) ? (int)PTR_ERR(seg) : check_access(seg, access);
	if (!err)
		seg->nattch++;
	mutex_unlock(&shm_lock);
	return err ? ERR_PTR(err) : seg;
}

/* Map a file of its own, so that a read-only attachment can never be made writable. */
static long map_segment(struct shm_segment *seg, unsigned long addr, bool chosen,
			unsigned int flags)
{
	bool readonly = flags & SHM_RDONLY;
	unsigned long prot =
		PROT_READ | (readonly ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	unsigned long how = MAP_SHARED;
	struct file *file = segment_file(igrab(seg->file->f_inode), seg->key, seg,
					 readonly ? O_RDONLY : O_RDWR);
	long ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (chosen)
		how |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	ret = (long)do_mmap(current_vm->mm, &file->vm, addr, seg->size, prot, how, 0);
	if (ret == -EEXIST)
		ret = -EINVAL;
	fput(file);
	return ret;
}

long sys_shmat(unsigned long id, unsigned long addr, unsigned long flags)
{
	struct shm_segment *seg;
	bool chosen = addr != 0; /* by the caller; SHM_RND may make it 0 afterwards */
	long ret;
	int err = (int)id < 0 ? -EINVAL : check_address(&addr, (unsigned int)flags);

	if (err)
		return err;
	seg = hold_segment((int)id, (unsigned int)flags);
	if (IS_ERR(seg))
		return PTR_ERR(seg);
	if (!(flags & SHM_REMAP) && addr + seg->size < addr)
		ret = -EINVAL;
	else
		ret = map_segment(seg, addr, chosen, (unsigned int)flags);
	drop_attachment(seg, false);
	return ret;
}

/* A VMA of the attachment that would begin at addr, at or above *from: its range. */
struct attachment {
	unsigned long addr, from, end;
	struct vm_file *file; /* of the VMA found first, compared only; NULL: any */
	u64 size;
};

/* False: there is no other, or a fatal signal. */
static bool next_piece(struct attachment *a)
{
	struct mm_struct *mm = current_vm->mm;
	struct vm_area_struct *vma;
	bool found = false;

	if (down_read_killable(&mm->mmap_lock))
		return false;
	for (vma = find_vma(mm, a->from); vma && !found; vma = vma->vm_next) {
		if (a->file && vma->vm_start - a->addr >= ALIGN(a->size, (u64)PAGE_SIZE))
			break;
		if (vma->vm_ops != &shm_vm_ops || vma->vm_start < a->addr ||
		    (vma->vm_start - a->addr) >> PAGE_SHIFT != vma->vm_pgoff ||
		    (a->file && vma->vm_file != a->file))
			continue;
		a->file = vma->vm_file;
		a->size = segment_of(vma)->size;
		a->from = vma->vm_start;
		a->end = vma->vm_end;
		found = true;
	}
	up_read(&mm->mmap_lock);
	return found;
}

long sys_shmdt(unsigned long addr)
{
	struct attachment a = {.addr = addr, .from = addr};
	long ret = -EINVAL;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	while (next_piece(&a)) {
		int err = do_munmap(current_vm->mm, a.from, a.end - a.from);

		if (err)
			return err;
		ret = 0;
		a.from = a.end;
	}
	return ret;
}

/* ---- shmctl ---------------------------------------------------------------------------------- */

static void fill_ds(const struct shm_segment *seg, struct shmid_ds *ds)
{
	*ds = (struct shmid_ds){.key = seg->key,
				.uid = seg->uid,
				.gid = seg->gid,
				.cuid = seg->cuid,
				.cgid = seg->cgid,
				.mode = seg->mode,
				.seq = (u16)(seg->id / IPCMNI),
				.segsz = seg->size,
				.atime = seg->atime,
				.dtime = seg->dtime,
				.ctime = seg->ctime,
				.cpid = seg->cpid,
				.lpid = seg->lpid,
				.nattch = seg->nattch};
}

/*
 * SHM_STAT's: an index, of which the low bits count, so that a whole id does as well. shm_lock
 * held.
 */
static struct shm_segment *segment_at(int index)
{
	struct shm_segment *seg = slot_at(index % IPCMNI);

	lockdep_assert_held(&shm_lock);
	return seg ? seg : ERR_PTR(-EINVAL);
}

static long stat_segment(int id, int cmd, unsigned long user)
{
	struct shm_segment *seg;
	struct shmid_ds ds;
	long ret;

	mutex_lock(&shm_lock);
	seg = cmd == IPC_STAT ? find_segment(id) : segment_at(id);
	ret = IS_ERR(seg) ? PTR_ERR(seg) : cmd == SHM_STAT_ANY ? 0 : check_access(seg, ACCESS_READ);
	if (!ret) {
		fill_ds(seg, &ds);
		ret = cmd == IPC_STAT ? 0 : seg->id;
	}
	mutex_unlock(&shm_lock);
	if (ret >= 0 && copy_to_user(user, &ds, sizeof(ds)))
		return -EFAULT;
	return ret;
}

static long system_info(unsigned long user)
{
	struct shminfo info = {.shmmax = shm_ctlmax,
			       .shmmin = 1,
			       .shmmni = (u64)shm_ctlmni,
			       .shmseg = (u64)shm_ctlmni,
			       .shmall = shm_ctlall};

	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : max(READ_ONCE(top_index), 0);
}

static u64 resident_bytes(const struct shm_segment *seg)
{
	return (u64)READ_ONCE(seg->file->f_inode->i_data.nrpages) * PAGE_SIZE;
}

static u64 swapped_bytes(const struct shm_segment *seg)
{
	return (u64)READ_ONCE(seg->file->f_inode->i_data.nrswapped) * PAGE_SIZE;
}

static u64 sum_of_pages(u64 (*bytes)(const struct shm_segment *seg))
{
	u64 sum = 0;

	for (int i = 0; i <= top_index; i++)
		if (slots[i])
			sum += bytes(slots[i]);
	return sum / PAGE_SIZE;
}

static long usage_info(unsigned long user)
{
	struct shm_info info = {0};
	int top;

	mutex_lock(&shm_lock);
	info.used_ids = nr_segments;
	info.tot = shm_pages;
	info.rss = sum_of_pages(resident_bytes);
	info.swp = sum_of_pages(swapped_bytes);
	top = max(top_index, 0);
	mutex_unlock(&shm_lock);
	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : top;
}

static long change_owner(struct shm_segment *seg, const struct shmid_ds *ds)
{
	if (ds->uid == ~0u || ds->gid == ~0u)
		return -EINVAL;
	seg->uid = ds->uid;
	seg->gid = ds->gid;
	seg->mode = (seg->mode & ~0777u) | (ds->mode & 0777);
	seg->ctime = now_seconds();
	return 0;
}

/* Remove seg, now or with its last attachment; *dead: to be freed by the caller. */
static long mark_removed(struct shm_segment *seg, struct shm_segment **dead)
{
	if (seg->nattch) {
		seg->mode |= SHM_DEST;
		forget_key(seg);
	} else {
		remove_segment(seg);
		*dead = seg;
	}
	return 0;
}

static long owner_command(int id, int cmd, const struct shmid_ds *ds)
{
	struct shm_segment *seg, *dead = NULL;
	long ret;

	mutex_lock(&shm_lock);
	seg = find_segment(id);
	if (IS_ERR(seg))
		ret = PTR_ERR(seg);
	else if (!is_owner(seg))
		ret = -EPERM;
	else
		ret = cmd == IPC_SET ? change_owner(seg, ds) : mark_removed(seg, &dead);
	mutex_unlock(&shm_lock);
	free_segment(dead);
	return ret;
}

/* Pages that lie in swap come back when they are used, and stay then. shm_lock held. */
static void set_locked(struct shm_segment *seg, bool lock)
{
	lockdep_assert_held(&shm_lock);
	seg->mode = lock ? seg->mode | SHM_LOCKED : seg->mode & ~SHM_LOCKED;
	WRITE_ONCE(seg->file->f_inode->i_data.swap_locked, lock);
}

/* Pages of segments that a user has locked. shm_lock held. */
static u64 locked_by(u32 uid)
{
	u64 pages = 0;

	lockdep_assert_held(&shm_lock);
	for (int i = 0; i <= top_index; i++)
		if (slots[i] && slots[i]->mode & SHM_LOCKED && slots[i]->locker == uid)
			pages += segment_pages(slots[i]);
	return pages;
}

/* May the caller lock (or unlock) seg? 0, -EPERM, -ENOMEM: too much. shm_lock held. */
static long check_lock(const struct shm_segment *seg, bool lock)
{
	u32 euid = fs_current()->cred.euid;
	unsigned long limit =
		current_vm->rlim ? current_vm->rlim[RLIMIT_MEMLOCK].rlim_cur : RLIM_INFINITY;

	lockdep_assert_held(&shm_lock);
	if (current_vm->cap_ipc_lock)
		return 0;
	if ((euid != seg->uid && euid != seg->cuid) || (lock && !limit))
		return -EPERM;
	if (lock && !(seg->mode & SHM_LOCKED) && limit != RLIM_INFINITY &&
	    locked_by(euid) + segment_pages(seg) > limit >> PAGE_SHIFT)
		return -ENOMEM;
	return 0;
}

static long lock_segment(int id, bool lock)
{
	struct shm_segment *seg;
	long ret;

	mutex_lock(&shm_lock);
	seg = find_segment(id);
	ret = IS_ERR(seg) ? PTR_ERR(seg) : check_lock(seg, lock);
	if (!ret && lock != !!(seg->mode & SHM_LOCKED)) {
		seg->locker = fs_current()->cred.euid;
		set_locked(seg, lock);
	}
	mutex_unlock(&shm_lock);
	return ret;
}

long sys_shmctl(unsigned long id, unsigned long cmd, unsigned long user)
{
	struct shmid_ds ds = {0};

	if ((int)id < 0 || (int)cmd < 0)
		return -EINVAL;
	switch ((int)cmd) {
	case IPC_INFO:
		return system_info(user);
	case SHM_INFO:
		return usage_info(user);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return stat_segment((int)id, (int)cmd, user);
	case IPC_SET:
		if (copy_from_user(&ds, user, sizeof(ds)))
			return -EFAULT;
		return owner_command((int)id, IPC_SET, &ds);
	case IPC_RMID:
		return owner_command((int)id, IPC_RMID, NULL);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return lock_segment((int)id, (int)cmd == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

/* ---- /proc/sysvipc/shm ----------------------------------------------------------------------- */

bool shm_next_line(u64 *index, struct shm_line *line)
{
	const struct shm_segment *s = NULL;

	mutex_lock(&shm_lock);
	for (; !s && top_index >= 0 && *index <= (u64)top_index; ++*index)
		s = slots[*index];
	if (s)
		*line = (struct shm_line){s->key,	    s->id,    s->mode,	 s->uid,
					  s->gid,	    s->cuid,  s->cgid,	 s->cpid,
					  s->lpid,	    s->size,  s->nattch, resident_bytes(s),
					  swapped_bytes(s), s->atime, s->dtime,	 s->ctime};
	mutex_unlock(&shm_lock);
	return s;
}

void shm_init(void)
{
	struct super_block *sb = tmpfs_mount("tmpfs", "size=50%,nr_inodes=0");

	mutex_init(&shm_lock, RANK_NONE);
	shm_mount = IS_ERR(sb) ? NULL : kern_mount(sb);
	if (!shm_mount)
		panic("no memory for shared memory segments");
	tmpfs_count_swap(sb);
}
