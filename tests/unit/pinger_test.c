#include "agent/pinger.h"

#include "tests/unit/test.h"

static const struct way direct = {.kind = WAY_DIRECT};
static const uint8_t first[DISCO_TXID_LEN] = {1}, second[DISCO_TXID_LEN] = {2};

static void ping_once(struct pinger *p, const uint8_t *txid, uint64_t now_us)
{
	CHECK(pinger_is_due(p, now_us));
	pinger_on_sent(p, txid, &direct, now_us);
}

TEST(sends_one_probe_an_interval)
{
	struct pinger p;

	pinger_init(&p, 1000000, 2, 500);
	ping_once(&p, first, 500);
	CHECK(!pinger_is_due(&p, 1000499));
	ping_once(&p, second, 1000500);
	CHECK(!pinger_is_due(&p, 9000000));
}

TEST(measures_from_the_probe_to_its_pong)
{
	struct pinger p;
	struct pinger_result r;

	pinger_init(&p, 1000000, 1, 500);
	ping_once(&p, first, 500);
	CHECK(!pinger_on_pong(&p, second, 700, &r));
	CHECK(pinger_on_pong(&p, first, 23500, &r));
	CHECK(r.seq == 1 && !r.timeout && r.rtt_us == 23000);
	CHECK(!pinger_on_pong(&p, first, 23500, &r)); /* a second copy counts once */
	CHECK(pinger_done(&p));
}

TEST(gives_a_probe_up_after_two_seconds)
{
	struct pinger p;
	struct pinger_result r;

	pinger_init(&p, 1000000, 1, 500);
	ping_once(&p, first, 500);
	CHECK_INT(pinger_deadline_us(&p), 2000500);
	CHECK(!pinger_expired(&p, 2000499, &r));
	CHECK(!pinger_done(&p));
	CHECK(pinger_expired(&p, 2000500, &r) && r.timeout && r.seq == 1);
	CHECK(pinger_done(&p));
}

TEST(does_not_flood_however_short_the_interval)
{
	struct pinger p;

	pinger_init(&p, 0, 0, 500);
	ping_once(&p, first, 500);
	CHECK(!pinger_is_due(&p, 10499));
	ping_once(&p, second, 10500);
}
