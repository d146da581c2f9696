/*
 * test: unit tests as sentences. TEST(name) { ... CHECK(condition); ... } registers itself; main()
 * is in test.c and hands all of a file's tests to cmocka.
 */
#ifndef WARREN_TEST_H
#define WARREN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void test_register(const char *name, CMUnitTestFunction run);

#define TEST(name)                                                                                 \
	static void test_##name(void **state);                                                     \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, test_##name);                                                 \
	}                                                                                          \
	static void test_##name(void **state __attribute__((unused)))

#ifndef __clang_analyzer__
#define CHECK(condition) assert_true(condition)
#define CHECK_INT(got, wanted) assert_int_equal(got, wanted)
#define CHECK_STR(got, wanted) assert_string_equal(got, wanted)
#define CHECK_MEM(got, wanted, len) assert_memory_equal(got, wanted, len)
#else /* cmocka ends a failed test by longjmp, which the analyzer cannot see */
#define CHECK(condition) ((condition) ? (void)0 : __builtin_unreachable())
#define CHECK_INT(got, wanted) CHECK((uintmax_t)(got) == (uintmax_t)(wanted))
#define CHECK_STR(got, wanted) CHECK(strcmp(got, wanted) == 0)
#define CHECK_MEM(got, wanted, len) CHECK(memcmp(got, wanted, len) == 0)
#endif

/* Decodes len bytes of hexadecimal into out; the test ends where hex is not exactly that. */
void test_unhex(const char *hex, uint8_t *out, size_t len);

#endif
