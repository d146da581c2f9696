#include "common/proto/invitation.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

#define PIN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(reads_what_it_writes)
{
	struct invitation inv = {.url = "https://mesh.example:8443",
				 .token = "dev.alice.5ec3e7",
				 .has_pin = true,
				 .pin = {0xab}},
			  back;
	char text[INVITATION_TEXT_LEN];

	CHECK_INT(invitation_str(&inv, text), 0);
	CHECK(strncmp(text, "warren://mesh.example:8443/#token=dev.alice.5ec3e7&pin=sha256:ab00",
		      66) == 0);
	CHECK_INT(invitation_parse(text, &back), 0);
	CHECK_STR(back.url, inv.url);
	CHECK_STR(back.token, inv.token);
	CHECK(back.has_pin);
	CHECK_MEM(back.pin, inv.pin, sizeof(inv.pin));
}

TEST(does_without_a_pin_and_a_port)
{
	struct invitation inv;

	CHECK_INT(invitation_parse(" warren://[2001:db8::1]/#token=a.b.c\n", &inv), 0);
	CHECK_STR(inv.url, "https://[2001:db8::1]");
	CHECK(!inv.has_pin);
	CHECK_INT(invitation_parse("warren://h#pin=sha256:" PIN "&later=1&token=a.b.c", &inv), 0);
	CHECK(inv.has_pin && inv.pin[1] == 0x23);
}

TEST(refuses_what_is_no_invitation)
{
	static const char *const cases[] = {
		"",
		"https://h/#token=a",
		"warren://",
		"warren:///#token=a",
		"warren://h/",
		"warren://h/#token=",
		("warren://h/#pin=sha256:" PIN),
		"warren://h/#token=a&pin=sha256:0123",
		("warren://h/#token=a&pin=" PIN),
		"warren://h/#token=a b",
		"warren://h/path#token=a",
		"warren://u@h/#token=a",
		"warren://h/#token=a&",
		"warren://mesh.example/#token=a.b.c&token=d.e.f",
		("warren://mesh.example/#token=a.b.c&pin=sha256:"
		 "00000000000000000000000000000000000000000000000000000000000000aa&pin=sha256:"
		 "00000000000000000000000000000000000000000000000000000000000000ab"),
	};
	struct invitation inv;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(invitation_parse(cases[i], &inv), -EBADMSG);
}
