/* version: what --version and status say. The commit is the build's own. */
#ifndef WARREN_VERSION_H
#define WARREN_VERSION_H

const char *version_number(void);
const char *version_commit(void);

#endif
