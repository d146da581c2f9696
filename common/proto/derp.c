#include "common/proto/derp.h"

#include <errno.h>

#include "common/proto/disco.h"

/* "DERP" and the key emoji. */
static const uint8_t magic[8] = {0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91};

/* ---- decode ---- */

static void read_key(struct reader *r, struct public_key *out)
{
	read_bytes(r, out->b, KEY_LEN);
}

static int decode_server_key(struct reader *r, struct derp_frame *out)
{
	uint8_t got[sizeof(magic)];

	if (reader_left(r) > DERP_SERVER_KEY_FRAME_MAX)
		return -EMSGSIZE;
	read_bytes(r, got, sizeof(got));
	read_key(r, &out->server_key);
	return !r->failed && memcmp(got, magic, sizeof(magic)) == 0 ? 0 : -EBADMSG;
}

static int decode_sealed(struct reader *r, size_t head_len, size_t max, struct derp_frame *out)
{
	size_t len = reader_left(r);

	if (len > max)
		return -EMSGSIZE;
	if (len < head_len)
		return -EBADMSG;
	out->sealed.len = len;
	out->sealed.bytes = read_span(r, len);
	return 0;
}

static int decode_packet(struct reader *r, bool has_src, bool has_dst, struct derp_packet *out)
{
	if (has_src)
		read_key(r, &out->src);
	if (has_dst)
		read_key(r, &out->dst);
	if (r->failed)
		return -EBADMSG;
	if (reader_left(r) > DERP_PACKET_MAX)
		return -EMSGSIZE;
	out->len = reader_left(r);
	out->data = read_span(r, out->len);
	return 0;
}

static int decode_preferred(struct reader *r, bool *out)
{
	*out = read_u8(r) == 1;
	return !r->failed && reader_left(r) == 0 ? 0 : -EBADMSG;
}

static int decode_gone(struct reader *r, struct derp_peer_gone *out)
{
	read_key(r, &out->key);
	if (r->failed)
		return -EBADMSG;
	/* Old relays send no reason. */
	out->reason = reader_left(r) > 0 && read_u8(r) == DERP_GONE_NOT_HERE
			      ? DERP_GONE_NOT_HERE
			      : DERP_GONE_DISCONNECTED;
	return 0;
}

static int decode_present(struct reader *r, struct derp_peer_present *out)
{
	read_key(r, &out->key);
	if (r->failed)
		return -EBADMSG;
	out->has_endpoint = reader_left(r) >= 18;
	if (out->has_endpoint)
		out->endpoint = read_endpoint(r);
	out->has_flags = out->has_endpoint && reader_left(r) > 0;
	if (out->has_flags)
		out->flags = read_u8(r);
	return 0;
}

static int decode_key_alone(struct reader *r, struct public_key *out)
{
	read_key(r, out);
	return r->failed ? -EBADMSG : 0;
}

static int decode_ping(struct reader *r, uint8_t out[static DERP_PING_LEN])
{
	if (reader_left(r) > DERP_PING_BODY_MAX)
		return -EMSGSIZE;
	read_bytes(r, out, DERP_PING_LEN);
	return r->failed ? -EBADMSG : 0;
}

static int decode_health(struct reader *r, struct derp_frame *out)
{
	size_t len = reader_left(r) < DERP_HEALTH_MAX ? reader_left(r) : DERP_HEALTH_MAX;

	out->health.len = len;
	out->health.text = (const char *)read_span(r, len);
	return 0;
}

static int decode_restarting(struct reader *r, struct derp_restarting *out)
{
	out->reconnect_in_ms = read_u32be(r);
	out->try_for_ms = read_u32be(r);
	return r->failed ? -EBADMSG : 0;
}

static int decode_empty(struct reader *r)
{
	return reader_left(r) == 0 ? 0 : -EBADMSG;
}

static int decode_payload(struct reader *r, struct derp_frame *out)
{
	switch (out->type) {
	case DERP_SERVER_KEY:
		return decode_server_key(r, out);
	case DERP_CLIENT_INFO:
		return decode_sealed(r, KEY_LEN + DERP_NONCE_LEN, DERP_CLIENT_INFO_FRAME_MAX, out);
	case DERP_SERVER_INFO:
		return decode_sealed(r, DERP_NONCE_LEN, DERP_NONCE_LEN + DERP_UNKNOWN_MAX, out);
	case DERP_SEND_PACKET:
		return decode_packet(r, false, true, &out->packet);
	case DERP_RECV_PACKET:
		return decode_packet(r, true, false, &out->packet);
	case DERP_FORWARD_PACKET:
		return decode_packet(r, true, true, &out->packet);
	case DERP_KEEP_ALIVE:
		return 0;
	case DERP_NOTE_PREFERRED:
		return decode_preferred(r, &out->preferred);
	case DERP_PEER_GONE:
		return decode_gone(r, &out->gone);
	case DERP_PEER_PRESENT:
		return decode_present(r, &out->present);
	case DERP_WATCH_CONNS:
		return decode_empty(r);
	case DERP_CLOSE_PEER:
		return decode_key_alone(r, &out->close_peer);
	case DERP_PING:
	case DERP_PONG:
		return decode_ping(r, out->ping);
	case DERP_HEALTH:
		return decode_health(r, out);
	case DERP_RESTARTING:
		return decode_restarting(r, &out->restarting);
	}
	return -ENOTSUP;
}

int derp_frame_decode(uint8_t type, const uint8_t *payload, size_t len, struct derp_frame *out)
{
	struct reader r = reader_init(payload, len);

	memset(out, 0, sizeof(*out));
	out->type = (enum derp_type)type;
	return decode_payload(&r, out);
}

