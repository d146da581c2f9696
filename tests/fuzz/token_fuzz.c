/* Any text as a join token: a stranger's is found nowhere, what splits is a name and an owner, and
 * a true one bent by the input in any bit is unknown. */
#include "coordinator/token.h"

#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[TOKEN_RANDOM_LEN] = {9};
	struct token t = {.id = 1, .name = "laptop", .owner = "alice", .expires_unix_s = 100};
	char text[CONTROL_TOKEN_LEN], bent[CONTROL_TOKEN_LEN];
	char name[CONTROL_NAME_LEN], owner[CONTROL_NAME_LEN], secret[CONTROL_SECRET_LEN];
	struct token_table table = {0};

	if (len >= CONTROL_TOKEN_LEN)
		return 0;
	token_make(&t, random, text);
	MUST(token_table_add(&table, &t) == 0);
	if (len > 0)
		memcpy(bent, data, len);
	bent[len] = '\0';
	if (control_token_split(bent, name, owner, secret) == 0)
		MUST(control_name_valid(name) && control_name_valid(owner) && secret[0]);
	MUST((token_table_find(&table, bent) != NULL) == (strcmp(bent, text) == 0));
	/* The same as a mask over the true one. */
	memcpy(bent, text, sizeof(bent));
	for (size_t i = 0; i < len && i < strlen(text); i++)
		bent[i] ^= (char)data[i];
	bool is_true = memcmp(bent, text, strlen(text)) == 0;
	MUST((token_table_find(&table, bent) != NULL) == is_true);
	token_table_wipe(&table);
	return 0;
}
