/* SPDX-License-Identifier: MIT */
/*
 * A program that dereferences NULL dies of signal 11: the runner compares the status, and
 * ./pagoda run exits with 139.
 */
#include "guest.h"

int main(void)
{
	printf("about to dereference NULL\n");
	touch_write(NULL, 1);
	printf("not reached\n");
	return 0;
}