/* ---- encode ---- */

/* The head with its length still 0, and where it stands. */
static size_t begin_frame(struct writer *w, enum derp_type type)
{
	size_t at = w->len;

	write_u8(w, (uint8_t)type);
	write_u32be(w, 0);
	return at;
}

static void end_frame(struct writer *w, size_t at)
{
	if (w->failed)
		return;
	size_t len = w->len - at - DERP_HEADER_LEN;
	write_u16be_at(w, at + 1, (uint16_t)(len >> 16));
	write_u16be_at(w, at + 3, (uint16_t)len);
}

static int encode_packet(const struct derp_frame *f, struct writer *w)
{
	if (f->packet.len > DERP_PACKET_MAX)
		return -EMSGSIZE;
	if (f->type != DERP_SEND_PACKET)
		write_bytes(w, f->packet.src.b, KEY_LEN);
	if (f->type != DERP_RECV_PACKET)
		write_bytes(w, f->packet.dst.b, KEY_LEN);
	write_bytes(w, f->packet.data, f->packet.len);
	return 0;
}

static void encode_present(const struct derp_peer_present *present, struct writer *w)
{
	write_bytes(w, present->key.b, KEY_LEN);
	if (!present->has_endpoint)
		return;
	write_endpoint(w, &present->endpoint);
	if (present->has_flags)
		write_u8(w, present->flags);
}

static int encode_payload(const struct derp_frame *f, struct writer *w)
{
	switch (f->type) {
	case DERP_SERVER_KEY:
		write_bytes(w, magic, sizeof(magic));
		write_bytes(w, f->server_key.b, KEY_LEN);
		return 0;
	case DERP_CLIENT_INFO:
	case DERP_SERVER_INFO:
		write_bytes(w, f->sealed.bytes, f->sealed.len);
		return 0;
	case DERP_SEND_PACKET:
	case DERP_RECV_PACKET:
	case DERP_FORWARD_PACKET:
		return encode_packet(f, w);
	case DERP_KEEP_ALIVE:
	case DERP_WATCH_CONNS:
		return 0;
	case DERP_NOTE_PREFERRED:
		write_u8(w, f->preferred);
		return 0;
	case DERP_PEER_GONE:
		write_bytes(w, f->gone.key.b, KEY_LEN);
		write_u8(w, (uint8_t)f->gone.reason);
		return 0;
	case DERP_PEER_PRESENT:
		encode_present(&f->present, w);
		return 0;
	case DERP_CLOSE_PEER:
		write_bytes(w, f->close_peer.b, KEY_LEN);
		return 0;
	case DERP_PING:
	case DERP_PONG:
		write_bytes(w, f->ping, DERP_PING_LEN);
		return 0;
	case DERP_HEALTH:
		write_bytes(w, f->health.text, f->health.len);
		return f->health.len > DERP_HEALTH_MAX ? -EMSGSIZE : 0;
	case DERP_RESTARTING:
		write_u32be(w, f->restarting.reconnect_in_ms);
		write_u32be(w, f->restarting.try_for_ms);
		return 0;
	}
	return -EINVAL;
}

int derp_frame_encode(const struct derp_frame *f, struct writer *w)
{
	size_t at = begin_frame(w, f->type);
	int err = encode_payload(f, w);

	if (err)
		return err;
	end_frame(w, at);
	return w->failed ? -ENOBUFS : 0;
}

size_t derp_packet_head(enum derp_type type, const struct public_key *src,
			const struct public_key *dst, size_t data_len,
			uint8_t out[static DERP_PACKET_HEAD_MAX])
{
	struct writer w = writer_init(out, DERP_PACKET_HEAD_MAX);
	size_t keys_len = type == DERP_FORWARD_PACKET ? 2 * KEY_LEN : KEY_LEN;

	write_u8(&w, (uint8_t)type);
	write_u32be(&w, (uint32_t)(keys_len + data_len));
	if (type != DERP_SEND_PACKET)
		write_bytes(&w, src->b, KEY_LEN);
	if (type != DERP_RECV_PACKET)
		write_bytes(&w, dst->b, KEY_LEN);
	return w.len;
}

bool derp_packet_is_disco(const uint8_t *data, size_t len)
{
	return disco_is_disco(data, len);
}

static const char *const type_names[] = {
	[DERP_SERVER_KEY] = "server-key",
	[DERP_CLIENT_INFO] = "client-info",
	[DERP_SERVER_INFO] = "server-info",
	[DERP_SEND_PACKET] = "send-packet",
	[DERP_RECV_PACKET] = "recv-packet",
	[DERP_KEEP_ALIVE] = "keep-alive",
	[DERP_NOTE_PREFERRED] = "note-preferred",
	[DERP_PEER_GONE] = "peer-gone",
	[DERP_PEER_PRESENT] = "peer-present",
	[DERP_FORWARD_PACKET] = "forward-packet",
	[DERP_WATCH_CONNS] = "watch-conns",
	[DERP_CLOSE_PEER] = "close-peer",
	[DERP_PING] = "ping",
	[DERP_PONG] = "pong",
	[DERP_HEALTH] = "health",
	[DERP_RESTARTING] = "restarting",
};

bool derp_type_is_known(uint8_t type)
{
	return type < sizeof(type_names) / sizeof(type_names[0]) && type_names[type];
}

const char *derp_type_str(uint8_t type)
{
	return derp_type_is_known(type) ? type_names[type] : "unknown";
}
