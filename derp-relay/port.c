#include "derp-relay/port.h"

#include <errno.h>
#include <stdlib.h>

#include "common/proto/derp.h"

bool port_is_empty(const struct port *port)
{
	return !port->first_note && !port->queue[PACKET_DISCO].head &&
	       !port->queue[PACKET_OTHER].head;
}

void port_push(struct port *port, struct packet *p)
{
	packet_queue_push(&port->queue[p->is_disco ? PACKET_DISCO : PACKET_OTHER], p);
}

struct packet *port_pop_surplus(struct port *port, enum packet_kind kind, uint64_t now_us)
{
	struct packet_queue *q = &port->queue[kind];

	if (q->count <= PORT_DEPTH)
		return NULL;
	/* The head may be younger: another worker read its clock later, and was here first. */
	bool is_late = now_us > q->head->queued_us + PORT_WAIT_US;
	return is_late || q->count > PORT_BURST ? packet_queue_pop(q) : NULL;
}

int port_push_note(struct port *port, const struct port_note *note, uint32_t max)
{
	if (port->notes >= max)
		return -ENOBUFS;

	struct port_note *copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *note;
	copy->next = NULL;
	if (port->last_note)
		port->last_note->next = copy;
	else
		port->first_note = copy;
	port->last_note = copy;
	port->notes++;
	return 0;
}

static void drop_first_note(struct port *port)
{
	struct port_note *note = port->first_note;

	port->first_note = note->next;
	if (!port->first_note)
		port->last_note = NULL;
	port->notes--;
	free(note);
}

void port_drop_notes(struct port *port)
{
	while (port->first_note)
		drop_first_note(port);
}

enum { NOTE_FRAME_MAX = DERP_HEADER_LEN + KEY_LEN + 16 + 2 + 1 };

static size_t frame_bytes(const struct port *port, const struct packet *p)
{
	size_t keys = port->kind == PORT_MESH_LINK ? 2 : 1;

	return DERP_HEADER_LEN + keys * KEY_LEN + p->len;
}

static void write_packet(const struct port *port, const struct packet *p, struct writer *w)
{
	enum derp_type type = port->kind == PORT_MESH_LINK ? DERP_FORWARD_PACKET : DERP_RECV_PACKET;
	uint8_t head[DERP_PACKET_HEAD_MAX];
	size_t head_len = derp_packet_head(type, &p->src, &p->dst, p->len, head);

	write_bytes(w, head, head_len);
	write_bytes(w, p->data, p->len);
}

static int write_note(const struct port_note *note, struct writer *w)
{
	struct derp_frame f = {.type = DERP_PEER_GONE};

	if (note->present) {
		f.type = DERP_PEER_PRESENT;
		f.present = (struct derp_peer_present){.key = note->key,
						       .has_endpoint = true,
						       .has_flags = true,
						       .endpoint = note->from,
						       .flags = note->detail};
	} else {
		f.gone = (struct derp_peer_gone){.key = note->key, .reason = note->detail};
	}
	return derp_frame_encode(&f, w);
}

int port_pull(struct port *port, struct writer *w, struct packet **sent)
{
	size_t room = w->cap - w->len;

	*sent = NULL;
	if (port->first_note) {
		if (room < NOTE_FRAME_MAX)
			return -ENOBUFS;
		int err = write_note(port->first_note, w);
		drop_first_note(port);
		return err;
	}
	struct packet_queue *q = &port->queue[PACKET_DISCO];
	if (!q->head)
		q = &port->queue[PACKET_OTHER];
	if (!q->head)
		return -EAGAIN;
	if (room < frame_bytes(port, q->head))
		return -ENOBUFS;
	*sent = packet_queue_pop(q);
	write_packet(port, *sent, w);
	return 0;
}
