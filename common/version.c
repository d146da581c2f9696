#include "common/version.h"

const char *version_number(void)
{
	return WARREN_VERSION;
}

const char *version_commit(void)
{
	return WARREN_COMMIT;
}
