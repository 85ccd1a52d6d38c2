// SPDX-License-Identifier: MIT
/*
 * rmap.c: from an anonymous page to the regions that may map it (FX-01).
 *
 *	page->mapping | 1 -> anon_vma -> list of VMAs (anon_vma_chain)
 *	page->index	     the page's place in those VMAs: like vm_pgoff
 *
 * A VMA gets its anon_vma with its first anonymous page. Its parts after a split, and
 * its copies in forked children, share it: the list names every VMA that may map a
 * page of this family, and (page->index - vm_pgoff) says where. A page is found through
 * the list without scanning any process.
 *
 * Locking: anon_vma->lock (RANK_ANON_VMA) guards the list, and the bounds of the VMAs on
 * it against walkers. vma->anon_vma is set once, under page_table_lock, as threads
 * fault in parallel; mmap_lock for write also covers it.
 *
 * Lifetime: one reference a VMA on the list; the last one frees the anon_vma. Pages
 * hold none: a page that is mapped has a VMA on the list.
 *
 * Failure: __anon_vma_prepare allocates before it changes anything; the rest cannot
 * fail, so fork and split need no unwinding here.
 */
#include <pagoda/slab.h>
#include "vma_internal.h"

struct anon_vma {
	spinlock_t lock;
	unsigned long nr_vmas;
	struct list_head vmas;
};

static struct anon_vma *new_anon_vma(void)
{
	struct anon_vma *anon = kmalloc(sizeof(*anon), GFP_KERNEL);

	if (!anon)
		return NULL;
	spin_lock_init(&anon->lock, RANK_ANON_VMA);
	anon->nr_vmas = 0;
	INIT_LIST_HEAD(&anon->vmas);
	return anon;
}

void anon_vma_link(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma->anon_vma;

	if (!anon)
		return;
	spin_lock(&anon->lock);
	list_add_tail(&vma->anon_vma_chain, &anon->vmas);
	anon->nr_vmas++;
	spin_unlock(&anon->lock);
}

void anon_vma_unlink(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma->anon_vma;
	bool last;

	if (!anon)
		return;
	spin_lock(&anon->lock);
	list_del(&vma->anon_vma_chain);
	last = --anon->nr_vmas == 0;
	spin_unlock(&anon->lock);
	vma->anon_vma = NULL;
	if (last)
		kfree(anon);
}

void anon_vma_lock(struct vm_area_struct *vma)
{
	if (vma->anon_vma)
		spin_lock(&vma->anon_vma->lock);
}

void anon_vma_unlock(struct vm_area_struct *vma)
{
	if (vma->anon_vma)
		spin_unlock(&vma->anon_vma->lock);
}

/*
 * A neighbour that would be one VMA with this one but for its rights: sharing its
 * anon_vma now lets the two merge after an mprotect.
 */
static struct anon_vma *neighbours_anon_vma(const struct vm_area_struct *vma)
{
	const struct vm_area_struct *near[2] = { vma->vm_prev, vma->vm_next };

	for (int i = 0; i < 2; i++) {
		const struct vm_area_struct *n = near[i];
		struct anon_vma *anon;

		if (!n || n->vm_file != vma->vm_file || n->anon_vma_inherited ||
		    (n->vm_end != vma->vm_start && n->vm_start != vma->vm_end) ||
		    n->vm_pgoff - (n->vm_start >> PAGE_SHIFT) !=
			    vma->vm_pgoff - (vma->vm_start >> PAGE_SHIFT))
			continue;
		anon = __atomic_load_n(&n->anon_vma, __ATOMIC_ACQUIRE);
		if (anon)
			return anon;
	}
	return NULL;
}

int __anon_vma_prepare(struct vm_area_struct *vma)
{
	struct anon_vma *near = neighbours_anon_vma(vma), *anon = near ? near : new_anon_vma();

	if (!anon)
		return -ENOMEM;
	spin_lock(&anon->lock);
	spin_lock(&vma->vm_mm->page_table_lock);
	if (!vma->anon_vma) {
		list_add_tail(&vma->anon_vma_chain, &anon->vmas);
		anon->nr_vmas++;
		__atomic_store_n(&vma->anon_vma, anon, __ATOMIC_RELEASE);
		near = anon;
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	spin_unlock(&anon->lock);
	if (near != anon)
		kfree(anon);
	return 0;
}
