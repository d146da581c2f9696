#include "tests/sim/stun_machine.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/host.h"
#include "tests/sim/world.h"

struct stun_machine {
	struct stun_machine_config cfg;
	struct stun_udp *server; /* NULL: off */
};

struct stun_machine *stun_machine_new(struct world *world, const struct stun_machine_config *config)
{
	struct stun_machine *m = calloc(1, sizeof(*m));

	(void)world;
	if (!m)
		abort();
	m->cfg = *config;
	if (m->cfg.port == 0)
		m->cfg.port = 3478;
	return m;
}

void stun_machine_free(struct stun_machine *m)
{
	if (!m)
		return;
	stun_machine_stop(m);
	free(m);
}

int stun_machine_start(struct stun_machine *m, char error[static STUN_UDP_ERROR_LEN])
{
	struct stun_udp_config cfg = {
		.listen = {{.port = m->cfg.port}}, .n_listen = 1, .threads = 1};

	if (m->server)
		return -EALREADY;
	struct world_place before = world_enter(m->cfg.host);
	int err = stun_udp_start(&cfg, &m->server, error);
	world_leave(before);
	return err;
}

void stun_machine_stop(struct stun_machine *m)
{
	struct world_place before = world_enter(m->cfg.host);

	stun_udp_stop(m->server);
	m->server = NULL;
	world_leave(before);
}

bool stun_machine_runs(const struct stun_machine *m)
{
	return m->server != NULL;
}

void stun_machine_counts(const struct stun_machine *m, struct stun_udp_counts *out)
{
	*out = (struct stun_udp_counts){0};
	if (m->server)
		stun_udp_counts(m->server, out);
}
