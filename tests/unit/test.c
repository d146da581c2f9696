#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { MAX_TESTS = 256 };

static struct CMUnitTest tests[MAX_TESTS];
static size_t count;

void test_register(const char *name, CMUnitTestFunction run)
{
	if (count == MAX_TESTS)
		abort();
	tests[count++] = (struct CMUnitTest){.name = name, .test_func = run};
}

void test_unhex(const char *hex, uint8_t *out, size_t len)
{
	size_t got = 0;
	const char *end = NULL;

	int err = sodium_hex2bin(out, len, hex, strlen(hex), " \n", &got, &end);
	CHECK(err == 0 && got == len && *end == '\0');
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	return _cmocka_run_group_tests("unit", tests, count, NULL, NULL);
}
