/* SPDX-License-Identifier: MIT */
/* virtio_console.h: named byte ports of a virtio console device. See virtio_console.c. */
#pragma once

#include <pagoda/types.h>

struct vport;

/*
 * Find the device and its ports; false if there is none. notify is called, interrupts off,
 * when a port may have become readable or writable.
 */
bool vconsole_init(void (*notify)(const struct vport *port));
/* Cycles that vconsole_init() waited for the host to open its ends of the ports. */
u64 vconsole_handshake_cycles(void);
/* Look after the device without an interrupt (from the tick). */
void vconsole_poll(void);

/* The port with that name, NULL if the host gave us none. */
struct vport *vport_find(const char *name);

/* As machine_stream_write() and so on in machine.h. */
size_t vport_write(struct vport *port, const void *buf, size_t n);
long vport_read(struct vport *port, void *buf, size_t n);
bool vport_readable(struct vport *port);
bool vport_writable(struct vport *port);
/* Has the device taken all output? */
bool vport_drained(struct vport *port);
