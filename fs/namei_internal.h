/* SPDX-License-Identifier: MIT */
/*
 * namei_internal.h: the state of a path walk, shared by namei.c and open.c (O_CREAT goes on after a
 * link).
 */
#pragma once

#include <fs/vfs.h>

/* A symbolic link being followed: its text, and what comes after it in the string below. */
struct nd_link {
	const char *rest;
	char *body; /* kmalloc'ed */
};

struct nameidata {
	struct path path; /* where we are, with references */
	struct path root; /* with references if root_counted */
	const char *at;	  /* what is left of the topmost string */
	struct last_name last;
	unsigned int nr_links, depth;
	bool jumped; /* the last step was a link that is no text */
	bool root_counted;
	struct nd_link stack[MAXSYMLINKS];
};

int nd_start(struct nameidata *nd, int dfd, const char *name) __must_check;
void nd_end(struct nameidata *nd);
/* The same, but the references of nd.path go to *out. */
void nd_end_at(struct nameidata *nd, struct path *out);
/* Walk up to the last component: nd.path is its parent, nd.last its name (LAST_ROOT: none). */
int nd_walk_to_last(struct nameidata *nd) __must_check;
const char *nd_rest(struct nameidata *nd);
/* Go on into a link met in nd.path, with rest after it. */
int nd_follow(struct nameidata *nd, struct dentry *link, const char *rest) __must_check;
/* The same with the last component, where the directory may forbid it (-EACCES). */
int nd_follow_last(struct nameidata *nd, struct dentry *link) __must_check;
/* Walk all. */
int nd_walk(struct nameidata *nd, unsigned int flags) __must_check;
/*
 * s_names held (of an s_cached file system): the child of that name with a reference, or
 * ERR_PTR(-ENOENT ...).
 */
struct dentry *nd_child(struct dentry *dir, const char *name, size_t len) __must_check;
