/*
 * Any bytes as a file of warrend's state folder, the first byte says which: it loads, or is refused
 * with one line that names it; it is never changed by reading.
 */
#include "agent/state.h"

#include <errno.h>

#include "tests/fuzz/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const names[] = {"identity.json", "reserve.json", "map.json", "relays.json",
				    "trust.json",    "warm.json",    "flows"};
enum { FILES = sizeof(names) / sizeof(names[0]) };

static int load_books(struct state *s, size_t which)
{
	struct state_warm warm[STATE_WARM_MAX];
	struct trust_book book = {0};
	size_t n = STATE_WARM_MAX, len;
	uint8_t *bytes;
	int rc;

	switch (which) {
	case 4:
		rc = state_load_trust(s, &book);
		MUST(rc != 0 || book.count <= TRUST_MAX_ENTRIES);
		trust_book_free(&book);
		return rc;
	case 5:
		rc = state_load_warm(s, warm, &n);
		MUST(rc != 0 || n <= STATE_WARM_MAX);
		return rc;
	default:
		rc = state_load_flows(s, &bytes, &len);
		if (rc == 0)
			free(bytes);
		return rc;
	}
}

static int load(struct state *s, size_t which)
{
	struct state_identity id;
	struct state_reserve reserve;
	struct state_map map;
	char *text;
	int rc;

	switch (which) {
	case 0:
		rc = state_load_identity(s, &id);
		MUST(rc != 0 || id.id == 0 || control_name_valid(id.name));
		return rc;
	case 1:
		return state_load_reserve(s, &reserve);
	case 2:
		rc = state_load_map(s, &map);
		MUST(rc != 0 || map.map.n_peers <= CONTROL_MAX_PEERS);
		if (rc == 0)
			state_map_wipe(&map);
		return rc;
	case 3:
		rc = state_load_relays(s, &text);
		if (rc == 0)
			free(text);
		return rc;
	default:
		return load_books(s, which);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct folder folder;
	static struct state state;

	if (len < 1)
		return 0;
	folder_open(&folder);
	MUST(state_open(&state, folder.path) == 0);
	size_t which = data[0] % FILES;
	folder_put(&folder, names[which], data + 1, len - 1);
	state.error[0] = '\0';
	int rc = load(&state, which);
	MUST(rc == 0 || (rc != -ENOENT && strstr(state.error, names[which])));
	MUST(strchr(state.error, '\n') == NULL);
	folder_remove(&folder, names[which]);
	folder_close(&folder);
	return 0;
}
