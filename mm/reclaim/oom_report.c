// SPDX-License-Identifier: MIT
/*
 * oom_report.c: the list of the OOM killer's candidates in the log.
 *
 * The candidates are looked at with the kernel's list of tasks locked and interrupts off, where
 * nothing may take long. So a look only notes the figures of the OOM_LISTED worst, in order; they
 * are written afterwards, and the others are counted:
 *
 *	oom_report_note		under the locks: insertion into a short sorted table
 *	oom_report_write	without them: a line each
 *
 * Locking: the report belongs to its caller. Failure: none.
 */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include "oom_internal.h"

/*
 * Insert a candidate into the sorted table, moving lower scores down by one line. If the table is
 * full, the lowest score leaves it, or the new candidate is only counted.
 */
void oom_report_note(struct oom_report *r, const struct vm_task *task,
		     const struct oom_candidate *c, unsigned long score)
{
	unsigned int i;

	VM_BUG_ON(r->nr > OOM_LISTED);
	if (r->nr == OOM_LISTED) {
		r->left_out++;
		if (score <= r->line[OOM_LISTED - 1].score)
			return;
	} else {
		r->nr++;
	}
	for (i = r->nr - 1; i > 0 && r->line[i - 1].score < score; i--)
		r->line[i] = r->line[i - 1];
	VM_BUG_ON(i >= r->nr || (i && r->line[i - 1].score < score));
	r->line[i].figures = *c;
	r->line[i].score = score;
	r->line[i].pid = task->pid;
	memcpy(r->line[i].comm, task->comm, sizeof(r->line[i].comm));
}

void oom_report_write(const struct oom_report *r)
{
	VM_BUG_ON(r->nr > OOM_LISTED);
	for (unsigned int i = 0; i < r->nr; i++) {
		const struct oom_candidate *c = &r->line[i].figures;

		pr_warn("oom: %5d %-15s score %lu: %lu pages, %lu s, adj %d%s%s\n", r->line[i].pid,
			r->line[i].comm, r->line[i].score, c->pages, (unsigned long)c->cpu_time_s,
			c->oom_score_adj, c->sys_admin ? ", admin" : "",
			c->sys_rawio ? ", rawio" : "");
		port_cond_resched();
	}
	if (r->left_out)
		pr_warn("oom: and %u others with lower scores\n", r->left_out);
}
