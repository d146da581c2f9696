#include "common/net/resolve.h"

#include <errno.h>
#include <string.h>

#include "common/net/loop.h"
#include "tests/unit/test.h"

struct answer {
	struct event_base *base;
	unsigned times;
	int err;
	struct endpoint addrs[RESOLVE_ADDRS_MAX];
	size_t n;
};

static void on_answer(void *arg, int err, const struct endpoint *addrs, size_t n)
{
	struct answer *a = arg;

	a->times++;
	a->err = err;
	a->n = n;
	memcpy(a->addrs, addrs, n * sizeof(addrs[0]));
	loop_stop(a->base);
}

static struct answer resolve(const char *host)
{
	struct answer a = {.base = loop_base_new()};
	struct resolver *r = resolver_new(a.base);

	resolve_start(r, host, 443, on_answer, &a);
	CHECK(a.times == 0); /* never before resolve_start returned */
	loop_run(a.base);
	resolver_free(r);
	loop_base_free(a.base);
	return a;
}

static bool is_endpoint(const struct endpoint *ep, const char *wanted)
{
	char text[ENDPOINT_TEXT_LEN];

	endpoint_str(ep, text);
	return strcmp(text, wanted) == 0;
}

TEST(literals_and_localhost_need_no_dns)
{
	struct answer a = resolve("192.0.2.7");
	CHECK(a.err == 0 && a.n == 1 && is_endpoint(&a.addrs[0], "192.0.2.7:443"));
	a = resolve("2001:db8::1");
	CHECK(a.err == 0 && a.n == 1 && is_endpoint(&a.addrs[0], "[2001:db8::1]:443"));
	a = resolve("LocalHost");
	CHECK(a.err == 0 && a.n == 2 && is_endpoint(&a.addrs[0], "[::1]:443") &&
	      is_endpoint(&a.addrs[1], "127.0.0.1:443"));
}

TEST(a_name_that_is_none_is_refused_without_asking)
{
	struct answer a = resolve("bad..name");
	CHECK(a.n == 0 && a.err != 0);
}

TEST(cancelled_and_abandoned_queries_are_silent)
{
	struct answer a = {.base = loop_base_new()};
	struct resolver *r = resolver_new(a.base);

	resolve_cancel(resolve_start(r, "192.0.2.7", 1, on_answer, &a));
	resolve_cancel(resolve_start(r, "name.invalid", 1, on_answer, &a));
	resolve_start(r, "other.invalid", 1, on_answer, &a);
	resolver_reload(r);
	resolver_free(r);
	CHECK(a.times == 0);
	loop_base_free(a.base);
}
