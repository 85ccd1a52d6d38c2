/* SPDX-License-Identifier: MIT */
/*
 * virtio_console.c: the ports of a virtio console device with the MULTIPORT feature
 * (OASIS virtio 1.0, section 5.3; QEMU's virtio-serial-pci).
 *
 *	queue 0, 1	port 0, receive and transmit (not used: ours have numbers from 1 on)
 *	queue 2, 3	control messages from and to the device
 *	queue 2n+2, +3	port n
 *
 * The ports introduce themselves by control messages:
 *
 *	driver: DEVICE_READY     device: PORT_ADD n ...
 *	driver: PORT_READY n     device: PORT_NAME n, PORT_OPEN n 1
 *	driver: PORT_OPEN n 1    device: PORT_OPEN n 0 when its other end closes: end of input
 *
 * Every slot of a data queue has one page of its own, the slot's buffer; a queue uses its
 * slots 0 .. nr_buffers-1 only. (Free slots form a stack that starts as 0, 1, 2 ...; as no
 * more than nr_buffers are ever taken, the untouched ones stay below those.)
 *
 *	reading	 all buffers are with the device but those that were filled; a filled one goes
 *		 back when its last byte is read. In `current`: the one being read.
 *	writing	 bytes are copied to free buffers, up to nr_buffers pages in flight, one doorbell
 *		 a call. Interrupts of a transmit queue are on only after a write found
 *		 no room.
 *
 * The end of input is reported after all that lies in the receive queue: the device fills
 * that before it sends the close.
 *
 * Locking: `lock`, with interrupts off, for everything below. notify is called without it.
 *
 * Failure: no memory at boot for a port's buffers leaves that port out. The device is
 * trusted not to answer with slots it was not given.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/page_alloc.h>
#include <pagoda/spinlock.h>
#include <pagoda/string.h>
#include "io.h"
#include "pc.h"
#include "virtio.h"
#include "virtio_console.h"

#define VENDOR_VIRTIO		    0x1af4
#define DEVICE_CONSOLE_TRANSITIONAL 0x1003
#define DEVICE_CONSOLE		    0x1043

#define F_MULTIPORT	 (1ull << 1)
#define CONFIG_MAX_PORTS 4 /* offset in the device's registers */

#define MAX_PORTS	8 /* numbers 0 .. 7 are looked at */
#define NAME_BYTES	32
#define PORT_QUEUE_SIZE 16 /* 64 KiB in flight */
#define CONTROL_SLOTS	16
#define CONTROL_BYTES	128 /* room for a message with a name */

/*
 * Control messages are late when the host is busy: seconds, where many guests share two
 * processors. Without them the machine goes on, and speaks on its serial line only.
 */
#define HANDSHAKE_LIMIT_NS 10000000000ull
/* A port that the host has not opened by then will not be: its input has ended. */
#define OPEN_LIMIT_TICKS 50

enum {
	MSG_DEVICE_READY,
	MSG_PORT_ADD,
	MSG_PORT_REMOVE,
	MSG_PORT_READY,
	MSG_CONSOLE_PORT,
	MSG_RESIZE,
	MSG_PORT_OPEN,
	MSG_PORT_NAME
};

struct control_message {
	u32 port;
	u16 event, value;
};

/* What the names mean for us: a direction, and how many pages of buffer. */
struct port_kind {
	const char *name;
	bool input;
	u8 nr_buffers;
};

static const struct port_kind kinds[] = {
	{"pagoda.stdin", true, 16},
	{"pagoda.stdout", false, 16},
	{"pagoda.stderr", false, 4},
	{"pagoda.control", false, 4},
};

struct vport {
	u32 id;
	const struct port_kind *kind; /* NULL: unknown, or not named yet */
	bool host_open, closed;	      /* the host has opened its end; has closed it again */
	bool want_room;		      /* a writer found the queue full */
	struct virtqueue queue[2];    /* receive, transmit */
	u8 *buffers[PORT_QUEUE_SIZE];
	int current; /* slot being read, -1: none */
	u32 current_len, current_pos;
};

