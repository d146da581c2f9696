/*
 * replay: runs a fuzz target over the files of its corpus, without a fuzzing engine, so that
 * `make check` does it under any compiler and sanitizer. The target's name is the program's.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(path, "rb");

	if (!f)
		return -1;
	size_t len = fread(buf, 1, sizeof(buf), f);
	fclose(f);

	/* A heap copy of the exact length lets a sanitizer see one byte too many. */
	uint8_t *exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	memcpy(exact, buf, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	const char *suffix = strstr(name, "_fuzz_replay");
	char dir[256];
	unsigned n = 0;

	if (argc > 1)
		snprintf(dir, sizeof(dir), "%s", argv[1]);
	else
		snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%.*s",
			 (int)(suffix ? suffix - name : (long)strlen(name)), name);

	DIR *d = opendir(dir);
	if (!d) {
		fprintf(stderr, "%s: no corpus at %s\n", name, dir);
		return 1;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		char path[600];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n += replay_file(path) == 0;
	}
	closedir(d);
	printf("%u inputs\n[  PASSED  ] 1 test(s).\n", n);
	return n > 0 ? 0 : 1;
}
