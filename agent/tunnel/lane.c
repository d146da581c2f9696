#include "agent/tunnel/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/inbound.h"
#include "agent/tunnel/outbound.h"

enum { MAIN_RING_BYTES = 256 * 1024 };
/* How often the filter looks through its table while packets move. */
enum { TICK_US = 100 * 1000 };

void lane_drop(struct lane *lane, struct lane_peer *peer, enum engine_drop reason, uint64_t n)
{
	counter_add(&lane->drops[reason], n);
	if (peer)
		counter_add(&peer->drops[reason], n);
}

void lane_count(struct lane *lane, enum engine_flow flow, uint64_t n)
{
	counter_add(&lane->flows[flow], n);
}

void lane_count_unwaited(struct lane *lane, uint64_t n)
{
	counter_set(&lane->waiting, counter_read(&lane->waiting) - n);
}

void lane_drop_waiting(struct lane *lane, struct lane_peer *peer, enum engine_drop reason,
		       uint64_t n)
{
	lane_count_unwaited(lane, n);
	lane_drop(lane, peer, reason, n);
	counter_add(&peer->way[WAY_NONE].data_sent, n);
}

void lane_post(struct lane *lane, struct lane_peer *peer, unsigned bits)
{
	mailbox_post(&lane->view->to_main, &peer->mail_to_main, bits);
}

void lane_want_handshake(struct lane *lane, struct lane_peer *peer)
{
	if (peer->asked_us && lane->now_us - peer->asked_us < US_PER_S)
		return;
	peer->asked_us = lane->now_us;
	lane_post(lane, peer, MAIN_WANT_HANDSHAKE);
}

void lane_list(struct lane *lane, struct lane_peer *peer)
{
	if (peer->is_listed)
		return;
	peer->is_listed = true;
	peer->next_listed = lane->listed;
	lane->listed = peer;
}

static void unlist(struct lane *lane, struct lane_peer *peer)
{
	struct lane_peer **at = &lane->listed;

	while (*at && *at != peer)
		at = &(*at)->next_listed;
	if (*at)
		*at = peer->next_listed;
	peer->is_listed = false;
}

/* ---- mail ---- */

void lane_tell(struct lane *lane, unsigned bits)
{
	mailbox_post(&lane->mailbox, &lane->mail_to_lane, bits);
}

static void on_peer_mail(struct lane *lane, struct lane_peer *peer, unsigned bits)
{
	if (bits & LANE_LEAVE) {
		unlist(lane, peer);
		lane_drop_waiting(lane, peer, DROP_NO_PEER, backlog_pair_clear(&peer->waiting));
		aead_forget_keys(lane->aead);
		lane_post(lane, peer, MAIN_LEFT); /* the last time the peer is touched */
		return;
	}
	if (bits & LANE_FORGET) {
		resend_clear(&peer->sealed);
		aead_forget_keys(lane->aead); /* whose turn it was last: the next sets its own */
	}
	if (bits & LANE_GIVE_UP)
		lane_drop_waiting(lane, peer, DROP_NO_KEYPAIR, backlog_pair_clear(&peer->waiting));
	if (bits & LANE_RESEND)
		outbound_resend(lane, peer);

	bool has_waiting = backlog_pair_count(&peer->waiting) > 0;
	if (bits & (LANE_FLUSH | LANE_CONFIRM))
		outbound_release(lane, peer);
	if ((bits & LANE_KEEPALIVE) || ((bits & LANE_CONFIRM) && !has_waiting))
		outbound_keepalive(lane, peer);
}

static void save_filter(struct lane *lane)
{
	lane->save_len = 0;
	if (filter_save(lane->view->filter, lane->save_buf, lane->save_cap, &lane->save_len,
			lane->now_us) != 0)
		lane->save_len = 0;
	mailbox_post(&lane->view->to_main, &lane->mail_to_main, MAIN_SAVED);
}

