#include "common/proto/disco.h"

#include <assert.h>
#include <errno.h>

#include <sodium.h>

static const uint8_t magic[DISCO_MAGIC_LEN] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

/* Our report opens with a tag, since deployed pings may pad with zeros there, and its length, since
 * it may grow: readers take the prefix they know. */
enum { REPORT_TAG = 'W', REPORT_LEN = 8 + 2 + 4 + 4 + 4 * DISCO_WAYS + 4 * DISCO_WAYS };
enum { VERSION = 0, ENDPOINT_LEN = 18 };

static_assert(crypto_box_MACBYTES == DISCO_TAG_LEN, "tag of the seal");
static_assert(crypto_box_NONCEBYTES == DISCO_NONCE_LEN, "nonce of the seal");
static_assert(crypto_box_BEFORENMBYTES == KEY_LEN, "shared key of the seal");

int disco_shared_init(struct disco_shared *out, const struct secret_key *ours,
		      const struct public_key *theirs)
{
	return crypto_box_beforenm(out->b, theirs->b, ours->b) == 0 ? 0 : -EPROTO;
}

void disco_shared_wipe(struct disco_shared *shared)
{
	sodium_memzero(shared, sizeof(*shared));
}

bool disco_is_disco(const void *packet, size_t len)
{
	return len >= DISCO_HEADER_LEN && memcmp(packet, magic, sizeof(magic)) == 0;
}

int disco_sender(const void *packet, size_t len, struct public_key *out)
{
	if (!disco_is_disco(packet, len))
		return -EBADMSG;

	struct reader r = reader_init(packet, len);
	read_skip(&r, DISCO_MAGIC_LEN);
	read_bytes(&r, out->b, KEY_LEN);
	return 0;
}

/* ---- encode ---- */

static void write_report(struct writer *w, const struct disco_report *report)
{
	write_u8(w, REPORT_TAG);
	write_u8(w, REPORT_LEN);
	write_u64be(w, report->serial);
	write_u16be(w, report->flags);
	write_u32be(w, report->probe);
	write_u32be(w, report->heard_probe);
	for (int i = 0; i < DISCO_WAYS; i++)
		write_u32be(w, report->data_sent[i]);
	for (int i = 0; i < DISCO_WAYS; i++)
		write_u32be(w, report->data_heard[i]);
}

static int encode_ping(const struct disco_ping *ping, struct writer *w)
{
	if (ping->has_report && !ping->has_node_key)
		return -EINVAL;
	write_bytes(w, ping->txid, DISCO_TXID_LEN);
	if (ping->has_node_key)
		write_bytes(w, ping->node_key.b, KEY_LEN);
	if (ping->has_report)
		write_report(w, &ping->report);
	return 0;
}

static int encode_pong(const struct disco_pong *pong, struct writer *w)
{
	write_bytes(w, pong->txid, DISCO_TXID_LEN);
	write_endpoint(w, &pong->seen);
	if (pong->has_report)
		write_report(w, &pong->report);
	return 0;
}

static int encode_call_me_maybe(const struct disco_call_me_maybe *call, struct writer *w)
{
	if (call->n > DISCO_ENDPOINTS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < call->n; i++)
		write_endpoint(w, &call->endpoints[i]);
	return 0;
}

static int encode_notice(const struct disco_notice *notice, struct writer *w)
{
	write_u64be(w, notice->serial);
	write_u8(w, (uint8_t)notice->reason);
	write_u8(w, (uint8_t)notice->way);
	write_u32be(w, notice->region);
	write_endpoint(w, &notice->listen);
	return 0;
}

static int encode_body(const struct disco_message *m, struct writer *w)
{
	switch (m->type) {
	case DISCO_PING:
		return encode_ping(&m->ping, w);
	case DISCO_PONG:
		return encode_pong(&m->pong, w);
	case DISCO_CALL_ME_MAYBE:
		return encode_call_me_maybe(&m->call_me_maybe, w);
	case DISCO_NOTICE:
		return encode_notice(&m->notice, w);
	}
	return -EINVAL;
}

int disco_encode(const struct disco_message *m, struct writer *w)
{
	write_u8(w, (uint8_t)m->type);
	write_u8(w, VERSION);

	int err = encode_body(m, w);
	if (err)
		return err;
	return w->failed ? -ENOBUFS : 0;
}

int disco_seal(const struct disco_message *m, const struct disco_shared *shared,
	       const struct public_key *ours, const uint8_t nonce[static DISCO_NONCE_LEN],
	       uint8_t *out, size_t cap, size_t *out_len)
{
	uint8_t plain[DISCO_BODY_MAX];
	struct writer body = writer_init(plain, sizeof(plain));
	struct writer w = writer_init(out, cap);

	int err = disco_encode(m, &body);
	if (err)
		return err;
	write_bytes(&w, magic, sizeof(magic));
	write_bytes(&w, ours->b, KEY_LEN);
	write_bytes(&w, nonce, DISCO_NONCE_LEN);
	uint8_t *sealed = write_span(&w, DISCO_TAG_LEN + body.len);
	if (w.failed)
		return -ENOBUFS;
	crypto_box_easy_afternm(sealed, plain, body.len, nonce, shared->b);
	*out_len = w.len;
	return 0;
}

