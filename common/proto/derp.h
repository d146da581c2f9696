/*
 * derp: the frames of the DERP relay protocol, version 2, as deployed relays and clients speak it.
 *
 * Frames as structs, both directions; the sealed login; and a reader that finds the frames in a
 * byte stream held in the caller's buffer. Both derp-relay and the relay sessions of warrend use
 * it. Who may send what, queues, timeouts and rates are theirs.
 *
 *	type(1) | length(4, big-endian, of what follows) | payload
 */
#ifndef WARREN_DERP_H
#define WARREN_DERP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

enum {
	DERP_VERSION = 2,
	DERP_HEADER_LEN = 5,
	DERP_NONCE_LEN = 24,
	DERP_TAG_LEN = 16,
	DERP_PING_LEN = 8,
	DERP_PACKET_MAX = 64 << 10,
	/* The longest frames there are apart from the login: a relayed packet, and a forwarded one.
	 */
	DERP_FRAME_MAX = DERP_HEADER_LEN + KEY_LEN + DERP_PACKET_MAX,
	DERP_FORWARD_FRAME_MAX = DERP_HEADER_LEN + 2 * KEY_LEN + DERP_PACKET_MAX,
	DERP_HEALTH_MAX = 1024,	    /* text of a Health frame; what is behind it is cut off */
	DERP_PING_BODY_MAX = 1000,  /* Ping and Pong may be longer than 8; the rest is ignored */
	DERP_UNKNOWN_MAX = 1 << 20, /* an unknown or over-long frame beyond this is an error */
	DERP_SERVER_KEY_FRAME_MAX = 1 << 10,
	DERP_CLIENT_INFO_FRAME_MAX = 256 << 10,
	DERP_APP_NAME_LEN = 64
};

enum derp_type {
	DERP_SERVER_KEY = 0x01,
	DERP_CLIENT_INFO = 0x02,
	DERP_SERVER_INFO = 0x03,
	DERP_SEND_PACKET = 0x04,
	DERP_RECV_PACKET = 0x05,
	DERP_KEEP_ALIVE = 0x06,
	DERP_NOTE_PREFERRED = 0x07,
	DERP_PEER_GONE = 0x08,
	DERP_PEER_PRESENT = 0x09,
	DERP_FORWARD_PACKET = 0x0a,
	DERP_WATCH_CONNS = 0x10,
	DERP_CLOSE_PEER = 0x11,
	DERP_PING = 0x12,
	DERP_PONG = 0x13,
	DERP_HEALTH = 0x14,
	DERP_RESTARTING = 0x15
};

enum derp_gone_reason {
	DERP_GONE_DISCONNECTED = 0x00,
	DERP_GONE_NOT_HERE = 0x01 /* only in answer to a disco packet */
};

enum derp_present_flag {
	DERP_PRESENT_REGULAR = 1,
	DERP_PRESENT_MESH = 2,
	DERP_PRESENT_PROBER = 4,
	DERP_PRESENT_NOT_IDEAL = 8
};

/* SendPacket: key is the destination; RecvPacket: the source; ForwardPacket: both. */
struct derp_packet {
	struct public_key src, dst;
	const uint8_t *data; /* borrowed from the payload decoded */
	size_t len;
};

struct derp_peer_gone {
	struct public_key key;
	enum derp_gone_reason reason; /* a reason not known reads as DISCONNECTED */
};

struct derp_peer_present {
	struct public_key key;
	bool has_endpoint, has_flags; /* flags only behind an endpoint */
	struct endpoint endpoint;
	uint8_t flags; /* enum derp_present_flag; 0 from old relays */
};

struct derp_restarting {
	uint32_t reconnect_in_ms;
	uint32_t try_for_ms;
};

struct derp_frame {
	enum derp_type type;
	union {
		struct public_key server_key;	  /* ServerKey */
		struct derp_packet packet;	  /* SendPacket, RecvPacket, ForwardPacket */
		bool preferred;			  /* NotePreferred */
		struct derp_peer_gone gone;	  /* PeerGone */
		struct derp_peer_present present; /* PeerPresent */
		struct public_key close_peer;	  /* ClosePeer */
		uint8_t ping[DERP_PING_LEN];	  /* Ping, Pong */
		struct {
			const char *text; /* UTF-8 without a NUL, borrowed; empty: healthy again */
			size_t len;
		} health;
		struct derp_restarting restarting;
		struct {
			const uint8_t *bytes; /* borrowed: for derp_client_info_open and the like */
			size_t len;
		} sealed; /* ClientInfo, ServerInfo */
	};
};

/* Reads a payload. Longer payloads than known are taken by the prefix known (the protocol's rule of
 * extension) save where the protocol calls a wrong size fatal. -ENOTSUP: a type we do not know, to
 * be skipped; -EMSGSIZE: longer than the limits above; -EBADMSG: malformed. */
