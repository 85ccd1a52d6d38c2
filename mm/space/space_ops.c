/* SPDX-License-Identifier: MIT */
/*
 * space_ops.c: the tables through which address spaces call the rooms above them (space_ops.h).
 * Each is set once, at boot, and stays NULL in a build without that room.
 */
#include "space_ops.h"

const struct swap_entry_ops *swap_entry_ops;
const struct file_page_ops *file_page_ops;
const struct page_advice_ops *page_advice_ops;
