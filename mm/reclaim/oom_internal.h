/* SPDX-License-Identifier: MIT */
/* oom_internal.h: what the OOM killer's files share. */
#pragma once

#include <pagoda/oom.h>
#include <pagoda/vm_task.h>

/* Candidates that the log names; the others are counted. */
#define OOM_LISTED 10

struct oom_report {
	unsigned int nr, left_out;
	struct {
		struct oom_candidate figures;
		unsigned long score;
		int pid;
		char comm[16];
	} line[OOM_LISTED]; /* the highest score first */
};

/* Note a candidate. From any context. */
void oom_report_note(struct oom_report *r, const struct vm_task *task,
		     const struct oom_candidate *c, unsigned long score);
/* Write what was noted to the log. May sleep. */
void oom_report_write(const struct oom_report *r);