static void read_mail(struct lane *lane)
{
	struct mail *mail = mailbox_take(&lane->mailbox), *next;

	for (; mail; mail = next) {
		next = mail->next;
		unsigned bits = mail_open(mail);

		if (mail != &lane->mail_to_lane) {
			on_peer_mail(lane, lane_peer_of_mail_to_lane(mail), bits);
			continue;
		}
		if (bits & LANE_SAVE)
			save_filter(lane);
		if (bits & LANE_STOP)
			lane->stops = true;
	}
	outbound_flush(lane);
}

/* ---- what waits ---- */

/* Sends, expires or keeps what waits; returns when the next of it is due. */
static uint64_t look_at_waiting(struct lane *lane)
{
	uint64_t deadline_us = US_NEVER;
	struct lane_peer *next;

	for (struct lane_peer *peer = lane->listed; peer; peer = next) {
		struct backlog_entry oldest;

		next = peer->next_listed;
		outbound_expire(lane, peer);
		outbound_release(lane, peer);
		if (!backlog_pair_peek(&peer->waiting, &oldest)) {
			unlist(lane, peer);
			continue;
		}
		uint64_t due_us = oldest.time_us + WAITING_US + 1;
		uint64_t hold_until_us = counter_read(&peer->hold_until_us);
		if (hold_until_us > lane->now_us && hold_until_us < due_us)
			due_us = hold_until_us;
		if (due_us < deadline_us)
			deadline_us = due_us;
	}
	outbound_flush(lane);
	return deadline_us;
}

/* ---- a turn ---- */

uint64_t lane_turn(struct lane *lane, unsigned ready, uint64_t now_us)
{
	const struct udp *udp = atomic_load(&lane->view->udp);

	lane->now_us = now_us;
	if (ready & 1u << LANE_ON_MAIL)
		read_mail(lane);
	if (ready & 1u << LANE_ON_TUN)
		(void)outbound_read_tun(lane);
	if (ready & 1u << LANE_ON_UDP4)
		(void)inbound_read_udp(lane, udp->fd4);
	if (ready & 1u << LANE_ON_UDP6)
		(void)inbound_read_udp(lane, udp->fd6);
	if (lane->from_relay)
		(void)inbound_read_relay(lane);
	uint64_t deadline_us = lane->listed ? look_at_waiting(lane) : US_NEVER;
	if (lane->view->filter && now_us - lane->ticked_us >= TICK_US) {
		lane->ticked_us = now_us;
		filter_tick(lane->view->filter, now_us);
	}
	return deadline_us;
}

/* ---- life ---- */

/* Memory is touched only as packets come: super-packet buffers cost an idle lane nothing. */
static int allocate(struct lane *lane)
{
	lane->aead = aead_new();
	lane->to_main = ring_new(MAIN_RING_BYTES);
	lane->tun_buf = malloc(LANE_TUN_BYTES);
	lane->out.bytes = malloc(LANE_OUT_BYTES);
	lane->in.bytes = malloc(LANE_IN_BYTES);
	if (!lane->aead || !lane->to_main || !lane->tun_buf || !lane->out.bytes || !lane->in.bytes)
		return -ENOMEM;
	return mailbox_open(&lane->mailbox);
}

int lane_init(struct lane *lane, struct lane_view *view, size_t number, const struct tun *tun,
	      struct ring *from_relay)
{
	memset(lane, 0, sizeof(*lane));
	lane->view = view;
	lane->number = number;
	lane->tun_fd = tun->fd;
	lane->tso = tun->tso;
	lane->uso = tun->uso;
	lane->from_relay = from_relay;
	lane->mailbox.fd = -1;
	merge_reset(&lane->in.merge, tun->tso, tun->uso);

	int err = allocate(lane);
	if (err)
		lane_wipe(lane);
	return err;
}

void lane_wipe(struct lane *lane)
{
	aead_free(lane->aead);
	ring_free(lane->to_main);
	free(lane->tun_buf);
	free(lane->out.bytes);
	free(lane->in.bytes);
	mailbox_close(&lane->mailbox);
	memset(lane, 0, sizeof(*lane));
	lane->mailbox.fd = -1;
}