static struct {
	spinlock_t lock;
	struct virtio_device dev;
	struct virtqueue control_rx, control_tx;
	u8 *control_memory; /* a page: CONTROL_SLOTS to receive, then as many to send */
	struct vport ports[MAX_PORTS];
	unsigned int nr_known;
	bool present, has_irq;
	unsigned int ticks;
	void (*notify)(const struct vport *port);
} console = {.lock = SPIN_LOCK_INIT(RANK_NONE)};

static_assert(2 * CONTROL_SLOTS * CONTROL_BYTES <= PAGE_SIZE_PC, "control_memory is one page");

/* ---- Control messages -------------------------------------------------------------------- */

static void control_post_receive(void)
{
	int slot;

	while ((slot = virtqueue_next_slot(&console.control_rx)) >= 0)
		virtqueue_add(&console.control_rx,
			      __pa(console.control_memory + slot * CONTROL_BYTES), CONTROL_BYTES,
			      true);
	virtqueue_kick(&console.control_rx);
}

static void control_send(u32 port, u16 event, u16 value)
{
	struct virtqueue *vq = &console.control_tx;
	struct control_message *msg;
	int slot;

	while (virtqueue_get(vq, NULL) >= 0)
		;
	slot = virtqueue_next_slot(vq);
	if (WARN_ON_ONCE(slot < 0))
		return;
	msg = (void *)(console.control_memory + (CONTROL_SLOTS + slot) * CONTROL_BYTES);
	*msg = (struct control_message){port, event, value};
	virtqueue_add(vq, __pa(msg), sizeof(*msg), false);
	virtqueue_kick(vq);
}

/* With the lock held, and perhaps in an interrupt: names may come late. */
static bool alloc_buffers(struct vport *port, const struct port_kind *kind)
{
	for (u8 i = 0; i < kind->nr_buffers; i++) {
		port->buffers[i] = (u8 *)__get_free_page(GFP_ATOMIC);
		if (port->buffers[i])
			continue;
		while (i-- > 0)
			free_page((unsigned long)port->buffers[i]);
		return false;
	}
	return true;
}

static void post_receive(struct vport *port)
{
	struct virtqueue *vq = &port->queue[0];

	while (virtqueue_in_flight(vq) < port->kind->nr_buffers) {
		int slot = virtqueue_next_slot(vq);

		virtqueue_add(vq, __pa(port->buffers[slot]), PAGE_SIZE_PC, true);
	}
	virtqueue_kick(vq);
}

static void port_named(struct vport *port, const char *name)
{
	const struct port_kind *kind = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			kind = &kinds[i];
	if (!kind || port->kind || !alloc_buffers(port, kind))
		return;
	port->kind = kind;
	port->current = -1;
	console.nr_known++;
	if (kind->input)
		post_receive(port);
	else
		virtqueue_want_interrupts(&port->queue[1], false);
	control_send(port->id, MSG_PORT_OPEN, 1);
}

static void port_open(struct vport *port, bool open)
{
	if (!open && port->host_open)
		port->closed = true;
	else if (open)
		port->closed = false;
	port->host_open = open;
}

static void control_receive(const struct control_message *msg, u32 len)
{
	struct vport *port = msg->port < MAX_PORTS ? &console.ports[msg->port] : NULL;
	char name[NAME_BYTES] = "";

	if (!port || len < sizeof(*msg) || port->queue[0].size == 0)
		return;
	switch (msg->event) {
	case MSG_PORT_ADD:
		control_send(port->id, MSG_PORT_READY, 1);
		break;
	case MSG_PORT_NAME:
		memcpy(name, msg + 1, min_t(size_t, len - sizeof(*msg), NAME_BYTES - 1));
		port_named(port, name);
		break;
	case MSG_PORT_OPEN:
		port_open(port, msg->value);
		break;
	}
}