MUST_CHECK int derp_frame_decode(uint8_t type, const uint8_t *payload, size_t len,
				 struct derp_frame *out);
/* Writes header and payload. -ENOBUFS where it does not fit w, -EMSGSIZE where a packet or text is
 * too long. */
MUST_CHECK int derp_frame_encode(const struct derp_frame *f, struct writer *w);

/* What stands before the data of a packet frame, for senders that write the data themselves (from
 * another buffer, by writev): DERP_HEADER_LEN + KEY_LEN bytes, twice KEY_LEN for ForwardPacket. */
enum { DERP_PACKET_HEAD_MAX = DERP_HEADER_LEN + 2 * KEY_LEN };
size_t derp_packet_head(enum derp_type type, const struct public_key *src,
			const struct public_key *dst, size_t data_len,
			uint8_t out[static DERP_PACKET_HEAD_MAX]);

/* Whether a relayed packet is disco: those have their own queue and answers. */
bool derp_packet_is_disco(const uint8_t *data, size_t len);

bool derp_type_is_known(uint8_t type);
/* "send-packet" and the like; "unknown" for other numbers. */
const char *derp_type_str(uint8_t type);

/* ---- login ---- */

struct derp_client_info {
	bool has_mesh_key;
	uint8_t mesh_key[KEY_LEN]; /* secret: wipe the struct after use */
	unsigned version;
	bool can_ack_pings;
	bool is_prober;
	char app_name[DERP_APP_NAME_LEN]; /* "" = none; a longer one is cut */
};

struct derp_server_info {
	unsigned version;
	uint64_t rate_bytes_per_s; /* 0 = no limit; else the client drops what is beyond */
	uint64_t burst_bytes;
};

/* Writes the whole ClientInfo frame, sealed to the server. The nonce is 24 random bytes. -ENOBUFS,
 * or -EPROTO where server is no usable key. */
MUST_CHECK int derp_client_info_seal(const struct derp_client_info *info,
				     const struct secret_key *client,
				     const struct public_key *server,
				     const uint8_t nonce[static DERP_NONCE_LEN], struct writer *w);
/* Opens the payload of a ClientInfo frame: that it opens is the proof that *client holds its key.
 * -EACCES where it does not open, -EBADMSG where it is malformed. */
MUST_CHECK int derp_client_info_open(const uint8_t *payload, size_t len,
				     const struct secret_key *server, struct public_key *client,
				     struct derp_client_info *out);

MUST_CHECK int derp_server_info_seal(const struct derp_server_info *info,
				     const struct secret_key *server,
				     const struct public_key *client,
				     const uint8_t nonce[static DERP_NONCE_LEN], struct writer *w);
MUST_CHECK int derp_server_info_open(const uint8_t *payload, size_t len,
				     const struct secret_key *client,
				     const struct public_key *server, struct derp_server_info *out);

/* ---- the stream ---- */

/* Finds frames in a byte stream:
 *
 *	space = derp_reader_space(&r, &n);  read up to n bytes there;  derp_reader_fill(&r, got);
 *	while ((err = derp_reader_next(&r, &raw)) == 0) use raw;     -EAGAIN: read on; else close
 *
 * Frames of types we do not know are skipped as they pass, whatever their length up to
 * DERP_UNKNOWN_MAX; a known one must fit the buffer, its header too. */
struct derp_reader {
	uint8_t *buf;	    /* the caller's */
	size_t cap;	    /* DERP_FRAME_MAX holds everything after the login */
	size_t start, end;  /* bytes not yet given out: buf[start..end) */
	size_t skip;	    /* bytes of a skipped frame still to come */
	uint64_t n_skipped; /* frames */
};

struct derp_raw_frame {
	uint8_t type;
	const uint8_t *payload; /* in buf, valid until the next derp_reader_space */
	size_t len;
};

void derp_reader_init(struct derp_reader *r, uint8_t *buf, size_t cap);
/* Where to put the next bytes, and how many fit; moves what is left to the buffer's front. Never 0
 * bytes once derp_reader_next has said -EAGAIN. */
uint8_t *derp_reader_space(struct derp_reader *r, size_t *len);
void derp_reader_fill(struct derp_reader *r, size_t len);
/* -EAGAIN: no whole frame is there; -EMSGSIZE: a frame too long for the buffer or the limits. The
 * stream is then lost. */
MUST_CHECK int derp_reader_next(struct derp_reader *r, struct derp_raw_frame *out);
/* True where no byte is held, so that the buffer may be lent to another stream meanwhile. */
bool derp_reader_is_empty(const struct derp_reader *r);
/* Goes on in another buffer, which must hold what is held; -ENOBUFS otherwise. */
MUST_CHECK int derp_reader_move(struct derp_reader *r, uint8_t *buf, size_t cap);

#endif