/* ---- decode ---- */

/* False where no report stands there: padding, or something newer than us. */
static bool read_report(struct reader *r, struct disco_report *out)
{
	if (reader_left(r) < 2 + REPORT_LEN || read_u8(r) != REPORT_TAG)
		return false;

	struct reader body = read_slice(r, read_u8(r));
	out->serial = read_u64be(&body);
	out->flags = read_u16be(&body);
	out->probe = read_u32be(&body);
	out->heard_probe = read_u32be(&body);
	for (int i = 0; i < DISCO_WAYS; i++)
		out->data_sent[i] = read_u32be(&body);
	for (int i = 0; i < DISCO_WAYS; i++)
		out->data_heard[i] = read_u32be(&body);
	return !body.failed;
}

static int decode_ping(struct reader *r, struct disco_ping *out)
{
	read_bytes(r, out->txid, DISCO_TXID_LEN);
	if (r->failed)
		return -EBADMSG;
	if (reader_left(r) < KEY_LEN)
		return 0;
	read_bytes(r, out->node_key.b, KEY_LEN);
	out->has_node_key = true;
	out->has_report = read_report(r, &out->report);
	if (!out->has_report)
		out->report = (struct disco_report){0};
	return 0;
}

static int decode_pong(struct reader *r, struct disco_pong *out)
{
	read_bytes(r, out->txid, DISCO_TXID_LEN);
	out->seen = read_endpoint(r);
	if (r->failed)
		return -EBADMSG;
	out->has_report = read_report(r, &out->report);
	if (!out->has_report)
		out->report = (struct disco_report){0};
	return 0;
}

/* As the field reads it: a length that is no whole number of endpoints, or another version, is an
 * empty list and no error. */
static int decode_call_me_maybe(struct reader *r, uint8_t version, struct disco_call_me_maybe *out)
{
	size_t n = reader_left(r) / ENDPOINT_LEN;

	if (version != VERSION || reader_left(r) % ENDPOINT_LEN != 0)
		return 0;
	out->n = n < DISCO_ENDPOINTS_MAX ? n : DISCO_ENDPOINTS_MAX;
	for (size_t i = 0; i < out->n; i++)
		out->endpoints[i] = read_endpoint(r);
	return 0;
}

static int decode_notice(struct reader *r, uint8_t version, struct disco_notice *out)
{
	if (version != VERSION)
		return -ENOTSUP;

	out->serial = read_u64be(r);
	uint8_t reason = read_u8(r);
	uint8_t way = read_u8(r);
	out->region = read_u32be(r);
	out->listen = read_endpoint(r);
	if (r->failed || way >= DISCO_WAYS)
		return -EBADMSG;
	if (reason < DISCO_LEAVING || reason > DISCO_NOT_HEARING)
		return -ENOTSUP;
	out->reason = (enum disco_notice_reason)reason;
	out->way = (enum disco_way)way;
	return 0;
}

int disco_decode(const void *plain, size_t len, struct disco_message *out)
{
	struct reader r = reader_init(plain, len);
	uint8_t type = read_u8(&r);
	uint8_t version = read_u8(&r);

	if (r.failed)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	out->type = (enum disco_type)type;
	switch (type) {
	case DISCO_PING:
		return decode_ping(&r, &out->ping);
	case DISCO_PONG:
		return decode_pong(&r, &out->pong);
	case DISCO_CALL_ME_MAYBE:
		return decode_call_me_maybe(&r, version, &out->call_me_maybe);
	case DISCO_NOTICE:
		return decode_notice(&r, version, &out->notice);
	}
	return -ENOTSUP;
}

int disco_open(const void *packet, size_t len, const struct disco_shared *shared,
	       struct disco_message *out)
{
	uint8_t plain[DISCO_BODY_MAX];
	uint8_t nonce[DISCO_NONCE_LEN];

	if (!disco_is_disco(packet, len))
		return -EBADMSG;
	struct reader r = reader_init(packet, len);
	read_skip(&r, DISCO_MAGIC_LEN + KEY_LEN);
	read_bytes(&r, nonce, sizeof(nonce));
	size_t sealed_len = reader_left(&r);
	const uint8_t *sealed = read_span(&r, sealed_len);
	if (sealed_len < DISCO_TAG_LEN || sealed_len - DISCO_TAG_LEN > sizeof(plain))
		return -EBADMSG;
	if (crypto_box_open_easy_afternm(plain, sealed, sealed_len, nonce, shared->b) != 0)
		return -EACCES;
	return disco_decode(plain, sealed_len - DISCO_TAG_LEN, out);
}

const char *disco_type_str(enum disco_type type)
{
	switch (type) {
	case DISCO_PING:
		return "ping";
	case DISCO_PONG:
		return "pong";
	case DISCO_CALL_ME_MAYBE:
		return "call-me-maybe";
	case DISCO_NOTICE:
		return "notice";
	}
	return "unknown";
}

const char *disco_notice_reason_str(enum disco_notice_reason reason)
{
	switch (reason) {
	case DISCO_LEAVING:
		return "leaving";
	case DISCO_RESTARTING:
		return "restarting";
	case DISCO_NOT_HEARING:
		return "not-hearing";
	}
	return "unknown";
}