/* Return: whether there were any messages. */
static bool control_process(void)
{
	bool any = false;
	u32 len;
	int slot;

	while ((slot = virtqueue_get(&console.control_rx, &len)) >= 0) {
		control_receive((void *)(console.control_memory + slot * CONTROL_BYTES), len);
		any = true;
	}
	if (any)
		control_post_receive();
	return any;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static void reclaim_sent(struct vport *port)
{
	while (virtqueue_get(&port->queue[1], NULL) >= 0)
		;
}

static bool has_room(struct vport *port)
{
	return virtqueue_in_flight(&port->queue[1]) < port->kind->nr_buffers;
}

/* After a reclaim found no room: have the device tell, unless it finished one just now. */
static bool wait_for_room(struct vport *port)
{
	port->want_room = true;
	virtqueue_want_interrupts(&port->queue[1], true);
	reclaim_sent(port);
	return has_room(port);
}

size_t vport_write(struct vport *port, const void *buf, size_t n)
{
	struct virtqueue *vq = &port->queue[1];
	unsigned long flags;
	size_t done = 0;

	spin_lock_irqsave(&console.lock, flags);
	reclaim_sent(port);
	while (done < n && (has_room(port) || wait_for_room(port))) {
		size_t part = min_t(size_t, n - done, PAGE_SIZE_PC);
		u8 *page = port->buffers[virtqueue_next_slot(vq)];

		memcpy(page, (const u8 *)buf + done, part);
		virtqueue_add(vq, __pa(page), (u32)part, false);
		done += part;
	}
	if (done > 0)
		virtqueue_kick(vq);
	spin_unlock_irqrestore(&console.lock, flags);
	return done;
}

/* Make `current` a buffer with unread bytes. False if there is none. */
static bool next_input(struct vport *port)
{
	if (port->current >= 0)
		return true;
	port->current = virtqueue_get(&port->queue[0], &port->current_len);
	port->current_pos = 0;
	return port->current >= 0;
}

static size_t take_input(struct vport *port, u8 *buf, size_t n)
{
	size_t part = min_t(size_t, n, port->current_len - port->current_pos);

	memcpy(buf, port->buffers[port->current] + port->current_pos, part);
	port->current_pos += (u32)part;
	if (port->current_pos == port->current_len) {
		port->current = -1;
		post_receive(port);
	}
	return part;
}

long vport_read(struct vport *port, void *buf, size_t n)
{
	unsigned long flags;
	size_t done = 0;
	bool ended;

	spin_lock_irqsave(&console.lock, flags);
	while (done < n && next_input(port))
		done += take_input(port, (u8 *)buf + done, n - done);
	ended = port->closed;
	spin_unlock_irqrestore(&console.lock, flags);
	return done > 0 || n == 0 || !ended ? (long)done : -EPIPE;
}

bool vport_readable(struct vport *port)
{
	return port->current >= 0 || virtqueue_has_used(&port->queue[0]) || port->closed;
}

bool vport_writable(struct vport *port)
{
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&console.lock, flags);
	reclaim_sent(port);
	room = has_room(port) || wait_for_room(port);
	spin_unlock_irqrestore(&console.lock, flags);
	return room;
}

bool vport_drained(struct vport *port)
{
	unsigned long flags;
	bool drained;

	spin_lock_irqsave(&console.lock, flags);
	reclaim_sent(port);
	drained = virtqueue_in_flight(&port->queue[1]) == 0;
	spin_unlock_irqrestore(&console.lock, flags);
	return drained;
}

