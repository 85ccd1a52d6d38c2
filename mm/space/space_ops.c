/* SPDX-License-Identifier: MIT */
/* space_ops.c: where address spaces find the rooms above them (space_ops.h). Set once, at boot. */
#include "space_ops.h"

const struct swap_entry_ops *swap_entry_ops;
const struct file_page_ops *file_page_ops;
const struct page_advice_ops *page_advice_ops;
