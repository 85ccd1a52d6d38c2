/* SPDX-License-Identifier: MIT */
/* bare.h: what start.S and host.c call of each other, and the program's main(). */
#pragma once

int main(void);
_Noreturn void bare_main(void);
void bare_touched(unsigned long address);
_Noreturn void bare_unexpected(void);
void bare_page_fault(void);
void bare_exception(void);
void bare_switch(unsigned long *save_sp, unsigned long load_sp);
