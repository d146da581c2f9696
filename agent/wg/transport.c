#include "agent/wg/transport.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { INITIATION_LEN = 148, RESPONSE_LEN = 92, COOKIE_REPLY_LEN = 64 };
enum { IPV4_HEADER_LEN = 20, IPV6_HEADER_LEN = 40 };

/* The type is a byte and three reserved zeros, which read as one little-endian number. */
unsigned wg_message_type(const uint8_t *pkt, size_t len)
{
	struct reader r = reader_init(pkt, len);

	switch (read_u32le(&r)) {
	case WG_TYPE_INITIATION:
		return len == INITIATION_LEN ? WG_TYPE_INITIATION : 0;
	case WG_TYPE_RESPONSE:
		return len == RESPONSE_LEN ? WG_TYPE_RESPONSE : 0;
	case WG_TYPE_COOKIE_REPLY:
		return len == COOKIE_REPLY_LEN ? WG_TYPE_COOKIE_REPLY : 0;
	case WG_TYPE_TRANSPORT:
		return len >= TRANSPORT_OVERHEAD ? WG_TYPE_TRANSPORT : 0;
	default:
		return 0;
	}
}

size_t transport_padded_len(size_t len, size_t mtu_bytes)
{
	size_t padded = (len + TRANSPORT_PADDING - 1) / TRANSPORT_PADDING * TRANSPORT_PADDING;

	if (mtu_bytes == 0 || padded <= mtu_bytes)
		return padded;
	return len > mtu_bytes ? len : mtu_bytes;
}

/* Writes header and padding and turns *job into the work order; nothing where it can't send. */
static int prepare_seal(struct transport_job *job, struct aead_job *out, size_t mtu_bytes,
			uint64_t now_us)
{
	size_t padded = transport_padded_len(job->len, mtu_bytes);
	struct writer w = writer_init(job->pkt, TRANSPORT_HEADER_LEN);
	uint8_t *inner = job->pkt + TRANSPORT_HEADER_LEN;
	uint64_t counter;
	int rc = keypair_take_counter(job->keypair, now_us, &counter);

	if (rc != 0)
		return rc;
	write_u32le(&w, WG_TYPE_TRANSPORT);
	write_u32le(&w, job->keypair->remote_index);
	write_u64le(&w, counter);
	memset(inner + job->len, 0, padded - job->len);
	*out = (struct aead_job){
		.key = job->keypair->send_key.b,
		.counter = counter,
		.in = inner,
		.out = inner,
		.len = padded,
	};
	job->len = padded + TRANSPORT_OVERHEAD;
	return 0;
}

void transport_seal_batch(struct aead *a, struct transport_job *jobs, size_t n, size_t mtu_bytes,
			  uint64_t now_us)
{
	struct aead_job work[TRANSPORT_BATCH_MAX];
	size_t count = 0;

	assert(n <= TRANSPORT_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		jobs[i].status = prepare_seal(&jobs[i], &work[count], mtu_bytes, now_us);
		count += jobs[i].status == 0;
	}
	aead_seal_batch(a, work, count);
}

int transport_seal(struct aead *a, struct keypair *kp, uint8_t *pkt, size_t *len, size_t mtu_bytes,
		   uint64_t now_us)
{
	struct transport_job job = {.keypair = kp, .pkt = pkt, .len = *len};

	transport_seal_batch(a, &job, 1, mtu_bytes, now_us);
	*len = job.len;
	return job.status;
}

static int read_header(const uint8_t *pkt, size_t len, uint32_t *index, uint64_t *counter)
{
	struct reader r = reader_init(pkt, len);
	uint32_t type = read_u32le(&r);

	*index = read_u32le(&r);
	*counter = read_u64le(&r);
	if (r.failed || type != WG_TYPE_TRANSPORT || reader_left(&r) < TRANSPORT_TAG_LEN)
		return -EBADMSG;
	return 0;
}

int transport_receiver(const uint8_t *pkt, size_t len, uint32_t *index)
{
	uint64_t counter;

	return read_header(pkt, len, index, &counter);
}

/* Everything that can refuse a packet before its costly opening. */
static int prepare_open(const struct transport_job *job, struct aead_job *out, uint64_t now_us)
{
	uint8_t *inner = job->pkt + TRANSPORT_HEADER_LEN;
	uint64_t counter;
	uint32_t index;
	int rc = read_header(job->pkt, job->len, &index, &counter);

	if (rc != 0)
		return rc;
	if (index != job->keypair->local_index)
		return -EBADMSG;
	if (!keypair_can_receive(job->keypair, now_us) || counter >= REJECT_AFTER_MESSAGES)
		return -EKEYEXPIRED;
	if (!replay_is_fresh(&job->keypair->window, counter))
		return -ESTALE;
	*out = (struct aead_job){
		.key = job->keypair->receive_key.b,
		.counter = counter,
		.in = inner,
		.out = inner,
		.len = job->len - TRANSPORT_OVERHEAD,
	};
	return 0;
}

void transport_open_batch(struct aead *a, struct transport_job *jobs, size_t n, uint64_t now_us)
{
	struct aead_job work[TRANSPORT_BATCH_MAX];
	size_t count = 0;

	assert(n <= TRANSPORT_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		jobs[i].status = prepare_open(&jobs[i], &work[count], now_us);
		count += jobs[i].status == 0;
	}
	aead_open_batch(a, work, count);

	/* The window moves only for what has proved genuine; twins in one batch end here too. */
	for (size_t i = 0, at = 0; i < n; i++) {
		if (jobs[i].status != 0)
			continue;
		jobs[i].status = work[at].status;
		jobs[i].len = work[at].len;
		if (jobs[i].status == 0 &&
		    !replay_accept(&jobs[i].keypair->window, work[at].counter))
			jobs[i].status = -ESTALE;
		at++;
	}
}

int transport_open(struct aead *a, struct keypair *kp, uint8_t *pkt, size_t *len, uint64_t now_us)
{
	struct transport_job job = {.keypair = kp, .pkt = pkt, .len = *len};

	transport_open_batch(a, &job, 1, now_us);
	*len = job.len;
	return job.status;
}

int transport_inner_len(const uint8_t *inner, size_t len, size_t *inner_len)
{
	struct reader r = reader_init(inner, len);
	uint8_t version = read_u8(&r) >> 4;
	size_t total;

	if (version == 4 && len >= IPV4_HEADER_LEN) {
		read_skip(&r, 1);
		total = read_u16be(&r);
	} else if (version == 6 && len >= IPV6_HEADER_LEN) {
		read_skip(&r, 3);
		total = (size_t)read_u16be(&r) + IPV6_HEADER_LEN;
	} else {
		return -EBADMSG;
	}
	if (total > len || total < (version == 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN))
		return -EBADMSG;
	*inner_len = total;
	return 0;
}
