/*
 * wire: a cable between two network namespaces with delay, jitter, loss, a rate and reordering.
 *
 * Makes a TAP interface in each, and carries Ethernet frames from one to the other: a stand-in for
 * netem, which the lab's kernel does not have. While the wire only delays, the kernel's large
 * segments pass whole; loss, a rate or reordering count single frames. Both directions have the
 * same nature and, by the seed, fates of their own. Prints a line when it is up and figures at its
 * end.
 */
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "tests/lab/tools/tool.h"

enum { FRAME_MAX = 65536 + 64, HEAP_MAX = 32768, BURST_MAX = 64 };
enum { QUEUE_BYTES_MAX = 64 << 20 };

struct nature {
	uint64_t delay_us, jitter_us, reorder_us;
	double loss, reorder; /* shares of one */
	double rate;	      /* bytes a second; 0: no bound */
	uint64_t queue_us;    /* the longest wait for the rate; a frame beyond it is dropped */
};

struct frame {
	uint64_t at_us, number; /* when it leaves; ties leave in order of arrival */
	uint8_t *bytes;
	size_t len;
};

struct direction {
	int from, to;
	struct frame heap[HEAP_MAX]; /* the next to leave in front */
	size_t n, bytes;
	uint64_t number, free_at_us; /* the rate's: when the line is free again */
	uint64_t last_at_us;	     /* of the last frame kept in order */
	uint64_t random;
	uint64_t passed, lost, overflowed;
};

struct wire {
	struct nature nature;
	struct direction directions[2];
};

/* ---- chance ---- */

static double chance(struct direction *d)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return (double)(d->random >> 11) / (double)(1ULL << 53);
}

/* ---- heap ---- */

static bool leaves_before(const struct frame *a, const struct frame *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void heap_push(struct direction *d, struct frame f)
{
	size_t i = d->n++;

	for (; i > 0 && leaves_before(&f, &d->heap[(i - 1) / 2]); i = (i - 1) / 2)
		d->heap[i] = d->heap[(i - 1) / 2];
	d->heap[i] = f;
}

static struct frame heap_pop(struct direction *d)
{
	struct frame top = d->heap[0], last = d->heap[--d->n];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < d->n; i = child) {
		if (child + 1 < d->n && leaves_before(&d->heap[child + 1], &d->heap[child]))
			child++;
		if (!leaves_before(&d->heap[child], &last))
			break;
		d->heap[i] = d->heap[child];
	}
	d->heap[i] = last;
	return top;
}

/* ---- frames ---- */

/* When a frame leaves that came now, or US_NEVER where the line's queue is full. */
static uint64_t departure(struct direction *d, const struct nature *n, size_t len, uint64_t now_us)
{
	uint64_t start_us = d->free_at_us > now_us ? d->free_at_us : now_us;

	if (n->rate > 0) {
		if (start_us - now_us > n->queue_us)
			return US_NEVER;
		start_us += (uint64_t)((double)len / n->rate * US_PER_S);
		d->free_at_us = start_us;
	}
	uint64_t at_us = start_us + n->delay_us;
	if (n->jitter_us > 0)
		at_us += (uint64_t)(chance(d) * 2 * (double)n->jitter_us);
	if (n->reorder > 0 && chance(d) < n->reorder)
		return at_us + n->reorder_us; /* the ones behind overtake it */
	if (at_us < d->last_at_us)
		at_us = d->last_at_us;
	d->last_at_us = at_us;
	return at_us;
}

static void take_frame(struct direction *d, const struct nature *n, const uint8_t *bytes,
		       size_t len, uint64_t now_us)
{
	if (n->loss > 0 && chance(d) < n->loss) {
		d->lost++;
		return;
	}
	uint64_t at_us = departure(d, n, len, now_us);
	if (at_us == US_NEVER || d->n == HEAP_MAX || d->bytes + len > QUEUE_BYTES_MAX) {
		d->overflowed++;
		return;
	}
	struct frame f = {.at_us = at_us, .number = d->number++, .bytes = malloc(len), .len = len};
	if (!f.bytes)
		die("malloc");
	memcpy(f.bytes, bytes, len);
	d->bytes += len;
	heap_push(d, f);
}

static void take_frames(struct direction *d, const struct nature *n)
{
	static uint8_t buf[FRAME_MAX];
	uint64_t now_us = clock_now_us();

	for (int i = 0; i < BURST_MAX; i++) {
		ssize_t len = read(d->from, buf, sizeof(buf));

		if (len <= 0)
			return;
		take_frame(d, n, buf, (size_t)len, now_us);
	}
}

