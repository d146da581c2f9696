/* Any bytes as a relay's key, mesh key or admission secret, the first byte says which: they load,
 * or are refused with one line that does not give them away. */
#include "derp-relay/relay_files.h"

#include <errno.h>

#include "tests/fuzz/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[KEY_LEN] = {1};
	static struct folder folder;
	char path[FOLDER_PATH_LEN], error[RELAY_FILES_ERROR_LEN] = "", secret[RELAY_SECRET_LEN];
	struct secret_key key;
	uint8_t mesh_key[KEY_LEN];
	int rc;

	if (len < 1)
		return 0;
	folder_open(&folder);
	folder_put(&folder, "file", data + 1, len - 1);
	folder_path(&folder, "file", path);
	if (data[0] % 3 == 0)
		rc = relay_key_load(path, random, &key, error);
	else if (data[0] % 3 == 1)
		rc = mesh_key_load(path, mesh_key, error);
	else
		rc = admit_secret_load(path, secret, error);
	MUST(rc == 0 || (rc != -ENOENT && strstr(error, path) == error));
	if (rc == 0 && data[0] % 3 == 2)
		for (const char *at = secret; *at; at++)
			MUST((uint8_t)*at > 31 && *at != 127); /* it becomes a line of HTTP */
	folder_remove(&folder, "file");
	folder_close(&folder);
	return 0;
}