struct vport *vport_find(const char *name)
{
	for (u32 i = 0; i < MAX_PORTS; i++) {
		struct vport *port = &console.ports[i];

		if (port->kind && strcmp(port->kind->name, name) == 0)
			return port;
	}
	return NULL;
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* Has anything changed that a sleeper on this port may wait for? */
static bool port_event(struct vport *port)
{
	if (port->kind->input)
		return vport_readable(port);
	if (!port->want_room)
		return false;
	reclaim_sent(port);
	if (!has_room(port))
		return false;
	port->want_room = false;
	virtqueue_want_interrupts(&port->queue[1], false);
	return true;
}

static void service(void)
{
	bool events[MAX_PORTS] = {false};

	spin_lock(&console.lock);
	control_process();
	for (u32 i = 0; i < MAX_PORTS; i++)
		if (console.ports[i].kind)
			events[i] = port_event(&console.ports[i]);
	spin_unlock(&console.lock);
	for (u32 i = 0; i < MAX_PORTS; i++)
		if (events[i])
			console.notify(&console.ports[i]);
}

static void console_irq(struct pt_regs *regs, unsigned int vector)
{
	(void)regs, (void)vector;
	apic_eoi();
	service();
}

static void close_never_opened(void)
{
	for (u32 i = 0; i < MAX_PORTS; i++)
		if (console.ports[i].kind && !console.ports[i].host_open)
			console.ports[i].closed = true;
}

void vconsole_poll(void)
{
	bool overdue = console.present && ++console.ticks == OPEN_LIMIT_TICKS;

	if (overdue)
		close_never_opened();
	if (console.present && (overdue || !console.has_irq))
		service();
}

/* ---- Start -------------------------------------------------------------------------- */

static bool is_console(const struct pci_device *pci, void *arg)
{
	bool found = pci->vendor == VENDOR_VIRTIO &&
		     (pci->device == DEVICE_CONSOLE_TRANSITIONAL || pci->device == DEVICE_CONSOLE);

	if (found)
		*(struct pci_device *)arg = *pci;
	return found;
}

static bool init_queues(void)
{
	struct virtio_device *dev = &console.dev;
	u32 max_ports = min_t(u32, mmio_read32(dev->config + CONFIG_MAX_PORTS), MAX_PORTS);

	if (!virtqueue_init(&console.control_rx, dev, 2, CONTROL_SLOTS) ||
	    !virtqueue_init(&console.control_tx, dev, 3, CONTROL_SLOTS))
		return false;
	virtqueue_want_interrupts(&console.control_tx, false);
	for (u32 i = 1; i < max_ports; i++) {
		struct vport *port = &console.ports[i];

		port->id = i;
		if (!virtqueue_init(&port->queue[0], dev, (u16)(2 * i + 2), PORT_QUEUE_SIZE) ||
		    !virtqueue_init(&port->queue[1], dev, (u16)(2 * i + 3), PORT_QUEUE_SIZE))
			return false;
	}
	return true;
}

static u64 handshake_cycles; /* (C) after vconsole_init() */

u64 vconsole_handshake_cycles(void)
{
	return handshake_cycles;
}

/*
 * Wait until all ports that we know of have named themselves and said whether they are open. How
 * long that takes is the host's business, so its cycles are counted apart from the boot's own.
 */
static void handshake(void)
{
	u64 began = machine_cycles(), deadline = port_clock_ns() + HANDSHAKE_LIMIT_NS;
	unsigned long flags;

	spin_lock_irqsave(&console.lock, flags);
	control_post_receive();
	control_send(0, MSG_DEVICE_READY, 1);
	while (console.nr_known < ARRAY_SIZE(kinds) && port_clock_ns() < deadline)
		if (!control_process())
			port_cpu_relax();
	control_process();
	spin_unlock_irqrestore(&console.lock, flags);
	handshake_cycles = machine_cycles() - began;
}

bool vconsole_init(void (*notify)(const struct vport *port))
{
	struct pci_device pci = {0};

	pci_scan(is_console, &pci);
	if (pci.vendor == 0)
		return false;
	console.notify = notify;
	if (!virtio_init(&console.dev, &pci, F_MULTIPORT, 0))
		return false;
	console.has_irq = pci_enable_msix(&pci, irq_alloc_vector(console_irq));
	console.control_memory = (u8 *)__get_free_page(GFP_KERNEL);
	if (!console.control_memory || !init_queues())
		return false;
	virtio_start(&console.dev);
	handshake();
	console.present = console.nr_known > 0;
	return console.present;
}