static void let_out(struct direction *d)
{
	uint64_t now_us = clock_now_us();

	while (d->n > 0 && d->heap[0].at_us <= now_us) {
		struct frame f = heap_pop(d);

		d->passed += write(d->to, f.bytes, f.len) == (ssize_t)f.len;
		d->bytes -= f.len;
		free(f.bytes);
	}
}

/* ---- ends ---- */

static int open_end(const char *netns, const char *name, bool whole_segments)
{
	char path[256];
	struct ifreq request = {0};
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(path);
	close(ns);

	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (whole_segments ? IFF_VNET_HDR : 0));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		die(name);
	if (whole_segments && ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0)
		die("TUNSETOFFLOAD");
	return fd;
}

static uint64_t next_departure(const struct wire *w)
{
	uint64_t at_us = US_NEVER;

	for (size_t i = 0; i < 2; i++) {
		const struct direction *d = &w->directions[i];

		if (d->n > 0 && d->heap[0].at_us < at_us)
			at_us = d->heap[0].at_us;
	}
	return at_us;
}

static void carry(struct wire *w)
{
	while (!tool_stopped) {
		struct pollfd p[2] = {{.fd = w->directions[0].from, .events = POLLIN},
				      {.fd = w->directions[1].from, .events = POLLIN}};
		uint64_t now_us = clock_now_us(), at_us = next_departure(w);
		uint64_t wait_us = at_us == US_NEVER ? US_PER_S
				   : at_us > now_us  ? at_us - now_us
						     : 0;
		struct timespec wait = {.tv_sec = (time_t)(wait_us / US_PER_S),
					.tv_nsec = (long)(wait_us % US_PER_S) * 1000};

		if (ppoll(p, 2, &wait, NULL) > 0) {
			for (size_t i = 0; i < 2; i++) {
				if (p[i].revents)
					take_frames(&w->directions[i], &w->nature);
			}
		}
		let_out(&w->directions[0]);
		let_out(&w->directions[1]);
	}
}

static void report(const struct wire *w)
{
	printf("{");
	for (size_t i = 0; i < 2; i++) {
		const struct direction *d = &w->directions[i];

		printf("%s\"%s\": {\"passed\": %lu, \"lost\": %lu, \"overflowed\": %lu}",
		       i ? ", " : "", i ? "back" : "there", d->passed, d->lost, d->overflowed);
	}
	printf("}\n");
}

static uint64_t option_us(int argc, char **argv, const char *name, double otherwise_ms)
{
	return (uint64_t)(option_number(argc, argv, name, otherwise_ms) * US_PER_MS);
}

int main(int argc, char **argv)
{
	static struct wire w;
	const char *const *at =
		(const char *const[]){positional(argc, argv, 1), positional(argc, argv, 2),
				      positional(argc, argv, 3), positional(argc, argv, 4)};

	if (!at[3])
		usage("wire NETNS-A INTERFACE-A NETNS-B INTERFACE-B [--delay-ms 0] [--jitter-ms 0] "
		      "[--loss PERCENT] [--rate-mbit 0] [--queue-ms 200] [--reorder PERCENT] "
		      "[--reorder-ms 5] [--seed 1]");
	w.nature = (struct nature){
		.delay_us = option_us(argc, argv, "--delay-ms", 0),
		.jitter_us = option_us(argc, argv, "--jitter-ms", 0),
		.reorder_us = option_us(argc, argv, "--reorder-ms", 5),
		.queue_us = option_us(argc, argv, "--queue-ms", 200),
		.loss = option_number(argc, argv, "--loss", 0) / 100,
		.reorder = option_number(argc, argv, "--reorder", 0) / 100,
		.rate = option_number(argc, argv, "--rate-mbit", 0) * 1e6 / 8,
	};
	bool whole_segments = w.nature.loss <= 0 && w.nature.reorder <= 0 && w.nature.rate <= 0;
	int a = open_end(at[0], at[1], whole_segments), b = open_end(at[2], at[3], whole_segments);
	uint64_t seed = (uint64_t)option_number(argc, argv, "--seed", 1);

	w.directions[0] = (struct direction){.from = a, .to = b, .random = seed * 2654435761u + 1};
	w.directions[1] = (struct direction){.from = b, .to = a, .random = seed * 40503u + 7};
	stop_on_signals();
	puts("{\"up\": true}");
	fflush(stdout);
	carry(&w);
	report(&w);
	return 0;
}
